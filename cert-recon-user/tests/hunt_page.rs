//! The page of a hunt in a real browser: it runs nothing, asks nobody, shows everything, and prints.

#[path = "common/browser.rs"]
mod browser;
#[path = "common/sample.rs"]
mod sample;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use browser::Browser;
use cert_recon::{
    finding::Report,
    hunt::{
        Range,
        coverage::{Coverage, GapCoverage, InputCoverage},
        page::{self, Head},
        summary::Summary,
    },
    sink::json,
};

fn browser(name: &str) -> Browser {
    Browser::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
}

fn coverage(reports: &[Report], hostile: &str) -> Coverage {
    let times = || reports.iter().map(|report| report.time);
    let log = |name: &str, findings: usize| InputCoverage {
        name: name.as_bytes().to_vec(),
        format: Some("auditd"),
        bytes: 8_388_608,
        records: 68_201,
        execs: 9_120,
        findings: findings as u64,
        first: times().min().map(|time| time - Duration::from_secs(7300)),
        last: times().max().map(|time| time + Duration::from_secs(4100)),
        ..InputCoverage::default()
    };
    let mut damaged = log("/var/log/audit/audit.log.2.gz", 0);
    damaged.bad = 2;
    damaged.bad_samples = vec![(17, format!("no serial number{hostile}")), (88, "cut".to_owned())];
    damaged.errors = vec!["unexpected end of file: the archive is cut short".to_owned()];
    Coverage {
        inputs: vec![
            log(&format!("/var/log/audit/audit.log.1{hostile}"), reports.len()),
            log("/var/log/audit/audit.log", 0),
            damaged,
        ],
        others: 4,
        gaps: vec![GapCoverage {
            input: b"/var/log/audit/audit.log".to_vec(),
            line: 4711,
            count: Some(12),
            from: times().min(),
            until: times().max(),
            what: format!("audit_lost{hostile}"),
        }],
        more_gaps: 0,
        ended_early: (!hostile.is_empty()).then(|| hostile.to_owned()),
    }
}

/// Writes a page of these findings.
fn write(path: &Path, reports: &[Report], hostile: &str) {
    let mut summary = Summary::default();
    reports.iter().for_each(|report| summary.add(report, "here"));
    let coverage = coverage(reports, hostile);
    let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_500_000);
    let range = Range {
        since: Some(made - Duration::from_secs(7 * 86_400)),
        until: None,
    };
    let mut head = Head::new("forensics-2", made, &coverage, range);
    head.asked.push((
        "Command",
        format!("cert-recon hunt --report case.html /var/log/audit{hostile}"),
    ));
    if !hostile.is_empty() {
        head.title = hostile.to_owned();
        head.host = hostile;
    }
    let mut bytes = Vec::new();
    let findings = reports.iter().map(|report| Ok(json::report(report, "here")));
    page::write(&mut bytes, &head, &summary, findings).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What a browser would run, or ask for, in any place that text could stand in.
fn attacks(address: &str) -> String {
    let run = "document.documentElement.setAttribute('data-ran','yes')";
    format!(
        "</script></style></title></textarea>--><script>{run}</script>\"><img src=http://{address}/i onerror=\"{run}\">\
         '><svg onload=\"{run}\"><link rel=stylesheet href=http://{address}/l><iframe src=http://{address}/f></iframe>\
         <meta http-equiv=refresh content='0;url=http://{address}/m'><base href=http://{address}/>\
         <style>@import url(http://{address}/s);</style><a href=\"javascript:{run}\">x</a>{{{{7*7}}}}${{7*7}}\
         \u{1b}[2J\u{1b}]0;x\u{7}\u{202e}gnp.exe\u{2066}\r\n\t"
    )
}

/// Whether a script of [`attacks`] has marked the page: in its outermost element, where text has no place.
fn has_run(dom: &str) -> bool {
    dom.split_once("<head").unwrap().0.contains("data-ran=\"yes\"")
}

