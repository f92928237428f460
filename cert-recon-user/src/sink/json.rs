//! The JSON form of every record: the only module that knows it. One object, one line.
//!
//! Field names are those of the Sentinel query and of Microsoft's DeviceProcessEvents; `docs/events.md` describes them, and
//! `docs/events.schema.json` is the contract that tests hold this module to. What is not known is absent: never null, and
//! never an empty text, which only an argument, or a command line of nothing but empty arguments, can be.

use std::{fmt, sync::LazyLock, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::escape::{self, Harmless};
use crate::{
    event::Argv,
    finding::{Image, Process, Report},
    record::{Blind, Hashing, Health, Lost, OutputState, Record},
    text,
};

/// How many processes an ancestry shows at most.
const ANCESTRY: usize = 16;

/// What begins every record.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Head<'a> {
    timestamp: String,
    device_name: &'a str,
    action_type: &'static str,
}

impl<'a> Head<'a> {
    fn new(action_type: &'static str, time: SystemTime, device: &'a str) -> Self {
        Self {
            timestamp: timestamp(time),
            device_name: device,
            action_type,
        }
    }
}

/// What ends every record.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tail {
    event_id: String,
    events_lost_since_last: u64,
}

/// Of an exec, what stands before its command line.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExecRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<&'a str>,
    action_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_account_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_uid: Option<u32>,
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
    #[serde(rename = "SHA256", skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(rename = "SHA256Absent", skip_serializing_if = "Option::is_none")]
    sha256_absent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    known_as: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    script_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_id: Option<u32>,
}

/// What stands behind it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExecRest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    process_arguments_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument_bytes_captured: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_directory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiating_process_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiating_process_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiating_process_folder_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initiating_process_command_line: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    initiating_process_command_line_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_command_line: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    previous_command_line_truncated: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ancestry: Vec<ProcessRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    systemd_unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    systemd_user_unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fileless: Option<bool>,
    #[serde(flatten)]
    judgement: Option<Judgement<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed: Option<SuppressedRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folded_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folded_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_key: Option<String>,
    #[serde(flatten)]
    tail: Tail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SuppressedRow<'a> {
    name: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Judgement<'a> {
    tool_category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    technique_label: Option<&'a str>,
    technique: &'a str,
    tactic: &'a str,
    severity: &'static str,
    confidence: &'static str,
    rule_ids: &'a [String],
    rule_packs: &'a [String],
    matched_terms: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    targets: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    services: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis_cut_short: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    process_id: Option<u32>,
    #[serde(flatten)]
    image: ImageRow,
}

#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImageRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_line: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    command_line_truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LostRow<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    since: String,
    count: u64,
    total: u64,
    #[serde(flatten)]
    tail: Tail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthRow<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    status: &'static str,
    problems: &'a [String],
    occasion: &'static str,
    uptime_seconds: u64,
    execs: u64,
    delivered: u64,
    lost: u64,
    findings: u64,
    suppressed: u64,
    folded: u64,
    clean: u64,
    own_execs: u64,
    arguments_truncated_count: u64,
    paths_truncated_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_canary: Option<String>,
    resident_bytes: u64,
    ring_bytes: u64,
    images: u64,
    images_forgotten: u64,
    hashing: HashingRow,
    suppressions: Vec<SuppressionRow<'a>>,
    outputs: Vec<OutputRow<'a>>,
    #[serde(flatten)]
    tail: Tail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HashingRow {
    hashed: u64,
    cached: u64,
    too_large: u64,
    too_busy: u64,
    unavailable: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SuppressionRow<'a> {
    name: &'a str,
    count: u64,
    expired: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OutputRow<'a> {
    name: &'a str,
    lines: u64,
    dropped: u64,
    queued_bytes: u64,
    failing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed_bytes: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BlindRow<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    reason: &'a str,
    #[serde(flatten)]
    tail: Tail,
}

/// The record as one line of JSON, with its newline.
#[must_use]
pub fn line(record: &Record, device: &str) -> Vec<u8> {
    let tail = |events_lost| Tail {
        event_id: record.event_id(device),
        events_lost_since_last: events_lost,
    };
    match record {
        Record::Exec(exec) => report(exec, device),
        Record::Lost(lost) => written(&lost_row(lost, device, tail(lost.events_lost))),
        Record::Health(health) => written(&health_row(health, device, tail(health.events_lost))),
        Record::Blind(blind) => written(&blind_row(blind, device, tail(blind.events_lost))),
    }
}

