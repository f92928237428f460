//! Forms that records have elsewhere, and records that contradict each other.

use super::{AuditParser, Collected, Input, event, line, parsed, text};
use crate::{
    finding::Report,
    source::recorded::{Parser as _, Place},
};

const STAMP: &str = "msg=audit(1700000000.000:5):";

fn one(lines: &[String]) -> Vec<Report> {
    let found = parsed(&text(lines));
    assert_eq!(found.bad, []);
    found.reports
}

#[test]
fn an_exec_that_failed_is_none_in_whatever_order_its_records_come() {
    let failed = |body: &str| body.replace("success=yes", "success=no");
    let lines: Vec<String> = event(1, 10, 1, &["curl", "a"])
        .iter()
        .map(|line| failed(line))
        .collect();
    assert!(one(&lines).is_empty());
    let backwards: Vec<String> = lines.iter().rev().cloned().collect();
    assert!(one(&backwards).is_empty());
}

#[test]
fn an_exec_is_known_by_its_number_its_name_or_its_arguments() {
    for (arch, call, enriched, arguments, is_exec) in [
        ("c000003e", "59", "", true, true),
        ("c000003e", "322", "", false, true),
        ("c000003e", "1073742344", "", false, true),
        ("40000003", "11", "", false, true),
        ("40000003", "59", "", false, false),
        ("c00000b7", "221", "", false, true),
        ("c00000b7", "281", "", false, true),
        ("c000003e", "221", "", false, false),
        ("deadbeef", "7", "\u{1d}ARCH=new SYSCALL=execve", false, true),
        ("deadbeef", "7", "\u{1d}ARCH=new SYSCALL=execveat", true, true),
        ("deadbeef", "7", "\u{1d}ARCH=new SYSCALL=openat", false, false),
        ("deadbeef", "7", "\u{1d}ARCH=unknown SYSCALL=unknown(7)", true, true),
        ("deadbeef", "7", "", true, true),
        ("deadbeef", "7", "", false, false),
    ] {
        let mut lines = vec![format!(
            "type=SYSCALL {STAMP} arch={arch} syscall={call} success=yes exit=0 pid=7 ppid=1 exe=\"/usr/bin/ls\"{enriched}"
        )];
        if arguments {
            lines.push(format!("type=EXECVE {STAMP} argc=1 a0=\"ls\""));
        }
        lines.push(format!("type=PROCTITLE {STAMP} proctitle=\"ls\""));
        let found = one(&lines);
        assert_eq!(found.len(), usize::from(is_exec), "{lines:?}");
        if let Some(report) = found.first() {
            assert_eq!((report.pid, line(report)), (Some(7), "ls".to_owned()), "{lines:?}");
        }
    }
}

#[test]
fn records_that_changed_places_are_of_the_same_execs() {
    let lines: Vec<String> = event(1, 10, 1, &["curl", "a"])
        .into_iter()
        .chain(event(2, 11, 10, &["wget", "b"]))
        .collect();
    for at in 1..lines.len() {
        let mut swapped = lines.clone();
        swapped.swap(at - 1, at);
        let found = one(&swapped);
        let mut told: Vec<_> = found.iter().map(|report| (report.pid, line(report))).collect();
        told.sort();
        let expected = [(Some(10), "curl a"), (Some(11), "wget b")].map(|(pid, line)| (pid, line.to_owned()));
        assert_eq!(told, expected, "{at}");
    }
}

#[test]
fn accounts_have_the_names_of_the_log_and_no_others() {
    let syscall = |names: &str| {
        let body = "arch=c000003e syscall=59 success=yes exit=0 pid=7 ppid=1 auid=1000 uid=33 euid=0 exe=\"/x\"";
        vec![
            format!("type=SYSCALL {STAMP} {body}{names}"),
            format!("type=EXECVE {STAMP} argc=1 a0=\"x\""),
        ]
    };
    for (names, login, account, effective) in [
        ("", None, None, None),
        (
            "\u{1d}AUID=\"alice\" UID=\"www-data\" EUID=\"root\"",
            Some("alice"),
            Some("www-data"),
            Some("root"),
        ),
        ("\u{1d}AUID=\"unset\" UID=\"unknown(33)\" EUID=\"?\"", None, None, None),
        ("\u{1d}AUID=\"unknown\" UID=\"\"", Some("unknown"), None, None),
    ] {
        let found = one(&syscall(names));
        let report = &found[0];
        assert_eq!(
            (
                report.login_account.as_deref(),
                report.account.as_deref(),
                report.effective_account.as_deref()
            ),
            (login, account, effective),
            "{names}"
        );
        assert_eq!((report.login_uid, report.uid), (Some(1000), Some(33)));
    }
}

