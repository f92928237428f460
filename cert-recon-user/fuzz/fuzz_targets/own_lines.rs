//! Any bytes as lines of cert-recon's own form: read twice the same way.
#![no_main]

use cert_recon::source::recorded::{Format, Input, collect::Collected};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let read = || {
        let found = Collected::of(Format::CertRecon.parser().unwrap(), [Input::of_bytes(text)]);
        for report in &found.reports {
            assert!(report.argv.len() as u64 <= report.argv_total);
        }
        let reports: Vec<_> = found.reports.into_iter().map(|report| (report.time, report.argv)).collect();
        (reports, found.bad)
    };
    assert_eq!(read(), read());
});
