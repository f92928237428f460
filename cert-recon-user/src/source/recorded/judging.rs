//! For tests of parsers: what the rules make of the records, and what no input may do.

use std::fmt;

use super::{Gap, Input, Out, Parser, Place, Recorded, collect::Collected};
use crate::{
    finding::Report,
    pipeline::{Pipeline, Selection},
    rules::{BUILTIN_PACKS, Confidence, DEFAULT_PACKS, Engine, Pack},
};

/// Keeps findings only, as a hunt does.
pub(crate) struct Judging {
    pipeline: Pipeline,
    pub(crate) findings: Vec<(u64, Report)>,
    pub(crate) bad: Vec<(u64, String)>,
}

impl Judging {
    pub(crate) fn of(mut parser: Box<dyn Parser>, mut input: Input) -> Self {
        let packs = BUILTIN_PACKS.iter().filter(|pack| DEFAULT_PACKS.contains(&pack.name));
        let packs: Vec<Pack> = packs.map(|pack| pack.parse().unwrap()).collect();
        let selection = Selection {
            min_confidence: Confidence::Low,
            all_execs: false,
            recorded: false,
        };
        let mut judging = Self {
            pipeline: Pipeline::new(Engine::new(&packs).unwrap(), selection),
            findings: Vec::new(),
            bad: Vec::new(),
        };
        parser.read(&mut input, &mut judging).unwrap();
        parser.finish(&mut judging);
        judging
    }

    /// Line and command line of each finding.
    pub(crate) fn lines(&self) -> Vec<(u64, String)> {
        let findings = self.findings.iter();
        findings.map(|(line, report)| (*line, command_line(report))).collect()
    }
}

impl Out for Judging {
    fn exec(&mut self, recorded: &Recorded<'_>) -> bool {
        let Some(mut report) = self.pipeline.take(recorded.exec, 0) else {
            return false;
        };
        recorded.details.complete(&mut report);
        self.findings.push((recorded.place.line, report));
        true
    }

    fn bad(&mut self, place: Place, why: &dyn fmt::Display) {
        self.bad.push((place.line, why.to_string()));
    }

    fn gap(&mut self, _: Place, _: &Gap) {}
}

/// The arguments with spaces between them.
pub(crate) fn command_line(report: &Report) -> String {
    let argv = report.arguments();
    let line = String::from_utf8_lossy(argv.line()).into_owned();
    if argv.is_text() { line } else { line.replace('\0', " ") }
}

/// Holds a parser against what no input may do: cut anywhere, doubled, turned around, with NULs and long lines, a sample is
/// read without a panic, and what comes before the damage is found.
pub(crate) fn withstands(parser: impl Fn() -> Box<dyn Parser>, sample: &[u8]) {
    let read = |bytes: &[u8]| Collected::of(parser(), [Input::of_bytes(bytes)]);
    let lines = |collected: &Collected| -> Vec<(u64, String)> {
        let reports = collected.reports.iter();
        reports
            .map(|report| (report.origin.as_ref().unwrap().line, command_line(report)))
            .collect()
    };
    let whole = lines(&read(sample));
    assert!(!whole.is_empty(), "the sample holds nothing");
    let mut most = 0;
    for end in 0..=sample.len() {
        let mut cut = lines(&read(&sample[..end]));
        let last = cut.last().map_or(0, |(line, _)| *line);
        // With its head only, the last record is none.
        assert!(
            last + 1 >= most,
            "cut at {end}: nothing after line {last}, but before at {most}"
        );
        most = most.max(last);
        // The last record may be the one that was cut.
        cut.retain(|(line, _)| *line < most);
        assert_eq!(cut[..], whole[..cut.len()], "cut at {end}");
        let _ = read(&sample[end..]);
    }
    assert_eq!(lines(&read(sample)), whole);
    let parts: Vec<&[u8]> = sample.split_inclusive(|&byte| byte == b'\n').collect();
    let _ = read(&parts.iter().rev().copied().collect::<Vec<_>>().concat());
    let _ = read(
        &parts
            .iter()
            .flat_map(|line| [*line, *line])
            .collect::<Vec<_>>()
            .concat(),
    );
    for at in 0..parts.len() {
        let long = vec![b'x'; 10 << 20];
        let strange: [&[u8]; 3] = [b"\0\0\0\n", b"\xff\xfe\x80\n", &long];
        // One long line is enough.
        for junk in &strange[..if at == 1 { 3 } else { 2 }] {
            let _ = read(&[&parts[..at].concat(), *junk, b"\n", &parts[at..].concat()].concat());
        }
    }
    let _ = read(&sample.iter().flat_map(|&byte| [byte, 0]).collect::<Vec<_>>());
}
