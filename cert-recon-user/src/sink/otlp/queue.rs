//! The lines on disk that a collector has not answered for, in files as `--record` makes them ([`Segments`]).
//!
//! [`Queue`] is the end that lines are put in at, [`Reader`] the one that they leave by; each has a thread. The place up to which
//! the first file has been answered for is in a file beside them ([`CURSOR`]), which is written before anything else is sent: what
//! a kill or a crash takes of it means that lines are sent twice. Files are removed once they are answered for, and, when the
//! budget is used up, the oldest before that: its lines are counted as dropped.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::{
    sink::{folder, output::OpenError, segments::Segments},
    source::recorded::{frames::Frames, segments},
};

/// The file that says how far the first file has been answered for: its name, the bytes, the lines after these.
pub const CURSOR: &str = "answered";
/// Bytes of a file, after which another is begun: what is dropped at once when the budget is used up.
const SEGMENT: u64 = 4 << 20;
/// Lines that are sent together at most.
const BATCH_LINES: usize = 512;
/// Bytes of such lines, unless it is one.
const BATCH_BYTES: usize = 1 << 20;

/// A place in a file: the bytes up to a frame, and lines in that frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    file: OsString,
    at: u64,
    lines: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Bytes on disk.
    bytes: u64,
    /// Lines in them; none when an earlier run wrote them.
    lines: Option<u64>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<OsString, Size>,
    /// The file that is written to.
    current: Option<OsString>,
    answered: Place,
    /// Lines of `answered.file` that have been answered for, those before `at` too; none when they were not counted.
    answered_lines: Option<u64>,
    /// Lines behind `answered` that are being sent.
    in_hand: u64,
    counts: Counts,
    /// No more lines will come.
    closed: bool,
    /// The thread that sends is to end, or has.
    stop: bool,
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by the collector.
    pub taken: u64,
    /// Refused by it for good.
    pub refused: u64,
    /// Removed with a file because the budget was used up, or gone with one that somebody removed.
    pub dropped: u64,
    /// Bytes on disk that wait.
    pub waiting_bytes: u64,
    /// The last try to send failed.
    pub is_failing: bool,
}

/// What the two ends share.
#[derive(Default)]
pub struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sums of this run.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        let all: u64 = state.files.values().map(|size| size.bytes).sum();
        let gone = if state.files.contains_key(&state.answered.file) {
            state.answered.at
        } else {
            0
        };
        Counts {
            waiting_bytes: all.saturating_sub(gone),
            ..state.counts
        }
    }

    /// Notes whether the last try to send failed; whether that is news.
    pub(super) fn note(&self, is_failing: bool) -> bool {
        let mut state = self.lock();
        let is_news = std::mem::replace(&mut state.counts.is_failing, is_failing) != is_failing;
        drop(state);
        self.changed.notify_all();
        is_news
    }

    /// Waits, but not when sending is to end. Whether to go on.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, pause, |state| !state.stop);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }
}

/// The end that lines are put in at.
pub struct Queue {
    segments: Segments,
    folder: PathBuf,
    budget: u64,
    shared: Arc<Shared>,
    /// Lines of the frame in the making are in none of the files.
    is_over: bool,
    /// Keeps other monitors out.
    _lock: OwnedFd,
}

/// The end that they leave by.
pub struct Reader {
    folder: PathBuf,
    shared: Arc<Shared>,
    frames: Option<(OsString, Frames)>,
    /// The lines of the frame at `answered` that have not been answered for.
    lines: VecDeque<Vec<u8>>,
    /// The file that they are in, and the end of their frame.
    from: (OsString, u64),
}

