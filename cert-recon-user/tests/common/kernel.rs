//! What the kernel says of itself and of the programs in it.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _};

use super::sys;

/// The inode of the initial pid namespace (`PROC_PID_INIT_INO` in `include/linux/proc_ns.h`).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Whether the numbers of processes that this process sees are those that the kernel reports.
pub(crate) fn in_initial_pid_namespace() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|ns| ns.ino() == INITIAL_PID_NAMESPACE)
}

/// Memory of a process, KiB: what `/proc/PID/status` says behind this word.
pub(crate) fn memory(pid: u32, word: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let rest = status.lines().find_map(|line| line.strip_prefix(word));
    let number = rest.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{word} in KiB"))
}

/// How often the kernel did not run a program of this process because it was already running on that CPU
/// (`recursion_misses` in `bpf_prog_show_fdinfo()`, `kernel/bpf/syscall.c`).
pub(crate) fn misses(pid: u32) -> u64 {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("the process's descriptors");
    let texts = infos
        .flatten()
        .map(|entry| fs::read_to_string(entry.path()).unwrap_or_default());
    texts
        .filter_map(|text| {
            let value = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?;
            value.trim().parse::<u64>().ok()
        })
        .sum()
}

/// Ids of the eBPF programs and maps that a process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) programs: BTreeSet<u32>,
    pub(crate) maps: BTreeSet<u32>,
}

impl Held {
    /// What the process holds now.
    pub(crate) fn by(pid: u32) -> Self {
        let mut held = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))
            .expect("the process's descriptors")
            .flatten()
        {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            for line in text.lines() {
                let id = |value: &str| value.trim().parse::<u32>().ok();
                if let Some(value) = line.strip_prefix("prog_id:") {
                    held.programs.extend(id(value));
                } else if let Some(value) = line.strip_prefix("map_id:") {
                    held.maps.extend(id(value));
                }
            }
        }
        held
    }

    /// What of it is still in the kernel.
    pub(crate) fn left(&self) -> Self {
        Self {
            programs: &sys::loaded(sys::Loaded::Programs) & &self.programs,
            maps: &sys::loaded(sys::Loaded::Maps) & &self.maps,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.maps.is_empty()
    }
}

/// Version and patch level of the running kernel.
pub(crate) fn release() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release");
    let mut numbers = text.split('.').filter_map(|number| number.trim().parse().ok());
    (
        numbers.next().expect("a version"),
        numbers.next().expect("a patch level"),
    )
}
