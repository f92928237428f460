//! Records in the names of ECS and OCSF: nothing that these do not know, nothing lost.

use cert_recon::sink::{
    ecs,
    fields::snake,
    form::{Form, Forms, Schema},
    journal,
    json::Fields,
    ocsf,
};
use serde_json::Value;

use super::{Record, bare_records, full_records, json_line};

const ECS: &str = include_str!("../data/schemas/ecs-8.11-fields.tsv");
const OCSF: &str = include_str!("../data/schemas/ocsf-1.5.0.json");

fn records() -> Vec<Record> {
    let mut records = full_records();
    records.extend(bare_records());
    records
}

fn of(record: &Record, schema: Schema) -> Value {
    let line = Forms::new(record, "host").get(Form::Json(schema));
    let line = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
    assert!(!line.contains(cert_recon::text::is_harmful), "{line:?}");
    serde_json::from_str(line).unwrap()
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(value, |value, name| match name.split_once('[') {
            Some((list, _)) => value.get(list)?.get(0),
            None => value.get(name),
        })
}

/// Names in objects, at any depth, as a schema's own object has them.
fn snaked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, v)| (snake(name), snaked(v))).collect(),
        Value::Array(items) => items.iter().map(snaked).collect(),
        value => value.clone(),
    }
}

/// Every leaf with its path.
fn leaves(value: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                leaves(value, &path, out);
            }
        }
        value => out.push((path.to_owned(), value.clone())),
    }
}

#[test]
fn ecs_has_only_fields_of_ecs_with_its_types_beside_our_own_object() {
    let known = |path: &str| {
        let mut rows = ECS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        rows.find(|row| row[0] == path).map(|row| (row[1], row[2]))
    };
    let mut seen = 0;
    for record in records() {
        let row = of(&record, Schema::Ecs);
        let mut all = Vec::new();
        leaves(&row, "", &mut all);
        for (path, value) in all {
            if path.starts_with("cert_recon.") {
                continue;
            }
            let (kind, list) = known(&path).unwrap_or_else(|| panic!("ECS has no {path}"));
            let items = match &value {
                Value::Array(items) => {
                    assert_eq!(list, "list", "{path}");
                    items.clone()
                }
                value => {
                    assert_eq!(list, "one", "{path}");
                    vec![value.clone()]
                }
            };
            for item in items {
                let fits = match kind {
                    "keyword" | "wildcard" | "match_only_text" | "text" | "constant_keyword" => item.is_string(),
                    "date" => humantime::parse_rfc3339(item.as_str().unwrap_or_default()).is_ok(),
                    "long" => item.is_i64() || item.is_u64(),
                    "ip" => item.as_str().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok()),
                    _ => false,
                };
                assert!(fits, "{path} of {kind}: {item}");
                seen += 1;
            }
        }
        for required in [
            "@timestamp",
            "ecs.version",
            "event.kind",
            "event.id",
            "event.action",
            "message",
        ] {
            assert!(at(&row, required).is_some(), "{required}: {row}");
        }
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn ecs_loses_no_field() {
    for record in records() {
        let row = of(&record, Schema::Ecs);
        let table: &[(&str, &str)] = match &record {
            Record::Exec(_) => &ecs::EXEC,
            _ => &ecs::OWN_RECORDS,
        };
        for (name, value) in Fields::parse(json_line(&record).as_bytes()).unwrap().0 {
            match table.iter().find(|(known, _)| *known == name) {
                Some((_, path)) => {
                    let there = at(&row, path).unwrap_or_else(|| panic!("{name} at {path}: {row}"));
                    let same = *there == value || *there == Value::String(value.to_string());
                    assert!(same, "{name}: {there}");
                }
                None => assert_eq!(row["cert_recon"][snake(&name)], snaked(&value), "{name}"),
            }
        }
    }
}

/// What is wrong with an object by the list of attributes of its class or object.
fn complain(schema: &Value, attributes: &Value, value: &Value, path: &str, bad: &mut Vec<String>) {
    let Some(fields) = value.as_object() else {
        return bad.push(format!("{path} is no object"));
    };
    for (name, attribute) in attributes.as_object().unwrap() {
        let is_ours = attribute.get("profile").is_none();
        if attribute["requirement"] == "required" && is_ours && !fields.contains_key(name) {
            bad.push(format!("{path} lacks {name}"));
        }
    }
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        let Some(attribute) = attributes.get(name) else {
            bad.push(format!("{path} is unknown"));
            continue;
        };
        let is_list = attribute["array"] == true;
        let items = match value {
            Value::Array(items) if is_list => items.clone(),
            value if !is_list => vec![value.clone()],
            _ => {
                bad.push(format!("{path} is to be a list"));
                continue;
            }
        };
        for item in items {
            let kind = attribute["type"].as_str().unwrap();
            let fits = match kind {
                "integer_t" => item
                    .as_i64()
                    .is_some_and(|n| i32::try_from(n).is_ok() || name.ends_with("uid")),
                "long_t" | "timestamp_t" => item.is_i64() || item.is_u64(),
                "boolean_t" => item.is_boolean(),
                "object" | "json_t" => item.is_object(),
                kind if kind.ends_with("_t") => item.is_string(),
                object => {
                    match schema["objects"].get(object) {
                        Some(attributes) => complain(schema, attributes, &item, &path, bad),
                        None => bad.push(format!("{path}: object {object} is not in the list")),
                    }
                    true
                }
            };
            if !fits {
                bad.push(format!("{path} of {kind}: {item}"));
            }
            if let Some(allowed) = attribute.get("enum").and_then(Value::as_array)
                && !allowed.contains(&item)
            {
                bad.push(format!("{path}: {item} is not one of {allowed:?}"));
            }
        }
    }
}

