//! SHA-256 of the executable files that ran, each file hashed once, off the hot path.
//!
//! # Which file
//!
//! A wrong hash is worse than none. The kernel says, at the exec, which inode ran: its number, its file system's device and
//! its size. A file is taken for the one that ran only when
//!
//! 1. it is a regular file and inode number and size agree;
//! 2. the device agrees. On most file systems `stat` shows the device that the kernel's record has. On btrfs (a device for
//!    each subvolume) and overlayfs (one for each layer) it shows another: there the kernel is asked for the inode's own
//!    file system, see [`ProcFs::identity`]. That proves the file system but not the subvolume, of which two may have the
//!    same inode numbers, so it is accepted only of a file that is reached through the process itself;
//! 3. its content is that of the exec: either its change time, which no program can set, lies before the exec, or the process was
//!    still running it after that time was read: the kernel lets nobody write to a file that runs. The times of a
//!    network file system are its server's: there the first test is as good as the two clocks agree.
//!
//! It is looked for behind `/proc/PID/exe`, on the caller's thread, at once: a process may live for a millisecond. Only a handle
//! is taken there (`O_PATH`), which waits for no file system and can't set off anything in a FIFO or a device. When the
//! process has gone (or gone on to another program), the worker looks at the path that the kernel saw: below the root of the process,
//! then of its parent (a container's shell outlives its commands), then our own.
//!
//! # What it costs
//!
//! One thread hashes. Work is bounded: size of a file, bytes per second, files that wait, entries of the cache. A request that
//! meets a limit is answered with the reason, and counted.
//!
//! Requests of low [urgency](Urgency) are for findings' benefit kept apart: they have half of the room, a budget of work of their
//! own with half of the rate (so that both together may do one and a half times as much), and wait for the others, even in the
//! middle of a file.
//!
//! A hash is remembered by device, inode, size and full modification and change times, and only of a file whose change
//! time lies in the past by the kernel's own coarse clock: a later change then has another time.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use bytesize::ByteSize;
use rustix::{
    ffi::CStr,
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags, inotify},
    io::Errno,
    time::{ClockId, clock_gettime},
};
use sha2::{Digest as _, Sha256};

use crate::record::Hashing;

/// A change this shortly before an exec may, by the kernel's coarse clock, have been after it: one tick at the lowest
/// rate (`CONFIG_HZ=100`).
const TICK: Duration = Duration::from_millis(10);
/// Read at a time.
const BUFFER: usize = 128 << 10;
/// Requests that wait at most, whether they hold a file open or not.
const MAX_QUEUE: usize = 4096;

/// The SHA-256, or why there is none.
pub type Answer = Result<[u8; 32], String>;

/// How much work is done for hashes.
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    /// Files larger than this are not hashed, bytes.
    pub max_file: u64,
    /// Bytes hashed per second, over time; for what is of low urgency half as many beside.
    pub bytes_per_second: u64,
    /// Bytes that may be hashed at once after a rest. A file that is begun is hashed whole, and what it takes beyond this is
    /// owed.
    pub burst: u64,
    /// Hashes remembered.
    pub entries: usize,
    /// Files held open until they are hashed.
    pub open_files: usize,
}

impl Default for HashLimits {
    fn default() -> Self {
        Self {
            max_file: 256 << 20,
            bytes_per_second: 200 << 20,
            burst: 200 << 20,
            entries: 4096,
            // A quarter of the files that a process may have open by default.
            open_files: 256,
        }
    }
}

/// An executable file as the kernel described it at the exec.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The process that ran it.
    pub pid: u32,
    /// Start of that process, nanoseconds since boot.
    pub start_boot_ns: u64,
    /// Its parent.
    pub parent_pid: Option<u32>,
    /// Time of the exec.
    pub time: SystemTime,
    /// Inode number.
    pub inode: u64,
    /// Device of the file system, in the kernel's own encoding (20 bits of minor).
    pub device: u32,
    /// Size, bytes.
    pub size: u64,
    /// Resolved path, from the root of the mount namespace.
    pub path: Option<&'a [u8]>,
    /// It had no name.
    pub fileless: bool,
}

/// Where a process's files are found. A trait, so that tests can say what `/proc` has.
pub trait ProcFs: Send + Sync {
    /// A handle (`O_PATH`) of the file that the process runs.
    ///
    /// # Errors
    /// `NotFound` when the process has ended.
    fn running(&self, pid: u32) -> io::Result<OwnedFd>;

    /// A handle (`O_PATH`) of what is at an absolute path below the root of a process, or below our own. No symbolic link
    /// is followed.
    ///
    /// # Errors
    /// `NotFound` when there is nothing; `WouldBlock` when it can't be told without waiting.
    fn at_path(&self, root: Option<u32>, path: &[u8]) -> io::Result<OwnedFd>;

    /// When the process started, in clock ticks since boot.
    fn start_ticks(&self, pid: u32) -> Option<u64>;

