//! Files of XML with many events, however they are laid out: one a line, indented, or all of them in one line.
//!
//! Owns the way from the file's bytes to single events; whatever is between them is passed over.

use std::io::{self, BufRead as _};

use memchr::memmem;

use super::event;
use crate::source::recorded::{Input, Out, Parser, Place};

const BEGIN: &[u8] = b"<Event";
const END: &[u8] = b"</Event>";
/// Bytes of the longest event that is read: two command lines of 2 MiB, each byte a reference.
const LONGEST: usize = 32 << 20;

/// Reads such files.
#[derive(Debug, Default)]
pub struct SysmonXml {
    text: Vec<u8>,
}

/// Whether a text has an event of Sysmon in it, at the end of which it may be cut.
pub(crate) fn is_export(sample: &[u8]) -> bool {
    let begins = sample.trim_ascii_start();
    let begins = begins.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begins);
    begins.starts_with(b"<")
        && memmem::find(sample, b"<System").is_some()
        && (memmem::find(sample, b"\"Linux-Sysmon\"").is_some()
            || memmem::find(sample, b"Microsoft-Windows-Sysmon").is_some())
}

impl SysmonXml {
    /// Tells the whole events in `text`, and keeps what may be the beginning of one. `place` is where `text` begins.
    fn events(&mut self, place: &mut Place, out: &mut dyn Out) {
        let mut rest = self.text.as_slice();
        while let Some(end) = memmem::find(rest, END) {
            let (one, after) = rest.split_at_checked(end + END.len()).unwrap_or((rest, b""));
            let begin = last_begin(one).unwrap_or(one.len());
            let (before, xml) = one.split_at_checked(begin).unwrap_or((one, b""));
            place.line += newlines(before);
            if !xml.is_empty() {
                event(xml, None, *place, out);
            }
            place.line += newlines(xml);
            rest = after;
        }
        // Of what is left, only a beginning counts; it may be cut anywhere.
        let keep = last_begin(rest).unwrap_or(rest.len().saturating_sub(BEGIN.len()));
        let dropped = self.text.len() - rest.len() + keep;
        place.line += newlines(rest.get(..keep).unwrap_or_default());
        self.text.drain(..dropped);
    }
}

/// Where the last event begins; one before it without an end was cut. `<Events>` and `<EventID>` are none.
fn last_begin(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    while let Some(at) = memmem::rfind(text.get(..end)?, BEGIN) {
        if matches!(
            text.get(at + BEGIN.len()),
            None | Some(b'>' | b' ' | b'\t' | b'\r' | b'\n')
        ) {
            return Some(at);
        }
        end = at;
    }
    None
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

impl Parser for SysmonXml {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        self.text.clear();
        let mut place = input.next_place();
        loop {
            let buffer = match input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.rest(place, out);
                    return Err(error);
                }
            };
            let taken = buffer.len();
            if taken == 0 {
                self.rest(place, out);
                return Ok(());
            }
            self.text.extend_from_slice(buffer);
            input.consume(taken);
            self.events(&mut place, out);
            if self.text.len() > LONGEST {
                out.bad(place, &"an event that is too long");
                place.line += newlines(&self.text);
                self.text.clear();
            }
        }
    }
}

impl SysmonXml {
    /// What the file ends in the middle of.
    fn rest(&mut self, mut place: Place, out: &mut dyn Out) {
        if let Some(begin) = last_begin(&self.text)
            && let Some((before, xml)) = self.text.split_at_checked(begin)
        {
            place.line += newlines(before);
            event(xml, None, place, out);
        }
        self.text.clear();
    }
}
