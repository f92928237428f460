//! Outputs: each a thread with a bounded queue before it, so that a slow or failing one never holds up the ring buffer.
//!
//! A line that can't be written stays first in the queue and is tried again; when the queue is full, new lines are dropped
//! and counted.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{Mode, OFlags};

use super::{
    otlp::{
        self,
        queue::{Queue as DiskQueue, Reader},
    },
    segments::Segments,
    socket::{self, Protocol, Socket},
    terminal,
};
use crate::record::{OutputState, Removed};

/// Once so many bytes wait before an output, no line is added. A line that is longer than this by itself (an argv of the
/// kernel's six megabytes is up to twelve times that in JSON) must not hide by its length, nor others behind it: one at a
/// time waits beside the others.
pub const QUEUE_BYTES: usize = 16 << 20;
/// Beyond that, room for what the monitor says about itself: it is short, seldom, and tells of losses.
const RESERVE: usize = 1 << 20;
/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long the end waits for a collector to take what is in the queue on disk; what it does not take waits for the next start.
const LAST_SENDS: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file that lines are appended to.
    File(PathBuf),
    /// Compressed files in a folder, and the bytes that they may have together.
    Segments(PathBuf, u64),
    /// A collector of OpenTelemetry, by way of a queue on disk.
    Otlp(Box<otlp::Config>),
    /// journald, by its socket.
    Journal(PathBuf),
    /// A syslog daemon, by its socket.
    Syslog(PathBuf),
}

/// The socket of the syslog daemon.
pub const SYSLOG: &str = "/dev/log";
/// journald's socket.
pub const JOURNAL: &str = "/run/systemd/journal/socket";

/// A target that was opened, for an output that is not running yet: a file is opened with all the rights that the process
/// has, written to with those that are left.
pub struct Opened {
    target: Target,
    name: String,
    writer: Writer,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Opened {
    /// Opens the target.
    ///
    /// # Errors
    /// When the file can't be opened or is refused.
    pub fn open(target: Target) -> Result<Self, OpenError> {
        let socket = |path: &Path, protocol| {
            if socket::is_other(path) {
                return Err(OpenError::NotSocket(path.display().to_string()));
            }
            let socket = Box::new(Socket::new(path, protocol));
            Ok((path.display().to_string(), Writer::Socket(socket)))
        };
        let (name, writer) = match &target {
            Target::Journal(path) => socket(path, Protocol::Journal)?,
            Target::Syslog(path) => socket(path, Protocol::Syslog)?,
            Target::Stdout => ("standard output".to_owned(), Writer::Stdout(io::stdout())),
            Target::File(path) => (path.display().to_string(), Writer::File(open_file(path)?)),
            Target::Segments(folder, budget) => (
                folder.display().to_string(),
                Writer::Segments(Box::new(Segments::open(folder, *budget)?)),
            ),
            Target::Otlp(config) => {
                let queue = otlp::queue::open(&config.queue, config.budget)?;
                (config.endpoint.to_string(), Writer::Otlp(Box::new(queue)))
            }
        };
        Ok(Self { target, name, writer })
    }
}

/// Why an output file is refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It can't be opened.
    #[error("opening {path} to append: {source}")]
    Io {
        /// The file.
        path: String,
        /// The error.
        source: io::Error,
    },
    /// It is a symbolic link.
    #[error("{0} is a symbolic link, which could lead anywhere: name the file itself")]
    Link(String),
    /// It is no folder.
    #[error("{0} is not a folder")]
    NotFolder(String),
    /// It is no socket.
    #[error("{0} is not a socket that a daemon could listen on")]
    NotSocket(String),
    /// Another monitor uses it.
    #[error("another monitor uses {0}: give this one a folder of its own")]
    InUse(String),
    /// Its name is none that node_exporter reads.
    #[error("{0}: the name of a metrics file ends in .prom, else node_exporter does not read it")]
    NotProm(String),
    /// It is a device, a pipe or a folder.
    #[error("{0} is not a regular file")]
    NotRegular(String),
    /// Others could write to it.
    #[error("{path} could be changed by others ({why}): make it yours alone (chown, chmod 600) or name another file")]
    Unsafe {
        /// The file.
        path: String,
        /// How.
        why: &'static str,
    },
}

/// What an output takes at a time. Outputs of the same form share it.
pub type Line = Arc<Vec<u8>>;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// An exec.
    Exec,
    /// The monitor itself: losses, health, blindness.
    Own,
}

