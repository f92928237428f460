//! The same findings, hostile bytes included, through every output and back, field by field; the configurations in `contrib/`
//! with the real programs.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use cert_recon::{
    event::{Argv, Exec},
    finding::{Folded, Image, Process, Report, Suppressed},
    record::Record,
    rules::{BUILTIN_PACKS, Engine, Subject},
    sink::{
        csv, fields,
        form::{Form, Forms, Schema},
        journal,
        json::{self, Fields},
        output::{Opened, Output, Target, Weight, Written},
    },
};
use common::{
    LIMIT, eventually,
    journald::Journald,
    rsyslogd::{Rsyslogd, TO_FILE, free_port, given},
    skip,
    temp::Temp,
};
use serde_json::Value;

const COUNT: u64 = 200;
const DEVICE: &str = "host";

/// What an attacker would put into every text that is theirs.
const HOSTILE: [&[u8]; 12] = [
    b"",
    b"\xff\xfe",
    b"\x1b[2J\x07",
    b"a\nMESSAGE=forged\nPRIORITY=0",
    b"\"}\\\",\"EventId\":\"x\"",
    b"=1+1;-2",
    b"'quoted' and \"quoted\"",
    b"\xe2\x80\xaegnp.\xef\xbb\xbf",
    b"@cee: {} ] <34>1",
    b"\r\n\t\x7f\xc2\x9b",
    b"\\xff \\n \\u0041",
    b" -H ",
];

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn bytes(&mut self) -> Vec<u8> {
        let (first, second) = (self.roll(HOSTILE.len()), self.roll(HOSTILE.len()));
        [HOSTILE[first], b"/", HOSTILE[second]].concat()
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn argv(&mut self, first: &[u8]) -> Vec<u8> {
        let mut argv = [first, b"\0https://crt.sh/?q=example.com\0"].concat();
        for _ in 0..self.roll(8) {
            argv.extend_from_slice(HOSTILE[self.roll(HOSTILE.len())]);
            argv.push(0);
        }
        argv
    }

    fn image(&mut self) -> Image {
        let argv = self.argv(b"sh");
        Image {
            file_name: Some(self.bytes()),
            folder_path: Some(self.bytes()),
            argv_total: argv.len() as u64,
            argv: Some(argv),
            argv_is_text: false,
        }
    }
}

fn findings() -> Vec<Report> {
    let packs: Result<Vec<_>, _> = BUILTIN_PACKS.iter().map(|pack| pack.parse()).collect();
    let engine = Engine::new(&packs.unwrap()).unwrap();
    let mut scratch = engine.scratch();
    let mut dice = Dice(1);
    let mut finding = |number: u64| {
        let mut argv = dice.argv(b"curl");
        if number == 7 {
            argv.extend(b"x\xff\n\"".repeat(1 << 18));
            argv.push(0);
        }
        let verdict = engine
            .judge(&Subject::new(&[b"curl"], &argv), &mut scratch)
            .expect("a finding");
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_000 + number);
        let mut report = Report::new(&Exec::new(time, Argv::whole(&argv)), Some(verdict));
        report.pid = Some(u32::try_from(number).unwrap());
        report.uid = Some(1000);
        report.account = Some(dice.text());
        report.file_name = Some(b"curl".to_vec());
        report.folder_path = Some(dice.bytes());
        report.file_size = Some(u64::MAX - number);
        report.sha256 = Some(Ok([7; 32]));
        report.known_as = (0..dice.roll(4)).map(|_| dice.text()).collect();
        if number == 9 {
            report.known_as = ["b", "a", "b"].map(str::to_owned).to_vec();
        }
        report.directory = Some(dice.bytes());
        report.tty = Some(dice.bytes());
        report.cgroup_path = Some(dice.bytes());
        report.script_path = Some(dice.bytes());
        report.container_id = Some(dice.text());
        report.previous = Some(dice.image());
        report.ancestry = (1..4)
            .map(|pid| Process {
                pid: Some(pid),
                image: dice.image(),
            })
            .collect();
        report.events_lost = number;
        if number.is_multiple_of(3) {
            report.tuning.folded = Some(Folded {
                count: number,
                since: time,
            });
            report.tuning.suppressed = Some(Suppressed {
                name: dice.text(),
                reason: dice.text(),
            });
        }
        report
    };
    (0..COUNT).map(&mut finding).collect()
}

