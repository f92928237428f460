//! What runs already when the monitor starts, or when execs were lost.
//!
//! Two scans make it free of races. First `/proc` is read (what each process shows of itself), then the kernel is asked,
//! through the ring buffer, which image each process has. An exec between the two is in the ring buffer before the kernel's
//! answer: then the exec's own record says what the image is, and what `/proc` said of that process does not count.

use std::{collections::HashMap, fs, io, os::unix::ffi::OsStringExt as _, path::Path};

use crate::{event, finding::Image};

/// Clock ticks a second in `/proc` (`USER_HZ`), on every architecture that this runs on.
const TICK_NS: u64 = 10_000_000;

/// What the kernel says of a running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its id.
    pub pid: u32,
    /// Its start, nanoseconds since boot.
    pub start_boot_ns: u64,
    /// Its image.
    pub image: event::ImageKey,
}

/// What a process shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Its id.
    pub pid: u32,
    /// What it runs.
    pub image: Image,
}

/// What `/proc` said of every process.
#[derive(Debug, Default)]
pub struct ProcScan {
    processes: HashMap<(u32, u64), Scanned>,
}

impl ProcScan {
    /// Reads the folder `proc` (usually `/proc`). Processes that end meanwhile are passed over.
    ///
    /// # Errors
    /// When the folder can't be listed.
    pub fn read(proc: &Path) -> io::Result<Self> {
        let mut processes = HashMap::new();
        for entry in fs::read_dir(proc)? {
            let Ok(entry) = entry else { continue };
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if let Some((start, scanned)) = process(&entry.path(), pid) {
                processes.insert((pid, start), scanned);
            }
        }
        Ok(Self { processes })
    }

    /// What the process showed of itself; none when it was not there yet.
    #[must_use]
    pub fn get(&self, running: &Running) -> Option<&Scanned> {
        self.processes.get(&(running.pid, running.start_boot_ns / TICK_NS))
    }

    /// Number of processes read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether no process was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
}

fn process(folder: &Path, pid: u32) -> Option<(u64, Scanned)> {
    let start = start_ticks(&fs::read(folder.join("stat")).ok()?)?;
    let argv = fs::read(folder.join("cmdline")).ok()?;
    // Kernel threads and zombies have neither. A program whose file system is gone has arguments only.
    let exe = fs::read_link(folder.join("exe"))
        .map(|exe| exe.into_os_string().into_vec())
        .ok();
    if exe.is_none() && argv.is_empty() {
        return None;
    }
    let path = exe.as_deref().map(|exe| exe.strip_suffix(b" (deleted)").unwrap_or(exe));
    // The same process still?
    if start_ticks(&fs::read(folder.join("stat")).ok()?) != Some(start) {
        return None;
    }
    // As for execs: the kernel's own prefix of a memfd's name is not part of it.
    let name = path.map(|path| path.strip_prefix(b"/memfd:").unwrap_or_else(|| event::base_name(path)));
    let image = Image {
        file_name: name.filter(|name| !name.is_empty()).map(<[u8]>::to_vec),
        folder_path: path.map(<[u8]>::to_vec),
        argv_total: argv.len() as u64,
        argv_is_text: false,
        argv: Some(argv),
    };
    Some((start, Scanned { pid, image }))
}

/// Field 22 of `/proc/PID/stat`. The command name before it may contain anything, also `)` and spaces.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&b| b == b')')?;
    let field = stat.get(end + 2..)?.split(|&b| b == b' ').nth(19)?;
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_command_name() {
        let stat = |name: &str| format!("7 ({name}) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 2 3");
        assert_eq!(start_ticks(stat("bash").as_bytes()), Some(4711));
        assert_eq!(start_ticks(stat("a) S 1 (b").as_bytes()), Some(4711));
        assert_eq!(start_ticks(b"7 (bash"), None);
        assert_eq!(start_ticks(b""), None);
    }

    #[test]
    fn this_process_is_found_by_its_id_and_start() {
        let scan = ProcScan::read(Path::new("/proc")).unwrap();
        let stat = fs::read("/proc/self/stat").unwrap();
        let running = Running {
            pid: std::process::id(),
            start_boot_ns: start_ticks(&stat).unwrap() * TICK_NS + 5,
            image: event::ImageKey(1),
        };
        let exe = std::env::current_exe().unwrap().into_os_string().into_vec();
        assert_eq!(scan.get(&running).unwrap().image.folder_path, Some(exe));
        assert_eq!(
            scan.get(&Running {
                start_boot_ns: running.start_boot_ns + TICK_NS,
                ..running
            }),
            None
        );
    }
}
