//! Records of the kernel's form, and what they come to.

use std::{
    io::Read as _,
    time::{Duration, SystemTime},
};

use serde_json::Value;

mod forms;
mod real;

use super::*;
use crate::{finding::Process, source::recorded::collect::Collected};

const RAW: &[u8] = include_bytes!("../../../../tests/data/records/auditd-raw.log.gz");
const RAW_TRUTH: &[u8] = include_bytes!("../../../../tests/data/records/auditd-raw.truth.json.gz");
const ENRICHED: &[u8] = include_bytes!("../../../../tests/data/records/auditd-enriched.log.gz");
const ENRICHED_TRUTH: &[u8] = include_bytes!("../../../../tests/data/records/auditd-enriched.truth.json.gz");

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

fn parsed(text: &[u8]) -> Collected {
    Collected::of(Box::<AuditParser>::default(), [Input::of_bytes(text)])
}

fn args(report: &Report) -> Vec<Vec<u8>> {
    report.arguments().args().map(<[u8]>::to_vec).collect()
}

fn line(report: &Report) -> String {
    let argv = report.argv.strip_suffix(b"\0").unwrap_or(&report.argv);
    String::from_utf8_lossy(argv).replace('\0', " ")
}

/// An event of this exec, as the kernel writes it.
fn event(serial: u64, pid: u32, ppid: u32, argv: &[&str]) -> Vec<String> {
    let stamp = format!("msg=audit(1700000000.{:03}:{serial}):", serial % 1000);
    let args: Vec<_> = argv
        .iter()
        .enumerate()
        .map(|(n, arg)| format!("a{n}=\"{arg}\""))
        .collect();
    vec![
        format!(
            "type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 a0=1 items=2 ppid={ppid} pid={pid} auid=1000 \
             uid=0 gid=0 euid=0 egid=0 tty=pts3 ses=7 comm=\"x\" exe=\"/usr/bin/{}\" key=(null)",
            argv[0]
        ),
        format!("type=EXECVE {stamp} argc={} {}", argv.len(), args.join(" ")),
        format!("type=CWD {stamp} cwd=\"/srv\""),
        format!(
            "type=PATH {stamp} item=0 name=\"/usr/bin/{}\" inode=1 dev=fe:00",
            argv[0]
        ),
        format!("type=PROCTITLE {stamp} proctitle=\"x\""),
    ]
}

fn text(lines: &[String]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| [line.as_bytes(), b"\n"].concat())
        .collect()
}

#[test]
fn of_a_real_log_every_exec_has_the_arguments_that_it_was_given() {
    for (log, truth) in [(RAW, RAW_TRUTH), (ENRICHED, ENRICHED_TRUTH)] {
        let found = parsed(&unpacked(log));
        assert_eq!(found.bad, []);
        let truth: Vec<Value> = serde_json::from_slice(&unpacked(truth)).unwrap();
        assert!(truth.len() >= 15);
        for run in &truth {
            let pid = u32::try_from(run["pid"].as_u64().unwrap()).unwrap();
            // The bytes were written as characters of the same numbers.
            let argv: Vec<Vec<u8>> = run["argv"].as_array().unwrap().iter().map(latin1).collect();
            let report = found.reports.iter().find(|report| report.pid == Some(pid)).unwrap();
            let mut given = args(report);
            if let Some(script) = &report.script_path {
                assert_eq!(given[given.len() - argv.len()..].first(), Some(script));
                given.drain(..given.len() - argv.len());
            }
            assert_eq!(given, argv, "{}", line(report));
            assert_eq!(report.argv_total, report.argv.len() as u64);
            assert!(report.directory.is_some() && report.folder_path.is_some() && report.uid == Some(0));
            assert_eq!(
                (report.login_uid, report.session_id),
                (None, None),
                "nobody has logged in"
            );
        }
    }
}

fn latin1(text: &Value) -> Vec<u8> {
    text.as_str().unwrap().chars().map(|c| c as u8).collect()
}

