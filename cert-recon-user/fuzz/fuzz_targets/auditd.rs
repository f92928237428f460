//! Any bytes as an audit log, as one file and as two: the same execs, and none whose arguments are more than they can be.
#![no_main]

use cert_recon::source::recorded::{Format, Input, collect::Collected};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let read = |files: &[&[u8]]| {
        let parser = Format::Auditd.parser().unwrap();
        Collected::of(parser, files.iter().map(|file| Input::of_bytes(file)))
    };
    let whole = read(&[text]);
    for report in &whole.reports {
        assert!(report.argv.len() as u64 <= report.argv_total);
    }
    // Where a line ends, the next file may begin.
    let middle = text.iter().skip(text.len() / 2).position(|byte| *byte == b'\n');
    let (one, two) = text.split_at(middle.map_or(text.len(), |at| text.len() / 2 + at + 1));
    let split = read(&[one, two]);
    let told = |found: &Collected| -> Vec<_> { found.reports.iter().map(|report| (report.pid, report.argv.clone())).collect() };
    assert_eq!(told(&whole), told(&split));
    assert_eq!(whole.bad.len(), split.bad.len());
});
