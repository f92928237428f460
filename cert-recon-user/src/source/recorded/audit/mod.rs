//! The log of auditd, whoever wrote it down: records of one event are joined by host and serial number.
//!
//! Owns which records belong together and when an event is whole; what they mean is `event`'s matter, what a line is
//! `line`'s. Records of several events may be mixed, as the kernel gives them from several processors.

mod event;
mod line;
mod parents;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, io, time::SystemTime};

use self::{
    event::{Decoded, Event, is_exec},
    line::{Kind, Record, Stamp, record},
    parents::Parents,
};
use super::{Gap, Input, Line, Out, Parser, Place, Recorded};
use crate::finding::Report;

/// Events that may be open at the same time; when there are more, the oldest is taken for whole.
const OPEN: usize = 256;
/// Bytes that they may have together.
const OPEN_BYTES: usize = 64 << 20;
/// An event is whole when another one is so many seconds later.
const LATEST: i64 = 5;
/// Events that are remembered after they were given, so that a line that stands twice is no second exec.
const CLOSED: usize = 256;
/// Hosts that one log may name.
const NODES: usize = 4096;

/// Reads audit logs.
#[derive(Debug, Default)]
pub struct AuditParser {
    /// In the order of their first records.
    open: VecDeque<Event>,
    open_bytes: usize,
    closed: VecDeque<(usize, Stamp)>,
    /// Memory of events that are done.
    spare: Vec<Event>,
    nodes: Vec<Box<[u8]>>,
    parents: Parents,
    decoded: Decoded,
}

/// An audit record as the journal keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalEntry<'a> {
    pub(super) host: &'a [u8],
    /// The record's type.
    pub(super) kind: &'a [u8],
    pub(super) serial: u64,
    pub(super) time: SystemTime,
    pub(super) message: &'a [u8],
}

impl Parser for AuditParser {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        loop {
            let place = Place {
                line: input.place().line + 1,
                ..input.place()
            };
            match input.next_line()? {
                Some(Line::Whole(line)) => self.line(line, b"", place, out),
                Some(Line::TooLong) => out.bad(place, &"the line is too long for a record"),
                None => return Ok(()),
            }
        }
    }

    fn finish(&mut self, out: &mut dyn Out) {
        while let Some(event) = self.open.pop_front() {
            self.close(event, out);
        }
    }
}

impl AuditParser {
    /// Takes a line: of an audit log, or of a log that has audit records among others. Other lines are passed over. `host`
    /// is that of the log, for a record that names none.
    pub fn line(&mut self, line: &[u8], host: &[u8], place: Place, out: &mut dyn Out) {
        match record(line) {
            Ok(Some(record)) if record.node.is_empty() => self.record(Record { node: host, ..record }, place, out),
            Ok(Some(record)) => self.record(record, place, out),
            Ok(None) => loss(line, place, out),
            Err(why) => out.bad(place, &why),
        }
    }

    /// Takes a record that the journal has taken apart: its type, the event's serial number and time, and the
    /// message, which is the type's name and the record's fields.
    pub(super) fn entry(&mut self, entry: &JournalEntry<'_>, place: Place, out: &mut dyn Out) {
        let Ok(since) = entry.time.duration_since(SystemTime::UNIX_EPOCH) else {
            out.bad(place, &"an audit record of before 1970");
            return;
        };
        let body = memchr::memchr(b' ', entry.message).and_then(|end| entry.message.get(end + 1..));
        let record = Record {
            node: entry.host,
            kind: Kind::of(entry.kind),
            stamp: Stamp {
                seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                millis: since.subsec_millis(),
                serial: entry.serial,
            },
            body: body.unwrap_or_default(),
        };
        self.record(record, place, out);
    }

    fn record(&mut self, record: Record<'_>, place: Place, out: &mut dyn Out) {
        let Record {
            node,
            kind,
            stamp,
            body,
        } = record;
        let opens = match kind {
            Kind::Other => return,
            Kind::Syscall => is_exec(body),
            Kind::Execve => true,
            _ => false,
        };
        if !opens && self.open.is_empty() {
            return;
        }
        let Some(node) = self.node(node) else {
            out.bad(place, &format!("the log names more than {NODES} hosts"));
            return;
        };
        let at = self
            .open
            .iter()
            .rposition(|event| event.node == node && event.stamp == Some(stamp));
        let Some(at) = at else {
            if opens && !self.closed.contains(&(node, stamp)) {
                self.make_room(stamp, out);
                let mut event = self.spare.pop().unwrap_or_default();
                event.begin(node, stamp, place);
                event.add(kind, body);
                self.open_bytes += event.len();
                self.open.push_back(event);
            }
            return;
        };
        let Some(event) = self.open.get_mut(at) else { return };
        if kind != Kind::End {
            let before = event.len();
            event.add(kind, body);
            self.open_bytes += event.len() - before;
        }
        // The title comes last; auditd writes no record of the end to its log.
        if matches!(kind, Kind::Proctitle | Kind::End)
            && let Some(event) = self.open.remove(at)
        {
            self.close(event, out);
        }
    }

