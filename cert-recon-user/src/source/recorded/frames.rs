//! The text of a `--record` file, frame by frame: a damaged one costs itself only.
//!
//! Each frame is complete in itself and has a checksum, so nothing of it is given before all of it was found to be right. Where
//! one is not, the next that is right is looked for by the number that frames begin with. At the end of the file that is no
//! damage when it is what a crash leaves: a frame that breaks off, or zeros (the file had got its length, its bytes had not got
//! to the disk).
//!
//! Memory is bounded: a frame that is longer than any that is written here, as others make them, is given as it comes.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

use super::input::{LONGEST_LINE, Progress};

/// Bytes that are read at once.
const BUFFER: usize = 128 << 10;
/// What a frame begins with.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// In the byte behind that: it ends in a checksum.
const HAS_CHECKSUM: u8 = 1 << 2;
/// Bytes of a checksum: so many zeros at the end of a file may be a frame's own.
const CHECKSUM: u64 = 4;
/// A longer text is given before the end of its frame was seen.
const WHOLE: usize = LONGEST_LINE;
/// Work in vain that the search for the next frame may cost, bytes: numbers that begin no frame can be put anywhere.
const SEARCH: u64 = 256 << 20;

/// A part of a file that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Lines of the file that could be read before it.
    pub line: u64,
    /// Where it begins, bytes from the start of the file.
    pub at: u64,
    /// Its length, bytes.
    pub bytes: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, bytes, .. } = self;
        write!(
            f,
            "{bytes} bytes from byte {at} on are damaged; the lines in them are missing"
        )
    }
}

/// The damage of a file, as it is found.
#[derive(Clone, Debug, Default)]
pub(super) struct Damages(Arc<Mutex<Vec<Damage>>>);

impl Damages {
    fn push(&self, damage: Damage) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(damage);
    }

    /// What was found since the last time.
    pub(super) fn take(&self) -> Vec<Damage> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is at a place.
enum Found {
    /// A frame, up to here; its text was kept.
    Whole(u64),
    /// Its text is too long to keep.
    Long,
    /// The beginning of one; what could be had of its text was kept.
    Part,
    /// The end of the file.
    Nothing,
    /// No frame, or a damaged one.
    Bad,
}

/// What comes after the text that is at hand.
enum Next {
    Frame,
    /// A frame too long to keep, and what follows it.
    Plain(Box<dyn Read + Send>),
    /// The end, in the middle of a frame.
    Torn,
    End,
}

/// Reads the text.
pub(crate) struct Frames {
    file: Arc<File>,
    progress: Arc<Progress>,
    damages: Damages,
    decoder: Decoder<'static>,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    /// The text of a frame, and how much of it was given.
    text: Vec<u8>,
    given: usize,
    /// Where the next frame begins.
    at: u64,
    /// Lines up to there.
    lines: u64,
    /// Bytes unpacked in vain since the last good frame.
    vain: u64,
    next: Next,
    /// What is behind this is taken for not there: somebody is about to write it.
    limit: u64,
}

impl Frames {
    /// Reads a file from its start, wherever it is now.
    pub(super) fn new(file: File, progress: Arc<Progress>, damages: Damages) -> io::Result<Self> {
        Ok(Self {
            file: Arc::new(file),
            progress,
            damages,
            decoder: Decoder::new()?,
            packed: vec![0; BUFFER],
            unpacked: vec![0; BUFFER],
            text: Vec::new(),
            given: 0,
            at: 0,
            lines: 0,
            vain: 0,
            next: Next::Frame,
            limit: u64::MAX,
        })
    }

    /// Reads on from a place where a frame begins, with [`next_frame`](Self::next_frame).
    pub(crate) fn resume(file: File, at: u64) -> io::Result<Self> {
        let mut frames = Self::new(file, Arc::default(), Damages::default())?;
        frames.at = at;
        Ok(frames)
    }

