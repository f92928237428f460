//! The stage between the pipeline and the outputs: puts names and hashes into reports.
//!
//! [`Stage::submit`] never waits. It looks at the executable and asks for what is missing ([`hash`](super::hash),
//! [`accounts`]: a thread each); a third thread hands the records on, in the order of submission. A report
//! waits for its hash and its names until limits of its own, counted from its submission, so that one that waits delays those
//! behind it by no more than its own limit.
//!
//! Nothing is lost in silence. When three quarters of the queue are in use, nothing waits any more: reports go on with what is
//! known. When it is full because even that is too slow, reports are dropped and counted, and the kernel events that they said
//! were lost are said by the next one. The queue is bounded in bytes; see [`Config::queue_bytes`].
//!
//! Execs that nobody asked for, which are only recorded or listed, cost findings neither hash nor place: they do not wait when a
//! quarter of the queue is in use, are dropped when half of it is, and have a share of hashing of their own
//! ([`Urgency`]). Nor do they cost an exec its place in the ring buffer: while its drain is behind, they stand back.

use std::{
    collections::VecDeque,
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    accounts::{self, Name, NameLimits, Names, Resolver},
    hash::{Asked, Clock, HashLimits, Hasher, Pending, ProcFs, System, Urgency, Wanted},
};
use crate::{
    backlog::Backlog,
    finding::Report,
    record::{Hashing, Record},
};

/// Beyond the bound of the queue, room for the records that are not reports: they are small, few, and tell of losses.
const RESERVE: usize = 1 << 20;
/// What a record that is not a report is taken to weigh, bytes.
const SMALL: usize = 4096;
/// The queue may take this part of memory, but for
const QUEUE_PART: u64 = 64;
/// no more than this.
const MOST_QUEUE_BYTES: usize = 256 << 20;
/// A report of low urgency stands back for so long at most when the drain of the ring buffer is behind,
const STAND_BACK: Duration = Duration::from_millis(20);
/// and looks so often whether it still is.
const STEP: Duration = Duration::from_millis(1);
/// How long [`Stage::flush`] waits for records to be taken once it no longer waits for hashes and names.
const LAST: Duration = Duration::from_secs(1);

/// Limits of the stage.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Of hashing.
    pub hash: HashLimits,
    /// Of names; its `wait` is how long a report waits for them.
    pub names: NameLimits,
    /// A report waits so long for its hash.
    pub hash_wait: Duration,
    /// Once so many bytes of records wait, no report is added. The last one added may be longer than this by itself.
    pub queue_bytes: usize,
}

impl Config {
    /// With a queue for a host, or a container, of so many bytes of memory.
    #[must_use]
    pub fn for_memory(bytes: u64) -> Self {
        let default = Self::default();
        let part = usize::try_from(bytes / QUEUE_PART).unwrap_or(usize::MAX);
        Self {
            queue_bytes: part.clamp(default.queue_bytes, MOST_QUEUE_BYTES),
            ..default
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hash: HashLimits::default(),
            names: NameLimits::default(),
            hash_wait: Duration::from_secs(2),
            // Execs that nobody asked for get half of it: all that the ring buffer of the default size can hold, twice.
            queue_bytes: 64 << 20,
        }
    }
}

/// Where the stage learns things.
pub struct Sources {
    /// Names of users.
    pub resolver: Box<dyn Resolver>,
    /// Files of processes.
    pub proc: Arc<dyn ProcFs>,
    /// Clocks for hashing.
    pub clock: Arc<dyn Clock>,
    /// Whether the source of the reports is behind.
    pub backlog: Backlog,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Sources {
    /// This host, and who drains its ring buffer.
    #[must_use]
    pub fn system(backlog: Backlog) -> Self {
        let system = Arc::new(System::new());
        Self {
            resolver: accounts::system(),
            proc: Arc::clone(&system) as _,
            clock: system,
            backlog,
        }
    }
}

/// What must be known of an executable, beyond what its report says, to hash it. All as the kernel said at the exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Start of the process, nanoseconds since boot.
    pub start_boot_ns: u64,
    /// Inode number.
    pub inode: u64,
    /// Device of the file system, in the kernel's own encoding (20 bits of minor).
    pub device: u32,
    /// Size, bytes.
    pub size: u64,
}