#[test]
fn what_a_process_ran_before_is_told_only_where_it_must_be_the_same_process() {
    let at = |lines: Vec<String>, seconds: u64| -> Vec<String> {
        let second = (1_700_000_000 + seconds).to_string();
        lines.iter().map(|line| line.replace("1700000000", &second)).collect()
    };
    let first = || event(1, 10, 1, &["sudo", "curl", "a"]);
    for (second, previous) in [
        (event(2, 10, 1, &["curl", "b"]), true),
        (at(event(2, 10, 1, &["curl", "a"]), 300), true),
        (at(event(2, 10, 1, &["curl", "b"]), 300), false),
        (at(event(2, 10, 1, &["a"]), 300), true),
        (event(2, 10, 2, &["curl", "a"]), false),
        (event(2, 11, 1, &["curl", "a"]), false),
    ] {
        let found = one(&[first(), second.clone()].concat());
        let report = &found[1];
        let name = report.previous.as_ref().and_then(|image| image.file_name.as_deref());
        assert_eq!(name, previous.then_some(&b"sudo"[..]), "{second:?}");
    }
}

#[test]
fn times_in_which_nothing_was_audited_are_told() {
    let daemon = |kind: &str, second: u64, body: &str| {
        format!("type={kind} msg=audit({}.000:{second}): {body}", 1_700_000_000 + second)
    };
    let start = |second| daemon("DAEMON_START", second, "op=start res=success");
    let end = |second| daemon("DAEMON_END", second, "op=terminate res=success");
    let change = |second, body: &str| daemon("CONFIG_CHANGE", second, body);
    for (lines, gaps) in [
        (vec![start(1)], vec![]),
        (vec![start(1), end(2), start(9)], vec![(Some(2), Some(9))]),
        (vec![end(2)], vec![(Some(2), None)]),
        (vec![daemon("DAEMON_ABORT", 3, ""), start(4)], vec![(Some(3), Some(4))]),
        (vec![start(1), start(7)], vec![(None, Some(7))]),
        (vec![daemon("DAEMON_ERR", 3, "op=x")], vec![(None, None)]),
        (vec![daemon("DAEMON_RESUME", 3, "op=x")], vec![(None, Some(3))]),
        (vec![daemon("DAEMON_ROTATE", 3, "op=x")], vec![]),
        (
            vec![
                change(1, "op=set audit_enabled=0 old=1 auid=0 res=1"),
                change(5, "op=set audit_enabled=1 old=0 auid=0 res=1"),
            ],
            vec![(Some(1), Some(5))],
        ),
        (
            vec![change(1, "op=set audit_enabled=0 old=1 res=1")],
            vec![(Some(1), None)],
        ),
        (vec![change(1, "op=set audit_enabled=0 old=1 res=0")], vec![]),
        (vec![change(1, "op=set audit_enabled=1 old=1 res=1")], vec![]),
        (vec![change(1, "op=set lost=0 old=17 res=1")], vec![(None, Some(1))]),
        (vec![change(1, "op=add_rule key=\"x\" list=4 res=1")], vec![]),
    ] {
        let found = parsed(&text(&lines));
        let seconds =
            |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 1_700_000_000;
        let told: Vec<_> = found
            .gaps
            .iter()
            .map(|gap| (gap.from.map(seconds), gap.until.map(seconds)))
            .collect();
        assert_eq!(told, gaps, "{lines:?}");
    }
}