/// Sums of one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines written.
    pub lines: u64,
    /// Lines dropped, because the queue was full or because the end came first.
    pub dropped: u64,
    /// Old files that were removed to stay within a budget; none of an output that has no budget.
    pub removed: Option<Removed>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(Line, Weight)>,
    /// Of the lines about execs that are no longer than the queue.
    bytes: usize,
    /// Of those about the monitor itself: a line about an exec may be longer than the room that these have.
    own: usize,
    /// Of the one that is.
    long: usize,
    written: Written,
    /// No more lines will come.
    closed: bool,
    /// Lines that the writer has taken and not written yet, and their bytes.
    taken: (u64, usize),
    /// Lines that are left are given up.
    abandoned: bool,
    reopen: bool,
    /// The reader of a pipe went away, or the terminal.
    broken: bool,
    /// A line has been taken and is being written.
    in_hand: bool,
    /// The last write failed.
    failing: bool,
    finished: bool,
}

impl Queue {
    /// The bytes among which those of such a line are.
    fn room(&mut self, line: &[u8], weight: Weight) -> &mut usize {
        match weight {
            Weight::Exec if line.len() > QUEUE_BYTES => &mut self.long,
            Weight::Exec => &mut self.bytes,
            Weight::Own => &mut self.own,
        }
    }
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running output.
pub struct Output {
    shared: Arc<Shared>,
    name: String,
    /// Of one whose lines go on from a queue on disk.
    sent: Option<Arc<otlp::queue::Shared>>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// Starts the output's thread. `broken` is called when the reader of standard output goes away.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(opened: Opened, broken: impl Fn() + Send + 'static) -> Result<Self, OpenError> {
        let Opened { target, name, writer } = opened;
        let failed = |source| OpenError::Io {
            path: name.clone(),
            source,
        };
        let writer = match (writer, &target) {
            (Writer::Otlp(queue), Target::Otlp(config)) => {
                let (queue, reader) = *queue;
                let client = otlp::client::Client::new(config.endpoint.clone(), config.headers.clone());
                otlp::sender::start(reader, client, name.clone()).map_err(failed)?;
                Writer::Queue(Box::new(queue))
            }
            (writer, _) => writer,
        };
        let sent = match &writer {
            Writer::Queue(queue) => Some(queue.shared()),
            _ => None,
        };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let work = Work {
            shared: Arc::clone(&shared),
            name: name.clone(),
            target,
            writer,
            failing: false,
            tried: None,
        };
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || work.run(broken))
            .map_err(failed)?;
        Ok(Self { shared, name, sent })
    }

    /// Hands over a line. Never waits: a line for which there is no room is dropped and counted.
    pub fn send(&self, line: impl Into<Line>, weight: Weight) {
        let line = line.into();
        let mut queue = self.shared.lock();
        let is_full = match weight {
            Weight::Exec if line.len() > QUEUE_BYTES => queue.bytes >= QUEUE_BYTES || queue.long > 0,
            Weight::Exec => queue.bytes >= QUEUE_BYTES,
            Weight::Own => queue.own >= RESERVE,
        };
        if queue.broken || is_full {
            queue.written.dropped += 1;
            return;
        }
        *queue.room(&line, weight) += line.len();
        queue.lines.push_back((line, weight));
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Opens the file anew before the next line (a log was rotated).
    pub fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.changed.notify_all();
    }

    /// Writes what is left, for `limit` at most, and gives the sums.
    #[must_use]
    pub fn finish(&self, limit: Duration) -> Written {
        let end = Instant::now() + limit;
        let mut queue = self.shared.lock();
        queue.closed = true;
        self.shared.changed.notify_all();
        while !queue.finished {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue = self
                .shared
                .changed
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        queue.abandoned = true;
        queue.written.dropped += queue.lines.len() as u64 + u64::from(queue.in_hand) + queue.taken.0;
        queue.taken = (0, 0);
        queue.lines.clear();
        self.shared.changed.notify_all();
        let mut written = queue.written;
        if let Some(counts) = self.sent.as_ref().map(|sent| sent.counts()) {
            written.lines = counts.taken;
            written.dropped += counts.refused + counts.dropped;
        }
        written
    }

    /// Its sums, and how it is now.
    #[must_use]
    pub fn state(&self) -> OutputState {
        let sent = self.sent.as_ref().map(|sent| sent.counts());
        let queue = self.shared.lock();
        let mut state = OutputState {
            name: self.name.clone(),
            lines: queue.written.lines,
            dropped: queue.written.dropped,
            queued_bytes: (queue.bytes + queue.long + queue.own + queue.taken.1) as u64,
            failing: queue.failing,
            removed: queue.written.removed,
        };
        if let Some(counts) = sent {
            state.lines = counts.taken;
            state.dropped += counts.refused + counts.dropped;
            state.queued_bytes += counts.waiting_bytes;
            state.failing |= counts.is_failing;
        }
        state
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

enum Writer {
    Stdout(io::Stdout),
    File(File),
    Segments(Box<Segments>),
    Socket(Box<Socket>),
    /// Nobody sends yet.
    Otlp(Box<(DiskQueue, Reader)>),
    Queue(Box<DiskQueue>),
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            // Past the standard library's line buffer, whose retries could write a part of a line twice.
            Self::Stdout(out) => Ok(rustix::io::write(out.lock(), bytes)?),
            Self::File(file) => file.write(bytes),
            Self::Segments(segments) => segments.add(bytes).map(|()| bytes.len()),
            Self::Socket(socket) => socket.send(bytes).map(|()| bytes.len()),
            Self::Queue(queue) => queue.add(bytes).map(|()| bytes.len()),
            Self::Otlp(queue) => queue.0.add(bytes).map(|()| bytes.len()),
        }
    }

    /// Takes back the part of a line that was written last; false when some of it is left.
    fn take_back(&self, part: &[u8]) -> bool {
        match self {
            _ if part.is_empty() => true,
            Self::Stdout(_) => false,
            Self::File(file) => cut_end(file, part).is_ok(),
            // They take lines whole.
            Self::Segments(_) | Self::Socket(_) | Self::Queue(_) | Self::Otlp(_) => true,
        }
    }

    /// When what was taken is to be put on disk; none when it is there.
    fn due(&self) -> Option<Instant> {
        match self {
            Self::Stdout(_) | Self::File(_) | Self::Socket(_) => None,
            Self::Segments(segments) => segments.due(),
            Self::Queue(queue) => queue.due(),
            Self::Otlp(queue) => queue.0.due(),
        }
    }

    /// Puts what was taken on disk.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(_) | Self::File(_) | Self::Socket(_) => Ok(()),
            Self::Segments(segments) => segments.flush(),
            Self::Queue(queue) => queue.flush(),
            Self::Otlp(queue) => queue.0.flush(),
        }
    }

    /// Waits a little for what is still to be sent.
    fn close(&self) {
        if let Self::Queue(queue) = self {
            queue.close(LAST_SENDS);
        }
    }

    /// Counts a line that was taken whole, when it was, and what has been written of those before.
    fn count(&self, queue: &mut Queue, taken: bool) {
        match self {
            Self::Stdout(_) | Self::File(_) | Self::Socket(_) => queue.written.lines += u64::from(taken),
            Self::Segments(segments) => {
                queue.written.lines = segments.written();
                queue.written.removed = Some(segments.removed());
                queue.taken = segments.waiting();
            }
            // How many the collector has taken is known to who sends.
            Self::Queue(lines) => queue.taken = lines.waiting(),
            Self::Otlp(lines) => queue.taken = lines.0.waiting(),
        }
    }
}

