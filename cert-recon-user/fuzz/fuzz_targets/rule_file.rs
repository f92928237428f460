//! Any text as a rule file: it is read or refused, and what is read works as an engine.
#![no_main]

use cert_recon::rules::{Engine, Pack, Subject, check_samples};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(pack) = Pack::parse("fuzz.toml", text) else {
        return;
    };
    let packs = [pack];
    let Ok(engine) = Engine::new(&packs) else { return };
    let _ = check_samples(&engine, &packs);
    let subject = Subject::new(&[b"curl"], b"curl\0https://crt.sh/?q=example.com\0");
    let mut scratch = engine.scratch();
    let verdict = engine.judge(&subject, &mut scratch);
    assert_eq!(verdict, engine.explain(&subject).verdict);
});