    /// The device of the inode's own file system, in the kernel's encoding, and its own inode number; not those that `stat`
    /// shows, which btrfs and overlayfs make up.
    fn identity(&self, file: BorrowedFd<'_>) -> Option<(u32, u64)>;

    /// Opens what the handle stands for, to read.
    ///
    /// # Errors
    /// When it can't be read.
    fn open(&self, file: BorrowedFd<'_>) -> io::Result<File>;
}

/// The clocks, so that tests can set them.
pub trait Clock: Send + Sync {
    /// Time since some start, for the limit of work.
    fn monotonic(&self) -> Duration;

    /// The clock that the kernel takes a file's times from, as seconds and nanoseconds.
    fn of_files(&self) -> (i64, u32);
}

/// Whose hash goes first when there is more to do than can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Of an exec that is only written down: half of the room, half of the work per second, and behind the others.
    Low,
    /// Of a finding, or of what may become one: nothing that is low costs it anything.
    High,
}

impl Urgency {
    /// Of a limit, what it may use.
    fn share(self, limit: u64) -> u64 {
        match self {
            Self::Low => limit / 2,
            Self::High => limit,
        }
    }
}

/// The real `/proc` and the real clocks.
#[derive(Debug)]
pub struct System {
    start: Instant,
    inotify: Mutex<Option<OwnedFd>>,
}

impl System {
    /// Opens what it needs.
    #[must_use]
    pub fn new() -> Self {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
            .inspect_err(|error| log::warn!("inotify: {error}; executables on btrfs and overlayfs will have no SHA256"))
            .ok();
        Self {
            start: Instant::now(),
            inotify: Mutex::new(inotify),
        }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for System {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn of_files(&self) -> (i64, u32) {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        (now.tv_sec, u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

impl ProcFs for System {
    fn running(&self, pid: u32) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Ok(rustix::fs::open(format!("/proc/{pid}/exe"), flags, Mode::empty())?)
    }

    fn at_path(&self, root: Option<u32>, path: &[u8]) -> io::Result<OwnedFd> {
        let name = root.map_or_else(|| "/".to_owned(), |pid| format!("/proc/{pid}/root"));
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = rustix::fs::open(name, flags | OFlags::DIRECTORY, Mode::empty())?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let open = |resolve| rustix::fs::openat2(&root, path, flags | OFlags::NOFOLLOW, Mode::empty(), resolve);
        // The path is a stranger's choice, and below our root it may lead to an automount point or to a server that does
        // not answer. So only what the kernel has at hand (RESOLVE_CACHED), which a file that has just run is; a racing
        // rename may spoil one try.
        let mut result = Err(Errno::AGAIN);
        for _ in 0..3 {
            result = open(resolve | ResolveFlags::CACHED);
            if !matches!(result, Err(Errno::AGAIN)) {
                break;
            }
        }
        // Before Linux 5.12 there is no such flag.
        if matches!(result, Err(Errno::INVAL)) {
            result = open(resolve);
        }
        Ok(result?)
    }

    fn start_ticks(&self, pid: u32) -> Option<u64> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        start_ticks(&stat)
    }

    /// A watch's line in `fdinfo` names the inode by its superblock's device and its own number (`inotify_fdinfo()` in
    /// `fs/notify/fdinfo.c`): exactly what the eBPF program reads.
    fn identity(&self, file: BorrowedFd<'_>) -> Option<(u32, u64)> {
        let guard = self.inotify.lock().unwrap_or_else(PoisonError::into_inner);
        let inotify = guard.as_ref()?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let wd = inotify::add_watch(inotify, path, inotify::WatchFlags::DELETE_SELF).ok()?;
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", inotify.as_raw_fd()));
        let _ = inotify::remove_watch(inotify, wd);
        // The end of the watch is an event; nobody wants it.
        let mut events = [0; 4096];
        while matches!(rustix::io::read(inotify, &mut events), Ok(count) if count > 0) {}
        identity(&info.ok()?, wd)
    }

    fn open(&self, file: BorrowedFd<'_>) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
    }
}

/// Field 22 of `/proc/PID/stat`. The second is the command name in parentheses, which may contain anything.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Device and inode of the watch `wd`: `inotify wd:1 ino:5a5 sdev:800001 mask:...`, all in hexadecimal.
fn identity(fdinfo: &str, wd: i32) -> Option<(u32, u64)> {
    let line = fdinfo.lines().find(|line| {
        line.strip_prefix("inotify wd:")
            .and_then(|rest| rest.split(' ').next())
            .is_some_and(|found| i32::from_str_radix(found, 16) == Ok(wd))
    })?;
    let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name));
    Some((
        u32::from_str_radix(field("sdev:")?, 16).ok()?,
        u64::from_str_radix(field("ino:")?, 16).ok()?,
    ))
}

/// A file as `stat` sees it. With all of it the same, its content is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Facts {
    /// As `stat` shows it, in the kernel's own encoding.
    device: u32,
    inode: u64,
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
    regular: bool,
}

impl Facts {
    fn of(file: BorrowedFd<'_>, sync: AtFlags) -> io::Result<Self> {
        let empty: &CStr = c"";
        let stat = rustix::fs::statx(file, empty, AtFlags::EMPTY_PATH | sync, StatxFlags::BASIC_STATS)?;
        Ok(Self {
            device: (stat.stx_dev_major << 20) | (stat.stx_dev_minor & 0xf_ffff),
            inode: stat.stx_ino,
            size: stat.stx_size,
            modified: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            changed: (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
            regular: FileType::from_raw_mode(stat.stx_mode.into()).is_file(),
        })
    }

    fn same_inode(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    fn unchanged_since(&self, time: SystemTime) -> bool {
        // Before 1970 there is nothing: the comparison then fails, which is the safe side.
        time.checked_sub(TICK)
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .is_some_and(|time| {
                let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                self.changed < (seconds, time.subsec_nanos())
            })
    }
}

/// A file that is the one that ran, but perhaps for its device.
#[derive(Debug)]
struct Pin {
    file: OwnedFd,
    facts: Facts,
    /// Its change time lies in the past: a later change will show.
    settled: bool,
}

/// Why a file could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Missed {
    Ended,
    Another,
    Changed,
    Failed(String),
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended => f.write_str("the process had ended"),
            Self::Another => f.write_str("the process was running another program by then"),
            Self::Changed => f.write_str("the file was changed after the program was started, or just before"),
            Self::Failed(error) => write!(f, "the file that the process runs could not be opened: {error}"),
        }
    }
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub struct Pending(Arc<OnceLock<Answer>>);

impl Pending {
    fn new() -> Self {
        Self(Arc::new(OnceLock::new()))
    }

    /// The answer, when it is there.
    #[must_use]
    pub fn get(&self) -> Option<&Answer> {
        self.0.get()
    }
}

/// What a request came to at once.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The answer.
    Now(Answer),
    /// It will come.
    Later(Pending),
}

struct Job {
    urgency: Urgency,
    pid: u32,
    start_boot_ns: u64,
    parent_pid: Option<u32>,
    time: SystemTime,
    inode: u64,
    device: u32,
    size: u64,
    path: Option<Vec<u8>>,
    fileless: bool,
    /// The file, or why there is none behind `/proc/PID/exe`.
    pin: Result<Pin, Missed>,
    /// Further requests for this file wait for this job.
    joinable: Option<Facts>,
    pending: Pending,
}

/// What a job came to.
#[derive(Clone, Debug)]
enum Outcome {
    Hashed([u8; 32]),
    Cached([u8; 32]),
    TooBusy(String),
    Unavailable(String),
}

struct Cached {
    sha256: [u8; 32],
    /// The file system's own device, when it was asked for.
    device: Option<u32>,
    used: u64,
}

/// Hashes by file, the least recently used forgotten first.
#[derive(Default)]
struct Cache {
    entries: HashMap<Facts, Cached>,
    uses: u64,
}

impl Cache {
    /// The hash of a file on a file system with that device.
    fn get(&mut self, facts: &Facts, device: u32) -> Option<[u8; 32]> {
        let entry = self.entries.get_mut(facts)?;
        if facts.device != device && entry.device != Some(device) {
            return None;
        }
        self.uses += 1;
        entry.used = self.uses;
        Some(entry.sha256)
    }

    /// The hash of a file that is on a file system with that device, whatever `stat` shows.
    fn confirm(&mut self, facts: &Facts, device: u32) -> Option<[u8; 32]> {
        self.entries.get_mut(facts)?.device = Some(device);
        self.get(facts, device)
    }

    fn insert(&mut self, facts: Facts, device: u32, sha256: [u8; 32], limit: usize) {
        if self.entries.len() >= limit && !self.entries.contains_key(&facts) {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(&key, _)| key);
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        self.uses += 1;
        let entry = Cached {
            sha256,
            device: Some(device),
            used: self.uses,
        };
        self.entries.insert(facts, entry);
    }
}

/// A token bucket that may owe.
struct Bucket {
    /// Bytes that may be hashed; below zero what is owed.
    bytes: i128,
    at: Duration,
}

impl Bucket {
    fn take(&mut self, size: u64, now: Duration, per_second: u64, burst: u64) -> bool {
        let earned = now.saturating_sub(self.at).as_nanos().saturating_mul(per_second.into()) / 1_000_000_000;
        let earned = i128::try_from(earned).unwrap_or(i128::MAX);
        if earned > 0 {
            self.bytes = self.bytes.saturating_add(earned).min(burst.into());
            self.at = now;
        }
        let allowed = self.bytes > 0;
        if allowed {
            self.bytes -= i128::from(size);
        }
        allowed
    }
}

struct State {
    cache: Cache,
    /// Those of low urgency, and the others.
    low: VecDeque<Job>,
    high: VecDeque<Job>,
    /// Jobs in the queues that hold a file.
    files: usize,
    /// Further requests for the file of a job, in a queue or in hand.
    joined: HashMap<Facts, Joined>,
    counts: Hashing,
}

/// Requests for the same file.
struct Joined {
    pending: Vec<Pending>,
    /// The highest of them and of the job.
    urgency: Urgency,
}

