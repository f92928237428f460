//! Facts about this host and this process that decide whether execs can be watched: capabilities, lockdown, kernel.
//!
//! The only module that asks for them; what it reads is parsed by pure functions.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::enrich::cgroup;

/// Where the kernel shows its lockdown mode.
pub const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Bits of the capabilities that matter here (`include/uapi/linux/capability.h`).
pub mod capability {
    /// Covers both of the others, on kernels that have them and on those that don't.
    pub const SYS_ADMIN: u32 = 21;
    /// Raising limits.
    pub const SYS_RESOURCE: u32 = 24;
    /// Reading kernel memory from eBPF.
    pub const PERFMON: u32 = 38;
    /// Loading eBPF programs.
    pub const BPF: u32 = 39;
}

/// Names of the capabilities that loading the program needs and this process does not have.
#[must_use]
pub fn missing_capabilities() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    // When /proc can't be read, the kernel's own answer decides.
    effective_capabilities(&status).map(missing_of).unwrap_or_default()
}

/// The effective capability set in the text of `/proc/PID/status`.
#[must_use]
pub fn effective_capabilities(status: &str) -> Option<u64> {
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(hex.trim(), 16).ok()
}

/// Names of the capabilities that loading the program needs and `set` lacks.
#[must_use]
pub fn missing_of(set: u64) -> Vec<&'static str> {
    let has = |bit: u32| set & (1 << bit) != 0;
    if has(capability::SYS_ADMIN) {
        return Vec::new();
    }
    [(capability::BPF, "CAP_BPF"), (capability::PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter_map(|(bit, name)| (!has(bit)).then_some(name))
        .collect()
}

/// The lockdown mode in the file at `path` (usually [`LOCKDOWN`]); `None` when the kernel shows none.
#[must_use]
pub fn lockdown(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(selected(&text)?.to_owned())
}

/// The choice in square brackets, as the kernel shows choices.
fn selected(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(selected, _)| selected)
}

/// As what a security module has this process: its SELinux context or its AppArmor profile. `None` when none does.
#[must_use]
pub fn security_context() -> Option<String> {
    let text = fs::read_to_string("/proc/self/attr/current").ok()?;
    let text = text.trim_end_matches(['\0', '\n']);
    let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    (!text.is_empty() && text != "unconfined" && is_plain).then(|| text.to_owned())
}

/// Whether this kernel has the BPF ring buffer, as far as it can be told: found out by making one.
#[must_use]
pub fn has_ring_buffer() -> bool {
    aya::sys::is_map_supported(aya::maps::MapType::RingBuf).unwrap_or(true)
}

/// `uname -r`.
#[must_use]
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Memory that this process may use, bytes: the host's, or what its control groups leave it.
#[must_use]
pub fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    let all = info.totalram.saturating_mul(info.mem_unit.into());
    let groups = fs::read("/proc/self/cgroup").unwrap_or_default();
    memory_limit(&groups, |file| fs::read_to_string(file).ok()).map_or(all, |limit| all.min(limit))
}

/// The least limit of the control groups in the text of `/proc/PID/cgroup` and of those above them; `None` without one. A
/// host with both versions has the second one in a folder of its own, and no memory in it.
fn memory_limit(groups: &[u8], read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = cgroup::groups(groups).flat_map(|(controllers, path)| {
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if cgroup::has_controller(controllers, b"memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            return Vec::new();
        };
        let path = Path::new(OsStr::from_bytes(path));
        let own = path.strip_prefix("/").unwrap_or(path);
        let read = |group: &Path| {
            read(&Path::new(root).join(group).join(file))?
                .trim()
                .parse::<u64>()
                .ok()
        };
        own.ancestors().filter_map(read).collect()
    });
    limits.min()
}

/// The host's name.
#[must_use]
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Before Linux 5.11 the memory of maps counted against RLIMIT_MEMLOCK. Where the limit can't be lifted (newer kernels may
/// not allow it, and do not need it), loading decides.
pub fn lift_memlock() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        log::debug!("lifting RLIMIT_MEMLOCK (needed before Linux 5.11 only): {error}");
    }
}

