//! Hosts on which a security module holds the monitor to a policy (`cargo xtask vm` has guests with one).

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{fs, os::unix::process::CommandExt as _, path::Path, process::Command};

use common::{
    skip, sys,
    watch::{Watch, binary, command, output_of},
};

const FINDINGS: [&str; 5] = ["watch", "--format", "json", "--fold-interval", "0"];

/// The context that a security module has for a process.
fn context_of(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/attr/current")).unwrap_or_default();
    text.trim_end_matches(['\0', '\n']).to_owned()
}

/// Sees a whole finding, and asserts that nothing was lost.
#[track_caller]
fn assert_sees(watch: Watch) {
    let row = watch.finding();
    for field in [
        "SHA256",
        "AccountName",
        "InitiatingProcessFolderPath",
        "CurrentDirectory",
    ] {
        assert!(row.text(field).is_some(), "it has {field}: {}", row.line);
    }
    let closing = watch.stop();
    assert_eq!(closing.lost, 0, "{closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_profile_of_apparmor_allows_what_it_needs() {
    let profiles = fs::read_to_string("/sys/kernel/security/apparmor/profiles").unwrap_or_default();
    if !profiles.lines().any(|line| line == "cert-recon (enforce)") {
        return skip("AppArmor has no profile of cert-recon here");
    }
    let watch = Watch::findings(&[]);
    assert_eq!(context_of(watch.pid()), "cert-recon (enforce)");
    // Held to it: what the profile does not name, it can't write, root or not.
    let refused = output_of(command(&FINDINGS).args(["--output", "/findings.ndjson", "--duration", "1s"]));
    assert!(
        refused.stderr.contains("/findings.ndjson") && !Path::new("/findings.ndjson").exists(),
        "{refused:?}"
    );
    assert_sees(watch);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn selinux_in_enforcing_mode_lets_it_watch_where_its_policy_allows_ebpf_and_is_named_where_not() {
    if fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|mode| mode != "1")
        || !Path::new("/sys/fs/selinux/policyvers").exists()
    {
        return skip("no SELinux in enforcing mode here");
    }
    let watch = Watch::findings(&[]);
    assert_eq!(context_of(watch.pid()), "host_u:host_r:host_t");
    assert_sees(watch);

    let confined = |args: &[&str]| {
        let next = sys::c_path("/proc/self/attr/exec");
        let mut confined = Command::new(binary());
        confined.args(args);
        // SAFETY: the step only makes system calls.
        unsafe { confined.pre_exec(move || sys::child_write(&next, b"host_u:host_r:confined_t")) };
        output_of(&mut confined)
    };
    let ended = confined(&FINDINGS);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    for said in ["EACCES", "as host_u:host_r:confined_t", "map_create"] {
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
    let doctor = confined(&["doctor"]);
    for said in [
        "missing  BPF ring buffer: the kernel refuses",
        "runs as host_u:host_r:confined_t",
    ] {
        assert!(doctor.stdout.contains(said), "{said}: {doctor:?}");
    }
}
