//! Reads the index of watched programs: at the start, when it is asked to, and once an hour.
//!
//! Owns the thread, the folders that are looked at, and the bounds of that work. It needs no rights beyond those that the
//! monitor keeps, follows links, and hashes a file again only when it has changed. A file that can't be read is passed over.
//!
//! Scripts are left out: an exec of one is an exec of its interpreter, which has another size.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, SystemTime},
};

use bytesize::ByteSize;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256 as Hash};

use super::{KnownProgram, KnownPrograms, Sha256, SharedPrograms};
use crate::{acts::effective, rules::WatchedPrograms};

/// Where programs are.
const FOLDERS: &[&str] = &[
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
];
/// Each folder here may have programs in its `bin`.
const PACKAGES: &str = "/opt";
/// Time between two readings.
const INTERVAL: Duration = Duration::from_hours(1);
/// Entries of one folder that are looked at.
const MOST_ENTRIES: usize = 65_536;
/// Folders below [`PACKAGES`].
const MOST_PACKAGES: usize = 256;
/// Programs.
const MOST_FILES: usize = 2048;
/// Bytes hashed in one reading.
const MOST_BYTES: u64 = 4 << 30;
/// Read at a time.
const BUFFER: usize = 128 << 10;
/// A file that was changed this shortly before a reading may change again without its times telling so.
const UNSETTLED: Duration = Duration::from_secs(2);
/// How much less urgent than the monitor this is.
const NICENESS: i32 = 10;
/// Programs that are as many others as they have links; which of them is meant, the first argument or the link says, so a
/// copy is known by these names only.
const MULTI_CALL: &[&str] = &["busybox", "toybox"];

/// The thread that reads the index. It ends, without being waited for, when this is dropped.
#[derive(Debug)]
pub struct Indexer {
    ask: Sender<Option<WatchedPrograms>>,
}

impl Indexer {
    /// Begins to read the files of these programs, those of up to `max_file` bytes, into `shared`.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(watched: WatchedPrograms, max_file: u64, shared: SharedPrograms) -> io::Result<Self> {
        let (ask, asked) = channel();
        let reader = Reader {
            folders: FOLDERS.iter().map(PathBuf::from).collect(),
            packages: PathBuf::from(PACKAGES),
            max_file,
            hashes: HashMap::new(),
        };
        thread::Builder::new()
            .name("known".to_owned())
            .spawn(move || run(reader, watched, &asked, &shared))?;
        Ok(Self { ask })
    }

    /// Reads anew: the files of these programs, or of the same as before.
    pub fn read_anew(&self, watched: Option<WatchedPrograms>) {
        // It never ends before this does.
        let _ = self.ask.send(watched);
    }
}

fn run(
    mut reader: Reader,
    mut watched: WatchedPrograms,
    asked: &Receiver<Option<WatchedPrograms>>,
    shared: &SharedPrograms,
) {
    if let Err(error) = rustix::process::nice(NICENESS) {
        log::debug!("reading watched programs with less urgency: {error}");
    }
    let mut told = None;
    loop {
        let index = reader.read(&watched);
        let count = index.len();
        shared.publish(index);
        if told.replace(count) != Some(count) {
            log::info!("copies of {count} watched programs of this host are known under any name");
        }
        let mut next = match asked.recv_timeout(INTERVAL) {
            Ok(next) => next,
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Some(next) = next.take() {
            watched = next;
        }
        // Asked several times meanwhile: one reading answers them all.
        while let Ok(next) = asked.try_recv() {
            if let Some(next) = next {
                watched = next;
            }
        }
    }
}

/// A file with all of these the same has the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// Whether a later change will show.
    fn is_settled(&self, now: SystemTime) -> bool {
        now.checked_sub(UNSETTLED)
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .is_some_and(|time| u64::try_from(self.changed.0).is_ok_and(|changed| changed < time.as_secs()))
    }
}

