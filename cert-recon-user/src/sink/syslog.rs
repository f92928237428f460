//! The syslog form of every record: RFC 5424, with the principal fields as structured data and the record's JSON as message.
//!
//! Owns what fits: a receiver cuts what is longer than its limit, so a record that would be is shortened here, as JSON that is
//! still whole and says what is missing. `docs/outputs.md` describes it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    fields::priority,
    json::{self, Fields, timestamp},
};
use crate::{record::Record, text::for_terminal};

/// Bytes of a message that rsyslog takes unless it is told otherwise, and so the usual limit.
pub const USUAL_LIMIT: usize = 8096;
/// Less has no room for the principal fields.
pub const LEAST_LIMIT: usize = 4096;
/// More than the kernel takes in one datagram where nobody has allowed more.
pub const MOST_LIMIT: usize = 128 << 10;
/// The structured data's name. 32473 is the number that RFC 5612 gives to examples; cert-recon has none of its own.
pub const SD_ID: &str = "cert-recon@32473";
/// What rsyslog's mmjsonparse looks for before JSON.
pub const COOKIE: &str = "@cee:";

/// `LOG_AUTHPRIV`.
const FACILITY: u8 = 10;
/// Bytes of one principal field.
const PARAMETER: usize = 128;
/// How the names of fields end that have bytes in base64.
const BASE64: &str = "Base64";
/// A text is rather cut than left out.
const LEAST_TEXT: usize = 64;
/// The principal fields: names in the structured data, and in the record.
const PARAMETERS: [(&str, &str); 13] = [
    ("event", "EventId"),
    ("confidence", "Confidence"),
    ("severity", "Severity"),
    ("category", "ToolCategory"),
    ("technique", "Technique"),
    ("rule", "RuleIds"),
    ("account", "AccountName"),
    ("logon", "LogonAccountName"),
    ("pid", "ProcessId"),
    ("program", "FileName"),
    ("target", "Targets"),
    ("lost", "EventsLostSinceLast"),
    ("status", "Status"),
];

/// The record as a message of `limit` bytes at most, with a newline, which is not part of it. `json` is its line of JSON.
#[must_use]
pub fn message(record: &Record, device: &str, json: &[u8], limit: usize) -> Vec<u8> {
    let json = json.strip_suffix(b"\n").unwrap_or(json);
    let fields = Fields::parse(json).unwrap_or_default();
    let mut text = format!(
        "<{}>1 {} {} cert-recon - {} [{SD_ID}",
        FACILITY * 8 + priority(record),
        timestamp(record.time()),
        header(device, 255),
        header(fields.text("ActionType").unwrap_or_default(), 32),
    );
    for (name, field) in PARAMETERS {
        let value = fields.get(field).and_then(|value| match value {
            // The first says most.
            Value::Array(items) => items.first(),
            value => Some(value),
        });
        if let Some(value) = value {
            parameter(&mut text, name, value);
        }
    }
    let rest = text.len() + "]  ".len() + COOKIE.len();
    if rest + json.len() <= limit {
        let _ = write!(text, "] {COOKIE} ");
        let mut message = text.into_bytes();
        message.extend_from_slice(json);
        message.push(b'\n');
        return message;
    }
    // Writing to a String can't fail.
    let _ = write!(text, " cut=\"{}\"", json.len());
    let room = limit.saturating_sub(text.len() + "]  ".len() + COOKIE.len());
    let _ = writeln!(text, "] {COOKIE} {}", shortened(fields, json.len(), room));
    text.into_bytes()
}

