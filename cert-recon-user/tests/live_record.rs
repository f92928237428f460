//! `watch --record`: every exec is on disk, also when the monitor is killed.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use cert_recon::source::recorded::segments;
use common::{
    elf::Program,
    exec::Exec,
    storm::storm,
    temp::Temp,
    token,
    watch::{Watch, binary, path_text},
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

/// There the kernel may withhold execs from a program that is preempted (since Linux 7.0): on an emulated processor even four
/// programs are not always enough. They are counted as lost.
fn in_vm() -> bool {
    std::env::var_os("CERT_RECON_VM").is_some()
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
    let own = closing.delivered - execs;
    assert!((1..=4).contains(&own), "{own} of {closing:?}");
    let hunted = std::process::Command::new(binary())
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
        assert!(common::eventually(|| {
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