/// A program that was found, and what it is called.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    /// By its file, or its files: hard links are all its own.
    own: Vec<String>,
    /// One of these is a watched program's.
    is_watched: bool,
    /// By symbolic links to it.
    links: Vec<String>,
}

impl Candidate {
    /// What a copy of it is known by. A link may call a program something that only the link makes of it (a sandbox that
    /// starts what it is called as), so links count only when the file's own name says nothing (an alternative: `vendor-wget`).
    fn names(mut self) -> Vec<String> {
        if let Some(multi) = self.own.iter().find(|name| MULTI_CALL.contains(&name.as_str())) {
            return vec![multi.clone()];
        }
        if !self.is_watched {
            add(&mut self.own, self.links);
        }
        self.own
    }
}

#[derive(Debug)]
struct Reader {
    folders: Vec<PathBuf>,
    packages: PathBuf,
    max_file: u64,
    /// Of the last reading.
    hashes: HashMap<Stamp, Sha256>,
}

impl Reader {
    fn read(&mut self, watched: &WatchedPrograms) -> KnownPrograms {
        let now = SystemTime::now();
        let mut candidates = BTreeMap::new();
        for folder in self.all_folders() {
            self.look_at_folder(&folder, watched, &mut candidates);
        }
        let mut files = Vec::new();
        let mut hashes = HashMap::new();
        let mut left = MOST_BYTES;
        for candidate in candidates.into_values() {
            match self.hash(&candidate.path, &mut left) {
                Ok(Some((stamp, sha256))) => {
                    if stamp.is_settled(now) {
                        hashes.insert(stamp, sha256);
                    }
                    let names = candidate.names();
                    files.push((stamp.size, KnownProgram { sha256, names }));
                }
                Ok(None) => {}
                Err(error) => log::debug!("{}: {error}; copies of it will not be known", candidate.path.display()),
            }
        }
        self.hashes = hashes;
        KnownPrograms::new(files)
    }

    /// Every folder once, whatever links lead to it (`/bin` is `/usr/bin` on most hosts).
    fn all_folders(&self) -> Vec<PathBuf> {
        let mut packages: Vec<PathBuf> = entries(&self.packages, MOST_PACKAGES)
            .into_iter()
            .map(|path| path.join("bin"))
            .collect();
        packages.sort();
        let mut known = BTreeSet::new();
        self.folders
            .iter()
            .chain(&packages)
            .filter_map(|folder| fs::canonicalize(folder).ok())
            .filter(|folder| known.insert(folder.clone()))
            .collect()
    }

    fn look_at_folder(
        &self,
        folder: &Path,
        watched: &WatchedPrograms,
        candidates: &mut BTreeMap<(u64, u64), Candidate>,
    ) {
        let mut paths = entries(folder, MOST_ENTRIES);
        paths.sort();
        for path in paths {
            let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
            let names = watched.names_of(name);
            if names.is_empty() {
                continue;
            }
            // These follow links. A file that can't be looked at is none.
            let (Ok(file), Ok(real)) = (fs::metadata(&path), fs::canonicalize(&path)) else {
                log::debug!("{}: can't be looked at", path.display());
                continue;
            };
            if !file.is_file() || file.mode() & 0o111 == 0 {
                continue;
            }
            if file.size() > self.max_file {
                log::debug!(
                    "{}: larger than {}; copies of it will not be known",
                    path.display(),
                    ByteSize(self.max_file)
                );
                continue;
            }
            let room = candidates.len() < MOST_FILES;
            let key = (file.dev(), file.ino());
            if !room && !candidates.contains_key(&key) {
                log::debug!("{}: beyond the limit of {MOST_FILES} programs", path.display());
                continue;
            }
            let own = real.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
            let candidate = candidates.entry(key).or_insert_with(|| Candidate {
                path: real.clone(),
                own: Vec::new(),
                is_watched: false,
                links: Vec::new(),
            });
            candidate.is_watched |= !watched.names_of(own).is_empty();
            add(&mut candidate.own, effective::program_names(own));
            add(&mut candidate.links, names);
        }
    }

