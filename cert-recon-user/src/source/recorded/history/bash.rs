//! The history of bash (and of shells that keep lines only: dash, ash, ksh as text; tcsh with its times).
//!
//! Owns times: with `HISTTIMEFORMAT` set, bash writes `#1700000000` before each command, whose lines are all those up to the
//! next time, as bash itself reads them. A command without a time is a line.

use std::{io, time::SystemTime};

use super::{command::Command, seconds};
use crate::source::recorded::{Input, Line, Out, Parser};

/// Reads it.
#[derive(Debug, Default)]
pub struct Bash {
    command: Option<Command>,
    limit: Option<SystemTime>,
}

/// The time that a line says: `#1700000000`, of tcsh `#+1700000000`.
pub(super) fn time(line: &[u8]) -> Option<SystemTime> {
    let digits = line.strip_prefix(b"#")?;
    seconds(digits.strip_prefix(b"+").unwrap_or(digits))
}

impl Bash {
    fn end(&mut self, out: &mut dyn Out) {
        if let Some(command) = self.command.take() {
            command.tell(self.limit, out);
        }
    }
}

impl Parser for Bash {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        self.finish(out);
        self.limit = input.modified();
        loop {
            let place = input.next_place();
            let line = match input.next_line()? {
                Some(Line::Whole(line)) => line,
                Some(Line::TooLong) => {
                    out.bad(place, &"a line that is too long");
                    continue;
                }
                None => {
                    self.end(out);
                    return Ok(());
                }
            };
            if let Some(time) = time(line) {
                self.end(out);
                self.command = Some(Command::new(Some(time), place));
                continue;
            }
            match &mut self.command {
                Some(command) => {
                    if command.is_long() {
                        let next = command.next(place);
                        std::mem::replace(command, next).tell(self.limit, out);
                    }
                    command.line(line);
                }
                None => {
                    let mut command = Command::new(None, place);
                    command.line(line);
                    command.tell(self.limit, out);
                }
            }
        }
    }

    fn finish(&mut self, out: &mut dyn Out) {
        self.end(out);
    }
}
