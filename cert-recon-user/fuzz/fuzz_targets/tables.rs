//! Any bytes as an export of others, of objects or rows: read twice the same way.
#![no_main]

use cert_recon::source::recorded::{Format, Input, collect::Collected};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (logscale, text) = input;
    let format = if logscale { Format::LogScale } else { Format::Defender };
    let read = || {
        let found = Collected::of(format.parser().unwrap(), [Input::of_bytes(text)]);
        let reports: Vec<_> = found.reports.into_iter().map(|report| (report.time, report.argv)).collect();
        (reports, found.bad)
    };
    assert_eq!(read(), read());
});
