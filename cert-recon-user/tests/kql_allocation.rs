//! A clean exec costs no allocation: `judge` runs for every exec on the host. In a test program of its own, because it
//! replaces the allocator.

#[path = "common/counting.rs"]
mod counting;

use cert_recon::rules::{BUILTIN_PACKS, DEFAULT_PACKS, Engine, Pack, Scratch, Subject};
use counting::allocations_of;

fn engine(names: &[&str]) -> Engine {
    let packs: Vec<Pack> = BUILTIN_PACKS
        .iter()
        .filter(|builtin| names.contains(&builtin.name))
        .map(|builtin| builtin.parse().unwrap())
        .collect();
    Engine::new(&packs).unwrap()
}

/// What a busy host runs all day: nothing of it is a program that rules name or one that runs others.
const TYPICAL: &[(&[&[u8]], &[u8])] = &[
    (&[b"ls"], b"ls\0-la\0/etc/ssl/certs\0"),
    (&[b"git"], b"git\0status\0--porcelain\0"),
    (
        &[b"cc1"],
        b"/usr/lib/gcc/x86_64-linux-gnu/12/cc1\0-quiet\0-o\0/tmp/a.s\0tls.c\0",
    ),
    (&[b"x86_64-linux-gnu-gcc-12", b"collect2", b"ld"], b"ld\0-o\0openssl\0"),
    (&[b"sed"], b"sed\0-e\0s/crt/x/\0"),
];

/// Clean, and each gets further than the one before: no hit, near hits, conditions that hold but no rule that matches.
const CLEAN: &[(&[&[u8]], &[u8])] = &[
    (&[], b""),
    (&[b"ls"], b"ls\0-la\0"),
    (
        &[b"bash", b"dash", b"run.sh"],
        b"bash -c 'sslscanner; curlx; -connected; \xff\xfe'",
    ),
    (&[b"curl"], b"curl\0https://example.com/\0"),
    (&[b"openssl", b"python3", b"curl", b"certutil.exe"], b"openssl req -new"),
    (
        &[b"vim"],
        b"vim crt.sh censys.io shodan.io s_client x509 -connect verify -dump -verify -store -URL -urlcache",
    ),
];

#[test]
fn judging_a_clean_exec_allocates_nothing() {
    let engine = engine(&["kql"]);
    let mut scratch = engine.scratch();
    let long = b"/usr/lib/gcc/cc1plus -I include crt.sh ".repeat(50_000);
    let count = allocations_of(|| {
        for round in 0..100 {
            if round < 50 {
                scratch.forget();
            }
            for (file_names, command_line) in CLEAN {
                assert!(
                    engine
                        .judge(&Subject::new(file_names, command_line), &mut scratch)
                        .is_none()
                );
            }
        }
        let subject = Subject::new(&[b"g++"], &long);
        assert!(engine.judge(&subject, &mut scratch).is_none());
    });
    assert_eq!(count, 0);
}

#[test]
fn judging_a_typical_exec_with_every_pack_of_the_default_allocates_nothing() {
    let engine = engine(DEFAULT_PACKS);
    let mut scratch = engine.scratch();
    let mut judge = |forget: bool| {
        if forget {
            scratch.forget();
        }
        for (file_names, command_line) in TYPICAL {
            assert!(
                engine
                    .judge(&Subject::new(file_names, command_line), &mut scratch)
                    .is_none()
            );
        }
    };
    // The patterns of names keep a cache for each thread, made at the first use.
    judge(true);
    assert_eq!(allocations_of(|| judge(true)), 0);
    assert_eq!(allocations_of(|| judge(false)), 0);
}

#[test]
fn a_scratch_grows_once_and_is_used_again_after_a_verdict() {
    let engine = engine(&["kql"]);
    let mut scratch = Scratch::default();
    let clean = Subject::new(&[b"ls"], b"ls");
    let finding = Subject::new(&[b"curl"], b"curl https://crt.sh/");
    assert!(
        allocations_of(|| assert!(engine.judge(&clean, &mut scratch).is_none())) > 0,
        "the counter counts"
    );
    assert!(engine.judge(&finding, &mut scratch).is_some());
    assert_eq!(
        allocations_of(|| assert!(engine.judge(&clean, &mut scratch).is_none())),
        0
    );
}