impl State {
    /// Puts a job that waits before the others of low urgency.
    fn hurry(&mut self, facts: &Facts) {
        if let Some(at) = self.low.iter().position(|job| job.joinable.as_ref() == Some(facts))
            && let Some(mut job) = self.low.remove(at)
        {
            job.urgency = Urgency::High;
            self.high.push_back(job);
        }
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    limits: HashLimits,
    proc: Arc<dyn ProcFs>,
    clock: Arc<dyn Clock>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes files on a thread of its own.
pub struct Hasher {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Hasher {
    /// Starts the thread. `wake` is called after each answer that was waited for.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        limits: HashLimits,
        proc: Arc<dyn ProcFs>,
        clock: Arc<dyn Clock>,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let at = clock.monotonic();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                cache: Cache::default(),
                low: VecDeque::new(),
                high: VecDeque::new(),
                files: 0,
                joined: HashMap::new(),
                counts: Hashing::default(),
            }),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            limits,
            proc,
            clock,
        });
        let work = Work {
            shared: Arc::clone(&shared),
            buffer: vec![0; BUFFER],
            buckets: [Urgency::Low, Urgency::High].map(|urgency| Bucket {
                bytes: urgency.share(limits.burst).into(),
                at,
            }),
            wake: Box::new(wake),
        };
        thread::Builder::new()
            .name("hash".to_owned())
            .spawn(move || work.run())?;
        Ok(Self { shared })
    }

    /// Asks for the hash of a file that ran just now. Does not wait: looks at `/proc/PID/exe` and into the cache, and leaves
    /// the rest to the thread.
    #[must_use]
    pub fn ask(&self, wanted: &Wanted<'_>, urgency: Urgency) -> Asked {
        let shared = &*self.shared;
        if wanted.size > shared.limits.max_file {
            shared.lock().counts.too_large += 1;
            let limit = ByteSize::b(shared.limits.max_file);
            return Asked::Now(Err(format!("the file is larger than the limit for hashing, {limit}")));
        }
        let pin = pin(shared, wanted);
        let mut state = shared.lock();
        // What can be told by `stat` alone; else the worker finds out.
        let mut plain = None;
        match &pin {
            Err(Missed::Changed) => {
                state.counts.unavailable += 1;
                return Asked::Now(Err(Missed::Changed.to_string()));
            }
            Err(_) => {}
            Ok(pin) => {
                if let Some(sha256) = state.cache.get(&pin.facts, wanted.device) {
                    state.counts.cached += 1;
                    return Asked::Now(Ok(sha256));
                }
                plain = (pin.settled && pin.facts.device == wanted.device).then_some(pin.facts);
                if let Some((facts, joined)) = plain.and_then(|facts| Some((facts, state.joined.get_mut(&facts)?))) {
                    let pending = Pending::new();
                    joined.pending.push(pending.clone());
                    if urgency > joined.urgency {
                        joined.urgency = urgency;
                        state.hurry(&facts);
                        drop(state);
                        shared.changed.notify_all();
                    }
                    return Asked::Later(pending);
                }
            }
        }
        let waiting = state.low.len() + state.high.len();
        let is_full = |count: usize, limit: usize| count as u64 >= urgency.share(limit as u64);
        if is_full(waiting, MAX_QUEUE) || (pin.is_ok() && is_full(state.files, shared.limits.open_files)) {
            state.counts.too_busy += 1;
            return Asked::Now(Err("too many other files were waiting to be hashed".to_owned()));
        }
        if let Some(facts) = plain {
            let pending = Vec::new();
            state.joined.insert(facts, Joined { pending, urgency });
        }
        state.files += usize::from(pin.is_ok());
        // A path that was cut does not begin with a slash.
        let path = wanted.path.filter(|path| plain.is_none() && path.starts_with(b"/"));
        let pending = Pending::new();
        let queue = match urgency {
            Urgency::Low => &mut state.low,
            Urgency::High => &mut state.high,
        };
        queue.push_back(Job {
            urgency,
            pid: wanted.pid,
            start_boot_ns: wanted.start_boot_ns,
            parent_pid: wanted.parent_pid,
            time: wanted.time,
            inode: wanted.inode,
            device: wanted.device,
            size: wanted.size,
            path: path.map(<[u8]>::to_vec),
            fileless: wanted.fileless,
            pin,
            joinable: plain,
            pending: pending.clone(),
        });
        drop(state);
        shared.changed.notify_all();
        Asked::Later(pending)
    }

    /// Gives up waiting: the answer if it has come meanwhile, else that there is none for `reason`.
    ///
    /// # Errors
    /// The reason why there is no hash.
    pub fn give_up(&self, pending: &Pending, reason: &str) -> Answer {
        let answer: Answer = Err(reason.to_owned());
        if pending.0.set(answer.clone()).is_ok() {
            self.shared.lock().counts.too_busy += 1;
            return answer;
        }
        pending.get().cloned().unwrap_or(answer)
    }

    /// What became of the requests so far. A file whose hash came too late for the request counts as hashed as well.
    #[must_use]
    pub fn counts(&self) -> Hashing {
        self.shared.lock().counts
    }

    /// Requests that wait for the thread.
    #[must_use]
    pub fn queued(&self) -> u64 {
        let state = self.shared.lock();
        (state.high.len() + state.low.len()) as u64
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Under the lock, so that the thread is not between its look at the flag and its sleep.
        drop(self.shared.lock());
        self.shared.changed.notify_all();
    }
}

/// The file behind `/proc/PID/exe`, if it is the one that ran as far as `stat` can tell.
fn pin(shared: &Shared, wanted: &Wanted<'_>) -> Result<Pin, Missed> {
    // Before the file's times are read: what changes after that gets this time or a later one.
    let now = shared.clock.of_files();
    let file = shared.proc.running(wanted.pid).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Missed::Ended,
        _ if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Missed::Ended,
        _ => Missed::Failed(error.to_string()),
    })?;
    // No question to a network file system's server: it might not answer.
    let facts = Facts::of(file.as_fd(), AtFlags::STATX_DONT_SYNC).map_err(|error| Missed::Failed(error.to_string()))?;
    if !facts.regular || facts.inode != wanted.inode {
        return Err(Missed::Another);
    }
    if facts.size != wanted.size {
        return Err(if facts.device == wanted.device {
            Missed::Changed
        } else {
            Missed::Another
        });
    }
    if !facts.unchanged_since(wanted.time) && !still_runs(&*shared.proc, wanted.pid, &facts) {
        return Err(Missed::Changed);
    }
    Ok(Pin {
        settled: facts.changed < now,
        file,
        facts,
    })
}

/// Whether the process still runs that file, which therefore nobody could write to until now.
fn still_runs(proc: &dyn ProcFs, pid: u32, facts: &Facts) -> bool {
    proc.running(pid)
        .and_then(|file| Facts::of(file.as_fd(), AtFlags::STATX_DONT_SYNC))
        .is_ok_and(|now| now.same_inode(facts))
}

/// The hashing thread.
struct Work {
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    /// Of low urgency, and of high.
    buckets: [Bucket; 2],
    wake: Box<dyn Fn() + Send>,
}

impl Work {
    fn run(mut self) {
        while let Some(job) = self.next() {
            self.work(job);
        }
    }