    /// The hash of a file and what it was when it was read; none of a script.
    fn hash(&self, path: &Path, left: &mut u64) -> io::Result<Option<(Stamp, Sha256)>> {
        // What is not a regular file any more must not be waited for.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let facts = file.metadata()?;
        let stamp = Stamp::of(&facts);
        if !facts.is_file() || stamp.size > self.max_file {
            return Err(io::Error::other("is another file by now"));
        }
        if let Some(sha256) = self.hashes.get(&stamp) {
            return Ok(Some((stamp, *sha256)));
        }
        *left = left
            .checked_sub(stamp.size)
            .ok_or_else(|| io::Error::other("beyond the bytes that one reading may hash"))?;
        let Some(sha256) = hash_of(&file, stamp.size)? else {
            return Ok(None);
        };
        if Stamp::of(&file.metadata()?) != stamp {
            return Err(io::Error::other("was changed while it was read"));
        }
        Ok(Some((stamp, sha256)))
    }
}

/// The hash of so many bytes; none when they are a script.
fn hash_of(file: &File, size: u64) -> io::Result<Option<Sha256>> {
    let mut file = file.take(size);
    let mut buffer = vec![0; BUFFER];
    let mut hash = Hash::new();
    let mut total = 0;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let Some(read) = buffer.get(..count) else { break };
        if total == 0 && read.starts_with(b"#!") {
            return Ok(None);
        }
        hash.update(read);
        total += count as u64;
    }
    if total != size {
        return Err(io::Error::other("was cut while it was read"));
    }
    Ok(Some(hash.finalize().into()))
}

/// What is in a folder; nothing when it can't be listed.
fn entries(folder: &Path, most: usize) -> Vec<PathBuf> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.take(most).flatten().map(|entry| entry.path()).collect(),
        Err(error) => {
            log::debug!("{}: {error}", folder.display());
            Vec::new()
        }
    }
}

