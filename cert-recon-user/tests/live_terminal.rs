//! What `watch` shows on a terminal: a real one (a pseudo-terminal), of a known size.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::Read,
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a condition may take to come true: the host may be slow, emulated or busy.
const LIMIT: Duration = Duration::from_secs(90);

/// The monitor with standard output on a terminal.
struct OnTerminal {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    said: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// What can be read, and the thread that reads it to its end.
fn keep(mut from: impl Read + Send + 'static) -> (Arc<Mutex<Vec<u8>>>, JoinHandle<()>) {
    let kept = Arc::<Mutex<Vec<u8>>>::default();
    let into = Arc::clone(&kept);
    let reader = thread::spawn(move || {
        let mut buffer = [0; 4096];
        // A terminal that nobody holds any more ends with an error.
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            into.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    });
    (kept, reader)
}

/// Both ends of a new terminal: where it is read, and where programs write.
fn terminal(columns: u16, lines: u16) -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (0, 0);
    let size = libc::winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the numbers are written to, the size is read, the others may be null.
    let opened = unsafe { libc::openpty(&mut master, &mut slave, std::ptr::null_mut(), std::ptr::null(), &size) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened, and belong to nobody else.
    let (master, slave) = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    // A monitor that inherits its terminal's other end would never see it closed.
    rustix::io::fcntl_setfd(&master, rustix::io::FdFlags::CLOEXEC).unwrap();
    (master, slave)
}

impl OnTerminal {
    fn start(args: &[&str], columns: u16, lines: u16) -> Self {
        let (master, slave) = terminal(columns, lines);
        let mut this = Self::unread(args, slave);
        let (shown, reader) = keep(File::from(master));
        this.shown = shown;
        this.readers.push(reader);
        this
    }

    /// On a terminal that this does not read.
    fn unread(args: &[&str], slave: OwnedFd) -> Self {
        let binary = env::var_os("CERT_RECON_BIN").unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_cert-recon")));
        let mut child = Command::new(binary)
            .args(["watch", "--fold-interval", "0"])
            .args(args)
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .stdout(Stdio::from(slave))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, said_reader) = keep(child.stderr.take().unwrap());
        let this = Self {
            shown: Arc::default(),
            said,
            readers: vec![said_reader],
            child,
        };
        this.wait(|_, said| said.contains("watching every exec"));
        this
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: takes numbers; the process is this one's child and is not waited for yet.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    fn texts(&self) -> (String, String) {
        let text = |bytes: &Mutex<Vec<u8>>| String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned();
        (text(&self.shown), text(&self.said))
    }

    #[track_caller]
    fn wait(&self, holds: impl Fn(&str, &str) -> bool) {
        let start = Instant::now();
        loop {
            let (shown, said) = self.texts();
            if holds(&shown, &said) {
                return;
            }
            assert!(start.elapsed() < LIMIT, "shown: {shown:?}\nsaid: {said}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as Ctrl-C does, and gives all that it showed.
    fn end(self) -> String {
        self.signal(libc::SIGINT);
        self.ended().0
    }

    /// What it showed and said, when it has ended by itself.
    fn ended(mut self) -> (String, String) {
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let (shown, said) = self.texts();
        assert!(status.success(), "{said}");
        (shown, said)
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An executable of the test's own, whose name no other exec on this host has: a copy of a program that is everywhere.
struct Program(PathBuf);

impl Program {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("cert-recon-terminal-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::copy(env::current_exe().unwrap(), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// Runs it: this test's program, which lists nothing.
    fn run(&self, args: &[&str]) {
        let status = Command::new(&self.0)
            .args(["--list", "--exact"])
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(folder) = self.0.parent() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The text without escape sequences.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn lines_are_as_wide_as_the_terminal_and_wide_ones_are_whole() {
    let end = "the-end-of-a-long-command-line";
    let args = ["https://crt.sh/?q=%25.terminal.example", &"x".repeat(300), end];
    let program = Program::new("sslscan");
    for (flags, is_cut, tree) in [
        (&[][..], true, false),
        (&["--wide"], false, false),
        (&["--tree"], true, true),
    ] {
        let monitor = OnTerminal::start(flags, 90, 24);
        program.run(&args);
        monitor.wait(|shown, _| shown.contains("sslscan"));
        let shown = plain(&monitor.end()).replace('\r', "");
        let line = shown.lines().find(|line| line.contains("sslscan")).unwrap();
        assert_eq!(line.chars().count() <= 90, is_cut, "{flags:?}: {line}");
        assert_eq!(line.contains(end), !is_cut, "{flags:?}: {line}");
        assert!(line.contains("high"), "{line}");
        // The processes above: this test's own at least.
        assert_eq!(shown.contains(&format!("({})", std::process::id())), tree, "{shown}");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_live_view_takes_the_terminal_counts_and_gives_it_back() {
    let program = Program::new("sslscan");
    let monitor = OnTerminal::start(&["--top"], 100, 30);
    program.run(&["--targets", "view.example"]);
    monitor.wait(|shown, _| {
        let last = shown.rsplit("\x1b[H").nth(1).unwrap_or_default();
        let last = plain(last);
        last.contains("last findings") && last.contains("sslscan") && last.contains("CertEnumTool")
    });
    let shown = monitor.end();
    assert!(shown.starts_with("\x1b[?1049h\x1b[?25l"), "{shown:?}");
    let (_, after) = shown
        .split_once("\x1b[?25h\x1b[?1049l")
        .expect("the terminal is given back");
    assert!(
        !plain(after).contains("last findings"),
        "nothing is drawn on what was there before: {after:?}"
    );
    for frame in shown.split("\x1b[H").skip(1) {
        let frame = plain(frame);
        let lines: Vec<_> = frame.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        assert!(lines.len() <= 30, "{frame}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{frame}");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_terminal_that_is_closed_ends_it_with_its_sums_a_hangup_alone_does_not() {
    for flags in [&[][..], &["--top"], &["--all-execs"]] {
        let (master, slave) = terminal(80, 24);
        let monitor = OnTerminal::unread(flags, slave);
        monitor.signal(libc::SIGHUP);
        monitor.wait(|_, said| said.contains("read anew"));
        drop(master);
        let (_, said) = monitor.ended();
        assert!(
            said.contains("execs ") && said.contains("incomplete: "),
            "{flags:?}: {said}"
        );
        // Nothing can be written any more, and nothing waits for it.
        assert!(!said.contains("lines wait"), "{flags:?}: {said}");
    }
}

#[test]
fn the_live_view_needs_a_terminal() {
    let output = Command::new(env!("CARGO_BIN_EXE_cert-recon"))
        .args(["watch", "--top"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--top draws on a terminal"), "{said}");
}
