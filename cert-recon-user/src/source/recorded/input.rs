//! The bytes of a record: opened, unpacked, cut into lines.
//!
//! Owns memory: a file is never held whole, and a line is held up to [`LONGEST_LINE`]; one that is longer is skipped and
//! told.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Cursor, Read},
    os::{
        fd::AsFd,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::OFlags,
    io::Errno,
};

use super::{
    Out, Place,
    format::SAMPLE,
    frames::{Damage, Damages, Frames},
    segments,
};

/// Bytes of the longest line that is read. The longest argv is 2 MiB on usual hosts; hex-encoded or escaped it is up to six
/// times as long, and a record can hold several.
pub const LONGEST_LINE: usize = 64 << 20;

/// How long a read waits before it looks whether it is still wanted.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// How much of the file has been read, and whether to go on: shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read, as they are on disk.
    pub bytes: AtomicU64,
    /// The reading is to end early.
    pub stop: AtomicBool,
}

impl Progress {
    /// Whether the reading is to end early.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A file that is being read.
pub struct Input {
    reader: BufReader<Box<dyn Read + Send>>,
    /// How the text begins.
    sample: Vec<u8>,
    path: Option<PathBuf>,
    modified: Option<SystemTime>,
    size: Option<u64>,
    place: Place,
    /// What is kept of a line that does not lie in the buffer as a whole.
    line: Vec<u8>,
    /// Bytes of the buffer that the line before was lent from.
    lent: usize,
    /// Parts of it that can't be read.
    damages: Damages,
}

/// A line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its newline (and without the carriage return before it).
    Whole(&'a [u8]),
    /// A line that was longer than [`LONGEST_LINE`], and was skipped.
    TooLong,
}

impl Input {
    /// Opens a file, unpacking it when it is gzip or zstd. `file` is its number in its set.
    ///
    /// # Errors
    ///
    /// It can't be opened or read, or is no ordinary file.
    pub fn open(path: &Path, file: usize, progress: &Arc<Progress>) -> io::Result<Self> {
        // Not to wait for whoever may write to a named pipe some day.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = opened.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut input = if segments::started(path).is_some() && metadata.is_file() && is_in_frames(&opened)? {
            let damages = Damages::default();
            let frames = Frames::new(opened, Arc::clone(progress), damages.clone())?;
            Self {
                damages,
                ..Self::of_text(Box::new(frames), file)
            }
        } else {
            Self::new(opened, file, progress)?
        };
        input.path = Some(path.to_owned());
        input.modified = metadata.modified().ok();
        input.size = Some(metadata.len());
        Ok(input)
    }

