use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::{
    finding::Report,
    source::recorded::{
        Format, Input, Parser,
        collect::Collected,
        format::detect,
        judging::{Judging, command_line, withstands},
        syslog::Syslog,
    },
};

const CLASSIC: &[u8] = include_bytes!("../../../../tests/data/records/auth-classic.log");
const ISO: &[u8] = include_bytes!("../../../../tests/data/records/auth-iso.log");
const RFC5424: &[u8] = include_bytes!("../../../../tests/data/records/auth-5424.log");
const WRAPPED: &[u8] = include_bytes!("../../../../tests/data/records/sudo.log");
const YEAR_HOST: &[u8] = include_bytes!("../../../../tests/data/records/sudo-year-host.log");
const EXIT: &[u8] = include_bytes!("../../../../tests/data/records/sudo-exit.log");
const JSON: &[u8] = include_bytes!("../../../../tests/data/records/sudo-json.log");

/// When the records were made, nearly.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_630_000)
}

fn syslog() -> Box<dyn Parser> {
    Box::new(Syslog::new(jiff::tz::TimeZone::UTC, now()))
}

fn log() -> Box<dyn Parser> {
    Box::new(SudoLog::new(jiff::tz::TimeZone::UTC, now()))
}

fn read(parser: Box<dyn Parser>, bytes: &[u8]) -> Collected {
    Collected::of(parser, [Input::of_bytes(bytes)])
}

/// What alice ran in each of the files, without the long ones: as a shell would write it.
fn expected() -> Vec<String> {
    let mut hosts = "/usr/bin/curl -sm1".to_owned();
    for number in 1..=60 {
        hosts += &format!(" https://crt.sh/?q=host{number:03}.example.com");
    }
    vec![
        "/usr/bin/curl -sm1 https://crt.sh/?q=%25.example.com".to_owned(),
        "/usr/bin/env X=1 curl -sm1 'https://crt.sh/?q=with space'".to_owned(),
        "/usr/bin/bash -c 'curl -sm1 https://crt.sh/?q=example.org | head -1; echo it\"s'".to_owned(),
        "'/opt/my tools/crt check' -v 'tab\there' 'back\\slash x'".to_owned(),
        "/usr/bin/openssl version".to_owned(),
        hosts,
        format!("/bin/echo {} https://crt.sh/?q=after.example.com", "A".repeat(3000)),
        "/usr/bin/sh -c 'line one\ncurl -sm1 https://crt.sh/?q=nl.example.com'".to_owned(),
    ]
}

fn lines(collected: &Collected) -> Vec<String> {
    collected.reports.iter().map(command_line).collect()
}

#[test]
fn commands_that_ran_are_whole_in_every_form_of_syslog_and_those_refused_are_none() {
    for bytes in [CLASSIC, ISO, RFC5424] {
        assert_eq!(detect(bytes), Some(Format::Syslog));
        let collected = read(syslog(), bytes);
        assert!(collected.bad.is_empty(), "{:?}", collected.bad);
        let told = lines(&collected);
        assert_eq!(told[..8], expected()[..]);
        // Then as JSON, where every argument is known, and then with the status of each at its end.
        let json = &collected.reports[8..16];
        assert!(json.iter().all(|report| !report.argv_is_text));
        assert_eq!(
            json[3].argv,
            b"/opt/my tools/crt check\0-v\0tab\there\0\0back\\slash x\0".to_vec()
        );
        assert_eq!(told[16..], expected()[..]);
    }
}

#[test]
fn the_facts_are_those_of_the_message() {
    let check = |report: &Report, account: &str| {
        assert_eq!(report.login_account.as_deref(), Some("alice"));
        assert_eq!(report.account.as_deref(), Some(account));
        assert_eq!(report.tty.as_deref(), Some(&b"pts/0"[..]));
        assert_eq!(report.directory.as_deref(), Some(&b"/home/alice"[..]));
        assert_eq!(report.file_name.as_deref(), Some(&b"env"[..]));
        assert_eq!((report.pid, report.folder_path.as_deref()), (None, None));
        assert!(!report.time_is_limit);
    };
    let seconds = |report: &Report| report.time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let collected = read(syslog(), CLASSIC);
    for at in [1, 9, 17] {
        check(&collected.reports[at], "bob");
        assert_eq!(
            collected.reports[at].origin.as_ref().unwrap().device.as_deref(),
            Some("web01")
        );
    }
    assert_eq!(seconds(&collected.reports[1]), 1_795_629_338);
    assert_eq!(collected.reports[9].uid, Some(1002));
    // The folder has ` ; ` in its name.
    assert_eq!(collected.reports[3].directory.as_deref(), Some(&b"/tmp/a dir ; x"[..]));
    let collected = read(log(), WRAPPED);
    check(&collected.reports[1], "bob");
    assert_eq!(seconds(&collected.reports[1]), 1_795_629_347);
    assert_eq!(collected.reports[1].origin.as_ref().unwrap().line, 3);
    assert_eq!(collected.reports[1].origin.as_ref().unwrap().device, None);
}

#[test]
fn its_own_log_is_read_wrapped_or_not_with_year_host_and_status_and_as_json() {
    for bytes in [WRAPPED, YEAR_HOST, EXIT] {
        assert_eq!(detect(bytes), Some(Format::Sudo));
        let collected = read(log(), bytes);
        assert!(collected.bad.is_empty(), "{:?}", collected.bad);
        assert_eq!(lines(&collected), expected());
    }
    let device = |bytes| read(log(), bytes).reports[0].origin.clone().unwrap().device;
    assert_eq!(device(YEAR_HOST).as_deref(), Some("web01"));
    assert_eq!(detect(JSON), Some(Format::Sudo));
    let collected = read(log(), JSON);
    assert!(collected.bad.is_empty(), "{:?}", collected.bad);
    assert_eq!(collected.reports.len(), 8);
    let report = &collected.reports[0];
    assert_eq!(report.argv, b"curl\0-sm1\0https://crt.sh/?q=%25.example.com\0");
    assert_eq!(report.time, UNIX_EPOCH + Duration::new(1_795_629_372, 593_608_774));
    assert_eq!(report.origin.as_ref().unwrap().line, 2);
}