    /// The text of the next frame, and where it ends, in the first `end` bytes of a file that may still grow. Damaged ones are
    /// passed over; of one that breaks off there, the whole lines. None when there is no more.
    pub(crate) fn next_frame(&mut self, end: u64) -> io::Result<Option<(&[u8], u64)>> {
        self.limit = end;
        if self.at >= end {
            return Ok(None);
        }
        self.advance()?;
        match std::mem::replace(&mut self.next, Next::Frame) {
            Next::Frame => Ok(Some((&self.text, self.at))),
            Next::Torn if !self.text.is_empty() => Ok(Some((&self.text, self.at))),
            Next::Torn | Next::End => Ok(None),
            Next::Plain(_) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a frame that is longer than any that is written here",
            )),
        }
    }

    /// The damage that was passed over since the last time.
    pub(crate) fn damages(&self) -> Vec<Damage> {
        self.damages.take()
    }

    /// Goes on to the next frame that can be read.
    fn advance(&mut self) -> io::Result<()> {
        let start = self.at;
        match self.unpack(start, None)? {
            Found::Whole(end) => self.take(end),
            Found::Nothing => self.next = Next::End,
            Found::Long => {
                self.text = Vec::new();
                let rest = Rest {
                    file: Arc::clone(&self.file),
                    progress: Arc::clone(&self.progress),
                    at: start,
                };
                self.next = Next::Plain(Box::new(zstd::Decoder::new(rest)?));
            }
            Found::Part | Found::Bad => {
                if let Some((next, end)) = self.search(start + 1)? {
                    self.tell(start, next);
                    self.take(end);
                } else {
                    self.end(start)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, end: u64) {
        self.progress
            .bytes
            .fetch_add(end.saturating_sub(self.at), Ordering::Relaxed);
        self.lines += memchr::memchr_iter(b'\n', &self.text).count() as u64;
        (self.at, self.vain) = (end, 0);
    }

    fn tell(&self, start: u64, end: u64) {
        self.damages.push(Damage {
            line: self.lines,
            at: start,
            bytes: end - start,
        });
    }

    /// No frame from `start` on is whole: whether that is what a crash leaves.
    fn end(&mut self, start: u64) -> io::Result<()> {
        let (data_end, end) = self.data_end(start)?;
        let is_torn = match data_end {
            _ if data_end == start => {
                self.text.clear();
                true
            }
            _ => matches!(self.unpack(start, Some(data_end))?, Found::Part),
        };
        if is_torn {
            // What breaks off in the middle is no line.
            let whole = memchr::memrchr(b'\n', &self.text).map_or(0, |end| end + 1);
            self.text.truncate(whole);
            self.next = Next::Torn;
        } else {
            self.text.clear();
            self.tell(start, end);
            self.next = Next::End;
        }
        self.take(end);
        Ok(())
    }

    /// Where what is not zero ends, and where the file does.
    fn data_end(&mut self, start: u64) -> io::Result<(u64, u64)> {
        let (mut data_end, mut at) = (start, start);
        loop {
            let count = self.fill(at, BUFFER)?;
            let bytes = self.packed.get(..count).unwrap_or_default();
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                data_end = at + last as u64 + 1;
            }
            at += count as u64;
            if count == 0 {
                let is_few = at - data_end <= CHECKSUM && data_end > start;
                return Ok((if is_few { at } else { data_end }, at));
            }
        }
    }

    /// The next frame that is right and says so by its checksum: where it begins and ends.
    fn search(&mut self, from: u64) -> io::Result<Option<(u64, u64)>> {
        let mut at = from;
        let mut window = Vec::with_capacity(BUFFER);
        loop {
            let count = self.fill(at, BUFFER)?;
            window.clear();
            window.extend_from_slice(self.packed.get(..count).unwrap_or_default());
            for place in memchr::memmem::find_iter(&window, &MAGIC) {
                if window
                    .get(place + MAGIC.len())
                    .is_none_or(|flags| flags & HAS_CHECKSUM == 0)
                {
                    continue;
                }
                let start = at + place as u64;
                if let Found::Whole(end) = self.unpack(start, None)? {
                    return Ok(Some((start, end)));
                }
                self.vain += (BUFFER + self.text.len()) as u64;
                if self.vain > SEARCH {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("too much is damaged from byte {} on to look for more", self.at),
                    ));
                }
            }
            if count < BUFFER {
                return Ok(None);
            }
            // The number, and the byte behind it, may be half in here.
            at += (BUFFER - MAGIC.len()) as u64;
        }
    }

    /// Unpacks the frame at `from` into `text`; `until` is taken for the end of the file.
    fn unpack(&mut self, from: u64, until: Option<u64>) -> io::Result<Found> {
        self.text.clear();
        // One long line is no reason to keep its memory for the whole file.
        self.text.shrink_to(8 << 20);
        self.given = 0;
        self.decoder.reinit()?;
        let mut at = from;
        loop {
            let most = until.map_or(BUFFER as u64, |until| until.saturating_sub(at));
            let count = self.fill(at, usize::try_from(most).unwrap_or(BUFFER).min(BUFFER))?;
            if count == 0 {
                return Ok(if at == from { Found::Nothing } else { Found::Part });
            }
            let mut input = InBuffer::around(self.packed.get(..count).unwrap_or_default());
            loop {
                let mut output = OutBuffer::around(&mut *self.unpacked);
                let Ok(left) = self.decoder.run(&mut input, &mut output) else {
                    return Ok(Found::Bad);
                };
                let written = output.pos();
                self.text
                    .extend_from_slice(self.unpacked.get(..written).unwrap_or_default());
                if self.text.len() > WHOLE {
                    return Ok(Found::Long);
                }
                if left == 0 {
                    return Ok(Found::Whole(at + input.pos() as u64));
                }
                if input.pos() == count && written < BUFFER {
                    break;
                }
            }
            at += count as u64;
        }
    }

    /// Reads into `packed`; less than `most` at the end of the file only.
    fn fill(&mut self, at: u64, most: usize) -> io::Result<usize> {
        let mut count = 0;
        while count < most {
            let left = usize::try_from(self.limit.saturating_sub(at + count as u64)).unwrap_or(usize::MAX);
            let Some(rest) = self.packed.get_mut(count..most.min(count.saturating_add(left))) else {
                break;
            };
            match read_at(&self.file, &self.progress, rest, at + count as u64)? {
                0 => break,
                more => count += more,
            }
        }
        Ok(count)
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = self.text.get(self.given..).unwrap_or_default();
            if !rest.is_empty() || buffer.is_empty() {
                let count = rest.len().min(buffer.len());
                let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) else {
                    return Ok(0);
                };
                to.copy_from_slice(from);
                self.given += count;
                return Ok(count);
            }
            match &mut self.next {
                Next::Frame => self.advance()?,
                Next::Plain(reader) => return reader.read(buffer),
                Next::Torn => return Err(io::ErrorKind::UnexpectedEof.into()),
                Next::End => return Ok(0),
            }
        }
    }
}