    /// Reads what has no name: standard input, the output of a program.
    ///
    /// # Errors
    ///
    /// Its first bytes can't be read.
    pub fn new(reader: impl Read + AsFd + Send + 'static, file: usize, progress: &Arc<Progress>) -> io::Result<Self> {
        let mut counted = Counted {
            reader,
            progress: Arc::clone(progress),
        };
        let mut magic = Vec::with_capacity(4);
        Read::by_ref(&mut counted).take(4).read_to_end(&mut magic)?;
        let packing = Packing::of(&magic);
        let whole = Cursor::new(magic).chain(counted);
        let reader: Box<dyn Read + Send> = match packing {
            Packing::None => Box::new(whole),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(
                BUFFER, whole,
            ))),
            Packing::Zstd => Box::new(zstd::Decoder::new(whole)?),
        };
        Ok(Self::of_text(reader, file))
    }

    fn of_text(mut reader: Box<dyn Read + Send>, file: usize) -> Self {
        let mut sample = Vec::new();
        let failed = Read::by_ref(&mut reader)
            .take(SAMPLE as u64)
            .read_to_end(&mut sample)
            .err();
        let whole = Cursor::new(sample.clone()).chain(Failed(failed)).chain(reader);
        Self {
            reader: BufReader::with_capacity(BUFFER, Box::new(whole)),
            sample,
            path: None,
            modified: None,
            size: None,
            place: Place { file, line: 0 },
            line: Vec::new(),
            lent: 0,
            damages: Damages::default(),
        }
    }

    /// For tests and fuzzing: reads these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::of_text(Box::new(Cursor::new(bytes.to_vec())), 0)
    }

    /// The path that it was opened by; none for what has no name.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Bytes of the file when it was opened; none for what has no name.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// When the file was last changed: the latest time of what is in it, and the year of times that have none.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// For tests: as if it had been changed then.
    #[must_use]
    pub fn with_modified(mut self, modified: SystemTime) -> Self {
        self.modified = Some(modified);
        self
    }

    /// Gives it another number in its set.
    pub fn set_file(&mut self, file: usize) {
        self.place.file = file;
    }

    /// The parts that can't be read, of those that were come upon since the last call. Only of a `--record` file: what is
    /// behind them could be read.
    #[must_use]
    pub fn take_damages(&mut self) -> Vec<Damage> {
        self.damages.take()
    }

    /// Where it is: the line that [`next_line`](Self::next_line) gave last.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// How the text begins: its first [`SAMPLE`] bytes, all of them when it is shorter. They are not taken by this.
    #[must_use]
    pub fn sample(&self) -> &[u8] {
        &self.sample
    }

    /// Where the line will be that [`next_line`](Self::next_line) gives next: while a line is lent, the input can't be asked.
    #[must_use]
    pub fn next_place(&self) -> Place {
        Place {
            line: self.place.line + 1,
            ..self.place
        }
    }

    /// The next line; none at the end. A last line without a newline is a line, but nothing at all is none.
    ///
    /// # Errors
    ///
    /// Reading failed; a packed file that is cut short or damaged fails with `UnexpectedEof` or `InvalidData`.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.return_lent();
        self.line.clear();
        let mut too_long = false;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What stands before the damage is given first; the error comes again with the next call.
                Err(_) if !self.line.is_empty() => break,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                if self.line.is_empty() && !too_long {
                    return Ok(None);
                }
                break;
            }
            let end = memchr::memchr(b'\n', buffer);
            let taken = end.map_or(buffer.len(), |end| end + 1);
            if end.is_some() && self.line.is_empty() && !too_long {
                // The usual case: the line is lent from the buffer, and taken out of it at the next call.
                self.lent = taken;
                self.place.line += 1;
                let buffer = self.reader.buffer();
                return Ok(Some(Line::Whole(trimmed(buffer.get(..taken - 1).unwrap_or_default()))));
            }
            if self.line.len() + taken > LONGEST_LINE {
                too_long = true;
                self.line = Vec::new();
            } else if !too_long {
                self.line
                    .extend_from_slice(buffer.get(..end.unwrap_or(taken)).unwrap_or_default());
            }
            self.reader.consume(taken);
            if end.is_some() {
                break;
            }
        }
        self.place.line += 1;
        Ok(Some(if too_long {
            Line::TooLong
        } else {
            Line::Whole(trimmed(&self.line))
        }))
    }

    fn return_lent(&mut self) {
        self.reader.consume(std::mem::take(&mut self.lent));
    }
}

