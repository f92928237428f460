//! `watch --record`: every exec is on disk, also when the monitor is killed.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::HashSet,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use cert_recon::source::recorded::segments;
use common::{
    argv::filler,
    elf::Program,
    eventually,
    exec::Exec,
    find_program, in_vm,
    mount::Small,
    skip,
    storm::storm,
    temp::Temp,
    token,
    watch::{Row, Watch, binary, path_text},
};
use serde_json::Value;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.iter().all(|file| segments::started(file).is_some()), "{files:?}");
    files
}

/// The lines of all files; of one that was cut, those before the cut.
fn lines(folder: &Path) -> Vec<Value> {
    let mut text = Vec::new();
    for file in files(folder) {
        let file = fs::File::open(file).expect("a file of the record");
        let _ = io::copy(&mut zstd::Decoder::new(file).expect("zstd"), &mut text);
    }
    let text = String::from_utf8(text).expect("text");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn is_exec(row: &Value) -> bool {
    row["ActionType"] == "ProcessCreated"
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn every_exec_that_was_delivered_is_recorded_whatever_is_reported() {
    let temp = Temp::new();
    let record = temp.join("record");
    let config = temp.join("config.toml");
    fs::write(&config, "[[suppress]]\nreason = 'a test'\nprogram = 'tlsx'\n").expect("the configuration");
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let watch = Watch::findings(&[
        "--record",
        path_text(&record),
        "--config",
        path_text(&config),
        "--canary-interval",
        "1h",
    ]);
    let (clean, hidden) = (token(), token());
    storm(&temp.program("p", Program::Exit), &clean, 2, 200);
    Exec::new(temp.program("tlsx", Program::Exit))
        .args(["tlsx", &hidden])
        .run();
    let reported = watch.rows_so_far(|row| row.is(&clean) || row.is(&hidden));
    assert!(
        reported.is_empty(),
        "what is reported is as without a record: {reported:?}"
    );
    let closing = watch.stop();
    assert!(closing.lost == 0 || in_vm(), "{closing:?}");
    assert_eq!(closing.outputs.len(), 2, "the record is an output with sums of its own");
    let (recorded, dropped) = closing.outputs[1];
    assert_eq!(dropped, 0);
    let rows = lines(&record);
    rows.iter().for_each(common::schema::assert_valid);
    assert_eq!(rows.len() as u64, recorded);
    let count = |token: &str| {
        let is = |row: &&Value| {
            row["ProcessCommandLine"]
                .as_str()
                .is_some_and(|line| line.contains(token))
        };
        rows.iter().filter(is).count()
    };
    let missing = 401 - (count(&clean) + count(&hidden)) as u64;
    assert!(missing <= closing.lost, "{missing} are missing: {closing:?}");
    // Those that it execs itself, to see whether it sees, are delivered and are nobody's.
    let execs = rows.iter().filter(|row| is_exec(row)).count() as u64;
    assert_eq!(execs, closing.delivered - closing.own(), "{closing:?}");
    assert!(closing.own() > 0);
    assert_as_others_read_it(&record, &rows);
    let hunted = Command::new(binary())
        .args([
            "hunt",
            "--format",
            "json",
            "--min-confidence",
            "high",
            path_text(&record),
        ])
        .output()
        .expect("hunt");
    let said = String::from_utf8_lossy(&hunted.stderr);
    assert!(matches!(hunted.status.code(), Some(0 | 1)), "{said}");
    let found = String::from_utf8(hunted.stdout).expect("text");
    let judged = found.lines().any(|line| line.contains(&hidden));
    assert_eq!(judged, count(&hidden) == 1, "a record is judged anew: {said}");
}

/// Asserts that the usual tools find the same lines in the files.
#[track_caller]
fn assert_as_others_read_it(record: &Path, rows: &[Value]) {
    let Some(zstdcat) = find_program("zstdcat") else {
        return skip("no zstdcat here");
    };
    let mut unpacked = Command::new(zstdcat)
        .args(files(record))
        .stdout(Stdio::piped())
        .spawn()
        .expect("zstdcat");
    let stdout = unpacked.stdout.take().expect("its output");
    let read: Vec<Value> = match find_program("jq") {
        Some(jq) => {
            let output = Command::new(jq).args(["-c", "."]).stdin(stdout).output().expect("jq");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).expect("text");
            text.lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect()
        }
        None => serde_json::Deserializer::from_reader(stdout)
            .into_iter()
            .map(|value| value.expect("JSON"))
            .collect(),
    };
    assert!(unpacked.wait().expect("zstdcat").success());
    assert_eq!(read, rows);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_kill_in_a_storm_takes_the_last_second_at_most_also_behind_a_hash_that_takes_long() {
    /// So much takes the fastest processor more than the two seconds that a hash is waited for without a record.
    const LARGE: u64 = 8 << 30;
    let temp = Temp::new();
    // Its disk has no queue that others fill, and holes take no room.
    let small = Small::new(64 << 20);
    let record = small.join("record");
    let large = small.join("large");
    fs::copy(temp.program("exit", Program::Exit), &large).expect("a program");
    let file = fs::File::options().write(true).open(&large).expect("the program");
    file.set_len(LARGE).expect("a program with a long hole");
    drop(file);
    let watch = Watch::findings(&["--record", path_text(&record), "--hash-limit", "16GiB"]);
    let program = temp.program("p", Program::Exit);
    let (stop, made) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let exec = |program: &Path| {
        let token = token();
        Exec::new(program).args(["p", &token]).run();
        let mut made = made.lock().expect("the list");
        made.push((token, SystemTime::now()));
        made.len()
    };
    let (began, killed) = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                exec(&program);
            }
        });
        let count = || made.lock().expect("the list").len();
        let enough = eventually(|| count() > 100);
        let began = SystemTime::now();
        exec(&large);
        // Long enough after it that what came behind it has to be there.
        let in_time = eventually(|| began.elapsed().is_ok_and(|time| time > Duration::from_millis(1600)));
        let killed = SystemTime::now();
        watch.kill();
        stop.store(true, Ordering::Relaxed);
        assert!(enough && in_time);
        (began, killed)
    });
    // An emulated processor is some ten times as slow.
    let bound = Duration::from_secs(if in_vm() { 10 } else { 1 });
    let text: HashSet<String> = lines(&record)
        .iter()
        .filter_map(|row| Some(row["ProcessArguments"][1].as_str()?.to_owned()))
        .collect();
    let made = made.into_inner().expect("the list");
    let safe = |time: &SystemTime| *time + bound <= killed;
    let missing = made
        .iter()
        .filter(|(token, time)| safe(time) && !text.contains(token))
        .count();
    let behind = made.iter().filter(|(_, time)| *time > began && safe(time)).count();
    println!(
        "{} of {} execs are there; {behind} behind the large one had to be",
        text.len(),
        made.len()
    );
    assert!(missing == 0 || in_vm(), "{missing} older than a second are missing");
    assert!(behind > 1 || in_vm());
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_full_disk_is_told_what_finds_no_room_is_counted_and_the_record_goes_on() {
    const SIZE: u64 = 64 << 20;
    let small = Small::new(SIZE);
    let (record, ballast) = (small.join("record"), small.join("ballast"));
    let watch = Watch::findings(&["--record", path_text(&record), "--health-interval", "1s"]);
    let mut file = fs::File::create(&ballast).expect("something that takes the room");
    let full = io::copy(&mut io::repeat(0).take(2 * SIZE), &mut file).expect_err("there is less room than that");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    let state = |row: &Row, field: &str| row.json["Outputs"][1][field].clone();
    let failing = {
        Exec::new(&program).args(["p", &token()]).run();
        watch.wait_for("a health record says so", |row| {
            row.is_kind("SensorHealth") && state(row, "Failing") == true
        })
    };
    assert_eq!(failing.text("Status"), Some("degraded"), "{}", failing.line);
    assert!(failing.line.contains(path_text(&record)), "{}", failing.line);
    // More than may wait: each of these is twice as long in its line.
    for number in 0..40 {
        let mut args = vec!["p".to_owned()];
        args.extend((0..8).map(|part| String::from_utf8(filler(100 << 10, number * 8 + part)).expect("ASCII")));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Exec::new(&program).args(args).run();
    }
    let dropped = watch.wait_for("lines are dropped", |row| {
        row.is_kind("SensorHealth") && state(row, "Dropped").as_u64() > Some(0)
    });
    // 16 MiB may wait, and what finds no room is a line of less than two.
    assert!(
        state(&dropped, "QueuedBytes").as_u64() >= Some(14 << 20),
        "{}",
        dropped.line
    );
    file.set_len(0).expect("making room");
    watch.wait_for("all is well again", |row| {
        row.is_kind("SensorHealth")
            && row.time() > dropped.time()
            && row.text("Status") == Some("ok")
            && state(row, "QueuedBytes") == 0
    });
    let after = token();
    Exec::new(&program).args(["p", &after]).run();
    watch.barrier();
    let closing = watch.stop();
    for message in ["lines wait and are tried again", "works again"] {
        assert!(closing.stderr.contains(message), "{}", closing.stderr);
    }
    let rows = lines(&record);
    let (written, dropped) = closing.outputs[1];
    assert_eq!(rows.len() as u64, written, "each line that was counted is there");
    assert!(dropped > 0);
    let execs = rows.iter().filter(|row| is_exec(row)).count() as u64;
    assert_eq!(execs + dropped, closing.delivered - closing.own(), "{closing:?}");
    let is_after = |row: &&Value| row["ProcessArguments"][1] == after;
    assert!(rows.iter().any(|row| is_after(&row)) || closing.lost > 0);
    let hunted = Command::new(binary())
        .args(["hunt", "--format", "json", path_text(&record)])
        .output()
        .expect("hunt");
    let said = String::from_utf8_lossy(&hunted.stderr);
    assert!(matches!(hunted.status.code(), Some(0 | 1)), "{said}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_happened_a_moment_before_a_kill_is_on_disk() {
    let temp = Temp::new();
    let record = temp.join("record");
    let program = temp.program("p", Program::Exit);
    let all = token();
    let start = || Watch::findings(&["--all-execs", "--record", path_text(&record)]);
    let mut watch = start();
    let mut last = SystemTime::UNIX_EPOCH;
    let mut reported = 0;
    for round in 0..2 {
        storm(&program, &format!("{all}-{round}-"), 2, 150);
        let rows = watch.rows_so_far(|row| row.is(&all)).len();
        assert!(rows == 300 || in_vm(), "{rows} of 300");
        reported += rows;
        last = SystemTime::now();
        // A frame is on disk when it is due, storm or not: what came before is there by now.
        assert!(eventually(|| {
            let is = |row: &Value| {
                row["ProcessCommandLine"]
                    .as_str()
                    .is_some_and(|line| line.contains(&all))
            };
            lines(&record).iter().filter(|row| is(row)).count() == reported
        }));
        let waited = last.elapsed().unwrap_or_default();
        assert!(waited < Duration::from_secs(30), "{waited:?}");
        let before = files(&record);
        let contents: Vec<_> = before.iter().map(|file| fs::read(file).expect("a file")).collect();
        watch.kill();
        watch = start();
        // What was there is there: a new monitor begins new files.
        for (file, content) in before.iter().zip(contents) {
            assert!(
                fs::read(file).expect("a file").starts_with(&content),
                "{}",
                file.display()
            );
        }
    }
    assert!(last > SystemTime::UNIX_EPOCH);
    watch.stop();
}
