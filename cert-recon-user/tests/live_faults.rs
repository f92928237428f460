//! Faults: a monitor that is held up, outputs that fail, a program that is detached. Nothing is lost in silence, and all of it
//! recovers.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use common::{
    argv::{argv_of, filler},
    elf::Program,
    eventually,
    exec::Exec,
    in_vm, kernel, meddle,
    mount::Small,
    schema, sys,
    temp::Temp,
    token,
    watch::{Row, Watch, command, path_text},
};
use serde_json::Value;

/// Bytes that may wait before an output (`QUEUE_BYTES`).
const QUEUE: u64 = 16 << 20;

/// Execs the program once with each token, with `more` as last argument.
fn exec_each(program: &Path, tokens: &[String], more: &str) {
    for token in tokens {
        let mut command = Command::new(program);
        let status = command
            .args([token, more])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(status.expect("an exec").success());
    }
}

fn tokens(count: usize) -> Vec<String> {
    (0..count).map(|_| token()).collect()
}

/// The state of an output in a health record: 0 is standard output, 1 the file.
fn output<'a>(health: &'a Row, number: usize, field: &str) -> &'a Value {
    &health.json["Outputs"][number][field]
}

/// Lines of a file, each whole and as the schema says.
#[track_caller]
fn good_lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("the output file");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        schema::assert_valid(&value);
    }
    text.lines().map(str::to_owned).collect()
}

/// Asserts that these lines are all that an output wrote and nothing else, and that each row of standard output that the
/// harness keeps is among them once, in the same order.
#[track_caller]
fn assert_same(lines: &[String], rows: &[Arc<Row>], written: u64) {
    assert_eq!(lines.len() as u64, written, "as many lines as were counted");
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        assert!(places.insert(line, at).is_none(), "twice: {line}");
    }
    let mut last = None;
    for row in rows {
        let at = places.get(row.line.as_str()).copied();
        assert!(at.is_some(), "missing: {}", row.line);
        assert!(at > last, "out of order: {}", row.line);
        last = at;
    }
}

