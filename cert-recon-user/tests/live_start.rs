//! The program is accepted by this kernel's verifier, attaches, sees an exec, and leaves.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::watch::Watch;

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_verifier_of_this_kernel_accepts_every_program_with_and_without_messages() {
    for flags in [&[][..], &["--verbose"]] {
        let watch = Watch::start(&[&["watch", "--all-execs", "--format", "json"], flags].concat());
        watch.barrier();
        let closing = watch.stop();
        assert_eq!(closing.execs, closing.delivered + closing.lost, "{closing:?}");
        // `cargo xtask vm` compares them with the table that the repository keeps.
        for line in closing
            .stderr
            .lines()
            .filter(|line| line.contains("instructions verified"))
        {
            println!("{line}");
        }
    }
}
