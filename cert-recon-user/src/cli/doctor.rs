//! `cert-recon doctor`: what this host offers, line by line; for each miss what it costs and how to mend it.
//!
//! Works without any rights: what can't be told then is said to be unknown.

use std::{fmt::Write as _, fs, path::Path};

use super::Status;
use crate::{
    host,
    source::live::{Options, offsets},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    Miss,
    Unknown,
}

#[derive(Debug)]
struct Line {
    state: State,
    what: &'static str,
    found: String,
    /// What a miss costs and how to mend it; empty when there is nothing to do.
    mend: String,
}

fn line(state: State, what: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Line {
    Line {
        state,
        what,
        found: found.into(),
        mend: mend.into(),
    }
}

pub(super) fn run() -> anyhow::Result<Status> {
    let lines = [
        kernel(),
        btf(),
        capabilities(),
        ring_buffer(),
        locked_memory(),
        lockdown(),
        unprivileged(),
        lsm(),
        cgroups(),
        tracefs(),
        journald(),
    ];
    let mut out = String::new();
    for line in &lines {
        let mark = match line.state {
            State::Ok => "ok     ",
            State::Miss => "missing",
            State::Unknown => "unknown",
        };
        // Writing to a String can't fail.
        let _ = writeln!(out, "{mark}  {}: {}", line.what, line.found);
        if !line.mend.is_empty() {
            let _ = writeln!(out, "         {}", line.mend);
        }
    }
    super::print(out.as_bytes())?;
    Ok(Status::Clean)
}

fn kernel() -> Line {
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    line(
        State::Ok,
        "kernel",
        format!("Linux {} on {machine}", host::kernel_release()),
        "",
    )
}

fn btf() -> Line {
    let cost = "without it nothing can be watched: use a kernel with CONFIG_DEBUG_INFO_BTF (the distributions' have it since \
                2020), or name its type information with `watch --btf FILE`";
    match fs::read(Options::BTF) {
        Err(error) => line(
            State::Miss,
            "type information (BTF)",
            format!("{}: {error}", Options::BTF),
            cost,
        ),
        Ok(bytes) => match offsets::from_btf(&bytes) {
            Err(error) => line(
                State::Miss,
                "type information (BTF)",
                error.to_string(),
                "please report it with `uname -a`",
            ),
            Ok(found) if found.offsets.task_loginuid == cert_recon_common::ABSENT => line(
                State::Miss,
                "type information (BTF)",
                format!("{} bytes, but no login uid", bytes.len()),
                "who logged in before sudo or su will be absent: this kernel was built without CONFIG_AUDIT",
            ),
            Ok(_) => line(
                State::Ok,
                "type information (BTF)",
                format!("{} bytes, every member that is read was found", bytes.len()),
                "",
            ),
        },
    }
}

fn capabilities() -> Line {
    let missing = host::missing_capabilities();
    if missing.is_empty() {
        return line(
            State::Ok,
            "capabilities",
            "loading eBPF programs is allowed to this process",
            "",
        );
    }
    line(
        State::Miss,
        "capabilities",
        format!("this process lacks {}", missing.join(" and ")),
        "`watch` can't start: run it with sudo, or as a systemd unit with these in AmbientCapabilities=",
    )
}

fn ring_buffer() -> Line {
    match aya::sys::is_map_supported(aya::maps::MapType::RingBuf) {
        Ok(true) => line(State::Ok, "BPF ring buffer", "the kernel makes one", ""),
        Ok(false) | Err(_) if !host::missing_capabilities().is_empty() => line(
            State::Unknown,
            "BPF ring buffer",
            "can't be tried without the capabilities",
            "",
        ),
        Ok(false) => line(
            State::Miss,
            "BPF ring buffer",
            "the kernel has none",
            "`watch` can't start: it came with Linux 5.8",
        ),
        Err(error) => line(
            State::Miss,
            "BPF ring buffer",
            format!("the kernel refuses to make one: {error}"),
            "`watch` can't start: the policy of a security module or a container's seccomp filter forbids it",
        ),
    }
}

/// Needed before Linux 5.11 only, which is found out by trying.
fn locked_memory() -> Line {
    const WHAT: &str = "locked memory";
    let counts = match host::maps_count_as_locked() {
        Some(counts) => counts,
        None if host::missing_capabilities().is_empty() => {
            return line(
                State::Unknown,
                WHAT,
                "can't be tried: the kernel refuses to make an eBPF map",
                "",
            );
        }
        None => return line(State::Unknown, WHAT, "can't be tried without the capabilities", ""),
    };
    if !counts {
        return line(State::Ok, WHAT, "eBPF maps do not count against its limit", "");
    }
    if host::can_lift_memlock() {
        return line(
            State::Ok,
            WHAT,
            "eBPF maps count against its limit, which `watch` can lift",
            "",
        );
    }
    line(
        State::Miss,
        WHAT,
        "eBPF maps count against its limit, which this process can't lift",
        "`watch` may be refused its maps: grant CAP_SYS_RESOURCE, or set the limit (ulimit -l unlimited; LimitMEMLOCK=infinity)",
    )
}

fn tracefs() -> Line {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    match mounts.lines().find_map(|mount| {
        let mut fields = mount.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "tracefs").then(|| place.to_owned())
    }) {
        Some(place) => line(
            State::Ok,
            "tracefs",
            format!("mounted on {place} (does not matter)"),
            "",
        ),
        None => line(
            State::Ok,
            "tracefs",
            "not mounted (does not matter: the kernel is asked for the tracepoint itself)",
            "",
        ),
    }
}

