//! The processes that run now, from `/proc`.
//!
//! Owns what each shows of itself, which is what it is now: of a process that has run several programs, the last one, with
//! the time at which the process began (its last exec may be later). Names of accounts are not looked up here. A process
//! that ends while it is read is passed over.

use std::{
    collections::HashMap,
    fs, io, iter,
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::Path,
    time::{Duration, SystemTime},
};

use super::{Out, Place, Recorded, syslog::decimal};
use crate::{
    enrich::cgroup::{self, Cgroup, names_container},
    event::{self, Argv, Exec, FilePath},
    finding::{Image, Process, Report},
};

/// Clock ticks a second in `/proc` (`USER_HZ`), on every architecture that this runs on.
const TICKS: u64 = 100;
/// Bytes of arguments that are kept of each process for those below it; its own exec has all of them.
const KEPT: usize = 32 << 10;
/// Processes above one that are told.
const ANCESTRY: usize = 16;
/// `PF_KTHREAD`, in `include/linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Tells an exec for each process below `root` (usually `/proc`).
///
/// # Errors
///
/// The folder can't be listed, or says nothing of the time at which the system started.
pub fn scan(root: &Path, out: &mut dyn Out) -> io::Result<()> {
    let started = boot(&fs::read(root.join("stat"))?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no btime in its stat"))?;
    let mut processes = HashMap::new();
    for entry in fs::read_dir(root)? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(shown) = Shown::read(&entry.path()) {
            processes.insert(pid, shown);
        }
    }
    let unread = processes.values().filter(|shown| shown.denied).count();
    if unread > 0 {
        out.bad(
            Place::default(),
            &format_args!(
                "of {unread} processes not everything could be read: permission denied, which root seldom is"
            ),
        );
    }
    let mut pids: Vec<u32> = processes.keys().copied().collect();
    pids.sort_unstable();
    for pid in pids {
        if let Some(shown) = processes.get(&pid) {
            tell(pid, shown, root, started, &processes, out);
        }
    }
    Ok(())
}

/// What a process shows.
#[derive(Debug)]
struct Shown {
    parent: u32,
    start: u64,
    terminal: Option<String>,
    /// Up to [`KEPT`] bytes.
    argv: Vec<u8>,
    argv_total: u64,
    exe: Option<Vec<u8>>,
    deleted: bool,
    /// Something of it may not be read.
    denied: bool,
}

impl Shown {
    fn read(folder: &Path) -> Option<Self> {
        let stat = Stat::read(folder)?;
        let mut argv = fs::read(folder.join("cmdline")).ok()?;
        let link = fs::read_link(folder.join("exe"));
        let denied = link
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        let exe = link.ok().map(|link| link.into_os_string().into_vec());
        if exe.is_none() && argv.is_empty() {
            return None;
        }
        let gone = || fs::metadata(folder.join("exe")).map_or(true, |file| file.nlink() == 0);
        let name = exe.as_deref().and_then(|exe| exe.strip_suffix(b" (deleted)"));
        let deleted = name.is_some() && gone();
        let exe = match name {
            Some(name) if deleted => Some(name.to_vec()),
            _ => exe,
        };
        // The same process still?
        if Stat::read(folder)?.start != stat.start {
            return None;
        }
        let argv_total = argv.len() as u64;
        argv.truncate(KEPT);
        argv.shrink_to_fit();
        Some(Self {
            parent: stat.parent,
            start: stat.start,
            terminal: stat.terminal,
            argv,
            argv_total,
            exe,
            deleted,
            denied,
        })
    }

    fn image(&self) -> Image {
        let name = self.exe.as_deref().map(|exe| match exe.strip_prefix(b"/memfd:") {
            Some(name) => name,
            None => event::base_name(exe),
        });
        Image {
            file_name: name.filter(|name| !name.is_empty()).map(<[u8]>::to_vec),
            folder_path: self.exe.clone(),
            argv: Some(self.argv.clone()),
            argv_total: self.argv_total,
            argv_is_text: false,
        }
    }
}

