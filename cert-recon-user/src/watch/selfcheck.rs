//! Whether what the kernel side reads is right: the first canary is an exec of which the monitor knows everything, and what came
//! back of it has to say so. With type information of another kernel, values would be read from wrong places, and every line
//! would be wrong without a sign of it.
//!
//! Compared is only what must be the same on every host: where a namespace or a file system shows this process something else
//! than the kernel sees, it is left out.

use std::{
    fs, io,
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::Path,
};

use crate::{
    event::{Exec, FilePath},
    text,
};

/// The initial pid namespace (`PROC_PID_INIT_INO` in `include/linux/proc_ns.h`): in it, processes have the ids that the kernel
/// reports.
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
/// A user namespace whose ids are those that the kernel reports.
const ALL_IDS: [&str; 3] = ["0", "0", "4294967295"];
/// How the canary is called.
pub(super) const CALLED: &str = "/proc/self/exe";
/// A path of so many bytes is never too long or too deep to be walked.
const SURELY_WALKED: usize = 200;
/// "Not set" for login uid and session (`AUDIT_UID_UNSET`, `AUDIT_SID_UNSET` in `include/uapi/linux/audit.h`).
const UNSET: u32 = u32::MAX;
/// File systems (ext4, xfs, tmpfs, ramfs) whose inodes and devices are those that stat shows; overlayfs and btrfs show others.
const PLAIN_FILE_SYSTEMS: [u64; 4] = [0xEF53, 0x5846_5342, 0x0102_1994, 0x8584_58F6];
/// From the start of the canary's process to its exec, nanoseconds: a minute.
const START_TO_EXEC: u64 = 60_000_000_000;

/// What is known of the first canary before it is sent. Absent: it can't be known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Truth {
    own_pid: Option<u32>,
    /// Real and effective user, real and effective group.
    ids: Option<[u32; 4]>,
    login_uid: Option<Option<u32>>,
    session_id: Option<Option<u32>>,
    executable: Option<Vec<u8>>,
    size: Option<u64>,
    /// Inode and device.
    inode: Option<(u64, u32)>,
}

/// What came back otherwise than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    what: &'static str,
    seen: String,
    expected: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}, but was {}", self.what, self.seen, self.expected)
    }
}

impl Truth {
    /// Of this process and what it is to exec.
    pub(super) fn of_this_process() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let audit = |path: &str| {
            let number: u32 = text(path).trim().parse().ok()?;
            Some((number != UNSET).then_some(number))
        };
        let all_ids = text("/proc/self/uid_map").split_whitespace().eq(ALL_IDS)
            && text("/proc/self/gid_map").split_whitespace().eq(ALL_IDS);
        let pids = fs::metadata("/proc/self/ns/pid").is_ok_and(|ns| ns.ino() == INITIAL_PID_NAMESPACE);
        let file = executable().ok();
        Self {
            own_pid: pids.then(std::process::id),
            ids: all_ids.then(|| {
                [
                    rustix::process::getuid().as_raw(),
                    rustix::process::geteuid().as_raw(),
                    rustix::process::getgid().as_raw(),
                    rustix::process::getegid().as_raw(),
                ]
            }),
            login_uid: audit("/proc/self/loginuid"),
            session_id: audit("/proc/self/sessionid"),
            size: file.as_ref().map(|(_, metadata)| metadata.len()),
            inode: file.as_ref().filter(|_| has_plain_inodes()).map(|(_, metadata)| {
                let device = metadata.dev();
                let number = rustix::fs::major(device) << 20 | rustix::fs::minor(device);
                (metadata.ino(), number)
            }),
            executable: file.map(|(path, _)| path),
        }
    }

    /// The first thing that is wrong in what came back.
    pub(super) fn compare(&self, exec: &Exec<'_>, canary_pid: Option<u32>) -> Option<Mistake> {
        let ids = self.ids.map(|ids| ids.map(Some));
        let [uid, euid, gid, egid] = ids.map_or([None; 4], |ids| ids.map(Some));
        let inode = self.inode.map(|(inode, _)| Some(inode));
        let device = self.inode.map(|(_, device)| Some(device));
        let age = exec
            .lineage
            .and_then(|lineage| lineage.boot_ns.checked_sub(lineage.start_boot_ns))
            .is_some_and(|age| age < START_TO_EXEC);
        differs(
            "its process id",
            exec.pid,
            canary_pid.filter(|_| self.own_pid.is_some()).map(Some),
        )
        .or_else(|| differs("its parent's process id", exec.parent_pid, self.own_pid.map(Some)))
        .or_else(|| differs("its user id", exec.uid, uid))
        .or_else(|| differs("its effective user id", exec.effective_uid, euid))
        .or_else(|| differs("its group id", exec.gid, gid))
        .or_else(|| differs("its effective group id", exec.effective_gid, egid))
        // A kernel without audit has neither.
        .or_else(|| differs("its login uid", exec.login_uid, self.login_uid))
        .or_else(|| differs("its audit session", exec.session_id, self.session_id))
        .or_else(|| differs("the size of its executable", exec.executable_size, self.size.map(Some)))
        .or_else(|| differs("the inode of its executable", exec.executable_inode, inode))
        .or_else(|| differs("the device of its executable", exec.executable_device, device))
        .or_else(|| {
            let path = exec.path.map(String::from_utf8_lossy);
            differs("the path that it was called by", path, Some(Some(CALLED.into())))
        })
        .or_else(|| self.compare_paths(exec))
        .or_else(|| {
            (!age).then(|| Mistake {
                what: "the start of its process",
                seen: "not within the minute before".to_owned(),
                expected: "just before".to_owned(),
            })
        })
    }

    /// Its directory is this process's root, below which its executable is: so it is also in a container or a chroot.
    fn compare_paths(&self, exec: &Exec<'_>) -> Option<Mistake> {
        let known = self.executable.as_deref().filter(|path| path.len() < SURELY_WALKED)?;
        let detached = |path: Option<FilePath<'_>>| matches!(path, Some(FilePath::LeafFirst { detached: true, .. }));
        match (detached(exec.directory), detached(exec.executable)) {
            (false, false) => {}
            (true, true) => return None,
            // One lies below the other.
            (directory, _) => {
                let told = |detached| if detached { "detached" } else { "in the tree of mounts" };
                return Some(Mistake {
                    what: "its working directory",
                    seen: told(directory).to_owned(),
                    expected: format!("{}, as its executable", told(!directory)),
                });
            }
        }
        let whole = |path: Option<FilePath<'_>>| path.map(FilePath::to_vec);
        let root = whole(exec.directory).unwrap_or_default();
        let seen = whole(exec.executable).unwrap_or_default();
        if root.is_empty() {
            return differs("its working directory", None, Some(Some("/")));
        }
        if root.starts_with(b".../") {
            // Deep in a chroot, or nothing that is a path.
            return (root.len() < SURELY_WALKED).then(|| Mistake {
                what: "its working directory",
                seen: shown(&root),
                expected: "a whole path".to_owned(),
            });
        }
        let mut expected = root.strip_suffix(b"/").unwrap_or(&root).to_vec();
        expected.extend_from_slice(known);
        (seen != expected).then(|| Mistake {
            what: "the path of its executable, seen from its working directory,",
            seen: shown(&seen),
            expected: shown(&expected),
        })
    }
}

