//! Records as the Open Cybersecurity Schema Framework (OCSF) 1.5 has them: one object, one line.
//!
//! A finding is a Detection Finding (2004), an exec that is none a Process Activity (1007), what the monitor says about itself
//! a Base Event (0). Owns the mapping: what has no home in OCSF is in the object `unmapped`, so no field is lost.
//! `docs/outputs.md` shows it.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::{
    ecs::{put, snaked},
    fields::{self, snake},
    json::{self, Fields},
};
use crate::record::Record;

/// The version of OCSF.
pub const VERSION: &str = "1.5.0";
/// Bytes of `message`, which other fields say again.
const MESSAGE: usize = 16 << 10;
/// The object of what has no home.
pub const OWN: &str = "unmapped";

/// Where fields of an exec go that belong to the event.
pub const EVENT: [(&str, &str); 4] = [
    ("DeviceName", "device.hostname"),
    ("ActionType", "metadata.event_code"),
    ("EventId", "metadata.uid"),
    ("Confidence", "confidence"),
];

/// Where fields of an exec go in the process: the evidence of a finding, the `process` of an activity.
pub const PROCESS: [(&str, &str); 18] = [
    ("AccountName", "user.name"),
    ("AccountUid", "user.uid"),
    ("EffectiveUid", "euid"),
    ("LogonUid", "auid"),
    ("LogonId", "session.uid"),
    ("Tty", "session.terminal"),
    ("FileName", "name"),
    ("FolderPath", "file.path"),
    ("FileSize", "file.size"),
    ("ProcessId", "pid"),
    ("ProcessCommandLine", "cmd_line"),
    ("CurrentDirectory", "working_directory"),
    ("InitiatingProcessId", "parent_process.pid"),
    ("InitiatingProcessFileName", "parent_process.name"),
    ("InitiatingProcessFolderPath", "parent_process.path"),
    ("InitiatingProcessCommandLine", "parent_process.cmd_line"),
    ("ContainerId", "container.uid"),
    ("SHA256", "file.hashes[0].value"),
];