/// The bytes of a file from a place on.
struct Rest {
    file: Arc<File>,
    progress: Arc<Progress>,
    at: u64,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = read_at(&self.file, &self.progress, buffer, self.at)?;
        self.at += count as u64;
        self.progress.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn read_at(file: &File, progress: &Progress, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        if progress.is_stopped() {
            return Err(io::Error::other("ended early"));
        }
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// As a record's are.
    fn frame(text: &str) -> Vec<u8> {
        let mut packer = zstd::bulk::Compressor::new(3).unwrap();
        let checksum = zstd::zstd_safe::CParameter::ChecksumFlag(true);
        packer.set_parameter(checksum).unwrap();
        packer.compress(text.as_bytes()).unwrap()
    }

    struct Got {
        text: String,
        damages: Vec<Damage>,
        is_torn: bool,
    }

    fn read(bytes: &[u8]) -> Got {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (progress, damages) = (Arc::<Progress>::default(), Damages::default());
        let mut frames = Frames::new(file, Arc::clone(&progress), damages.clone()).unwrap();
        let mut text = Vec::new();
        let is_torn = match frames.read_to_end(&mut text) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
                assert!(frames.read(&mut [0]).is_err(), "and again");
                true
            }
        };
        assert_eq!(progress.bytes.load(Ordering::Relaxed), bytes.len() as u64);
        Got {
            text: String::from_utf8(text).unwrap(),
            damages: damages.take(),
            is_torn,
        }
    }

    fn three() -> [(String, Vec<u8>); 3] {
        ["first", "second", "third"].map(|name| {
            let text: String = (0..20).map(|number| format!("{name} {number}\n")).collect();
            let frame = frame(&text);
            (text, frame)
        })
    }

    #[test]
    fn whatever_bit_of_a_frame_has_changed_the_others_are_read_and_the_damage_is_told_with_its_place() {
        let [first, second, third] = three();
        let start = first.1.len();
        let whole = [&first.1[..], &second.1, &third.1].concat();
        let got = read(&whole);
        assert_eq!(got.text, [&first.0[..], &second.0, &third.0].concat());
        assert!(got.damages.is_empty() && !got.is_torn);
        for bit in 0..second.1.len() * 8 {
            let mut bytes = whole.clone();
            bytes[start + bit / 8] ^= 1 << (bit % 8);
            let got = read(&bytes);
            assert!(!got.is_torn, "bit {bit}");
            let is_whole = got.text == [&first.0[..], &second.0, &third.0].concat();
            assert!(is_whole || got.text == [&first.0[..], &third.0].concat(), "bit {bit}");
            if !is_whole {
                let damage = Damage {
                    line: 20,
                    at: start as u64,
                    bytes: second.1.len() as u64,
                };
                assert_eq!(got.damages, [damage], "bit {bit}");
            }
        }
    }

    #[test]
    fn a_file_that_a_crash_has_left_is_torn_not_damaged() {
        let [first, second, third] = three();
        let before = [&first.1[..], &second.1].concat();
        let text = [&first.0[..], &second.0].concat();
        for kept in 0..third.1.len() {
            for zeros in [0, 5, 512, BUFFER * 2 + 3] {
                if kept == 0 && zeros == 0 {
                    continue;
                }
                let bytes = [&before[..], &third.1[..kept], &vec![0; zeros]].concat();
                let got = read(&bytes);
                assert!(got.is_torn && got.damages.is_empty(), "{kept} and {zeros} zeros");
                let more = got.text.strip_prefix(&text).expect("all before");
                assert!(third.0.starts_with(more) && (more.is_empty() || more.ends_with('\n')));
            }
        }
        let zeros = read(&[0; 4096]);
        assert!(zeros.is_torn && zeros.text.is_empty() && zeros.damages.is_empty());
        let empty = read(b"");
        assert!(!empty.is_torn && empty.damages.is_empty());
    }

    #[test]
    fn of_a_frame_that_breaks_off_the_whole_lines_are_kept() {
        let text: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        let packed = frame(&text);
        let got = read(&packed[..packed.len() / 2]);
        assert!(got.is_torn && got.damages.is_empty());
        assert!(got.text.len() > 1000 && text.starts_with(&got.text) && got.text.ends_with('\n'));
    }

    #[test]
    fn damage_at_the_end_is_damage_when_it_is_not_what_a_crash_leaves() {
        let [first, second, _] = three();
        let start = first.1.len();
        for at in start..start + second.1.len() {
            let mut bytes = [&first.1[..], &second.1].concat();
            bytes.truncate(at);
            bytes.extend_from_slice(&[0xff; 40]);
            let got = read(&bytes);
            assert_eq!(got.text, first.0, "{at}");
            // What is behind the number alone may be any frame's beginning.
            assert!(got.is_torn || got.damages.len() == 1, "{at}");
            assert!(!got.is_torn || at > start, "{at}");
        }
        let mut bytes = [&first.1[..], &second.1].concat();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let got = read(&bytes);
        assert_eq!((got.text, got.is_torn, got.damages.len()), (first.0, false, 1));
    }

    #[test]
    fn what_lies_between_frames_costs_itself_wherever_its_pieces_fall() {
        let [first, _, third] = three();
        // The number of the next frame lies across the end of what is read at once.
        for length in BUFFER - 8..BUFFER + 2 {
            // Two numbers that begin nothing are in it.
            let mut rubbish = vec![0x55; length];
            for at in [1000, length - 5] {
                rubbish[at..at + 5].copy_from_slice(&[0x28, 0xb5, 0x2f, 0xfd, 0xff]);
            }
            let got = read(&[&first.1[..], &rubbish, &third.1].concat());
            assert_eq!(got.text, [&first.0[..], &third.0].concat());
            let bytes: u64 = got.damages.iter().map(|damage| damage.bytes).sum();
            assert_eq!(bytes, length as u64);
        }
    }

    #[test]
    fn a_search_that_finds_nothing_for_long_is_given_up() {
        let bytes: Vec<u8> = MAGIC.iter().chain(&[0xff; 4]).copied().cycle().take(1 << 20).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let mut frames = Frames::new(file, Arc::default(), Damages::default()).unwrap();
        let error = frames.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    }

    #[test]
    fn a_frame_as_others_make_them_is_read_however_long_it_is() {
        let line = format!("{}\n", "x".repeat(999));
        let text = line.repeat(WHOLE / line.len() + 1000);
        let [first, ..] = three();
        let long = zstd::encode_all(text.as_bytes(), 1).unwrap();
        let got = read(&[&first.1[..], &long, &first.1].concat());
        assert!(got.text == [&first.0[..], &text, &first.0].concat() && !got.is_torn && got.damages.is_empty());
    }
}
