//! Any bytes as a shell's text: it is taken apart within the budget, twice the same way.
#![no_main]

use cert_recon::acts::{Budget, shell};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let parse = || shell::parse(text, &[b"sh", b"one", b"two"], &mut Budget::new(text.len()));
    assert_eq!(parse(), parse());
    let split = || shell::split(text, &mut Budget::new(text.len()));
    assert_eq!(split(), split());
});
