//! A running `cert-recon watch` and what it said.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{LIMIT, RUN, argv::bytes_of, elf::Program, exec::Exec, kernel, sys, temp::Temp, token};

/// The program that is tested.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("CERT_RECON_BIN")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_cert-recon")))
        .into()
}

/// One line of output that is about this run's execs.
#[derive(Debug)]
pub(crate) struct Row {
    /// The line, without its newline.
    pub(crate) line: String,
    /// The line as JSON; null when it is text.
    pub(crate) json: Value,
    /// When it was read.
    pub(crate) read: SystemTime,
}

impl Row {
    /// Whether it is about the exec with this token in its command line or in its program's path.
    pub(crate) fn is(&self, token: &str) -> bool {
        if self.json.is_null() {
            return self.line.contains(token);
        }
        ["ProcessCommandLine", "FolderPath"]
            .iter()
            .any(|field| self.text(field).is_some_and(|t| t.contains(token)))
    }

    /// The text in a field.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.json.get(field)?.as_str()
    }

    /// The number in a field.
    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        self.json.get(field)?.as_u64()
    }

    /// The truth in a field.
    pub(crate) fn truth(&self, field: &str) -> Option<bool> {
        self.json.get(field)?.as_bool()
    }

    /// The arguments with their NULs, exactly, whichever field has them.
    pub(crate) fn argv(&self) -> Vec<u8> {
        if let Some(exact) = self.text("ProcessArgumentsBase64") {
            return BASE64_STANDARD.decode(exact).expect("ProcessArgumentsBase64 is base64");
        }
        let args = self.json["ProcessArguments"]
            .as_array()
            .expect("ProcessArguments is an array");
        let args: Vec<&str> = args
            .iter()
            .map(|arg| arg.as_str().expect("an argument is text"))
            .collect();
        bytes_of(&args)
    }

    /// The time of the exec.
    pub(crate) fn time(&self) -> SystemTime {
        humantime::parse_rfc3339(self.text("Timestamp").expect("a Timestamp")).expect("Timestamp is RFC 3339")
    }

    /// Asserts that it is about this process, as far as this process can know its number.
    #[track_caller]
    pub(crate) fn assert_pid(&self, pid: u32) {
        if kernel::in_initial_pid_namespace() {
            assert_eq!(self.number("ProcessId"), Some(u64::from(pid)), "{}", self.line);
        }
    }
}

/// The sums at the end, and what else was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closing {
    pub(crate) execs: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) findings: u64,
    pub(crate) suppressed: u64,
    pub(crate) folded: u64,
    pub(crate) clean: u64,
    pub(crate) argv_cut: u64,
    pub(crate) paths_cut: u64,
    /// Lines that were read from standard output.
    pub(crate) lines: u64,
    /// Sum of EventsLostSinceLast of all of them.
    pub(crate) reported_lost: u64,
    /// Standard error.
    pub(crate) stderr: String,
}

#[derive(Default)]
struct State {
    rows: Vec<Arc<Row>>,
    lines: u64,
    reported_lost: u64,
    /// The first line that should not have been written so, and what is wrong with it.
    bad: Option<String>,
    stderr: String,
    stdout_ended: bool,
    stderr_ended: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command that is to end by itself, at once.
#[track_caller]
pub(crate) fn output_of(command: &mut Command) -> Ended {
    let shown = format!("{command:?}");
    let mut watch = Watch::spawn(command.stdout(Stdio::piped()));
    let status = watch.wait(&format!("{shown} ends by itself"));
    let state = watch.shared.lock();
    let stdout = state
        .rows
        .iter()
        .fold(String::new(), |text, row| text + &row.line + "\n");
    Ended {
        status,
        stdout,
        stderr: state.stderr.clone(),
    }
}

/// A command of the program that is tested.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args);
    command
}

/// The running program. It ends when this is dropped.
pub(crate) struct Watch {
    child: Child,
    command: String,
    shared: Arc<Shared>,
    temp: Temp,
    barrier: PathBuf,
    json: bool,
}

