use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::source::recorded::{
    Format, Input, Parser,
    collect::Collected,
    format::detect,
    judging::{Judging, command_line, withstands},
    syslog::Syslog,
};

const SYSLOG: &[u8] = include_bytes!("../../../../tests/data/records/sysmon-linux.log");
const XML: &[u8] = include_bytes!("../../../../tests/data/records/sysmon-linux.xml");
const WINDOWS: &[u8] = include_bytes!("../../../../tests/data/records/sysmon-windows.xml");

fn syslog() -> Box<dyn Parser> {
    Box::new(Syslog::new(
        TimeZone::UTC,
        UNIX_EPOCH + Duration::from_secs(1_795_630_000),
    ))
}

fn file() -> Box<dyn Parser> {
    Box::<SysmonXml>::default()
}

fn read(parser: Box<dyn Parser>, bytes: &[u8]) -> Collected {
    Collected::of(parser, [Input::of_bytes(bytes)])
}

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

#[test]
fn new_processes_in_syslog_are_execs_and_other_events_are_none() {
    assert_eq!(detect(SYSLOG), Some(Format::Syslog));
    let collected = read(syslog(), SYSLOG);
    assert!(collected.bad.is_empty(), "{:?}", collected.bad);
    let lines: Vec<String> = collected.reports.iter().map(command_line).collect();
    assert_eq!(
        lines,
        [
            "curl -s https://crt.sh/?q=%25.example.com&output=json",
            "ls -la",
            "openssl s_client -connect www.example.com:443 -servername bücher.example"
        ]
    );
    let report = &collected.reports[0];
    assert_eq!(report.time, at(1_795_628_020_123));
    assert_eq!(
        (report.pid, report.parent_pid, report.uid),
        (Some(8001), Some(77), Some(1000))
    );
    assert_eq!((report.session_id, report.account.as_deref()), (Some(3), Some("alice")));
    assert_eq!(report.file_name.as_deref(), Some(&b"curl"[..]));
    assert_eq!(report.folder_path.as_deref(), Some(&b"/usr/bin/curl"[..]));
    assert_eq!(report.directory.as_deref(), Some(&b"/home/alice"[..]));
    assert_eq!(report.sha256, Some(Ok([0xab; 32])));
    let parent = &report.ancestry[0].image;
    assert_eq!(parent.argv.as_deref(), Some(&b"bash -c \"curl <x>\""[..]));
    assert_eq!(parent.folder_path.as_deref(), Some(&b"/usr/bin/bash"[..]));
    let report = &collected.reports[1];
    assert!(report.ancestry.is_empty());
    assert_eq!((report.session_id, &report.sha256), (None, &None));
    assert_eq!(Judging::of(syslog(), Input::of_bytes(SYSLOG)).findings.len(), 2);
}

#[test]
fn files_of_xml_are_read_however_they_are_laid_out() {
    assert_eq!(detect(XML), Some(Format::Sysmon));
    let collected = read(file(), XML);
    assert!(collected.bad.is_empty(), "{:?}", collected.bad);
    let places: Vec<(u64, String)> = collected
        .reports
        .iter()
        .map(|report| (report.origin.as_ref().unwrap().line, command_line(report)))
        .collect();
    let line = |text: &str| {
        let at = memchr::memmem::find(XML, text.as_bytes()).unwrap();
        let event = memchr::memmem::rfind(&XML[..at], b"<Event>").unwrap();
        1 + XML[..event].iter().filter(|byte| **byte == b'\n').count() as u64
    };
    assert_eq!(
        places,
        [
            (line("sslscan www"), "sslscan www.example.com".to_owned()),
            (
                line("curl -s"),
                "curl -s https://crt.sh/?q=%25.example.com&output=json".to_owned()
            ),
        ]
    );
}

#[test]
fn a_process_of_windows_is_one_with_its_own_kind_of_path() {
    assert_eq!(detect(WINDOWS), Some(Format::Sysmon));
    let judging = Judging::of(file(), Input::of_bytes(WINDOWS));
    assert!(judging.bad.is_empty(), "{:?}", judging.bad);
    assert_eq!(judging.findings.len(), 1, "events of another provider are none");
    let report = &judging.findings[0].1;
    assert_eq!(report.file_name.as_deref(), Some(&b"powershell.exe"[..]));
    assert_eq!((report.uid, report.session_id), (None, None));
    assert_eq!(report.account.as_deref(), Some("CORP\\alice"));
    assert_eq!(report.time, at(1_795_628_020_120));
    assert_eq!(report.verdict.as_ref().unwrap().services, ["crt.sh"]);
    assert_eq!(report.ancestry[0].image.file_name.as_deref(), Some(&b"cmd.exe"[..]));
    assert!(matches!(report.sha256, Some(Ok([0x30, ..]))));
}

#[test]
fn an_event_that_is_cut_tells_what_is_left_of_its_command_line() {
    let one = &XML[memchr::memmem::rfind(XML, b"<Event>").unwrap()..];
    let cut = |text: &str| {
        let end = memchr::memmem::find(one, text.as_bytes()).unwrap();
        let collected = read(file(), &one[..end]);
        assert_eq!(collected.bad.len(), 1, "{text}");
        collected.reports
    };
    let reports = cut("25.example.com");
    assert_eq!(command_line(&reports[0]), "curl -s https://crt.sh/?q=%");
    assert!(reports[0].arguments().is_cut());
    let reports = cut("<Data Name=\"User\">");
    assert!(!reports[0].arguments().is_cut());
    assert!(cut("curl -s").is_empty());
}

#[test]
fn bytes_that_are_no_utf8_are_the_bytes_of_the_argument() {
    let text = |argument: &[u8]| {
        let mut xml = b"<Event><System><Provider Name=\"Linux-Sysmon\"/><EventID>1</EventID><TimeCreated SystemTime=\"2026-11-25T17:33:40Z\"/></System><EventData><Data Name=\"CommandLine\">x ".to_vec();
        xml.extend_from_slice(argument);
        xml.extend_from_slice(b"</Data></EventData></Event>");
        let collected = read(file(), &xml);
        assert!(collected.bad.is_empty(), "{:?}", collected.bad);
        collected.reports[0].argv.clone()
    };
    assert_eq!(
        text(b"caf\xe9 &lt;&#233; &#x20ac; & &unknown;"),
        b"x caf\xe9 <\xe9 \xe2\x82\xac & &unknown;"
    );
    assert_eq!(text("é&#233;".as_bytes()), "x éé".as_bytes());
    assert_eq!(text(b"<![CDATA[a<b]]> c"), b"x a<b c");
}

#[test]
fn no_damage_to_an_export_takes_what_stands_before_it() {
    withstands(file, XML);
    withstands(file, WINDOWS);
    withstands(syslog, SYSLOG);
}