/// Sends all of them to an output, and asserts that it took them.
fn send(target: Target, form: Form, reports: &[Report]) {
    let output = Output::start(Opened::open(target).unwrap(), || {}).unwrap();
    for report in reports {
        let record = Record::Exec(Box::new(report.clone()));
        output.send(Forms::new(&record, DEVICE).get(form), Weight::Exec);
    }
    let lines = reports.len() as u64;
    assert_eq!(
        output.finish(LIMIT),
        Written {
            lines,
            ..Written::default()
        }
    );
}

fn expected(report: &Report) -> Fields {
    Fields::parse(&json::report(report, DEVICE)).unwrap()
}

fn id(report: &Report) -> String {
    report.event_id(DEVICE)
}

/// The arguments, exactly, as fields of JSON have them.
fn argv(fields: &Fields) -> Vec<u8> {
    if let Some(exact) = fields.text("ProcessArgumentsBase64") {
        return BASE64_STANDARD.decode(exact).unwrap();
    }
    let arguments = fields.get("ProcessArguments").unwrap().as_array().unwrap();
    let arguments = arguments.iter().map(|argument| argument.as_str().unwrap());
    arguments
        .flat_map(|argument| [argument.as_bytes(), b"\0"].concat())
        .collect()
}

#[test]
fn lines_of_json_and_csv_come_back_field_by_field() {
    let (temp, reports) = (Temp::new(), findings());
    let file = temp.join("out");
    send(Target::File(file.clone()), Form::Json(Schema::Defender), &reports);
    let text = fs::read(&file).unwrap();
    let lines: Vec<_> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines.len(), reports.len());
    for (line, report) in lines.iter().zip(&reports) {
        let fields = Fields::parse(line).unwrap();
        assert_eq!(fields, expected(report));
        assert_eq!(argv(&fields), report.argv);
    }

    let table: Vec<u8> = [csv::header()]
        .into_iter()
        .chain(reports.iter().map(|r| csv::report(r, DEVICE)))
        .flatten()
        .collect();
    let mut reader = ::csv::Reader::from_reader(&table[..]);
    let names = reader.headers().unwrap().clone();
    let mut rows = 0;
    for (row, report) in reader.records().map(Result::unwrap).zip(&reports) {
        let fields = expected(report);
        for (name, cell) in names.iter().zip(&row) {
            match fields.get(name) {
                None => assert_eq!(cell, "", "{name}"),
                Some(Value::String(text)) => assert_same_text(name, cell, text),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => assert_eq!(cell, value.to_string()),
                Some(Value::Array(items)) if name != "ProcessArguments" && items.iter().all(Value::is_string) => {
                    let cells: Vec<_> = cell.split("; ").collect();
                    assert_eq!(cells.len(), items.len(), "{name}");
                    for (cell, item) in cells.iter().zip(items) {
                        assert_same_text(name, cell, item.as_str().unwrap());
                    }
                }
                Some(value) => assert_eq!(&serde_json::from_str::<Value>(cell).unwrap(), value, "{name}"),
            }
        }
        rows += 1;
    }
    assert_eq!(rows, reports.len());
}

/// A cell writes some characters as JSON does, but not the backslash, so a text with one can't be told from its escape: then
/// both are unescaped. An apostrophe in front is one more than the text has.
#[track_caller]
fn assert_same_text(name: &str, cell: &str, text: &str) {
    let unescaped = |text: &str| {
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\\') {
            plain.push_str(before);
            let code = after.get(1..5).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            rest = match (after.as_bytes().first(), code.and_then(char::from_u32)) {
                (Some(b'n'), _) => after.strip_prefix('n').map(|after| (plain.push('\n'), after).1),
                (Some(b'r'), _) => after.strip_prefix('r').map(|after| (plain.push('\r'), after).1),
                (Some(b't'), _) => after.strip_prefix('t').map(|after| (plain.push('\t'), after).1),
                (Some(b'u'), Some(c)) => after.get(5..).map(|after| (plain.push(c), after).1),
                _ => Some((plain.push('\\'), after).1),
            }
            .unwrap_or_default();
        }
        plain + rest
    };
    let (cell, text) = (unescaped(cell), unescaped(text));
    assert!(
        cell == text || cell.strip_prefix('\'') == Some(&*text),
        "{name}: {cell:?} of {text:?}"
    );
}