/// The exec as one line of JSON, with its newline.
#[must_use]
pub fn report(report: &Report, device: &str) -> Vec<u8> {
    exec_line(&exec_row(report, device), report.arguments(), |is_raw| {
        exec_rest(report, device, is_raw)
    })
}

/// A record read back: its fields with their names, in the order that they were written in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<(String, Value)>);

impl Fields {
    /// Reads a line of JSON.
    ///
    /// # Errors
    ///
    /// It is no JSON object.
    pub fn parse(line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }

    /// The value of a field; none when it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The value of a field of text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::with_capacity(48);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The names of all fields that an exec can have, in their order.
pub fn exec_fields() -> impl Iterator<Item = &'static str> {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let (row, rest) = full_exec();
        let fields = Fields::parse(&exec_line(&row, Argv::whole(b"a\0"), |_| rest)).unwrap_or_default();
        fields.0.into_iter().map(|(name, _)| name).collect()
    });
    NAMES.iter().map(String::as_str)
}

/// JSON text of a value that a terminal can be shown.
#[must_use]
pub fn harmless(value: &Value) -> String {
    let mut text = written(value);
    text.pop();
    String::from_utf8(text).unwrap_or_default()
}

/// Rows in which every field is there, whatever their sense together.
fn full_exec() -> (ExecRow<'static>, ExecRest<'static>) {
    let text = || Some(String::new());
    let row = ExecRow {
        timestamp: text(),
        timestamp_not_after: text(),
        device_name: Some(""),
        action_type: "",
        account_name: Some(""),
        account_uid: Some(0),
        effective_account_name: Some(""),
        effective_uid: Some(0),
        logon_account_name: Some(""),
        logon_uid: Some(0),
        logon_id: Some(0),
        file_name: text(),
        folder_path: text(),
        sha256: text(),
        sha256_absent: Some(""),
        file_size: Some(0),
        known_as: const { &[String::new()] },
        script_path: text(),
        process_id: Some(0),
    };
    let rest = ExecRest {
        process_arguments_base64: text(),
        argument_bytes: Some(0),
        argument_bytes_captured: Some(0),
        arguments_truncated: Some(true),
        current_directory: text(),
        tty: text(),
        initiating_process_id: Some(0),
        initiating_process_file_name: text(),
        initiating_process_folder_path: text(),
        initiating_process_command_line: text(),
        initiating_process_command_line_truncated: true,
        previous_file_name: text(),
        previous_command_line: text(),
        previous_command_line_truncated: true,
        ancestry: vec![ProcessRow {
            process_id: None,
            image: ImageRow::default(),
        }],
        container_id: Some(""),
        systemd_unit: Some(""),
        systemd_user_unit: Some(""),
        cgroup_path: text(),
        fileless: Some(true),
        judgement: Some(Judgement {
            tool_category: "",
            technique_label: Some(""),
            technique: "",
            tactic: "",
            severity: "",
            confidence: "",
            rule_ids: &[],
            rule_packs: &[],
            matched_terms: &[],
            targets: const { &[String::new()] },
            services: const { &[String::new()] },
            analysis_cut_short: text(),
        }),
        suppressed: Some(SuppressedRow { name: "", reason: "" }),
        folded_count: Some(0),
        folded_since: text(),
        record_source: Some(""),
        record_file: text(),
        record_line: Some(0),
        record_key: text(),
        tail: Tail {
            event_id: String::new(),
            events_lost_since_last: 0,
        },
    };
    (row, rest)
}