fn differs<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    seen: Option<T>,
    expected: Option<Option<T>>,
) -> Option<Mistake> {
    let expected = expected.filter(|expected| *expected != seen)?;
    let show = |value: &Option<T>| match value {
        Some(value) => shown(format!("{value:?}").as_bytes()),
        None => "absent".to_owned(),
    };
    Some(Mistake {
        what,
        seen: show(&seen),
        expected: show(&expected),
    })
}

fn shown(bytes: &[u8]) -> String {
    text::for_terminal(&bytes[..bytes.len().min(SURELY_WALKED)]).into_owned()
}

/// This process's executable by a path that leads to it, and what it is.
fn executable() -> io::Result<(Vec<u8>, fs::Metadata)> {
    let link = Path::new(CALLED);
    let (path, metadata) = (fs::read_link(link)?, fs::metadata(link)?);
    let there = fs::metadata(&path)?;
    if !path.is_absolute() || (there.dev(), there.ino()) != (metadata.dev(), metadata.ino()) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok((path.into_os_string().into_vec(), metadata))
}

fn has_plain_inodes() -> bool {
    #[expect(clippy::cast_sign_loss, reason = "a magic number, signed on some machines")]
    rustix::fs::statfs(CALLED).is_ok_and(|fs| PLAIN_FILE_SYSTEMS.contains(&(fs.f_type as u64)))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::event::{Ancestors, Argv, ImageKey, Lineage};

    fn truth() -> Truth {
        Truth {
            own_pid: Some(7),
            ids: Some([0; 4]),
            login_uid: Some(None),
            session_id: Some(None),
            executable: Some(b"/usr/bin/cert-recon".to_vec()),
            size: Some(1000),
            inode: Some((12, 0x0080_0001)),
        }
    }

    fn exec() -> Exec<'static> {
        Exec {
            time: SystemTime::UNIX_EPOCH,
            time_is_limit: false,
            pid: Some(8),
            parent_pid: Some(7),
            uid: Some(0),
            effective_uid: Some(0),
            gid: Some(0),
            effective_gid: Some(0),
            login_uid: None,
            session_id: None,
            path: Some(CALLED.as_bytes()),
            interpreter: None,
            executable: Some(FilePath::Plain(b"/usr/bin/cert-recon")),
            executable_size: Some(1000),
            fileless: Some(false),
            directory: Some(FilePath::Plain(b"/")),
            cgroup: None,
            executable_inode: Some(12),
            executable_device: Some(0x0080_0001),
            lineage: Some(Lineage {
                image: ImageKey(1),
                start_boot_ns: 1_000,
                boot_ns: 2_000,
                ancestors: Ancestors::new(b""),
            }),
            tty: None,
            argv: Argv::whole(b""),
        }
    }

    #[test]
    fn what_is_true_passes_and_so_does_what_can_not_be_known() {
        assert_eq!(truth().compare(&exec(), Some(8)), None);
        let in_chroot = Exec {
            directory: Some(FilePath::Plain(b"/jail")),
            executable: Some(FilePath::Plain(b"/jail/usr/bin/cert-recon")),
            ..exec()
        };
        assert_eq!(truth().compare(&in_chroot, Some(8)), None);
        let elsewhere = Exec {
            pid: Some(4000),
            uid: Some(100_000),
            executable: None,
            ..exec()
        };
        assert_eq!(Truth::default().compare(&elsewhere, Some(8)), None);
    }

    #[test]
    fn a_directory_that_was_not_walked_to_the_root_is_accepted_only_with_a_reason() {
        let path = |components: &'static [u8], cut, detached| {
            Some(FilePath::LeafFirst {
                components,
                cut,
                detached,
            })
        };
        let told = |directory, executable| {
            let exec = Exec {
                directory,
                executable,
                ..exec()
            };
            truth().compare(&exec, Some(8)).map(|mistake| mistake.to_string())
        };
        let program = || Some(FilePath::Plain(b"/usr/bin/cert-recon"));
        let detached = |components| path(components, false, true);
        assert_eq!(told(detached(b""), detached(b"cert-recon/bin/usr/")), None);
        let mistake = told(detached(b"x/"), program()).unwrap();
        assert!(mistake.contains("directory is detached"), "{mistake}");
        let mistake = told(Some(FilePath::Plain(b"/")), detached(b"cert-recon/bin/usr/")).unwrap();
        assert!(mistake.contains("in the tree of mounts"), "{mistake}");
        // What garbage looks like.
        let mistake = told(path(b"/", true, false), program()).unwrap();
        assert!(mistake.contains("a whole path"), "{mistake}");
        let deep = "name/".repeat(800).leak().as_bytes();
        assert_eq!(told(path(deep, true, false), program()), None);
    }

    #[test]
    fn each_wrong_value_is_a_mistake_that_is_named() {
        let lineage = |start_boot_ns| Lineage {
            start_boot_ns,
            ..exec().lineage.unwrap()
        };
        let wrong = [
            ("its process id", Exec { pid: Some(9), ..exec() }),
            (
                "parent's process id",
                Exec {
                    parent_pid: None,
                    ..exec()
                },
            ),
            ("its user id", Exec { uid: Some(1), ..exec() }),
            (
                "effective user id",
                Exec {
                    effective_uid: Some(1),
                    ..exec()
                },
            ),
            ("its group id", Exec { gid: Some(1), ..exec() }),
            (
                "effective group id",
                Exec {
                    effective_gid: Some(1),
                    ..exec()
                },
            ),
            (
                "login uid",
                Exec {
                    login_uid: Some(1000),
                    ..exec()
                },
            ),
            (
                "session",
                Exec {
                    session_id: Some(2),
                    ..exec()
                },
            ),
            (
                "size",
                Exec {
                    executable_size: Some(1),
                    ..exec()
                },
            ),
            (
                "inode",
                Exec {
                    executable_inode: None,
                    ..exec()
                },
            ),
            (
                "device",
                Exec {
                    executable_device: Some(1),
                    ..exec()
                },
            ),
            (
                "called by",
                Exec {
                    path: Some(b"\xff"),
                    ..exec()
                },
            ),
            (
                "path of its executable",
                Exec {
                    executable: Some(FilePath::Plain(b"/x")),
                    ..exec()
                },
            ),
            (
                "path of its executable",
                Exec {
                    executable: None,
                    ..exec()
                },
            ),
            (
                "working directory",
                Exec {
                    directory: None,
                    ..exec()
                },
            ),
            (
                "start",
                Exec {
                    lineage: Some(lineage(3_000)),
                    ..exec()
                },
            ),
        ];
        for (what, exec) in wrong {
            let mistake = truth().compare(&exec, Some(8)).map(|mistake| mistake.to_string());
            assert!(
                mistake.as_ref().is_some_and(|text| text.contains(what)),
                "{what}: {mistake:?}"
            );
        }
    }

    #[test]
    fn this_process_is_known() {
        let truth = Truth::of_this_process();
        assert!(truth.size.is_some_and(|size| size > 0), "{truth:?}");
        assert!(truth.executable.is_some_and(|path| path.starts_with(b"/")));
    }
}