#[test]
fn findings_are_made_of_what_ran() {
    for (parser, bytes) in [(syslog(), ISO), (log(), WRAPPED)] {
        let judging = Judging::of(parser, Input::of_bytes(bytes));
        let lines = judging.lines();
        for text in [
            "%25.example.com",
            "with space",
            "example.org",
            "host060",
            "after",
            "nl.example.com",
        ] {
            assert!(lines.iter().any(|(_, line)| line.contains(text)), "{text}: {lines:?}");
        }
        for text in ["denied", "badpass", "notin", "notallowed", "bücher"] {
            assert!(!lines.iter().any(|(_, line)| line.contains(text)), "{text}: {lines:?}");
        }
    }
}

fn told(messages: &[&str]) -> Collected {
    let lines = messages
        .iter()
        .map(|text| format!("Nov 25 17:33:39 web01 sudo: {text}\n"));
    read(syslog(), lines.collect::<String>().as_bytes())
}

#[test]
fn only_a_command_that_began_to_run_is_one() {
    for (message, ran) in [
        ("alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id", true),
        ("alice : TTY=unknown ; PWD=unknown ; USER=#1000 ; COMMAND=/bin/id", true),
        (
            "DOM\\al ice@web : HOST=x ; TTY=pts/0 ; CHROOT=/c ; PWD=/ ; USER=root ; TSID=1 ; COMMAND=/bin/id",
            true,
        ),
        (
            "alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id",
            false,
        ),
        (
            "alice : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id",
            false,
        ),
        (
            "alice : a password is required ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id",
            false,
        ),
        (
            "alice : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id",
            false,
        ),
        ("alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=list", false),
        (
            "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=list /usr/bin/curl https://crt.sh",
            false,
        ),
        ("alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=validate", false),
        (
            "pam_unix(sudo:session): session opened for user root by alice : COMMAND=/bin/id",
            false,
        ),
        ("alice : problem with defaults entries ; TTY=pts/0 ; PWD=/", false),
        ("alice : unable to resolve host web01: Name or service not known", false),
        ("", false),
    ] {
        let collected = told(&[message]);
        assert_eq!(collected.reports.len(), usize::from(ran), "{message}");
        assert!(collected.bad.is_empty(), "{message}: {:?}", collected.bad);
    }
    let report = &told(&["alice : TTY=unknown ; PWD=unknown ; USER=#1000 ; COMMAND=/bin/id"]).reports[0];
    assert_eq!((&report.tty, &report.directory, report.uid), (&None, &None, Some(1000)));
    assert_eq!(report.account.as_deref(), Some("1000"));
    let cut = told(&["alice : TTY=pts/0 ; PWD=/ho"]);
    assert_eq!((cut.reports.len(), cut.bad.len()), (0, 1));
}

#[test]
fn pieces_of_two_users_are_kept_apart_and_one_without_a_beginning_is_told() {
    let collected = told(&[
        "alice : (command continued) lost",
        "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/a 1",
        "bob : TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/b 1",
        "alice : (command continued) 2",
        "bob : (command continued) 2",
        "bob : command not allowed ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/c 1",
        "bob : (command continued) 2",
        "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/a 3",
    ]);
    let mut lines = lines(&collected);
    lines.sort();
    assert_eq!(lines, ["/bin/a 1 2", "/bin/a 3", "/bin/b 1 2"]);
    assert_eq!(collected.bad.len(), 1);
    assert_eq!(collected.bad[0].0.line, 1);
    // Never continued, of many users: memory stays bounded, and all are told.
    let many: Vec<String> = (0..500)
        .map(|user| format!("user{user} : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/a {user}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(told(&many).reports.len(), 500);
}

#[test]
fn a_folder_or_an_argument_that_looks_like_a_field_hides_nothing() {
    for message in [
        "alice : TTY=pts/0 ; PWD=/tmp/x ; USER=root ; COMMAND=/bin/true ; USER=root ; COMMAND=/usr/bin/curl https://crt.sh/?q=example.com",
        "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/curl https://crt.sh/?q=example.com ; EXIT=0",
        "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/bash -c curl -s https://crt.sh/?q=example.com | jq .",
        "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/curl -A o'x https://crt.sh/?q=example.com",
    ] {
        let line = format!("Nov 25 17:33:39 web01 sudo: {message}\n");
        let judging = Judging::of(syslog(), Input::of_bytes(line.as_bytes()));
        assert_eq!(judging.findings.len(), 1, "{message}");
        let verdict = judging.findings[0].1.verdict.as_ref().unwrap();
        assert_eq!(verdict.confidence, crate::rules::Confidence::High, "{message}");
        assert_eq!(verdict.targets, ["example.com"], "{message}");
    }
}

#[test]
fn no_damage_to_a_log_takes_what_stands_before_it() {
    let head = |bytes: &'static [u8], lines: usize| {
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = ends.map(|(at, _)| at + 1).nth(lines - 1).unwrap();
        &bytes[..end]
    };
    withstands(syslog, head(ISO, 12));
    withstands(syslog, head(RFC5424, 12));
    withstands(log, head(WRAPPED, 14));
    withstands(log, head(JSON, 90));
}
