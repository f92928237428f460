//! The table of images.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt as _};

use super::scan::Scanned;
use crate::{
    event::{Ancestor, Exec, FilePath, ImageKey, Runs},
    finding::{Image, Process, Report},
};

/// Bounds of the table.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory of all images together, bytes.
    pub bytes: usize,
    /// Bytes of argv that are kept of each image; longer ones are cut and marked.
    pub argv: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            argv: 16 << 10,
        }
    }
}

/// Says whether a process still lives.
pub trait Liveness {
    /// Whether process `pid` that started at `start_boot_ns` lives. May be wrong for the living only: a process that is
    /// said to be gone is gone.
    fn lives(&self, pid: u32, start_boot_ns: u64) -> bool;
}

/// Memory of an entry beside its bytes: the entry, its places in map and queue, the allocator's share.
const OVERHEAD: usize = 256;
/// Buffers of forgotten entries that are kept for the next ones, and their size at most.
const SPARE: usize = 64;
const SPARE_BYTES: usize = 1024;
/// Buffers are multiples of this, so that nearly each fits the command line that comes after the one before.
const STEP: usize = 128;
/// Images that are kept after the kernel has given their identity to others, and the part of the memory that they may take.
const PASSED: usize = 256;
const PASSED_PART: usize = 8;
/// Living processes that are passed over when one image must go; then the oldest goes, living or not.
const PASSES: usize = 16;

/// A process, for good: ids are used again, a start with an id is not.
type ProcessKey = (u32, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// What an image is, for every process that has it.
    Image(ImageKey),
    /// What a process older than the monitor shows of itself; it may have changed its title since it forked.
    Process(ImageKey, u32),
}

#[derive(Debug)]
struct Entry {
    process: ProcessKey,
    /// File name, path and argv, one after the other.
    bytes: Vec<u8>,
    name_len: u32,
    path_len: u32,
    argv_total: u64,
    known: u8,
    kept: bool,
    /// The newest place of this entry in its queue; older ones are void.
    stamp: u64,
}

const NAME: u8 = 1;
const PATH: u8 = 2;
const ARGV: u8 = 4;

impl Entry {
    /// Of what an exec made; `argv` are the bytes to keep, `old` is where others were before. Nearly never an allocation: this
    /// runs for every exec on the host.
    fn of_exec(process: ProcessKey, exec: &Exec<'_>, argv: &[u8], old: Option<Vec<u8>>) -> Self {
        let name = exec.file_name();
        let path = exec.executable;
        let (name_len, path_len) = (name.map_or(0, <[u8]>::len), path.map_or(0, FilePath::len));
        let mut bytes = buffer(name_len + path_len + argv.len(), old);
        bytes.extend_from_slice(name.unwrap_or_default());
        if let Some(path) = path {
            path.append_to(&mut bytes);
        }
        let path_len = bytes.len() - name_len;
        bytes.extend_from_slice(argv);
        let known = ARGV | name.map_or(0, |_| NAME) | path.map_or(0, |_| PATH);
        Self::new(process, bytes, [name_len, path_len], exec.argv.total(), known)
    }

    /// Of what a scan saw.
    fn of_image(process: ProcessKey, image: &Image) -> Self {
        let fields = [
            (&image.file_name, NAME),
            (&image.folder_path, PATH),
            (&image.argv, ARGV),
        ];
        let parts = fields.map(|(field, _)| field.as_deref().unwrap_or_default());
        let known = fields.iter().filter(|(field, _)| field.is_some()).map(|(_, flag)| flag);
        Self::new(
            process,
            parts.concat(),
            [parts[0].len(), parts[1].len()],
            image.argv_total,
            known.sum(),
        )
    }

    fn new(process: ProcessKey, bytes: Vec<u8>, [name, path]: [usize; 2], argv_total: u64, known: u8) -> Self {
        Self {
            process,
            name_len: u32::try_from(name).unwrap_or(u32::MAX),
            path_len: u32::try_from(path).unwrap_or(u32::MAX),
            bytes,
            argv_total,
            known,
            kept: false,
            stamp: 0,
        }
    }

    fn cost(&self) -> usize {
        OVERHEAD + self.bytes.capacity()
    }

