//! A piece of a text that slides over it: what is being looked at lies in memory as a whole, and nothing else does.
//!
//! Owns reading, encodings (a byte order mark, UTF-16) and the count of lines; never knows what the text says. Memory is that
//! of the longest thing kept, which whoever keeps it bounds by [`LONGEST_LINE`](super::super::input::LONGEST_LINE).

use std::io::{self, Read};

use super::super::{Input, Place};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// The text from where it is being looked at.
pub(super) struct Window<'i> {
    source: Source<'i>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    file: usize,
    line: u64,
    /// Why there is no more: none as long as there may be.
    ended: Option<io::Result<()>>,
}

enum Source<'i> {
    Bytes(&'i mut Input),
    Utf16(Utf16<'i>),
}

impl<'i> Window<'i> {
    /// The beginning of a file.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub(super) fn new(input: &'i mut Input) -> io::Result<Self> {
        let file = input.place().file;
        let mut window = Self {
            source: Source::Bytes(input),
            bytes: Vec::new(),
            start: 0,
            end: 0,
            file,
            line: 1,
            ended: None,
        };
        while window.rest().len() < 3 && window.more() {}
        let big_endian = match window.rest() {
            [0xef, 0xbb, 0xbf, ..] => {
                window.start = 3;
                None
            }
            [0xff, 0xfe, ..] => Some(false),
            [0xfe, 0xff, ..] => Some(true),
            _ => None,
        };
        let Some(big_endian) = big_endian else {
            return Ok(window);
        };
        let begun = window.rest().get(2..).unwrap_or_default().to_vec();
        if let Source::Bytes(input) = window.source {
            window.source = Source::Utf16(Utf16 {
                input,
                big_endian,
                begun,
                high: None,
            });
        }
        (window.start, window.end) = (0, 0);
        if let Some(Ok(())) = window.ended {
            // The bytes that were read are still to be decoded.
            window.ended = None;
        }
        Ok(window)
    }

    /// What has been read and not taken.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads more behind [`rest`](Self::rest). False at the end of the text.
    pub(super) fn more(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() - self.end < CHUNK {
            self.bytes.resize(self.end + CHUNK.max(self.end), 0);
        }
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let count = match &mut self.source {
            Source::Bytes(input) => read(input, room),
            Source::Utf16(utf16) => utf16.read(room),
        };
        match count {
            Ok(0) => self.ended = Some(Ok(())),
            Ok(count) => {
                self.end += count;
                return true;
            }
            Err(error) => self.ended = Some(Err(error)),
        }
        false
    }

    /// Takes the first `count` bytes of [`rest`](Self::rest).
    pub(super) fn take(&mut self, count: usize) {
        let taken = self.rest().get(..count).unwrap_or_default();
        self.line += newlines(taken);
        self.start = (self.start + count).min(self.end);
        if self.start == self.end && self.bytes.len() > 8 * CHUNK {
            // One very long thing does not hold its memory to the end.
            self.bytes = Vec::new();
            (self.start, self.end) = (0, 0);
        }
    }

    /// Where [`rest`](Self::rest) begins.
    pub(super) fn place(&self) -> Place {
        Place {
            file: self.file,
            line: self.line,
        }
    }

    /// The end: whether it is that of the text, or reading failed.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub(super) fn finish(self) -> io::Result<()> {
        self.ended.unwrap_or(Ok(()))
    }
}

/// How many lines end in a text.
pub(super) fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

fn read(input: &mut Input, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// UTF-16, as PowerShell and Excel write it, to UTF-8. What is no UTF-16 becomes the character for that.
struct Utf16<'i> {
    input: &'i mut Input,
    big_endian: bool,
    /// Bytes read and not decoded: at first what was looked at, then at most one.
    begun: Vec<u8>,
    /// The first half of a character.
    high: Option<u16>,
}

