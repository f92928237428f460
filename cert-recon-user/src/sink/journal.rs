//! The journal's form of every record: one field of the entry for each field of the record.
//!
//! Owns the names, what a value looks like, and the encoding, which is that of journald's native protocol and of the journal's
//! export format alike. `docs/outputs.md` describes it. journald sorts the fields of an entry, keeps two that are equal once,
//! and drops an entry of more than 1024 fields without a word: so nothing here depends on order or repetition.

use serde_json::Value;

use super::{
    fields::{exact, message, priority, snake},
    json::{self, Fields},
};
use crate::{finding::Report, record::Record};

/// Begins the name of every field that is the record's.
pub const PREFIX: &str = "CERT_RECON_";
/// Bytes of the line for people, which everything else says again.
const MESSAGE: usize = 16 << 10;
/// Items of a list that get a field each.
const ITEMS: usize = 64;
/// `LOG_AUTHPRIV`.
const FACILITY: u8 = 10;

/// `MESSAGE_ID` of a finding.
pub const FINDING: &str = "3b0f62e1c9a84f0d8b7e5a1d64c2f90e";
/// `MESSAGE_ID` of an exec that is none.
pub const EXEC: &str = "8d41c7a20e5b4b6fa3c9127f50e6d84b";
/// `MESSAGE_ID` of a loss.
pub const LOST: &str = "c5e2970bd13a4e68925f0b7ac84d1e36";
/// `MESSAGE_ID` of the monitor's state.
pub const HEALTH: &str = "61fa0d8c2b974d53ae80c4f7193b5d2e";
/// `MESSAGE_ID` of blindness.
pub const BLIND: &str = "f27b84d05c1e4a9f86d3e01b9a57c43d";

/// What kind of record it is, for who looks for entries of one kind.
#[must_use]
pub fn message_id(record: &Record) -> &'static str {
    match record {
        Record::Exec(report) if report.verdict.is_some() => FINDING,
        Record::Exec(_) => EXEC,
        Record::Lost(_) => LOST,
        Record::Health(_) => HEALTH,
        Record::Blind(_) => BLIND,
    }
}

/// The name of the field that a field of the record becomes.
#[must_use]
pub fn name(field: &str) -> String {
    format!("{PREFIX}{}", snake(field).to_ascii_uppercase())
}

/// The record as an entry. `json` is its line of JSON.
#[must_use]
pub fn entry(record: &Record, json: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(2 * json.len() + 1024);
    put(&mut entry, "MESSAGE", message(record, MESSAGE).as_bytes());
    put(&mut entry, "PRIORITY", priority(record).to_string().as_bytes());
    put(&mut entry, "MESSAGE_ID", message_id(record).as_bytes());
    put(&mut entry, "SYSLOG_IDENTIFIER", b"cert-recon");
    put(&mut entry, "SYSLOG_FACILITY", FACILITY.to_string().as_bytes());
    let report: Option<&Report> = match record {
        Record::Exec(report) => Some(report),
        _ => None,
    };
    for (field, value) in Fields::parse(json).unwrap_or_default().0 {
        let name = name(&field);
        match report.and_then(|report| exact(report, &field)) {
            Some(bytes) => put(&mut entry, &name, &bytes),
            // The arguments are exact already.
            None if field == "ProcessArgumentsBase64" => {}
            None => value_of(&mut entry, &name, &value),
        }
    }
    entry
}

fn value_of(entry: &mut Vec<u8>, name: &str, value: &Value) {
    match value {
        Value::String(text) => put(entry, name, text.as_bytes()),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            for item in items.iter().take(ITEMS).filter_map(Value::as_str) {
                put(entry, name, item.as_bytes());
            }
            if items.len() != 1 {
                put(entry, &format!("{name}_JSON"), json::harmless(value).as_bytes());
            }
        }
        value => put(entry, name, json::harmless(value).as_bytes()),
    }
}

