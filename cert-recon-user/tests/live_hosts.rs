//! Hosts as they are: what distributions, containers and small machines lack or do otherwise.
//!
//! A part is a matter of the machine (`cargo xtask vm` has kernels with an odd host around them), another is made here, in
//! namespaces of the monitor's own.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    ffi::CString,
    fs, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use common::{
    elf::Program,
    exec::Exec,
    find_program, in_vm, skip, sys,
    temp::Temp,
    token,
    watch::{Watch, binary, command, path_text},
};

const FINDINGS: [&str; 5] = ["watch", "--format", "json", "--fold-interval", "0"];

/// Starts the monitor after these steps, sees a whole finding, and ends it.
#[track_caller]
fn assert_watched(mut command: Command, step: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the steps only make system calls.
    unsafe { command.pre_exec(step) };
    let watch = Watch::start_command(command.args(FINDINGS).stdout(Stdio::piped()));
    let row = watch.finding();
    assert!(row.text("SHA256").is_some(), "it is hashed: {}", row.line);
    let closing = watch.stop();
    assert_eq!(closing.lost, 0, "{closing:?}");
}

/// A root file system that has the static program and the names of users, and no C library.
struct Root {
    temp: Temp,
    path: std::path::PathBuf,
}

impl Root {
    /// `None` where the program that is tested needs a dynamic linker.
    fn with_the_static_program() -> Option<Self> {
        let program = fs::read(binary()).expect("cert-recon");
        if is_dynamic(&program) {
            return None;
        }
        let temp = Temp::new();
        let path = temp.folder("root");
        for folder in ["proc", "sys", "dev", "etc"] {
            fs::create_dir(path.join(folder)).expect("a folder");
        }
        fs::write(path.join("etc/passwd"), "someone:x:0:0::/:/none\n").expect("a file");
        temp.executable("root/cert-recon", &program);
        Some(Self { temp, path })
    }

    /// A command that runs in it, with the kernel's file systems where they belong.
    fn command(&self, program: &str) -> Command {
        let [proc, sys_folder, dev, jail] = ["proc", "sys", "dev", ""].map(|name| sys::c_path(self.path.join(name)));
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/bin");
        let step = move || {
            sys::child_private_mounts()?;
            sys::child_mount(c"proc", &proc, c"proc", 0)?;
            sys::child_mount(c"/sys", &sys_folder, c"none", libc::MS_BIND | libc::MS_REC)?;
            sys::child_mount(c"/dev", &dev, c"none", libc::MS_BIND | libc::MS_REC)?;
            sys::child_chroot(&jail)
        };
        // SAFETY: the steps only make system calls.
        unsafe { command.pre_exec(step) };
        command
    }
}