/// What comes after a failed write.
enum Next {
    Again,
    Reopen,
    GiveUp,
}

struct Work {
    shared: Arc<Shared>,
    name: String,
    target: Target,
    writer: Writer,
    failing: bool,
    /// When the last try failed to put on disk what was due.
    tried: Option<Instant>,
}

impl Work {
    fn run(mut self, broken: impl Fn()) {
        while let Some(line) = self.next_line() {
            let result = self.write_line(&line);
            let mut queue = self.shared.lock();
            if queue.abandoned {
                // The sums have been given; this line is in them as dropped.
                break;
            }
            queue.in_hand = false;
            self.writer.count(&mut queue, result.is_ok());
            match result {
                Ok(()) => {}
                Err(error) => {
                    queue.written.dropped += 1;
                    if self.is_unread(&error) {
                        queue.broken = true;
                        queue.written.dropped += queue.lines.len() as u64;
                        queue.lines.clear();
                        (queue.bytes, queue.long, queue.own) = (0, 0, 0);
                        drop(queue);
                        broken();
                    }
                }
            }
        }
        // What was given up is in the sums that were given.
        let last = if self.shared.lock().abandoned {
            Ok(())
        } else {
            self.writer.flush()
        };
        let mut queue = self.shared.lock();
        if !queue.abandoned {
            self.writer.count(&mut queue, false);
        }
        if let Err(error) = last {
            log::error!(
                "writing to {}: {error}; its last lines ({}) are lost",
                self.name,
                queue.taken.0
            );
            queue.written.dropped += std::mem::take(&mut queue.taken).0;
        }
        drop(queue);
        self.writer.close();
        let mut queue = self.shared.lock();
        queue.finished = true;
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Puts on disk what is due; until when the next line may be waited for.
    fn sync(&mut self) -> Option<Instant> {
        let due = self.writer.due()?;
        let due = self.tried.map_or(due, |tried| due.max(tried + RETRY));
        if due > Instant::now() {
            return Some(due);
        }
        match self.writer.flush() {
            Ok(()) => {
                self.tried = None;
                self.works();
            }
            Err(error) => {
                self.tried = Some(Instant::now());
                self.fails(&error);
            }
        }
        let mut queue = self.shared.lock();
        if !queue.abandoned {
            self.writer.count(&mut queue, false);
        }
        drop(queue);
        self.writer
            .due()
            .map(|due| self.tried.map_or(due, |tried| due.max(tried + RETRY)))
    }

    /// Whether nobody will ever read what is written: the end of a pipe was closed, or the terminal.
    fn is_unread(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::BrokenPipe || (self.target == Target::Stdout && terminal::is_gone())
    }

    fn fails(&mut self, error: &io::Error) {
        if !self.failing {
            self.failing = true;
            self.shared.lock().failing = true;
            log::error!("writing to {}: {error}; lines wait and are tried again", self.name);
        }
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.failing) {
            self.shared.lock().failing = false;
            log::warn!("writing to {} works again", self.name);
        }
    }