/// Opens the queue in a folder, or makes it: mode 0700, if nobody else can write to it and no other monitor uses it.
///
/// # Errors
/// When it can't be made or opened, or is refused.
pub fn open(folder: &Path, budget: u64) -> Result<(Queue, Reader), OpenError> {
    let name = folder.display().to_string();
    let failed = |source: io::Error| OpenError::Io {
        path: name.clone(),
        source,
    };
    // `/var/lib/cert-recon` of a host where no package has made it.
    if let Some(parent) = folder.parent() {
        match fs::DirBuilder::new().mode(0o700).create(parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
    }
    let segments = Segments::of_queue(folder, SEGMENT.min(budget / 8))?;
    let lock = folder::open(folder)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::InUse(name)),
        result => result.map_err(|error| failed(error.into()))?,
    }
    let mut state = State::default();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if segments::started(Path::new(&entry.file_name())).is_some() {
            let bytes = entry.metadata().map_err(failed)?.len();
            state.files.insert(entry.file_name(), Size { bytes, lines: None });
        }
    }
    state.answered = fs::read_to_string(folder.join(CURSOR))
        .ok()
        .and_then(|text| place(&text))
        .filter(|place| state.files.get(&place.file).is_some_and(|size| place.at <= size.bytes))
        .unwrap_or_default();
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        changed: Condvar::new(),
    });
    let reader = Reader {
        folder: folder.to_owned(),
        shared: Arc::clone(&shared),
        frames: None,
        lines: VecDeque::new(),
        from: (OsString::new(), 0),
    };
    let queue = Queue {
        segments,
        folder: folder.to_owned(),
        budget,
        shared,
        is_over: false,
        _lock: lock,
    };
    Ok((queue, reader))
}

fn place(text: &str) -> Option<Place> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    let (file, at, lines) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next().is_none() && segments::started(Path::new(file)).is_some()).then(|| Place {
        file: file.into(),
        at,
        lines,
    })
}

impl Queue {
    /// What both ends share.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Takes a line, with its newline.
    ///
    /// # Errors
    /// As [`Segments::add`].
    pub fn add(&mut self, line: &[u8]) -> io::Result<()> {
        // Here, not in `Segments::add`: the other end has to learn what is in a file before that is closed.
        if self.segments.must_flush_before(line) {
            self.flush()?;
        }
        self.segments.add(line)
    }

    /// When what was taken is to be put on disk; none when it is there.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.segments.due()
    }

    /// Lines that are not on disk yet, and their bytes.
    #[must_use]
    pub fn waiting(&self) -> (u64, usize) {
        self.segments.waiting()
    }

    /// Puts on disk what was taken.
    ///
    /// # Errors
    /// As [`Segments::flush`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.make_room(self.segments.waiting().1 as u64);
        let before = self.segments.written();
        let result = self.segments.flush();
        self.publish(before);
        result
    }

    /// Says what is on disk now to the end that sends.
    fn publish(&mut self, written_before: u64) {
        let more = self.segments.written() - written_before;
        if more == 0 {
            return;
        }
        let Some((name, bytes)) = self.segments.current() else {
            return;
        };
        let mut state = self.shared.lock();
        let fresh = Size {
            bytes: 0,
            lines: Some(0),
        };
        let size = state.files.entry(name.to_owned()).or_insert(fresh);
        size.bytes = bytes;
        size.lines = size.lines.map(|lines| lines + more);
        state.current = Some(name.to_owned());
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Removes the oldest files until there is room for so many bytes more.
    fn make_room(&mut self, more: u64) {
        loop {
            let state = self.shared.lock();
            let all: u64 = state.files.values().map(|size| size.bytes).sum();
            if all.saturating_add(more) <= self.budget {
                self.is_over = false;
                return;
            }
            let oldest = state
                .files
                .iter()
                .find(|(name, _)| state.current.as_ref() != Some(name));
            let Some((name, size)) = oldest.map(|(name, size)| (name.clone(), *size)) else {
                if !std::mem::replace(&mut self.is_over, true) {
                    log::warn!(
                        "{}: the budget is too small for the lines of one moment",
                        self.folder.display()
                    );
                }
                return;
            };
            drop(state);
            let path = self.folder.join(&name);
            // Counted without the lock: nobody but this thread removes a file that is not answered for.
            let lines = size.lines.unwrap_or_else(|| count_lines(&path, 0, size.bytes));
            let mut state = self.shared.lock();
            let is_first = state.answered.file == name;
            let (done, in_hand) = match is_first {
                true => (
                    state
                        .answered_lines
                        .unwrap_or_else(|| count_lines(&path, 0, state.answered.at) + state.answered.lines),
                    state.in_hand,
                ),
                false => (0, 0),
            };
            if state.files.remove(&name).is_none() {
                continue;
            }
            let dropped = lines.saturating_sub(done + in_hand);
            state.counts.dropped += dropped;
            drop(state);
            log::error!(
                "{}: {dropped} records are dropped to stay within the budget, because no collector took them",
                self.folder.display()
            );
            if let Err(error) = fs::remove_file(&path) {
                log::warn!("removing {}: {error}", path.display());
            }
        }
    }

    /// Waits until everything is answered for, but not longer than that, nor for a collector that does not answer; then nothing is
    /// sent any more. Call [`flush`](Self::flush) before. What is left waits for the next start.
    pub fn close(&self, limit: Duration) {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.changed.notify_all();
        let is_busy = |state: &mut State| {
            let has_more = state.in_hand > 0
                || state.files.iter().any(|(name, size)| {
                    let done = if *name == state.answered.file {
                        state.answered.at
                    } else {
                        0
                    };
                    done < size.bytes
                });
            has_more && !state.counts.is_failing && !state.stop
        };
        let waited = self.shared.changed.wait_timeout_while(state, limit, is_busy);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.stop = true;
        // Its file was dropped, and it was counted on that it would be taken.
        if state.in_hand > 0 && !state.files.contains_key(&state.answered.file) {
            state.counts.dropped += std::mem::take(&mut state.in_hand);
        }
        drop(state);
        self.shared.changed.notify_all();
        let left = self.shared.counts().waiting_bytes;
        if left > 0 {
            log::info!("{}: {left} bytes wait for the next start", self.folder.display());
        }
    }
}