/// A field. A value with a newline in it is preceded by its length.
fn put(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

/// The fields of an entry, in their order.
pub type Entry = Vec<(String, Vec<u8>)>;

/// Reads an entry of this encoding; none when it is no such thing.
#[must_use]
pub fn decode(entry: &[u8]) -> Option<Entry> {
    let (fields, rest) = decode_first(entry)?;
    rest.is_empty().then_some(fields)
}

/// Reads the first of several entries, each ended by an empty line, as `journalctl --output export` writes them. Gives what
/// follows as well; none when it is no such thing.
#[must_use]
pub fn decode_first(entries: &[u8]) -> Option<(Entry, &[u8])> {
    let mut fields = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let (line, after) = rest.split_at_checked(end)?;
        let after = after.strip_prefix(b"\n")?;
        if line.is_empty() {
            return Some((fields, after));
        }
        let (name, value);
        if let Some(equals) = line.iter().position(|&byte| byte == b'=') {
            (name, value) = (line.get(..equals)?, line.get(equals + 1..)?);
            rest = after;
        } else {
            let (length, after) = after.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (bytes, after) = after.split_at_checked(length)?;
            (name, value) = (line, bytes);
            rest = after.strip_prefix(b"\n")?;
        }
        fields.push((String::from_utf8(name.to_vec()).ok()?, value.to_vec()));
    }
    Some((fields, rest))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::{
        collection::vec,
        prelude::{any, proptest},
    };

    use super::*;
    use crate::{
        event::{Argv, Exec},
        record::{Blind, Lost},
    };

    fn report(argv: &[u8]) -> Report {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        Report::new(&Exec::new(time, Argv::whole(argv)), None)
    }

    fn fields(record: &Record) -> Vec<(String, Vec<u8>)> {
        decode(&entry(record, &json::line(record, "host"))).unwrap()
    }

    fn value(fields: &[(String, Vec<u8>)], name: &str) -> Vec<u8> {
        let values: Vec<_> = fields.iter().filter(|(n, _)| n == name).collect();
        assert_eq!(values.len(), 1, "{name}");
        values[0].1.clone()
    }

    #[test]
    fn values_are_their_own_bytes_and_the_arguments_as_the_kernel_keeps_them() {
        let mut report = report(b"a\0\0\xff\n=b\0");
        report.tty = Some(b"pts/\xfe".to_vec());
        report.pid = Some(7);
        let fields = fields(&Record::Exec(Box::new(report)));
        assert_eq!(value(&fields, "CERT_RECON_PROCESS_ARGUMENTS"), b"a\0\0\xff\n=b\0");
        assert_eq!(value(&fields, "CERT_RECON_PROCESS_COMMAND_LINE"), b"a  \xff\n=b");
        assert_eq!(value(&fields, "CERT_RECON_TTY"), b"pts/\xfe");
        assert_eq!(value(&fields, "CERT_RECON_PROCESS_ID"), b"7");
        assert_eq!(value(&fields, "CERT_RECON_ARGUMENTS_TRUNCATED"), b"false");
        assert_eq!(value(&fields, "MESSAGE_ID"), EXEC.as_bytes());
        assert_eq!(value(&fields, "PRIORITY"), b"6");
        assert!(!fields.iter().any(|(name, _)| name.contains("BASE64")));
    }

    #[test]
    fn a_list_is_a_field_an_item_and_as_a_whole_when_order_could_matter() {
        let of = |items: &[&str]| {
            let mut report = report(b"a\0");
            report.known_as = items.iter().map(|&item| item.to_owned()).collect();
            let fields = fields(&Record::Exec(Box::new(report)));
            let of = |name: &str| {
                let of = fields.iter().filter(|(n, _)| n == name);
                of.map(|(_, value)| String::from_utf8(value.clone()).unwrap())
                    .collect::<Vec<_>>()
            };
            (of("CERT_RECON_KNOWN_AS"), of("CERT_RECON_KNOWN_AS_JSON"))
        };
        assert_eq!(of(&["b"]), (vec!["b".into()], vec![]));
        assert_eq!(
            of(&["b", "a", "b"]),
            (
                vec!["b".into(), "a".into(), "b".into()],
                vec![r#"["b","a","b"]"#.into()]
            )
        );
        let many = vec!["x"; 5000];
        let (items, whole) = of(&many);
        assert_eq!(items.len(), ITEMS, "an entry of too many fields would be dropped whole");
        assert_eq!(serde_json::from_str::<Vec<String>>(&whole[0]).unwrap(), many);
    }

    #[test]
    fn names_are_ones_that_journald_takes() {
        for field in json::exec_fields() {
            let name = name(field);
            assert!(name.len() + "_JSON".len() <= 64, "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
        }
    }

    #[test]
    fn each_kind_has_an_id_of_its_own() {
        let time = SystemTime::UNIX_EPOCH;
        let lost = Record::Lost(Lost {
            time,
            since: time,
            count: 3,
            total: 4,
            events_lost: 3,
        });
        let blind = Record::Blind(Blind {
            time,
            last_seen: None,
            reason: "detached".into(),
            events_lost: 0,
        });
        let (lost, blind) = (fields(&lost), fields(&blind));
        assert_eq!(value(&lost, "MESSAGE_ID"), LOST.as_bytes());
        assert_eq!(value(&lost, "CERT_RECON_COUNT"), b"3");
        assert_eq!(value(&blind, "MESSAGE_ID"), BLIND.as_bytes());
        assert_eq!(value(&blind, "PRIORITY"), b"2");
        let mut ids = [FINDING, EXEC, LOST, HEALTH, BLIND];
        assert!(
            ids.iter()
                .all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        );
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(values in vec(vec(any::<u8>(), 0..60), 0..8)) {
            let mut entry = Vec::new();
            for value in &values {
                put(&mut entry, "NAME", value);
            }
            let read: Vec<_> = decode(&entry).unwrap().into_iter().map(|(_, value)| value).collect();
            assert_eq!(read, values);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn no_argument_can_add_a_field(argv in vec(any::<u8>(), 0..200)) {
            let mut hostile = report(&argv);
            hostile.directory = Some(b"x\nMESSAGE=forged\nPRIORITY=7".to_vec());
            let names = |report| fields(&Record::Exec(Box::new(report))).into_iter().map(|(name, _)| name);
            let mut plain = report(b"a\0");
            plain.directory = Some(b"x".to_vec());
            let absent = |name: &String| name != "CERT_RECON_PROCESS_COMMAND_LINE";
            assert!(names(hostile).filter(absent).eq(names(plain).filter(absent)));
        }
    }
}
