//! The export format: `NAME=value` lines, values that are not text behind their length, an empty line after each entry.

use std::{
    borrow::Cow,
    io::{self, BufRead as _, Read as _},
};

use super::{Entries, Fields, Value};
use crate::source::recorded::{Input, Line, Out, Place, input::LONGEST_LINE};

/// Bytes of a value that is kept; of a longer one, its entry is told to be bad.
const LONGEST: usize = LONGEST_LINE;

/// The entry that is being read.
#[derive(Debug, Default)]
pub(super) struct Export {
    fields: Fields<'static>,
}

impl Export {
    pub(super) fn read(&mut self, input: &mut Input, entries: &mut Entries, out: &mut dyn Out) -> io::Result<()> {
        self.fields = Fields::default();
        let mut place = input.next_place();
        loop {
            let here = input.next_place();
            let binary = match input.next_line()? {
                None => {
                    self.end(place, entries, out);
                    return Ok(());
                }
                Some(Line::TooLong) => {
                    out.bad(here, &"a line that is too long");
                    None
                }
                Some(Line::Whole(b"")) => {
                    self.end(place, entries, out);
                    place = input.next_place();
                    None
                }
                Some(Line::Whole(line)) => {
                    // Every entry begins with its cursor: if one before is open, its end is damaged.
                    if line.starts_with(b"__CURSOR=") && !self.fields.is_empty() {
                        self.end(place, entries, out);
                        place = here;
                    }
                    self.line(line, here, out)
                }
            };
            // The name of a value that follows behind its length.
            if let Some(name) = binary {
                let value = value(input, here, out)?;
                if let (Some(slot), Some(value)) = (self.fields.slot(name.as_bytes()), value) {
                    *slot = Some(Value::Bytes(Cow::Owned(value)));
                }
            }
        }
    }

    /// The name, when the line is one only.
    fn line(&mut self, line: &[u8], place: Place, out: &mut dyn Out) -> Option<String> {
        let end = memchr::memchr(b'=', line);
        let name = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name
                .iter()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
        if !is_name {
            out.bad(place, &"not a field of the journal's export format");
            return None;
        }
        let Some(value) = end.and_then(|end| line.get(end + 1..)) else {
            return String::from_utf8(name.to_vec()).ok();
        };
        // Of several values of a field, the first.
        if let Some(slot) = self.fields.slot(name)
            && slot.is_none()
        {
            *slot = Some(Value::Bytes(Cow::Owned(value.to_vec())));
        }
        None
    }

    fn end(&mut self, place: Place, entries: &mut Entries, out: &mut dyn Out) {
        let fields = std::mem::take(&mut self.fields);
        if !fields.is_empty() {
            entries.entry(&fields, place, out);
        }
    }
}

/// A value behind its length, and the newline after it; none when there is no such value.
fn value(input: &mut Input, place: Place, out: &mut dyn Out) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    if let Err(error) = input.read_exact(&mut length) {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                out.bad(place, &"the value of a field is cut");
                Ok(None)
            }
            _ => Err(error),
        };
    }
    let length = u64::from_le_bytes(length);
    if length > LONGEST as u64 {
        // Whether the length is real can't be told: what follows is read as lines again.
        out.bad(place, &"a field whose value is longer than is read");
        return Ok(None);
    }
    let mut value = Vec::new();
    let read = input.by_ref().take(length).read_to_end(&mut value)?;
    if (read as u64) < length {
        out.bad(place, &"the value of a field is cut");
        return Ok(None);
    }
    let newline = input.fill_buf()?.first() == Some(&b'\n');
    if newline {
        input.consume(1);
        Ok(Some(value))
    } else {
        out.bad(place, &"the value of a field has not the length that it should have");
        Ok(None)
    }
}