#[test]
fn of_a_real_log_scripts_memory_and_accounts_are_told() {
    let found = parsed(&unpacked(ENRICHED));
    let of = |start: &str| {
        found
            .reports
            .iter()
            .find(|report| line(report).starts_with(start))
            .unwrap()
    };
    let script = of("/bin/sh /tmp/demo/testssl.sh example.com");
    assert_eq!(script.file_name.as_deref(), Some(&b"sh"[..]));
    assert_eq!(script.script_path.as_deref(), Some(&b"/tmp/demo/testssl.sh"[..]));
    assert_eq!(script.folder_path.as_deref(), Some(&b"/usr/bin/dash"[..]));
    assert_eq!(script.directory.as_deref(), Some(&b"/tmp/demo"[..]));
    let memory = of("mem -m1");
    assert_eq!(
        (memory.fileless, memory.file_name.as_deref()),
        (Some(true), Some(&b"curl"[..]))
    );
    let wget = of("wget -q");
    assert_eq!(wget.account.as_deref(), Some("root"));
    let parent = wget.ancestry.first().unwrap();
    assert_eq!(parent.image.file_name.as_deref(), Some(&b"sh"[..]));
    let failed = found.reports.iter().any(|report| line(report).contains("none"));
    assert!(!failed, "an exec that failed did not happen");
}

#[test]
fn records_of_several_events_may_be_mixed() {
    let (one, two) = (event(1, 10, 1, &["curl", "a"]), event(2, 11, 10, &["wget", "b"]));
    let mixed: Vec<String> = one.iter().zip(&two).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let found = parsed(&text(&mixed));
    let lines: Vec<_> = found.reports.iter().map(line).collect();
    assert_eq!(lines, ["curl a", "wget b"]);
    assert_eq!(found.bad, []);
    let report = &found.reports[1];
    assert_eq!(
        (report.pid, report.parent_pid, report.login_uid, report.session_id),
        (Some(11), Some(10), Some(1000), Some(7))
    );
    assert_eq!(report.tty.as_deref(), Some(&b"pts/3"[..]));
    let parent = Process {
        pid: Some(10),
        image: found.reports[1].ancestry[0].image.clone(),
    };
    assert_eq!(report.ancestry[0], parent);
    assert_eq!(parent.image.argv.as_deref(), Some(&b"curl\0a\0"[..]));
    assert_eq!(
        report.time,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_002)
    );
}

#[test]
fn an_event_that_goes_on_in_the_next_file_is_one_exec() {
    let lines = event(1, 10, 1, &["curl", "a"]);
    let files = [text(&lines[..2]), text(&lines[2..])].map(|text| Input::of_bytes(&text));
    let found = Collected::of(Box::<AuditParser>::default(), files);
    assert_eq!(found.reports.len(), 1);
    assert_eq!(found.reports[0].directory.as_deref(), Some(&b"/srv"[..]));
}

#[test]
fn an_exec_is_given_once_though_its_lines_stand_twice() {
    let mut lines = event(1, 10, 1, &["curl", "a", "b"]);
    lines.extend(event(1, 10, 1, &["curl", "a", "b"]));
    let mut doubled: Vec<String> = event(2, 10, 1, &["curl", "a", "b"]);
    doubled = doubled.iter().flat_map(|line| [line.clone(), line.clone()]).collect();
    lines.extend(doubled);
    let found = parsed(&text(&lines));
    let lines: Vec<_> = found.reports.iter().map(line).collect();
    assert_eq!(lines, ["curl a b", "curl a b"]);
}

#[test]
fn hosts_that_share_a_log_are_told_apart() {
    let on = |node: &str| -> Vec<String> {
        let lines = event(1, 10, 1, &["curl", node]);
        lines.iter().map(|line| format!("node={node} {line}")).collect()
    };
    let lines: Vec<String> = on("a").into_iter().zip(on("b")).flat_map(|(a, b)| [a, b]).collect();
    let found = parsed(&text(&lines));
    let hosts: Vec<_> = found
        .reports
        .iter()
        .map(|report| (line(report), report.device("here").unwrap().to_owned()))
        .collect();
    assert_eq!(
        hosts,
        [("curl a", "a"), ("curl b", "b")].map(|(line, host)| (line.to_owned(), host.to_owned()))
    );
}