    /// The next line, when there is one; `None` at the end.
    fn next_line(&mut self) -> Option<Line> {
        let shared = Arc::clone(&self.shared);
        loop {
            let due = self.sync();
            let mut queue = shared.lock();
            if std::mem::take(&mut queue.reopen) {
                drop(queue);
                let _ = self.reopen();
                queue = shared.lock();
            }
            if let Some((line, weight)) = queue.lines.pop_front() {
                *queue.room(&line, weight) -= line.len();
                queue.in_hand = true;
                return Some(line);
            }
            if queue.closed || queue.abandoned {
                return None;
            }
            match due {
                None => drop(shared.changed.wait(queue)),
                Some(due) => drop(
                    shared
                        .changed
                        .wait_timeout(queue, due.saturating_duration_since(Instant::now())),
                ),
            }
        }
    }

    /// Whether the file was opened anew.
    fn reopen(&mut self) -> bool {
        let Target::File(path) = &self.target else {
            return false;
        };
        match open_file(path) {
            Ok(file) => {
                self.writer = Writer::File(file);
                true
            }
            Err(error) => {
                log::error!("{error}; going on with the file that was open");
                false
            }
        }
    }

    /// Writes a line whole: what a full disk or an interruption left out is written when it can be, all of it into the new
    /// file when there is one by then. An error only when the reader is gone or the end came first.
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            match self.writer.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.is_unread(&error) => return Err(error),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    log::error!("writing to {}: {error}; it is dropped", self.name);
                    return Err(error);
                }
                Err(error) => {
                    self.fails(&error);
                    match self.pause() {
                        Next::Again => {}
                        Next::Reopen => {
                            let part = line.get(..line.len() - rest.len()).unwrap_or_default();
                            let none_left = self.writer.take_back(part);
                            if self.reopen() || none_left {
                                rest = line;
                            }
                        }
                        Next::GiveUp => return Err(error),
                    }
                }
            }
        }
        if self.tried.is_none() {
            self.works();
        }
        Ok(())
    }

    /// Waits before the next try. A file that is to be opened anew is not waited for: on a full disk it may be the one that
    /// was removed to make room, which it does when it is closed.
    fn pause(&self) -> Next {
        let queue = self.shared.lock();
        let (mut queue, _) = self
            .shared
            .changed
            .wait_timeout_while(queue, RETRY, |queue| !queue.abandoned && !queue.reopen)
            .unwrap_or_else(PoisonError::into_inner);
        if queue.abandoned {
            Next::GiveUp
        } else if std::mem::take(&mut queue.reopen) {
            Next::Reopen
        } else {
            Next::Again
        }
    }
}

