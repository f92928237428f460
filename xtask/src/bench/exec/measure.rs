//! What the kernel tells about a running process: its processor time, its memory, its eBPF programs and maps.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};

/// Whether the kernel measures eBPF programs. Put back when it is dropped.
const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

pub(super) struct Stats {
    before: String,
}

impl Stats {
    /// Switches the kernel's measurement of programs on. It costs time itself, so nothing else is measured meanwhile.
    pub(super) fn on() -> Result<Self> {
        let before = fs::read_to_string(STATS).with_context(|| format!("reading {STATS}"))?;
        fs::write(STATS, "1").with_context(|| format!("switching {STATS} on"))?;
        Ok(Self { before })
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        if let Err(error) = fs::write(STATS, &self.before) {
            eprintln!(
                "xtask: {STATS} could not be put back to {:?}: {error}",
                self.before.trim()
            );
        }
    }
}

/// A running process.
#[derive(Clone, Copy)]
pub(super) struct Process(pub(super) u32);

/// What the kernel measured of one eBPF program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) nanoseconds: u64,
    pub(super) runs: u64,
}

/// Nanoseconds in a process's programs between two looks at them ([`Process::programs`]).
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn spent(before: &BTreeMap<u64, Program>, after: &BTreeMap<u64, Program>) -> f64 {
    let in_program =
        |(id, program): (&u64, &Program)| program.nanoseconds - before.get(id).map_or(0, |before| before.nanoseconds);
    after.iter().map(in_program).sum::<u64>() as f64
}

/// Memory, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// The most that was resident, without buffers that are shared with the kernel.
    pub(super) resident: u64,
    /// What the eBPF maps take in the kernel, ring buffers included.
    pub(super) maps: u64,
}

impl Process {
    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// Processor time of its threads so far, nanoseconds.
    pub(super) fn cpu(self) -> u64 {
        let threads = fs::read_dir(self.path("task")).into_iter().flatten().flatten();
        threads
            .filter_map(|thread| {
                let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
                text.split_whitespace().next()?.parse::<u64>().ok()
            })
            .sum()
    }

    /// The text of each open descriptor that belongs to eBPF.
    fn descriptors(self) -> Vec<String> {
        let all = fs::read_dir(self.path("fdinfo")).into_iter().flatten().flatten();
        all.filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect()
    }

    /// Its eBPF programs by number.
    pub(super) fn programs(self) -> BTreeMap<u64, Program> {
        let of = |text: String| {
            let program = Program {
                nanoseconds: number(&text, "run_time_ns:")?,
                runs: number(&text, "run_cnt:")?,
            };
            Some((number(&text, "prog_id:")?, program))
        };
        self.descriptors().into_iter().filter_map(of).collect()
    }

    pub(super) fn memory(self) -> Memory {
        let status = fs::read_to_string(self.path("status")).unwrap_or_default();
        let maps: BTreeMap<u64, u64> = self
            .descriptors()
            .iter()
            .filter_map(|text| Some((number(text, "map_id:")?, number(text, "memlock:")?)))
            .collect();
        let mappings = fs::read_to_string(self.path("smaps")).unwrap_or_default();
        Memory {
            resident: (number(&status, "VmHWM:").unwrap_or(0) << 10).saturating_sub(shared_with_kernel(&mappings)),
            maps: maps.values().sum(),
        }
    }

    /// Whether it is there and has not ended.
    pub(super) fn is_running(self) -> bool {
        fs::read_to_string(self.path("stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}

/// Resident bytes of ring buffers in the text of `smaps`.
fn shared_with_kernel(smaps: &str) -> u64 {
    let mut is_buffer = false;
    let mut bytes = 0;
    for line in smaps.lines() {
        if line.contains(" anon_inode:") {
            is_buffer = true;
        } else if let Some(kib) = number(line, "Rss:") {
            bytes += if is_buffer { kib << 10 } else { 0 };
            is_buffer = false;
        } else if line.split(' ').next().is_some_and(|range| range.contains('-')) {
            is_buffer = false;
        }
    }
    bytes
}

/// The number on the line that begins so.
fn number(text: &str, start: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(start))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_buffers_of_the_kernel_are_taken_off() {
        let smaps = "5581-5590 r--p 0 fe:00 1 /usr/bin/x\nSize: 60 kB\nRss:   40 kB\n\
                     7f00-7f10 rw-s 0 00:0e 9 anon_inode:bpf-map\nRss:   16 kB\n\
                     7f20-7f30 rw-p 0 00:00 0 \nRss:   4 kB\n";
        assert_eq!(shared_with_kernel(smaps), 16 << 10);
    }
}