impl Reader {
    /// What both ends share.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The next lines to send, one at least; waits for them. None when sending is to end. They are given again until they are
    /// [answered for](Self::answered).
    pub(super) fn next(&mut self) -> Option<Vec<Vec<u8>>> {
        loop {
            if !self.lines.is_empty() {
                let mut bytes = 0;
                let fits = |line: &&Vec<u8>| {
                    bytes += line.len();
                    bytes <= BATCH_BYTES
                };
                let count = self.lines.iter().take(BATCH_LINES).take_while(fits).count().max(1);
                let mut state = self.shared.lock();
                if state.stop {
                    return None;
                }
                state.in_hand = count as u64;
                return Some(self.lines.iter().take(count).cloned().collect());
            }
            self.fill()?;
        }
    }

    /// So many lines, the first of those given, have been answered for.
    pub(super) fn answered(&mut self, lines: u64, taken: u64) {
        self.lines
            .drain(..usize::try_from(lines).unwrap_or(usize::MAX).min(self.lines.len()));
        let mut state = self.shared.lock();
        state.in_hand = state.in_hand.saturating_sub(lines);
        state.counts.taken += taken;
        state.counts.refused += lines.saturating_sub(taken);
        if state.answered.file == self.from.0 {
            state.answered.lines += lines;
            state.answered_lines = state.answered_lines.map(|before| before + lines);
            if self.lines.is_empty() {
                state.answered.at = self.from.1;
                state.answered.lines = 0;
            }
        }
        let place = state.answered.clone();
        drop(state);
        self.shared.changed.notify_all();
        self.keep(&place);
    }