fn exec_row<'a>(report: &'a Report, device: &'a str) -> ExecRow<'a> {
    let (exact, limit) = match report.time_is_limit {
        false => (Some(timestamp(report.time)), None),
        true => (None, Some(timestamp(report.time))),
    };
    let (sha256, sha256_absent) = match &report.sha256 {
        Some(Ok(hash)) => (Some(hash.iter().map(|byte| format!("{byte:02x}")).collect()), None),
        Some(Err(reason)) => (None, Some(reason.as_str()).filter(|reason| !reason.is_empty())),
        None => (None, None),
    };
    let set_uid = report.effective_uid.is_some() && report.effective_uid != report.uid;
    ExecRow {
        timestamp: exact,
        timestamp_not_after: limit,
        device_name: report.device(device),
        action_type: "ProcessCreated",
        account_name: known(&report.account),
        account_uid: report.uid,
        effective_account_name: known(&report.effective_account).filter(|_| set_uid),
        effective_uid: report.effective_uid.filter(|_| set_uid),
        logon_account_name: known(&report.login_account),
        logon_uid: report.login_uid,
        logon_id: report.session_id,
        file_name: shown(&report.file_name),
        folder_path: shown(&report.folder_path),
        sha256,
        sha256_absent,
        file_size: report.file_size,
        known_as: &report.known_as,
        script_path: shown(&report.script_path),
        process_id: report.pid,
    }
}

/// `is_raw` says that an argument is no text.
fn exec_rest<'a>(report: &'a Report, device: &str, is_raw: bool) -> ExecRest<'a> {
    let argv = report.arguments();
    let is_known = !argv.is_text();
    let origin = report.origin.as_ref();
    let parent = report.ancestry.first();
    let initiating = parent.map(|parent| ImageRow::new(&parent.image)).unwrap_or_default();
    let previous = report.previous.as_ref().map(ImageRow::new).unwrap_or_default();
    ExecRest {
        process_arguments_base64: is_raw.then(|| BASE64_STANDARD.encode(&report.argv)),
        argument_bytes: is_known.then_some(report.argv_total),
        argument_bytes_captured: is_known.then_some(report.argv.len() as u64),
        arguments_truncated: (is_known || argv.is_cut()).then(|| argv.is_cut()),
        current_directory: shown(&report.directory),
        tty: shown(&report.tty),
        initiating_process_id: report.parent_pid.or(parent.and_then(|parent| parent.pid)),
        initiating_process_file_name: initiating.file_name,
        initiating_process_folder_path: initiating.folder_path,
        initiating_process_command_line: initiating.command_line,
        initiating_process_command_line_truncated: initiating.command_line_truncated,
        previous_file_name: previous.file_name,
        previous_command_line: previous.command_line,
        previous_command_line_truncated: previous.command_line_truncated,
        ancestry: report.ancestry.iter().take(ANCESTRY).map(ProcessRow::new).collect(),
        container_id: known(&report.container_id),
        systemd_unit: known(&report.systemd_unit),
        systemd_user_unit: known(&report.systemd_user_unit),
        cgroup_path: shown(&report.cgroup_path),
        fileless: report.fileless,
        judgement: report.verdict.as_ref().map(|verdict| Judgement {
            tool_category: &verdict.category,
            technique_label: verdict.technique_label.as_deref(),
            technique: &verdict.technique,
            tactic: &verdict.tactic,
            severity: verdict.severity.as_str(),
            confidence: verdict.confidence.as_str(),
            rule_ids: &verdict.rule_ids,
            rule_packs: &verdict.packs,
            matched_terms: &verdict.matched_terms,
            targets: &verdict.targets,
            services: &verdict.services,
            analysis_cut_short: verdict.cut_short.map(|limit| limit.to_string()),
        }),
        suppressed: report.tuning.suppressed.as_ref().map(|suppressed| SuppressedRow {
            name: &suppressed.name,
            reason: &suppressed.reason,
        }),
        folded_count: report.tuning.folded.map(|folded| folded.count),
        folded_since: report.tuning.folded.map(|folded| timestamp(folded.since)),
        record_source: origin.map(|origin| origin.source),
        record_file: origin.and_then(|origin| shown(&origin.file)),
        record_line: origin.map(|origin| origin.line).filter(|line| *line != 0),
        record_key: origin.and_then(|origin| shown(&origin.key)),
        tail: Tail {
            event_id: report.event_id(device),
            events_lost_since_last: report.events_lost,
        },
    }
}

impl ImageRow {
    fn new(image: &Image) -> Self {
        let argv = image.arguments();
        let command_line = match argv {
            Some(argv) if argv.is_text() => shown_text(&text::lossless(argv.bytes()).0),
            Some(argv) => {
                let arguments: Vec<_> = argv.args().map(|bytes| text::lossless(bytes).0).collect();
                (!arguments.is_empty()).then(|| arguments.join(" "))
            }
            None => None,
        };
        Self {
            file_name: shown(&image.file_name),
            folder_path: shown(&image.folder_path),
            command_line,
            command_line_truncated: argv.is_some_and(Argv::is_cut),
        }
    }
}

