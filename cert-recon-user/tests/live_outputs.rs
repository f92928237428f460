//! `watch --journald` and `--syslog`: what the daemons of this host make of what they are sent.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these. Each daemon is the test's own.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use cert_recon::sink::journal;
use common::{
    elf::Program,
    eventually,
    exec::Exec,
    journald::Journald,
    rsyslogd::{Rsyslogd, TO_FILE},
    skip,
    storm::storm,
    temp::Temp,
    token,
    watch::{Watch, command},
};

fn value<'e>(entry: &'e journal::Entry, name: &str) -> &'e [u8] {
    let found = entry.iter().find(|(known, _)| known == name);
    found.map_or(b"", |(_, value)| value)
}

fn has(entry: &journal::Entry, token: &str) -> bool {
    let line = value(entry, "CERT_RECON_PROCESS_COMMAND_LINE");
    String::from_utf8_lossy(line).contains(token)
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_storm_of_findings_is_in_the_journal_once_each_across_its_restarts() {
    let Some(mut journald) = Journald::start_held() else {
        return skip("this host has no journald");
    };
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let all = token();
    let socket = format!("--journald={}", journald.path().display());
    let watch = Watch::findings(&[&socket]);
    let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                storm(&program, &all, 2, 100);
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..2 {
            let before = journald.entries().len();
            assert!(eventually(|| journald.entries().len() > before + 20));
            journald.stop();
            journald.start();
        }
        over.store(true, Ordering::Relaxed);
    });
    let made = rounds.into_inner() as u64 * 200;
    let rows = watch.rows_so_far(|row| row.is(&all)).len();
    let closing = watch.stop();
    let &[_, (sent, dropped)] = &closing.outputs[..] else {
        panic!("two outputs: {closing:?}")
    };
    assert_eq!(dropped, 0, "{closing:?}");
    assert!(eventually(|| journald.entries().len() as u64 >= sent));
    let entries = journald.entries();
    assert_eq!(entries.len() as u64, sent);
    let ours: Vec<_> = entries.iter().filter(|entry| has(entry, &all)).collect();
    assert_eq!(ours.len(), rows);
    assert!(ours.len() as u64 + closing.lost >= made, "{closing:?}");
    let mut ids: Vec<_> = ours.iter().map(|entry| value(entry, "CERT_RECON_EVENT_ID")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), ours.len(), "none is there twice");
    for entry in ours {
        assert_eq!(value(entry, "MESSAGE_ID"), journal::FINDING.as_bytes());
        assert_eq!(value(entry, "PRIORITY"), b"3");
        assert_eq!(value(entry, "CERT_RECON_TOOL_CATEGORY"), b"CertEnumTool");
    }
    let is_health = |entry: &&journal::Entry| value(entry, "MESSAGE_ID") == journal::HEALTH.as_bytes();
    let last = entries.iter().rfind(is_health).expect("the state at the end");
    assert_eq!(value(last, "CERT_RECON_OCCASION"), b"exit");
    assert_eq!(
        value(last, "CERT_RECON_FINDINGS"),
        closing.findings.to_string().as_bytes()
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_journald_that_is_away_is_told_waited_for_and_gets_everything() {
    let Some(mut journald) = Journald::prepare() else {
        return skip("this host has no journald");
    };
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let socket = format!("--journald={}", journald.path().display());
    let watch = Watch::findings(&[&socket]);
    let tokens = [token(), token(), token()];
    let run = |token: &String| Exec::new(&program).args(["sslyze", token]).run();
    run(&tokens[0]);
    watch.wait_for("it says so itself", |row| {
        row.is_health("change") && row.text("Status") == Some("degraded")
    });
    journald.start();
    let is_there = |journald: &Journald, token: &str| journald.entries().iter().any(|entry| has(entry, token));
    assert!(eventually(|| is_there(&journald, &tokens[0])), "what waited");
    watch.wait_for("all is well again", |row| {
        row.is_health("change") && row.text("Status") == Some("ok")
    });
    journald.stop();
    run(&tokens[1]);
    watch.row_of(&tokens[1]);
    journald.start();
    run(&tokens[2]);
    assert!(eventually(|| is_there(&journald, &tokens[2])));
    assert!(is_there(&journald, &tokens[1]), "what came while it was away");
    let closing = watch.stop();
    let (sent, dropped) = closing.outputs[1];
    assert_eq!((journald.entries().len() as u64, dropped), (sent, 0));
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_whole_argv_of_a_megabyte_and_every_odd_byte_are_in_the_journal() {
    let Some(journald) = Journald::start_held() else {
        return skip("this host has no journald");
    };
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let socket = format!("--journald={}", journald.path().display());
    let watch = Watch::findings(&[&socket]);
    let mark = token();
    let every: Vec<u8> = (1..=255).collect();
    let mut argv: Vec<Vec<u8>> = vec![b"sslyze".to_vec(), mark.clone().into_bytes(), every, vec![]];
    argv.extend((0..9).map(|n| [b'a' + n, 0xff, b'\n'].repeat(40_000)));
    argv.extend(vec![b"-H".to_vec(); 3]);
    Exec::new(&program).args(&argv).run();
    watch.row_of(&mark);
    watch.stop();
    let entries = journald.entries();
    let entry = entries.iter().find(|entry| has(entry, &mark)).expect("its entry");
    let expected: Vec<u8> = argv.iter().flat_map(|arg| [&arg[..], b"\0"].concat()).collect();
    assert_eq!(value(entry, "CERT_RECON_PROCESS_ARGUMENTS"), expected);
    let message = value(entry, "MESSAGE");
    assert!(message.len() < 20_000 && message.ends_with(b" bytes in all)"));
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn no_result_is_in_the_journal_twice_when_standard_output_is_the_journal_too() {
    let Some(journald) = Journald::start_held() else {
        return skip("this host has no journald");
    };
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let socket = format!("--journald={}", journald.path().display());
    for is_journal in [true, false] {
        // A file stands for the stream: what counts is its device and inode.
        let (path, mark) = (temp.join("stdout"), token());
        let stdout = File::create(&path).expect("a file");
        let meta = stdout.metadata().expect("its inode");
        let inode = meta.ino() + u64::from(!is_journal);
        let mut command = command(&["watch", "--format", "json", &socket]);
        command.env("JOURNAL_STREAM", format!("{}:{inode}", meta.dev()));
        let watch = Watch::start_command(command.stdout(Stdio::from(stdout)));
        Exec::new(&program).args(["sslyze", &mark]).run();
        assert!(eventually(|| journald.entries().iter().any(|entry| has(entry, &mark))));
        let closing = watch.stop();
        let lines = fs::read_to_string(&path).expect("what was written");
        let twice = lines.lines().any(|line| line.contains(&mark));
        assert_eq!(
            (twice, closing.outputs.len()),
            (!is_journal, 2 - usize::from(is_journal))
        );
        assert_eq!(closing.stderr.contains("standard output is the journal"), is_journal);
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_storm_of_findings_is_with_rsyslog_once_each_and_what_came_while_it_was_away_too() {
    let Some(mut rsyslogd) = Rsyslogd::prepare(TO_FILE, &[], None) else {
        return skip("this host has no rsyslogd");
    };
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let (early, all) = (token(), token());
    let socket = format!("--syslog={}", rsyslogd.path().display());
    let watch = Watch::findings(&[&socket]);
    Exec::new(&program)
        .args([&b"sslyze"[..], early.as_bytes(), b"\xff\n@cee: {]\""])
        .run();
    watch.row_of(&early);
    rsyslogd.start();
    let has = |lines: &[String], token: &str| lines.iter().filter(|line| line.contains(token)).count();
    assert!(eventually(|| has(&rsyslogd.lines(), &early) == 1), "what waited");
    storm(&program, &all, 2, 300);
    let rows = watch.rows_so_far(|row| row.is(&all)).len();
    let closing = watch.stop();
    let (sent, dropped) = closing.outputs[1];
    assert_eq!(dropped, 0, "{closing:?}");
    assert!(eventually(|| rsyslogd.lines().len() as u64 >= sent));
    let lines = rsyslogd.lines();
    assert_eq!((lines.len() as u64, has(&lines, &all)), (sent, rows));
    for line in &lines {
        assert!(
            line.contains(" cert-recon ") && line.contains(" [cert-recon@32473 event=\""),
            "{line}"
        );
        let (_, json) = line.split_once("] @cee: ").expect("the cookie");
        let mut row: serde_json::Value = serde_json::from_str(json).expect("JSON");
        // Where an ancestor's command line is long, it is cut, and only then.
        let fields = row.as_object_mut().expect("an object");
        let cut = fields.remove("RecordCut");
        assert_eq!(
            (cut.is_some(), fields.remove("RecordBytes").is_some()),
            (line.contains(" cut=\""), cut.is_some())
        );
        common::schema::assert_valid(&row);
    }
}