/// A field of the header: printable ASCII without spaces, `-` when there is none.
fn header(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

fn parameter(text: &mut String, name: &str, value: &Value) {
    let value = match value {
        Value::String(text) => for_terminal(text.as_bytes()).into_owned(),
        value => value.to_string(),
    };
    let _ = write!(text, " {name}=\"");
    let end = value.floor_char_boundary(PARAMETER);
    for c in value.get(..end).unwrap_or_default().chars() {
        if matches!(c, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

/// The record as JSON of `room` bytes at most. The longest fields are cut, or left out where that is not enough: `RecordCut` names
/// them, `RecordBytes` is the length of the whole record, and `EventId` finds it in other outputs.
fn shortened(fields: Fields, all: usize, room: usize) -> String {
    let mut kept: Map<String, Value> = fields.0.into_iter().collect();
    let mut cut: Vec<String> = Vec::new();
    loop {
        kept.insert("RecordBytes".to_owned(), all.into());
        kept.insert("RecordCut".to_owned(), cut.iter().map(String::as_str).collect());
        let text = json::harmless(&Value::Object(kept.clone()));
        let excess = text.len().saturating_sub(room);
        let longest = kept
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "EventId" | "RecordBytes" | "RecordCut" | "ActionType"))
            // A part of base64 is of no use, and none of a reader's that wants the whole: it goes first.
            .map(|(name, value)| (name.ends_with(BASE64), json::harmless(value).len(), name.clone()))
            .max();
        let Some((is_base64, length, name)) = longest.filter(|_| excess > 0) else {
            return text;
        };
        if !cut.contains(&name) {
            cut.push(name.clone());
        }
        // Beside what is too much, room for its name in the list.
        let excess = excess + name.len() + 16;
        let is_shorter = !is_base64 && kept.get_mut(&name).is_some_and(|value| shorten(value, length, excess));
        if !is_shorter {
            kept.remove(&name);
        }
    }
}

/// Makes a value of `length` bytes of JSON shorter, by `excess` bytes if it can be; whether it is. Of a list, such as the ancestry,
/// the longest text is cut, and when all are short the last item is left out.
fn shorten(value: &mut Value, length: usize, excess: usize) -> bool {
    match value {
        Value::String(text) => {
            // Bytes that JSON escapes are longer in it.
            let share = text.len() * length.saturating_sub(excess) / length.max(1);
            let before = text.len();
            text.truncate(text.floor_char_boundary(share.max(LEAST_TEXT)));
            text.len() < before
        }
        Value::Array(items) => shorten_longest(items.iter_mut(), excess) || (items.len() > 1 && items.pop().is_some()),
        Value::Object(fields) => shorten_longest(fields.values_mut(), excess),
        _ => false,
    }
}

/// As [`shorten`], of the one that is longest.
fn shorten_longest<'a>(items: impl Iterator<Item = &'a mut Value>, excess: usize) -> bool {
    let lengths = items.map(|item| (json::harmless(item).len(), item));
    let longest = lengths.max_by_key(|(length, _)| *length);
    longest.is_some_and(|(length, item)| shorten(item, length, excess))
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
        finding::{Image, Process, Report},
        text::is_harmful,
    };

    fn report(argv: &[u8]) -> Report {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        Report::new(&Exec::new(time, Argv::whole(argv)), None)
    }

    fn message(report: &Report, limit: usize) -> String {
        let record = Record::Exec(Box::new(report.clone()));
        let message = super::message(&record, "host", &json::line(&record, "host"), limit);
        String::from_utf8(message).unwrap()
    }

    fn object(message: &str) -> Value {
        let (_, json) = message.split_once("] @cee: ").unwrap();
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_message_has_header_principal_fields_and_the_whole_record() {
        let mut report = report(b"curl\0a]\"\\\n\0");
        report.account = Some("a\"b]c\\d\u{1b}".into());
        report.pid = Some(12);
        let text = message(&report, USUAL_LIMIT);
        let id = report.event_id("host");
        let head = format!(
            "<86>1 2023-11-14T22:13:20.123456Z host cert-recon - ProcessCreated [cert-recon@32473 event=\"{id}\" \
             account=\"a\\\"b\\]c\\\\d\\\\x1b\" pid=\"12\" lost=\"0\"] @cee: {{"
        );
        assert!(text.starts_with(&head), "{text}");
        let row: Value = serde_json::from_slice(&json::report(&report, "host")).unwrap();
        assert_eq!(object(&text), row);
    }

    #[test]
    fn what_is_too_long_is_shortened_as_whole_json_that_says_so() {
        let argv = [&b"curl\0"[..], &b"\"\xff".repeat(40_000), b"\0"].concat();
        let report = report(&argv);
        let all = json::report(&report, "host").len() - 1;
        for limit in [LEAST_LIMIT, USUAL_LIMIT, MOST_LIMIT] {
            let text = message(&report, limit);
            assert!(text.len() <= limit + 1, "{} of {limit}", text.len());
            assert!(text.len() > limit / 2, "{} of {limit}: room is used", text.len());
            let row = object(&text);
            assert_eq!(row["RecordBytes"], all);
            assert_eq!(row["EventId"], report.event_id("host"));
            let cut = row["RecordCut"].as_array().unwrap();
            assert!(cut.contains(&"ProcessArguments".into()), "{cut:?}");
            assert!(text.contains(&format!(" cut=\"{all}\"]")));
        }
        assert!(object(&message(&report, 1 << 20)).get("RecordCut").is_none());
    }

    #[test]
    fn of_a_long_ancestry_the_names_stay() {
        let mut report = report(b"sslyze\0");
        for number in 0..16 {
            let argv = [&b"sh\0-c\0"[..], &vec![b'x'; 2000 * (1 + number % 4)], b"\0"].concat();
            report.ancestry.push(Process {
                pid: Some(1),
                image: Image {
                    file_name: Some(format!("shell{number}").into_bytes()),
                    argv_total: argv.len() as u64,
                    argv: Some(argv),
                    ..Image::default()
                },
            });
        }
        let row = object(&message(&report, USUAL_LIMIT));
        assert_eq!(row["RecordCut"], serde_json::json!(["Ancestry"]), "{row:#}");
        let ancestry = row["Ancestry"].as_array().unwrap();
        assert_eq!(ancestry.len(), 16);
        for (number, ancestor) in ancestry.iter().enumerate() {
            assert_eq!(ancestor["FileName"], format!("shell{number}"));
            assert!(
                ancestor["CommandLine"].as_str().unwrap().starts_with("sh -c x"),
                "{ancestor}"
            );
        }
    }

    #[test]
    fn the_host_s_name_can_t_end_the_header() {
        assert_eq!(header("a b\n\u{e9}c", 255), "abc");
        assert_eq!(header("\n", 255), "-");
        assert_eq!(header(&"x".repeat(300), 255).len(), 255);
    }

    proptest! {
        #[test]
        fn any_bytes_make_one_line_of_the_limit_at_most(
            argv in vec(any::<u8>(), 0..9000),
            name in vec(any::<u8>(), 0..600),
        ) {
            let mut report = report(&argv);
            report.file_name = Some(name.clone());
            report.directory = Some(name);
            let text = message(&report, LEAST_LIMIT);
            assert!(text.len() <= LEAST_LIMIT + 1);
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.contains(is_harmful), "{line:?}");
            assert_eq!(object(line)["EventId"], report.event_id("host"));
        }
    }
}