/// Opens a file to append lines to: mode 0600 when it is new, never through a symbolic link, and only if nobody else can
/// write to it. A line that an earlier run left unfinished is ended first.
///
/// # Errors
/// When it can't be opened or is refused.
pub fn open_file(path: &Path) -> Result<File, OpenError> {
    let name = path.display().to_string();
    let failed = |source: io::Error| OpenError::Io {
        path: name.clone(),
        source,
    };
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => return Err(OpenError::Link(name)),
        Err(error) => return Err(failed(error.into())),
    };
    let meta = file.metadata().map_err(&failed)?;
    if !meta.is_file() {
        return Err(OpenError::NotRegular(name));
    }
    let refused = |why| {
        Err(OpenError::Unsafe {
            path: name.clone(),
            why,
        })
    };
    if meta.mode() & 0o022 != 0 {
        return refused("its mode lets group or others write");
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("it belongs to another user");
    }
    if meta.nlink() > 1 {
        return refused("it has a second name, a hard link");
    }
    end_last_line(&file).map_err(failed)?;
    Ok(file)
}

/// Cuts these bytes off the end of the file; an error when it ends with others.
fn cut_end(file: &File, end: &[u8]) -> io::Result<()> {
    let too_short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let start = file
        .metadata()?
        .len()
        .checked_sub(end.len() as u64)
        .ok_or_else(too_short)?;
    let mut last = vec![0; end.len()];
    file.read_exact_at(&mut last, start)?;
    if last != end {
        return Err(io::ErrorKind::InvalidData.into());
    }
    file.set_len(start)
}