fn contains(file: &Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|lines| lines.contains(text))
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_monitor_that_was_stopped_counts_what_it_missed_tells_of_it_and_recovers() {
    const COUNT: usize = 4_000;
    let from = SystemTime::now();
    let watch = Watch::findings(&["--ring-size", "256KiB", "--canary-interval", "2s"]);
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    watch.hold();
    let held = Instant::now();
    // A storm all the time that it is held: 20 seconds of it, where nobody waits for many kernels.
    let time = if in_vm() {
        Duration::ZERO
    } else {
        Duration::from_secs(20)
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                exec_each(&program, &tokens(COUNT / 2), "");
                while held.elapsed() < time {
                    exec_each(&program, &tokens(COUNT / 40), "");
                }
            });
        }
    });
    watch.go_on();
    // The loss is told by the next exec that comes through on the same CPU.
    watch.barrier_on_each_cpu();
    let told = watch.wait_for("a record of the loss", |row| row.is_kind("EventsLost"));
    let to = SystemTime::now();
    let since = humantime::parse_rfc3339(told.text("Since").expect("Since")).expect("a time");
    assert!(told.number("Count") > Some(0), "{}", told.line);
    assert!(
        from <= since && since <= told.time() && told.time() <= to,
        "{}",
        told.line
    );
    let degraded = watch.wait_for("a health record of it", |row| {
        row.is_health("change") && row.number("Lost") > Some(0)
    });
    assert_eq!(degraded.text("Status"), Some("degraded"), "{}", degraded.line);
    assert!(degraded.line.contains("execs are being lost"), "{}", degraded.line);
    let recovered = watch.wait_for("that all is well again", |row| {
        row.is_health("change") && row.text("Status") == Some("ok")
    });
    assert!(
        recovered.time() >= degraded.time() + Duration::from_secs(9),
        "not at once"
    );
    let problems = recovered.json["Problems"].as_array();
    assert!(problems.is_none_or(Vec::is_empty), "{}", recovered.line);
    // That the loss is told of whole, and all sums, is asserted for every run.
    let closing = watch.stop();
    assert!(closing.lost > 0, "{closing:?}");
    assert!(closing.reported_lost > 0, "findings say so too: {closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_full_disk_holds_up_nothing_and_every_line_that_waited_is_written() {
    let small = Small::new(16 << 20);
    let (file, ballast) = (small.join("execs.json"), small.join("ballast"));
    fs::write(&ballast, vec![0; (16 << 20) - (64 << 10)]).expect("something that takes the room");
    let watch = Watch::findings(&["--all-execs", "--health-interval", "1s", "--output", path_text(&file)]);
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    let before = tokens(100);
    exec_each(&program, &before, &"x".repeat(1000));
    let failing = watch.wait_for("a health record says that the file fails", |row| {
        row.is_kind("SensorHealth") && output(row, 1, "Failing") == true
    });
    assert_eq!(failing.text("Status"), Some("degraded"), "{}", failing.line);
    assert!(
        failing.line.contains(&format!("writing to {}", path_text(&file))),
        "{}",
        failing.line
    );
    assert_eq!(output(&failing, 0, "Failing"), false, "{}", failing.line);
    // All goes on as it was on standard output.
    let during = tokens(100);
    exec_each(&program, &during, &"x".repeat(1000));
    for token in &during {
        let row = watch.row_of(token);
        let late = row.read.duration_since(row.time()).unwrap_or_default();
        assert!(late < Duration::from_secs(10), "{late:?}: {}", row.line);
    }
    let waiting = watch.wait_for("lines wait", |row| {
        row.is_kind("SensorHealth")
            && row.time() > failing.time()
            && output(row, 1, "QueuedBytes").as_u64() > Some(100_000)
    });
    assert_eq!(output(&waiting, 1, "Dropped"), 0, "{}", waiting.line);
    File::options()
        .write(true)
        .truncate(true)
        .open(&ballast)
        .expect("making room");
    watch.wait_for("a health record says that all is well", |row| {
        row.is_health("change") && row.text("Status") == Some("ok")
    });
    let after = token();
    Exec::new(&program).args(["p", &after]).run();
    watch.row_of(&after);
    let kept = watch.rows_so_far(|_| true);
    for token in before.iter().chain(&during).chain([&after]) {
        assert_eq!(kept.iter().filter(|row| row.is(token)).count(), 1, "{token}");
    }
    let closing = watch.stop();
    let [stdout, written] = closing.outputs[..] else {
        panic!("two outputs: {closing:?}")
    };
    assert_eq!(stdout, written, "as on standard output");
    assert_eq!(written.1, 0, "none dropped: {closing:?}");
    assert!(
        closing.stderr.contains("lines wait and are tried again"),
        "{}",
        closing.stderr
    );
    assert!(closing.stderr.contains("works again"), "{}", closing.stderr);
    assert_same(&good_lines(&file), &kept, written.0);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_full_disk_is_left_by_rotating_the_file_away() {
    // The old file takes all the room until the monitor lets go of it.
    let small = Small::new(8 << 20);
    let file = small.join("execs.json");
    let watch = Watch::findings(&["--all-execs", "--health-interval", "1s", "--output", path_text(&file)]);
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    flood(&program, &tokens(20));
    watch.wait_for("a health record says that the file fails", |row| {
        row.is_kind("SensorHealth") && output(row, 1, "Failing") == true
    });
    let old = temp.join("old.json");
    fs::copy(&file, &old).expect("keeping the old file elsewhere");
    fs::remove_file(&file).expect("removing the file");
    watch.signal(libc::SIGHUP);
    assert!(eventually(|| file.exists()), "there is a new file");
    watch.wait_for("a health record says that it works again", |row| {
        row.is_health("change") && row.text("Status") == Some("ok")
    });
    let kept = watch.rows_so_far(|_| true);
    let closing = watch.stop();
    let written = *closing.outputs.get(1).expect("two outputs");
    assert_eq!(written.1, 0, "none dropped: {closing:?}");
    // Of the line that was being written the old file has a beginning at most; all of it is in the new one.
    let text = fs::read_to_string(&old).expect("the old file");
    let mut lines: Vec<String> = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(str::to_owned)
        .collect();
    lines.iter_mut().for_each(|line| line.truncate(line.len() - 1));
    lines.extend(good_lines(&file));
    assert_same(&lines, &kept, written.0);
}

/// A pipe to be standard output: its end to read from, and its end for a program.
fn pipe() -> (io::PipeReader, Stdio) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (reader, writer.into())
}

/// Makes execs whose lines are more than may wait, with these tokens.
fn flood(program: &Path, tokens: &[String]) {
    for token in tokens {
        Exec::new(program)
            .args(argv_of(token.as_bytes(), 250 << 10, 100 << 10))
            .run();
    }
}

