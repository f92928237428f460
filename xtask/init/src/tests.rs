//! Runs the tests: libtest binaries, one process for each test, so that a test that dies takes no other along.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel_log::KernelLog;
use crate::report::Report;
use crate::{Plan, system};

/// The environment of every test, and nothing else.
pub(crate) const ENVIRONMENT: [(&str, &str); 6] = [
    ("CERT_RECON_BIN", "/bin/cert-recon"),
    ("CERT_RECON_VM", "1"),
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("TMPDIR", "/tmp"),
];

struct Test {
    /// `binary::test`
    name: String,
    binary: String,
    test: String,
}

/// Runs all tests that the plan wants, in the order of their names.
pub(crate) fn run(plan: &Plan, kernel_log: &mut KernelLog, report: &Report) {
    let mut tests: Vec<Test> = list(report).into_iter().filter(|test| plan.wants(&test.name)).collect();
    if let Some(last) = &plan.after {
        let after = tests.iter().position(|test| test.name == *last).map_or(0, |at| at + 1);
        tests.drain(..after);
    }
    for test in &tests {
        report.planned(&test.name);
    }
    for test in &tests {
        kernel_log.tell(report, KernelLog::WARNING);
        report.begin(&test.name);
        let started = Instant::now();
        let how = run_one(test, Duration::from_secs(plan.timeout), report);
        let took = started.elapsed();
        kernel_log.tell(report, KernelLog::ALL);
        report.end(&test.name, &how, took);
        if let Err(error) = system::fresh_tmp() {
            report.note(&format!("emptying /tmp: {error}"));
        }
    }
}

/// Every test of every binary in `/tests`, in the order of their names.
fn list(report: &Report) -> Vec<Test> {
    let mut binaries: Vec<String> = fs::read_dir("/tests")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    binaries.sort();
    let mut tests = Vec::new();
    for binary in binaries {
        let listed = command(&binary).args(["--list", "--format=terse"]).output();
        match listed {
            Ok(done) if done.status.success() => {
                let text = String::from_utf8_lossy(&done.stdout);
                tests.extend(
                    text.lines()
                        .filter_map(|line| line.strip_suffix(": test"))
                        .map(|test| Test {
                            name: format!("{binary}::{test}"),
                            binary: binary.clone(),
                            test: test.to_owned(),
                        }),
                );
            }
            Ok(done) => report.broken(&binary, &describe(done.status)),
            Err(error) => report.broken(&binary, &error.to_string()),
        }
    }
    tests
}

fn command(binary: &str) -> Command {
    let mut command = Command::new(Path::new("/tests").join(binary));
    command
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/tmp")
        .stdin(Stdio::null());
    command
}

/// Runs one test and says how it ended: `exit:N`, `signal:N`, `timeout`, or `error:...`.
fn run_one(test: &Test, limit: Duration, report: &Report) -> String {
    let mut command = command(&test.binary);
    command.args([
        "--exact",
        &test.test,
        "--include-ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    let (mut child, output) = match spawn(&mut command) {
        Ok(spawned) => spawned,
        Err(error) => return format!("error:{}", error.to_string().replace(' ', "_")),
    };
    thread::scope(|scope| {
        scope.spawn(move || pass_on(output, report));
        let (ended, end) = mpsc::channel();
        scope.spawn(move || ended.send(child.wait()));
        let how = match end.recv_timeout(limit) {
            Ok(Ok(status)) => describe(status),
            Ok(Err(error)) => format!("error:{}", error.to_string().replace(' ', "_")),
            Err(_) => {
                show_processes(report);
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), nix::sys::signal::Signal::SIGKILL);
                let _ = end.recv();
                "timeout".to_owned()
            }
        };
        // Processes that the test left behind hold its output open: the other thread ends when they do.
        system::kill_everything();
        how
    })
}

/// Starts a command with both its outputs on one pipe, so that their order is kept.
fn spawn(command: &mut Command) -> io::Result<(std::process::Child, io::PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn();
    // The command holds the write ends; left open they would keep the reader from ever seeing the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok((child?, reader))
}

fn pass_on(output: io::PipeReader, report: &Report) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(output.read_until(b'\n', &mut line), Ok(1..)) {
        report.output(line.strip_suffix(b"\n").unwrap_or(&line));
        line.clear();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit:{code}"),
        (None, Some(signal)) => format!("signal:{signal}"),
        (None, None) => "error:unknown_status".to_owned(),
    }
}

/// For a test that hangs: who runs, and where in the kernel each process waits.
fn show_processes(report: &Report) {
    report.output(b"timed out; processes of the guest:");
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = process.path();
        // A kernel thread has no executable; init itself and the links to it are no news.
        let (Ok(command), Ok(executable)) = (fs::read(path.join("cmdline")), fs::read_link(path.join("exe"))) else {
            continue;
        };
        if executable == Path::new("/init") {
            continue;
        }
        let command: Vec<u8> = command
            .iter()
            .map(|&byte| if byte == 0 { b' ' } else { byte })
            .collect();
        let mut line = process.file_name().into_encoded_bytes();
        line.push(b' ');
        line.extend_from_slice(&command);
        report.output(&line);
        let stack = fs::read_to_string(path.join("stack")).unwrap_or_default();
        for frame in stack.lines().take(4) {
            report.output(format!("    {frame}").as_bytes());
        }
    }
}