/// The state of the stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hashes.
    pub hashing: Hashing,
    /// Names that were not known in time.
    pub late_names: u64,
    /// Reports handed on unfinished because too many waited.
    pub hurried: u64,
    /// Records dropped because the queue was full, but for those of `dropped_low`.
    pub dropped: u64,
    /// Reports of low urgency dropped, or left out: of execs that were not asked for.
    pub dropped_low: u64,
    /// Records that wait.
    pub queued: u64,
    /// Bytes of the records that wait.
    pub queued_bytes: u64,
    /// Files that wait to be hashed.
    pub queued_files: u64,
}

/// Takes what the stage hands on, in the order of submission. It must not wait.
pub trait Taker: Send + 'static {
    /// A record, complete.
    fn record(&mut self, record: Record);

    /// It is that time, and every record submitted before has been handed on.
    fn time(&mut self, _now: SystemTime) {}
}

impl<F: FnMut(Record) + Send + 'static> Taker for F {
    fn record(&mut self, record: Record) {
        self(record);
    }
}

/// What waits in the queue.
enum Item {
    Record(Record),
    Time(SystemTime),
    Call(Box<dyn FnOnce() + Send>),
}

struct Entry {
    item: Item,
    urgency: Urgency,
    weight: usize,
    hash: Option<(Pending, Instant)>,
    /// Of the user, the effective user, the one who logged in.
    names: [Option<Name>; 3],
}