    fn image(&self) -> Image {
        let (name, rest) = self.bytes.split_at_checked(self.name_len as usize).unwrap_or_default();
        let (path, argv) = rest.split_at_checked(self.path_len as usize).unwrap_or_default();
        let field = |flag, bytes: &[u8]| (self.known & flag != 0).then(|| bytes.to_vec());
        Image {
            file_name: field(NAME, name),
            folder_path: field(PATH, path),
            argv: field(ARGV, argv),
            argv_total: self.argv_total,
            argv_is_text: false,
        }
    }
}

/// An empty buffer for so many bytes: the old one, unless it is too small or far too large.
fn buffer(needed: usize, old: Option<Vec<u8>>) -> Vec<u8> {
    let fits = |old: &Vec<u8>| (needed..=4 * (needed + STEP)).contains(&old.capacity());
    match old.filter(fits) {
        Some(mut old) => {
            old.clear();
            old
        }
        None => Vec::with_capacity(needed.next_multiple_of(STEP)),
    }
}

/// The images of all processes that are known.
#[derive(Debug)]
pub struct Processes<L> {
    limits: Limits,
    liveness: L,
    entries: HashMap<Key, Entry>,
    /// The image that each process made last.
    current: HashMap<u32, (u64, ImageKey)>,
    /// Entries in the order of their turn to be forgotten, with their stamps: those nothing asked for ...
    new: VecDeque<(Key, u64)>,
    /// ... and those to be kept.
    kept: VecDeque<(Key, u64)>,
    /// What processes ran last whose images' identities are others' by now, the newest last. A process that is exiting has given
    /// its image back and can still be above an exec.
    passed: VecDeque<Entry>,
    /// Memory of these, which is part of `bytes`.
    passed_bytes: usize,
    /// Buffers of entries that are gone.
    spare: Vec<Vec<u8>>,
    bytes: usize,
    stamps: u64,
    forgotten: u64,
    unknown: u64,
}

impl<L: Liveness> Processes<L> {
    /// An empty table.
    #[must_use]
    pub fn new(limits: Limits, liveness: L) -> Self {
        Self {
            limits,
            liveness,
            entries: HashMap::new(),
            current: HashMap::new(),
            new: VecDeque::new(),
            kept: VecDeque::new(),
            passed: VecDeque::with_capacity(PASSED + 1),
            passed_bytes: 0,
            spare: Vec::with_capacity(SPARE),
            bytes: 0,
            stamps: 0,
            forgotten: 0,
            unknown: 0,
        }
    }

    /// Adds to the report what the table knows of the processes above and of the image before. Call it before
    /// [`note`](Self::note).
    pub fn describe(&mut self, exec: &Exec<'_>, report: &mut Report) {
        let Some(lineage) = exec.lineage else { return };
        for ancestor in lineage.ancestors.iter() {
            let image = self.ancestor(&ancestor);
            report.ancestry.push(Process {
                pid: Some(ancestor.pid),
                image,
            });
        }
        report.previous = exec.pid.and_then(|pid| {
            let &(start, _) = self.current.get(&pid)?;
            (start == lineage.start_boot_ns).then(|| self.made_by(pid, start).map(Entry::image))?
        });
    }

    /// Remembers the image that an exec made, and that its ancestors were asked for.
    pub fn note(&mut self, exec: &Exec<'_>) {
        let (Some(lineage), Some(pid)) = (exec.lineage, exec.pid) else {
            return;
        };
        // Only the parent: the one that has children. Those above it had theirs.
        if let Some(parent) = lineage.ancestors.iter().next()
            && let Runs::Image(image) = parent.runs
        {
            let specific = Key::Process(image, parent.pid);
            let known = if self.entries.contains_key(&specific) {
                specific
            } else {
                Key::Image(image)
            };
            if !self.keep(known) {
                self.unknown += 1;
            }
        }
        let argv = exec.argv.bytes();
        let argv = argv.get(..self.limits.argv).unwrap_or(argv);
        // A scan may have found the process before this exec was put together.
        self.remove(Key::Process(lineage.image, pid));
        // The kernel gives the identities of images that are gone to others, so there nearly always is an old one.
        let key = Key::Image(lineage.image);
        match self.take(key) {
            Some((entry, true)) if entry.process != (pid, lineage.start_boot_ns) => self.pass(entry),
            Some((entry, _)) => self.reuse(entry),
            None => {}
        }
        let old = self.spare.pop();
        self.current.insert(pid, (lineage.start_boot_ns, lineage.image));
        self.insert(key, Entry::of_exec((pid, lineage.start_boot_ns), exec, argv, old));
    }

