//! What the monitor tells a service manager, through a real socket: ready when it sees, alive while it does, never else.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs,
    io::Read as _,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram, process::CommandExt as _},
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::SystemTime,
};

use common::{
    LIMIT,
    elf::Program,
    eventually,
    exec::Exec,
    find_program, meddle, skip,
    storm::storm,
    sys,
    temp::Temp,
    token,
    watch::{Watch, command, path_text},
};

/// The test in the service manager's place.
struct Manager {
    temp: Temp,
    heard: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Manager {
    fn new() -> Self {
        let temp = Temp::new();
        let socket = UnixDatagram::bind(temp.join("notify")).expect("a socket");
        let heard: Arc<(Mutex<Vec<String>>, Condvar)> = Arc::default();
        let told = Arc::clone(&heard);
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(size) = socket.recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..size]).into_owned();
                told.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                told.1.notify_all();
            }
        });
        Self { temp, heard }
    }

    /// All messages until now.
    fn heard(&self) -> Vec<String> {
        self.heard.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, message: &str) -> usize {
        self.heard().iter().filter(|heard| *heard == message).count()
    }

    /// Waits for a message after the first so many; gives the number of those up to it.
    #[track_caller]
    fn wait_for(&self, what: &str, after: usize, wanted: impl Fn(&str) -> bool) -> usize {
        let place = |heard: &[String]| heard.iter().skip(after).position(|message| wanted(message));
        let heard = self.heard.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (heard, _) = self
            .heard
            .1
            .wait_timeout_while(heard, LIMIT, |heard| place(heard).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match place(&heard) {
            Some(found) => after + found + 1,
            None => panic!("not so: {what}; heard: {heard:?}"),
        }
    }

    fn start(&self, args: &[&str], watchdog: Option<&str>) -> Watch {
        let mut command = command(args);
        command
            .stdout(Stdio::piped())
            .env("NOTIFY_SOCKET", self.temp.join("notify"));
        command.env_remove("WATCHDOG_PID").env_remove("WATCHDOG_USEC");
        if let Some(watchdog) = watchdog {
            command.env("WATCHDOG_USEC", watchdog);
        }
        Watch::start_command(&mut command)
    }
}

