//! Hours of everything at once: memory stays flat, the sums hold, and no ancestor is wrong.
//!
//! Ten seconds of it as a test of itself; `CERT_RECON_SOAK=30m cargo xtask test soak` for the real thing. Root and a kernel
//! with eBPF are needed: `cargo xtask test` runs it.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::{
    argv::{LONGEST, argv_of},
    elf::Program,
    exec::Exec,
    find_program, in_vm,
    kernel::{memory, misses},
    skip,
    temp::Temp,
    token,
    trees::{Leaf, Player},
    watch::Watch,
};

/// Trees that are looked at, spread over the time.
const TREES: usize = 1_000;

/// Resident memory of a process, KiB.
fn resident(pid: u32) -> u64 {
    memory(pid, "VmRSS:")
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_mixed_storm_leaves_memory_flat_the_sums_right_and_every_ancestor_true() {
    if !common::kernel::in_initial_pid_namespace() {
        return skip("the numbers of processes that this process sees are not the kernel's");
    }
    let Some(sh) = find_program("sh") else {
        return skip("no sh here");
    };
    let asked = std::env::var("CERT_RECON_SOAK").ok();
    let time = asked
        .as_deref()
        .map_or(Ok(Duration::from_secs(10)), humantime::parse_duration)
        .expect("CERT_RECON_SOAK is a time such as 30m");
    let begun = Instant::now();
    let end = begun + time;
    let over = || Instant::now() >= end;

    // What is checked is a finding: its program's path names a tool. All else is judged and noted, but not reported.
    let watch = Watch::findings(&["--rules", "kql"]);
    let temp = Temp::new();
    let quiet = temp.program("quiet", Program::Exit);
    let storms = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let stopped = || over() || stop.load(Ordering::Relaxed);
    let mut samples: Vec<(Duration, u64)> = Vec::new();
    let leaves: Vec<Leaf> = thread::scope(|scope| {
        // Forks, subshells and pipelines.
        scope.spawn(|| {
            let path = quiet.to_str().expect("a path of ASCII");
            let script =
                format!("for i in 1 2 3 4 5 6 7 8; do ({path} $i | {path}; {path} &); x=$({path}); done; wait");
            while !stopped() {
                let status = Command::new(&sh).args(["-c", &script]).stdin(Stdio::null()).status();
                assert!(status.expect("a shell").success());
                storms.fetch_add(33, Ordering::Relaxed);
            }
        });
        // Long argv: most of a page, most of a record, and more than a megabyte now and then.
        scope.spawn(|| {
            for round in 0_usize.. {
                if stopped() {
                    break;
                }
                let length = [3_000, 30_000, 120_000, 1_500_000][if round % 64 == 63 { 3 } else { round % 3 }];
                Exec::new(&quiet)
                    .args(argv_of(token().as_bytes(), length, LONGEST))
                    .run();
                storms.fetch_add(1, Ordering::Relaxed);
            }
        });
        let player = scope.spawn(|| {
            let seed = u64::from(std::process::id()) << 32 | 0x50a4;
            println!("seed {seed:#x}");
            let mut player = Player::new(&temp, "sslyze-", seed, 0);
            let mut leaves = Vec::new();
            let pause = time / u32::try_from(TREES).expect("a small number");
            while !stopped() {
                leaves.push(player.leaf());
                // Spread over the time.
                let next = begun + pause * u32::try_from(leaves.len()).expect("a small number");
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            leaves
        });
        // A panic below ends the storm as well.
        let _guard = StopOnDrop(&stop);
        while !over() {
            samples.push((begun.elapsed(), resident(watch.pid())));
            thread::sleep(time / 60);
        }
        player.join().expect("the player")
    });

    let rows = watch.rows_so_far(|row| row.is(common::watch::path_text(temp.path())));
    let wrong: Vec<String> = leaves
        .iter()
        .filter_map(|leaf| {
            let line = leaf.chain.leaf();
            let Some(row) = rows
                .iter()
                .find(|row| row.text("ProcessCommandLine") == Some(line.as_str()))
            else {
                return Some(format!("no row: {line}"));
            };
            leaf.check(row)
                .map(|difference| format!("{difference}\n{}\n{:#?}", row.line, leaf.above))
        })
        .collect();
    let misses = misses(watch.pid());
    let closing = watch.stop();
    println!(
        "{time:?}: {} execs of the storm, {} trees checked; resident KiB: {samples:?}; {closing:?}",
        storms.load(Ordering::Relaxed),
        leaves.len()
    );
    assert!(closing.lost <= if in_vm() { misses } else { 0 }, "{closing:?}");
    assert!(
        wrong.is_empty() || closing.lost > 0,
        "{} of {} are wrong, the first: {}",
        wrong.len(),
        leaves.len(),
        wrong[0]
    );
    // Flat: after the first third, in which the table of processes fills, the rest adds no more than a tenth.
    let third = samples.len() / 3;
    let (warm, rest) = samples.split_at(third.max(1));
    let most = |of: &[(Duration, u64)]| of.iter().map(|(_, kib)| *kib).max().unwrap_or(0);
    if asked.is_some() {
        assert!(
            most(rest) <= most(warm) + most(warm) / 10,
            "resident memory, KiB: {samples:?}"
        );
    }
}

/// Ends the storm when the test ends, however that comes.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