impl Watch {
    /// Every exec, as JSON.
    #[track_caller]
    pub(crate) fn all_execs() -> Self {
        Self::start(&["watch", "--format", "json", "--all-execs"])
    }

    /// Findings, as JSON, with these flags.
    #[track_caller]
    pub(crate) fn findings(flags: &[&str]) -> Self {
        Self::start(&[&["watch", "--format", "json"], flags].concat())
    }

    /// Starts the program and waits until it watches.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_command(command(args).stdout(Stdio::piped()))
    }

    /// As [`start`](Self::start), when standard output is the test's own matter.
    #[track_caller]
    pub(crate) fn start_command(command: &mut Command) -> Self {
        let watch = Self::spawn(command);
        watch.wait_until("it watches", |state| state.stderr.contains("watching every exec"));
        watch
    }

    fn spawn(command: &mut Command) -> Self {
        let temp = Temp::new();
        let barrier = temp.program("sslyze", Program::Exit);
        let json = command.get_args().any(|arg| arg == "json");
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting cert-recon");
        let shared = Arc::new(Shared::default());
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let stdout = child.stdout.take();
        let watch = Self {
            child,
            command: format!("{command:?}"),
            shared,
            temp,
            barrier,
            json,
        };
        let shared = Arc::clone(&watch.shared);
        thread::spawn(move || read_stderr(&shared, stderr));
        match stdout {
            Some(stdout) => {
                let shared = Arc::clone(&watch.shared);
                thread::spawn(move || read_stdout(&shared, stdout, json));
            }
            None => watch.shared.change(|state| state.stdout_ended = true),
        }
        watch
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: libc::c_int) {
        sys::kill(self.pid(), signal).expect("a signal to cert-recon");
    }

    /// Stops the program, without its doing, until [`go_on`](Self::go_on).
    #[track_caller]
    pub(crate) fn hold(&self) {
        self.signal(libc::SIGSTOP);
        sys::wait_stopped(self.pid()).expect("cert-recon is held");
    }

    #[track_caller]
    pub(crate) fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Waits for a row. Rows that were read before count as well.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, mut wanted: impl FnMut(&Row) -> bool) -> Arc<Row> {
        let mut found = None;
        let mut seen = 0;
        self.wait_until(what, |state| {
            found = state.rows.iter().skip(seen).find(|row| wanted(row)).cloned();
            seen = state.rows.len();
            found.is_some()
        });
        found.unwrap_or_else(|| unreachable!("wait_until returned"))
    }

    /// Waits for the row of the exec with this token.
    #[track_caller]
    pub(crate) fn row_of(&self, token: &str) -> Arc<Row> {
        self.wait_for(&format!("the exec with the token {token}"), |row| row.is(token))
    }

    /// Waits for everything that happened until now, then gives the rows that are wanted.
    #[track_caller]
    pub(crate) fn rows_so_far(&self, wanted: impl Fn(&Row) -> bool) -> Vec<Arc<Row>> {
        self.barrier();
        self.shared
            .lock()
            .rows
            .iter()
            .filter(|row| wanted(row))
            .cloned()
            .collect()
    }

    /// Makes an exec that is a finding of high confidence, and waits for its row: those of all execs before it have come.
    #[track_caller]
    pub(crate) fn barrier(&self) {
        self.barrier_by(|exec| exec);
    }

    /// As [`barrier`](Self::barrier), on every CPU that this process may run on.
    #[track_caller]
    pub(crate) fn barrier_on_each_cpu(&self) {
        for cpu in sys::allowed_cpus() {
            self.barrier_by(|exec| exec.before(move || sys::child_pin(cpu)));
        }
    }

    /// An exec that the ring buffer has no room for is lost, so what does not come is tried again.
    #[track_caller]
    fn barrier_by(&self, prepare: impl Fn(Exec) -> Exec) {
        const PATIENCE: Duration = Duration::from_secs(3);
        let end = Instant::now() + LIMIT;
        let mut tokens = Vec::new();
        while Instant::now() < end {
            let token = token();
            prepare(Exec::new(&self.barrier).args(["sslyze", &token])).run();
            tokens.push(token);
            // A row is looked at when it comes: there may be thousands before.
            let mut looked = 0;
            let come = |state: &State| {
                let mut new = state.rows.iter().skip(looked);
                looked = state.rows.len();
                new.any(|row| tokens.iter().any(|token| row.is(token)))
            };
            if self.wait_within(PATIENCE, come) {
                return;
            }
        }
        self.fail("an exec comes through");
    }

    /// Ends it with SIGINT; see [`end`](Self::end).
    #[track_caller]
    pub(crate) fn stop(self) -> Closing {
        self.stop_with(libc::SIGINT)
    }

    /// Ends it with a signal; see [`end`](Self::end).
    #[track_caller]
    pub(crate) fn stop_with(self, signal: libc::c_int) -> Closing {
        self.signal(signal);
        self.end()
    }

    /// Waits for its end and asserts what holds for every run: status 0, both sums, nothing dropped before standard
    /// output, nothing on it that a terminal would obey, a row for every exec that was asked for.
    #[track_caller]
    pub(crate) fn end(mut self) -> Closing {
        let status = self.wait("its end");
        self.assert(
            status.code() == Some(0),
            &format!("it ends with status 0, not {status}"),
        );
        let state = self.shared.lock();
        let bad = state.bad.clone();
        let (lines, reported_lost, stderr) = (state.lines, state.reported_lost, state.stderr.clone());
        drop(state);
        self.assert(
            bad.is_none(),
            &format!("every line is good: {}", bad.unwrap_or_default()),
        );
        let Some(closing) = parse_closing(&stderr) else {
            self.fail("there are closing sums on standard error")
        };
        let closing = Closing {
            lines,
            reported_lost,
            ..closing
        };
        let Closing {
            execs,
            delivered,
            lost,
            findings,
            suppressed,
            folded,
            clean,
            ..
        } = closing;
        self.assert(execs == delivered + lost, "execs = delivered + lost");
        self.assert(
            delivered == findings + suppressed + folded + clean,
            "delivered = findings + suppressed + folded + clean",
        );
        self.assert(reported_lost <= lost, "no more losses are reported than there were");
        closing
    }

    /// Kills it.
    #[track_caller]
    pub(crate) fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.wait("its end");
    }

    /// Waits until it has ended and all that it wrote has been read.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str) -> ExitStatus {
        self.wait_until_ended(what);
        // Its outputs are closed: it is ending.
        self.child.wait().expect("waiting for cert-recon")
    }

    #[track_caller]
    fn wait_until_ended(&self, what: &str) {
        let ended = self.wait_within(LIMIT, |state| state.stdout_ended && state.stderr_ended);
        self.assert(ended, what);
    }

    #[track_caller]
    fn wait_until(&self, what: &str, mut condition: impl FnMut(&State) -> bool) {
        let mut truth = false;
        let decided = self.wait_within(LIMIT, |state| {
            truth = condition(state);
            truth || (state.stdout_ended && state.stderr_ended)
        });
        if !truth {
            self.fail(&format!("{what}{}", if decided { " (it has ended)" } else { "" }));
        }
    }

    fn wait_within(&self, limit: Duration, mut condition: impl FnMut(&State) -> bool) -> bool {
        let waiting = |state: &mut State| !condition(state);
        let state = self.shared.lock();
        let wait = self.shared.changed.wait_timeout_while(state, limit, waiting);
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    #[track_caller]
    pub(crate) fn assert(&self, truth: bool, what: &str) {
        if !truth {
            self.fail(what);
        }
    }

    /// Ends the test. What was seen is printed when this is dropped.
    #[track_caller]
    pub(crate) fn fail(&self, what: &str) -> ! {
        panic!("not so: {what}")
    }

    /// A folder that lives as long.
    pub(crate) fn temp(&self) -> &Temp {
        &self.temp
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // When it has ended by itself these fail, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            // Its outputs end with it; what was on its way is worth a moment.
            let state = self.shared.lock();
            let limit = Duration::from_secs(5);
            let ended = |state: &mut State| !(state.stdout_ended && state.stderr_ended);
            let (state, _) = self
                .shared
                .changed
                .wait_timeout_while(state, limit, ended)
                .unwrap_or_else(PoisonError::into_inner);
            eprintln!("{}", account(&self.command, &state));
        }
    }
}