impl Entry {
    /// Until when this is to wait; none when it need not.
    fn waits_until(&self, now: Instant) -> Option<Instant> {
        let hash = self.hash.as_ref().filter(|(pending, _)| pending.get().is_none());
        let names = self.names.iter().flatten().filter_map(|name| match name {
            Name::Later(pending) if !pending.is_ready() => Some(pending.until()),
            _ => None,
        });
        hash.map(|(_, until)| *until)
            .into_iter()
            .chain(names)
            .max()
            .filter(|until| now < *until)
    }
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    /// Of them, those that are not of low urgency.
    urgent: usize,
    bytes: usize,
    /// A record has been taken and is being handed on; its bytes still count.
    in_hand: bool,
    /// These bytes.
    weight_in_hand: usize,
    /// What is not urgent does not wait until the queue is shorter.
    busy: bool,
    /// Nothing waits until the queue is shorter.
    crowded: bool,
    /// Nothing waits until the queue is empty.
    flushing: bool,
    /// No more records will come.
    closed: bool,
    /// Kernel events whose loss a dropped report would have told of.
    lost: u64,
    /// The last report was dropped.
    dropping: bool,
    counts: Counts,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Queue {
    fn hurry(&self, urgency: Urgency) -> bool {
        self.crowded || self.flushing || self.closed || (self.busy && urgency == Urgency::Low)
    }

    fn drop_one(&mut self, urgency: Urgency) {
        self.count_dropped(urgency, 1);
        if !mem::replace(&mut self.dropping, true) {
            log::error!("reports come faster than they can be handed on; some are dropped");
        }
    }

    fn count_dropped(&mut self, urgency: Urgency, count: u64) {
        match urgency {
            Urgency::Low => self.counts.dropped_low += count,
            Urgency::High => self.counts.dropped += count,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that a record may wait for has come.
    fn wake(&self) {
        // Under the lock, so that the thread is not between its look and its sleep.
        drop(self.lock());
        self.changed.notify_all();
    }
}

/// The running stage. Dropping it hands on what is left, as it is.
pub struct Stage {
    shared: Arc<Shared>,
    hasher: Arc<Hasher>,
    names: Names,
    config: Config,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Stage {
    /// Starts the threads. Records go to `out`, on one of them.
    ///
    /// # Errors
    /// When a thread can't be started.
    pub fn start(config: Config, sources: Sources, out: impl Taker) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let wake = || {
            let shared = Arc::clone(&shared);
            move || shared.wake()
        };
        let hasher = Arc::new(Hasher::start(config.hash, sources.proc, sources.clock, wake())?);
        let names = Names::start(sources.resolver, config.names, wake())?;
        let work = Work {
            shared: Arc::clone(&shared),
            hasher: Arc::clone(&hasher),
            late: format!(
                "the hash was not ready within {}",
                humantime::format_duration(config.hash_wait)
            ),
            quarter: config.queue_bytes / 4,
            backlog: sources.backlog,
        };
        thread::Builder::new()
            .name("enrich".to_owned())
            .spawn(move || work.run(out))?;
        Ok(Self {
            shared,
            hasher,
            names,
            config,
        })
    }

    /// Hands over a report, to be completed: `account`, `effective_account` (of a user other than the real one),
    /// `login_account`, and `sha256` when `file` says what was run. Never waits. Call it as soon as the exec is known: the
    /// process may be gone a moment later.
    pub fn submit(&self, mut report: Report, file: Option<&Executable>) {
        let (weight, urgency) = (weight(&report), urgency(&report));
        {
            let mut queue = self.shared.lock();
            let most = match urgency {
                Urgency::Low => self.config.queue_bytes / 2,
                Urgency::High => self.config.queue_bytes,
            };
            if queue.bytes >= most {
                queue.drop_one(urgency);
                queue.lost += report.events_lost;
                return;
            }
            queue.dropping = false;
            report.events_lost += mem::take(&mut queue.lost);
        }
        let now = Instant::now();
        let hash = file.and_then(|file| self.ask_hash(&mut report, file, urgency, now));
        let names = self.ask_names(&report, now);
        self.push(Entry {
            item: Item::Record(Record::Exec(Box::new(report))),
            urgency,
            weight,
            hash,
            names,
        });
    }

    /// Counts a report of low urgency as dropped that was not even made.
    pub fn leave_out(&self) {
        self.shared.lock().drop_one(Urgency::Low);
    }

    /// Hands over a record that is complete (a report too); it keeps its place in the order. Never waits.
    pub fn pass(&self, record: Record) {
        let weight = match &record {
            Record::Exec(report) => weight(report),
            _ => SMALL,
        };
        {
            let mut queue = self.shared.lock();
            if queue.bytes >= self.config.queue_bytes.saturating_add(RESERVE) {
                queue.counts.dropped += 1;
                return;
            }
        }
        self.push(Entry {
            item: Item::Record(record),
            urgency: Urgency::High,
            weight,
            hash: None,
            names: [None, None, None],
        });
    }

    /// Says what time it is to whoever takes the records, behind all those submitted before. Never waits. A stage that has no
    /// room passes it over: another moment will come.
    pub fn time(&self, now: SystemTime) {
        self.push_small(Item::Time(now));
    }

    /// Calls this behind all records submitted before, once they have been handed on. It must not wait. Never waits itself, and
    /// passes it over when there is no room.
    pub fn then(&self, call: impl FnOnce() + Send + 'static) {
        self.push_small(Item::Call(Box::new(call)));
    }

    fn push_small(&self, item: Item) {
        if self.shared.lock().bytes >= self.config.queue_bytes {
            return;
        }
        self.push(Entry {
            item,
            urgency: Urgency::High,
            weight: SMALL,
            hash: None,
            names: [None, None, None],
        });
    }

    fn push(&self, entry: Entry) {
        let mut queue = self.shared.lock();
        queue.bytes += entry.weight;
        queue.busy |= queue.bytes >= self.config.queue_bytes / 4;
        queue.crowded |= queue.bytes >= self.config.queue_bytes / 4 * 3;
        queue.urgent += usize::from(entry.urgency == Urgency::High);
        queue.entries.push_back(entry);
        // Behind another record there is nothing to do yet.
        let wake = queue.entries.len() == 1 || queue.busy;
        drop(queue);
        if wake {
            self.shared.changed.notify_all();
        }
    }

    fn ask_hash(
        &self,
        report: &mut Report,
        file: &Executable,
        urgency: Urgency,
        now: Instant,
    ) -> Option<(Pending, Instant)> {
        let wanted = Wanted {
            pid: report.pid?,
            start_boot_ns: file.start_boot_ns,
            parent_pid: report.parent_pid,
            time: report.time,
            inode: file.inode,
            device: file.device,
            size: file.size,
            path: report.folder_path.as_deref(),
            fileless: report.fileless == Some(true),
        };
        match self.hasher.ask(&wanted, urgency) {
            Asked::Now(answer) => {
                report.sha256 = Some(answer);
                None
            }
            Asked::Later(pending) => Some((pending, now + self.config.hash_wait)),
        }
    }

    fn ask_names(&self, report: &Report, now: Instant) -> [Option<Name>; 3] {
        let effective = report.effective_uid.filter(|uid| Some(*uid) != report.uid);
        let user = report.uid.map(|uid| self.names.ask(uid, now));
        let login = match report.login_uid {
            uid if uid == report.uid => user.clone(),
            uid => uid.map(|uid| self.names.ask(uid, now)),
        };
        [user, effective.map(|uid| self.names.ask(uid, now)), login]
    }

    /// Waits until everything has been handed on: for `limit` as usual, then without waiting for hashes and names. False
    /// when something is left even so, because `out` does not take it: reports are then dropped, and counted.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let wait = |limit| {
            self.shared
                .changed
                .wait_timeout_while(self.shared.lock(), limit, |queue| {
                    queue.in_hand || !queue.entries.is_empty()
                })
                .unwrap_or_else(PoisonError::into_inner)
        };
        let (mut queue, timeout) = wait(limit);
        if !timeout.timed_out() {
            return true;
        }
        queue.flushing = true;
        drop(queue);
        self.shared.changed.notify_all();
        let (mut queue, timeout) = wait(LAST);
        if !timeout.timed_out() {
            return true;
        }
        // What the monitor says about itself is still handed on: it is little, and it tells of the rest.
        let is_exec = |entry: &Entry| matches!(entry.item, Item::Record(Record::Exec(_)));
        for urgency in [Urgency::Low, Urgency::High] {
            let is_lost = |entry: &&Entry| is_exec(entry) && entry.urgency == urgency;
            let count = queue.entries.iter().filter(is_lost).count() as u64;
            queue.count_dropped(urgency, count);
        }
        queue.entries.retain(|entry| !is_exec(entry));
        // What is left is about the monitor itself.
        queue.urgent = queue.entries.len();
        queue.bytes = queue.entries.iter().map(|entry| entry.weight).sum::<usize>() + queue.weight_in_hand;
        drop(queue);
        drop(wait(LAST));
        false
    }

    /// The state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (hashing, queued_files) = (self.hasher.counts(), self.hasher.queued());
        let queue = self.shared.lock();
        Counts {
            hashing,
            queued: queue.entries.len() as u64 + u64::from(queue.in_hand),
            queued_bytes: queue.bytes as u64,
            queued_files,
            ..queue.counts
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        drop(queue);
        self.shared.changed.notify_all();
    }
}

/// The thread that hands records on.
struct Work {
    shared: Arc<Shared>,
    hasher: Arc<Hasher>,
    /// The reason of a hash that comes too late.
    late: String,
    /// Of the queue's bytes. When no more than twice this waits, nothing is in a hurry any more, and when it is half of it, what is
    /// not urgent neither.
    quarter: usize,
    backlog: Backlog,
}

impl Work {
    fn run(self, mut out: impl Taker) {
        while let Some((entry, hurry)) = self.next() {
            if entry.urgency == Urgency::Low {
                self.stand_back();
            }
            let weight = entry.weight;
            match self.complete(entry, hurry) {
                Item::Record(record) => out.record(record),
                Item::Time(now) => out.time(now),
                Item::Call(call) => call(),
            }
            let mut queue = self.shared.lock();
            queue.in_hand = false;
            queue.weight_in_hand = 0;
            queue.bytes -= weight;
            let empty = queue.entries.is_empty();
            queue.crowded &= queue.bytes > 2 * self.quarter;
            queue.busy &= queue.bytes > self.quarter / 2;
            queue.flushing &= !empty;
            drop(queue);
            if empty {
                // For `flush`.
                self.shared.changed.notify_all();
            }
        }
    }