/// Whether the memory of eBPF maps counts against RLIMIT_MEMLOCK, as it did before Linux 5.11: found out by making a map without
/// any such memory. `None` when this process can't make maps at all. For a process with one thread: the limit is changed for a
/// moment.
#[must_use]
pub fn maps_count_as_locked() -> Option<bool> {
    let makes_one = || matches!(aya::sys::is_map_supported(aya::maps::MapType::Array), Ok(true));
    if !makes_one() {
        return None;
    }
    let limit = getrlimit(Resource::Memlock);
    let none = Rlimit {
        current: Some(0),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Memlock, none).ok()?;
    let made = makes_one();
    // It was this before, so it is allowed.
    let _ = setrlimit(Resource::Memlock, limit);
    Some(!made)
}

/// Whether this process may have as much locked memory as it wants.
#[must_use]
pub fn can_lift_memlock() -> bool {
    getrlimit(Resource::Memlock).maximum.is_none()
        || effective_capabilities(&fs::read_to_string("/proc/self/status").unwrap_or_default())
            .is_some_and(|set| set & (1 << capability::SYS_RESOURCE) != 0)
}

/// Calls `then` while this process can open no files. For code of others that reads what is not needed: aya's loader begins
/// with a whole model of the kernel's type information, which takes 20 milliseconds and 10 MB, and can't be told to leave it.
/// Where limits can't be set it may open files. Threads that run meanwhile can open none either.
pub fn without_opening_files<R>(then: impl FnOnce() -> R) -> R {
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        maximum: before.maximum,
    };
    let is_set = setrlimit(Resource::Nofile, none).is_ok();
    let result = then();
    if is_set && let Err(error) = setrlimit(Resource::Nofile, before) {
        log::warn!(
            "setting RLIMIT_NOFILE back to {:?}: {error}; restart the monitor",
            before.current
        );
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sys_admin_stands_for_both_capabilities() {
        assert_eq!(missing_of(1 << capability::SYS_ADMIN), Vec::<&str>::new());
        assert_eq!(missing_of(0), ["CAP_BPF", "CAP_PERFMON"]);
        assert_eq!(missing_of(1 << capability::BPF), ["CAP_PERFMON"]);
        assert_eq!(
            missing_of(1 << capability::BPF | 1 << capability::PERFMON),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn capabilities_are_read_from_status() {
        assert_eq!(
            effective_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"),
            Some(0x1ff_ffff_ffff)
        );
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
        assert_eq!(effective_capabilities("CapEff:\tzz\n"), None);
    }

    #[test]
    fn memory_is_what_the_control_groups_leave() {
        let limit = |groups: &str, files: &[(&str, &str)]| {
            memory_limit(groups.as_bytes(), |path| {
                let (_, text) = files.iter().find(|(file, _)| Path::new(file) == path)?;
                Some((*text).to_owned())
            })
        };
        let second = [
            ("/sys/fs/cgroup/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/c/memory.max", "10\n"),
        ];
        assert_eq!(limit("0::/a/b\n", &second), Some(1000));
        assert_eq!(limit("0::/\n", &second), None);
        // As a container sees the group that it can't leave.
        assert_eq!(limit("0::/\n", &[("/sys/fs/cgroup/memory.max", "77\n")]), Some(77));
        let first = [
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "2000\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(limit("3:cpu:/c\n2:hugetlb,memory:/a\n0::/c\n", &first), Some(2000));
        assert_eq!(limit("", &first), None);
    }

    #[test]
    fn the_memory_of_this_host_is_told_in_bytes() {
        let told = fs::read_to_string("/proc/meminfo").unwrap();
        let kib = told.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
        assert!((1..=kib * 1024).contains(&memory()), "{} of {kib} KiB", memory());
    }

    #[test]
    fn the_selected_mode_stands_in_brackets() {
        assert_eq!(selected("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(selected("none\n"), None);
    }
}
