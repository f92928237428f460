//! Lines of the monitor, read back and damaged.

use std::time::Duration;

use super::*;
use crate::{
    rules::{BUILTIN_PACKS, Engine},
    sink::json,
    source::recorded::collect::Collected,
};

fn read(text: &[u8]) -> Collected {
    Collected::of(Box::<OwnLines>::default(), [Input::of_bytes(text)])
}

fn full() -> Report {
    let argv = b"curl\0\0https://crt.sh/?q=\xff\0";
    let mut exec = Exec::new(
        SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456),
        Argv::whole(argv),
    );
    exec.pid = Some(7);
    exec.uid = Some(1000);
    exec.effective_uid = Some(0);
    exec.login_uid = Some(1001);
    exec.path = Some(b"curl");
    exec.executable = Some(FilePath::Plain(b"/usr/bin/curl"));
    exec.fileless = Some(false);
    exec.tty = Some(b"pts/1");
    let mut report = Report::new(&exec, None);
    report.account = Some("alice".to_owned());
    report.effective_account = Some("root".to_owned());
    report.sha256 = Some(Ok([0xab; 32]));
    report.known_as = vec!["curl".to_owned()];
    report.systemd_unit = Some("cron.service".to_owned());
    report.events_lost = 3;
    let image = |line: &[u8]| Image {
        file_name: Some(b"sh".to_vec()),
        folder_path: Some(b"/bin/dash".to_vec()),
        argv: Some(line.to_vec()),
        argv_total: line.len() as u64,
        argv_is_text: false,
    };
    report.previous = Some(Image {
        folder_path: None,
        ..image(b"env\0x\0")
    });
    report.ancestry = vec![
        Process {
            pid: Some(6),
            image: image(b"sh\0-c\0x y\0"),
        },
        Process {
            pid: Some(1),
            image: Image::default(),
        },
    ];
    report.parent_pid = Some(6);
    report.tuning.suppressed = Some(Suppressed {
        name: "ours".to_owned(),
        reason: "agreed".to_owned(),
    });
    report.tuning.folded = Some(Folded {
        count: 2,
        since: SystemTime::UNIX_EPOCH + Duration::from_secs(5),
    });
    report
}

/// The line, as it is without where it was read.
fn without_place(line: &[u8]) -> serde_json::Value {
    let mut row: serde_json::Value = serde_json::from_slice(line).unwrap();
    for field in ["RecordSource", "RecordFile", "RecordLine", "RecordKey"] {
        row.as_object_mut().unwrap().remove(field);
    }
    row
}

#[test]
fn what_was_written_is_read_back_and_written_again_the_same() {
    let bare = Report::new(&Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(b"x\0")), None);
    let mut cut = full();
    (cut.argv, cut.argv_total) = (b"curl\0https://crt".to_vec(), 5000);
    let mut text = full();
    (text.argv, text.argv_is_text) = (b"curl https://crt.sh/".to_vec(), true);
    text.argv_total = text.argv.len() as u64;
    let mut memory = full();
    memory.folder_path = Some(b"/memfd:curl".to_vec());
    memory.fileless = Some(true);
    let mut script = full();
    script.script_path = Some(b"./x.sh".to_vec());
    let mut unhashed = full();
    unhashed.sha256 = Some(Err("gone".to_owned()));
    unhashed.known_as.clear();
    for report in [full(), cut, text, memory, script, unhashed] {
        let line = json::report(&report, "host");
        let mut found = read(&line);
        assert_eq!(found.bad, []);
        let mut again = found.reports.remove(0);
        // The rules give it back to the finding, through the hunt.
        again.known_as.clone_from(&report.known_as);
        assert_eq!(without_place(&json::report(&again, "elsewhere")), without_place(&line));
    }
    let line = json::report(&bare, "host");
    let again = read(&line).reports.remove(0);
    assert!(again.file_name.is_none(), "a name that was not there is not made up");
}

