//! Records as Elastic Common Schema (ECS) 8.11 has them: one object, one line.
//!
//! Owns the mapping, which is a table: what has no home in ECS is in the object `cert_recon`, so no field is lost.
//! `docs/outputs.md` shows it.

use serde_json::{Map, Value, json};

use super::{
    fields::{self, snake},
    json::{self, Fields},
};
use crate::record::Record;

/// The version of ECS.
pub const VERSION: &str = "8.11.0";
/// Bytes of `message`, which other fields say again.
const MESSAGE: usize = 16 << 10;
/// The object of what has no home.
pub const OWN: &str = "cert_recon";

/// Where fields of an exec go. Numbers that ECS has as keywords become text.
pub const EXEC: [(&str, &str); 21] = [
    ("Timestamp", "@timestamp"),
    ("DeviceName", "host.name"),
    ("ActionType", "event.action"),
    ("AccountName", "user.name"),
    ("AccountUid", "user.id"),
    ("EffectiveAccountName", "user.effective.name"),
    ("EffectiveUid", "user.effective.id"),
    ("FileName", "process.name"),
    ("FolderPath", "process.executable"),
    ("SHA256", "process.hash.sha256"),
    ("ProcessId", "process.pid"),
    ("ProcessCommandLine", "process.command_line"),
    ("ProcessArguments", "process.args"),
    ("CurrentDirectory", "process.working_directory"),
    ("InitiatingProcessId", "process.parent.pid"),
    ("InitiatingProcessFileName", "process.parent.name"),
    ("InitiatingProcessFolderPath", "process.parent.executable"),
    ("InitiatingProcessCommandLine", "process.parent.command_line"),
    ("ContainerId", "container.id"),
    ("ToolCategory", "rule.category"),
    ("EventId", "event.id"),
];

/// Where fields of what the monitor says about itself go.
pub const OWN_RECORDS: [(&str, &str); 5] = [
    ("Timestamp", "@timestamp"),
    ("DeviceName", "host.name"),
    ("ActionType", "event.action"),
    ("Reason", "error.message"),
    ("EventId", "event.id"),
];

/// The record as one line, with its newline. `json` is its line in cert-recon's own names.
#[must_use]
pub fn line(record: &Record, json: &[u8]) -> Vec<u8> {
    let table: &[(&str, &str)] = match record {
        Record::Exec(_) => &EXEC,
        _ => &OWN_RECORDS,
    };
    let fields = Fields::parse(json).unwrap_or_default();
    let mut root = Map::new();
    put(&mut root, "ecs.version", VERSION.into());
    put(&mut root, "event.module", OWN.into());
    put(&mut root, "message", fields::message(record, MESSAGE).into());
    match record {
        Record::Exec(_) => exec(&mut root, &fields),
        Record::Lost(lost) => {
            let why = format!("{} execs went unseen", lost.count);
            own(&mut root, "pipeline_error", "error", "loss");
            put(&mut root, "error.message", why.into());
        }
        Record::Health(_) => own(&mut root, "metric", "info", "health"),
        Record::Blind(_) => own(&mut root, "pipeline_error", "error", "blind"),
    }
    for (name, value) in fields.0 {
        match table.iter().find(|(known, _)| *known == name) {
            Some((_, path)) if path.ends_with(".id") && value.is_number() => {
                put(&mut root, path, value.to_string().into());
            }
            Some((_, path)) => put(&mut root, path, value),
            None => put(&mut root, &format!("{OWN}.{}", snake(&name)), snaked(value)),
        }
    }
    let mut line = json::harmless(&Value::Object(root)).into_bytes();
    line.push(b'\n');
    line
}

fn own(root: &mut Map<String, Value>, kind: &str, event_type: &str, dataset: &str) {
    put(root, "event.kind", kind.into());
    put(root, "event.type", json!([event_type]));
    put(root, "event.dataset", format!("{OWN}.{dataset}").into());
}

/// What follows from the fields of an exec.
fn exec(root: &mut Map<String, Value>, fields: &Fields) {
    let is_finding = fields.get("RuleIds").is_some();
    put(root, "event.kind", if is_finding { "alert" } else { "event" }.into());
    put(root, "event.category", json!(["process"]));
    put(root, "event.type", json!(["start"]));
    let dataset = if is_finding { "finding" } else { "exec" };
    put(root, "event.dataset", format!("{OWN}.{dataset}").into());
    if let Some(limit) = fields.get("TimestampNotAfter") {
        put(root, "@timestamp", limit.clone());
    }
    if let Some(Value::Array(arguments)) = fields.get("ProcessArguments") {
        put(root, "process.args_count", arguments.len().into());
    }
    // Elastic's own rules have these numbers.
    let severity = match fields.text("Severity") {
        Some("high") => Some(73),
        Some("medium") => Some(47),
        Some("low") => Some(21),
        Some(_) => Some(0),
        None => None,
    };
    if let Some(severity) = severity {
        put(root, "event.severity", severity.into());
    }
    for (name, path) in [("RuleIds", "rule.id"), ("RulePacks", "rule.ruleset")] {
        // ECS has one; all of them are beside the rest.
        if let Some(first) = fields.get(name).and_then(|list| list.get(0)) {
            put(root, path, first.clone());
        }
    }
    if let Some(technique) = fields.text("Technique") {
        put(root, "threat.framework", "MITRE ATT&CK".into());
        let (main, sub) = match technique.split_once('.') {
            Some((main, _)) => (main, Some(technique)),
            None => (technique, None),
        };
        put(root, "threat.technique.id", json!([main]));
        if let Some(sub) = sub {
            put(root, "threat.technique.subtechnique.id", json!([sub]));
        }
    }
    if let Some(tactic) = fields.text("Tactic") {
        put(root, "threat.tactic.name", json!([tactic]));
        if tactic == "Reconnaissance" {
            put(root, "threat.tactic.id", json!(["TA0043"]));
        }
    }
    related(root, fields);
}

/// The names under which an event is searched for, whatever their part in it.
fn related(root: &mut Map<String, Value>, fields: &Fields) {
    let mut lists: [(&str, Vec<&str>); 4] = ["hosts", "ip", "user", "hash"].map(|name| (name, Vec::new()));
    let [hosts, ips, users, hashes] = &mut lists;
    for name in ["Targets", "Services"] {
        let items = fields.get(name).and_then(Value::as_array).into_iter().flatten();
        for item in items.filter_map(Value::as_str) {
            let is_ip = item.parse::<std::net::IpAddr>().is_ok();
            if is_ip { &mut ips.1 } else { &mut hosts.1 }.push(item);
        }
    }
    users.1.extend(
        ["AccountName", "EffectiveAccountName", "LogonAccountName"]
            .iter()
            .filter_map(|name| fields.text(name)),
    );
    hashes.1.extend(fields.text("SHA256"));
    for (name, mut list) in lists {
        list.sort_unstable();
        list.dedup();
        if !list.is_empty() {
            put(root, &format!("related.{name}"), list.into());
        }
    }
}

/// Puts a value at a path of names separated by dots. What is there gives way.
pub(super) fn put(root: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            root.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = root.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The value with the names in it spelled as ECS does.
pub(super) fn snaked(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (snake(&name), snaked(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(snaked).collect(),
        value => value,
    }
}