    /// Writes down how far it is.
    fn keep(&self, place: &Place) {
        let text = format!("{} {} {}\n", place.file.display(), place.at, place.lines);
        let draft = self.folder.join(format!("{CURSOR}.new"));
        let write = || {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::open(&draft, flags, Mode::RUSR | Mode::WUSR)?);
            io::Write::write_all(&mut &file, text.as_bytes())?;
            fs::rename(&draft, self.folder.join(CURSOR))
        };
        if let Err(error) = write() {
            log::debug!("{}: {error}; a restart would send lines again", draft.display());
        }
    }

    /// Reads the next frame; waits for one. None when sending is to end.
    fn fill(&mut self) -> Option<()> {
        let mut state = self.shared.lock();
        loop {
            if state.stop {
                return None;
            }
            let answered = state.answered.clone();
            let known = state.files.get(&answered.file).copied();
            match known {
                Some(size) if answered.at < size.bytes => {
                    drop(state);
                    self.read(&answered, size);
                    return Some(());
                }
                Some(_) if state.current.as_ref() != Some(&answered.file) => {
                    state.files.remove(&answered.file);
                    drop(state);
                    self.frames = None;
                    let path = self.folder.join(&answered.file);
                    if let Err(error) = fs::remove_file(&path) {
                        log::warn!("removing {}: {error}", path.display());
                    }
                    state = self.shared.lock();
                    continue;
                }
                _ => {}
            }
            let next = state.files.keys().next().filter(|_| known.is_none()).cloned();
            match next {
                Some(file) => {
                    state.answered_lines = Some(0);
                    state.answered = Place {
                        file,
                        ..Place::default()
                    };
                }
                None if state.closed => return None,
                None => state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Reads the frame at a place. Where there is none, the rest of the file is passed over.
    fn read(&mut self, place: &Place, size: Size) {
        let path = self.folder.join(&place.file);
        let is_open = self.frames.as_ref().is_some_and(|(name, _)| *name == place.file);
        let opened = match self.frames.take().filter(|_| is_open) {
            Some(frames) => Ok(frames),
            None => File::open(&path)
                .and_then(|file| Frames::resume(file, place.at))
                .map(|frames| (place.file.clone(), frames)),
        };
        let mut frames = match opened {
            Ok(frames) => frames,
            Err(error) => return self.pass_over(place, size, &error),
        };
        match frames.1.next_frame(size.bytes) {
            Ok(Some((text, end))) => {
                let lines = text.split_inclusive(|byte| *byte == b'\n');
                let skip = usize::try_from(place.lines).unwrap_or(usize::MAX);
                self.lines = lines.skip(skip).map(<[u8]>::to_vec).collect();
                self.from = (place.file.clone(), end);
                if self.lines.is_empty() {
                    self.move_on(place, end);
                }
            }
            Ok(None) => self.move_on(place, size.bytes),
            Err(error) => return self.pass_over(place, size, &error),
        }
        for damage in frames.1.damages() {
            log::error!("{}: {damage}", path.display());
        }
        self.frames = Some(frames);
    }

    fn move_on(&self, place: &Place, at: u64) {
        let mut state = self.shared.lock();
        if state.answered.file == place.file {
            state.answered.at = at;
            state.answered.lines = 0;
        }
    }

    /// Gives up a file that can't be read.
    fn pass_over(&mut self, place: &Place, size: Size, error: &io::Error) {
        let path = self.folder.join(&place.file);
        log::error!("reading {}: {error}; what is left in it is not sent", path.display());
        self.frames = None;
        let mut state = self.shared.lock();
        let done = state.answered_lines.unwrap_or(0);
        state.counts.dropped += size.lines.unwrap_or(0).saturating_sub(done);
        drop(state);
        self.move_on(place, size.bytes);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

/// The lines of a file between two places.
fn count_lines(path: &Path, from: u64, to: u64) -> u64 {
    let mut lines = 0;
    if let Ok(mut frames) = File::open(path).and_then(|file| Frames::resume(file, from)) {
        while let Ok(Some((text, _))) = frames.next_frame(to) {
            lines += memchr::memchr_iter(b'\n', text).count() as u64;
        }
    }
    lines
}

/// The name of the file that lines are written to now, for tests.
#[cfg(test)]
pub(super) fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| segments::started(Path::new(name)).is_some())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sink::otlp::convert::tests::{exec, queued},
        testing::Folder,
    };

    /// A line of that number, with so many bytes that no compression makes smaller.
    fn line(number: u32, bytes: usize) -> Vec<u8> {
        let mut state = u64::from(number) + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b'!' + u8::try_from(state >> 58).unwrap()
        };
        let noise: Vec<u8> = (0..bytes)
            .map(|_| next())
            .filter(|byte| !b"\"\\".contains(byte))
            .collect();
        queued(&exec(number, &[&noise[..], b"\0"].concat()))
    }

    /// Takes everything that can be had without waiting.
    fn all(reader: &mut Reader, queue: &Queue) -> Vec<Vec<u8>> {
        queue.shared.lock().closed = true;
        let mut all = Vec::new();
        while let Some(lines) = reader.next() {
            reader.answered(lines.len() as u64, lines.len() as u64);
            all.extend(lines);
        }
        all
    }

    #[test]
    fn what_was_put_in_comes_out_once_in_order_and_leaves_no_file() {
        let folder = Folder::new("otlp-order");
        let path = folder.0.join("queue");
        let lines: Vec<_> = (0..2000).map(|number| line(number, 30)).collect();
        let (mut queue, mut reader) = open(&path, 16 << 20).unwrap();
        for (number, line) in lines.iter().enumerate() {
            queue.add(line).unwrap();
            if number % 700 == 0 {
                queue.flush().unwrap();
            }
        }
        queue.flush().unwrap();
        assert!(queue.shared.counts().waiting_bytes > 0);
        assert_eq!(all(&mut reader, &queue), lines);
        let counts = queue.shared.counts();
        assert_eq!((counts.taken, counts.dropped, counts.waiting_bytes), (2000, 0, 0));
        drop((queue, reader));
        let (queue, mut reader) = open(&path, 16 << 20).unwrap();
        assert!(all(&mut reader, &queue).is_empty(), "nor after a restart");
        assert!(names(&path).is_empty());
    }

    #[test]
    fn what_waits_when_the_hour_changes_is_sent_as_well() {
        let folder = Folder::new("otlp-hours");
        let of_hour = |number: u32| {
            let line = String::from_utf8(line(number, 30)).unwrap();
            assert!(line.contains("T22:13:20"), "{line}");
            line.replace("T22:13:20", &format!("T{:02}:13:20", number / 3))
                .into_bytes()
        };
        let lines: Vec<_> = (0..30).map(of_hour).collect();
        // Into a file that is there, and into one that has to be begun.
        for is_flushed in [true, false] {
            let path = folder.0.join(format!("queue-{is_flushed}"));
            let (mut queue, mut reader) = open(&path, 16 << 20).unwrap();
            for (number, line) in lines.iter().enumerate() {
                queue.add(line).unwrap();
                if is_flushed && number % 3 == 0 {
                    queue.flush().unwrap();
                }
            }
            queue.flush().unwrap();
            assert_eq!(names(&path).len(), 10);
            assert_eq!(all(&mut reader, &queue), lines);
            assert_eq!(queue.shared.counts().taken, 30);
        }
    }

    #[test]
    fn a_restart_goes_on_behind_what_was_answered_for() {
        let folder = Folder::new("otlp-restart");
        let lines: Vec<_> = (0..1500).map(|number| line(number, 30)).collect();
        let (mut queue, mut reader) = open(&folder.0, 16 << 20).unwrap();
        for half in lines.chunks(750) {
            half.iter().for_each(|line| queue.add(line).unwrap());
            queue.flush().unwrap();
        }
        let first = reader.next().unwrap();
        assert_eq!(first.len(), BATCH_LINES);
        reader.answered(500, 500);
        assert_eq!(reader.next().unwrap()[..], lines[500..750], "the rest of its frame");
        assert!(matches!(open(&folder.0, 16 << 20).map(drop), Err(OpenError::InUse(_))));
        drop((queue, reader));
        let (queue, mut reader) = open(&folder.0, 16 << 20).unwrap();
        assert_eq!(all(&mut reader, &queue), lines[500..]);
        drop((queue, reader));
        // A place that makes no sense is none: everything that is there is sent again.
        let (mut queue, reader) = open(&folder.0, 16 << 20).unwrap();
        queue.add(&lines[0]).unwrap();
        queue.flush().unwrap();
        drop((queue, reader));
        for nonsense in ["", "x", "a 1 2\n", "execs-20261125T173339.123456Z-1.ndjson.zst 9 9\n"] {
            fs::write(folder.0.join(CURSOR), nonsense).unwrap();
            let (_queue, mut reader) = open(&folder.0, 16 << 20).unwrap();
            assert_eq!(reader.next().unwrap(), lines[..1], "{nonsense:?}");
        }
    }

    #[test]
    fn a_full_queue_drops_the_oldest_counts_them_and_keeps_its_budget() {
        for restarted in [false, true] {
            let folder = Folder::new(&format!("otlp-full-{restarted}"));
            let budget = 1 << 20;
            let (mut queue, mut reader) = open(&folder.0, budget).unwrap();
            let mut put = 0;
            let fill = |queue: &mut Queue, put: &mut u32, count: u32| {
                for _ in 0..count {
                    queue.add(&line(*put, 20_000)).unwrap();
                    *put += 1;
                    queue.flush().unwrap();
                    let size = |name: &OsString| fs::metadata(folder.0.join(name)).unwrap().len();
                    let bytes: u64 = names(&folder.0).iter().map(size).sum();
                    assert!(bytes <= budget);
                }
            };
            fill(&mut queue, &mut put, 40);
            let first = reader.next().unwrap();
            assert_eq!(first, [line(0, 20_000)]);
            reader.answered(1, 1);
            // One is being sent while its file is dropped.
            let second = reader.next().unwrap();
            if restarted {
                drop((queue, reader));
                (queue, reader) = open(&folder.0, budget).unwrap();
                assert_eq!(reader.next().unwrap(), second);
            }
            fill(&mut queue, &mut put, 80);
            let before = queue.shared.counts();
            assert!(before.dropped > 40, "{before:?}");
            reader.answered(1, 1);
            let left = all(&mut reader, &queue);
            assert_eq!(left.last(), Some(&line(put - 1, 20_000)));
            let counts = queue.shared.counts();
            let taken = counts.taken + u64::from(restarted);
            assert_eq!(taken + counts.dropped, u64::from(put), "{counts:?}");
            assert_eq!(taken, left.len() as u64 + 2);
        }
    }

    #[test]
    fn damage_costs_its_frame_and_a_removed_file_itself() {
        let folder = Folder::new("otlp-damage");
        let lines: Vec<_> = (0..3).map(|number| line(number, 300)).collect();
        let (mut queue, reader) = open(&folder.0, 16 << 20).unwrap();
        let mut ends = vec![0];
        for line in &lines {
            queue.add(line).unwrap();
            queue.flush().unwrap();
            ends.push(queue.shared.counts().waiting_bytes);
        }
        drop((queue, reader));
        let file = folder.0.join(&names(&folder.0)[0]);
        let mut bytes = fs::read(&file).unwrap();
        bytes[usize::try_from(ends[1]).unwrap() + 40] ^= 1;
        // As after a crash: the last frame breaks off.
        bytes.extend_from_slice(&bytes.clone()[..50]);
        fs::write(&file, &bytes).unwrap();
        let (queue, mut reader) = open(&folder.0, 16 << 20).unwrap();
        assert_eq!(all(&mut reader, &queue), [lines[0].clone(), lines[2].clone()]);
        drop((queue, reader));
        let (mut queue, mut reader) = open(&folder.0, 16 << 20).unwrap();
        queue.add(&lines[0]).unwrap();
        queue.flush().unwrap();
        fs::remove_file(folder.0.join(&names(&folder.0)[0])).unwrap();
        queue.add(&lines[1]).unwrap();
        queue.flush().unwrap();
        assert_eq!(all(&mut reader, &queue), lines[1..2]);
        assert_eq!(queue.shared.counts().dropped, 1);
    }
}
