use std::time::UNIX_EPOCH;

use super::*;
use crate::source::recorded::{
    Format,
    collect::Collected,
    format::detect,
    judging::{Judging, command_line, withstands},
};

const JSON: &[u8] = include_bytes!("../../../../tests/data/records/journal.json");
const NOT_ALL: &[u8] = include_bytes!("../../../../tests/data/records/journal-not-all.json");
const EXPORT: &[u8] = include_bytes!("../../../../tests/data/records/journal.export");

fn journal() -> Box<dyn Parser> {
    Box::<Journal>::default()
}

fn read(bytes: &[u8]) -> Collected {
    Collected::of(journal(), [Input::of_bytes(bytes)])
}

#[test]
fn both_forms_of_one_journal_tell_the_same() {
    let mut told = Vec::new();
    for bytes in [JSON, EXPORT] {
        assert_eq!(detect(bytes), Some(Format::Journald));
        let collected = read(bytes);
        assert!(collected.bad.is_empty(), "{:?}", collected.bad);
        let reports = collected.reports.iter();
        let facts = reports.map(|report| {
            (
                report.time,
                report.argv.clone(),
                report.login_account.clone(),
                report.origin.as_ref().unwrap().device.clone(),
                report.directory.clone(),
            )
        });
        told.push(facts.collect::<Vec<_>>());
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].len(), 5);
    let (time, argv, user, device, _) = &told[0][0];
    assert_eq!(*time, UNIX_EPOCH + Duration::from_micros(1_795_630_236_909_397));
    assert_eq!(argv, b"/usr/bin/curl -sm1 https://crt.sh/?q=%25.example.com");
    assert_eq!((user.as_deref(), device.as_deref()), (Some("alice"), Some("web01")));
    assert!(
        told[0]
            .iter()
            .any(|(_, argv, ..)| argv.ends_with(b"caf\xe9 https://crt.sh/?q=latin.example.com"))
    );
}

#[test]
fn a_message_that_was_too_large_for_the_export_is_told_to_be_missing() {
    let collected = read(NOT_ALL);
    assert_eq!(collected.reports.len(), 4);
    assert_eq!(collected.bad.len(), 1);
    assert!(collected.bad[0].1.contains("--all"), "{:?}", collected.bad);
}

#[test]
fn findings_are_made_of_what_sudo_ran() {
    let judging = Judging::of(journal(), Input::of_bytes(JSON));
    let lines = judging.lines();
    for text in ["%25.example.com", "example.org", "host060", "latin", "json.example.com"] {
        assert!(lines.iter().any(|(_, line)| line.contains(text)), "{text}: {lines:?}");
    }
}

#[test]
fn an_entry_says_who_logged_in_and_in_which_unit_whatever_shape_its_values_have() {
    let entry = r#"{"SYSLOG_IDENTIFIER":["sudo","x"],"_HOSTNAME":[[119,101,98],"y"],"__REALTIME_TIMESTAMP":"1700000000000000","_PID":"7",
        "_AUDIT_LOGINUID":"1000","_AUDIT_SESSION":"3","_SYSTEMD_UNIT":"session-3.scope","OTHER":{"a":[1,null]},
        "MESSAGE":[97,32,58,32,80,87,68,61,47,32,59,32,67,79,77,77,65,78,68,61,47,98,105,110,47,105,100,32,-23]}"#;
    let entry = entry.replace('\n', "");
    // `"sudo"` is looked for before an entry is taken apart.
    let collected = read(entry.as_bytes());
    assert!(collected.bad.is_empty(), "{:?}", collected.bad);
    let report = &collected.reports[0];
    assert_eq!(report.argv, b"/bin/id \xe9");
    assert_eq!((report.login_uid, report.session_id), (Some(1000), Some(3)));
    assert_eq!(report.systemd_unit.as_deref(), Some("session-3.scope"));
    assert_eq!(report.origin.as_ref().unwrap().device.as_deref(), Some("web"));
}

#[test]
fn what_is_no_entry_is_told_and_the_next_one_is_found() {
    let good = "{\"SYSLOG_IDENTIFIER\":\"sudo\",\"__REALTIME_TIMESTAMP\":\"1700000000000000\",\"MESSAGE\":\"a : PWD=/ ; COMMAND=/bin/id\"}\n";
    let collected = read(format!("{{\"sudo\"\n{{\"x\":\"sudo\",}}\n\n\u{1e}{good}data: {good}").as_bytes());
    let bad: Vec<u64> = collected.bad.iter().map(|(place, _)| place.line).collect();
    assert_eq!((collected.reports.len(), &bad[..]), (2, &[1, 2][..]));
    let field = |length: u64| [b"MESSAGE\n", &length.to_le_bytes()[..], b"x\n\n"].concat();
    let good = b"__CURSOR=x\nSYSLOG_IDENTIFIER=sudo\n__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=a : PWD=/ ; COMMAND=/bin/id\n\n";
    for length in [0, 3, u64::MAX] {
        let collected = read(&[&good[..], &field(length), &good[..]].concat());
        assert_eq!(collected.reports.len(), 2, "{length}");
        assert!(!collected.bad.is_empty(), "{length}");
    }
}

#[test]
fn no_damage_to_a_journal_takes_what_stands_before_it() {
    let head = |bytes: &'static [u8], most: usize| {
        let end = bytes[..most].iter().rposition(|&byte| byte == b'\n').unwrap();
        &bytes[..=end]
    };
    withstands(journal, head(JSON, 5000));
    withstands(journal, head(EXPORT, 5000));
    let binary = memchr::memmem::find(EXPORT, b"\nMESSAGE\n").unwrap();
    let begin = memchr::memmem::rfind(&EXPORT[..binary], b"\n\n").unwrap() + 2;
    let end = binary + memchr::memmem::find(&EXPORT[binary..], b"\n\n__CURSOR").unwrap();
    withstands(journal, &EXPORT[begin..end + 2]);
    assert_eq!(command_line(&read(&EXPORT[begin..end + 2]).reports[0]).len(), 52);
}
