//! One boot: QEMU in software emulation, its two serial lines read until the machine is gone.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::kernels::{Image, Odd};
use super::machine::Machine;
use super::report::{Closed, End, Outcome, Session};

/// What one boot is to do.
pub(super) struct Order<'a> {
    pub(super) machine: Machine,
    pub(super) odd: Option<&'a Odd>,
    pub(super) image: &'a Image,
    pub(super) root: &'a Path,
    pub(super) filters: Vec<String>,
    pub(super) after: Option<&'a str>,
    /// After which the guest's init kills a test.
    pub(super) test_timeout: Duration,
    /// After which a guest that is silent while no test runs is given up.
    pub(super) boot_timeout: Duration,
    /// Everything the guest said is kept here.
    pub(super) log: &'a Path,
}

/// What came of one boot.
pub(super) struct Boot {
    pub(super) closed: Closed,
    pub(super) release: Option<String>,
    /// From QEMU's start to init's first word.
    pub(super) booted: Option<Duration>,
    pub(super) total: Duration,
}

/// How long a guest may need to kill a test that is out of time, and to say so.
const GRACE: Duration = Duration::from_secs(30);

/// The command line up to the serial lines. Software emulation and one processor, everywhere the same: hardware
/// acceleration isn't to be had on most build servers, and with several emulated processors kernels crash that are not
/// at fault.
fn emulator(order: &Order<'_>, told: &str) -> Command {
    let mut command = Command::new(order.machine.emulator().program);
    let processors = order.odd.map_or("1", |odd| odd.processors);
    command.args(["-accel", "tcg", "-smp", processors, "-m", "1024"]);
    command.args(order.machine.hardware());
    command.arg("-kernel").arg(&order.image.file);
    command.arg("-initrd").arg(order.root);
    // Without its ciphers' self-tests a kernel boots a second sooner.
    let kernel = "panic=-1 quiet mitigations=off cryptomgr.notests";
    let console = order.machine.console();
    let odd = order.odd.map_or("", |odd| odd.command_line);
    command
        .arg("-append")
        .arg(format!("console={console} {kernel} {odd} {told}"));
    command.args(["-no-reboot", "-net", "none"]);
    command
}

/// A guest with a shell on this terminal.
pub(super) fn shell(order: &Order<'_>) -> Result<()> {
    let status = emulator(order, "vm.shell")
        .args(["-nographic"])
        .status()
        .context("running QEMU")?;
    ensure!(status.success(), "QEMU: {status}");
    Ok(())
}

/// Boots a guest that runs tests. `show` is called with each test's outcome as it becomes known.
pub(super) fn run(order: &Order<'_>, show: &mut dyn FnMut(&Outcome)) -> Result<Boot> {
    let mut told = format!(
        "vm.report={} vm.timeout={}",
        order.machine.report(),
        order.test_timeout.as_secs()
    );
    if !order.filters.is_empty() {
        told.push_str(&format!(" vm.filter={}", order.filters.join(",")));
    }
    if let Some(test) = order.after {
        told.push_str(&format!(" vm.after={test}"));
    }
    let mut log = File::create(order.log).with_context(|| format!("creating {}", order.log.display()))?;
    let started = Instant::now();
    let mut qemu = emulator(order, &told)
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
        // The report comes out of QEMU's standard error: a pipe that is there from the start, without a name.
        .args(["-chardev", "file,id=report,path=/dev/stderr"])
        .args(order.machine.report_line())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting QEMU")?;

    let (sender, lines) = mpsc::channel();
    let console = qemu.stdout.take().expect("it is piped");
    let report = qemu.stderr.take().expect("it is piped");
    let readers = [
        read(console, Line::Console, sender.clone()),
        read(report, Line::Report, sender),
    ];

    let mut session = Session::default();
    let mut outcomes = Vec::new();
    let mut booted = None;
    let mut heard = Instant::now();
    let end = loop {
        let limit = if session.in_test() {
            order.test_timeout + GRACE
        } else {
            order.boot_timeout
        };
        match lines.recv_timeout(limit.saturating_sub(heard.elapsed())) {
            Ok(line) => {
                let (Line::Console(text) | Line::Report(text)) = &line;
                let _ = writeln!(log, "{:9.3} {text}", started.elapsed().as_secs_f64());
                match &line {
                    Line::Console(text) => session.console_line(text),
                    Line::Report(text) => {
                        // A test that writes without end must still end: only a new state of things counts.
                        if !text.starts_with("@vm |") {
                            heard = Instant::now();
                        }
                        if let Some(outcome) = session.report_line(text) {
                            show(&outcome);
                            outcomes.push(outcome);
                        }
                        if booted.is_none() && session.release.is_some() {
                            booted = Some(started.elapsed());
                        }
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => break End::Silent(limit),
            Err(RecvTimeoutError::Disconnected) => break End::Exited,
        }
    };
    stop(&mut qemu);
    for reader in readers {
        let _ = reader.join();
    }
    let release = session.release.clone();
    let mut closed = session.close(end, booted);
    for outcome in &closed.outcomes {
        show(outcome);
    }
    outcomes.append(&mut closed.outcomes);
    closed.outcomes = outcomes;
    Ok(Boot {
        closed,
        release,
        booted,
        total: started.elapsed(),
    })
}

/// A line from the guest.
enum Line {
    Console(String),
    Report(String),
}

fn read(stream: impl Read + Send + 'static, wrap: fn(String) -> Line, sender: Sender<Line>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            if sender
                .send(wrap(printable(text.trim_end_matches(['\r', '\n']))))
                .is_err()
            {
                return;
            }
            line.clear();
        }
    })
}

/// The line without the control characters that firmware and tests write: it is shown on a terminal.
fn printable(line: &str) -> String {
    line.chars()
        .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

fn stop(qemu: &mut Child) {
    // It may have ended by itself.
    let _ = qemu.kill();
    let _ = qemu.wait();
}
