//! A running `cert-recon watch` and what it said.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{LIMIT, RUN, argv::bytes_of, elf::Program, exec::Exec, kernel, schema, sys, temp::Temp, token};

/// `ActionType` of an exec.
const EXEC: &str = "ProcessCreated";
/// `ActionType` of a record of losses.
const LOST: &str = "EventsLost";
/// `ActionType` of a record of the monitor's state.
const HEALTH: &str = "SensorHealth";

/// The program that is tested.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("CERT_RECON_BIN")
        .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_cert-recon")))
        .into()
}

/// One line of output that is about this run's execs, or about the monitor itself.
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

    /// Whether it is a record of this kind.
    pub(crate) fn is_kind(&self, kind: &str) -> bool {
        self.text("ActionType") == Some(kind)
    }

    /// Whether it is a health record made on this occasion.
    pub(crate) fn is_health(&self, occasion: &str) -> bool {
        self.is_kind(HEALTH) && self.text("Occasion") == Some(occasion)
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
    /// Lines of execs that were read from standard output.
    pub(crate) lines: u64,
    /// Sum of EventsLostSinceLast of all of them.
    pub(crate) reported_lost: u64,
    /// Lines of each output, and those that were dropped.
    pub(crate) outputs: Vec<(u64, u64)>,
    /// The last health record, when standard output was read as JSON.
    pub(crate) health: Option<Arc<Row>>,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Closing {
    /// The sums, as the fields of a health record.
    pub(crate) fn sums(&self) -> [(&'static str, u64); 9] {
        [
            ("Execs", self.execs),
            ("Delivered", self.delivered),
            ("Lost", self.lost),
            ("Findings", self.findings),
            ("Suppressed", self.suppressed),
            ("Folded", self.folded),
            ("Clean", self.clean),
            ("ArgumentsTruncatedCount", self.argv_cut),
            ("PathsTruncatedCount", self.paths_cut),
        ]
    }

    /// The monitor's own execs, to test itself.
    #[track_caller]
    pub(crate) fn own(&self) -> u64 {
        let own = self.health.as_ref().and_then(|row| row.number("OwnExecs"));
        own.expect("the state at the end")
    }

    /// Asserts that each exec that was delivered has its line, but for the monitor's own.
    #[track_caller]
    pub(crate) fn assert_each_has_a_line(&self) {
        assert_eq!(self.lines + self.own(), self.delivered, "{self:?}");
    }
}

#[derive(Default)]
struct State {
    rows: Vec<Arc<Row>>,
    /// All lines.
    read: u64,
    /// Those of execs.
    lines: u64,
    /// Sum of EventsLostSinceLast of these.
    reported_lost: u64,
    /// Sum of Count of the records of losses.
    told_lost: u64,
    /// The last line, when it is about the monitor itself.
    last: Option<Arc<Row>>,
    /// Lines of JSON, to be held against the schema at the end: a storm leaves no time for it.
    unchecked: Vec<String>,
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
    /// Standard output is read here.
    reads: bool,
}

impl Watch {
    /// Every exec, as JSON.
    #[track_caller]
    pub(crate) fn all_execs() -> Self {
        Self::start(&["watch", "--format", "json", "--all-execs"])
    }

    /// Findings, as JSON, with these flags; each of them, not folded, unless flags or a configuration say otherwise.
    #[track_caller]
    pub(crate) fn findings(flags: &[&str]) -> Self {
        let mut args = vec!["watch", "--format", "json"];
        if !flags.contains(&"--fold-interval") && !flags.contains(&"--config") {
            args.extend(["--fold-interval", "0"]);
        }
        args.extend(flags);
        Self::start(&args)
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

    /// As [`start`](Self::start), of a program that may have had enough before it says that it watches: every exec on the host
    /// counts.
    #[track_caller]
    pub(crate) fn start_or_end(args: &[&str]) -> Self {
        let watch = Self::spawn(command(args).stdout(Stdio::piped()));
        let decided = watch.wait_within(LIMIT, |state| {
            state.stderr.contains("watching every exec") || (state.stdout_ended && state.stderr_ended)
        });
        watch.assert(decided, "it watches or has ended");
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
            reads: stdout.is_some(),
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

    /// What it has said on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.shared.lock().stderr.clone()
    }

    /// Waits until it has said something on standard error.
    #[track_caller]
    pub(crate) fn wait_for_message(&self, text: &str) {
        self.wait_until(&format!("it says {text:?}"), |state| state.stderr.contains(text));
    }

    /// Waits for the row of the exec with this token.
    #[track_caller]
    pub(crate) fn row_of(&self, token: &str) -> Arc<Row> {
        self.wait_for(&format!("the exec with the token {token}"), |row| row.is(token))
    }

    /// Makes an exec that is a finding, of a program that runs until its row has come.
    #[track_caller]
    pub(crate) fn finding(&self) -> Arc<Row> {
        let token = token();
        let program = self.temp().program(format!("{token}-curl"), Program::ExitAfterRead);
        let mut child = Exec::new(&program)
            .args(["curl", &format!("https://crt.sh/?q={token}.example")])
            .spawn(Stdio::piped())
            .expect("starting it");
        let row = self.row_of(&token);
        drop(child.stdin.take());
        child.wait().expect("its end");
        assert_eq!(row.text("FolderPath"), Some(path_text(&program)), "{}", row.line);
        row
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

    /// Waits for its end and asserts what holds for every run: status 0, both sums, on standard error and in the last
    /// record, all losses told, every line good JSON by the schema and none dropped before standard output, nothing on it
    /// that a terminal would obey.
    #[track_caller]
    pub(crate) fn end(mut self) -> Closing {
        let status = self.wait("its end");
        self.assert(
            status.code() == Some(0),
            &format!("it ends with status 0, not {status}"),
        );
        let mut state = self.shared.lock();
        let bad = state.bad.clone();
        let unchecked = std::mem::take(&mut state.unchecked);
        let (lines, reported_lost, stderr) = (state.lines, state.reported_lost, state.stderr.clone());
        let (read, told_lost, last) = (state.read, state.told_lost, state.last.clone());
        drop(state);
        self.assert(
            bad.is_none(),
            &format!("every line is good: {}", bad.unwrap_or_default()),
        );
        for line in unchecked {
            schema::assert_valid(&serde_json::from_str(&line).expect("JSON, as was found above"));
        }
        let Some(closing) = parse_closing(&stderr) else {
            self.fail("there are closing sums on standard error")
        };
        let health = self.reads.then_some(last).flatten();
        let closing = Closing {
            lines,
            reported_lost,
            health: health.clone(),
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
        if self.reads {
            let stdout = closing.outputs.first().copied();
            self.assert(
                stdout == Some((read, 0)),
                &format!("{read} lines were read, which are all: {stdout:?}"),
            );
        }
        if self.reads && self.json {
            let Some(health) = health.filter(|row| row.is_health("exit")) else {
                self.fail("the last record is of the state at the end")
            };
            for (field, sum) in closing.sums() {
                let number = health.number(field);
                self.assert(
                    number == Some(sum),
                    &format!("{field} is {sum} at the end, not {number:?}"),
                );
            }
            self.assert(
                told_lost == lost,
                &format!("records of losses tell of all {lost}, not {told_lost}"),
            );
        }
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
        "command: {command}\nstdout ({} lines, {} of them kept):\n",
        state.read,
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

fn read_stdout(shared: &Shared, stdout: impl Read + Send + 'static, json: bool) {
    // The pipe is emptied as fast as that goes: a slow reader would have lines dropped.
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::with_capacity(1 << 20, stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if send.send((std::mem::take(&mut line), SystemTime::now())).is_err() {
                return;
            }
        }
    });
    for (line, read) in lines {
        let Line { row, kind, lost, bad } = take_line(&line, json, read);
        let row = row.map(Arc::new);
        shared.change(|state| {
            state.read += 1;
            match kind {
                Kind::Exec => {
                    state.lines += 1;
                    state.reported_lost += lost;
                }
                Kind::Lost => state.told_lost += lost,
                Kind::Other => {}
            }
            state.last = row.clone().filter(|_| kind != Kind::Exec);
            state.bad = state.bad.take().or(bad);
            if json {
                state.unchecked.push(String::from_utf8_lossy(&line).into_owned());
            }
            state.rows.extend(row);
        });
    }
    shared.change(|state| state.stdout_ended = true);
}

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exec,
    Lost,
    Other,
}

/// A line that was read.
struct Line {
    /// The row, when it is about this run (of others' execs only sums are kept) or about the monitor itself.
    row: Option<Row>,
    kind: Kind,
    /// The losses that it reports.
    lost: u64,
    /// What is wrong with it.
    bad: Option<String>,
}

fn take_line(line: &[u8], json: bool, read: SystemTime) -> Line {
    let shown = String::from_utf8_lossy(line);
    let bad = |why: &str| Some(format!("{why}: {shown}"));
    let useless = |why: &str| Line {
        row: None,
        kind: Kind::Other,
        lost: 0,
        bad: bad(why),
    };
    let Some(line) = line.strip_suffix(b"\n") else {
        return useless("no newline at the end");
    };
    let Ok(text) = std::str::from_utf8(line) else {
        return useless("not UTF-8");
    };
    let control = text
        .contains(char::is_control)
        .then(|| bad("a raw control character"))
        .flatten();
    if !json {
        // Commands that end by themselves write a line or two, which are kept whatever they are.
        return Line {
            row: Some(Row {
                line: text.to_owned(),
                json: Value::Null,
                read,
            }),
            kind: Kind::Exec,
            lost: 0,
            bad: control,
        };
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return useless(&format!("not JSON ({error})")),
    };
    let number = |field: &str| value.get(field).and_then(Value::as_u64).unwrap_or(0);
    let (kind, lost) = match value["ActionType"].as_str() {
        Some(EXEC) => (Kind::Exec, number("EventsLostSinceLast")),
        Some(LOST) => (Kind::Lost, number("Count")),
        _ => (Kind::Other, 0),
    };
    let kept = kind != Kind::Exec || text.contains(RUN.as_str());
    Line {
        row: kept.then(|| Row {
            line: text.to_owned(),
            json: value,
            read,
        }),
        kind,
        lost,
        bad: control,
    }
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
    // After these, a line for each output: "NAME: lines N, dropped N", and of a record ", removed N files".
    let outputs = stderr.lines().filter_map(|line| {
        let (lines, dropped) = line.rsplit_once(": lines ")?.1.split_once(", dropped ")?;
        let dropped = dropped.split_once(", removed ").map_or(dropped, |(dropped, _)| dropped);
        Some((lines.parse().ok()?, dropped.parse().ok()?))
    });
    let outputs = outputs.collect();
    (judged == delivered).then_some(Closing {
        outputs,
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