fn is_ready(message: &str) -> bool {
    message.starts_with("READY=1\n")
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn it_is_ready_when_it_sees_and_says_what_it_does_until_it_stops() {
    let manager = Manager::new();
    let watch = manager.start(
        &["watch", "--format", "json", "--all-execs", "--fold-interval", "0"],
        None,
    );
    let at = manager.wait_for("it is ready", 0, is_ready);
    assert_eq!(at, 1, "nothing before that: {:?}", manager.heard());
    let seen = token();
    Exec::new(watch.temp().program("sslyze", Program::Exit))
        .args(["sslyze", &seen])
        .run();
    watch.row_of(&seen);
    manager.wait_for("the sums have the finding", at, |message| {
        message.starts_with("STATUS=Watching; execs ") && !message.contains(", findings 0,")
    });
    let closing = watch.stop();
    assert!(closing.findings > 0);
    let heard = manager.heard();
    assert!(
        heard.last().is_some_and(|last| last.starts_with("STOPPING=1\n")),
        "{heard:?}"
    );
    assert_eq!(heard.iter().filter(|message| is_ready(message)).count(), 1, "{heard:?}");
    assert_eq!(manager.count("WATCHDOG=1"), 0, "nobody asked for that");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_reload_is_told_with_its_end_and_its_failure() {
    let manager = Manager::new();
    let config = manager.temp.join("config.toml");
    let write = |text: &str| {
        let new = config.with_extension("new");
        fs::write(&new, text).expect("a file");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("its mode");
        fs::rename(&new, &config).expect("its name");
    };
    write("min_confidence = 'low'\n");
    let watch = manager.start(&["watch", "--format", "json", "--config", path_text(&config)], None);
    let mut at = manager.wait_for("it is ready", 0, is_ready);
    for (text, failure) in [
        ("min_confidence = 'high'\n", None),
        ("min_confidance = 'high'\n", Some("did you mean `min_confidence`?")),
        ("min_confidence = 'low'\n", None),
    ] {
        write(text);
        watch.signal(libc::SIGHUP);
        at = manager.wait_for("it begins to reload", at, |message| {
            message
                .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
                .is_some_and(|time| time.parse::<u64>().is_ok_and(|time| time > 0))
        });
        at = manager.wait_for("it has reloaded", at, is_ready);
        let said = &manager.heard()[at - 1];
        assert_eq!(said.contains("reload failed"), failure.is_some(), "{said}");
        assert!(failure.is_none_or(|failure| said.contains(failure)), "{said}");
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_watchdog_is_fed_while_it_sees_and_no_more_when_its_program_is_detached() {
    let manager = Manager::new();
    let flags = ["watch", "--format", "json", "--all-execs", "--canary-interval", "2s"];
    // One second from one to the next.
    let watch = manager.start(&flags, Some("3000000"));
    let is_fed = |message: &str| message == "WATCHDOG=1";
    let first = manager.wait_for("it is fed", 0, is_fed);
    manager.wait_for("and again", first, is_fed);
    let pid = watch.pid();
    meddle::link_of(pid, "sched_process_exec").expect("the monitor has its links");
    while let Some(link) = meddle::link_of(pid, "sched_process_exec") {
        assert!(
            eventually(|| meddle::overwrite_descriptor(pid, link).is_ok()),
            "the link is closed"
        );
    }
    let since = SystemTime::now();
    let mut blind = watch.wait_for("it is blind", |row| row.is_kind("SensorBlind") && row.time() > since);
    manager.wait_for("its status says so", 0, |message| message.starts_with("STATUS=Blind: "));
    let fed = manager.count("WATCHDOG=1");
    // Four canaries take longer than the manager waits.
    for _ in 0..4 {
        let before = blind.time();
        blind = watch.wait_for("it still is", |row| row.is_kind("SensorBlind") && row.time() > before);
    }
    assert_eq!(manager.count("WATCHDOG=1"), fed, "{:?}", manager.heard());
    watch.kill();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn without_a_canary_it_is_not_ready_and_says_so() {
    let manager = Manager::new();
    let mut command = command(&["watch", "--format", "json"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env("NOTIFY_SOCKET", manager.temp.join("notify"))
        .env("WATCHDOG_USEC", "3000000");
    // The canary is the program that /proc names. Without /proc there is none, and all the rest works.
    let hide = || {
        sys::child_private_mounts()?;
        sys::child_mount(c"none", c"/proc", c"tmpfs", 0)
    };
    // SAFETY: it makes system calls only.
    unsafe { command.pre_exec(hide) };
    let mut child = command.spawn().expect("starting cert-recon");
    manager.wait_for("it says so", 0, |message| message.starts_with("STATUS=Not ready: "));
    sys::kill(child.id(), libc::SIGTERM).expect("a signal");
    let status = child.wait().expect("its end");
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut stderr)
        .expect("what it said");
    assert!(status.success(), "{stderr}");
    assert!(stderr.contains("did not come back through the kernel"), "{stderr}");
    assert!(!stderr.contains("watching every exec"), "{stderr}");
    let heard = manager.heard();
    assert!(
        !heard.iter().any(|message| is_ready(message) || message == "WATCHDOG=1"),
        "{heard:?}"
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn logrotate_loses_no_line_of_a_storm() {
    const THREADS: usize = 2;
    const COUNT: usize = 2_000;
    const ROTATIONS: usize = 4;
    let Some(logrotate) = find_program("logrotate") else {
        return skip("logrotate is not installed");
    };
    let temp = Temp::new();
    let (folder, file) = (temp.folder("log"), temp.join("log/findings.ndjson"));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("its mode");
    let watch = Watch::start(&["watch", "--format", "json", "--all-execs", "--output", path_text(&file)]);
    // The installed file, for this file and this process.
    let installed = include_str!("../../dist/logrotate");
    let command = installed
        .lines()
        .find(|line| line.contains("systemctl kill"))
        .expect("the command");
    let text = installed
        .replace("/var/log/cert-recon/findings.ndjson", path_text(&file))
        .replace(command, &format!("kill -HUP {}", watch.pid()))
        .replace("rotate 30", "rotate 100");
    let rules = temp.join("rules");
    fs::write(&rules, text).expect("a file");
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o644)).expect("its mode");
    let rotate = || {
        let mut command = Command::new(&logrotate);
        command
            .arg("--force")
            .arg("--state")
            .arg(temp.join("state"))
            .arg(&rules);
        let output = command.output().expect("starting logrotate");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    };
    let asked = token();
    let program = temp.program("p", Program::Exit);
    for _ in 0..ROTATIONS {
        thread::scope(|scope| {
            let done = scope.spawn(|| storm(&program, &asked, THREADS, COUNT / ROTATIONS));
            // In the midst of it, whatever that is: what counts is counted below.
            let before = fs::metadata(&file).map(|meta| meta.len()).unwrap_or(0);
            let grows = || fs::metadata(&file).is_ok_and(|meta| meta.len() > before) || done.is_finished();
            assert!(eventually(grows), "the file grows");
            rotate();
            done.join().expect("the storm");
        });
        // The next rotation finds the new file, with something in it.
        assert!(eventually(|| fs::metadata(&file).is_ok_and(|meta| meta.len() > 0) || {
            Exec::new(&program).args(["p"]).run();
            false
        }));
        assert_eq!(
            fs::metadata(&file).expect("the file").permissions().mode() & 0o777,
            0o600
        );
    }
    let closing = watch.stop();
    let mut lines = 0;
    let mut files = 0;
    for entry in fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let bytes = fs::read(&path).expect("its content");
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::MultiGzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .expect("text");
        } else {
            text = String::from_utf8(bytes).expect("text");
        }
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{} ends in the midst of a line",
            path.display()
        );
        lines += text.lines().count() as u64;
        files += 1;
    }
    assert!(files > ROTATIONS, "{files} files");
    // Standard output and the file had the same lines.
    assert_eq!(closing.outputs.get(1), Some(&(lines, 0)), "{closing:?}");
    assert!(
        closing.delivered >= (THREADS * COUNT / ROTATIONS * ROTATIONS) as u64,
        "{closing:?}"
    );
}
