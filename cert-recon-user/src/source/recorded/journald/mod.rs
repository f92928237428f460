//! Entries of the journal: `journalctl -o json` and `-o export`.
//!
//! Owns their fields, and whose entries are looked at: sudo's, the audit subsystem's and Sysmon's. An entry also says which
//! process wrote it, with its command line; that is no exec at that time, and is not used. What sudo, auditd and Sysmon say
//! is [`super::sudo`]'s, [`super::audit`]'s and [`super::sysmon`]'s matter.

mod export;
mod json;

use std::{
    borrow::Cow,
    io::{self, BufRead as _},
    time::{Duration, SystemTime},
};

use super::{
    Input, Out, Parser, Place,
    audit::{AuditParser, JournalEntry},
    sudo::{Heard, Messages},
    syslog::decimal,
    sysmon,
};

/// The fields that are read.
const NAMES: [&str; 13] = [
    "MESSAGE",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_TRANSPORT",
    "_HOSTNAME",
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_PID",
    "_AUDIT_LOGINUID",
    "_AUDIT_SESSION",
    "_SYSTEMD_UNIT",
    "_AUDIT_TYPE_NAME",
    "_AUDIT_ID",
];

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value<'a> {
    /// As it was logged.
    Bytes(Cow<'a, [u8]>),
    /// It was too large for the export.
    TooLarge,
}

/// An entry.
#[derive(Debug, Default)]
struct Fields<'a> {
    values: [Option<Value<'a>>; NAMES.len()],
}

impl<'a> Fields<'a> {
    /// The place of a field's value; none for one that is not read.
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<Value<'a>>> {
        let index = NAMES.iter().position(|known| known.as_bytes() == name)?;
        self.values.get_mut(index)
    }

    fn value(&self, name: &str) -> Option<&Value<'a>> {
        let index = NAMES.iter().position(|known| *known == name)?;
        self.values.get(index)?.as_ref()
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        match self.value(name)? {
            Value::Bytes(bytes) => Some(&**bytes).filter(|bytes| !bytes.is_empty()),
            Value::TooLarge => None,
        }
    }

    fn number(&self, name: &str) -> Option<u32> {
        decimal(self.get(name)?).filter(|number| *number != u32::MAX)
    }

    fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }

    /// When it was logged: by its writer's clock if that is known, else when the journal got it.
    fn time(&self) -> Option<SystemTime> {
        let micros = |name: &str| std::str::from_utf8(self.get(name)?).ok()?.parse::<u64>().ok();
        let micros = micros("_SOURCE_REALTIME_TIMESTAMP").or_else(|| micros("__REALTIME_TIMESTAMP"))?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros))
    }
}

/// Reads both forms.
#[derive(Default)]
pub struct Journal {
    entries: Entries,
    export: export::Export,
}

/// What is kept between entries.
#[derive(Default)]
struct Entries {
    sudo: Messages,
    audit: AuditParser,
}

impl Entries {
    fn entry(&mut self, fields: &Fields<'_>, place: Place, out: &mut dyn Out) {
        let identifier = fields.get("SYSLOG_IDENTIFIER");
        let is_sudo = identifier == Some(b"sudo") || fields.get("_COMM") == Some(b"sudo");
        let is_sysmon = identifier == Some(b"sysmon");
        let is_audit = fields.get("_TRANSPORT") == Some(b"audit");
        if !(is_sudo || is_sysmon || is_audit) {
            return;
        }
        let message = match fields.value("MESSAGE") {
            Some(Value::Bytes(message)) => message,
            Some(Value::TooLarge) => {
                out.bad(
                    place,
                    &"the message is not in this export: `journalctl --all` exports long ones too",
                );
                return;
            }
            None => return,
        };
        let Some(time) = fields.time() else {
            out.bad(place, &"an entry without a time");
            return;
        };
        if is_audit {
            let serial = fields
                .get("_AUDIT_ID")
                .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            let (Some(kind), Some(serial)) = (fields.get("_AUDIT_TYPE_NAME"), serial) else {
                return;
            };
            let entry = JournalEntry {
                host: fields.get("_HOSTNAME").unwrap_or_default(),
                kind,
                serial,
                time,
                message,
            };
            self.audit.entry(&entry, place, out);
        } else if is_sysmon {
            sysmon::event(message.trim_ascii_start(), fields.get("_HOSTNAME"), place, out);
        } else if is_sudo {
            let heard = Heard {
                time,
                host: fields.get("_HOSTNAME"),
                pid: fields.number("_PID"),
                login_uid: fields.number("_AUDIT_LOGINUID"),
                session_id: fields.number("_AUDIT_SESSION"),
                unit: fields
                    .get("_SYSTEMD_UNIT")
                    .and_then(|unit| std::str::from_utf8(unit).ok()),
                place,
            };
            self.sudo.take(message, &heard, out);
        }
    }
}

impl Parser for Journal {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        let is_json = input
            .fill_buf()?
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
            .is_some_and(|byte| b"{\x1ed".contains(byte));
        if is_json {
            json::read(input, &mut self.entries, out)
        } else {
            self.export.read(input, &mut self.entries, out)
        }
    }

    fn finish(&mut self, out: &mut dyn Out) {
        self.entries.sudo.finish(out);
        self.entries.audit.finish(out);
    }
}

/// Whether these lines are of one of the two forms. The first may be cut.
pub(crate) fn is_export<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    for line in lines {
        let json = json::object(line);
        if json.starts_with(b"{") && memchr::memmem::find(json, b"\"__REALTIME_TIMESTAMP\"").is_some() {
            return true;
        }
        let micros = line.strip_prefix(b"__REALTIME_TIMESTAMP=");
        if micros.is_some_and(|micros| micros.len() > 9 && micros.iter().all(u8::is_ascii_digit)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
