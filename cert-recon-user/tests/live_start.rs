//! The program is accepted by this kernel's verifier, attaches, sees an exec, and leaves.

use std::process::Command;

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_verifier_of_this_kernel_accepts_every_program_with_and_without_messages() {
    let binary = std::env::var_os("CERT_RECON_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_cert-recon").into());
    for verbose in [false, true] {
        let mut command = Command::new(&binary);
        command.args(["watch", "--duration", "300ms", "--all-execs", "--format", "json"]);
        if verbose {
            command.arg("--verbose");
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
        assert!(stderr.contains("watching every exec on "), "{stderr}");
        assert!(
            stderr.contains("delivered 0 = ") || stderr.contains("delivered "),
            "{stderr}"
        );
        for line in stderr.lines().filter(|line| line.contains("instructions verified")) {
            println!("{line}");
        }
    }
}