fn tell(pid: u32, shown: &Shown, root: &Path, started: SystemTime, processes: &HashMap<u32, Shown>, out: &mut dyn Out) {
    let folder = root.join(pid.to_string());
    // Arguments that were too long to be kept are read again, if they are still those of the same process.
    let long = (shown.argv_total > KEPT as u64)
        .then(|| fs::read(folder.join("cmdline")).ok())
        .flatten()
        .filter(|_| Stat::read(&folder).is_some_and(|stat| stat.start == shown.start));
    let argv = match &long {
        Some(argv) => Argv::whole(argv),
        None => Argv::new(&shown.argv, shown.argv_total),
    };
    let since_boot = Duration::from_millis(shown.start.saturating_mul(1000 / TICKS));
    let mut exec = Exec::new(started.checked_add(since_boot).unwrap_or(started), argv);
    let read = |name: &str| fs::read(folder.join(name)).ok();
    let status = read("status").unwrap_or_default();
    exec.pid = Some(pid);
    exec.parent_pid = Some(shown.parent).filter(|parent| *parent != 0);
    [exec.uid, exec.effective_uid] = ids(&status, b"Uid:");
    [exec.gid, exec.effective_gid] = ids(&status, b"Gid:");
    // As the kernel shows what was never set.
    let number = |name: &str| decimal(read(name)?.trim_ascii()).filter(|id| *id != u32::MAX);
    exec.login_uid = number("loginuid");
    exec.session_id = number("sessionid").filter(|_| exec.login_uid.is_some());
    exec.tty = shown.terminal.as_deref().map(str::as_bytes);
    let memfd = shown.exe.as_deref().and_then(|exe| exe.strip_prefix(b"/"));
    let memfd = memfd.filter(|name| shown.deleted && name.starts_with(b"memfd:"));
    let components = memfd.map(|name| [name, b"/"].concat());
    exec.executable = match (&components, &shown.exe) {
        (Some(components), _) => Some(FilePath::LeafFirst {
            components,
            cut: false,
            detached: true,
        }),
        (None, Some(exe)) => Some(FilePath::Plain(exe)),
        (None, None) => None,
    };
    exec.fileless = shown.exe.is_some().then_some(shown.deleted);
    if let Ok(file) = fs::metadata(folder.join("exe")) {
        exec.executable_size = Some(file.len());
        exec.executable_inode = Some(file.ino());
        exec.executable_device = device(file.dev());
    }
    let directory = fs::read_link(folder.join("cwd")).ok();
    let directory = directory.map(|path| path.into_os_string().into_vec());
    exec.directory = directory.as_deref().map(FilePath::Plain);
    let groups = read("cgroup").unwrap_or_default();
    let group = cgroup(&groups);
    exec.cgroup = group.map(FilePath::Plain);
    let details = |report: &mut Report| {
        report.ancestry = ancestry(shown, processes);
        if let Some(group) = group {
            let names = Cgroup::of(group);
            report.container_id = names.container_id;
            report.systemd_unit = names.systemd_unit;
            report.systemd_user_unit = names.systemd_user_unit;
        }
    };
    let mut recorded = Recorded::new(&exec, Place::default());
    recorded.details = &details;
    out.exec(&recorded);
}

/// The processes above, nearest first. One that began later than its child has taken over a parent's number.
fn ancestry(child: &Shown, processes: &HashMap<u32, Shown>) -> Vec<Process> {
    let mut above = Vec::new();
    let mut child = child;
    while above.len() < ANCESTRY
        && let Some(parent) = processes.get(&child.parent)
        && parent.start <= child.start
    {
        above.push(Process {
            pid: Some(child.parent),
            image: parent.image(),
        });
        child = parent;
    }
    above
}

/// What `/proc/PID/stat` says.
struct Stat {
    parent: u32,
    start: u64,
    terminal: Option<String>,
}

impl Stat {
    /// None for a kernel thread and a process that has ended.
    fn read(folder: &Path) -> Option<Self> {
        Self::parse(&fs::read(folder.join("stat")).ok()?)
    }

    /// The command name, field 2, may hold anything, also `)` and spaces.
    fn parse(stat: &[u8]) -> Option<Self> {
        let end = memchr::memrchr(b')', stat)?;
        let text = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
        let mut fields = text.split_ascii_whitespace();
        // From field 3 on.
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let terminal = fields.nth(2)?.parse::<i64>().ok()?;
        let flags: u64 = fields.nth(1)?.parse().ok()?;
        let start = fields.nth(12)?.parse().ok()?;
        (!matches!(state, "Z" | "X") && flags & KERNEL_THREAD == 0).then(|| Self {
            parent,
            start,
            terminal: terminal_name(terminal),
        })
    }
}

/// Of the numbers that `Documentation/admin-guide/devices.txt` fixes.
fn terminal_name(number: i64) -> Option<String> {
    let number = u32::try_from(number & 0xffff_ffff).ok().filter(|number| *number != 0)?;
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xf_ff00);
    match (major, minor) {
        (136..=143, _) => Some(format!("pts/{}", (major - 136) * 256 + minor)),
        (4, 0..64) => Some(format!("tty{minor}")),
        (4, _) => Some(format!("ttyS{}", minor - 64)),
        (5, 1) => Some("console".to_owned()),
        _ => None,
    }
}

/// Real and effective id of a line `Uid:\t0\t0\t0\t0`.
fn ids(status: &[u8], name: &[u8]) -> [Option<u32>; 2] {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(name));
    let mut ids = line
        .unwrap_or_default()
        .split(u8::is_ascii_whitespace)
        .filter_map(decimal);
    [ids.next(), ids.next()]
}

/// The path in the unified hierarchy; where the process is in the root of that one, or only another names a container, the path
/// in that other one.
fn cgroup(groups: &[u8]) -> Option<&[u8]> {
    let lines = || cgroup::groups(groups);
    let of = |controller: &[u8]| lines().find(|(controllers, _)| cgroup::has_controller(controllers, controller));
    let (_, path) = of(b"")
        .filter(|(_, path)| *path != b"/")
        .or_else(|| of(b"pids"))
        .or_else(|| of(b"name=systemd"))
        .or_else(|| lines().next())?;
    let container = iter::once(path)
        .chain(lines().map(|(_, path)| path))
        .find(|path| names_container(path.split(|&byte| byte == b'/')));
    Some(container.unwrap_or(path))
}

/// When the system started.
fn boot(stat: &[u8]) -> Option<SystemTime> {
    let line = stat
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"btime "))?;
    super::time(std::str::from_utf8(line).ok()?.trim().parse().ok()?, 0)
}

/// In the kernel's encoding.
fn device(number: u64) -> Option<u32> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    (major < 1 << 12 && minor < 1 << 20).then_some((major << 20) | minor)
}

#[cfg(test)]
mod tests;
