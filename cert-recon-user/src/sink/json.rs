//! The JSON form of a report: the only module that knows it. One object, one line.
//!
//! Field names are those of the Sentinel query and of Microsoft's DeviceProcessEvents; `docs/events.md` describes them.

use std::{io, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

use crate::{event::Argv, finding::Report, text};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    timestamp: String,
    device_name: &'a str,
    action_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logon_account_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logon_uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logon_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_id: Option<u32>,
    process_command_line: String,
    process_arguments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_arguments_base64: Option<String>,
    argument_bytes: u64,
    argument_bytes_captured: u64,
    arguments_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_directory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiating_process_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fileless: Option<bool>,
    #[serde(flatten)]
    judgement: Option<Judgement<'a>>,
    event_id: String,
    events_lost_since_last: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Judgement<'a> {
    tool_category: &'a str,
    technique: &'a str,
    tactic: &'a str,
    severity: String,
    confidence: String,
    rule_ids: &'a [String],
    rule_packs: &'a [String],
    matched_terms: &'a [String],
}

/// The report as one line of JSON, with its newline.
#[must_use]
pub fn line(report: &Report, device: &str) -> Vec<u8> {
    let argv = Argv::new(&report.argv, report.argv_total);
    let mut raw = false;
    let mut shown = |bytes: &[u8]| {
        let (text, bad) = text::lossless(bytes);
        raw |= bad;
        text.into_owned()
    };
    let arguments: Vec<String> = argv.args().map(&mut shown).collect();
    let captured = report.argv.len() as u64;
    let row = Row {
        timestamp: timestamp(report.time),
        device_name: device,
        action_type: "ProcessCreated",
        account_name: report.account.as_deref(),
        account_uid: report.uid,
        logon_account_name: report.login_account.as_deref(),
        logon_uid: report.login_uid,
        logon_id: report.session_id,
        file_name: optional(&report.file_name),
        folder_path: optional(&report.folder_path),
        file_size: report.file_size,
        script_path: optional(&report.script_path),
        process_id: report.pid,
        process_command_line: arguments.join(" "),
        process_arguments: arguments,
        process_arguments_base64: raw.then(|| BASE64_STANDARD.encode(&report.argv)),
        argument_bytes: report.argv_total,
        argument_bytes_captured: captured,
        arguments_truncated: captured != report.argv_total,
        current_directory: optional(&report.directory),
        tty: optional(&report.tty),
        initiating_process_id: report.parent_pid,
        fileless: report.fileless,
        judgement: report.verdict.as_ref().map(|verdict| Judgement {
            tool_category: &verdict.category,
            technique: &verdict.technique,
            tactic: &verdict.tactic,
            severity: verdict.severity.to_string(),
            confidence: verdict.confidence.to_string(),
            rule_ids: &verdict.rule_ids,
            rule_packs: &verdict.packs,
            matched_terms: &verdict.matched_terms,
        }),
        event_id: report.event_id(device),
        events_lost_since_last: report.events_lost,
    };
    let mut line = Vec::with_capacity(1024 + 2 * report.argv.len());
    // Serializing plain data into memory can't fail.
    let _ = row.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Harmless));
    line.push(b'\n');
    line
}

/// RFC 3339, UTC, microseconds.
pub(super) fn timestamp(time: SystemTime) -> String {
    // The formatter covers the years 1970 to 9999.
    let latest = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_micros(time.clamp(SystemTime::UNIX_EPOCH, latest)).to_string()
}

fn optional(bytes: &Option<Vec<u8>>) -> Option<String> {
    bytes.as_deref().map(|bytes| text::lossless(bytes).0.into_owned())
}

/// Writes JSON that a terminal can be shown: characters above ASCII that it would obey are escaped like the control
/// characters below.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| text::is_harmful(*c)) {
            writer.write_all(rest.get(..at).unwrap_or_default().as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = rest.get(at + c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::event::Exec;

    fn report(argv: &[u8]) -> Report {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        Report::new(&Exec::new(time, Argv::whole(argv)), None)
    }

    fn parsed(report: &Report) -> Value {
        serde_json::from_slice(&line(report, "host")).unwrap()
    }

    #[test]
    fn arguments_are_complete_and_in_order_with_empty_ones_kept() {
        let row = parsed(&report(b"a\0\0b c\0\0"));
        assert_eq!(row["ProcessArguments"], serde_json::json!(["a", "", "b c", ""]));
        assert_eq!(row["ProcessCommandLine"], "a  b c ");
        assert_eq!(row["ArgumentBytes"], 8);
        assert_eq!(row["ArgumentsTruncated"], false);
        assert_eq!(row["Timestamp"], "2023-11-14T22:13:20.123456Z");
        assert!(row.get("ProcessArgumentsBase64").is_none());
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let row = parsed(&report(b"a\0"));
        for field in [
            "AccountName",
            "FileName",
            "FolderPath",
            "ProcessId",
            "Tty",
            "ToolCategory",
            "LogonUid",
        ] {
            assert!(row.get(field).is_none(), "{field}: {row}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_and_kept_exactly() {
        let row = parsed(&report(b"a\0\xff\xfe\0"));
        assert_eq!(row["ProcessArguments"][1], "\\xff\\xfe");
        let exact = BASE64_STANDARD
            .decode(row["ProcessArgumentsBase64"].as_str().unwrap())
            .unwrap();
        assert_eq!(exact, b"a\0\xff\xfe\0");
    }

    #[test]
    fn no_argument_can_reach_a_terminal_raw_and_reading_it_back_gives_the_same() {
        let argv = "x\x1b[31m\u{9b}2J\u{202e}\x7f\"\\\n\t\0".as_bytes();
        let report = report(argv);
        let text = String::from_utf8(line(&report, "host")).unwrap();
        assert!(!text.trim_end_matches('\n').contains(text::is_harmful), "{text:?}");
        assert_eq!(
            parsed(&report)["ProcessArguments"][0],
            "x\x1b[31m\u{9b}2J\u{202e}\x7f\"\\\n\t"
        );
    }
}
