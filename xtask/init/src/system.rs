//! The guest as a system: mounts, network, users' limits, modules, and the way out.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::wait;
use nix::unistd::Pid;

/// (type, where, options, without it the guest is of no use).
const MOUNTS: [(&str, &str, &str, bool); 11] = [
    ("proc", "/proc", "", true),
    ("sysfs", "/sys", "", true),
    ("devtmpfs", "/dev", "", true),
    ("devpts", "/dev/pts", "ptmxmode=0666", false),
    ("tmpfs", "/dev/shm", "mode=1777", false),
    ("tmpfs", "/run", "mode=0755", true),
    ("tmpfs", "/tmp", "mode=1777", true),
    ("cgroup2", "/sys/fs/cgroup", "", true),
    ("bpf", "/sys/fs/bpf", "", false),
    ("tracefs", "/sys/kernel/tracing", "", false),
    ("securityfs", "/sys/kernel/security", "", false),
];

/// Mounts what a booted distribution has mounted. Returns what went wrong.
pub(crate) fn mount_all() -> Vec<String> {
    let mut problems = Vec::new();
    for (kind, target, options, needed) in MOUNTS {
        // The folders of the kernel's own file systems exist exactly when the kernel has them.
        let _ = fs::create_dir_all(target);
        if let Err(error) = mount(Some(kind), target, Some(kind), MsFlags::empty(), Some(options))
            && (needed || error != Errno::ENODEV && error != Errno::ENOENT)
        {
            problems.push(format!("mounting {kind} on {target}: {error}"));
        }
    }
    problems
}

/// Which hierarchies of cgroups there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// That of version 2, as [`mount_all`] leaves it.
    New,
    /// As before version 2: a hierarchy for each controller, here for one.
    Old,
    /// Version 1, with version 2 beside it for the service manager, as systemd had it by default for years.
    Hybrid,
}

/// Mounts them.
pub(crate) fn cgroups(kind: Cgroups) -> Result<(), String> {
    const ROOT: &str = "/sys/fs/cgroup";
    if kind == Cgroups::New {
        return Ok(());
    }
    unmount(ROOT)?;
    let mount = |kind, target: &str, options| {
        mount(Some(kind), target, Some(kind), MsFlags::empty(), Some(options))
            .map_err(|error| format!("mounting {kind} on {target}: {error}"))
    };
    let hierarchy = |kind, name: &str, options| {
        let target = format!("{ROOT}/{name}");
        fs::create_dir(&target).map_err(|error| format!("{target}: {error}"))?;
        mount(kind, &target, options)
    };
    mount("tmpfs", ROOT, "mode=0755")?;
    hierarchy("cgroup", "pids", "pids")?;
    if kind == Cgroups::Hybrid {
        hierarchy("cgroup2", "unified", "")?;
        hierarchy("cgroup", "systemd", "none,name=systemd")?;
    }
    Ok(())
}

/// Gives a security module the policy that the host has packed for it.
pub(crate) fn load_policy(module: &str) -> Result<(), String> {
    let place = match module {
        "selinux" => {
            const FOLDER: &str = "/sys/fs/selinux";
            mount(Some("selinuxfs"), FOLDER, Some("selinuxfs"), MsFlags::empty(), Some(""))
                .map_err(|error| format!("mounting selinuxfs on {FOLDER}: {error}"))?;
            "/sys/fs/selinux/load"
        }
        "apparmor" => "/sys/kernel/security/apparmor/.replace",
        other => return Err(format!("no such security module: {other}")),
    };
    let policy = fs::read("/policy").map_err(|error| format!("/policy: {error}"))?;
    // In one piece, as both of them want it.
    let written = fs::OpenOptions::new()
        .write(true)
        .open(place)
        .and_then(|mut file| file.write(&policy));
    match written {
        Ok(length) if length == policy.len() => Ok(()),
        Ok(length) => Err(format!("{place} took {length} bytes of {}", policy.len())),
        Err(error) => Err(format!("writing the policy to {place}: {error}")),
    }
}

pub(crate) fn unmount(target: &str) -> Result<(), String> {
    umount2(target, MntFlags::empty()).map_err(|error| format!("unmounting {target}: {error}"))
}

/// Everything that is not a mount. Returns what went wrong.
pub(crate) fn set_up() -> Vec<String> {
    let mut problems = Vec::new();
    let settings = [
        ("/proc/sys/kernel/hostname", "cert-recon-vm"),
        ("/proc/sys/kernel/sysrq", "1"),
    ];
    for (file, value) in settings {
        if let Err(error) = fs::write(file, value) {
            problems.push(format!("writing {value} to {file}: {error}"));
        }
    }
    // The kernel makes it writable for all.
    if let Err(error) = fs::set_permissions("/", Permissions::from_mode(0o755)) {
        problems.push(format!("permissions of /: {error}"));
    }
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        let _ = std::os::unix::fs::symlink(target, format!("/dev/{link}"));
    }
    match Command::new("/bin/busybox")
        .args(["ip", "link", "set", "lo", "up"])
        .output()
    {
        Ok(done) if done.status.success() => {}
        Ok(done) => problems.push(format!("loopback: {}", String::from_utf8_lossy(&done.stderr).trim())),
        Err(error) => problems.push(format!("loopback: busybox: {error}")),
    }
    problems.extend(load_modules());
    problems
}

/// Loads the modules that the host packed for this kernel, in their order.
fn load_modules() -> Vec<String> {
    let mut modules: Vec<_> = fs::read_dir("/modules")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    modules.sort();
    let load = |path| -> Result<(), String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        finit_module(file, &CString::default(), ModuleInitFlags::empty()).map_err(|error| error.to_string())
    };
    modules
        .iter()
        .filter_map(|path| {
            load(path)
                .err()
                .map(|error| format!("module {}: {error}", path.display()))
        })
        .collect()
}

/// The running kernel's release, as `uname -r` prints it.
pub(crate) fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Ends every other process of the guest and waits for all of them, so that no test sees what the last one left.
pub(crate) fn kill_everything() {
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while wait() != Err(Errno::ECHILD) {}
}

/// Gives the next test an empty `/tmp`.
pub(crate) fn fresh_tmp() -> Result<(), Errno> {
    umount2("/tmp", MntFlags::MNT_DETACH)?;
    mount(
        Some("tmpfs"),
        "/tmp",
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=1777"),
    )
}

/// A shell on the console, until it is left.
pub(crate) fn shell() {
    eprintln!("init: leave the shell (exit) to turn the guest off; the live tests are in /tests");
    let mut shell = Command::new("/bin/busybox");
    shell.args(["setsid", "cttyhack", "/bin/bash", "-l"]);
    if let Err(error) = shell
        .env_clear()
        .envs(crate::tests::ENVIRONMENT)
        .env("TERM", "linux")
        .status()
    {
        eprintln!("init: shell: {error}");
    }
}

/// Turns the machine off. A machine that can't be turned off is restarted, which QEMU is told to take as its end.
pub(crate) fn power_off() -> ! {
    for mode in [RebootMode::RB_POWER_OFF, RebootMode::RB_AUTOBOOT] {
        let _ = reboot(mode);
    }
    panic!("the guest can't be turned off");
}