fn end_last_line(mut file: &File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// Whether standard output is the journal already: then a line on it would be a second entry. The service manager names the
/// device and inode of that stream in `JOURNAL_STREAM`, and what else standard output may have become since has others.
#[must_use]
pub fn stdout_is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    rustix::fs::fstat(rustix::stdio::stdout()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Columns and lines of the terminal that standard output is; 80 by 24 when it does not say.
#[must_use]
pub fn terminal_size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

/// Whether standard output should be coloured.
#[must_use]
pub fn colour() -> bool {
    colour_of(&io::stdout())
}

/// Whether a stream should be coloured: a terminal, and `NO_COLOR` is not set.
#[must_use]
pub fn colour_of(stream: &impl io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::testing::Folder;

    const LIMIT: Duration = Duration::from_secs(20);

    fn start(path: &Path) -> Output {
        Output::start(Opened::open(Target::File(path.to_owned())).unwrap(), || {}).unwrap()
    }

    /// So many lines and no other.
    fn written(lines: u64) -> Written {
        Written {
            lines,
            ..Written::default()
        }
    }

    #[test]
    fn a_line_of_a_record_counts_once_it_is_on_disk_and_is_dropped_when_it_never_gets_there() {
        let folder = Folder::new("counted");
        let path = folder.0.join("record");
        let output = Output::start(Opened::open(Target::Segments(path.clone(), 1 << 30)).unwrap(), || {}).unwrap();
        let until = |what: &str, condition: &dyn Fn(&OutputState) -> bool| {
            let end = Instant::now() + LIMIT;
            loop {
                let state = output.state();
                if condition(&state) {
                    return state;
                }
                assert!(Instant::now() < end, "{what}: {state:?}");
                thread::yield_now();
            }
        };
        output.send(b"first\n".to_vec(), Weight::Exec);
        let state = until("it is written", &|state| state.lines == 1);
        assert_eq!(state.queued_bytes, 0);
        assert_eq!(
            fs::read_dir(&path).unwrap().count(),
            1,
            "as soon as it is there, not before"
        );
        // From now on nothing can be written: there is no folder any more.
        fs::remove_dir_all(&path).unwrap();
        for line in ["second\n", "third\n"] {
            output.send(line.as_bytes().to_vec(), Weight::Exec);
        }
        let state = until("it fails", &|state| state.failing);
        assert_eq!((state.lines, state.dropped), (1, 0), "they wait");
        assert_eq!(state.queued_bytes, "second\nthird\n".len() as u64);
        let end = output.finish(LIMIT);
        assert_eq!((end.lines, end.dropped, end.removed), (1, 2, Some(Removed::default())));
    }

    #[test]
    fn a_new_file_is_its_owners_alone_and_an_old_one_is_appended_to() {
        let folder = Folder::new("append");
        let path = folder.0.join("out");
        for line in ["a\n", "b\n"] {
            let output = start(&path);
            output.send(line.as_bytes().to_vec(), Weight::Exec);
            assert_eq!(output.finish(LIMIT), written(1));
        }
        assert_eq!(fs::read(&path).unwrap(), b"a\nb\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_line_that_an_earlier_run_left_unfinished_is_ended_first() {
        let folder = Folder::new("unfinished");
        let path = folder.0.join("out");
        fs::write(&path, "{\"half\"").unwrap();
        let output = start(&path);
        output.send(b"next\n".to_vec(), Weight::Exec);
        assert_eq!(output.finish(LIMIT).lines, 1);
        assert_eq!(fs::read(&path).unwrap(), b"{\"half\"\nnext\n");
    }

    #[test]
    fn files_that_lead_elsewhere_or_that_others_can_change_are_refused() {
        let folder = Folder::new("refused");
        let path = |name: &str| folder.0.join(name);
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        assert!(matches!(open_file(&path("link")), Err(OpenError::Link(_))));
        assert!(matches!(
            open_file(Path::new("/dev/null")),
            Err(OpenError::NotRegular(_))
        ));
        fs::set_permissions(path("file"), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(open_file(&path("file")), Err(OpenError::Unsafe { .. })));
        fs::set_permissions(path("file"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(path("file"), path("second")).unwrap();
        assert!(matches!(open_file(&path("file")), Err(OpenError::Unsafe { .. })));
        assert!(matches!(open_file(&path("none/file")), Err(OpenError::Io { .. })));
    }

    #[test]
    fn a_long_line_hides_no_other_and_what_the_monitor_says_has_room_of_its_own() {
        // Nothing takes the lines.
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let name = String::new();
        let output = Output {
            shared,
            name,
            sent: None,
        };
        let send = |len, weight| {
            let before = output.state();
            output.send(vec![b'x'; len], weight);
            let after = output.state();
            let taken = after.dropped == before.dropped;
            let added = if taken { len as u64 } else { 0 };
            assert_eq!(after.queued_bytes, before.queued_bytes + added);
            taken
        };
        assert!(send(QUEUE_BYTES + 1, Weight::Exec));
        assert!(!send(QUEUE_BYTES + 1, Weight::Exec), "one at a time");
        assert!(send(QUEUE_BYTES - 1, Weight::Exec), "others as if it was not there");
        assert!(
            send(2 * RESERVE, Weight::Exec),
            "the last of them may be as long as it likes"
        );
        assert!(!send(1, Weight::Exec), "until the queue is full");
        assert!(send(RESERVE, Weight::Own));
        assert!(!send(1, Weight::Own), "which has an end too");
    }

    #[test]
    fn only_what_was_written_last_is_taken_back() {
        let folder = Folder::new("back");
        let path = folder.0.join("out");
        fs::write(&path, "whole\npart").unwrap();
        let file = open_file(&path).unwrap();
        fs::write(&path, "whole\npart").unwrap();
        assert!(cut_end(&file, b"other").is_err());
        assert!(cut_end(&file, b"longer than the file is").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"whole\npart");
        cut_end(&file, b"part").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole\n");
    }

    #[test]
    fn a_rotated_file_is_left_alone_after_reopening() {
        let folder = Folder::new("rotated");
        let (path, old) = (folder.0.join("out"), folder.0.join("out.1"));
        let output = start(&path);
        output.send(b"before\n".to_vec(), Weight::Exec);
        let end = Instant::now() + LIMIT;
        while fs::read(&path).unwrap().is_empty() && Instant::now() < end {
            thread::yield_now();
        }
        fs::rename(&path, &old).unwrap();
        output.reopen();
        output.send(b"after\n".to_vec(), Weight::Exec);
        assert_eq!(output.finish(LIMIT), written(2));
        assert_eq!(fs::read(&old).unwrap(), b"before\n");
        assert_eq!(fs::read(&path).unwrap(), b"after\n");
    }
}
