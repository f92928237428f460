//! Records, `docs/events.schema.json` and `docs/events.md` say the same.

#[path = "schema/other.rs"]
mod other;
#[path = "common/schema.rs"]
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use cert_recon::{
    acts::Limit,
    event::{Argv, Exec},
    finding::{Folded, Image, Origin, Process, Report, Suppressed, Tuning},
    pipeline::Sums,
    record::{Blind, Hashing, Health, Lost, Occasion, OutputState, Record, Removed, SuppressionState},
    rules::{BUILTIN_PACKS, Confidence, Engine, Severity, Subject, Verdict},
    sink::{json, line},
    source::live::Totals,
    source::recorded::Format,
    text::is_harmful,
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest},
    sample::select,
};
use schema::{SCHEMA, assert_valid, complaints};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// What an attacker would put into every text that is theirs: not UTF-8, escape sequences, a change of direction, JSON.
const HOSTILE: &[u8] = b"\xff\xfe\x1b[2J\xc2\x9b31m\xe2\x80\xae\"}\\\r\n\t\x00\xf0\x9f";

fn time(micros: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

fn bare(argv: &[u8]) -> Report {
    Report::new(&Exec::new(time(1_700_000_000_123_456), Argv::whole(argv)), None)
}

fn verdict() -> Verdict {
    static VERDICT: LazyLock<Verdict> = LazyLock::new(|| {
        let packs: Result<Vec<_>, _> = BUILTIN_PACKS.iter().map(|pack| pack.parse()).collect();
        let engine = Engine::new(&packs.unwrap()).unwrap();
        let subject = Subject::new(&[b"curl"], b"curl https://crt.sh/");
        let mut verdict = engine.judge(&subject, &mut engine.scratch()).unwrap();
        verdict.technique_label = Some("T1596.003 - Reconnaissance".to_owned());
        verdict.targets = vec!["example.com".to_owned(), "a\u{1b}.example".to_owned()];
        verdict.services = vec!["crt.sh".to_owned()];
        verdict.cut_short = Some(Limit::Depth);
        verdict
    });
    VERDICT.clone()
}

/// Everything is known, all bytes are hostile, and everything that can be cut is.
fn full_report() -> Report {
    let bytes = || Some(HOSTILE.to_vec());
    let text = |text: &str| Some(text.to_owned());
    let image = Image {
        file_name: bytes(),
        folder_path: bytes(),
        argv: bytes(),
        argv_total: 1000,
        argv_is_text: false,
    };
    Report {
        time: time(1_700_000_000_123_456),
        time_is_limit: false,
        origin: Some(Origin {
            source: "auditd",
            file: bytes(),
            line: 7,
            key: bytes(),
            device: text("host\u{1b}"),
        }),
        pid: Some(1),
        parent_pid: Some(2),
        uid: Some(1000),
        account: text("alice\u{1b}"),
        effective_uid: Some(0),
        effective_account: text("root"),
        login_uid: Some(1001),
        login_account: text("bob"),
        session_id: Some(3),
        file_name: bytes(),
        folder_path: bytes(),
        file_size: Some(u64::MAX),
        known_as: vec!["python3.11".to_owned(), "python3".to_owned()],
        sha256: Some(Ok([0xab; 32])),
        script_path: bytes(),
        argv: HOSTILE.to_vec(),
        argv_total: 1000,
        argv_is_text: false,
        directory: bytes(),
        tty: bytes(),
        fileless: Some(true),
        cgroup_path: bytes(),
        container_id: text("web"),
        systemd_unit: text("cron.service"),
        systemd_user_unit: text("app.service"),
        previous: Some(image.clone()),
        ancestry: vec![Process { pid: Some(2), image }; 20],
        verdict: Some(verdict()),
        suspicions: Vec::new(),
        events_lost: 4,
        tuning: Tuning {
            asked_for: true,
            suppressed: Some(Suppressed {
                name: "ci\u{1b}".to_owned(),
                reason: "our own domains\u{202e}".to_owned(),
            }),
            folded: Some(Folded {
                count: 5,
                since: time(1_700_000_000_000_000),
            }),
        },
    }
}

fn full_health() -> Health {
    Health {
        time: time(2),
        occasion: Occasion::Interval,
        problems: vec!["disk full\u{1b}".to_owned()],
        uptime_seconds: 1,
        totals: Totals {
            execs: 10,
            delivered: 9,
            lost: 1,
            argv_cut: 2,
            path_cut: 3,
        },
        sums: Sums {
            delivered: 9,
            findings: 4,
            suppressed: 3,
            folded: 2,
            clean: 0,
            own: 0,
            reports: 4,
        },
        last_canary: Some(time(1)),
        resident_bytes: 11,
        ring_bytes: 12,
        images: 13,
        images_forgotten: 14,
        hashing: Hashing {
            hashed: 15,
            cached: 16,
            too_large: 17,
            too_busy: 18,
            unavailable: 19,
        },
        suppressions: vec![SuppressionState {
            name: "ci\u{1b}".to_owned(),
            count: 24,
            expired: true,
        }],
        outputs: vec![OutputState {
            name: "standard output".to_owned(),
            lines: 20,
            dropped: 21,
            queued_bytes: 22,
            failing: true,
            removed: Some(Removed { files: 25, bytes: 26 }),
        }],
        events_lost: 23,
    }
}

fn lost() -> Lost {
    Lost {
        time: time(9),
        since: time(8),
        count: 7,
        total: 70,
        events_lost: 6,
    }
}

fn blind() -> Blind {
    Blind {
        time: time(9),
        last_seen: Some(time(8)),
        reason: "detached".to_owned(),
        events_lost: 5,
    }
}

/// Records that between them have every field.
fn full_records() -> Vec<Record> {
    let mut unhashed = full_report();
    unhashed.sha256 = Some(Err("gone".to_owned()));
    unhashed.known_as.clear();
    let mut text = full_report();
    text.time_is_limit = true;
    text.argv_is_text = true;
    text.pid = Some(77);
    vec![
        Record::Exec(Box::new(text)),
        Record::Exec(Box::new(full_report())),
        Record::Exec(Box::new(unhashed)),
        Record::Lost(lost()),
        Record::Health(Box::new(full_health())),
        Record::Blind(blind()),
    ]
}

/// Records with no more than they must have.
fn bare_records() -> Vec<Record> {
    let mut health = full_health();
    health.problems.clear();
    health.outputs.clear();
    health.last_canary = None;
    let mut blind = blind();
    blind.last_seen = None;
    vec![
        Record::Exec(Box::new(bare(b"a\0"))),
        Record::Exec(Box::new(bare(b""))),
        Record::Exec(Box::new(bare(b"\0"))),
        Record::Health(Box::new(health)),
        Record::Blind(blind),
    ]
}

fn json_line(record: &Record) -> String {
    String::from_utf8(json::line(record, "host")).expect("a line is UTF-8")
}

fn parsed(record: &Record) -> Value {
    serde_json::from_str(&json_line(record)).expect("a line is JSON")
}

/// One definition of the schema: its properties with the names of their types, and those that must be there.
struct Definition {
    properties: BTreeMap<String, String>,
    required: BTreeSet<String>,
}

fn definitions() -> BTreeMap<String, Definition> {
    let all = SCHEMA["$defs"].as_object().unwrap();
    let object = all.iter().filter(|(_, definition)| definition["type"] == "object");
    object
        .map(|(name, definition)| {
            assert_eq!(definition["additionalProperties"], false, "{name}");
            let properties = definition["properties"].as_object().unwrap();
            let required = definition["required"].as_array().unwrap();
            let definition = Definition {
                properties: properties.iter().map(|(k, v)| (k.clone(), type_name(v))).collect(),
                required: required.iter().map(|k| k.as_str().unwrap().to_owned()).collect(),
            };
            (name.clone(), definition)
        })
        .collect()
}

/// As the tables write it.
fn type_name(property: &Value) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap().to_owned();
    }
    if let Some(value) = property.get("const") {
        return value.to_string();
    }
    match property["type"].as_str() {
        Some("array") => format!("{}[]", type_name(&property["items"])),
        Some(name) => name.to_owned(),
        None => panic!("no type: {property}"),
    }
}