fn assert_entry(entry: &journal::Entry, report: &Report) {
    let mut values: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in entry {
        values.entry(name).or_default().push(value);
    }
    let one = |name: &str| -> &[u8] {
        let values = values.get(name).unwrap_or_else(|| panic!("{name} is there"));
        assert_eq!(values.len(), 1, "{name}");
        values[0]
    };
    let fields = expected(report);
    for (field, value) in &fields.0 {
        let name = journal::name(field);
        if let Some(exact) = fields::exact(report, field) {
            assert_eq!(one(&name), exact, "{name}");
            continue;
        }
        match value {
            _ if field == "ProcessArgumentsBase64" => assert!(!values.contains_key(&*name)),
            Value::String(text) => assert_eq!(one(&name), text.as_bytes(), "{name}"),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let mut wanted: Vec<_> = items.iter().map(|item| item.as_str().unwrap().as_bytes()).collect();
                // The journal sorts them and keeps equal ones once.
                let mut there = values.get(&*name).cloned().unwrap_or_default();
                wanted.sort_unstable();
                wanted.dedup();
                there.sort_unstable();
                assert_eq!(there, wanted, "{name}");
                if items.len() > 1 {
                    let whole = one(&format!("{name}_JSON"));
                    assert_eq!(&serde_json::from_slice::<Value>(whole).unwrap(), value);
                }
            }
            value => assert_eq!(&serde_json::from_slice::<Value>(one(&name)).unwrap(), value, "{name}"),
        }
    }
    assert_eq!(one("CERT_RECON_PROCESS_ARGUMENTS"), report.argv);
    assert_eq!(one("MESSAGE_ID"), journal::FINDING.as_bytes());
    let ours = values.keys().filter(|name| name.starts_with(journal::PREFIX));
    let known: Vec<_> = fields.0.iter().map(|(field, _)| journal::name(field)).collect();
    for name in ours {
        let base = name.strip_suffix("_JSON").unwrap_or(name);
        assert!(known.iter().any(|known| known == base), "{name} is nobody's");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn entries_of_the_journal_come_back_field_by_field() {
    let Some(journald) = Journald::start_held() else {
        return skip("this host has no journald");
    };
    let reports = findings();
    send(Target::Journal(journald.path()), Form::Journal, &reports);
    assert!(eventually(|| journald.entries().len() >= reports.len()));
    let entries = journald.entries();
    assert_eq!(entries.len(), reports.len());
    for (entry, report) in entries.iter().zip(&reports) {
        assert_entry(entry, report);
    }
}

/// The JSON of a message that was received.
fn received(line: &str) -> Fields {
    let (_, json) = line.split_once("] @cee: ").expect("the cookie");
    Fields::parse(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn messages_of_rsyslog_come_back_field_by_field_and_what_is_shortened_says_so() {
    for (limit, at_least) in [(128 << 10, 199), (8096, 150)] {
        let Some(mut rsyslogd) =
            Rsyslogd::prepare(&format!("global(maxMessageSize=\"{limit}\")\n{TO_FILE}"), &[], None)
        else {
            return skip("this host has no rsyslogd");
        };
        rsyslogd.start();
        let reports = findings();
        send(Target::Syslog(rsyslogd.path()), Form::Syslog { limit }, &reports);
        assert!(eventually(|| rsyslogd.lines().len() >= reports.len()));
        let lines = rsyslogd.lines();
        assert_eq!(lines.len(), reports.len());
        let mut whole = 0;
        for (line, report) in lines.iter().zip(&reports) {
            assert!(line.starts_with("authpriv."), "{line}");
            let head = format!(
                " host cert-recon ProcessCreated [cert-recon@32473 event=\"{}\"",
                id(report)
            );
            assert!(line.contains(&head), "{line}");
            let (fields, expected) = (received(line), expected(report));
            let Some(all) = fields.get("RecordBytes") else {
                assert_eq!(fields, expected);
                assert_eq!(argv(&fields), report.argv);
                whole += 1;
                continue;
            };
            let length = json::report(report, DEVICE).len() - 1;
            assert_eq!(all, length);
            assert!(line.contains(&format!(" cut=\"{length}\"]")));
            let cut: Vec<_> = fields.get("RecordCut").unwrap().as_array().unwrap().iter().collect();
            for (name, value) in &expected.0 {
                let there = fields.get(name);
                assert!(
                    there == Some(value) || cut.contains(&&Value::from(name.as_str())),
                    "{name}"
                );
            }
        }
        assert!(whole >= at_least && whole < reports.len(), "{whole} are whole");
    }
}

#[test]
fn the_given_configurations_of_rsyslog_bring_every_message_to_another_host_also_when_that_comes_late() {
    for late in [false, true] {
        let port = free_port();
        let to = format!("port=\"{port}\"");
        let changes = [("port=\"10514\"", &*to)];
        let (sender, receiver) = (given("cert-recon.conf"), given("receiver.conf"));
        let sender = format!("module(load=\"imuxsock\" SysSock.Use=\"off\")\n{sender}");
        let pair = Rsyslogd::prepare(&sender, &changes, None).zip(Rsyslogd::prepare(&receiver, &changes, Some(port)));
        let Some((mut sender, mut receiver)) = pair else {
            return skip("this host has no rsyslogd");
        };
        if !late {
            receiver.start();
        }
        sender.start();
        let reports = findings();
        let form = Form::Syslog { limit: 8096 };
        let (before, after) = reports.split_at(reports.len() / 2);
        send(Target::Syslog(sender.path()), form, before);
        if late {
            receiver.start();
        }
        send(Target::Syslog(sender.path()), form, after);
        let mut wanted: Vec<_> = reports.iter().map(id).collect();
        wanted.sort_unstable();
        let ids = || {
            let lines = receiver.lines();
            let id = |line: &String| {
                let fields = Fields::parse(line.as_bytes()).unwrap();
                fields.text("EventId").unwrap().to_owned()
            };
            let mut ids: Vec<_> = lines.iter().map(id).collect();
            ids.sort_unstable();
            if late {
                // What rsyslog had tried to send it may send once more.
                ids.dedup();
            }
            ids
        };
        assert!(eventually(|| ids().len() >= wanted.len()));
        assert!(ids() == wanted, "{} of {}, late: {late}", ids().len(), wanted.len());
        // What arrived is a record like any other.
        let hunted = Command::new(env!("CARGO_BIN_EXE_cert-recon"))
            .args(["hunt", "--format", "json"])
            .arg(receiver.out())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&hunted.stderr);
        assert_eq!(hunted.status.code(), Some(1), "{said}");
        let found = String::from_utf8(hunted.stdout).unwrap().lines().count();
        assert_eq!(found, receiver.lines().len(), "{said}");
        sender.stop();
        receiver.stop();
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn what_is_in_the_journal_goes_to_another_host_s_journal() {
    let remote = Path::new("/usr/lib/systemd/systemd-journal-remote");
    let Some(journald) = Journald::start_held().filter(|_| remote.exists()) else {
        return skip("this host has no journald, or no systemd-journal-remote");
    };
    let (temp, reports) = (Temp::new(), findings());
    send(Target::Journal(journald.path()), Form::Journal, &reports);
    assert!(eventually(|| journald.entries().len() >= reports.len()));
    let port = free_port();
    let folder = temp.folder("remote");
    let mut receiver = Command::new(remote)
        .arg(format!("--listen-http=127.0.0.1:{port}"))
        .arg(format!("--output={}", folder.display()))
        .args(["--split-mode=host"])
        .spawn()
        .unwrap();
    assert!(eventually(|| std::net::TcpListener::bind(("127.0.0.1", port)).is_err()));
    let sent = Command::new("/usr/lib/systemd/systemd-journal-upload")
        .arg(format!("--url=http://127.0.0.1:{port}"))
        .arg(format!("--directory={}", journald.journal().display()))
        .arg("--follow=no")
        .arg(format!("--save-state={}", temp.join("state").display()))
        .output()
        .unwrap();
    let entries = || journald_entries(&folder);
    let all = eventually(|| entries().len() >= reports.len());
    common::sys::kill(receiver.id(), libc::SIGTERM).unwrap();
    receiver.wait().unwrap();
    assert!(all, "{} of {}: {sent:?}", entries().len(), reports.len());
    let entries = entries();
    for (entry, report) in entries.iter().zip(&reports) {
        assert_entry(entry, report);
    }
}

fn journald_entries(folder: &Path) -> Vec<journal::Entry> {
    common::journald::entries_in(folder)
}
