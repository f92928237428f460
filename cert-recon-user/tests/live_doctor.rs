//! What `doctor` says of a host is what the test finds out by itself.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{collections::BTreeMap, fs, os::unix::process::CommandExt as _, path::Path};

use common::{
    kernel, sys,
    watch::{Watch, command, output_of},
};

/// What is said of each thing: the mark, and what was found.
type Said = BTreeMap<String, (String, String)>;

#[track_caller]
fn doctor(command: &mut std::process::Command) -> Said {
    let ended = output_of(command.arg("doctor"));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    println!("{}", ended.stdout);
    // What mends a miss is on a line of its own, further to the right.
    let lines = ended.stdout.lines().filter(|line| !line.starts_with("         "));
    lines
        .map(|line| {
            let (mark, rest) = line.split_once("  ").expect("a mark and the rest");
            let (what, found) = rest.trim_start().split_once(": ").expect("a thing and what was found");
            (what.to_owned(), (mark.trim().to_owned(), found.to_owned()))
        })
        .collect()
}

#[track_caller]
fn assert_said(said: &Said, what: &str, mark: &str, found: &str) {
    let (its_mark, its_found) = said
        .get(what)
        .unwrap_or_else(|| panic!("nothing is said of {what}: {said:?}"));
    assert_eq!(its_mark, mark, "{what}: {its_found}");
    assert!(its_found.contains(found), "{what}: {its_found:?} lacks {found:?}");
}

/// The file systems on this path and everywhere, by their kind.
fn mounted(wanted: impl Fn(&str, &str) -> bool) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(1);
        let (Some(place), Some(kind)) = (fields.next(), fields.next()) else {
            return false;
        };
        wanted(place, kind)
    })
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn doctor_says_of_this_host_what_is_so() {
    let said = doctor(&mut command(&[]));
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());

    let release = read("/proc/sys/kernel/osrelease").expect("the kernel's release");
    assert_said(
        &said,
        "kernel",
        "ok",
        &format!("Linux {release} on {}", std::env::consts::ARCH),
    );
    match fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(btf) => assert_said(
            &said,
            "type information (BTF)",
            "ok",
            &format!("{} bytes, every member", btf.len()),
        ),
        Err(_) => assert_said(&said, "type information (BTF)", "missing", "/sys/kernel/btf/vmlinux"),
    }
    assert_said(&said, "capabilities", "ok", "allowed to this process");
    assert_said(&said, "BPF ring buffer", "ok", "makes one");
    let memory = if kernel::release() < (5, 11) {
        "count against its limit"
    } else {
        "do not count"
    };
    let (_, found) = &said["locked memory"];
    assert!(found.contains(memory), "{found}");

    let lockdown = read("/sys/kernel/security/lockdown");
    let mode = lockdown
        .as_deref()
        .and_then(|text| text.split_once('[')?.1.split_once(']'))
        .map(|(mode, _)| mode);
    match mode {
        Some("confidentiality") => assert_said(&said, "kernel lockdown", "missing", "confidentiality"),
        Some(mode) => assert_said(&said, "kernel lockdown", "ok", mode),
        None => assert_said(&said, "kernel lockdown", "ok", "not in use"),
    }
    match read("/proc/sys/kernel/unprivileged_bpf_disabled") {
        Some(value) => assert_said(&said, "unprivileged_bpf_disabled", "ok", &value),
        None => assert_said(&said, "unprivileged_bpf_disabled", "unknown", "not shown"),
    }
    match read("/sys/kernel/security/lsm") {
        Some(list) => assert_said(&said, "security modules", "ok", &list),
        None => assert_said(&said, "security modules", "unknown", "not shown"),
    }

    let cgroup2 = |path: &str| mounted(|place, kind| place == path && kind == "cgroup2");
    if cgroup2("/sys/fs/cgroup") {
        assert_said(&said, "cgroups", "ok", "version 2");
    } else if cgroup2("/sys/fs/cgroup/unified") {
        assert_said(&said, "cgroups", "ok", "hybrid");
    } else if mounted(|place, kind| place.starts_with("/sys/fs/cgroup") && kind == "cgroup") {
        assert_said(&said, "cgroups", "ok", "version 1");
    } else {
        assert_said(&said, "cgroups", "missing", "not mounted");
    }
    let tracefs = mounted(|_, kind| kind == "tracefs");
    assert_said(
        &said,
        "tracefs",
        "ok",
        if tracefs { "mounted on" } else { "not mounted" },
    );
    let journald = Path::new("/run/systemd/journal/socket").exists();
    let (mark, found) = if journald {
        ("ok", "is there")
    } else {
        ("missing", "not running")
    };
    assert_said(&said, "journald", mark, found);

    // And what all of it comes to.
    if mode == Some("confidentiality") {
        let ended = output_of(&mut command(&["watch"]));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains("lockdown=integrity"), "{ended:?}");
        assert_eq!(ended.stdout, "", "{ended:?}");
    } else {
        let watch = Watch::findings(&[]);
        watch.barrier();
        watch.stop();
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn doctor_says_to_a_user_without_rights_what_that_user_lacks() {
    let mut command = command(&[]);
    // SAFETY: only makes system calls.
    unsafe { command.pre_exec(|| sys::child_become(65534, 65534)) };
    let said = doctor(&mut command);
    assert_said(&said, "capabilities", "missing", "CAP_BPF and CAP_PERFMON");
    assert_said(&said, "BPF ring buffer", "unknown", "without the capabilities");
    assert_said(&said, "locked memory", "unknown", "without the capabilities");
    assert!(
        said.contains_key("kernel") && said.contains_key("tracefs"),
        "all lines are there: {said:?}"
    );
}