impl ProcessRow {
    fn new(process: &Process) -> Self {
        Self {
            process_id: process.pid,
            image: ImageRow::new(&process.image),
        }
    }
}

fn lost_row<'a>(lost: &Lost, device: &'a str, tail: Tail) -> LostRow<'a> {
    LostRow {
        head: Head::new("EventsLost", lost.time, device),
        since: timestamp(lost.since),
        count: lost.count,
        total: lost.total,
        tail,
    }
}

fn health_row<'a>(health: &'a Health, device: &'a str, tail: Tail) -> HealthRow<'a> {
    let Hashing {
        hashed,
        cached,
        too_large,
        too_busy,
        unavailable,
    } = health.hashing;
    HealthRow {
        head: Head::new("SensorHealth", health.time, device),
        status: health.status(),
        problems: &health.problems,
        occasion: health.occasion.as_str(),
        uptime_seconds: health.uptime_seconds,
        execs: health.totals.execs,
        delivered: health.totals.delivered,
        lost: health.totals.lost,
        findings: health.sums.findings,
        suppressed: health.sums.suppressed,
        folded: health.sums.folded,
        clean: health.sums.clean,
        own_execs: health.sums.own,
        arguments_truncated_count: health.totals.argv_cut,
        paths_truncated_count: health.totals.path_cut,
        last_canary: health.last_canary.map(timestamp),
        resident_bytes: health.resident_bytes,
        ring_bytes: health.ring_bytes,
        images: health.images,
        images_forgotten: health.images_forgotten,
        hashing: HashingRow {
            hashed,
            cached,
            too_large,
            too_busy,
            unavailable,
        },
        suppressions: health
            .suppressions
            .iter()
            .map(|suppression| SuppressionRow {
                name: &suppression.name,
                count: suppression.count,
                expired: suppression.expired,
            })
            .collect(),
        outputs: health.outputs.iter().map(OutputRow::new).collect(),
        tail,
    }
}

impl<'a> OutputRow<'a> {
    fn new(output: &'a OutputState) -> Self {
        Self {
            name: &output.name,
            lines: output.lines,
            dropped: output.dropped,
            queued_bytes: output.queued_bytes,
            failing: output.failing,
            removed_files: output.removed.map(|removed| removed.files),
            removed_bytes: output.removed.map(|removed| removed.bytes),
        }
    }
}

fn blind_row<'a>(blind: &'a Blind, device: &'a str, tail: Tail) -> BlindRow<'a> {
    BlindRow {
        head: Head::new("SensorBlind", blind.time, device),
        last_seen: blind.last_seen.map(timestamp),
        reason: &blind.reason,
        tail,
    }
}

fn written(row: &impl Serialize) -> Vec<u8> {
    let mut line = Vec::with_capacity(1024);
    append_row(&mut line, row);
    line.push(b'\n');
    line
}

fn append_row(line: &mut Vec<u8>, row: &impl Serialize) {
    // Serializing plain data into memory can't fail.
    let _ = row.serialize(&mut serde_json::Serializer::with_formatter(line, Harmless));
}

/// An exec's line: `row`, the command line, and what `rest` makes when it is told whether an argument is no text.
fn exec_line<'a>(row: &ExecRow<'_>, argv: Argv<'_>, rest: impl FnOnce(bool) -> ExecRest<'a>) -> Vec<u8> {
    // The arguments, twice, are what makes a line long.
    let mut line = Vec::with_capacity(2048 + 2 * argv.bytes().len());
    append_row(&mut line, row);
    // Both rows are objects and not empty: the end of one and the begin of the other become a comma.
    line.pop();
    let is_raw = append_command(&mut line, argv);
    let rest_at = line.len();
    append_row(&mut line, &rest(is_raw));
    if let Some(brace) = line.get_mut(rest_at) {
        *brace = b',';
    }
    line.push(b'\n');
    line
}