    fn node(&mut self, name: &[u8]) -> Option<usize> {
        if let Some(at) = self.nodes.iter().position(|known| **known == *name) {
            return Some(at);
        }
        (self.nodes.len() < NODES).then(|| {
            self.nodes.push(name.into());
            self.nodes.len() - 1
        })
    }

    /// Takes for whole what waits too long, or what there is no room for.
    fn make_room(&mut self, now: Stamp, out: &mut dyn Out) {
        while let Some(first) = self.open.front() {
            let is_late = first
                .stamp
                .is_some_and(|stamp| stamp.seconds.saturating_add(LATEST) < now.seconds);
            if !(is_late || self.open.len() >= OPEN || self.open_bytes > OPEN_BYTES) {
                return;
            }
            if let Some(event) = self.open.pop_front() {
                self.close(event, out);
            }
        }
    }

    fn close(&mut self, event: Event, out: &mut dyn Out) {
        self.open_bytes -= event.len();
        if let Some(stamp) = event.stamp {
            self.closed.push_back((event.node, stamp));
            if self.closed.len() > CLOSED {
                self.closed.pop_front();
            }
        }
        self.give(&event, out);
        if self.spare.len() < OPEN {
            self.spare.push(event);
        }
    }

    fn give(&mut self, event: &Event, out: &mut dyn Out) {
        if event.is_cut {
            out.bad(
                event.place,
                &"the records of this event are too long together: its arguments are cut",
            );
        }
        let syscall = self.decoded.read(event);
        let Some(exec) = self.decoded.exec(event, &syscall) else {
            out.bad(event.place, &"the time of the event can't be represented");
            return;
        };
        let parents = &self.parents;
        let complete = |report: &mut Report| {
            let name = |name: Option<&[u8]>| Some(String::from_utf8_lossy(name?).into_owned());
            report.login_account = name(syscall.names.auid);
            report.account = name(syscall.names.uid);
            report.effective_account = name(syscall.names.euid);
            report.ancestry = parents.above(event.node, &exec);
        };
        let node = self.nodes.get(event.node).map(|node| &**node);
        out.exec(&Recorded {
            device: node.filter(|node| !node.is_empty()),
            details: &complete,
            ..Recorded::new(&exec, event.place)
        });
        self.parents.note(event.node, &exec);
    }
}

/// The kernel and auditd say when they had to drop records.
fn loss(line: &[u8], place: Place, out: &mut dyn Out) {
    // `audit: audit_backlog=321 > audit_backlog_limit=320`, `audit: audit_lost=5 ...`, `audit: backlog limit exceeded`,
    // `audit: rate limit exceeded` (`audit_log_lost()` in `kernel/audit.c`); auditd: `queue is full - dropping event`.
    let has = |needle: &[u8]| memchr::memmem::find(line, needle).is_some();
    if !has(b"audit") {
        return;
    }
    let what = if has(b"audit_lost=") {
        "the kernel dropped audit records"
    } else if has(b"audit: backlog limit exceeded") || has(b"audit: rate limit exceeded") {
        "the kernel had no room for audit records"
    } else if has(b"dropping event") && has(b"full") {
        "auditd dropped events"
    } else {
        return;
    };
    out.gap(
        place,
        &Gap {
            count: None,
            from: None,
            until: None,
            what: what.to_owned(),
        },
    );
}

/// Whether a text begins as an audit log does.
#[must_use]
pub fn looks_like(sample: &[u8]) -> bool {
    let mut records = 0;
    let lines = sample.split(|byte| *byte == b'\n');
    // The first line may be the end of one, and the last the beginning of one.
    for line in lines.take(64) {
        if line.starts_with(b"type=") || line.starts_with(b"node=") {
            records += usize::from(matches!(record(line), Ok(Some(_))));
        }
    }
    records > 0
}