/// What a failed test shows: command, standard output (the rows of this run), standard error.
fn account(command: &str, state: &State) -> String {
    const ROWS: usize = 40;
    const COLUMNS: usize = 1500;
    let mut text = format!(
        "command: {command}\nstdout ({} lines, {} of this run):\n",
        state.lines,
        state.rows.len()
    );
    for row in state.rows.iter().skip(state.rows.len().saturating_sub(ROWS)) {
        let shown: String = row.line.chars().take(COLUMNS).collect();
        let more = row.line.len().saturating_sub(shown.len());
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "  {shown}{}",
            if more == 0 {
                String::new()
            } else {
                format!(" ({more} bytes more)")
            }
        );
    }
    let _ = write!(text, "stderr:\n{}", state.stderr);
    text
}

fn read_stderr(shared: &Shared, stderr: ChildStderr) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        shared.change(|state| state.stderr.push_str(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    shared.change(|state| state.stderr_ended = true);
}

fn read_stdout(shared: &Shared, stdout: impl Read, json: bool) {
    let mut reader = BufReader::with_capacity(1 << 20, stdout);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let read = SystemTime::now();
        let (row, lost, bad) = take_line(&line, json, read);
        shared.change(|state| {
            state.lines += 1;
            state.reported_lost += lost;
            state.bad = state.bad.take().or(bad);
            state.rows.extend(row.map(Arc::new));
        });
        line.clear();
    }
    shared.change(|state| state.stdout_ended = true);
}