/// Appends the fields `ProcessCommandLine` and `ProcessArguments`, and returns whether an argument is no text.
fn append_command(line: &mut Vec<u8>, argv: Argv<'_>) -> bool {
    const COMMAND_LINE: &[u8] = b",\"ProcessCommandLine\":\"";
    if argv.is_text() {
        let text = text::lossless(argv.bytes()).0;
        if !text.is_empty() {
            line.extend_from_slice(COMMAND_LINE);
            escape::append(line, &text);
            line.push(b'"');
        }
        return false;
    }
    let mut is_raw = false;
    let mut start = line.len() + COMMAND_LINE.len();
    let mut ends = Vec::new();
    for arg in argv.args() {
        line.extend_from_slice(if ends.is_empty() { COMMAND_LINE } else { b" " });
        let (text, is_bad) = text::lossless(arg);
        is_raw |= is_bad;
        escape::append(line, &text);
        ends.push(line.len());
    }
    if !ends.is_empty() {
        line.push(b'"');
    }
    line.extend_from_slice(b",\"ProcessArguments\":[");
    // Each is the same text again, escaped already.
    for (number, end) in ends.into_iter().enumerate() {
        line.extend_from_slice(if number == 0 { b"\"" } else { b",\"" });
        line.extend_from_within(start..end);
        line.push(b'"');
        start = end + 1;
    }
    line.push(b']');
    is_raw
}

/// The time that a line of this form begins with; none of one that begins otherwise.
#[must_use]
pub fn time_of(line: &[u8]) -> Option<SystemTime> {
    let (time, rest) = line.strip_prefix(b"{\"Timestamp\":\"")?.split_at_checked(27)?;
    rest.starts_with(b"\"").then_some(())?;
    humantime::parse_rfc3339(std::str::from_utf8(time).ok()?).ok()
}

/// RFC 3339, UTC, microseconds.
pub(crate) fn timestamp(time: SystemTime) -> String {
    // The formatter covers the years 1970 to 9999.
    let latest = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_micros(time.clamp(SystemTime::UNIX_EPOCH, latest)).to_string()
}

fn shown(bytes: &Option<Vec<u8>>) -> Option<String> {
    let bytes = bytes.as_deref().filter(|bytes| !bytes.is_empty())?;
    Some(text::lossless(bytes).0.into_owned())
}

fn shown_text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn known(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::event::Exec;

    fn report(argv: &[u8]) -> Report {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        Report::new(&Exec::new(time, Argv::whole(argv)), None)
    }

    fn parsed(report: &Report) -> Value {
        serde_json::from_slice(&super::report(report, "host")).unwrap()
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

    proptest! {
        #[test]
        fn whatever_the_arguments_are_they_and_the_command_line_are_read_back(
            args in prop::collection::vec((".{0,3}", 0..700_usize, prop::collection::vec(1..=255_u8, 0..3)), 0..5),
        ) {
            let args = args.into_iter().map(|(text, plain, bytes)| {
                let text = text.replace('\0', "") + &"x".repeat(plain);
                [text.as_bytes(), &bytes].concat()
            });
            let args: Vec<_> = args.collect();
            let argv: Vec<u8> = args.iter().flat_map(|arg| [arg, &b"\0"[..]].concat()).collect();
            let shown: Vec<_> = args.iter().map(|arg| text::lossless(arg).0).collect();
            let is_text = args.iter().all(|arg| str::from_utf8(arg).is_ok());
            let row = parsed(&report(&argv));
            prop_assert_eq!(&row["ProcessArguments"], &serde_json::json!(shown));
            let command_line = (!shown.is_empty()).then(|| Value::from(shown.join(" ")));
            prop_assert_eq!(row.get("ProcessCommandLine"), command_line.as_ref());
            let exact = (!is_text).then(|| Value::from(BASE64_STANDARD.encode(&argv)));
            prop_assert_eq!(row.get("ProcessArgumentsBase64"), exact.as_ref());
        }
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
        let text = String::from_utf8(super::report(&report, "host")).unwrap();
        assert!(!text.trim_end_matches('\n').contains(text::is_harmful), "{text:?}");
        assert_eq!(
            parsed(&report)["ProcessArguments"][0],
            "x\x1b[31m\u{9b}2J\u{202e}\x7f\"\\\n\t"
        );
        // The one that is left of those in plain ASCII.
        let text = String::from_utf8(super::report(&tests::report(b"a\x7fb\0"), "host")).unwrap();
        assert!(text.contains("a\\u007fb") && !text.contains('\x7f'), "{text:?}");
    }
}