#[test]
fn arguments_come_whole_from_parts_and_a_part_that_is_missing_is_told() {
    let stamp = "msg=audit(1700000000.000:5):";
    for (records, argv, missing) in [
        (&["argc=2 a0=\"x\" a1=\"\""][..], "x,", false),
        (&["argc=1 a0=6120FF"], "a \u{fffd}", false),
        (
            &["argc=3 a0=\"x\" a1_len=6 a1[0]=41 a1[1]=42", "a1[2]=43 a2=\"y\""],
            "x,ABC,y",
            false,
        ),
        (
            &[
                "argc=3 a0=\"x\" a1_len=4 a1[0]=41",
                "a1[1]=42",
                " a2_len=4 a2[0]=43",
                "a2[1]=44",
            ],
            "x,AB,CD",
            false,
        ),
        (&["argc=3 a0=\"x\" a1_len=9 a1[0]=41", "a1[2]=42 a2=\"y\""], "x,A", true),
        (&["argc=3 a0=\"x\"", "a2=\"y\""], "x", true),
        (&["argc=3 a0=\"x\" a1=\"y\""], "x,y", true),
        (&["argc=2 a0=\"x\" a1=\"cut of"], "x,cut of", true),
        (&["argc=2 a0=\"x\" a1=414"], "x,A", true),
        (
            &["argc=3 a0=\"x\" a1_len=6 a1[0]=41 a1[1]=42", "a2=\"y\""],
            "x,AB",
            true,
        ),
        (&["argc=2 a0=\"x\" a1_len=4 a1[0]=\"ab\" a1[1]=6364"], "x,abcd", false),
    ] {
        let mut lines = vec![format!(
            "type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes pid=1 ppid=0 exe=\"/x\""
        )];
        lines.extend(records.iter().map(|record| format!("type=EXECVE {stamp} {record}")));
        let found = parsed(&text(&lines));
        let report = &found.reports[0];
        let joined: Vec<_> = args(report)
            .iter()
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        assert_eq!(joined.join(","), argv, "{records:?}");
        assert_eq!(report.argv_total > report.argv.len() as u64, missing, "{records:?}");
    }
}

#[test]
fn without_its_arguments_an_exec_has_the_title_of_its_process_which_may_be_cut() {
    let stamp = "msg=audit(1700000000.000:5):";
    for (title, argv, cut) in [
        ("6C73002D6C".to_owned(), &b"ls\0-l\0"[..], false),
        ("\"ls\"".to_owned(), b"ls\0", false),
        (
            format!("6C7300{}", "61".repeat(125)),
            &[b"ls\0", &[b'a'; 125][..]].concat(),
            true,
        ),
        // The kernel had 128 bytes, and dropped the NUL at their end.
        (
            format!("6C7300{}", "61".repeat(124)),
            &[b"ls\0", &[b'a'; 124][..]].concat(),
            true,
        ),
    ] {
        let lines = [
            format!("type=SYSCALL {stamp} arch=c000003e syscall=322 success=yes pid=1 ppid=0 exe=\"/usr/bin/ls\""),
            format!("type=PROCTITLE {stamp} proctitle={title}"),
        ];
        let found = parsed(&text(&lines));
        assert_eq!(found.reports[0].argv, argv);
        assert_eq!(found.reports[0].arguments().is_cut(), cut);
    }
}

#[test]
fn an_exec_of_which_all_arguments_are_missing_is_one_that_is_cut() {
    let found = parsed(&text(&event(1, 10, 1, &["sslyze", "x"])[..1]));
    let report = &found.reports[0];
    assert!(report.argv.is_empty() && report.arguments().is_cut());
    assert_eq!(report.folder_path.as_deref(), Some(&b"/usr/bin/sslyze"[..]));
}

#[test]
fn what_is_no_exec_is_none_and_costs_no_memory() {
    let stamp = |n: u32| format!("msg=audit(1700000000.000:{n}):");
    let mut lines = Vec::new();
    for n in 0..2000 {
        lines.push(format!(
            "type=SYSCALL {} arch=c000003e syscall=257 success=yes pid=1",
            stamp(n)
        ));
        lines.push(format!("type=CWD {} cwd=\"/\"", stamp(n)));
        lines.push(format!("type=USER_CMD {} pid=1 msg='cwd=\"/\" cmd=\"x\"'", stamp(n)));
    }
    let mut parser = AuditParser::default();
    let mut found = Collected::default();
    parser.read(&mut Input::of_bytes(&text(&lines)), &mut found).unwrap();
    assert!(found.reports.is_empty() && found.bad.is_empty() && parser.events.is_empty());
}