#[test]
fn a_record_needs_no_more_than_a_time_and_a_command_line() {
    let packs: Vec<_> = BUILTIN_PACKS.iter().map(|pack| pack.parse().unwrap()).collect();
    let engine = Engine::new(&packs).unwrap();
    for line in [
        r#"{"Timestamp":"2026-11-25T18:00:00Z","ProcessArguments":["curl","https://crt.sh/"]}"#,
        r#"{"Timestamp":"2026-11-25T19:00:00+01:00","ProcessCommandLine":"curl https://crt.sh/"}"#,
    ] {
        struct Judged<'e>(&'e Engine, bool);
        impl Out for Judged<'_> {
            fn exec(&mut self, recorded: &Recorded<'_>) -> bool {
                self.1 = crate::pipeline::judge(self.0, &mut self.0.scratch(), recorded.exec)
                    .is_some_and(|verdict| verdict.rule_ids.iter().any(|id| id == "kql-web-client-asks-ct"));
                self.1
            }
            fn bad(&mut self, _: Place, why: &dyn std::fmt::Display) {
                panic!("{why}");
            }
            fn gap(&mut self, _: Place, _: &Gap) {}
        }
        let mut out = Judged(&engine, false);
        OwnLines::default()
            .read(&mut Input::of_bytes(line.as_bytes()), &mut out)
            .unwrap();
        assert!(out.1, "{line}");
        assert!(looks_like(line.as_bytes()));
    }
}

#[test]
fn what_the_monitor_says_of_itself_is_a_gap_or_nothing() {
    let lines = concat!(
        r#"{"Timestamp":"2026-11-25T18:00:09Z","ActionType":"EventsLost","Since":"2026-11-25T18:00:00Z","Count":5,"Total":5}"#,
        "\n",
        r#"{"Timestamp":"2026-11-25T18:00:09Z","ActionType":"SensorBlind","Reason":"detached"}"#,
        "\n",
        r#"{"Timestamp":"2026-11-25T18:00:09Z","ActionType":"SensorHealth","Suppressed":1,"Lost":5}"#,
        "\n"
    );
    let found = read(lines.as_bytes());
    assert_eq!(
        (found.gaps.len(), found.gaps[0].count, found.bad.len()),
        (2, Some(5), 0)
    );
    assert!(found.gaps[0].from < found.gaps[0].until);
}

#[test]
fn bad_lines_are_told_and_the_others_read() {
    let good = json::report(&full(), "h");
    let lines: Vec<Vec<u8>> = vec![
        good.clone(),
        b"{\"Timestamp\":\"x\",\"ProcessArguments\":[\"a\"]}\n".to_vec(),
        b"{\"Timestamp\":\"2026-11-25T18:00:00Z\"}\n".to_vec(),
        b"{\"Timestamp\":\"2026-11-25T18:00:00Z\",\"ProcessArguments\":[\"a\\u0000b\"]}\n".to_vec(),
        b"{\"Timestamp\":\"2026-11-25T18:00:00Z\",\"ProcessArgumentsBase64\":\"!\"}\n".to_vec(),
        b"{\"Timestamp\":\"2026-11-25T18:00:00Z\",\"ActionType\":\"Other\"}\n".to_vec(),
        b"{\"Timestamp\":\"2026-11-25T18:00:00Z\",\"ProcessId\":-1}\n".to_vec(),
        b"\0\xff\n".to_vec(),
        [vec![b'['; 100_000], b"\n".to_vec()].concat(),
        [b"{\"x\":\"".to_vec(), vec![b'y'; 10 << 20], b"\n".to_vec()].concat(),
        b"\n".to_vec(),
        good.clone(),
    ];
    let found = read(&lines.concat());
    assert_eq!((found.reports.len(), found.bad.len()), (2, 9), "{:?}", found.bad.last());
    assert_eq!(found.bad[0].0.line, 2);
    for cut in 0..good.len() {
        let found = read(&[&good[..], &good[..cut]].concat());
        assert_eq!(found.reports.len(), 1 + usize::from(cut + 1 == good.len()), "{cut}");
        assert_eq!(found.bad.len(), usize::from(cut != 0 && cut + 1 != good.len()), "{cut}");
    }
}

#[test]
fn exports_of_others_are_not_taken_for_ours() {
    for other in [
        &b"{\"Timestamp\":\"x\",\"DeviceId\":\"1\",\"ProcessCommandLine\":\"a\"}"[..],
        b"{\"Timestamp\":\"x\",\"InitiatingProcessFileName\":\"a\",\"ProcessCommandLine\":\"a\"}",
        b"{\"@timestamp\":1,\"CommandLine\":\"a\"}",
        b"{\"__REALTIME_TIMESTAMP\":\"1\"}",
        b"",
        b"[",
        b"text",
    ] {
        assert!(!looks_like(other), "{}", String::from_utf8_lossy(other));
    }
    assert!(looks_like(&json::report(&full(), "h")));
    assert!(looks_like(
        &[b"end of a line\"}\n".to_vec(), json::report(&full(), "h")].concat()
    ));
}