#[test]
fn an_event_that_is_given_up_for_room_is_told_when_something_of_it_is_missing() {
    let mut parser = AuditParser::default();
    let mut found = Collected::default();
    for serial in 0..5000 {
        parser.line(
            event(serial, 10, 1, &["curl"])[0].as_bytes(),
            b"",
            Place::default(),
            &mut found,
        );
    }
    assert!(parser.events.len() <= super::OPEN);
    let given = found.reports.len();
    assert!(given >= 5000 - super::OPEN);
    assert_eq!(found.bad.len(), given);
    parser.finish(&mut found);
    assert_eq!(found.reports.len(), 5000);
    assert_eq!(found.bad.len(), given);
}

#[test]
fn bytes_of_arguments_are_exact_and_a_name_that_ends_like_a_deleted_file_is_a_name() {
    let lines = |exe: &str, path: &str| {
        vec![
            format!("type=SYSCALL {STAMP} arch=c000003e syscall=59 success=yes exit=0 pid=7 ppid=1 exe={exe}"),
            format!("type=EXECVE {STAMP} argc=3 a0=\"x\" a1=FF00FE a2=\"\""),
            format!("type=PATH {STAMP} item=0 name={path} inode=5 dev=fe:01"),
        ]
    };
    let gone = "2F746D702F78202864656C6574656429";
    let found = one(&lines(gone, "\"/tmp/x\""));
    assert_eq!(found[0].folder_path.as_deref(), Some(&b"/tmp/x"[..]));
    assert_eq!(found[0].fileless, Some(true));
    assert_eq!(found[0].argv, b"x\0\xff\0\xfe\0\0");
    let found = one(&lines(gone, gone));
    assert_eq!(found[0].folder_path.as_deref(), Some(&b"/tmp/x (deleted)"[..]));
    assert_eq!(found[0].fileless, Some(false));
}

#[test]
fn a_log_of_many_small_inputs_is_read_like_one() {
    let lines = event(1, 10, 1, &["curl", "a"]);
    let files = lines.iter().map(|line| Input::of_bytes(line.as_bytes()));
    let found = Collected::of(Box::<AuditParser>::default(), files);
    assert_eq!(found.reports.len(), 1);
}

#[test]
fn hosts_whose_clocks_differ_do_not_end_each_others_events_and_a_clock_may_be_set() {
    let on = |node: &str, second: u64| -> Vec<String> {
        let lines = event(second, 10, 1, &["curl", node]);
        let second = (1_700_000_000 + second).to_string();
        let of = |line: &String| format!("node={node} {}", line.replace("1700000000", &second));
        lines.iter().map(of).collect()
    };
    let (ahead, behind) = (on("a", 40), on("b", 10));
    let mixed: Vec<String> = behind
        .iter()
        .zip(&ahead)
        .flat_map(|(b, a)| [b.clone(), a.clone()])
        .collect();
    let found = one(&mixed);
    let told: Vec<_> = found
        .iter()
        .map(|report| (line(report), report.directory.is_some()))
        .collect();
    assert_eq!(told, [("curl b".to_owned(), true), ("curl a".to_owned(), true)]);
    let mut parser = AuditParser::default();
    let mut found = Collected::default();
    for record in on("a", 100)[..3].iter().chain(&on("a", 50)[..3]) {
        parser.line(record.as_bytes(), b"", Place::default(), &mut found);
    }
    assert_eq!((found.reports.len(), parser.events.len()), (1, 1));
}

#[test]
fn a_record_that_does_not_say_to_which_event_it_belongs_is_told() {
    for line in [
        "Nov 25 17:00:00 h audit[12]: EXECVE argc=1 a0=\"ls\"",
        "Nov 25 17:00:00 h audit: EXECVE argc=1 a0=\"ls\"",
        "Nov 25 17:00:00 h audit: <audit-1309> argc=1 a0=\"ls\"",
    ] {
        let found = parsed(line.as_bytes());
        assert!(found.reports.is_empty());
        assert_eq!(found.bad.len(), 1, "{line}");
    }
    assert_eq!(parsed(b"Nov 25 17:00:00 h audit[12]: CWD cwd=\"/\"").bad, []);
}