/// Waits until the last of these tokens is in a file, and asserts that all are.
#[track_caller]
fn assert_has_all(file: &Path, tokens: &[String]) {
    let last = tokens.last().expect("tokens");
    assert!(eventually(|| contains(file, last)), "{last}");
    let text = fs::read_to_string(file).expect("the output file");
    for token in tokens {
        assert!(text.contains(token), "{token}");
    }
}

/// The health records in an output file, newest last.
fn healths(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("SensorHealth"))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_pipe_that_nobody_reads_costs_its_own_lines_alone_and_works_again_when_it_is_read() {
    let temp = Temp::new();
    let file = temp.join("execs.json");
    let (reader, stdout) = pipe();
    let flags = [
        "watch",
        "--format",
        "json",
        "--all-execs",
        "--health-interval",
        "1s",
        "--output",
    ];
    let watch = Watch::start_command(command(&flags).arg(&file).stdout(stdout));
    let program = temp.program("p", Program::Exit);
    let during = tokens(100);
    flood(&program, &during);
    let dropping = eventually(|| {
        healths(&file)
            .iter()
            .any(|health| health["Outputs"][0]["Dropped"].as_u64() > Some(0))
    });
    assert!(dropping, "lines are dropped: {:#?}", healths(&file).last());
    let health = healths(&file)
        .into_iter()
        .find(|health| health["Outputs"][0]["Dropped"].as_u64() > Some(0))
        .expect("it was there");
    assert_eq!(health["Status"], "degraded", "{health:#}");
    assert_eq!(health["Outputs"][1]["Dropped"], 0, "{health:#}");
    // The bound, and the one line that may be longer.
    let queued = health["Outputs"][0]["QueuedBytes"].as_u64();
    assert!(
        queued > Some(QUEUE / 2) && queued < Some(QUEUE + (2 << 20)),
        "{health:#}"
    );
    assert!(health["Lost"] == 0, "the ring buffer is drained: {health:#}");
    // The file has everything meanwhile.
    assert_has_all(&file, &during);

    // Somebody reads.
    let read = thread::spawn(move || {
        let mut lines = Vec::new();
        for line in BufReader::new(reader).split(b'\n') {
            let value: Value = serde_json::from_slice(&line.expect("the pipe")).expect("a line of JSON, whole");
            lines.push(value);
        }
        lines
    });
    let emptied = eventually(|| {
        let healths = healths(&file);
        let last = healths.last().expect("a health record");
        last["Status"] == "ok" && last["Outputs"][0]["QueuedBytes"].as_u64() < Some(1 << 20)
    });
    assert!(emptied, "{:#?}", healths(&file).last());
    let after = token();
    Exec::new(&program).args(["p", &after]).run();
    assert!(eventually(|| contains(&file, &after)));
    let closing = watch.stop();
    let lines = read.join().expect("the reader");
    let [stdout, written] = closing.outputs[..] else {
        panic!("two outputs: {closing:?}")
    };
    assert_eq!(stdout.0, lines.len() as u64, "{closing:?}");
    assert!(stdout.1 > 0, "{closing:?}");
    assert_eq!(
        written,
        (stdout.0 + stdout.1, 0),
        "every line was written or counted: {closing:?}"
    );
    assert_eq!(good_lines(&file).len() as u64, written.0);
    let last = |line: &Value| {
        line["ProcessCommandLine"]
            .as_str()
            .is_some_and(|text| text.contains(&after))
    };
    assert!(lines.iter().any(last), "what came after is there");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_pipe_that_nobody_reads_delays_the_end_by_seconds_only() {
    let temp = Temp::new();
    let file = temp.join("execs.json");
    let (mut reader, stdout) = pipe();
    let flags = ["watch", "--format", "json", "--all-execs", "--output"];
    let watch = Watch::start_command(command(&flags).arg(&file).stdout(stdout));
    let program = temp.program("p", Program::Exit);
    let all = tokens(10);
    flood(&program, &all);
    assert_has_all(&file, &all);
    let stopped = Instant::now();
    let closing = watch.stop();
    // Two seconds for the output, and what a busy host adds.
    assert!(stopped.elapsed() < Duration::from_secs(20), "{:?}", stopped.elapsed());
    let [stdout, written] = closing.outputs[..] else {
        panic!("two outputs: {closing:?}")
    };
    assert!(stdout.1 > 0, "what was left is counted: {closing:?}");
    assert_eq!(written, (stdout.0 + stdout.1, 0), "{closing:?}");
    assert_eq!(good_lines(&file).len() as u64, written.0);
    // What had been written is there, and the beginning of one line more at most.
    let mut read = Vec::new();
    reader.read_to_end(&mut read).expect("the pipe");
    let whole = read.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(whole, stdout.0, "{closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_file_that_is_removed_is_written_on_until_it_is_opened_anew() {
    let temp = Temp::new();
    let file = temp.join("execs.json");
    let watch = Watch::findings(&["--all-execs", "--output", path_text(&file)]);
    let program = temp.program("p", Program::Exit);
    let [first, second, third] = [token(), token(), token()];
    let exec = |token: &String| {
        Exec::new(&program).args(["p", token]).run();
        watch.row_of(token);
    };
    exec(&first);
    let mut removed = File::open(&file).expect("the output file");
    fs::remove_file(&file).expect("removing it");
    exec(&second);
    watch.barrier();
    assert!(!file.exists(), "nothing makes the file again by itself");
    watch.signal(libc::SIGHUP);
    assert!(eventually(|| file.exists()), "the signal does");
    exec(&third);
    let kept = watch.rows_so_far(|_| true);
    let closing = watch.stop();
    let mut old = String::new();
    removed.read_to_string(&mut old).expect("the removed file");
    assert!(old.contains(&first) && old.contains(&second), "{old}");
    assert!(!old.contains(&third), "{old}");
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    lines.extend(good_lines(&file));
    let written = *closing.outputs.get(1).expect("two outputs");
    assert_eq!(written.1, 0, "none dropped: {closing:?}");
    assert_same(&lines, &kept, written.0);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_file_that_is_rotated_in_a_storm_loses_nothing() {
    const THREADS: usize = 2;
    const COUNT: usize = 1_000;
    const ROTATIONS: usize = 3;
    let temp = Temp::new();
    let file = temp.join("execs.json");
    let watch = Watch::findings(&["--all-execs", "--output", path_text(&file)]);
    let program = temp.program("p", Program::Exit);
    let all: Vec<Vec<String>> = (0..THREADS).map(|_| tokens(COUNT)).collect();
    let rotated: Vec<PathBuf> = (0..ROTATIONS).map(|n| temp.join(format!("execs.json.{n}"))).collect();
    thread::scope(|scope| {
        for tokens in &all {
            scope.spawn(|| exec_each(&program, tokens, ""));
        }
        for (number, old) in rotated.iter().enumerate() {
            // Well within the storm.
            let reached = all
                .first()
                .and_then(|tokens| tokens.get((number + 1) * COUNT / (ROTATIONS + 2)));
            watch.row_of(reached.expect("a token"));
            fs::rename(&file, old).expect("rotating the file");
            watch.signal(libc::SIGHUP);
            assert!(eventually(|| file.exists()), "there is a new file");
        }
    });
    let kept = watch.rows_so_far(|_| true);
    let closing = watch.stop();
    let files = rotated.iter().chain([&file]);
    let parts: Vec<Vec<String>> = files.map(|file| good_lines(file)).collect();
    assert!(parts.iter().all(|lines| !lines.is_empty()), "each file has its part");
    let lines = parts.concat();
    let written = *closing.outputs.get(1).expect("two outputs");
    assert_eq!(written.1, 0, "none dropped: {closing:?}");
    assert_same(&lines, &kept, written.0);
    assert_eq!(closing.lost, 0, "{closing:?}");
    // That each line is there once is asserted above.
    let missing = all
        .iter()
        .flatten()
        .filter(|token| !kept.iter().any(|row| row.line.contains(*token)));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn where_no_new_file_can_be_made_the_old_one_is_kept() {
    let temp = Temp::new();
    let folder = temp.folder("log");
    let (file, old) = (folder.join("execs.json"), folder.join("execs.json.1"));
    let watch = Watch::findings(&["--all-execs", "--output", path_text(&file)]);
    let program = temp.program("p", Program::Exit);
    let exec = || {
        let token = token();
        Exec::new(&program).args(["p", &token]).run();
        watch.row_of(&token);
        token
    };
    let first = exec();
    assert!(eventually(|| contains(&file, &first)));
    fs::rename(&file, &old).expect("rotating the file");
    // The monitor has no right left to write where the mode says no.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).expect("making the folder read-only");
    watch.signal(libc::SIGHUP);
    watch.wait_for_message("going on with the file that was open");
    let second = exec();
    assert!(eventually(|| contains(&old, &second)), "the old file goes on");
    assert!(!file.exists());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("making the folder writable");
    watch.signal(libc::SIGHUP);
    assert!(eventually(|| file.exists()), "there is a new file");
    let third = exec();
    let kept = watch.rows_so_far(|_| true);
    let closing = watch.stop();
    assert!(contains(&file, &third));
    let written = *closing.outputs.get(1).expect("two outputs");
    assert_same(&[good_lines(&old), good_lines(&file)].concat(), &kept, written.0);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_monitor_whose_program_is_detached_says_that_it_is_blind() {
    let watch = Watch::findings(&["--all-execs", "--canary-interval", "3s"]);
    watch.barrier();
    let pid = watch.pid();
    meddle::link_of(pid, "sched_process_exec").expect("the monitor has its links");
    while let Some(link) = meddle::link_of(pid, "sched_process_exec") {
        let taken = eventually(|| meddle::overwrite_descriptor(pid, link).is_ok());
        assert!(taken, "the link is closed");
    }
    assert_eq!(meddle::link_of(pid, "sched_process_exec"), None);
    let since = SystemTime::now();
    let unseen = token();
    Exec::new(watch.temp().program("p", Program::Exit))
        .args(["p", &unseen])
        .run();

    let blind = watch.wait_for("it says so", |row| row.is_kind("SensorBlind") && row.time() > since);
    let late = blind.time().duration_since(since).unwrap_or_default();
    // Three seconds by its word, a second for each look, and a busy host.
    assert!(late < Duration::from_secs(20), "{late:?}");
    let seen = blind.text("LastSeen").expect("canaries came back before");
    let seen = humantime::parse_rfc3339(seen).expect("a time");
    assert!(seen <= since + Duration::from_secs(1), "{}", blind.line);
    assert!(
        blind.text("Reason").is_some_and(|reason| reason.contains("detached")),
        "{}",
        blind.line
    );
    let health = watch.wait_for("the state says so", |row| row.is_health("change") && row.time() > since);
    assert_eq!(health.text("Status"), Some("degraded"), "{}", health.line);
    assert!(
        health.line.contains("did not come back through the kernel"),
        "{}",
        health.line
    );
    // And again at the next interval: it is no passing thing.
    let again = |row: &Row| row.is_kind("SensorBlind") && row.time() > blind.time();
    let again = watch.wait_for("it says so again", again);
    assert_eq!(again.text("LastSeen"), blind.text("LastSeen"), "none came back");
    let closing = watch.stop();
    let last = closing.health.expect("the state at the end");
    assert_eq!(last.text("Status"), Some("degraded"), "{}", last.line);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_state_is_told_when_asked_for_and_at_each_interval() {
    let watch = Watch::findings(&["--health-interval", "1s"]);
    for _ in 0..3 {
        watch.barrier();
        let asked = SystemTime::now();
        watch.signal(libc::SIGUSR1);
        let health = watch.wait_for("the state, as asked", |row| {
            row.is_health("signal") && row.time() >= asked
        });
        let number = |field| {
            health
                .number(field)
                .unwrap_or_else(|| panic!("{field}: {}", health.line))
        };
        assert!(number("Execs") >= number("Delivered"), "{}", health.line);
        let became = number("Findings") + number("Suppressed") + number("Folded") + number("Clean");
        assert_eq!(number("Delivered"), became, "{}", health.line);
        assert!(
            number("Findings") > 0 && number("ResidentBytes") > 1 << 20,
            "{}",
            health.line
        );
        assert_eq!(number("RingBytes"), 16 << 20, "{}", health.line);
        assert!(health.text("LastCanary").is_some(), "{}", health.line);
    }
    let mut times = BTreeSet::new();
    while times.len() < 3 {
        let next = watch.wait_for("the state at an interval", |row| {
            row.is_health("interval") && !times.contains(&row.time())
        });
        times.insert(next.time());
    }
    let times: Vec<SystemTime> = times.into_iter().collect();
    for pair in times.windows(2) {
        let apart = pair[1].duration_since(pair[0]).unwrap_or_default();
        assert!(apart >= Duration::from_millis(900), "{times:?}");
    }
    watch.stop();
}

/// The value of a line in `/proc/PID/status`.
fn status<'a>(text: &'a str, name: &str) -> &'a str {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name}: {text}")).trim()
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn once_it_watches_no_thread_has_a_right_that_it_does_not_need() {
    /// Numbers of `include/uapi/linux/capability.h`.
    const DAC_READ_SEARCH: u64 = 1 << 2;
    const SYS_PTRACE: u64 = 1 << 19;
    const BPF: u64 = 1 << 39;
    let temp = Temp::new();
    let watch = Watch::findings(&["--output", path_text(&temp.join("findings.json"))]);
    watch.barrier();
    // Before Linux 5.19 the counters can't be read without CAP_BPF.
    let needed = DAC_READ_SEARCH | SYS_PTRACE | if kernel::release() < (5, 19) { BPF } else { 0 };
    let tasks = fs::read_dir(format!("/proc/{}/task", watch.pid())).expect("the threads");
    let mut threads = 0;
    for task in tasks.flatten() {
        let text = fs::read_to_string(task.path().join("status")).expect("the status of a thread");
        let set = |name| u64::from_str_radix(status(&text, name), 16).expect("a set of capabilities");
        assert_eq!(status(&text, "NoNewPrivs"), "1", "{text}");
        assert_eq!(set("CapInh"), 0, "{text}");
        assert_eq!(set("CapAmb"), 0, "{text}");
        for name in ["CapEff", "CapPrm", "CapBnd"] {
            let extra = set(name) & !needed;
            assert_eq!(extra, 0, "{name} has {extra:#x} too much: {text}");
            assert_eq!(set(name) & SYS_PTRACE, SYS_PTRACE, "{name}: {text}");
            assert_eq!(set(name) & DAC_READ_SEARCH, DAC_READ_SEARCH, "{name}: {text}");
        }
        threads += 1;
    }
    assert!(threads >= 4, "outputs, enrichment and the drain: {threads}");
    // It still does all of its work.
    watch.barrier();
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn memory_is_flat_in_a_storm_of_long_arguments_and_forks() {
    const EXECS: usize = 60_000;
    const THREADS: usize = 4;
    /// One of so many is made by a child of a child, and is a finding.
    const FORKED: usize = 100;
    let watch = Watch::findings(&[]);
    let temp = Temp::new();
    let (program, finding) = (temp.program("p", Program::Exit), temp.program("tlsx", Program::Exit));
    let long = String::from_utf8(filler(4096, 1)).expect("ASCII");
    let resident = || {
        let text = fs::read_to_string(format!("/proc/{}/status", watch.pid())).expect("the status of the monitor");
        let kilobytes = status(&text, "VmRSS")
            .trim_end_matches(" kB")
            .parse::<u64>()
            .expect("kilobytes");
        kilobytes << 10
    };
    let storm = |execs: usize| {
        let mut most = 0;
        // In parts, to look at the memory between them.
        for _ in 0..20 {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        for number in 0..execs / 20 / THREADS {
                            if number % FORKED == 0 {
                                let pid = sys::SharedNumber::new();
                                let fork = move || sys::child_fork(pid);
                                Exec::new(&finding).args(["tlsx", &long]).before(fork).run();
                            } else {
                                let mut command = Command::new(&program);
                                command.arg(&long).stdin(Stdio::null()).stdout(Stdio::null());
                                assert!(command.status().expect("an exec").success());
                            }
                        }
                    });
                }
            });
            watch.barrier();
            most = resident().max(most);
        }
        most
    };
    let first = storm(EXECS / 2);
    let second = storm(EXECS / 2);
    println!("resident: at most {first} bytes in the first half, {second} in the second");
    assert!(
        second <= (first + first / 10).max(first + (4 << 20)),
        "{first} bytes, then {second}"
    );
    // The table of images has a bound of 64 MiB; queues are short here.
    assert!(second < 200 << 20, "{second} bytes");
    let closing = watch.stop();
    assert!(closing.execs >= EXECS as u64, "{closing:?}");
    assert_eq!(closing.lost, 0, "{closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn two_monitors_at_once_are_both_well() {
    let watches = [Watch::findings(&[]), Watch::findings(&[])];
    let temp = Temp::new();
    let program = temp.program("tlsx", Program::Exit);
    let all = tokens(50);
    exec_each(&program, &all, "");
    for watch in watches {
        for token in &all {
            watch.row_of(token);
        }
        let asked = SystemTime::now();
        watch.signal(libc::SIGUSR1);
        let health = watch.wait_for("its state", |row| row.is_health("signal") && row.time() >= asked);
        assert_eq!(health.text("Status"), Some("ok"), "{}", health.line);
        assert!(watch.rows_so_far(|row| row.is_kind("SensorBlind")).is_empty());
        watch.stop();
    }
}
