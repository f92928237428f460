//! sudo's own log file (`Defaults logfile=`): entries that are wrapped at blanks and indented, or JSON.
//!
//! Owns the lines of that file; what an entry says is [`entry`]'s matter.

use std::{io, time::SystemTime};

use jiff::tz::TimeZone;

use super::{Heard, LONGEST, Running, entry, json::Accept};
use crate::source::recorded::{
    Input, Out, Parser, Place,
    input::each_line,
    syslog::{Clock, Stamp},
};

/// What every line of an entry but its first begins with.
const INDENT: &[u8] = b"    ";

/// Reads such files.
pub struct SudoLog {
    clock: Clock,
    now: SystemTime,
    running: Running,
    entry: Option<Entry>,
    object: Option<Object>,
}

/// An entry that may go on.
struct Entry {
    user: Vec<u8>,
    text: Vec<u8>,
    cut: bool,
    time: SystemTime,
    place: Place,
}

/// A JSON object of the file's one object.
struct Object {
    text: Vec<u8>,
    cut: bool,
    accepted: bool,
    place: Place,
}

impl SudoLog {
    /// Times without a zone are in `zone`; those without a year are not after `now` in a file that does not say when it was
    /// changed.
    #[must_use]
    pub fn new(zone: TimeZone, now: SystemTime) -> Self {
        Self {
            clock: Clock::new(zone, now),
            now,
            running: Running::default(),
            entry: None,
            object: None,
        }
    }

    fn line(&mut self, line: &[u8], place: Place, out: &mut dyn Out) {
        if self.in_object(line, place, out) {
            return;
        }
        if let Some(more) = line.strip_prefix(INDENT) {
            match &mut self.entry {
                Some(entry) => entry.append(more),
                None => out.bad(place, &"an entry of sudo goes on here whose beginning is missing"),
            }
            return;
        }
        self.end_entry(out);
        if line.trim_ascii().is_empty() || matches!(line, b"{" | b"}") {
            return;
        }
        let Some((stamp, user, text)) = head(line) else {
            out.bad(place, &"not an entry of sudo's log");
            return;
        };
        let Some(time) = self.clock.moment(stamp) else {
            out.bad(place, &"a time that does not exist");
            return;
        };
        if self.clock.take_went_back() {
            out.bad(place, &crate::source::recorded::syslog::WENT_BACK);
        }
        self.entry = Some(Entry {
            user: user.to_vec(),
            text: text.to_vec(),
            cut: false,
            time,
            place,
        });
    }

    /// Whether the line was part of a JSON object.
    fn in_object(&mut self, line: &[u8], place: Place, out: &mut dyn Out) -> bool {
        if self.object.is_none() {
            let Some(accepted) = object_begins(line) else {
                return false;
            };
            self.end_entry(out);
            self.object = Some(Object {
                text: b"{".to_vec(),
                cut: false,
                accepted,
                place,
            });
            return true;
        }
        // One that begins before the last has ended: the file was cut there.
        if object_begins(line).is_some() {
            self.end_object(out);
            return self.in_object(line, place, out);
        }
        let Some(object) = &mut self.object else { return false };
        if object.accepted {
            object.cut |= object.text.len() + line.len() > LONGEST;
            if !object.cut {
                object.text.extend_from_slice(line);
                object.text.push(b'\n');
            }
        }
        if matches!(line, b"    }" | b"    },") {
            self.end_object(out);
        }
        true
    }

    fn end_object(&mut self, out: &mut dyn Out) {
        let Some(object) = self.object.take().filter(|object| object.accepted) else {
            return;
        };
        if object.cut {
            out.bad(object.place, &"an entry of sudo is longer than is read");
            return;
        }
        let text = object.text.trim_ascii_end();
        match serde_json::from_slice::<Accept>(text.strip_suffix(b",").unwrap_or(text)) {
            Ok(accept) => accept.tell(&heard(self.now, object.place), out),
            Err(error) => out.bad(
                object.place,
                &format_args!("an entry of sudo is not the JSON it should be: {error}"),
            ),
        }
    }

    fn end_entry(&mut self, out: &mut dyn Out) {
        if let Some(entry) = self.entry.take() {
            let heard = heard(entry.time, entry.place);
            entry::tell(&entry.user, &entry.text, entry.cut, &heard, &mut self.running, out);
        }
    }
}

fn heard(time: SystemTime, place: Place) -> Heard<'static> {
    Heard {
        time,
        host: None,
        pid: None,
        login_uid: None,
        session_id: None,
        unit: None,
        place,
    }
}

impl Entry {
    /// It is wrapped at blanks only (`eventlog_writeln()` in its lib/eventlog/eventlog.c).
    fn append(&mut self, more: &[u8]) {
        let room = LONGEST.saturating_sub(self.text.len() + 1);
        self.cut |= more.len() > room;
        if room > 0 {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(more.get(..room).unwrap_or(more));
    }
}

/// `    "accept": {`; false for an event of another kind.
fn object_begins(line: &[u8]) -> Option<bool> {
    match line {
        b"    \"accept\": {" => Some(true),
        b"    \"reject\": {" | b"    \"alert\": {" | b"    \"exit\": {" => Some(false),
        _ => None,
    }
}

fn head(line: &[u8]) -> Option<(Stamp<'_>, &[u8], &[u8])> {
    let (stamp, rest) = Stamp::split(line)?;
    let (user, text) = entry::user(rest.strip_prefix(b": ")?)?;
    Some((stamp, user, text))
}

/// Whether lines are of such a file. A line in the middle of an entry says nothing.
pub(crate) fn is_log<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut entries = 0;
    for line in lines {
        if line.starts_with(INDENT) {
            if object_begins(line).is_some() {
                return true;
            }
        } else if head(line).is_some() {
            entries += 1;
        } else if !line.is_empty() && line != b"{" && entries > 0 {
            return false;
        }
    }
    entries > 0
}

impl Parser for SudoLog {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        self.clock.set_latest(input.modified().unwrap_or(self.now));
        each_line(input, out, |line, place, out| self.line(line, place, out))
    }

    fn finish(&mut self, out: &mut dyn Out) {
        self.end_entry(out);
        if self.object.as_ref().is_some_and(|object| object.accepted) {
            self.end_object(out);
        }
    }
}
