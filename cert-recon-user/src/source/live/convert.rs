//! From a reassembled record to the event type.

use std::time::{Duration, SystemTime};

use cert_recon_common::flags;
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::reassembly::Assembled;
use crate::{
    enrich::cgroup::names_container,
    event::{Ancestors, Argv, Exec, FilePath, ImageKey, Lineage},
};

/// "Not set" for login uid and session (`AUDIT_UID_UNSET`, `AUDIT_SID_UNSET` in `include/uapi/linux/audit.h`).
const UNSET: u32 = u32::MAX;

/// Turns the kernel's time since boot into the time of day. Taken anew at each wake-up, so that a clock that was set since
/// is followed.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: SystemTime,
    now_boot: Duration,
}

impl Clock {
    /// The clocks of this moment.
    #[must_use]
    pub fn now() -> Self {
        let duration = |t: Timespec| {
            Duration::new(
                u64::try_from(t.tv_sec).unwrap_or(0),
                u32::try_from(t.tv_nsec).unwrap_or(0),
            )
        };
        // The two are read one after the other: what lies between is far below the microsecond that is shown.
        let now_boot = duration(clock_gettime(ClockId::Boottime));
        let now = SystemTime::UNIX_EPOCH + duration(clock_gettime(ClockId::Realtime));
        Self { now, now_boot }
    }

    /// The clocks of this moment, when these are from before something that happened then: they may have been set in between.
    #[must_use]
    pub fn not_before(self, boot_ns: u64) -> Self {
        if Duration::from_nanos(boot_ns) > self.now_boot {
            Self::now()
        } else {
            self
        }
    }

    fn time(self, boot_ns: u64) -> SystemTime {
        let at = Duration::from_nanos(boot_ns);
        match self.now_boot.checked_sub(at) {
            Some(ago) => self.now.checked_sub(ago),
            None => self.now.checked_add(at.saturating_sub(self.now_boot)),
        }
        .unwrap_or(self.now)
    }
}

/// The exec of a record, borrowed from it.
#[must_use]
pub fn exec<'a>(assembled: &Assembled<'a>, clock: Clock) -> Exec<'a> {
    let record = &assembled.record;
    let head = &record.head;
    let has = |flag| head.flags & flag != 0;
    let set = |value: u32| (value != UNSET && !has(flags::NO_AUDIT)).then_some(value);
    Exec {
        time_is_limit: false,
        time: clock.time(head.boot_ns),
        pid: Some(head.pid),
        parent_pid: Some(head.ppid),
        uid: Some(head.uid),
        effective_uid: Some(head.euid),
        gid: Some(head.gid),
        effective_gid: Some(head.egid),
        login_uid: set(head.loginuid),
        session_id: set(head.session),
        path: (!has(flags::FILENAME_FAULT)).then_some(record.filename),
        interpreter: (!record.interp.is_empty()).then_some(record.interp),
        executable: path(record.exe, has(flags::EXE_PATH_CUT), has(flags::EXE_DETACHED)),
        executable_size: has(flags::INODE).then_some(head.exe_size),
        fileless: has(flags::INODE).then_some(head.exe_nlink == 0),
        directory: path(record.cwd, has(flags::CWD_PATH_CUT), has(flags::CWD_DETACHED)),
        tty: (!record.tty.is_empty()).then_some(record.tty),
        cgroup: if has(flags::CGROUP) {
            cgroup(record.cgroup, has(flags::CGROUP_PATH_CUT))
        } else {
            None
        },
        executable_inode: has(flags::INODE).then_some(head.exe_inode),
        executable_device: has(flags::INODE).then_some(head.exe_dev),
        lineage: Some(Lineage {
            image: ImageKey(head.image),
            start_boot_ns: head.start_boot_ns,
            boot_ns: head.boot_ns,
            ancestors: Ancestors::new(record.ancestors),
        }),
        argv: Argv::new(assembled.argv, head.argv_len),
    }
}

/// The cgroup's path in version 2's hierarchy. In version 1's where the process is in the root of that one, or where only the
/// path there names a container.
fn cgroup(paths: &[u8], cut: bool) -> Option<FilePath<'_>> {
    let Some(nul) = memchr::memchr(0, paths) else {
        return path(paths, cut, false);
    };
    let (v2, rest) = paths.split_at(nul);
    let v1 = rest.get(1..).unwrap_or_default();
    let names = |path: &[u8]| names_container(path.rsplit(|&byte| byte == b'/'));
    let is_v1 = v2.is_empty() || (!names(v2) && names(v1));
    if is_v1 {
        path(v1, cut, false)
    } else {
        path(v2, false, false)
    }
}

/// A path of no components is the root, unless it was cut before its first one: then nothing is known.
fn path(components: &[u8], cut: bool, detached: bool) -> Option<FilePath<'_>> {
    (!(cut && components.is_empty())).then_some(FilePath::LeafFirst {
        components,
        cut,
        detached,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_taken_anew_for_what_happened_after_them() {
        let old = Clock {
            now: SystemTime::UNIX_EPOCH,
            now_boot: Duration::from_nanos(5),
        };
        assert_eq!(
            old.not_before(4).time(4),
            SystemTime::UNIX_EPOCH - Duration::from_nanos(1)
        );
        assert_eq!(old.not_before(5).time(5), SystemTime::UNIX_EPOCH);
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        assert!(
            old.not_before(6).time(6) > SystemTime::UNIX_EPOCH + 50 * year,
            "not of an old clock"
        );
    }

    #[test]
    fn a_container_is_told_by_the_hierarchy_that_names_it() {
        let id = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d";
        let other = "0f99ad5f45163ed14ab8eaf92ed34bb4a631d007f8755a7d79be614bcb0df0ef";
        for (paths, expected) in [
            ("cron.service/system.slice/", "/system.slice/cron.service"),
            ("", "/"),
            // Both versions: the second is believed, unless it knows of no container or of nothing.
            (
                "cron.service/system.slice/\0system.slice/",
                "/system.slice/cron.service",
            ),
            ("docker.service/system.slice/\0{id}/docker/", "/docker/{id}"),
            ("{other}/pod/\0{id}/docker/", "/pod/{other}"),
            ("\0{id}/docker/", "/docker/{id}"),
            ("\0cron.service/", "/cron.service"),
            ("\0", "/"),
        ] {
            let filled = |text: &str| text.replace("{id}", id).replace("{other}", other);
            let found = cgroup(filled(paths).as_bytes(), false).unwrap().to_vec();
            assert_eq!(String::from_utf8(found).unwrap(), filled(expected), "{paths:?}");
        }
        // Of two the last is cut.
        assert!(cgroup(b"\0", true).is_none());
        assert!(matches!(
            cgroup(b"a/\0b/", true),
            Some(FilePath::LeafFirst { cut: false, .. })
        ));
        assert!(matches!(
            cgroup(b"\0b/", true),
            Some(FilePath::LeafFirst { cut: true, .. })
        ));
    }
}