/// The row in a line when it is about this run (of others' execs only sums are kept), the losses that it reports, and what
/// is wrong with it.
fn take_line(line: &[u8], json: bool, read: SystemTime) -> (Option<Row>, u64, Option<String>) {
    let bad = |why: &str| Some(format!("{why}: {}", String::from_utf8_lossy(line)));
    let Some(line) = line.strip_suffix(b"\n") else {
        return (None, 0, bad("no newline at the end"));
    };
    let Ok(text) = std::str::from_utf8(line) else {
        return (None, 0, bad("not UTF-8"));
    };
    let wrong = if text.contains(char::is_control) {
        bad("a raw control character")
    } else {
        None
    };
    let (value, wrong) = match json.then(|| serde_json::from_str::<Value>(text)) {
        Some(Ok(value)) => (value, wrong),
        Some(Err(error)) => (Value::Null, bad(&format!("not JSON ({error})"))),
        None => (Value::Null, wrong),
    };
    let lost = value.get("EventsLostSinceLast").and_then(Value::as_u64).unwrap_or(0);
    // Commands that end by themselves write a line or two, which are kept whatever they are.
    let row = (text.contains(RUN.as_str()) || !json).then(|| Row {
        line: text.to_owned(),
        json: value,
        read,
    });
    (row, lost, wrong)
}

fn parse_closing(stderr: &str) -> Option<Closing> {
    let numbers = |start: &str| {
        let line = stderr
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("cert-recon: ")?.strip_prefix(start))?;
        Some(
            line.split(|c: char| !c.is_ascii_digit())
                .filter_map(|n| n.parse().ok())
                .collect::<Vec<u64>>(),
        )
    };
    let &[execs, delivered, lost] = numbers("execs ")?.as_slice() else {
        return None;
    };
    let &[judged, findings, suppressed, folded, clean] = numbers("delivered ")?.as_slice() else {
        return None;
    };
    let &[argv_cut, paths_cut] = numbers("incomplete: ")?.as_slice() else {
        return None;
    };
    (judged == delivered).then_some(Closing {
        execs,
        delivered,
        lost,
        findings,
        suppressed,
        folded,
        clean,
        argv_cut,
        paths_cut,
        stderr: stderr.to_owned(),
        ..Closing::default()
    })
}

/// A path as text.
#[track_caller]
pub(crate) fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}
