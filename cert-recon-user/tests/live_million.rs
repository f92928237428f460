//! Memory over a great many execs of ever new processes with ever new command lines, which no rule matches: it grows until
//! the table of processes is full, and no further.
//!
//! 20,000 of them as a test of itself; `CERT_RECON_EXECS=1000000 cargo xtask test memory_grows` for the real thing. Root and a
//! kernel with eBPF are needed: `cargo xtask test` runs it.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::{elf::Program, kernel::memory, storm::storm, temp::Temp, token, watch::Watch};

/// Execs between two looks at the memory.
const PART: usize = 10_000;
/// Execs after which the table is full, whatever they are.
const FULL: usize = 400_000;
/// What the monitor takes at most, KiB: the table's limit, its maps growing to twice their size, and all else.
const MOST: u64 = (64 + 32 + 16) << 10;
/// What may be added when the table is full: buffers that were never as full before, KiB.
const SLACK: u64 = 4 << 10;

/// Memory of the process that no file backs, KiB: the ring buffer is not in it.
fn anonymous(pid: u32) -> u64 {
    memory(pid, "RssAnon:")
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn memory_grows_until_the_table_of_processes_is_full_and_no_further() {
    let execs: usize = std::env::var("CERT_RECON_EXECS").map_or(2 * PART, |text| text.parse().expect("a number"));
    let watch = Watch::findings(&[]);
    let temp = Temp::new();
    let program = temp.program("quiet", Program::Exit);
    let mut samples = Vec::new();
    for _ in 0..execs / PART {
        storm(&program, &token(), 2, PART / 2);
        samples.push(anonymous(watch.pid()));
    }
    let closing = watch.stop();
    println!("anonymous KiB after each {PART} execs: {samples:?}; {closing:?}");
    let most = |of: &[u64]| of.iter().copied().max().unwrap_or(0);
    assert!(most(&samples) <= MOST, "{samples:?}");
    if let Some((full, rest)) = samples.split_at_checked(FULL / PART) {
        assert!(most(rest) <= most(full) + SLACK, "{samples:?}");
    }
}
