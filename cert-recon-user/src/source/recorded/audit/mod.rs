//! The log of auditd, whoever wrote it down: records of one event are joined by host and serial number.
//!
//! Owns which records belong together and when an event is whole; what they mean is `event`'s matter, what a line is
//! `line`'s. Records of several events may be mixed, as the kernel gives them from several processors.

mod argv;
mod event;
mod line;
mod loss;
mod open;
mod parents;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, io, time::SystemTime};

use self::{
    event::{Call, Decoded, Event},
    line::{Kind, Record, Stamp, record},
    loss::Auditing,
    open::{Key, OPEN, Table, Why},
    parents::Parents,
};
use super::{Input, Out, Parser, Place, Recorded, input::each_line};
use crate::{finding::Report, text};

/// Hosts that one log may name.
const NODES: usize = 4096;

/// Reads audit logs.
#[derive(Debug, Default)]
pub struct AuditParser {
    events: Table,
    /// The event that was last seen to be no exec: most of its records follow at once.
    passed: Option<Key>,
    /// The hosts, each by its number.
    nodes: Vec<Node>,
    numbers: HashMap<Box<[u8]>, usize>,
    /// The number of the host of the last record.
    last_node: usize,
    parents: Parents,
    decoded: Decoded,
}

/// A host.
#[derive(Debug)]
struct Node {
    name: Box<[u8]>,
    auditing: Auditing,
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
        each_line(input, out, |line, place, out| self.line(line, b"", place, out))
    }

    fn finish(&mut self, out: &mut dyn Out) {
        while let Some(key) = self.events.first() {
            self.close(&key, out);
        }
        for node in &mut self.nodes {
            node.auditing.finish(out);
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
            Ok(None) if is_unnumbered(line) => out.bad(
                place,
                &"an audit record without the number of its event, as the journal prints it: `journalctl -o json` gives it",
            ),
            Ok(None) => loss::line(line, place, out),
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
        if kind == Kind::Other {
            return;
        }
        let Some(number) = self.number(node) else {
            out.bad(place, &format_args!("the log names more than {NODES} hosts"));
            return;
        };
        let key = (number, stamp);
        if self.passed == Some(key) && kind != Kind::Execve {
            return;
        }
        let Some(node) = self.nodes.get_mut(number) else { return };
        if let Kind::Daemon(kind) = kind {
            node.auditing.note(kind, stamp, body, place, out);
            return;
        }
        node.auditing.last = Some(stamp);
        let call = (kind == Kind::Syscall).then(|| Call::of(body));
        match (kind, call) {
            (_, Some(Call::Other)) => self.passed = Some(key),
            (_, Some(Call::Failed)) => {
                // Should its other records have come first, they tell of nothing that happened.
                self.passed = Some(key);
                if let Some(event) = self.events.close(&key) {
                    self.events.reuse(event);
                } else {
                    self.events.remember(key);
                }
            }
            (Kind::End, _) => self.close(&key, out),
            (Kind::Syscall | Kind::Execve, _) => self.add(key, &record, call, place, out),
            _ if self.events.is_empty() => {}
            _ => {
                let event = self.events.change(&key, |event| event.add(kind, body));
                // The title comes last; auditd writes no record of the end to its log. Where lines are out of order, the
                // others are waited for.
                let is_whole = event.is_some_and(Event::is_complete) && kind == Kind::Proctitle;
                if is_whole {
                    self.close(&key, out);
                }
            }
        }
    }

    /// Adds a record that may be the first of an exec.
    fn add(&mut self, key: Key, record: &Record<'_>, call: Option<Call>, place: Place, out: &mut dyn Out) {
        let add = |event: &mut Event| {
            if call == Some(Call::Exec) {
                event.set_call();
            }
            event.add(record.kind, record.body);
        };
        if self.events.change(&key, add).is_none() && !self.events.is_closed(&key) {
            let mut event = self.events.spare();
            event.begin(key.0, key.1, place);
            add(&mut event);
            self.make_room(key, out);
            self.events.open(key, event);
        } else if record.kind == Kind::Execve {
            self.make_room(key, out);
        }
    }

    /// The number of a host.
    fn number(&mut self, name: &[u8]) -> Option<usize> {
        // Most logs name none.
        let is_last = |node: &Node| node.name.is_empty() && name.is_empty() || *node.name == *name;
        if self.nodes.get(self.last_node).is_some_and(is_last) {
            return Some(self.last_node);
        }
        let known = self.numbers.get(name).copied();
        let number = match known {
            Some(number) => number,
            None if self.nodes.len() < NODES => {
                self.nodes.push(Node {
                    name: name.into(),
                    auditing: Auditing::default(),
                });
                self.numbers.insert(name.into(), self.nodes.len() - 1);
                self.nodes.len() - 1
            }
            None => return None,
        };
        self.last_node = number;
        Some(number)
    }

    /// Takes for whole what waits too long, or what there is no room for.
    fn make_room(&mut self, now: Key, out: &mut dyn Out) {
        while let Some((event, why)) = self.events.surplus(now) {
            if why == Why::Room && event.is_exec() && !event.is_complete() {
                out.bad(
                    event.place,
                    &format_args!(
                        "more than {OPEN} events, or too many bytes of them, wait for their end: this one is taken as it is"
                    ),
                );
            }
            self.give(&event, out);
            self.events.reuse(event);
        }
    }

    fn close(&mut self, key: &Key, out: &mut dyn Out) {
        if let Some(event) = self.events.close(key) {
            self.give(&event, out);
            self.events.reuse(event);
        }
    }

    fn give(&mut self, event: &Event, out: &mut dyn Out) {
        if !event.is_exec() {
            return;
        }
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
            let name = |name: Option<&[u8]>| Some(text::lossless(name?).0.into_owned());
            report.login_account = name(syscall.names.auid);
            report.account = name(syscall.names.uid);
            report.effective_account = name(syscall.names.euid);
            if let Some(origin) = &mut report.origin {
                origin.key = event.key();
            }
            report.ancestry = parents.above(event.node, &exec);
            report.previous = parents.previous(event.node, &exec);
        };
        let node = self.nodes.get(event.node).map(|node| &*node.name);
        out.exec(&Recorded {
            device: node.filter(|node| !node.is_empty()),
            details: &complete,
            ..Recorded::new(&exec, event.place)
        });
        self.parents.note(event.node, &exec);
    }
}

/// Whether the line is an EXECVE record in the short form of the journal (`audit[12]: EXECVE argc=1 a0="ls"`, before systemd
/// 233 `audit: <audit-1309> argc=1 a0="ls"`), which does not say to which event it belongs.
fn is_unnumbered(line: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(line, needle).is_some();
    has(b"audit") && (has(b": EXECVE argc=") || has(b": <audit-1309> argc="))
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