impl Utf16<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut raw = vec![0; CHUNK];
        let mut text = String::new();
        // A character of two bytes can become one of three, and one may still be waiting.
        let most = (room.len() / 3).saturating_sub(4) * 2;
        while text.is_empty() {
            let at_end = if self.begun.len() < 2 {
                let limit = most.min(raw.len());
                let count = read(self.input, raw.get_mut(..limit).unwrap_or_default())?;
                self.begun.extend_from_slice(raw.get(..count).unwrap_or_default());
                count == 0
            } else {
                false
            };
            let taken = self.begun.len().min(most) & !1;
            for pair in self.begun.get(..taken).unwrap_or_default().chunks_exact(2) {
                let pair = [pair[0], pair[1]];
                let unit = match self.big_endian {
                    true => u16::from_be_bytes(pair),
                    false => u16::from_le_bytes(pair),
                };
                push(unit, &mut self.high, &mut text);
            }
            self.begun.drain(..taken);
            if at_end {
                if self.high.take().is_some() || !std::mem::take(&mut self.begun).is_empty() {
                    text.push(char::REPLACEMENT_CHARACTER);
                }
                break;
            }
        }
        let length = text.len().min(room.len());
        if let (Some(room), Some(text)) = (room.get_mut(..length), text.as_bytes().get(..length)) {
            room.copy_from_slice(text);
        }
        Ok(length)
    }
}

fn push(unit: u16, high: &mut Option<u16>, text: &mut String) {
    if let Some(first) = high.take() {
        match char::decode_utf16([first, unit]).next() {
            Some(Ok(c)) => return text.push(c),
            _ => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    match char::from_u32(unit.into()) {
        Some(c) => text.push(c),
        None if unit < 0xdc00 => *high = Some(unit),
        None => text.push(char::REPLACEMENT_CHARACTER),
    }
}

/// The sample of a text as UTF-8, whatever its encoding.
pub(super) fn decoded(sample: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let (rest, big_endian) = match sample {
        [0xef, 0xbb, 0xbf, rest @ ..] => return rest.into(),
        [0xff, 0xfe, rest @ ..] => (rest, false),
        [0xfe, 0xff, rest @ ..] => (rest, true),
        _ => return sample.into(),
    };
    let mut text = String::new();
    let mut high = None;
    for pair in rest.chunks_exact(2) {
        let pair = [pair[0], pair[1]];
        let unit = if big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        };
        push(unit, &mut high, &mut text);
    }
    text.into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if big_endian {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    fn all(bytes: &[u8]) -> Vec<u8> {
        let mut input = Input::of_bytes(bytes);
        let mut window = Window::new(&mut input).unwrap();
        let mut text = Vec::new();
        loop {
            let count = window.rest().len();
            text.extend_from_slice(window.rest());
            window.take(count);
            if !window.more() {
                window.finish().unwrap();
                return text;
            }
        }
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "{\"a\":\"é😀\u{feff}\"}\n".repeat(60_000);
        for bytes in [
            text.clone().into_bytes(),
            [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat(),
            utf16(&text, false),
            utf16(&text, true),
        ] {
            assert!(all(&bytes) == text.as_bytes());
            assert!(text.as_bytes().starts_with(decoded(&bytes).get(..20).unwrap()));
        }
    }

    #[test]
    fn what_is_no_utf16_is_marked_and_the_rest_is_read() {
        let mut bytes = vec![0xff, 0xfe];
        for unit in [0x61_u16, 0xd800, 0x62, 0xdc00, 0xd83d, 0xde00] {
            bytes.extend_from_slice(&unit.to_le_bytes());
        }
        bytes.push(7);
        assert_eq!(String::from_utf8(all(&bytes)).unwrap(), "a\u{fffd}b\u{fffd}😀\u{fffd}");
        for cut in 0..bytes.len() {
            all(&bytes[..cut]);
        }
    }

    #[test]
    fn lines_are_counted_as_they_are_taken() {
        let mut input = Input::of_bytes(b"a\nb\n\nc");
        let mut window = Window::new(&mut input).unwrap();
        window.take(4);
        assert_eq!((window.place().line, window.rest()), (3, &b"\nc"[..]));
    }
}