/// Hands every line of a file to `each`, with where it is; what is too long for a line is told.
///
/// # Errors
///
/// Reading failed.
pub(super) fn each_line(
    input: &mut Input,
    out: &mut dyn Out,
    mut each: impl FnMut(&[u8], Place, &mut dyn Out),
) -> io::Result<()> {
    loop {
        let place = input.next_place();
        match input.next_line()? {
            Some(Line::Whole(line)) => each(line, place, out),
            Some(Line::TooLong) => out.bad(place, &"the line is longer than any that is read"),
            None => return Ok(()),
        }
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// For formats that are not made of lines. Mixing it with [`Input::next_line`] is fine; lines are counted by the latter only.
impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.return_lent();
        self.reader.read(buffer)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.return_lent();
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

/// Whether a file that is called a record is one: its first bytes may be the damaged ones, but somebody may have unpacked it.
fn is_in_frames(file: &File) -> io::Result<bool> {
    let mut magic = [0; 4];
    let count = file.read_at(&mut magic, 0)?;
    Ok(magic[0] != b'{' && !matches!(Packing::of(magic.get(..count).unwrap_or_default()), Packing::Gzip))
}

enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            // A skippable frame of zstd.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Fails once, where the beginning of the text ends, when reading that failed.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Counts what is read from disk, and ends early when that was asked for.
struct Counted<R> {
    reader: R,
    progress: Arc<Progress>,
}

impl<R: Read + AsFd> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A pipe may have nothing to read for as long as it likes.
        loop {
            if self.progress.is_stopped() {
                return Err(io::Error::other("ended early"));
            }
            let mut waiting = [PollFd::new(&self.reader, PollFlags::IN)];
            match rustix::event::poll(&mut waiting, Some(&PATIENCE)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let count = self.reader.read(buffer)?;
        self.progress.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file
    }

    fn lines(mut input: Input) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Vec::new();
        loop {
            let line = match input.next_line().unwrap() {
                Some(Line::Whole(line)) => Some(line.to_vec()),
                Some(Line::TooLong) => None,
                None => return lines,
            };
            lines.push((input.place().line, line));
        }
    }

    fn texts(input: Input) -> Vec<String> {
        let lines = lines(input).into_iter();
        lines
            .map(|(_, line)| String::from_utf8(line.expect("a line")).expect("text"))
            .collect()
    }

    #[test]
    fn lines_are_counted_and_lose_their_newline_only() {
        let input = Input::of_bytes(b"a\n\nb\r\n c ");
        let numbered: Vec<_> = [(1, "a"), (2, ""), (3, "b"), (4, " c ")]
            .map(|(number, text)| (number, Some(text.as_bytes().to_vec())))
            .into();
        assert_eq!(lines(input), numbered);
        assert!(lines(Input::of_bytes(b"")).is_empty());
        assert_eq!(texts(Input::of_bytes(b"\n")), [""]);
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_whole_and_one_beyond_the_limit_is_told_and_skipped() {
        let mut bytes = vec![b'x'; BUFFER * 3 + 7];
        bytes.extend_from_slice(b"\nshort\n");
        let read = lines(Input::of_bytes(&bytes));
        assert_eq!(read[0].1.as_ref().map(Vec::len), Some(BUFFER * 3 + 7));
        assert_eq!(read[1], (2, Some(b"short".to_vec())));
        let mut bytes = vec![b'x'; LONGEST_LINE + 1];
        bytes.extend_from_slice(b"\nshort\n");
        assert_eq!(
            lines(Input::of_bytes(&bytes)),
            [(1, None), (2, Some(b"short".to_vec()))]
        );
    }

    #[test]
    fn packed_files_are_unpacked_whatever_they_are_called() {
        let text = b"one\ntwo\n";
        let gzip = |bytes: &[u8]| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            packer.write_all(bytes).unwrap();
            packer.finish().unwrap()
        };
        let open = |bytes: Vec<u8>| Input::new(file_of(&bytes), 0, &Arc::default()).unwrap();
        let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let two_frames = [zstd(b"one\n"), zstd(b"two\n")].concat();
        for bytes in [text.to_vec(), gzip(text), two, zstd(text), two_frames] {
            assert_eq!(texts(open(bytes)), ["one", "two"]);
        }
        for short in [&b""[..], b"a", b"ab\n"] {
            assert_eq!(lines(open(short.to_vec())).len(), usize::from(!short.is_empty()));
        }
    }

    #[test]
    fn of_a_packed_file_that_was_cut_short_the_lines_before_the_cut_come_first() {
        let text: Vec<u8> = (0..100_000).flat_map(|n: u32| format!("{n}\n").into_bytes()).collect();
        let mut packed = zstd::encode_all(&text[..], 1).unwrap();
        packed.truncate(packed.len() / 2);
        let mut input = Input::new(file_of(&packed), 0, &Arc::default()).unwrap();
        let mut count = 0;
        let error = loop {
            match input.next_line() {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("the cut went unnoticed"),
                Err(error) => break error,
            }
        };
        assert!(count > 100, "{count}");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_reading_that_is_stopped_ends_with_an_error() {
        let progress = Arc::<Progress>::default();
        let mut input = Input::new(file_of(&[b'\n'; BUFFER * 4]), 0, &progress).unwrap();
        assert!(input.next_line().unwrap().is_some());
        progress.stop.store(true, Ordering::Relaxed);
        let error = loop {
            match input.next_line() {
                Ok(line) => assert!(line.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "ended early");
    }

    #[test]
    fn a_pipe_that_stays_silent_does_not_hold_up_the_end() {
        let (read, write) = io::pipe().unwrap();
        let progress = Arc::<Progress>::default();
        let stopper = Arc::clone(&progress);
        let reading = std::thread::spawn(move || Input::new(read, 0, &progress).map(lines_of_error));
        // Whenever it comes: before the reading begins or while it waits.
        stopper.stop.store(true, Ordering::Relaxed);
        let _ = reading.join().unwrap();
        drop(write);
    }

    fn lines_of_error(mut input: Input) {
        while let Ok(Some(_)) = input.next_line() {}
    }
}