/// The record as one line, with its newline. `json` is its line in cert-recon's own names.
#[must_use]
pub fn line(record: &Record, json: &[u8]) -> Vec<u8> {
    let fields = Fields::parse(json).unwrap_or_default();
    let mut root = Map::new();
    let is_finding = matches!(record, Record::Exec(report) if report.verdict.is_some());
    let (category, class, activity, severity) = match record {
        Record::Exec(_) if is_finding => (2, 2004, 1, severity(&fields)),
        Record::Exec(_) => (1, 1007, 1, 1),
        Record::Lost(_) => (0, 0, 99, 3),
        Record::Health(health) if health.problems.is_empty() => (0, 0, 99, 1),
        Record::Health(_) => (0, 0, 99, 3),
        Record::Blind(_) => (0, 0, 99, 5),
    };
    for (path, value) in [
        ("category_uid", category),
        ("class_uid", class),
        ("activity_id", activity),
        ("type_uid", class * 100 + activity),
        ("severity_id", severity),
        ("time", milliseconds(record.time())),
    ] {
        put(&mut root, path, value.into());
    }
    put(&mut root, "message", fields::message(record, MESSAGE).into());
    put(&mut root, "metadata.version", VERSION.into());
    put(
        &mut root,
        "metadata.product",
        json!({"name": "cert-recon", "vendor_name": "cert-recon", "version": env!("CARGO_PKG_VERSION")}),
    );
    put(&mut root, "metadata.profiles", json!(["host"]));
    if fields.get("DeviceName").is_some() {
        // What kind of host it is nothing here knows.
        put(&mut root, "device.type_id", 0.into());
    }
    let mut process = Map::new();
    if matches!(record, Record::Exec(_)) {
        put(
            &mut root,
            "metadata.profiles",
            json!(["host", "container", "linux/linux_users"]),
        );
        derived(&mut process, &fields);
        if is_finding {
            finding(&mut root, &fields, record.time());
        }
    } else {
        put(
            &mut root,
            "activity_name",
            fields.text("ActionType").unwrap_or_default().into(),
        );
    }
    let is_exec = matches!(record, Record::Exec(_));
    for (name, value) in fields.0 {
        let find =
            |table: &[(&str, &'static str)]| table.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
        if let Some(path) = find(&EVENT) {
            put(&mut root, path, value);
        } else if let Some(path) = find(&PROCESS).filter(|_| is_exec) {
            let value = match path {
                "user.uid" | "session.uid" => value.to_string().into(),
                _ => value,
            };
            match path.split_once("[0]") {
                // 3 is SHA-256.
                Some((list, _)) => put(&mut process, list, json!([{"algorithm_id": 3, "value": value}])),
                None => put(&mut process, path, value),
            }
        } else {
            put(&mut root, &format!("{OWN}.{}", snake(&name)), snaked(value));
        }
    }
    if is_finding {
        put(&mut root, "evidences", json!([{"process": process}]));
    } else if is_exec {
        // Who acts is the parent.
        let parent = process.get("parent_process").cloned().unwrap_or_else(|| json!({}));
        put(&mut root, "actor", json!({"process": parent}));
        put(&mut root, "process", process.into());
    }
    let mut line = json::harmless(&Value::Object(root)).into_bytes();
    line.push(b'\n');
    line
}

fn severity(fields: &Fields) -> i64 {
    match fields.text("Severity") {
        Some("informational") => 1,
        Some("low") => 2,
        Some("medium") => 3,
        Some("high") => 4,
        _ => 0,
    }
}

/// What OCSF wants of a process and follows from others of its fields.
fn derived(process: &mut Map<String, Value>, fields: &Fields) {
    if ["FolderPath", "FileSize", "SHA256"]
        .iter()
        .any(|name| fields.get(name).is_some())
    {
        let path = fields.text("FolderPath");
        let base = path
            .and_then(|path| path.rsplit('/').next())
            .filter(|base| !base.is_empty());
        let name = base.or(fields.text("FileName")).unwrap_or("unknown");
        put(process, "file.name", name.into());
        // A regular file.
        put(process, "file.type_id", 1.into());
    }
    if let Some(Value::Array(above)) = fields.get("Ancestry") {
        let entity = |row: &Value| {
            let mut entity = Map::new();
            for (name, path) in [
                ("ProcessId", "pid"),
                ("FileName", "name"),
                ("FolderPath", "path"),
                ("CommandLine", "cmd_line"),
            ] {
                if let Some(value) = row.get(name) {
                    put(&mut entity, path, value.clone());
                }
            }
            Value::Object(entity)
        };
        put(process, "ancestry", above.iter().map(entity).collect());
    }
}

/// What only a finding has.
fn finding(root: &mut Map<String, Value>, fields: &Fields, time: SystemTime) {
    let text = |name| fields.text(name).unwrap_or_default();
    let confidence = match text("Confidence") {
        "low" => 1,
        "medium" => 2,
        "high" => 3,
        _ => 0,
    };
    put(root, "confidence_id", confidence.into());
    put(root, "is_alert", true.into());
    put(root, "finding_info.uid", text("EventId").into());
    put(
        root,
        "finding_info.title",
        format!("{}: {}", text("ToolCategory"), text("FileName")).into(),
    );
    put(root, "finding_info.types", json!([text("ToolCategory")]));
    put(root, "finding_info.created_time", milliseconds(time).into());
    if let Some(first) = fields.get("RuleIds").and_then(|list| list.get(0)) {
        // 1 is a rule.
        put(
            root,
            "finding_info.analytic",
            json!({"type_id": 1, "uid": first, "name": first}),
        );
    }
    let technique = text("Technique");
    let mut attack = Map::new();
    match technique.split_once('.') {
        Some((main, _)) => {
            put(&mut attack, "technique.uid", main.into());
            put(&mut attack, "sub_technique.uid", technique.into());
        }
        None => put(&mut attack, "technique.uid", technique.into()),
    }
    put(&mut attack, "tactic.name", text("Tactic").into());
    if text("Tactic") == "Reconnaissance" {
        put(&mut attack, "tactic.uid", "TA0043".into());
    }
    put(root, "finding_info.attacks", json!([attack]));
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