    fn work(&mut self, mut job: Job) {
        let mut outcome = self.answer(&mut job);
        // Somebody joined who has a budget of his own.
        if matches!(outcome, Outcome::TooBusy(_)) && job.urgency == Urgency::Low && self.is_urgent(&job) {
            job.urgency = Urgency::High;
            outcome = self.answer(&mut job);
        }
        self.publish(&job, outcome);
        (self.wake)();
    }

    fn is_urgent(&self, job: &Job) -> bool {
        let state = self.shared.lock();
        let joined = job.joinable.as_ref().and_then(|facts| state.joined.get(facts));
        joined.is_some_and(|joined| joined.urgency == Urgency::High)
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.shared.lock();
        loop {
            if self.shared.stop.load(Ordering::Relaxed) {
                return None;
            }
            let next = state.high.pop_front().or_else(|| state.low.pop_front());
            if let Some(job) = next {
                state.files -= usize::from(job.pin.is_ok());
                return Some(job);
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Does what is urgent, in the middle of a file that is not.
    fn let_pass(&mut self, job: &Job) {
        while job.urgency == Urgency::Low && !self.shared.stop.load(Ordering::Relaxed) {
            let mut state = self.shared.lock();
            let Some(urgent) = state.high.pop_front() else { return };
            state.files -= usize::from(urgent.pin.is_ok());
            drop(state);
            self.work(urgent);
        }
    }

    fn answer(&mut self, job: &mut Job) -> Outcome {
        let mut missed = Missed::Ended;
        let pinned = match std::mem::replace(&mut job.pin, Err(Missed::Ended)) {
            Ok(pin) if pin.facts.device == job.device => Some(pin),
            Ok(pin) => match self.shared.proc.identity(pin.file.as_fd()) {
                Some(identity) if identity == (job.device, job.inode) => Some(pin),
                Some(_) => {
                    missed = Missed::Another;
                    None
                }
                None => return Outcome::Unavailable("the file's device could not be compared".to_owned()),
            },
            Err(reason) => {
                missed = reason;
                None
            }
        };
        let running = pinned.is_some();
        let pin = match pinned.map_or_else(|| self.find(job), Ok) {
            Ok(pin) => pin,
            Err(reason) => return Outcome::Unavailable(format!("{missed}, and {reason}")),
        };
        let cached = {
            let mut state = self.shared.lock();
            state.cache.confirm(&pin.facts, job.device)
        };
        if let Some(sha256) = cached {
            return Outcome::Cached(sha256);
        }
        let limits = self.shared.limits;
        let [rate, burst] = [limits.bytes_per_second, limits.burst].map(|limit| job.urgency.share(limit));
        let [low, high] = &mut self.buckets;
        let bucket = match job.urgency {
            Urgency::Low => low,
            Urgency::High => high,
        };
        if !bucket.take(job.size, self.shared.clock.monotonic(), rate, burst) {
            if running {
                job.pin = Ok(pin);
            }
            let rate = ByteSize::b(rate);
            return Outcome::TooBusy(format!("the limit of work for hashing, {rate} a second, was reached"));
        }
        self.hash(job, &pin, running)
    }

    /// The file at the path that the kernel saw.
    fn find(&self, job: &Job) -> Result<Pin, &'static str> {
        let proc = &*self.shared.proc;
        if job.fileless {
            return Err("its file has no name on disk");
        }
        let Some(path) = &job.path else {
            return Err("the path of its file is not known");
        };
        let mut reason = "no file of its inode is at its path";
        let processes = [Some(job.pid), job.parent_pid];
        for root in processes.into_iter().flatten().map(Some).chain([None]) {
            let file = match proc.at_path(root, path) {
                Ok(file) => file,
                Err(error) => {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        reason = "its path could not be looked up without waiting";
                    }
                    continue;
                }
            };
            let Ok(facts) = Facts::of(file.as_fd(), AtFlags::empty()) else {
                continue;
            };
            if !facts.regular || facts.inode != job.inode {
                continue;
            }
            let own = || {
                root == Some(job.pid)
                    && proc.start_ticks(job.pid) == Some(ticks(job.start_boot_ns))
                    && proc.identity(file.as_fd()) == Some((job.device, job.inode))
            };
            if facts.device != job.device && !own() {
                reason = "the device of the file at its path is not the same";
            } else if facts.size != job.size || !facts.unchanged_since(job.time) {
                reason = "the file at its path was changed after that, or just before";
            } else {
                return Ok(Pin {
                    file,
                    facts,
                    // By now it lies a tick in the past.
                    settled: true,
                });
            }
        }
        Err(reason)
    }

    fn hash(&mut self, job: &Job, pin: &Pin, running: bool) -> Outcome {
        let (read, sha256, after) = match self.read(job, pin) {
            Ok(read) => read,
            Err(error) => return Outcome::Unavailable(format!("reading the file: {error}")),
        };
        if read == job.size && after == pin.facts && pin.settled {
            let entries = self.shared.limits.entries;
            self.shared.lock().cache.insert(pin.facts, job.device, sha256, entries);
            return Outcome::Hashed(sha256);
        }
        // A new time (a file that runs may be renamed, or removed), or one too new to tell by: then it is still the same
        // content only if nobody could write.
        let same = read == job.size && after.size == job.size;
        if same && running && still_runs(&*self.shared.proc, job.pid, &after) {
            return Outcome::Hashed(sha256);
        }
        Outcome::Unavailable(if after == pin.facts && same {
            Missed::Changed.to_string()
        } else {
            "the file was changed while it was hashed".to_owned()
        })
    }

    /// Bytes read (one more than the size at most), their hash, and what the file is like after that.
    fn read(&mut self, job: &Job, pin: &Pin) -> io::Result<(u64, [u8; 32], Facts)> {
        let file = self.shared.proc.open(pin.file.as_fd())?;
        let mut rest = (&file).take(pin.facts.size.saturating_add(1));
        let (mut hash, mut read) = (Sha256::new(), 0);
        loop {
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("the monitor ends"));
            }
            match rest.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hash.update(self.buffer.get(..count).unwrap_or_default());
                    read += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.let_pass(job);
        }
        let after = Facts::of(file.as_fd(), AtFlags::empty())?;
        Ok((read, hash.finalize().into(), after))
    }

    fn publish(&self, job: &Job, outcome: Outcome) {
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        let joined = job.joinable.and_then(|facts| state.joined.remove(&facts));
        let answer: Answer = match &outcome {
            Outcome::Hashed(sha256) | Outcome::Cached(sha256) => Ok(*sha256),
            Outcome::TooBusy(reason) | Outcome::Unavailable(reason) => Err(reason.clone()),
        };
        let counts = &mut state.counts;
        let joined = joined.iter().flat_map(|joined| &joined.pending);
        for (i, pending) in std::iter::once(&job.pending).chain(joined).enumerate() {
            let waited_for = pending.0.set(answer.clone()).is_ok();
            match outcome {
                // The work was done, whether the request could wait for it or not.
                Outcome::Hashed(_) if i == 0 => counts.hashed += 1,
                _ if !waited_for => {}
                Outcome::Hashed(_) | Outcome::Cached(_) => counts.cached += 1,
                Outcome::TooBusy(_) => counts.too_busy += 1,
                Outcome::Unavailable(_) => counts.unavailable += 1,
            }
        }
    }
}

/// As the kernel shows a start time in `/proc/PID/stat`.
fn ticks(boot_ns: u64) -> u64 {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    boot_ns / (1_000_000_000 / per_second)
}

#[cfg(test)]
pub(super) mod fake {
    //! A `/proc` and clocks that say what a test wants. Files are real.

