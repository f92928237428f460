//! The history of fish: `- cmd: COMMAND`, then `  when: 1700000000` and paths.
//!
//! Owns its escapes: a newline is `\n`, a backslash two.

use std::{io, time::SystemTime};

use super::{command::Command, seconds};
use crate::source::recorded::{Input, Line, Out, Parser, Place};

/// Reads it.
#[derive(Debug, Default)]
pub struct Fish {
    command: Option<(Vec<u8>, Place)>,
    limit: Option<SystemTime>,
}

/// The time that a line says.
pub(super) fn time(line: &[u8]) -> Option<SystemTime> {
    seconds(line.strip_prefix(b"  when: ")?)
}

impl Fish {
    fn end(&mut self, time: Option<SystemTime>, out: &mut dyn Out) {
        if let Some((text, place)) = self.command.take() {
            let mut command = Command::new(time, place);
            command.line(&text);
            command.tell(self.limit, out);
        }
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        match (byte, rest.as_slice().first()) {
            (b'\\', Some(b'n')) => bytes.push(b'\n'),
            (b'\\', Some(b'\\')) => bytes.push(b'\\'),
            _ => {
                bytes.push(byte);
                continue;
            }
        }
        rest.next();
    }
    bytes
}

impl Parser for Fish {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        self.finish(out);
        self.limit = input.modified();
        loop {
            let place = input.next_place();
            match input.next_line()? {
                Some(Line::Whole(line)) => {
                    if let Some(text) = line.strip_prefix(b"- cmd: ") {
                        let text = unescaped(text);
                        self.end(None, out);
                        self.command = Some((text, place));
                    } else if let Some(time) = time(line) {
                        self.end(Some(time), out);
                    } else if !line.starts_with(b"  ") && !line.is_empty() {
                        out.bad(place, &"not a line of fish's history");
                    }
                }
                Some(Line::TooLong) => out.bad(place, &"a line that is too long"),
                None => {
                    self.end(None, out);
                    return Ok(());
                }
            }
        }
    }

    fn finish(&mut self, out: &mut dyn Out) {
        self.end(None, out);
    }
}
