//! What the log says of the processes above: the last exec of each process id.
//!
//! An audit log tells of execs, not of forks and ends. The last exec of a process id is that of the process itself, or of one
//! that had its number before and that a fork without an exec has taken over; so it counts only for a child of the same
//! login session and login user. A parent that no exec in the log tells of is named by its process id alone. Bounded: the older
//! half is forgotten, but for what had children since.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    time::{Duration, SystemTime},
};

use foldhash::fast::RandomState;

use crate::{
    event::{Exec, FilePath, base_name},
    finding::{Image, Process},
};

/// Bytes of each of the two halves.
const HALF: usize = 12 << 20;
/// Bytes that are kept of a command line.
const ARGV: usize = 4 << 10;
/// What an entry costs beside its bytes.
const ENTRY: usize = 96;
/// Processes above that are told.
const MOST: usize = 16;

/// No process id is used again so soon: the kernel would have to go through all others first, 32768 at least.
const SAME_PROCESS: Duration = Duration::from_secs(1);

/// Who: the host and the process id.
type Key = (usize, u32);

#[derive(Debug)]
struct Entry {
    time: SystemTime,
    parent: Option<u32>,
    login: (Option<u32>, Option<u32>),
    /// The path of the executable, its name, then argv.
    bytes: Vec<u8>,
    path: usize,
    name: usize,
    total: u64,
}

/// The last execs, newest half and older half.
#[derive(Debug, Default)]
pub(super) struct Parents {
    new: HashMap<Key, Entry, RandomState>,
    old: HashMap<Key, Entry, RandomState>,
    bytes: usize,
}

impl Parents {
    /// Notes an exec, and that its parent is alive.
    pub(super) fn note(&mut self, node: usize, exec: &Exec<'_>) {
        if let Some(parent) = exec.parent_pid {
            self.keep((node, parent));
        }
        let Some(pid) = exec.pid else { return };
        let path = match exec.executable {
            Some(FilePath::Plain(path)) => path,
            _ => b"",
        };
        let name = exec.file_name().unwrap_or_default();
        let argv = exec.argv.bytes();
        let argv = argv.get(..ARGV).unwrap_or(argv);
        let mut entry = Entry {
            time: exec.time,
            parent: exec.parent_pid,
            login: (exec.login_uid, exec.session_id),
            bytes: Vec::new(),
            path: path.len(),
            name: name.len(),
            total: exec.argv.total(),
        };
        let fill = |bytes: &mut Vec<u8>| {
            bytes.reserve_exact(path.len() + name.len() + argv.len());
            bytes.extend_from_slice(path);
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(argv);
        };
        match self.new.entry((node, pid)) {
            Slot::Occupied(mut slot) => {
                let before = slot.get_mut();
                self.bytes -= before.cost();
                entry.bytes = std::mem::take(&mut before.bytes);
                entry.bytes.clear();
                fill(&mut entry.bytes);
                self.bytes += entry.cost();
                *before = entry;
            }
            Slot::Vacant(slot) => {
                fill(&mut entry.bytes);
                self.bytes += entry.cost();
                slot.insert(entry);
            }
        }
        self.age();
    }

    /// The processes above an exec, nearest first.
    pub(super) fn above(&self, node: usize, exec: &Exec<'_>) -> Vec<Process> {
        let mut above = Vec::new();
        let login = (exec.login_uid, exec.session_id);
        let mut next = exec.parent_pid;
        while let Some(pid) = next
            && above.len() < MOST
        {
            let entry = self.get((node, pid)).filter(|entry| entry.login == login);
            above.push(Process {
                pid: Some(pid),
                image: entry.map(Entry::image).unwrap_or_default(),
            });
            // A process can't be above itself: then a number was used twice.
            next = entry
                .and_then(|entry| entry.parent)
                .filter(|parent| exec.pid != Some(*parent) && above.iter().all(|known| known.pid != Some(*parent)));
        }
        above
    }

    /// What the same process ran before. The log does not say where a process ends and another one gets its number; that
    /// it is the same is known when parent and login are, and the earlier exec was a moment ago, or one whose arguments end
    /// with those of this (`sudo`, which asks for a password first, hands them on).
    pub(super) fn previous(&self, node: usize, exec: &Exec<'_>) -> Option<Image> {
        let entry = self.get((node, exec.pid?))?;
        let is_same = entry.parent == Some(exec.parent_pid?) && entry.login == (exec.login_uid, exec.session_id);
        let passed = exec.time.duration_since(entry.time).ok()?;
        let handed_on = || {
            let before = entry.argv().strip_suffix(exec.argv.bytes());
            let is_whole =
                !exec.argv.is_cut() && !exec.argv.bytes().is_empty() && entry.argv().len() as u64 == entry.total;
            is_whole && before.is_some_and(|before| before.ends_with(b"\0"))
        };
        (is_same && (passed <= SAME_PROCESS || handed_on())).then(|| entry.image())
    }

    fn get(&self, key: Key) -> Option<&Entry> {
        self.new.get(&key).or_else(|| self.old.get(&key))
    }

    fn keep(&mut self, key: Key) {
        if !self.old.is_empty()
            && !self.new.contains_key(&key)
            && let Some(entry) = self.old.remove(&key)
        {
            self.bytes += entry.cost();
            self.new.insert(key, entry);
            self.age();
        }
    }

    /// What was not asked for since the half before was full is forgotten.
    fn age(&mut self) {
        if self.bytes > HALF {
            std::mem::swap(&mut self.new, &mut self.old);
            self.new.clear();
            self.bytes = 0;
        }
    }
}

impl Entry {
    fn cost(&self) -> usize {
        self.bytes.capacity() + ENTRY
    }

    fn argv(&self) -> &[u8] {
        self.bytes.get(self.path + self.name..).unwrap_or_default()
    }

    fn image(&self) -> Image {
        let (path, rest) = self.bytes.split_at_checked(self.path).unwrap_or_default();
        let (name, argv) = rest.split_at_checked(self.name).unwrap_or_default();
        let owned = |bytes: &[u8]| (!bytes.is_empty()).then(|| bytes.to_vec());
        Image {
            file_name: owned(name).or_else(|| owned(base_name(path))),
            folder_path: owned(path),
            argv: Some(argv.to_vec()),
            argv_total: self.total,
            argv_is_text: false,
        }
    }
}