    /// Leaves the processors to whoever drains the ring buffer while that is behind, unless something urgent waits here.
    fn stand_back(&self) {
        let end = Instant::now() + STAND_BACK;
        while self.backlog.is_behind() && Instant::now() < end {
            let queue = self.shared.lock();
            if queue.urgent > 0 || queue.flushing || queue.closed {
                return;
            }
            drop(queue);
            thread::sleep(STEP);
        }
    }

    /// The next record, once it need not wait any more, and whether it would have had to but for the hurry.
    fn next(&self) -> Option<(Entry, bool)> {
        let mut queue = self.shared.lock();
        loop {
            let first = queue.entries.front();
            let waits = first.map(|entry| (entry.waits_until(Instant::now()), queue.hurry(entry.urgency)));
            let until = match waits {
                None if queue.closed => return None,
                None => None,
                Some((Some(until), false)) => Some(until),
                Some((waits, _)) => {
                    let entry = queue.entries.pop_front()?;
                    queue.urgent -= usize::from(entry.urgency == Urgency::High);
                    queue.in_hand = true;
                    queue.weight_in_hand = entry.weight;
                    return Some((entry, waits.is_some()));
                }
            };
            queue = match until {
                Some(until) => {
                    let limit = until.saturating_duration_since(Instant::now());
                    let result = self.shared.changed.wait_timeout(queue, limit);
                    result.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn complete(&self, entry: Entry, hurry: bool) -> Item {
        let Entry {
            mut item, hash, names, ..
        } = entry;
        let Item::Record(Record::Exec(report)) = &mut item else {
            return item;
        };
        if let Some((pending, _)) = hash {
            let reason = if hurry {
                "too many reports waited at once"
            } else {
                &self.late
            };
            report.sha256 = Some(self.hasher.give_up(&pending, reason));
        }
        let late = names
            .iter()
            .flatten()
            .filter(|name| matches!(name, Name::Later(pending) if !pending.is_ready()))
            .count() as u64;
        if late > 0 || hurry {
            let mut queue = self.shared.lock();
            queue.counts.late_names += late;
            queue.counts.hurried += u64::from(hurry);
        }
        let places = [
            &mut report.account,
            &mut report.effective_account,
            &mut report.login_account,
        ];
        for (place, name) in places.into_iter().zip(names) {
            match name {
                Some(Name::Now(name)) => *place = Some(name),
                Some(Name::Later(pending)) => *place = Some(pending.take()),
                None => {}
            }
        }
        item
    }
}

/// What was asked for, or may turn out to be, comes first.
fn urgency(report: &Report) -> Urgency {
    if report.tuning.asked_for || !report.suspicions.is_empty() {
        Urgency::High
    } else {
        Urgency::Low
    }
}

/// Bytes of memory that a report holds here, nearly.
fn weight(report: &Report) -> usize {
    size_of::<Entry>() + report.size()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::{
        super::hash::fake::{FakeClock, FakeProc, wanted},
        *,
    };
    use crate::{
        event::{Argv, Exec},
        record::Lost,
        testing::Folder,
    };

    /// Far more than any test takes: its end is a failure.
    const LONG: Duration = Duration::from_secs(60);

    struct Users;

    impl Resolver for Users {
        fn find(&mut self, uid: u32) -> io::Result<Option<String>> {
            Ok((uid < 100).then(|| format!("user{uid}")))
        }
    }

    /// Never answers; ends with the test.
    struct Dead(Receiver<()>);

    impl Resolver for Dead {
        fn find(&mut self, _: u32) -> io::Result<Option<String>> {
            let _ = self.0.recv();
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    struct Bench {
        proc: Arc<FakeProc>,
        stage: Stage,
        records: Receiver<Record>,
        folder: Folder,
        backlog: Backlog,
    }

    fn bench(name: &str, config: Config, resolver: impl Resolver + 'static) -> Bench {
        let (records, out) = channel();
        bench_with(name, config, resolver, out, move |record| {
            let _ = records.send(record);
        })
    }

    fn bench_with(
        name: &str,
        config: Config,
        resolver: impl Resolver + 'static,
        records: Receiver<Record>,
        out: impl FnMut(Record) + Send + 'static,
    ) -> Bench {
        let (proc, backlog) = (Arc::new(FakeProc::default()), Backlog::default());
        let sources = Sources {
            resolver: Box::new(resolver),
            proc: Arc::clone(&proc) as _,
            clock: Arc::new(FakeClock::default()),
            backlog: backlog.clone(),
        };
        Bench {
            stage: Stage::start(config, sources, out).unwrap(),
            proc,
            records,
            folder: Folder::new(name),
            backlog,
        }
    }

    fn report(pid: u32) -> Report {
        let time = SystemTime::now() + Duration::from_secs(3600);
        let mut report = Report::new(&Exec::new(time, Argv::whole(b"x\0")), None);
        report.pid = Some(pid);
        report.tuning.asked_for = true;
        report
    }

    /// Of an exec that is only recorded.
    fn clean(pid: u32) -> Report {
        let mut report = report(pid);
        report.tuning.asked_for = false;
        report
    }

    fn lost(count: u64) -> Record {
        Record::Lost(Lost {
            time: SystemTime::UNIX_EPOCH,
            since: SystemTime::UNIX_EPOCH,
            count,
            total: count,
            events_lost: 1,
        })
    }

    impl Bench {
        /// A report of a process that runs a new file.
        fn submit_running(&self, pid: u32) {
            let file = self.folder.file(&pid.to_string(), &pid.to_le_bytes());
            self.proc.run(pid, &file);
            let wanted = wanted(pid, &file);
            let executable = Executable {
                start_boot_ns: 0,
                inode: wanted.inode,
                device: wanted.device,
                size: wanted.size,
            };
            self.stage.submit(report(pid), Some(&executable));
        }

        fn next(&self) -> Record {
            self.records.recv_timeout(LONG).unwrap()
        }

        fn next_report(&self) -> Box<Report> {
            match self.next() {
                Record::Exec(report) => report,
                other => panic!("{other:?}"),
            }
        }

        /// Holds the hashing thread before it reads a file.
        fn gate(&self) -> Sender<()> {
            let (go, gone) = channel();
            *self.proc.on_open.lock().unwrap() = Some(Box::new(move || {
                let _ = gone.recv();
            }));
            go
        }
    }

    #[test]
    fn a_report_gets_the_names_of_its_users_and_the_effective_one_only_when_it_is_another() {
        let b = bench("names", Config::default(), Users);
        let names = |uids: [Option<u32>; 3]| {
            let mut report = report(1);
            [report.uid, report.effective_uid, report.login_uid] = uids;
            b.stage.submit(report, None);
            let report = b.next_report();
            assert_eq!(report.sha256, None, "it was not asked for");
            [report.account, report.effective_account, report.login_account]
        };
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            names([Some(1), Some(0), Some(1)]),
            [name("user1"), name("user0"), name("user1")]
        );
        assert_eq!(names([Some(1), Some(1), None]), [name("user1"), None, None]);
        assert_eq!(names([None, None, Some(4242)]), [None, None, name("4242")]);
    }

    #[test]
    fn records_keep_their_order_behind_a_slow_hash() {
        let config = Config {
            hash_wait: LONG,
            ..Config::default()
        };
        let b = bench("order", config, Users);
        let go = b.gate();
        b.submit_running(1);
        b.stage.pass(lost(5));
        b.stage.submit(report(2), None);
        b.stage.pass(Record::Exec(Box::new(report(3))));
        assert!(b.records.try_recv().is_err());
        assert_eq!(b.stage.counts().queued, 4);
        go.send(()).unwrap();
        let first = b.next_report();
        assert_eq!(first.pid, Some(1));
        assert!(matches!(first.sha256, Some(Ok(_))));
        assert!(matches!(b.next(), Record::Lost(lost) if lost.count == 5));
        assert_eq!(b.next_report().pid, Some(2));
        assert_eq!(b.next_report().pid, Some(3));
        assert!(b.stage.flush(LONG));
        let counts = b.stage.counts();
        assert_eq!((counts.queued, counts.queued_bytes, counts.hashing.hashed), (0, 0, 1));
    }

    #[test]
    fn a_hash_that_does_not_come_in_time_is_absent_with_the_reason() {
        let config = Config {
            hash_wait: Duration::from_millis(20),
            ..Config::default()
        };
        let b = bench("late", config, Users);
        let _go = b.gate();
        b.submit_running(1);
        b.submit_running(2);
        for pid in [1, 2] {
            let report = b.next_report();
            assert_eq!(report.pid, Some(pid));
            assert_eq!(
                report.sha256,
                Some(Err("the hash was not ready within 20ms".to_owned()))
            );
        }
        assert_eq!(b.stage.counts().hashing.too_busy, 2);
    }

    #[test]
    fn a_dead_name_service_costs_all_reports_together_one_wait() {
        let (_alive, dead) = channel();
        let config = Config {
            names: NameLimits {
                wait: Duration::from_millis(200),
                ..NameLimits::default()
            },
            ..Config::default()
        };
        let b = bench("dead", config, Dead(dead));
        let start = Instant::now();
        let all = 1000;
        for uid in 0..all {
            let mut report = report(1);
            (report.uid, report.login_uid) = (Some(uid), Some(uid + 10_000));
            b.stage.submit(report, None);
        }
        for uid in 0..all {
            let report = b.next_report();
            assert_eq!(report.account, Some(uid.to_string()));
            assert_eq!(report.login_account, Some((uid + 10_000).to_string()));
        }
        // One after the other they would take minutes.
        assert!(start.elapsed() < LONG);
        assert!(b.stage.counts().late_names > 0);
    }

    #[test]
    fn when_most_of_the_queue_is_in_use_nothing_waits_any_more() {
        let config = Config {
            hash_wait: LONG,
            queue_bytes: 64 << 10,
            ..Config::default()
        };
        let b = bench("crowd", config, Users);
        let _go = b.gate();
        b.submit_running(1);
        let last = 2 + u32::try_from((48 << 10) / weight(&report(1))).unwrap();
        for pid in 2..=last {
            b.stage.submit(report(pid), None);
        }
        let first = b.next_report();
        assert_eq!(first.sha256, Some(Err("too many reports waited at once".to_owned())));
        for pid in 2..=last {
            assert_eq!(b.next_report().pid, Some(pid));
        }
        let counts = b.stage.counts();
        assert_eq!((counts.hurried, counts.dropped), (1, 0));
    }

    #[test]
    fn a_flood_of_clean_execs_costs_a_finding_neither_its_hash_nor_its_place() {
        let config = Config {
            hash_wait: LONG,
            queue_bytes: 64 << 10,
            ..Config::default()
        };
        let b = bench("flood", config, Users);
        let go = b.gate();
        b.submit_running(1);
        let all = 2000;
        for pid in 2..all {
            b.stage.submit(clean(pid), None);
        }
        let counts = b.stage.counts();
        assert!(counts.dropped_low > 0 && counts.dropped == 0, "{counts:?}");
        assert!(b.records.try_recv().is_err(), "the finding waits for its hash");
        // There is room for more of them.
        b.stage.submit(report(all), None);
        assert_eq!(b.stage.counts().dropped, 0);
        go.send(()).unwrap();
        let first = b.next_report();
        assert!(first.pid == Some(1) && matches!(first.sha256, Some(Ok(_))), "{first:?}");
        assert!(b.stage.flush(LONG));
        let left: Vec<_> = b.records.try_iter().collect();
        assert!(matches!(left.last(), Some(Record::Exec(report)) if report.pid == Some(all)));
        let dropped = b.stage.counts().dropped_low;
        assert_eq!(left.len() as u64 + 1 + dropped, u64::from(all), "all are counted");
        b.stage.leave_out();
        assert_eq!(b.stage.counts().dropped_low, dropped + 1);
    }

    #[test]
    fn a_clean_exec_stands_back_while_the_drain_is_behind_but_not_for_ever() {
        let b = bench("behind", Config::default(), Users);
        b.backlog.set_behind(true);
        for pid in 1..4 {
            let start = Instant::now();
            b.stage.submit(clean(pid), None);
            assert_eq!(b.next_report().pid, Some(pid));
            assert!(start.elapsed() >= STAND_BACK, "{pid}");
        }
    }

    #[test]
    fn no_clean_exec_stands_back_before_a_finding_or_the_end() {
        let b = bench("urgent", Config::default(), Users);
        b.backlog.set_behind(true);
        // Each by itself would stand back so long that all together do for hours.
        let all = 1_000_000;
        for pid in 0..all {
            b.stage.submit(clean(pid), None);
            if pid % 1000 == 0 {
                b.stage.submit(report(all + pid), None);
            }
        }
        drop(b.stage);
        let count = b
            .records
            .iter()
            .filter(|record| matches!(record, Record::Exec(report) if report.pid >= Some(all)));
        assert_eq!(count.count(), 1000);
    }

    #[test]
    fn the_queue_grows_with_the_memory_within_its_bounds() {
        let bytes = |memory| Config::for_memory(memory).queue_bytes;
        assert_eq!(bytes(0), 64 << 20);
        assert_eq!(bytes(4 << 30), 64 << 20);
        assert_eq!(bytes(8 << 30), 128 << 20);
        assert_eq!(bytes(1 << 40), 256 << 20);
        assert_eq!(bytes(u64::MAX), 256 << 20);
    }

    #[test]
    fn what_is_not_urgent_does_not_wait_when_a_quarter_of_the_queue_is_in_use() {
        let config = Config {
            hash_wait: LONG,
            queue_bytes: 64 << 10,
            ..Config::default()
        };
        let b = bench("busy", config, Users);
        let _go = b.gate();
        let file = b.folder.file("x", b"x");
        b.proc.run(1, &file);
        let wanted = wanted(1, &file);
        let executable = Executable {
            start_boot_ns: 0,
            inode: wanted.inode,
            device: wanted.device,
            size: wanted.size,
        };
        b.stage.submit(clean(1), Some(&executable));
        let more = 1 + u32::try_from((16 << 10) / weight(&clean(1))).unwrap();
        for pid in 2..2 + more {
            b.stage.submit(clean(pid), None);
        }
        let first = b.next_report();
        assert_eq!(first.sha256, Some(Err("too many reports waited at once".to_owned())));
        assert_eq!(b.stage.counts().dropped_low, 0);
    }

    #[test]
    fn when_nobody_takes_the_reports_the_queue_is_bounded_and_what_is_dropped_is_counted() {
        let config = Config {
            queue_bytes: 64 << 10,
            ..Config::default()
        };
        let (records, out) = channel();
        let (go, gone) = channel::<()>();
        let b = bench_with("full", config, Users, out, move |record| {
            // Until the other end is dropped.
            let _ = gone.recv();
            let _ = records.send(record);
        });
        let all = 2000;
        for pid in 0..all {
            let mut report = report(pid);
            report.events_lost = 1;
            report.argv = vec![b'x'; 100];
            b.stage.submit(report, None);
        }
        b.stage.pass(lost(5));
        let counts = b.stage.counts();
        assert!(counts.dropped > 0);
        assert!(counts.queued_bytes < (64 << 10) + 8192, "{counts:?}");
        assert_eq!(counts.queued + counts.dropped, u64::from(all) + 1);
        drop(go);
        assert!(b.stage.flush(LONG));
        b.stage.submit(report(all), None);
        assert!(b.stage.flush(LONG));
        let (mut reports, mut told, mut others) = (0, 0, 0);
        for record in b.records.try_iter() {
            match record {
                Record::Exec(report) => {
                    reports += 1;
                    told += report.events_lost;
                }
                _ => others += 1,
            }
        }
        assert_eq!(reports + counts.dropped, u64::from(all) + 1);
        assert_eq!(
            (told, others),
            (u64::from(all), 1),
            "what a dropped report would have told is told"
        );
    }

    #[test]
    fn a_flush_hands_on_what_still_waits_when_its_limit_has_passed() {
        let config = Config {
            hash_wait: LONG,
            ..Config::default()
        };
        let b = bench("flush", config, Users);
        let _go = b.gate();
        for pid in 1..4 {
            b.submit_running(pid);
        }
        assert!(b.stage.flush(Duration::from_millis(10)));
        for pid in 1..4 {
            let report = b.records.try_recv().unwrap();
            assert!(matches!(report, Record::Exec(report) if report.pid == Some(pid)));
        }
    }

    #[test]
    fn a_moment_comes_behind_every_record_that_was_submitted_before() {
        struct Log(Sender<Option<u32>>);

        impl Taker for Log {
            fn record(&mut self, record: Record) {
                if let Record::Exec(report) = record {
                    let _ = self.0.send(report.pid);
                }
            }

            fn time(&mut self, now: SystemTime) {
                assert_eq!(now, SystemTime::UNIX_EPOCH);
                let _ = self.0.send(None);
            }
        }

        let (log, seen) = channel();
        let sources = Sources {
            resolver: Box::new(Users),
            proc: Arc::new(FakeProc::default()),
            clock: Arc::new(FakeClock::default()),
            backlog: Backlog::default(),
        };
        let stage = Stage::start(Config::default(), sources, Log(log)).unwrap();
        for pid in 1..=3 {
            let mut named = report(pid);
            named.uid = Some(pid);
            stage.submit(named, None);
            stage.time(SystemTime::UNIX_EPOCH);
        }
        assert!(stage.flush(LONG));
        let order: Vec<_> = seen.try_iter().collect();
        assert_eq!(order, [Some(1), None, Some(2), None, Some(3), None]);
    }

    #[test]
    fn what_is_left_at_the_end_is_handed_on() {
        let config = Config {
            hash_wait: LONG,
            ..Config::default()
        };
        let Bench {
            proc,
            stage,
            records,
            folder,
            ..
        } = bench("end", config, Users);
        let (_go, gone) = channel::<()>();
        *proc.on_open.lock().unwrap() = Some(Box::new(move || {
            let _ = gone.recv();
        }));
        let file = folder.file("x", b"x");
        proc.run(1, &file);
        let wanted = wanted(1, &file);
        let executable = Executable {
            start_boot_ns: 0,
            inode: wanted.inode,
            device: wanted.device,
            size: wanted.size,
        };
        stage.submit(report(1), Some(&executable));
        drop(stage);
        assert!(matches!(records.recv_timeout(LONG), Ok(Record::Exec(_))));
        assert!(records.recv_timeout(LONG).is_err(), "the thread ends");
    }
}
