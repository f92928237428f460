//! Any argv through the engine with every built-in pack: one verdict, explained by the same verdict, whatever form it comes in.
#![no_main]

use std::sync::LazyLock;

use cert_recon::rules::{BUILTIN_PACKS, Engine, Pack, Subject};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let packs: Vec<Pack> = BUILTIN_PACKS.iter().map(|pack| pack.parse().unwrap()).collect();
    Engine::new(&packs).unwrap()
});

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (name, line) = input;
    let names = [name.as_slice()];
    let subject = Subject::new(&names, &line);
    let mut scratch = ENGINE.scratch();
    let verdict = ENGINE.judge(&subject, &mut scratch);
    assert_eq!(verdict, ENGINE.judge(&subject, &mut scratch));
    assert_eq!(verdict, ENGINE.explain(&subject).verdict);
});