fn add(names: &mut Vec<String>, more: Vec<String>) {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::rules::{BUILTIN_PACKS, DEFAULT_PACKS, Engine};
    use crate::testing::Folder;

    fn watched() -> WatchedPrograms {
        let packs = BUILTIN_PACKS.iter().filter(|pack| DEFAULT_PACKS.contains(&pack.name));
        let packs: Vec<_> = packs.map(|pack| pack.parse().unwrap()).collect();
        Engine::new(&packs).unwrap().watched_programs()
    }

    /// A host: `bin` and `opt/NAME/bin`.
    struct Host {
        root: Folder,
        reader: Reader,
    }

    impl Host {
        fn new(name: &str) -> Self {
            let root = Folder::new(name);
            let base = root.0.clone();
            fs::create_dir(base.join("bin")).unwrap();
            fs::create_dir_all(base.join("opt/tool/bin")).unwrap();
            symlink("bin", base.join("sbin")).unwrap();
            let reader = Reader {
                folders: vec![base.join("bin"), base.join("sbin"), base.join("none")],
                packages: base.join("opt"),
                max_file: 1000,
                hashes: HashMap::new(),
            };
            Self { root, reader }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.0.join(name)
        }

        fn program(&self, name: &str, content: &[u8]) {
            fs::write(self.path(name), content).unwrap();
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn link(&self, to: &str, name: &str) {
            symlink(to, self.path(name)).unwrap();
        }

        /// The names of each program, by its size.
        fn read(&mut self) -> Vec<(u64, String)> {
            let index = self.reader.read(&watched());
            let of = |size| index.of_size(size).into_iter().flat_map(|programs| programs.iter());
            (0..=2000)
                .flat_map(|size| of(size).map(move |program| (size, program.names.join(" "))))
                .collect()
        }
    }

    fn rows(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
        rows.iter().map(|(size, names)| (*size, (*names).to_owned())).collect()
    }

    #[test]
    fn watched_programs_are_known_by_what_their_files_are_called() {
        let mut host = Host::new("known_names");
        host.program("bin/curl", &[1; 10]);
        host.program("bin/ls", &[1; 11]);
        host.program("bin/python3.11", &[1; 12]);
        host.link("python3.11", "bin/python3");
        host.program("bin/fetcher", &[1; 13]);
        host.link("fetcher", "bin/wget2");
        host.program("bin/busybox", &[1; 14]);
        host.link("busybox", "bin/wget");
        host.program("bin/firejail", &[1; 15]);
        host.link("firejail", "bin/lynx");
        host.program("opt/tool/bin/sslscan", &[1; 16]);
        fs::hard_link(host.path("bin/curl"), host.path("bin/curl-8.1")).unwrap();
        assert_eq!(
            host.read(),
            rows(&[
                (10, "curl curl-8.1"),
                (12, "python3.11 python3 python"),
                (13, "fetcher wget2"),
                (14, "busybox"),
                (15, "firejail"),
                (16, "sslscan"),
            ])
        );
    }

    #[test]
    fn what_is_no_program_of_the_size_allowed_is_left_out_and_hides_nothing() {
        let mut host = Host::new("known_none");
        host.program("bin/aria2c", &[1; 1001]);
        host.program("bin/testssl.sh", b"#!/bin/bash\n");
        host.program("bin/curl", &[1; 10]);
        host.program("bin/wget", &[2; 10]);
        fs::set_permissions(host.path("bin/wget"), fs::Permissions::from_mode(0o644)).unwrap();
        host.link("nowhere", "bin/openssl");
        host.link("perl", "bin/perl");
        fs::create_dir(host.path("bin/python3")).unwrap();
        let mode = Mode::from_raw_mode(0o755);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            host.path("bin/bash"),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        assert_eq!(host.read(), rows(&[(10, "curl")]));
    }

    #[test]
    fn a_file_is_hashed_again_only_when_it_has_changed() {
        let mut host = Host::new("known_again");
        host.program("bin/curl", &[1; 10]);
        // As it is once the file is no longer new.
        let file = File::open(host.path("bin/curl")).unwrap();
        let stamp = Stamp::of(&file.metadata().unwrap());
        host.reader.hashes.insert(stamp, [7; 32]);
        let index = host.reader.read(&watched());
        assert_eq!(index.of_size(10).unwrap()[0].sha256, [7; 32], "taken from memory");
        assert!(host.reader.hashes.is_empty(), "it is too new to be remembered");
        let index = host.reader.read(&watched());
        let expected: Sha256 = Hash::digest([1; 10]).into();
        assert_eq!(index.of_size(10).unwrap()[0].sha256, expected);
    }

    #[test]
    fn a_file_is_remembered_once_a_later_change_would_show() {
        let stamp = Stamp {
            device: 1,
            inode: 1,
            size: 1,
            modified: (0, 0),
            changed: (100, 0),
        };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(stamp.is_settled(at(103)));
        assert!(!stamp.is_settled(at(102)) && !stamp.is_settled(at(50)) && !stamp.is_settled(at(0)));
    }

    #[test]
    fn the_index_is_read_at_the_start_and_when_that_is_asked_for() {
        let mut host = Host::new("known_thread");
        host.program("bin/curl", &[1; 10]);
        let shared = SharedPrograms::default();
        let (ask, asked) = channel();
        let reader = Reader {
            folders: host.reader.folders.clone(),
            packages: host.reader.packages.clone(),
            max_file: 1000,
            hashes: HashMap::new(),
        };
        let thread = {
            let shared = shared.clone();
            thread::spawn(move || run(reader, watched(), &asked, &shared))
        };
        let wait_for = |size| {
            while shared.of_size(size).is_none() {
                thread::yield_now();
            }
        };
        wait_for(10);
        host.program("bin/wget", &[1; 20]);
        ask.send(None).unwrap();
        wait_for(20);
        drop(ask);
        thread.join().unwrap();
        assert!(!host.read().is_empty());
    }
}