#[test]
#[ignore = "starts Chromium: cargo xtask test installs and runs it"]
fn nothing_in_a_record_runs_or_asks_anybody() {
    let browser = browser("hunt_page_hostile");
    let attack = attacks(&browser.address());

    // What is looked for is seen where nothing prevents it.
    let bare = browser.path("bare.html");
    fs::write(&bare, format!("<!DOCTYPE html><html><body>{attack}")).unwrap();
    let (dom, requests) = browser.dom(&bare);
    assert!(has_run(&dom), "{dom}");
    assert!(
        requests.iter().any(|url| url.contains(&browser.address())),
        "{requests:?}"
    );
    assert!(browser.connections() > 0);

    let page = browser.path("page.html");
    let mut reports = sample::incident();
    reports.insert(3, sample::hostile(&attack));
    write(&page, &reports, &attack);
    let (dom, requests) = browser.dom(&page);
    assert!(!has_run(&dom), "a script ran");
    assert_eq!(requests, [""; 0]);
    assert_eq!(browser.connections(), 0);
    let body = dom.split_once("<body").unwrap().1;
    for element in [
        "<script",
        "<img",
        "<iframe",
        "<link",
        "<meta",
        "<base",
        "<style",
        "javascript:\"",
    ] {
        assert!(!body.contains(element), "{element}");
    }
    assert!(body.contains("\\x1b[2J") && body.contains("\\u{202e}gnp.exe"));
    assert!(!dom.contains(['\u{1b}', '\u{202e}', '\u{2066}', '\u{7}']));
    let articles = body.matches("<article").count();
    assert_eq!(
        (articles, body.matches("</article>").count()),
        (reports.len(), reports.len())
    );
}

#[test]
#[ignore = "starts Chromium: cargo xtask test installs and runs it"]
fn a_browser_has_every_finding_and_every_number() {
    let browser = browser("hunt_page_shown");
    let page = browser.path("page.html");
    let reports = sample::incident();
    write(&page, &reports, "");
    let (dom, _) = browser.dom(&page);
    assert_eq!(dom.matches("<article").count(), reports.len());
    let count = reports.len();
    assert!(dom.contains(&format!("<dt>Findings</dt><dd>{count}</dd>")), "{dom}");
    for (name, findings) in [("alice as root", 6), ("build7", 3), ("crt.sh", 7)] {
        let row = format!("<tr><th scope=\"row\">{name}</th><td class=\"n\">{findings}</td>");
        assert!(dom.contains(&row), "{row}");
    }
    for text in [
        "curl -s https://crt.sh/?q=%.corp.example&amp;output=json",
        "sshd: alice [priv]",
        "1 input could not be read to the end",
        "68,201",
    ] {
        assert!(dom.contains(text), "{text}");
    }
    // The style holds: its hash is right.
    let styled = browser.path("styled.html");
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&styled, text.replace("html { color-scheme", "html  { color-scheme")).unwrap();
    let (whole, changed) = (size(&browser.pdf(&page)), size(&browser.pdf(&styled)));
    assert_ne!(whole, changed, "a style whose hash is wrong does not hold");
}

#[test]
#[ignore = "starts Chromium: cargo xtask test installs and runs it"]
fn print_has_everything_without_a_click() {
    let browser = browser("hunt_page_printed");
    let page = browser.path("page.html");
    let reports = sample::incident();
    write(&page, &reports, "");
    let pdf = browser.pdf(&page);
    assert!(fs::read(&pdf).unwrap().starts_with(b"%PDF-"));
    assert!((20_000..4_000_000).contains(&size(&pdf)), "{} bytes", size(&pdf));
    let text = text(&pdf);
    let pages = text.matches('\u{c}').count();
    assert!((3..=40).contains(&pages), "{pages} pages");
    // What is behind a click on a screen.
    assert_eq!(text.matches("sshd: alice [priv]").count(), 9, "{text}");
    assert_eq!(text.matches("EventId").count(), reports.len());
    // What only a screen needs.
    for screen in ["Processes and fields", "Some findings are hidden"] {
        assert!(!text.contains(screen), "{screen}");
    }
}

fn size(path: &PathBuf) -> u64 {
    fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .len()
}

fn text(pdf: &Path) -> String {
    let output = Command::new("pdftotext").arg("-layout").arg(pdf).arg("-").output();
    let output = output.expect("pdftotext, of poppler-utils: cargo xtask test installs it");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
