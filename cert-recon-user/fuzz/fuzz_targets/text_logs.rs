//! Any bytes as a log or a history of each kind of text: read twice the same way, and without a panic.
#![no_main]

use cert_recon::source::recorded::{Format, Input, collect::Collected, format};
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 7] = [
    Format::Syslog,
    Format::Sudo,
    Format::Journald,
    Format::Sysmon,
    Format::BashHistory,
    Format::ZshHistory,
    Format::FishHistory,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let _ = format::detect(bytes);
    let format = FORMATS[usize::from(kind) % FORMATS.len()];
    let read = || {
        let input = Input::of_bytes(bytes).with_modified(std::time::UNIX_EPOCH);
        let collected = Collected::of(format.parser().unwrap(), [input]);
        let reports = collected.reports.into_iter();
        let lines: Vec<_> = reports.map(|report| (report.time, report.argv)).collect();
        (lines, collected.bad)
    };
    assert_eq!(read(), read());
});