    use std::{
        collections::HashSet,
        os::unix::fs::MetadataExt as _,
        path::{Path, PathBuf},
    };

    use super::*;

    pub(in crate::enrich) fn handle(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    type Hook = Box<dyn FnMut() + Send>;

    #[derive(Default)]
    pub(in crate::enrich) struct FakeProc {
        /// What each process runs.
        pub(in crate::enrich) running: Mutex<HashMap<u32, OwnedFd>>,
        /// The root of each process, and ours.
        pub(in crate::enrich) roots: Mutex<HashMap<Option<u32>, PathBuf>>,
        pub(in crate::enrich) ticks: Mutex<HashMap<u32, u64>>,
        pub(in crate::enrich) identity: Mutex<Option<(u32, u64)>>,
        /// Processes whose files can't be opened.
        pub(in crate::enrich) forbidden: Mutex<HashSet<u32>>,
        /// Called before a file is opened to be read.
        pub(in crate::enrich) on_open: Mutex<Option<Hook>>,
        pub(in crate::enrich) would_block: AtomicBool,
    }

    impl FakeProc {
        pub(in crate::enrich) fn run(&self, pid: u32, file: &Path) {
            self.running.lock().unwrap().insert(pid, handle(file));
        }
    }

    impl ProcFs for FakeProc {
        fn running(&self, pid: u32) -> io::Result<OwnedFd> {
            if self.forbidden.lock().unwrap().contains(&pid) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let running = self.running.lock().unwrap();
            running.get(&pid).ok_or(io::ErrorKind::NotFound)?.try_clone()
        }

        fn at_path(&self, root: Option<u32>, path: &[u8]) -> io::Result<OwnedFd> {
            if self.would_block.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let roots = self.roots.lock().unwrap();
            let root = roots.get(&root).ok_or(io::ErrorKind::NotFound)?;
            let path = root.join(std::str::from_utf8(path).unwrap().trim_start_matches('/'));
            Ok(rustix::fs::open(path, OFlags::PATH, Mode::empty())?)
        }

        fn start_ticks(&self, pid: u32) -> Option<u64> {
            self.ticks.lock().unwrap().get(&pid).copied()
        }

        fn identity(&self, _: BorrowedFd<'_>) -> Option<(u32, u64)> {
            *self.identity.lock().unwrap()
        }

        fn open(&self, file: BorrowedFd<'_>) -> io::Result<File> {
            let hook = self.on_open.lock().unwrap().take();
            if let Some(mut hook) = hook {
                hook();
                self.on_open.lock().unwrap().get_or_insert(hook);
            }
            System::new().open(file)
        }
    }

    pub(in crate::enrich) struct FakeClock {
        pub(in crate::enrich) monotonic: Mutex<Duration>,
        pub(in crate::enrich) of_files: Mutex<(i64, u32)>,
    }

    impl Default for FakeClock {
        /// Files were changed long ago.
        fn default() -> Self {
            Self {
                monotonic: Mutex::default(),
                of_files: Mutex::new((i64::MAX, 0)),
            }
        }
    }

    impl Clock for FakeClock {
        fn monotonic(&self) -> Duration {
            *self.monotonic.lock().unwrap()
        }

        fn of_files(&self) -> (i64, u32) {
            *self.of_files.lock().unwrap()
        }
    }

    /// An exec of the file, long after its last change.
    pub(in crate::enrich) fn wanted(pid: u32, file: &Path) -> Wanted<'static> {
        let meta = std::fs::metadata(file).unwrap();
        let device = meta.dev();
        Wanted {
            pid,
            start_boot_ns: 0,
            parent_pid: None,
            time: SystemTime::now() + Duration::from_secs(3600),
            inode: meta.ino(),
            device: (rustix::fs::major(device) << 20) | rustix::fs::minor(device),
            size: meta.len(),
            path: None,
            fileless: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
        process::{Command, Stdio},
        sync::mpsc::{Receiver, Sender, channel},
    };

    use rustix::fs::{Timespec, Timestamps};

    use crate::testing::Folder;

    use super::{
        fake::{FakeClock, FakeProc, handle, wanted},
        *,
    };

    /// A hasher before a fake `/proc`; tells of answers.
    struct Bench {
        proc: Arc<FakeProc>,
        clock: Arc<FakeClock>,
        hasher: Hasher,
        woken: Receiver<()>,
        folder: Folder,
    }

    fn bench(name: &str, limits: HashLimits) -> Bench {
        let (proc, clock) = (Arc::new(FakeProc::default()), Arc::new(FakeClock::default()));
        let (wake, woken) = channel();
        let wake = move || {
            let _ = wake.send(());
        };
        Bench {
            hasher: Hasher::start(limits, Arc::clone(&proc) as _, Arc::clone(&clock) as _, wake).unwrap(),
            proc,
            clock,
            woken,
            folder: Folder::new(name),
        }
    }

    impl Bench {
        fn ask(&self, wanted: &Wanted<'_>) -> Answer {
            match self.hasher.ask(wanted, Urgency::High) {
                Asked::Now(answer) => answer,
                Asked::Later(pending) => self.wait(&pending),
            }
        }

        fn later(&self, wanted: &Wanted<'_>) -> Pending {
            self.later_of(wanted, Urgency::High)
        }

        fn later_of(&self, wanted: &Wanted<'_>, urgency: Urgency) -> Pending {
            match self.hasher.ask(wanted, urgency) {
                Asked::Later(pending) => pending,
                Asked::Now(answer) => panic!("{answer:?}"),
            }
        }

        fn wait(&self, pending: &Pending) -> Answer {
            while pending.get().is_none() {
                self.woken.recv().unwrap();
            }
            pending.get().unwrap().clone()
        }

        fn reason(&self, wanted: &Wanted<'_>) -> String {
            self.ask(wanted).unwrap_err()
        }

        /// A file that process 7 runs.
        fn running(&self, content: &[u8]) -> (PathBuf, Wanted<'static>) {
            let file = self.folder.file("program", content);
            self.proc.run(7, &file);
            let wanted = wanted(7, &file);
            (file, wanted)
        }

        fn before_reading(&self, hook: impl FnMut() + Send + 'static) {
            *self.proc.on_open.lock().unwrap() = Some(Box::new(hook));
        }

        /// Holds the thread before it reads a file: says when it is there, and goes on when told to.
        fn gate(&self) -> (Receiver<()>, Sender<()>) {
            let (arrived, arrival) = channel();
            let (go, gone) = channel();
            self.before_reading(move || {
                let _ = arrived.send(());
                let _ = gone.recv();
            });
            (arrival, go)
        }
    }

    fn sha256(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    fn counts(bench: &Bench) -> (u64, u64, u64, u64, u64) {
        let c = bench.hasher.counts();
        (c.hashed, c.cached, c.too_large, c.too_busy, c.unavailable)
    }

    fn set_modified(file: &Path, seconds: i64, nanos: i64) {
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: nanos,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(rustix::fs::CWD, file, &times, AtFlags::empty()).unwrap();
    }

    #[test]
    fn the_hash_is_the_one_that_sha256sum_gives() {
        let system = Arc::new(System::new());
        let (wake, woken) = channel();
        let wake = move || {
            let _ = wake.send(());
        };
        let hasher = Hasher::start(HashLimits::default(), Arc::clone(&system) as _, system, wake).unwrap();
        // It runs until its input ends.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let exe = PathBuf::from(format!("/proc/{}/exe", child.id()));
        let Asked::Later(pending) = hasher.ask(&wanted(child.id(), &exe), Urgency::High) else {
            panic!("it can't be known yet");
        };
        woken.recv().unwrap();
        let output = Command::new("sha256sum").arg(&exe).output().unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        let hash = pending.get().unwrap().clone().unwrap();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let output = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.split(' ').next(), Some(hex.as_str()));
    }

    #[test]
    fn a_file_is_hashed_once_however_often_it_runs() {
        let b = bench("once", HashLimits::default());
        let (file, wanted) = b.running(b"abc");
        for pid in 7..107 {
            b.proc.run(pid, &file);
            assert_eq!(b.ask(&Wanted { pid, ..wanted }), Ok(sha256(b"abc")));
        }
        assert_eq!(counts(&b), (1, 99, 0, 0, 0));
    }

    #[test]
    fn a_file_asked_for_while_it_is_hashed_is_hashed_once() {
        let b = bench("joined", HashLimits::default());
        let (_, wanted) = b.running(b"abc");
        let (arrival, go) = b.gate();
        let first = b.later(&wanted);
        arrival.recv().unwrap();
        let second = b.later(&wanted);
        go.send(()).unwrap();
        assert_eq!(b.wait(&first), Ok(sha256(b"abc")));
        assert_eq!(b.wait(&second), Ok(sha256(b"abc")));
        assert_eq!(counts(&b), (1, 1, 0, 0, 0));
    }

    #[test]
    fn a_renamed_copy_is_found_by_its_path_when_the_process_has_ended() {
        let folder = Folder::new("copy");
        let copy = folder.file("renamed", b"a copy of a tool");
        let system = Arc::new(System::new());
        let (wake, woken) = channel();
        let wake = move || {
            let _ = wake.send(());
        };
        let hasher = Hasher::start(HashLimits::default(), Arc::clone(&system) as _, system, wake).unwrap();
        let path = copy.canonicalize().unwrap().into_os_string().into_encoded_bytes();
        // No process has the number 0.
        let Asked::Later(pending) = hasher.ask(
            &Wanted {
                path: Some(&path),
                ..wanted(0, &copy)
            },
            Urgency::High,
        ) else {
            panic!("the path is looked up by the thread");
        };
        woken.recv().unwrap();
        assert_eq!(pending.get(), Some(&Ok(sha256(b"a copy of a tool"))));
    }

    #[test]
    fn a_deleted_file_and_a_memfd_are_hashed_while_they_run() {
        let b = bench("deleted", HashLimits::default());
        let (file, wanted) = b.running(b"gone");
        fs::remove_file(&file).unwrap();
        let fileless = Wanted {
            fileless: true,
            ..wanted
        };
        assert_eq!(b.ask(&fileless), Ok(sha256(b"gone")));

        let memfd = rustix::fs::memfd_create("tool", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&memfd, b"in memory").unwrap();
        let path = PathBuf::from(format!("/proc/self/fd/{}", memfd.as_raw_fd()));
        b.proc.run(8, &path);
        assert_eq!(b.ask(&fake::wanted(8, &path)), Ok(sha256(b"in memory")));
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let b = bench("limit", HashLimits::default());
        let (file, _) = b.running(b"");
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_len(300_000_000)
            .unwrap();
        assert_eq!(
            b.reason(&wanted(7, &file)),
            "the file is larger than the limit for hashing, 256.0 MiB"
        );
        assert_eq!(counts(&b), (0, 0, 1, 0, 0));
        assert_eq!(b.hasher.shared.lock().high.len(), 0);
    }

    #[test]
    fn a_file_of_just_the_limit_is_hashed() {
        let b = bench(
            "just",
            HashLimits {
                max_file: 3,
                ..HashLimits::default()
            },
        );
        assert_eq!(b.ask(&b.running(b"abc").1), Ok(sha256(b"abc")));
        assert!(b.reason(&b.running(b"abcd").1).contains("larger"));
    }

    #[test]
    fn work_beyond_the_rate_is_refused_until_it_has_been_earned_again() {
        let b = bench(
            "rate",
            HashLimits {
                bytes_per_second: 10,
                burst: 10,
                ..HashLimits::default()
            },
        );
        let ask = |name: &str| {
            let file = b.folder.0.join(name);
            b.proc.run(7, &file);
            b.ask(&wanted(7, &file))
        };
        for name in ["1", "2", "3", "4", "5", "6"] {
            b.folder.file(name, format!("content {name}").as_bytes());
        }
        assert!(ask("1").is_ok(), "9 bytes, 1 is left");
        assert!(ask("2").is_ok(), "8 are owed");
        assert_eq!(
            ask("3").unwrap_err(),
            "the limit of work for hashing, 10 B a second, was reached"
        );
        assert!(ask("1").is_ok(), "what is remembered costs nothing");
        *b.clock.monotonic.lock().unwrap() += Duration::from_millis(800);
        assert!(ask("3").is_err(), "nothing is owed and nothing there");
        *b.clock.monotonic.lock().unwrap() += Duration::from_millis(100);
        assert!(ask("3").is_ok());
        *b.clock.monotonic.lock().unwrap() += Duration::from_secs(3600);
        assert!(ask("4").is_ok());
        assert!(ask("5").is_ok());
        assert!(ask("6").is_err(), "an hour's rest earns no more than the burst");
        assert_eq!(counts(&b), (5, 1, 0, 3, 0));
    }

    #[test]
    fn a_file_rewritten_with_the_same_size_and_second_has_another_hash() {
        let b = bench("nanos", HashLimits::default());
        let (file, before) = b.running(b"aaaa");
        set_modified(&file, 1000, 1);
        assert_eq!(b.ask(&before), Ok(sha256(b"aaaa")));
        fs::write(&file, b"bbbb").unwrap();
        set_modified(&file, 1000, 2);
        assert_eq!(b.ask(&before), Ok(sha256(b"bbbb")));
        // Even with the very same modification time: the change time can't be set.
        let changed = |file: &Path| Facts::of(handle(file).as_fd(), AtFlags::empty()).unwrap().changed;
        let old = changed(&file);
        while changed(&file) == old {
            fs::write(&file, b"cccc").unwrap();
            set_modified(&file, 1000, 2);
        }
        assert_eq!(b.ask(&before), Ok(sha256(b"cccc")));
        assert_eq!(counts(&b), (3, 0, 0, 0, 0));
    }

    #[test]
    fn a_file_changed_within_the_clocks_tick_is_not_remembered() {
        let b = bench("tick", HashLimits::default());
        let (_, wanted) = b.running(b"abc");
        *b.clock.of_files.lock().unwrap() = (0, 0);
        for _ in 0..2 {
            assert_eq!(b.ask(&wanted), Ok(sha256(b"abc")));
        }
        assert_eq!(counts(&b), (2, 0, 0, 0, 0));
        // And when its process ends while it is read, nothing says that nobody wrote to it.
        let proc = Arc::clone(&b.proc);
        b.before_reading(move || proc.running.lock().unwrap().clear());
        assert_eq!(
            b.reason(&wanted),
            "the file was changed after the program was started, or just before"
        );
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_has_no_hash_and_is_not_remembered() {
        let b = bench("changes", HashLimits::default());
        let (file, wanted) = b.running(b"aaaa");
        let (proc, path) = (Arc::clone(&b.proc), file.clone());
        b.before_reading(move || {
            proc.running.lock().unwrap().clear();
            fs::write(&path, b"bbbb").unwrap();
            set_modified(&path, 1000, 0);
        });
        assert_eq!(b.reason(&wanted), "the file was changed while it was hashed");
        assert_eq!(b.hasher.shared.lock().cache.entries.len(), 0);
        assert_eq!(counts(&b), (0, 0, 0, 0, 1));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_has_no_hash() {
        let b = bench("grows", HashLimits::default());
        let (file, wanted) = b.running(b"aaaa");
        b.before_reading(move || fs::write(&file, b"aaaab").unwrap());
        assert_eq!(b.reason(&wanted), "the file was changed while it was hashed");
    }

    #[test]
    fn a_file_that_is_removed_while_it_is_read_has_a_hash_if_it_still_runs() {
        let b = bench("removed", HashLimits::default());
        let (file, wanted) = b.running(b"abc");
        b.before_reading(move || {
            let _ = fs::remove_file(&file);
        });
        assert_eq!(b.ask(&wanted), Ok(sha256(b"abc")));
        assert_eq!(b.hasher.shared.lock().cache.entries.len(), 0);
    }

    #[test]
    fn a_file_changed_after_the_exec_is_taken_only_while_it_runs() {
        let b = bench("since", HashLimits::default());
        let (file, wanted) = b.running(b"abc");
        let early = Wanted {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            path: Some(b"/program"),
            ..wanted
        };
        assert_eq!(b.ask(&early), Ok(sha256(b"abc")));
        b.proc.running.lock().unwrap().clear();
        b.proc.roots.lock().unwrap().insert(None, b.folder.0.clone());
        assert_eq!(
            b.reason(&early),
            "the process had ended, and the file at its path was changed after that, or just before"
        );
        fs::write(&file, b"more than before").unwrap();
        b.proc.run(7, &file);
        assert_eq!(
            b.reason(&wanted),
            "the file was changed after the program was started, or just before"
        );
        assert_eq!(counts(&b), (1, 0, 0, 0, 2));
    }

    #[test]
    fn each_way_not_to_find_the_file_has_its_reason() {
        let b = bench("reasons", HashLimits::default());
        let (_, wanted) = b.running(b"abc");
        let other = b.folder.file("other", b"abc");
        b.proc.run(8, &other);
        b.proc.forbidden.lock().unwrap().insert(9);
        rustix::fs::mknodat(rustix::fs::CWD, b.folder.0.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        b.proc.roots.lock().unwrap().insert(None, b.folder.0.clone());
        let reason = |pid, path: Option<&'static [u8]>, fileless| {
            b.reason(&Wanted {
                pid,
                path,
                fileless,
                ..wanted
            })
        };
        assert_eq!(
            reason(1, Some(b"/none"), false),
            "the process had ended, and no file of its inode is at its path"
        );
        assert_eq!(
            reason(8, Some(b"/other"), false),
            "the process was running another program by then, and no file of its inode is at its path"
        );
        assert_eq!(
            reason(9, Some(b"/fifo"), false),
            "the file that the process runs could not be opened: permission denied, and no file of its inode is at its \
             path"
        );
        assert_eq!(
            reason(1, Some(b"/memfd:x"), true),
            "the process had ended, and its file has no name on disk"
        );
        for path in [None, Some(&b".../program"[..])] {
            assert_eq!(
                reason(1, path, false),
                "the process had ended, and the path of its file is not known"
            );
        }
        b.proc.would_block.store(true, Ordering::Relaxed);
        assert_eq!(
            reason(1, Some(b"/program"), false),
            "the process had ended, and its path could not be looked up without waiting"
        );
        assert_eq!(counts(&b), (0, 0, 0, 0, 7));
    }

    #[test]
    fn the_path_is_looked_up_where_the_process_was_then_where_its_parent_is_then_here() {
        let b = bench("roots", HashLimits::default());
        let file = b.folder.file("program", b"abc");
        let empty = Folder::new("roots-empty");
        for at in [Some(1), Some(2), None] {
            let wanted = Wanted {
                parent_pid: Some(2),
                path: Some(b"/program"),
                ..wanted(1, &file)
            };
            let mut roots = b.proc.roots.lock().unwrap();
            *roots = [Some(1), Some(2), None].map(|root| (root, empty.0.clone())).into();
            roots.insert(at, b.folder.0.clone());
            drop(roots);
            assert_eq!(b.ask(&wanted), Ok(sha256(b"abc")), "{at:?}");
        }
    }

    #[test]
    fn a_device_that_stat_does_not_show_is_asked_of_the_kernel() {
        let b = bench("device", HashLimits::default());
        let (_, wanted) = b.running(b"abc");
        let real = Wanted {
            device: 0x123,
            ..wanted
        };
        assert_eq!(b.reason(&real), "the file's device could not be compared");
        *b.proc.identity.lock().unwrap() = Some((0x124, real.inode));
        assert_eq!(
            b.reason(&real),
            "the process was running another program by then, and the path of its file is not known"
        );
        *b.proc.identity.lock().unwrap() = Some((0x123, real.inode));
        assert_eq!(b.ask(&real), Ok(sha256(b"abc")));
        // From now on it is known.
        *b.proc.identity.lock().unwrap() = None;
        assert_eq!(b.ask(&real), Ok(sha256(b"abc")));
        assert_eq!(counts(&b), (1, 1, 0, 0, 2));
    }

    #[test]
    fn by_its_path_a_file_of_such_a_device_is_taken_only_in_the_processs_own_root() {
        let b = bench("own-root", HashLimits::default());
        let file = b.folder.file("program", b"abc");
        let real = Wanted {
            device: 0x123,
            path: Some(b"/program"),
            start_boot_ns: 5_000_000_000,
            parent_pid: Some(2),
            ..wanted(1, &file)
        };
        *b.proc.identity.lock().unwrap() = Some((0x123, real.inode));
        let other = "the process had ended, and the device of the file at its path is not the same";
        for root in [None, Some(2), Some(1)] {
            *b.proc.roots.lock().unwrap() = [(root, b.folder.0.clone())].into();
            assert_eq!(b.reason(&real), other, "{root:?}");
        }
        // The process is the one that ran it, by its start.
        b.proc.ticks.lock().unwrap().insert(1, ticks(real.start_boot_ns) + 1);
        assert_eq!(b.reason(&real), other);
        b.proc.ticks.lock().unwrap().insert(1, ticks(real.start_boot_ns));
        assert_eq!(b.ask(&real), Ok(sha256(b"abc")));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_least_used_goes_first() {
        let b = bench(
            "lru",
            HashLimits {
                entries: 2,
                ..HashLimits::default()
            },
        );
        let ask = |name: &str| {
            let file = b.folder.0.join(name);
            b.proc.run(7, &file);
            b.ask(&wanted(7, &file)).unwrap();
            b.hasher.counts().hashed
        };
        for name in ["a", "b", "c"] {
            b.folder.file(name, name.as_bytes());
        }
        assert_eq!((ask("a"), ask("b"), ask("a")), (1, 2, 2));
        assert_eq!((ask("c"), ask("a"), ask("b")), (3, 3, 4));
        assert_eq!(b.hasher.shared.lock().cache.entries.len(), 2);
    }

    #[test]
    fn files_that_wait_are_bounded_and_who_gives_up_counts_as_too_busy() {
        let b = bench(
            "waiting",
            HashLimits {
                open_files: 1,
                ..HashLimits::default()
            },
        );
        let (arrival, go) = b.gate();
        let file = |name: &str| {
            let file = b.folder.file(name, name.as_bytes());
            b.proc.run(7, &file);
            wanted(7, &file)
        };
        let first = b.later(&file("first"));
        arrival.recv().unwrap();
        let wanted = file("second");
        let second = b.later(&wanted);
        assert_eq!(
            b.reason(&file("third")),
            "too many other files were waiting to be hashed"
        );
        assert_eq!(b.hasher.give_up(&second, "late"), Err("late".to_owned()));
        for _ in 0..2 {
            go.send(()).unwrap();
        }
        assert_eq!(b.wait(&first), Ok(sha256(b"first")));
        while b.hasher.counts().hashed < 2 {
            b.woken.recv().unwrap();
        }
        assert_eq!(b.hasher.give_up(&first, "late"), Ok(sha256(b"first")));
        assert_eq!(counts(&b), (2, 0, 0, 2, 0));
        b.proc.run(7, &b.folder.0.join("second"));
        assert_eq!(b.ask(&wanted), Ok(sha256(b"second")), "the next one has it");
        assert_eq!(b.hasher.shared.lock().joined.len(), 0);
    }

    #[test]
    fn what_is_urgent_goes_first_even_in_the_middle_of_a_file_that_is_not() {
        let b = bench("urgent", HashLimits::default());
        let (arrival, go) = b.gate();
        let file = |name: &str, length: usize| {
            let file = b.folder.file(name, &vec![name.as_bytes()[0]; length]);
            b.proc.run(7, &file);
            wanted(7, &file)
        };
        let large = b.later_of(&file("low", 4 * BUFFER), Urgency::Low);
        arrival.recv().unwrap();
        // It is in hand. Behind it waits one that is as low, behind that one that is not.
        let second = b.later_of(&file("2 low", 10), Urgency::Low);
        let urgent = b.later(&file("high", 10));
        go.send(()).unwrap();
        // Its first part is read; then the urgent one is opened.
        arrival.recv().unwrap();
        assert!(large.get().is_none() && second.get().is_none());
        go.send(()).unwrap();
        assert_eq!(b.wait(&urgent), Ok(sha256(&[b'h'; 10])));
        arrival.recv().unwrap();
        assert!(second.get().is_none());
        assert_eq!(b.wait(&large), Ok(sha256(&vec![b'l'; 4 * BUFFER])));
        go.send(()).unwrap();
        assert_eq!(b.wait(&second), Ok(sha256(&[b'2'; 10])));
    }

    #[test]
    fn who_is_urgent_brings_the_file_forward_that_he_shares() {
        let b = bench("shares", HashLimits::default());
        let (arrival, go) = b.gate();
        let file = |name: &str| {
            let file = b.folder.file(name, name.as_bytes());
            b.proc.run(7, &file);
            wanted(7, &file)
        };
        let first = b.later_of(&file("first"), Urgency::Low);
        arrival.recv().unwrap();
        let second = b.later_of(&file("second"), Urgency::Low);
        let third = file("third");
        let low = b.later_of(&third, Urgency::Low);
        let high = b.later(&third);
        go.send(()).unwrap();
        arrival.recv().unwrap();
        go.send(()).unwrap();
        for pending in [&low, &high] {
            assert_eq!(b.wait(pending), Ok(sha256(b"third")));
        }
        arrival.recv().unwrap();
        assert!(second.get().is_none());
        go.send(()).unwrap();
        assert_eq!(b.wait(&second), Ok(sha256(b"second")));
        assert_eq!(b.wait(&first), Ok(sha256(b"first")));
    }

    #[test]
    fn what_is_not_urgent_takes_nothing_of_the_work_and_half_of_the_room() {
        let b = bench(
            "share",
            HashLimits {
                bytes_per_second: 20,
                burst: 20,
                open_files: 4,
                ..HashLimits::default()
            },
        );
        let file = |name: &str| {
            let file = b.folder.file(name, format!("content {name}").as_bytes());
            b.proc.run(7, &file);
            wanted(7, &file)
        };
        let low = |name: &str| b.wait(&b.later_of(&file(name), Urgency::Low));
        // Nine bytes each, of ten.
        assert!(low("1").is_ok() && low("2").is_ok());
        assert_eq!(
            low("3").unwrap_err(),
            "the limit of work for hashing, 10 B a second, was reached"
        );
        for name in ["4", "5", "6"] {
            assert!(b.ask(&file(name)).is_ok(), "{name} of twenty");
        }
        assert!(b.reason(&file("7")).contains("20 B a second"));
        *b.clock.monotonic.lock().unwrap() += Duration::from_secs(3600);
        let (arrival, go) = b.gate();
        let first = b.later(&file("first"));
        arrival.recv().unwrap();
        let names = ["a", "b"].map(|name| b.later_of(&file(name), Urgency::Low));
        let Asked::Now(Err(reason)) = b.hasher.ask(&file("c"), Urgency::Low) else {
            panic!("no room");
        };
        assert_eq!(reason, "too many other files were waiting to be hashed");
        let urgent = b.later(&file("d"));
        for _ in 0..4 {
            go.send(()).unwrap();
        }
        for pending in names.iter().chain([&first, &urgent]) {
            assert!(b.wait(pending).is_ok());
        }
    }

    #[test]
    fn the_kernel_names_an_inode_as_the_program_in_the_kernel_does() {
        let system = System::new();
        let folder = Folder::new("identity");
        for name in ["a", "b"] {
            let file = folder.file(name, b"x");
            let meta = wanted(1, &file);
            let Some(identity) = system.identity(handle(&file).as_fd()) else {
                panic!("inotify says nothing");
            };
            assert_eq!(identity.1, meta.inode);
        }
        let memfd = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let facts = Facts::of(memfd.as_fd(), AtFlags::empty()).unwrap();
        assert_eq!(system.identity(memfd.as_fd()), Some((facts.device, facts.inode)));
    }

    #[test]
    fn a_watch_is_found_by_its_number() {
        let info = "pos:\t0\nflags:\t02004000\ninotify wd:1a ino:5a5 sdev:800001 mask:400 ignored_mask:0 fhandle-bytes:8\n\
                    inotify wd:1 ino:1 sdev:2 mask:400\n";
        assert_eq!(identity(info, 0x1a), Some((0x80_0001, 0x5a5)));
        assert_eq!(identity(info, 1), Some((2, 1)));
        assert_eq!(identity(info, 2), None);
    }

    #[test]
    fn the_start_is_field_22_whatever_the_command_is_called() {
        let stat = b"5 (a) R 1 (b) S 1 5 5 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 123456 1 1";
        assert_eq!(start_ticks(stat), Some(123_456));
        assert_eq!(start_ticks(b"5 (a"), None);
        assert!(System::new().start_ticks(std::process::id()).is_some());
    }

    #[test]
    fn paths_are_looked_up_without_following_links_out_of_the_root() {
        let system = System::new();
        let folder = Folder::new("links");
        let file = folder.file("file", b"x");
        std::os::unix::fs::symlink(&file, folder.0.join("link")).unwrap();
        let at = |path: PathBuf| {
            let path = path.into_os_string().into_encoded_bytes();
            let file = system.at_path(None, &path)?;
            Facts::of(file.as_fd(), AtFlags::empty())
        };
        let root = folder.0.canonicalize().unwrap();
        assert!(at(root.join("file")).unwrap().regular);
        assert!(at(root.join("../..").join("file")).is_err());
        // What a link leads to is another path's file; the link itself is no regular file.
        assert!(at(root.join("link")).map_or(true, |facts| !facts.regular));
        assert!(matches!(
            at(root.join("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound | io::ErrorKind::WouldBlock
        ));
    }
}
