//! The history of zsh: lines, or with `EXTENDED_HISTORY` `: 1700000000:5;command`; a line that ends in a backslash goes on.
//!
//! Owns its encoding: a byte that means something to zsh itself is written as 0x83 and that byte with its sixth bit turned
//! (`metafy()` in its Src/utils.c). Every byte of UTF-8 that is one of them comes so.

use std::{borrow::Cow, io, time::SystemTime};

use super::{command::Command, seconds};
use crate::source::recorded::{Input, Line, Out, Parser};

const META: u8 = 0x83;

/// Reads it.
#[derive(Debug, Default)]
pub struct Zsh {
    command: Option<Command>,
    limit: Option<SystemTime>,
}

/// The time and the command of an extended line.
pub(super) fn extended(line: &[u8]) -> Option<(SystemTime, &[u8])> {
    let rest = line.strip_prefix(b":")?.trim_ascii_start();
    let (time, rest) = rest.split_at_checked(memchr::memchr(b':', rest)?)?;
    let rest = rest.get(1..)?;
    let (elapsed, command) = rest.split_at_checked(memchr::memchr(b';', rest)?)?;
    let is_number = !elapsed.is_empty() && elapsed.iter().all(u8::is_ascii_digit);
    Some((seconds(time).filter(|_| is_number)?, command.get(1..)?))
}

/// Without zsh's encoding.
fn unmetafied(line: &[u8]) -> Cow<'_, [u8]> {
    if !line.contains(&META) {
        return Cow::Borrowed(line);
    }
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            META => bytes.extend(rest.next().map(|byte| byte ^ 32)),
            _ => bytes.push(byte),
        }
    }
    Cow::Owned(bytes)
}

impl Zsh {
    fn end(&mut self, out: &mut dyn Out) {
        if let Some(command) = self.command.take() {
            command.tell(self.limit, out);
        }
    }
}

impl Parser for Zsh {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        self.finish(out);
        self.limit = input.modified();
        loop {
            let place = input.next_place();
            let line = match input.next_line()? {
                Some(Line::Whole(line)) => line,
                Some(Line::TooLong) => {
                    out.bad(place, &"a line that is too long");
                    self.end(out);
                    continue;
                }
                None => {
                    self.end(out);
                    return Ok(());
                }
            };
            let line = unmetafied(line);
            let goes_on = line.ends_with(b"\\");
            let without = |text: &[u8]| text.strip_suffix(b"\\").unwrap_or(text).to_vec();
            if let Some(command) = &mut self.command {
                // The backslash stands for the newline behind it; behind one of the command's own at its end, zsh puts a blank.
                command.line(if goes_on {
                    line.strip_suffix(b"\\").unwrap_or(&line)
                } else {
                    &line
                });
            } else {
                let (time, text) = match extended(&line) {
                    Some((time, text)) => (Some(time), text),
                    None => (None, &*line),
                };
                let mut command = Command::new(time, place);
                command.line(&if goes_on { without(text) } else { text.to_vec() });
                self.command = Some(command);
            }
            if !goes_on {
                self.end(out);
            }
        }
    }

    fn finish(&mut self, out: &mut dyn Out) {
        self.end(out);
    }
}