/// The name of a dynamic linker is in each program that asks for one.
fn is_dynamic(program: &[u8]) -> bool {
    program.windows(4).any(|bytes| bytes == b"/ld-")
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_host_without_tracefs_and_debugfs_with_a_read_only_root_and_no_room_in_tmp() {
    let traces: Vec<CString> = ["/sys/kernel/tracing", "/sys/kernel/debug"]
        .iter()
        .filter(|path| Path::new(path).is_dir())
        .map(sys::c_path)
        .collect();
    // Nothing can be written there, not even in memory. Where the program itself is, it must stay.
    let full: Vec<CString> = ["/tmp", "/var/tmp", "/dev/shm"]
        .iter()
        .filter(|path| Path::new(path).is_dir() && !binary().starts_with(path))
        .map(sys::c_path)
        .collect();
    assert_watched(command(&[]), move || {
        sys::child_private_mounts()?;
        for path in traces.iter().chain(&full) {
            sys::child_mount(c"none", path, c"tmpfs", libc::MS_RDONLY)?;
        }
        let read_only = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
        sys::child_mount(c"none", c"/", c"none", read_only)
    });
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_root_without_a_c_library_has_all_that_a_static_program_needs() {
    let Some(root) = Root::with_the_static_program() else {
        return skip("this build of cert-recon is dynamic");
    };
    let mut command = root.command("/cert-recon");
    command.args(FINDINGS).stdout(Stdio::piped());
    let watch = Watch::start_command(&mut command);
    let row = watch.finding();
    assert_eq!(row.text("AccountName"), Some("someone"), "{}", row.line);
    assert!(row.text("SHA256").is_some(), "{}", row.line);
    assert!(
        watch.stderr().contains("names of users come from /etc/passwd"),
        "{}",
        watch.stderr()
    );
    watch.stop();
}

/// A root file system as Alpine's: every program of daily life is busybox, and nothing is of glibc.
#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_root_where_every_program_is_busybox_is_watched_from_within() {
    let Some(root) = Root::with_the_static_program() else {
        return skip("this build of cert-recon is dynamic");
    };
    let Some(busybox) = find_program("busybox").filter(|file| !is_dynamic(&fs::read(file).unwrap_or_default())) else {
        return skip("no static busybox");
    };
    let busybox = fs::read(busybox).expect("busybox");
    root.temp.folder("root/bin");
    root.temp.executable("root/bin/busybox", &busybox);
    for applet in ["sh", "wget", "env"] {
        std::os::unix::fs::symlink("busybox", root.path.join("bin").join(applet)).expect("a link");
    }
    let script = "#!/bin/sh\nexec env wget -q -T 1 -O /dev/null \"https://crt.sh/?q=$1.example\"\n";
    root.temp.executable("root/query", script.as_bytes());

    let mut command = root.command("/cert-recon");
    command.args(FINDINGS).stdout(Stdio::piped());
    let watch = Watch::start_command(&mut command);
    let token = token();
    let mut query = root.command("/query");
    // There is no network: what becomes of the query is of no interest.
    query.arg(&token).stderr(Stdio::null()).status().expect("running it");
    let row = watch.row_of(&token);
    let inside = |name: &str| format!("{}{name}", path_text(&root.path));
    assert!(
        [inside("/bin/busybox"), "/bin/busybox".to_owned()]
            .iter()
            .any(|path| row.text("FolderPath") == Some(path)),
        "{}",
        row.line
    );
    assert_eq!(row.text("ToolCategory"), Some("CTLogQuery"), "{}", row.line);
    assert_eq!(row.text("AccountName"), Some("someone"), "{}", row.line);
    let closing = watch.stop();
    assert_eq!(closing.lost, 0, "{closing:?}");
}

/// A privileged container without the host's pid namespace: processes have other numbers there, or none.
#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_container_with_a_pid_namespace_of_its_own_sees_all_and_takes_no_process_for_another() {
    let Some(unshare) = find_program("unshare") else {
        return skip("no unshare");
    };
    let mut command = Command::new(unshare);
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(binary());
    // unshare waits for it, whatever signal comes: it ends by itself.
    command.args(FINDINGS).args(["--count", "2"]).stdout(Stdio::piped());
    let mut watch = Watch::start_command(&mut command);
    let own = watch.temp().program("as-known-sslyze", Program::Exit);
    for _ in 0..2 {
        let token = token();
        let ran = Exec::new(&own).args(["sslyze", &token]).run();
        let row = watch.row_of(&token);
        row.assert_pid(ran.pid);
        let hash = row.text("SHA256");
        let first = watch.wait_for("a row", |row| row.is("as-known-sslyze"));
        assert!(
            hash.is_none() || first.text("SHA256").is_none() || hash == first.text("SHA256"),
            "{}",
            row.line
        );
    }
    let status = watch.wait("the end after two findings");
    assert_eq!(status.code(), Some(0));
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_machine_with_128_possible_processors_has_its_sums_right() {
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").expect("the possible processors");
    if possible.trim() != "0-127" {
        return skip(format!("processors {} are possible here", possible.trim()));
    }
    let watch = Watch::all_execs();
    let program = watch.temp().program("one-of-many", Program::Exit);
    for _ in 0..100 {
        Exec::new(&program).run();
    }
    watch.barrier_on_each_cpu();
    let closing = watch.stop();
    assert_eq!(closing.lost, 0, "{closing:?}");
    assert!(closing.execs >= 101, "{closing:?}");
    closing.assert_each_has_a_line();
}

/// Memory that is given back at the end of the test.
struct Ballast {
    folder: std::path::PathBuf,
    _temp: Temp,
}

impl Ballast {
    /// Takes memory until so many bytes are left.
    fn leave(bytes: u64) -> io::Result<Self> {
        let temp = Temp::new();
        let folder = temp.folder("ballast");
        sys::mount(&folder, c"tmpfs", c"size=100%")?;
        let ballast = Self { folder, _temp: temp };
        let mut file = fs::File::create(ballast.folder.join("file"))?;
        let megabyte = vec![1; 1 << 20];
        while available() > bytes {
            io::Write::write_all(&mut file, &megabyte)?;
        }
        Ok(ballast)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.folder.join("file"));
        let _ = sys::unmount(&self.folder);
    }
}

fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("the memory");
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|number| number.parse::<u64>().ok())
        .expect("MemAvailable in kB")
        << 10
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn sixty_four_megabytes_of_free_memory_are_enough() {
    if !in_vm() {
        return skip("takes all memory but 64 MiB: in a virtual machine only");
    }
    let _ballast = Ballast::leave(64 << 20).expect("a file system in memory");
    let watch = Watch::findings(&[]);
    let row = watch.finding();
    assert!(row.text("SHA256").is_some(), "{}", row.line);
    let closing = watch.stop();
    assert_eq!(closing.lost, 0, "{closing:?}");
}

/// The clock before the test, as long as it lasts.
struct Jump(Duration);

impl Jump {
    fn back(by: Duration) -> io::Result<Self> {
        sys::set_clock(SystemTime::now() - by)?;
        Ok(Self(by))
    }
}

impl Drop for Jump {
    fn drop(&mut self) {
        if let Err(error) = sys::set_clock(SystemTime::now() + self.0) {
            eprintln!("setting the clock forward again: {error}");
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_clock_that_is_set_back_is_followed_and_no_time_is_in_the_future() {
    if !in_vm() {
        return skip("sets the clock: in a virtual machine only");
    }
    const HOUR: Duration = Duration::from_secs(3600);
    let watch = Watch::findings(&[]);
    let before = watch.finding();
    let jump = Jump::back(HOUR).expect("the clock is set");
    let from = SystemTime::now();
    let after = watch.finding();
    let to = SystemTime::now();
    // A record shows microseconds.
    assert!(after.time() + Duration::from_millis(1) >= from, "{}", after.line);
    assert!(after.time() <= to, "{}", after.line);
    assert!(after.time() < before.time(), "{}\n{}", before.line, after.line);
    watch.barrier();
    drop(jump);
    let forward = watch.finding();
    assert!(forward.time() > before.time(), "{}\n{}", before.line, forward.line);
    watch.stop();
}
