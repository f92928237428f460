use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::source::recorded::{Format, collect::Collected, format::detect};

#[test]
fn only_logs_are_taken_for_logs() {
    for (text, expected) in [
        ("Nov 25 17:33:39 web01 sshd[7]: hello\n", Some(Format::Syslog)),
        (
            "39 web01 sshd[7]: cut\nNov 25 17:33:39 web01 sshd[7]: hello\nNov 25 17:33:39 web01 cron: hello",
            Some(Format::Syslog),
        ),
        (
            "2026-11-25T17:33:39.1+01:00 web01 kernel: hello\n",
            Some(Format::Syslog),
        ),
        (
            "<13>1 2026-11-25T17:33:39.1Z web01 app - - - hello\n",
            Some(Format::Syslog),
        ),
        ("2026-11-25T17:33:39Z INFO starting: web01\nat x\n", None),
        ("# Notes\n\nNov 25 17:33:39 was a Wednesday: so what\nand more\n", None),
        ("#!/bin/sh\n# 1700000000\ncurl https://crt.sh\n", None),
        ("{\"a\":1}\n", None),
        ("", None),
        ("\n\n\n", None),
        ("curl https://crt.sh\nls\n", None),
    ] {
        assert_eq!(detect(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn a_rotated_set_gives_each_file_the_year_of_its_own_last_change() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let file = |line: &str, modified: u64| {
        let line = format!("{line} web01 sudo: alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id\n");
        Input::of_bytes(line.as_bytes()).with_modified(at(modified))
    };
    // 2024-12-31, 2025-12-30 and 2026-01-02.
    let files = [
        file("Dec 30 00:00:00", 1_735_603_200),
        file("Dec 29 00:00:00", 1_767_052_800),
        file("Jan  1 00:00:00", 1_767_312_000),
    ];
    let parser = Syslog::new(TimeZone::UTC, at(1_900_000_000));
    let collected = Collected::of(Box::new(parser), files);
    assert!(collected.bad.is_empty(), "{:?}", collected.bad);
    let times: Vec<_> = collected.reports.iter().map(|report| report.time).collect();
    assert_eq!(times, [1_735_516_800, 1_766_966_400, 1_767_225_600].map(at));
}

#[test]
fn lines_of_others_are_no_faults_and_a_torn_line_of_sudo_is_one() {
    let text = "no head at all\nNov 25 17:33:39 web01 cron: sudo : COMMAND=/bin/id\n: TTY=x ; PWD=/ ; USER=root ; COMMAND=/bin/id\n";
    let parser = Syslog::new(TimeZone::UTC, UNIX_EPOCH + Duration::from_secs(1_795_630_000));
    let collected = Collected::of(Box::new(parser), [Input::of_bytes(text.as_bytes())]);
    assert!(collected.reports.is_empty());
    assert_eq!(collected.bad.len(), 1);
    assert_eq!(collected.bad[0].0.line, 3);
}