fn lockdown() -> Line {
    match host::lockdown(Path::new(host::LOCKDOWN)).as_deref() {
        Some("confidentiality") => line(
            State::Miss,
            "kernel lockdown",
            "confidentiality: eBPF programs may not read kernel memory",
            "`watch` can't start: boot with lockdown=integrity",
        ),
        Some(mode) => line(State::Ok, "kernel lockdown", format!("{mode} (does not matter)"), ""),
        None => line(
            State::Ok,
            "kernel lockdown",
            "not in use, or not shown (securityfs is not mounted)",
            "",
        ),
    }
}

fn unprivileged() -> Line {
    let shown = fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").unwrap_or_default();
    let meaning = match shown.trim() {
        "0" => "0: users without rights may load some eBPF programs (does not matter here; 2 is safer)".to_owned(),
        "" => return line(State::Unknown, "unprivileged_bpf_disabled", "not shown", ""),
        value => format!("{value} (does not matter: the capabilities are used)"),
    };
    line(State::Ok, "unprivileged_bpf_disabled", meaning, "")
}

fn lsm() -> Line {
    match fs::read_to_string("/sys/kernel/security/lsm") {
        Ok(list) => {
            let context =
                host::security_context().map_or_else(String::new, |context| format!("; this runs as {context}"));
            line(State::Ok, "security modules", format!("{}{context}", list.trim()), "")
        }
        Err(_) => line(
            State::Unknown,
            "security modules",
            "not shown (securityfs is not mounted)",
            "if loading is refused in spite of the capabilities, look for denials of `bpf` in the kernel log",
        ),
    }
}

fn cgroups() -> Line {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        line(State::Ok, "cgroups", "version 2", "")
    } else if root.join("unified/cgroup.controllers").exists() {
        line(State::Ok, "cgroups", "hybrid: version 1, with version 2 beside it", "")
    } else if ["pids", "memory", "cpu"]
        .iter()
        .any(|controller| root.join(controller).join("cgroup.procs").exists())
    {
        line(
            State::Ok,
            "cgroups",
            "version 1: units and containers are told by the hierarchy of the pids controller",
            "",
        )
    } else {
        line(
            State::Miss,
            "cgroups",
            "not mounted at /sys/fs/cgroup",
            "units and containers can't be named: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        )
    }
}

fn journald() -> Line {
    if Path::new("/run/systemd/journal/socket").exists() {
        line(State::Ok, "journald", "its socket is there", "")
    } else {
        line(
            State::Miss,
            "journald",
            "not running",
            "--journald has nobody to send to; results can go to standard output, to a file (--output) and to --syslog",
        )
    }
}