    /// Remembers what a scan found out about a process that runs the image `key`, unless execs told it already.
    pub fn add_running(&mut self, key: ImageKey, start_boot_ns: u64, scanned: &Scanned) {
        let pid = scanned.pid;
        // Made by this very process: the exec told it. It may have gone on to another image since.
        if self
            .entries
            .get(&Key::Image(key))
            .is_some_and(|entry| entry.process == (pid, start_boot_ns))
        {
            return;
        }
        let mut image = scanned.image.clone();
        if let Some(argv) = &mut image.argv {
            argv.truncate(self.limits.argv);
        }
        let process = (pid, start_boot_ns);
        if !self.entries.contains_key(&Key::Image(key)) {
            self.insert(Key::Image(key), Entry::of_image(process, &image));
        }
        self.remove(Key::Process(key, pid));
        self.insert(Key::Process(key, pid), Entry::of_image(process, &image));
    }

    /// Images that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory in use, bytes, as the limit counts it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Images forgotten to stay within the limit.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Execs whose parent's image was not known.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    fn ancestor(&mut self, ancestor: &Ancestor) -> Image {
        let key = match ancestor.runs {
            Runs::Image(key) => key,
            Runs::Nothing { start_boot_ns, comm } => return self.without_image((ancestor.pid, start_boot_ns), &comm),
        };
        let specific = Key::Process(key, ancestor.pid);
        let known = if self.entries.contains_key(&specific) {
            specific
        } else {
            Key::Image(key)
        };
        self.keep(known);
        self.entries.get(&known).map(Entry::image).unwrap_or_default()
    }

    /// The image that this process made last, unless it is forgotten or its identity is another process's by now.
    fn made_by(&self, pid: u32, start_boot_ns: u64) -> Option<&Entry> {
        let &(_, image) = self.current.get(&pid)?;
        let entry = self.entries.get(&Key::Image(image))?;
        (entry.process == (pid, start_boot_ns)).then_some(entry)
    }

    /// A process that is exiting has given its image back, but it is known what that was. A kernel thread has only a name.
    fn without_image(&self, process: (u32, u64), comm: &[u8]) -> Image {
        let passed = || self.passed.iter().rev().find(|entry| entry.process == process);
        if let Some(entry) = self.made_by(process.0, process.1).or_else(passed) {
            return entry.image();
        }
        let name: Vec<u8> = comm.iter().copied().take_while(|&b| b != 0).collect();
        Image {
            file_name: (!name.is_empty()).then_some(name),
            ..Image::default()
        }
    }

    /// Moves an entry to the end of those to be kept; false when it is not known.
    fn keep(&mut self, key: Key) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else {
            return false;
        };
        // One that is among the newest stays where it is: otherwise every exec of a busy parent would queue it again.
        if entry.kept && self.stamps - entry.stamp < 1024 {
            return true;
        }
        self.stamps += 1;
        entry.kept = true;
        entry.stamp = self.stamps;
        self.kept.push_back((key, self.stamps));
        self.sweep();
        true
    }

    /// Adds an entry; there is none with this key.
    fn insert(&mut self, key: Key, mut entry: Entry) {
        self.stamps += 1;
        entry.stamp = self.stamps;
        self.bytes += entry.cost();
        self.new.push_back((key, self.stamps));
        self.entries.insert(key, entry);
        while self.bytes > self.limits.bytes && self.forget_one() {}
        self.sweep();
    }

    /// Removes an entry, and that its process made it last.
    fn remove(&mut self, key: Key) {
        if let Some((entry, _)) = self.take(key) {
            self.reuse(entry);
        }
    }

    /// Removes an entry, and that its process made it last; gives it back, and whether that was so.
    fn take(&mut self, key: Key) -> Option<(Entry, bool)> {
        let entry = self.entries.remove(&key)?;
        self.bytes -= entry.cost();
        let (pid, start) = entry.process;
        let was_last = matches!(key, Key::Image(image) if self.current.get(&pid) == Some(&(start, image)));
        if was_last {
            self.current.remove(&pid);
        }
        Some((entry, was_last))
    }

    /// Keeps what a process ran last, now that the identity of that is another's.
    fn pass(&mut self, entry: Entry) {
        self.bytes += entry.cost();
        self.passed_bytes += entry.cost();
        self.passed.push_back(entry);
        while (self.passed.len() > PASSED || self.passed_bytes > self.limits.bytes / PASSED_PART)
            && let Some(entry) = self.passed.pop_front()
        {
            self.bytes -= entry.cost();
            self.passed_bytes -= entry.cost();
            self.reuse(entry);
        }
    }

    /// Keeps the buffer of an entry that is gone for one that comes.
    fn reuse(&mut self, entry: Entry) {
        if self.spare.len() < SPARE && entry.bytes.capacity() <= SPARE_BYTES {
            self.spare.push(entry.bytes);
        }
    }

    /// Forgets one entry; false when there is none.
    fn forget_one(&mut self) -> bool {
        let mut passed = 0;
        loop {
            // Those to be kept may be three quarters of all.
            let from_kept = self.new.is_empty() || self.kept.len() > 3 * (self.new.len() + 1);
            let queue = if from_kept { &mut self.kept } else { &mut self.new };
            let Some((key, stamp)) = queue.pop_front() else {
                return false;
            };
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.stamp == stamp) else {
                continue;
            };
            let (pid, start) = entry.process;
            if passed < PASSES && self.liveness.lives(pid, start) {
                passed += 1;
                self.stamps += 1;
                entry.stamp = self.stamps;
                entry.kept = true;
                self.kept.push_back((key, self.stamps));
                continue;
            }
            self.remove(key);
            self.forgotten += 1;
            return true;
        }
    }

    /// Drops void places from the queues when they are more than the entries.
    fn sweep(&mut self) {
        if self.new.len() + self.kept.len() > 2 * self.entries.len() + 1024 {
            let entries = &self.entries;
            let valid = |(key, stamp): &(Key, u64)| entries.get(key).is_some_and(|entry| entry.stamp == *stamp);
            self.new.retain(valid);
            self.kept.retain(valid);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::HashSet, rc::Rc, time::SystemTime};

    use cert_recon_common::{Ancestor as Raw, Imageless};

    use super::*;
    use crate::event::{Ancestors, Argv, Lineage};

    /// Processes that live, as the test says.
    #[derive(Clone, Default)]
    struct Living(Rc<RefCell<HashSet<u32>>>);

    impl Liveness for Living {
        fn lives(&self, pid: u32, _: u64) -> bool {
            self.0.borrow().contains(&pid)
        }
    }

    fn table(bytes: usize) -> (Processes<Living>, Living) {
        let living = Living::default();
        (Processes::new(Limits { bytes, argv: 64 }, living.clone()), living)
    }

    /// A process: id, start, image.
    type P = (u32, u64, u64);

    fn raw(processes: &[P]) -> Vec<u8> {
        processes
            .iter()
            .flat_map(|&(pid, start_boot_ns, image)| {
                let mut bytes = Raw {
                    image,
                    pid,
                    reserved: 0,
                }
                .encode()
                .to_vec();
                if image == 0 {
                    let comm = *b"comm\0\0\0\0\0\0\0\0\0\0\0\0";
                    bytes.extend(Imageless { start_boot_ns, comm }.encode());
                }
                bytes
            })
            .collect()
    }

    /// Lets `process` exec `argv` below `ancestors` and gives its report.
    fn exec(table: &mut Processes<Living>, process: P, argv: &str, ancestors: &[P]) -> Report {
        let (pid, start_boot_ns, image) = process;
        let (path, argv) = (format!("/bin/{argv}"), format!("{argv}\0"));
        let bytes = raw(ancestors);
        let mut exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(argv.as_bytes()));
        exec.pid = Some(pid);
        exec.path = Some(path.as_bytes());
        exec.executable = Some(FilePath::Plain(path.as_bytes()));
        exec.lineage = Some(Lineage {
            image: ImageKey(image),
            start_boot_ns,
            boot_ns: 0,
            ancestors: Ancestors::new(&bytes),
        });
        let mut report = Report::new(&exec, None);
        table.describe(&exec, &mut report);
        table.note(&exec);
        report
    }

    fn name(image: &Image) -> String {
        String::from_utf8(image.file_name.clone().unwrap_or_default()).unwrap()
    }

    fn ancestry(report: &Report) -> Vec<(u32, String)> {
        report
            .ancestry
            .iter()
            .map(|process| (process.pid.unwrap(), name(&process.image)))
            .collect()
    }

    const SHELL: P = (10, 1000, 0xa);

    #[test]
    fn a_fork_that_did_not_exec_is_known_by_the_image_that_it_inherited() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, SHELL, "bash", &[]);
        let report = exec(&mut t, (12, 1200, 0xc), "curl", &[(11, 1100, 0xa), SHELL]);
        assert_eq!(ancestry(&report), [(11, "bash".to_owned()), (10, "bash".to_owned())]);
    }

    #[test]
    fn the_image_before_an_exec_in_place_is_told_and_a_forks_is_not() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, SHELL, "bash", &[]);
        let env = exec(&mut t, (11, 1100, 0xb), "env", &[SHELL]);
        assert_eq!(env.previous, None, "it was forked");
        let curl = exec(&mut t, (11, 1100, 0xc), "curl", &[SHELL]);
        assert_eq!(curl.previous.as_ref().map(name), Some("env".to_owned()));
    }

    #[test]
    fn a_process_id_that_is_used_again_is_another_process() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, (11, 1100, 0xb), "env", &[]);
        let report = exec(&mut t, (11, 9900, 0xc), "curl", &[]);
        assert_eq!(report.previous, None);
    }

    #[test]
    fn what_an_exiting_process_ran_is_known_though_its_image_is_anothers_by_now() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, SHELL, "bash", &[]);
        exec(&mut t, (20, 2000, 0xa), "ls", &[]);
        let report = exec(&mut t, (12, 1200, 0xc), "curl", &[(10, 1000, 0), (20, 2000, 0xa)]);
        assert_eq!(ancestry(&report), [(10, "bash".to_owned()), (20, "ls".to_owned())]);
        // Another process with its number is another process.
        let report = exec(&mut t, (13, 1300, 0xd), "curl", &[(10, 1001, 0)]);
        assert_eq!(ancestry(&report), [(10, "comm".to_owned())]);
    }

    #[test]
    fn of_processes_whose_images_are_others_the_last_are_known_within_the_memory() {
        for (bytes, kept) in [
            (1 << 30, PASSED),
            (64 << 10, (64 << 10) / PASSED_PART / (OVERHEAD + STEP)),
        ] {
            let (mut t, _) = table(bytes);
            // All have the same image, one after the other; the last has it still.
            for pid in 0..1000 {
                exec(&mut t, (pid, 1, 0xa), "ls", &[]);
            }
            let known = (0..1000).filter(|pid| t.passed.iter().any(|entry| entry.process == (*pid, 1)));
            assert_eq!(known.collect::<Vec<_>>(), (999 - kept as u32..999).collect::<Vec<_>>());
            assert_eq!(t.len(), 1);
            let costs = |entries: &mut dyn Iterator<Item = &Entry>| entries.map(Entry::cost).sum::<usize>();
            assert_eq!(t.passed_bytes, costs(&mut t.passed.iter()));
            assert_eq!(t.bytes, t.passed_bytes + costs(&mut t.entries.values()));
        }
    }

    #[test]
    fn an_image_that_is_not_known_is_absent_and_not_the_one_before_it() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, SHELL, "bash", &[]);
        // The exec that made image 0xf in process 10 was lost.
        let report = exec(&mut t, (11, 1100, 0xb), "curl", &[(10, 1000, 0xf)]);
        assert_eq!(
            report.ancestry,
            [Process {
                pid: Some(10),
                image: Image::default()
            }]
        );
        assert_eq!(t.unknown(), 1);
    }

    #[test]
    fn a_kernel_thread_has_a_name_and_a_process_that_is_exiting_what_it_ran() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, SHELL, "bash", &[]);
        let report = exec(&mut t, (11, 1100, 0xb), "curl", &[(2, 5, 0), (10, 1000, 0)]);
        assert_eq!(ancestry(&report), [(2, "comm".to_owned()), (10, "bash".to_owned())]);
        assert_eq!(report.ancestry[0].image.folder_path, None);
    }

    #[test]
    fn a_running_process_is_described_by_itself_and_its_forks_by_their_image() {
        let (mut t, _) = table(1 << 20);
        let scanned = |pid, title: &str| Scanned {
            pid,
            image: Image {
                file_name: Some(title.into()),
                argv: Some(title.into()),
                ..Image::default()
            },
        };
        t.add_running(ImageKey(0xa), 1000, &scanned(10, "sshd"));
        t.add_running(ImageKey(0xa), 1100, &scanned(11, "sshd: alice"));
        let report = exec(
            &mut t,
            (13, 1300, 0xd),
            "bash",
            &[(12, 1200, 0xa), (11, 1100, 0xa), (10, 1000, 0xa)],
        );
        let names: Vec<_> = ancestry(&report).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["sshd", "sshd: alice", "sshd"]);
    }

    #[test]
    fn what_an_exec_told_is_not_overwritten_by_a_scan() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, SHELL, "bash", &[]);
        let image = Image {
            file_name: Some(b"older".to_vec()),
            ..Image::default()
        };
        t.add_running(ImageKey(0xa), 1000, &Scanned { pid: 10, image });
        let report = exec(&mut t, (11, 1100, 0xb), "curl", &[SHELL]);
        assert_eq!(ancestry(&report), [(10, "bash".to_owned())]);
    }

    #[test]
    fn what_a_process_ran_between_two_execs_is_not_overwritten_by_a_scan_that_is_told_later() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, (10, 1000, 0xb), "second", &[]);
        exec(&mut t, (10, 1000, 0xc), "third", &[]);
        let image = Image {
            file_name: Some(b"first".to_vec()),
            ..Image::default()
        };
        t.add_running(ImageKey(0xb), 1000, &Scanned { pid: 10, image });
        let report = exec(&mut t, (11, 1100, 0xd), "curl", &[(10, 1000, 0xb)]);
        assert_eq!(ancestry(&report), [(10, "second".to_owned())]);
    }

    #[test]
    fn a_storm_of_short_processes_forgets_neither_parents_nor_the_living_and_stays_in_its_memory() {
        let limit = 64 << 10;
        let (mut t, living) = table(limit);
        exec(&mut t, SHELL, "bash", &[]);
        exec(&mut t, (11, 1100, 0xb), "make", &[SHELL]);
        living.0.borrow_mut().insert(20);
        exec(&mut t, (20, 2000, 0x20), "idle", &[]);
        for i in 0..20_000 {
            exec(
                &mut t,
                (1000 + i, 5000, 0x1_0000 + u64::from(i)),
                "cc",
                &[(11, 1100, 0xb), SHELL],
            );
            assert!(t.bytes() <= limit);
        }
        assert!(t.forgotten() > 19_000);
        assert!(t.current.len() <= t.len() && t.new.len() + t.kept.len() < 4 * t.len() + 2048);
        let report = exec(&mut t, (12, 1200, 0xc), "curl", &[(11, 1100, 0xb), SHELL]);
        assert_eq!(ancestry(&report)[0], (11, "make".to_owned()));
        let report = exec(&mut t, (21, 2100, 0xd), "curl", &[(20, 2000, 0x20)]);
        assert_eq!(ancestry(&report), [(20, "idle".to_owned())]);
    }

    #[test]
    fn an_identity_that_the_kernel_uses_again_leaves_nothing_behind() {
        let (mut t, _) = table(1 << 20);
        for pid in 100..30_000 {
            exec(&mut t, (pid, u64::from(pid), 0xa), "cc", &[SHELL]);
        }
        assert_eq!((t.len(), t.current.len()), (1, 1));
        assert!(t.new.capacity() + t.kept.capacity() < 16 << 10 && t.spare.len() <= SPARE);
    }

    #[test]
    fn what_has_got_the_identity_of_a_processs_image_since_is_not_taken_for_it() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, (10, 1000, 0xa), "env", &[]);
        exec(&mut t, (11, 1100, 0xa), "other", &[]);
        let report = exec(&mut t, (10, 1000, 0xb), "curl", &[]);
        assert_eq!(report.previous, None);
        let report = exec(&mut t, (12, 1200, 0xc), "curl", &[(11, 1000, 0)]);
        assert_eq!(
            report.ancestry[0].image.file_name,
            Some(b"comm".to_vec()),
            "another start"
        );
    }

    #[test]
    fn even_a_host_full_of_living_parents_stays_in_its_memory() {
        let limit = 16 << 10;
        let (mut t, living) = table(limit);
        for i in 0..2000 {
            living.0.borrow_mut().insert(i + 2);
            exec(
                &mut t,
                (i + 2, 5000, u64::from(i) + 2),
                "daemon",
                &[(i + 1, 5000, u64::from(i) + 1)],
            );
            assert!(t.bytes() <= limit);
        }
    }

    #[test]
    fn a_long_argv_is_cut_and_says_so() {
        let (mut t, _) = table(1 << 20);
        exec(&mut t, SHELL, &"x".repeat(100), &[]);
        let report = exec(&mut t, (11, 1100, 0xb), "curl", &[SHELL]);
        let image = &report.ancestry[0].image;
        assert_eq!((image.argv.as_ref().unwrap().len(), image.argv_total), (64, 101));
    }
}