#[test]
fn ocsf_is_by_its_classes_and_objects() {
    let schema: Value = serde_json::from_str(OCSF).unwrap();
    let mut classes = Vec::new();
    for record in records() {
        let row = of(&record, Schema::Ocsf);
        let (name, class) = schema["classes"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, class)| class["uid"] == row["class_uid"])
            .unwrap();
        let mut bad = Vec::new();
        complain(&schema, &class["attributes"], &row, name, &mut bad);
        assert_eq!(bad, Vec::<String>::new(), "{row:#}");
        classes.push(name.clone());
        if name == "detection_finding" {
            assert_eq!(row["type_uid"], 200_401);
            assert_eq!(row["finding_info"]["attacks"][0]["sub_technique"]["uid"], "T1596.003");
            assert_eq!(row["finding_info"]["uid"], row["metadata"]["uid"]);
        }
    }
    classes.sort();
    classes.dedup();
    assert_eq!(classes, ["base_event", "detection_finding", "process_activity"]);
    // The list finds what is wrong.
    let mut row = of(&records()[1], Schema::Ocsf);
    row["x"] = 1.into();
    row["severity_id"] = "1".into();
    row["finding_info"]["uid"].take();
    let mut bad = Vec::new();
    complain(
        &schema,
        &schema["classes"]["detection_finding"]["attributes"],
        &row,
        "",
        &mut bad,
    );
    assert!(bad.len() >= 3, "{bad:?}");
}

#[test]
fn ocsf_loses_no_field() {
    for record in records() {
        let row = of(&record, Schema::Ocsf);
        let process = at(&row, "evidences[0].process").or_else(|| row.get("process"));
        for (name, value) in Fields::parse(json_line(&record).as_bytes()).unwrap().0 {
            let find = |table: &[(&str, &'static str)]| table.iter().find(|(known, _)| *known == name).map(|(_, p)| *p);
            let there = match (find(&ocsf::EVENT), find(&ocsf::PROCESS).zip(process)) {
                (Some(path), _) => at(&row, path),
                (None, Some((path, process))) => at(process, path),
                (None, None) => {
                    assert_eq!(row["unmapped"][snake(&name)], snaked(&value), "{name}");
                    continue;
                }
            };
            let there = there.unwrap_or_else(|| panic!("{name}: {row:#}"));
            assert!(
                *there == value || *there == Value::String(value.to_string()),
                "{name}: {there}"
            );
        }
    }
}

#[test]
fn the_documentation_has_every_row_of_the_mappings_and_every_id_of_the_journal() {
    let page = include_str!("../../../docs/outputs.md");
    let (before, ocsf_part) = page.split_once("\n## OCSF\n").unwrap();
    let (ocsf_part, _) = ocsf_part.split_once("\n## Metrics\n").unwrap();
    let (journal_part, ecs_part) = before.split_once("\n## ECS\n").unwrap();
    for (part, table) in [
        (ecs_part, &ecs::EXEC[..]),
        (ocsf_part, &ocsf::EVENT[..]),
        (ocsf_part, &ocsf::PROCESS[..]),
    ] {
        for (name, path) in table {
            assert!(part.contains(&format!("\n| `{name}` | `{path}` |")), "{name}");
        }
    }
    let rows = |part: &str| part.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows(ecs_part), ecs::EXEC.len());
    assert_eq!(rows(ocsf_part), ocsf::EVENT.len() + ocsf::PROCESS.len());
    for (id, kind) in [
        (journal::FINDING, "a finding"),
        (journal::EXEC, "an exec that is none"),
        (journal::LOST, "`EventsLost`"),
        (journal::HEALTH, "`SensorHealth`"),
        (journal::BLIND, "`SensorBlind`"),
    ] {
        assert!(journal_part.contains(&format!("| `{id}` | {kind}")), "{kind}");
    }
}