#[test]
fn events_that_never_end_are_given_when_time_has_passed_or_room_is_short() {
    let without_title = |serial: u64, second: u64| -> Vec<String> {
        let lines = event(serial, 10, 1, &["curl", &serial.to_string()]);
        let of = |line: &String| line.replace("1700000000", &(1_700_000_000 + second).to_string());
        lines[..3].iter().map(of).collect()
    };
    let mut parser = AuditParser::default();
    let mut found = Collected::default();
    let mut give = |lines: &[String], found: &mut Collected| {
        parser.read(&mut Input::of_bytes(&text(lines)), found).unwrap();
        parser.events.len()
    };
    assert_eq!(give(&without_title(1, 0), &mut found), 1);
    assert_eq!(give(&without_title(2, 6), &mut found), 1);
    assert_eq!(found.reports.len(), 1);
    for serial in 3..6000 {
        assert!(give(&without_title(serial, 6), &mut found) <= OPEN);
    }
    assert!(found.reports.len() > 1700);
}

#[test]
fn losses_that_the_log_speaks_of_are_told() {
    let lines = [
        "Nov 25 h kernel: audit: audit_backlog=321 > audit_backlog_limit=320",
        "Nov 25 h kernel: audit: audit_lost=5 audit_rate_limit=0 audit_backlog_limit=320",
        "Nov 25 h kernel: audit: backlog limit exceeded",
        "Nov 25 h auditd[1]: queue to plugins is full - dropping event",
        "Nov 25 h sshd[1]: nothing of the kind",
    ];
    let found = parsed(lines.join("\n").as_bytes());
    assert_eq!(found.gaps.len(), 3);
}

#[test]
fn a_log_that_is_cut_anywhere_gives_what_was_whole_before_the_cut() {
    let mut lines = event(1, 10, 1, &["curl", "a"]);
    let first = text(&lines).len();
    lines.extend(event(2, 11, 10, &["wget", "b"]));
    let whole = text(&lines);
    for end in 0..=whole.len() {
        let found = parsed(&whole[..end]);
        if end >= first {
            assert_eq!(line(&found.reports[0]), "curl a", "{end}");
        }
        // And a log that begins anywhere has what is whole behind that.
        let found = parsed(&whole[end..]);
        if end <= first {
            // What has lost its beginning waits until the end, and may come behind it.
            assert!(found.reports.iter().any(|report| line(report) == "wget b"), "{end}");
        }
    }
}

#[test]
fn nothing_in_a_line_is_more_than_a_bad_line() {
    let lines = event(1, 10, 1, &["curl", "a"]);
    let mut hostile: Vec<Vec<u8>> = vec![
        b"\0\0\0".to_vec(),
        vec![b'x'; 10 << 20],
        b"type=EXECVE msg=audit(1.000:9): argc=18446744073709551615 a18446744073709551615=\"x\"".to_vec(),
        b"type=EXECVE msg=audit(1.000:8): a0[18446744073709551615]=41 a[=1 a]=2 a1[]=3 ==== \"".to_vec(),
        b"type=SYSCALL msg=audit(18446744073709551615.999:7): arch=c000003e syscall=59 pid=1".to_vec(),
        b"\xff\xfe type= msg=".to_vec(),
    ];
    hostile.extend(lines.iter().map(|line| line.as_bytes().to_vec()));
    let found = parsed(&hostile.join(&b'\n'));
    assert!(found.reports.iter().any(|report| line(report) == "curl a"));
    assert_eq!(found.bad.len(), 1, "{:?}", found.bad);
}

#[test]
fn an_audit_log_is_known_by_its_records_also_from_the_middle_of_one() {
    assert!(looks_like(&unpacked(RAW)[20..]));
    assert!(looks_like(
        b"junk of a line\nnode=a type=CWD msg=audit(1.234:5): cwd=\"/\"\n"
    ));
    for other in [
        &b"type=x\n"[..],
        b"",
        b"{\"type\":1}\n",
        b"Nov 25 h kernel: audit: type=1300 audit(1.234:5): x\n",
    ] {
        assert!(!looks_like(other));
    }
}