/// Rows of the tables below each heading of the second level of events.md, as cells without their backticks.
fn documented() -> BTreeMap<String, Vec<Vec<String>>> {
    let mut sections = BTreeMap::new();
    let mut section = String::new();
    for line in include_str!("../../docs/events.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        } else if line.starts_with("| `") {
            let cells = line.trim_matches('|').split('|');
            let cells = cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
            sections.entry(section.clone()).or_insert_with(Vec::new).push(cells);
        }
    }
    sections
}

/// The names in an object, in their order.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

/// Every name that occurs in objects of these kinds.
fn used(value: &Value, kind: &str, names: &mut BTreeMap<String, BTreeSet<String>>) {
    let definitions = definitions();
    for (name, inner) in value.as_object().unwrap() {
        names.entry(kind.to_owned()).or_default().insert(name.clone());
        let inner_kind = definitions[kind].properties[name].trim_end_matches("[]");
        if definitions.contains_key(inner_kind) {
            let values = inner
                .as_array()
                .map_or_else(|| std::slice::from_ref(inner), Vec::as_slice);
            values.iter().for_each(|value| used(value, inner_kind, names));
        }
    }
}

#[test]
fn every_record_is_valid_with_everything_and_with_nothing_known() {
    for record in full_records().iter().chain(&bare_records()) {
        assert_valid(&parsed(record));
    }
    for occasion in Occasion::ALL {
        let mut health = full_health();
        health.occasion = occasion;
        assert_valid(&parsed(&Record::Health(Box::new(health))));
    }
    for (severity, confidence) in Severity::ALL.into_iter().zip(Confidence::ALL.into_iter().cycle()) {
        let mut verdict = verdict();
        (verdict.severity, verdict.confidence) = (severity, confidence);
        let mut report = bare(b"a\0");
        report.verdict = Some(verdict);
        assert_valid(&parsed(&Record::Exec(Box::new(report))));
    }
}

#[test]
fn the_schema_refuses_what_a_record_never_is() {
    let row = parsed(&Record::Exec(Box::new(full_report())));
    let refused = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut row = row.clone();
        change(row.as_object_mut().unwrap());
        assert!(!complaints(&row).is_empty(), "{row:#}");
    };
    refused(&|row| drop(row.insert("ActionType".into(), "Other".into())));
    refused(&|row| drop(row.remove("ActionType")));
    refused(&|row| drop(row.insert("Tty".into(), Value::Null)));
    refused(&|row| drop(row.insert("Tty".into(), "".into())));
    refused(&|row| drop(row.insert("Unknown".into(), 1.into())));
    refused(&|row| drop(row.insert("SHA256Absent".into(), "gone".into())));
    refused(&|row| drop(row.insert("Timestamp".into(), "2023-11-14T22:13:20Z".into())));
    refused(&|row| drop(row.insert("ProcessId".into(), (-1).into())));
    refused(&|row| drop(row.insert("InitiatingProcessCommandLineTruncated".into(), false.into())));
    refused(&|row| drop(row.remove("ProcessArguments")));
    refused(&|row| drop(row.remove("Timestamp")));
    refused(&|row| drop(row.insert("TimestampNotAfter".into(), row["Timestamp"].clone())));
    refused(&|row| drop(row.insert("RecordSource".into(), "somewhere".into())));
    refused(&|row| drop(row.remove("RecordSource")));
    refused(&|row| drop(row.remove("ProcessCommandLine")));
    refused(&|row| drop(row.remove("Technique")));
    refused(&|row| drop(row.remove("FoldedSince")));
    refused(&|row| drop(row.remove("ToolCategory")));
    let mut health = parsed(&Record::Health(Box::new(full_health())));
    health["Status"] = "ok".into();
    assert!(!complaints(&health).is_empty());
}

#[test]
fn no_field_of_the_schema_is_dead() {
    let mut names = BTreeMap::new();
    for record in full_records() {
        let row = parsed(&record);
        used(&row, row["ActionType"].as_str().unwrap(), &mut names);
    }
    for (kind, definition) in definitions() {
        let all: BTreeSet<String> = definition.properties.into_keys().collect();
        assert_eq!(names.get(&kind), Some(&all), "{kind}");
    }
}

#[test]
fn the_documentation_lists_the_fields_of_the_schema_with_their_types_and_when_they_are_absent() {
    let documented = documented();
    for (kind, definition) in definitions() {
        let rows = documented.get(&kind).unwrap_or_else(|| panic!("no section {kind}"));
        let mut names = BTreeSet::new();
        for row in rows {
            let [name, kind_of_value, absent, source, meaning] = row.as_slice() else {
                panic!("{kind}: a row has five cells: {row:?}");
            };
            let expected = definition
                .properties
                .get(name)
                .unwrap_or_else(|| panic!("{kind}.{name} is not in the schema"));
            assert_eq!(kind_of_value, expected, "{kind}.{name}");
            assert_eq!(
                absent == "never",
                definition.required.contains(name),
                "{kind}.{name}: {absent}"
            );
            assert!(!absent.is_empty(), "{kind}.{name}");
            if !expected.starts_with(['"', 't']) {
                assert!(!source.is_empty() && !meaning.is_empty(), "{kind}.{name}");
            }
            assert!(names.insert(name.clone()), "{kind}.{name} twice");
        }
        let all: BTreeSet<String> = definition.properties.into_keys().collect();
        assert_eq!(names, all, "{kind}");
    }
}

#[test]
fn the_documentation_lists_the_types_of_the_schema_with_their_values() {
    let types: BTreeMap<_, _> = documented()["Types"]
        .iter()
        .map(|row| (row[0].clone(), row[2].clone()))
        .collect();
    let mut expected = BTreeSet::new();
    for (name, definition) in SCHEMA["$defs"].as_object().unwrap() {
        if definition["type"] == "object" {
            continue;
        }
        expected.insert(name.clone());
        for value in definition["enum"].as_array().into_iter().flatten() {
            let value = value.as_str().unwrap();
            // The outer backticks of a cell are gone.
            let cell = types.get(name).map(|cell| format!("`{cell}`")).unwrap_or_default();
            assert!(cell.contains(&format!("`{value}`")), "{name}: {value}");
        }
    }
    assert_eq!(types.into_keys().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn fields_come_in_the_order_of_the_documentation() {
    let documented = documented();
    for record in full_records() {
        let Names(names) = serde_json::from_str(&json_line(&record)).unwrap();
        assert!(
            ["Timestamp", "TimestampNotAfter"].contains(&names[0].as_str()),
            "{names:?}"
        );
        assert_eq!(names[1..3], ["DeviceName", "ActionType"]);
        let row = parsed(&record);
        let order: Vec<&String> = documented[row["ActionType"].as_str().unwrap()]
            .iter()
            .map(|row| &row[0])
            .filter(|name| names.contains(name))
            .collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), order);
    }
}

#[test]
fn of_a_live_exec_time_host_and_arguments_are_always_there_and_of_a_record_only_what_it_says() {
    let row = parsed(&Record::Exec(Box::new(bare(b"a\0"))));
    for field in ["Timestamp", "DeviceName", "ProcessArguments"] {
        let mut row = row.clone();
        row.as_object_mut().unwrap().remove(field);
        assert!(!complaints(&row).is_empty(), "{field}");
    }
    let mut report = bare(b"");
    report.argv = b"curl https://crt.sh/".to_vec();
    (report.argv_total, report.argv_is_text, report.time_is_limit) = (report.argv.len() as u64, true, true);
    report.origin = Some(Origin {
        source: "bash",
        file: None,
        line: 0,
        key: None,
        device: None,
    });
    let row = parsed(&Record::Exec(Box::new(report)));
    assert_valid(&row);
    let mut names: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "ActionType",
            "EventId",
            "EventsLostSinceLast",
            "ProcessCommandLine",
            "RecordSource",
            "TimestampNotAfter"
        ]
    );
    assert_eq!(row["ProcessCommandLine"], "curl https://crt.sh/");
}

#[test]
fn the_parent_is_the_first_of_the_ancestry_and_what_is_cut_is_marked() {
    let image = |name: &[u8], argv: &[u8], argv_total| Image {
        file_name: Some(name.to_vec()),
        folder_path: Some([b"/bin/", name].concat()),
        argv: Some(argv.to_vec()),
        argv_total,
        argv_is_text: false,
    };
    let mut report = bare(b"curl\0");
    report.parent_pid = Some(20);
    report.ancestry = vec![
        Process {
            pid: Some(20),
            image: image(b"sh", b"sh\0-c\0", 6),
        },
        Process {
            pid: Some(10),
            image: image(b"cron", b"cron\0-", 9),
        },
        Process {
            pid: Some(1),
            image: Image::default(),
        },
    ];
    report.previous = Some(image(b"env", b"env\0", 4));
    let row = parsed(&Record::Exec(Box::new(report)));
    assert_valid(&row);
    assert_eq!(row["InitiatingProcessId"], 20);
    assert_eq!(row["InitiatingProcessFileName"], "sh");
    assert_eq!(row["InitiatingProcessFolderPath"], "/bin/sh");
    assert_eq!(row["InitiatingProcessCommandLine"], "sh -c");
    assert_eq!(row["PreviousFileName"], "env");
    assert_eq!(row["PreviousCommandLine"], "env");
    for flag in ["InitiatingProcessCommandLineTruncated", "PreviousCommandLineTruncated"] {
        assert!(row.get(flag).is_none(), "{flag}");
    }
    assert_eq!(
        row["Ancestry"],
        serde_json::json!([
            { "ProcessId": 20, "FileName": "sh", "FolderPath": "/bin/sh", "CommandLine": "sh -c" },
            {
                "ProcessId": 10,
                "FileName": "cron",
                "FolderPath": "/bin/cron",
                "CommandLine": "cron -",
                "CommandLineTruncated": true,
            },
            { "ProcessId": 1 },
        ])
    );
}

#[test]
fn the_effective_user_is_shown_only_when_it_is_another() {
    let mut report = bare(b"a\0");
    report.uid = Some(5);
    report.effective_uid = Some(5);
    report.effective_account = Some("x".to_owned());
    let same = parsed(&Record::Exec(Box::new(report.clone())));
    assert!(same.get("EffectiveUid").is_none() && same.get("EffectiveAccountName").is_none());
    report.effective_uid = Some(0);
    let other = parsed(&Record::Exec(Box::new(report)));
    assert_eq!(
        (&other["EffectiveUid"], &other["EffectiveAccountName"]),
        (&0.into(), &"x".into())
    );
}

#[test]
fn an_empty_text_is_absent() {
    let mut report = full_report();
    for bytes in [
        &mut report.file_name,
        &mut report.folder_path,
        &mut report.script_path,
        &mut report.directory,
        &mut report.tty,
        &mut report.cgroup_path,
    ] {
        *bytes = Some(Vec::new());
    }
    for text in [
        &mut report.account,
        &mut report.effective_account,
        &mut report.login_account,
        &mut report.container_id,
        &mut report.systemd_unit,
        &mut report.systemd_user_unit,
    ] {
        *text = Some(String::new());
    }
    report.sha256 = Some(Err(String::new()));
    report.known_as.clear();
    let nothing = Image {
        file_name: Some(Vec::new()),
        folder_path: Some(Vec::new()),
        argv: Some(Vec::new()),
        argv_total: 0,
        argv_is_text: false,
    };
    report.previous = Some(nothing.clone());
    report.ancestry = vec![Process {
        pid: Some(2),
        image: nothing,
    }];
    let row = parsed(&Record::Exec(Box::new(report)));
    assert_valid(&row);
    assert_eq!(row["Ancestry"], serde_json::json!([{ "ProcessId": 2 }]));
    assert!(row.get("PreviousCommandLine").is_none() && row.get("SHA256Absent").is_none());
}

#[test]
fn records_that_differ_have_different_ids_and_the_same_record_has_the_same() {
    let mut later = lost();
    later.time = time(10);
    let mut more = lost();
    more.count += 1;
    let mut never = blind();
    never.last_seen = None;
    let mut grown = full_health();
    grown.sums.clean += 1;
    let mut all = full_records();
    // Those were read from records, which name the host themselves; and why a hash is absent makes no other event.
    all.retain(|record| !matches!(record, Record::Exec(_)));
    let live = |pid| {
        let mut report = full_report();
        (report.origin, report.pid) = (None, Some(pid));
        Record::Exec(Box::new(report))
    };
    all.extend([
        live(1),
        live(2),
        Record::Lost(later),
        Record::Lost(more),
        Record::Blind(never),
        Record::Health(Box::new(grown)),
    ]);
    let ids: BTreeSet<String> = all.iter().flat_map(|r| [r.event_id("a"), r.event_id("b")]).collect();
    assert_eq!(ids.len(), 2 * all.len());
    // What was read from a record happened on the host that it names, wherever it is read.
    let read = &full_records()[0];
    assert_eq!(read.event_id("a"), read.event_id("b"));
    for record in &all {
        assert_eq!(parsed(record)["EventId"], record.clone().event_id("host"));
    }
}

#[test]
fn every_kind_of_record_that_is_read_is_in_the_schema_and_in_the_documentation_of_hunts() {
    let kinds: BTreeSet<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
    let listed = SCHEMA["$defs"]["recordSource"]["enum"].as_array().unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|kind| kind.as_str().unwrap())
            .collect::<BTreeSet<_>>(),
        kinds
    );
    let hunt = include_str!("../../docs/hunt.md");
    for kind in kinds {
        assert!(hunt.contains(&format!("`{kind}`")), "{kind}");
    }
}

/// The arguments as someone gets them who reads a record.
fn argv_of(row: &Value) -> Vec<u8> {
    if let Some(exact) = row.get("ProcessArgumentsBase64") {
        return BASE64_STANDARD.decode(exact.as_str().unwrap()).unwrap();
    }
    let mut argv = Vec::new();
    for argument in row["ProcessArguments"].as_array().unwrap() {
        argv.extend_from_slice(argument.as_str().unwrap().as_bytes());
        argv.push(0);
    }
    // Without the NUL of an argument that was cut.
    argv.truncate(usize::try_from(row["ArgumentBytesCaptured"].as_u64().unwrap()).unwrap());
    argv
}

/// Bytes as they occur, as they could occur, and as someone makes them who wants to be misread.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-z]{1,8}".prop_map(String::into_bytes),
        "\\PC{0,4}".prop_map(String::into_bytes),
        any::<char>().prop_map(|c| c.to_string().into_bytes()),
        select(vec![b"\0".to_vec(), b"\\xff".to_vec(), b" ".to_vec(), HOSTILE.to_vec()]),
        vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn text() -> impl Strategy<Value = String> {
    bytes().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn image() -> impl Strategy<Value = Image> {
    (option::of(bytes()), option::of(bytes()), option::of(bytes()), 0..30_u64).prop_map(
        |(file_name, folder_path, argv, more)| Image {
            file_name,
            folder_path,
            argv_total: argv.as_ref().map_or(0, Vec::len) as u64 + more / 2,
            argv_is_text: more % 2 == 1,
            argv,
        },
    )
}

fn any_report() -> impl Strategy<Value = Report> {
    let ids = vec(option::of(any::<u32>()), 7);
    let paths = vec(option::of(bytes()), 6);
    let names = vec(option::of(text()), 6);
    let hash = option::of(prop_oneof![any::<[u8; 32]>().prop_map(Ok), text().prop_map(Err),]);
    let judgement = option::of(vec(text(), 1..4)).prop_map(|terms| {
        terms.map(|terms| {
            let mut verdict = verdict();
            verdict.matched_terms = terms.into_iter().filter(|term| !term.is_empty()).collect();
            verdict
        })
    });
    let processes = vec((any::<u32>(), image()), 0..20);
    let rest = (
        any::<u64>(),
        bytes(),
        // Whole, or with something missing.
        prop_oneof![Just(0_u64), any::<u32>().prop_map(u64::from)],
        option::of(any::<u64>()),
        option::of(any::<bool>()),
        any::<u64>(),
    );
    (ids, paths, names, hash, judgement, option::of(image()), processes, rest).prop_map(
        |(ids, mut paths, mut names, sha256, verdict, previous, processes, rest)| {
            let (micros, argv, missing, file_size, fileless, events_lost) = rest;
            let mut name = || names.pop().flatten();
            let mut path = || paths.pop().flatten();
            Report {
                time: SystemTime::UNIX_EPOCH + Duration::from_micros(micros >> 2),
                time_is_limit: false,
                origin: None,
                pid: ids[0],
                parent_pid: ids[1],
                uid: ids[2],
                account: name(),
                effective_uid: ids[3],
                effective_account: name(),
                login_uid: ids[4],
                login_account: name(),
                session_id: ids[5],
                file_name: path(),
                folder_path: path(),
                file_size,
                known_as: match (&sha256, &verdict) {
                    (Some(Ok(_)), Some(_)) => vec!["curl".to_owned()],
                    _ => Vec::new(),
                },
                sha256,
                script_path: path(),
                argv_total: argv.len() as u64 + missing,
                argv_is_text: false,
                argv,
                directory: path(),
                tty: path(),
                fileless,
                cgroup_path: path(),
                container_id: name(),
                systemd_unit: name(),
                systemd_user_unit: name(),
                previous,
                ancestry: processes
                    .into_iter()
                    .map(|(pid, image)| Process { pid: Some(pid), image })
                    .collect(),
                verdict,
                suspicions: Vec::new(),
                events_lost,
                tuning: Tuning::default(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_exec_is_one_harmless_valid_line_from_which_argv_can_be_read_back(report in any_report()) {
        let argv = report.argv.clone();
        let record = Record::Exec(Box::new(report));
        let line = json_line(&record);
        let body = line.strip_suffix('\n').expect("a newline ends the line");
        assert!(!body.contains(is_harmful), "{body:?}");
        let row: Value = serde_json::from_str(body).unwrap();
        assert_valid(&row);
        assert_eq!(argv_of(&row), argv);
        let text = String::from_utf8(line::line(&record, false)).unwrap();
        assert!(!text.strip_suffix('\n').unwrap().contains(is_harmful), "{text:?}");
    }

    #[test]
    fn any_text_of_the_monitor_itself_is_harmless(problem in "(?s).{1,20}", device in "(?s).{1,20}") {
        let mut health = full_health();
        health.problems = vec![problem.clone()];
        for record in [Record::Health(Box::new(health)), Record::Blind(Blind { reason: problem.clone(), ..blind() })] {
            let line = String::from_utf8(json::line(&record, &device)).unwrap();
            assert!(!line.trim_end_matches('\n').contains(is_harmful), "{line:?}");
            let row: Value = serde_json::from_str(&line).unwrap();
            assert_valid(&row);
            assert_eq!(row["DeviceName"], device.as_str());
            let text = String::from_utf8(line::line(&record, false)).unwrap();
            assert!(!text.strip_suffix('\n').unwrap().contains(is_harmful), "{text:?}");
        }
    }
}
