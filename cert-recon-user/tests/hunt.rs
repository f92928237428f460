//! `cert-recon hunt`, run on records as people run it.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

#[path = "common/schema.rs"]
mod schema;

use schema::assert_valid;

/// A folder of the test's own, gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cert-recon-hunt-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cert-recon"));
    command.arg("hunt").stdin(Stdio::null());
    command
}

fn hunt<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    command().args(args).output().unwrap()
}

#[track_caller]
fn assert_status(output: &Output, status: i32) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
}

fn rows(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    rows.iter().for_each(assert_valid);
    rows
}

fn lines(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["ProcessCommandLine"].as_str().unwrap())
        .collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An exec in an audit log.
fn event(second: u64, serial: u64, argv: &str) -> String {
    let stamp = format!("msg=audit({}.250:{serial}):", 1_700_000_000 + second);
    let words: Vec<_> = argv.split(' ').collect();
    let args: Vec<_> = words
        .iter()
        .enumerate()
        .map(|(n, word)| format!("a{n}=\"{word}\""))
        .collect();
    format!(
        "type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid={serial} auid=1000 uid=0 euid=0 \
         tty=pts0 ses=3 exe=\"/usr/bin/{}\"\ntype=EXECVE {stamp} argc={} {}\ntype=PROCTITLE {stamp} proctitle=\"x\"\n",
        words[0],
        words.len(),
        args.join(" ")
    )
}

const ASKS: &str = "curl https://crt.sh/?q=example.com";

fn data(name: &str) -> String {
    format!("{}/tests/data/records/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_real_audit_log_gives_its_findings_newest_first() {
    let output = hunt(["--format", "json", &data("auditd-enriched.log.gz")]);
    assert_status(&output, 1);
    let rows = rows(&output);
    let times: Vec<_> = rows.iter().map(|row| row["Timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    for line in [
        "mem -m1 https://crt.sh/",
        "wget -q -T1 -t1 -O- https://crt.sh/",
        "openssl s_client -connect 127.0.0.1:1",
        "/bin/sh ./testssl.sh -q",
    ] {
        assert!(lines(&rows).contains(&line), "{line}");
    }
    let curl = rows
        .iter()
        .find(|row| row["ProcessId"] == rows.last().unwrap()["ProcessId"])
        .unwrap();
    assert_eq!(curl["ToolCategory"], "CTLogQuery");
    assert_eq!(curl["RecordSource"], "auditd");
    assert_eq!(curl["RecordLine"], 1);
    assert_eq!(curl["RecordKey"], "execs");
    assert_eq!(curl["AccountName"], "root", "as auditd resolved it");
    assert!(curl.get("DeviceName").is_none(), "the log names no host");
}

#[test]
fn the_status_says_whether_there_are_findings_and_whether_all_was_read() {
    let folder = Folder::new("status");
    let clean = folder.file("clean.log", event(0, 1, "ls -l"));
    let found = folder.file("found.log", event(0, 1, ASKS));
    let bad = folder.file(
        "bad.log",
        event(0, 1, "ls") + "type=EXECVE msg=audit(1.\n" + &event(1, 2, ASKS),
    );
    let other = folder.file("other.txt", "nothing of the kind\n");
    let empty = folder.file("empty.log", "");
    let missing = folder.0.join("missing");
    for (paths, status) in [
        (&[&clean][..], 0),
        (&[&empty], 0),
        (&[&found], 1),
        (&[&clean, &found], 1),
        (&[&bad], 3),
        (&[&found, &missing], 3),
        (&[&other], 3),
    ] {
        assert_status(&hunt(paths), status);
    }
    assert_status(&hunt(["--since", "yesterday", "x"]), 2);
    assert_status(&hunt(["--source", "nothing", "x"]), 2);
    assert_status(&hunt(["--since", "1h", "--until", "2h", "x"]), 2);
    // What is only found in a folder need not be a record.
    let output = hunt([
        &folder.file("logs/found.log", event(0, 1, ASKS)),
        &folder.file("logs/notes.txt", "x\n"),
    ]);
    assert_status(&output, 3);
    assert_status(&hunt([folder.0.join("logs")]), 1);
}

#[test]
fn a_bad_line_is_told_with_its_place_and_what_stands_around_it_is_found() {
    let folder = Folder::new("bad");
    let text = event(0, 1, ASKS) + "type=EXECVE msg=audit(1.\n" + "type=CWD msg=audit(x:1): y\n" + &event(1, 2, ASKS);
    let path = folder.file("audit.log", text);
    let output = hunt(["--format", "json", path.to_str().unwrap()]);
    assert_status(&output, 3);
    assert_eq!(rows(&output).len(), 2);
    let said = said(&output);
    assert!(said.contains(&format!("{}:4: ", path.display())), "{said}");
    assert!(said.contains(&format!("{}:5: ", path.display())), "{said}");
}

#[test]
fn rotated_and_packed_files_are_one_log() {
    let folder = Folder::new("rotated");
    let whole: String = (0..20).map(|n| event(n, n + 1, &format!("{ASKS}{n}"))).collect();
    // Cut between the lines of an event.
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let [first, second, third] = [&lines[..19], &lines[19..41], &lines[41..]].map(<[_]>::concat);
    let packed = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    folder.file("audit.log.2.gz", packed(&first));
    folder.file("audit.log.1", second);
    folder.file("audit.log", third);
    let output = hunt(["--format", "json", folder.0.to_str().unwrap()]);
    assert_status(&output, 1);
    let rows = rows(&output);
    assert_eq!(rows.len(), 20, "{}", said(&output));
    assert!(
        rows.iter()
            .all(|row| row["ProcessId"].is_u64() && row["ArgumentsTruncated"] == false)
    );
}

#[test]
fn standard_input_is_read_like_a_file() {
    let mut child = command()
        .args(["--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // In drops: no read gets all of it.
    for chunk in event(0, 1, ASKS).as_bytes().chunks(7) {
        stdin.write_all(chunk).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_status(&output, 1);
    let rows = rows(&output);
    assert_eq!(lines(&rows), [ASKS]);
    assert!(rows[0].get("RecordFile").is_none());
}

#[test]
fn a_span_of_time_leaves_out_what_lies_outside() {
    let folder = Folder::new("span");
    let text: String = (0..10).map(|n| event(n * 3600, n + 1, &format!("{ASKS}{n}"))).collect();
    let path = folder.file("audit.log", text);
    let count = |args: &[&str]| {
        let output = hunt([&["--format", "json", path.to_str().unwrap()], args].concat());
        rows(&output).len()
    };
    assert_eq!(count(&[]), 10);
    // 1700000000 is 2023-11-14T22:13:20Z.
    assert_eq!(count(&["--since", "2023-11-15T00:00:00Z"]), 8);
    assert_eq!(count(&["--until", "2023-11-15T01:00:00+01:00"]), 2);
    assert_eq!(
        count(&["--since", "2023-11-15T00:00:00Z", "--until", "2023-11-15T01:14:00Z"]),
        2
    );
    assert_eq!(count(&["--since", "24h"]), 0);
}

#[test]
fn every_form_has_every_finding_and_the_page_is_a_new_file() {
    let folder = Folder::new("forms");
    let text: String = (0..5).map(|n| event(n, n + 1, &format!("{ASKS}{n}"))).collect();
    let path = folder.file("audit.log", text);
    let path = path.to_str().unwrap();
    let text = hunt([path]);
    assert_eq!(String::from_utf8_lossy(&text.stdout).lines().count(), 5);
    let table = hunt(["--format", "csv", path]);
    let mut reader = csv::Reader::from_reader(&table.stdout[..]);
    assert_eq!(&reader.headers().unwrap()[0], "Timestamp");
    assert!(reader.records().all(|row| row.is_ok()));
    let (lines_of, page) = (folder.0.join("out.json"), folder.0.join("page.html"));
    let args = [
        "--output",
        lines_of.to_str().unwrap(),
        "--report",
        page.to_str().unwrap(),
        path,
    ];
    assert_status(&hunt(args), 1);
    let written = fs::read_to_string(&lines_of).unwrap();
    assert_eq!(written.lines().count(), 5);
    written
        .lines()
        .for_each(|line| assert_valid(&serde_json::from_str(line).unwrap()));
    assert_eq!(fs::metadata(&lines_of).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("crt.sh") && html.trim_end().ends_with("</html>"));
    // A page that is there already is somebody's evidence.
    let again = hunt(args);
    assert_status(&again, 2);
    assert_eq!(fs::read_to_string(&page).unwrap(), html);
}

#[test]
fn the_names_of_another_schema_are_on_standard_output_and_in_the_file_and_the_page_has_our_own() {
    let folder = Folder::new("schema");
    let log = folder.file("audit.log", event(1, 5, ASKS));
    let path = |name: &str| folder.0.join(name).display().to_string();
    let log = log.display().to_string();
    for (schema, id, process) in [
        ("ecs", "/event/id", "/process/name"),
        ("ocsf", "/finding_info/uid", "/evidences/0/process/name"),
    ] {
        let (out, page) = (path(schema), path(&format!("{schema}.html")));
        let output = hunt(["--format", "json", "--schema", schema, "--output", &out, &log]);
        assert_status(&output, 1);
        assert_eq!(fs::read(&out).unwrap(), output.stdout);
        let row: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(row.pointer(process).unwrap(), "curl");
        assert!(row.pointer(id).unwrap().is_string());
        let output = hunt(["--format", "json", "--schema", schema, "--report", &page, &log]);
        assert_status(&output, 1);
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), row);
        assert!(fs::read_to_string(&page).unwrap().contains("crt.sh"));
        let both = hunt(["--schema", schema, "--report", &path("p"), "--output", &path("o"), &log]);
        assert_status(&both, 2);
        assert!(said(&both).contains("run hunt once for each"), "{}", said(&both));
    }
    assert_status(&hunt(["--schema", "sigma", &log]), 2);
}

#[test]
fn a_file_of_a_record_is_one_whatever_is_damaged_in_it() {
    let line = |second: u32| {
        format!(
            "{{\"Timestamp\":\"2026-11-25T17:33:{second:02}.000000Z\",\"ProcessArguments\":[\"curl\",\"https://crt.sh/\"]}}\n"
        )
    };
    let frames = [40, 41].map(|second| {
        let mut packer = zstd::bulk::Compressor::new(3).unwrap();
        let checksum = zstd::zstd_safe::CParameter::ChecksumFlag(true);
        packer.set_parameter(checksum).unwrap();
        packer.compress(line(second).as_bytes()).unwrap()
    });
    let whole = frames.concat();
    let name = "execs-20261125T173339.123456Z-42.ndjson.zst";
    let run = |test: &str, bytes: &[u8]| {
        let folder = Folder::new(&format!("record-{test}"));
        folder.file(name, bytes);
        let output = hunt(["--format", "json", folder.0.to_str().unwrap()]);
        (
            output.status.code(),
            rows(&output).len(),
            said(&output).contains("missing from"),
        )
    };
    assert_eq!(run("whole", &whole), (Some(1), 2, false));
    // Cut: what was whole is found, and what is missing is told; that is how a record of a killed monitor looks.
    assert_eq!(
        run("torn", &whole[..frames[0].len() + frames[1].len() / 2]),
        (Some(1), 1, true)
    );
    assert_eq!(run("first", &frames[0][..frames[0].len() / 2]), (Some(0), 0, true));
    // A power cut leaves zeros where the last frame had got room but no bytes yet.
    let zeros = |kept: &[u8]| [kept, &[0; 4096]].concat();
    assert_eq!(run("zeros", &zeros(&whole)), (Some(1), 2, true));
    assert_eq!(
        run("part-and-zeros", &zeros(&whole[..frames[0].len() + 9])),
        (Some(1), 1, true)
    );
    assert_eq!(run("nothing-but-zeros", &zeros(b"")), (Some(0), 0, true));
    // Damaged: not all of it can be read, but all that is not damaged is.
    let mut damaged = whole.clone();
    for (test, at) in [("magic", 0), ("middle", frames[0].len() / 2), ("end", whole.len() - 1)] {
        damaged[at] ^= 1;
        assert_eq!(run(test, &damaged), (Some(3), 1, false), "{test}");
        damaged[at] ^= 1;
    }
    damaged[0] ^= 1;
    let folder = Folder::new("record-damage-told");
    folder.file(name, &damaged);
    let output = hunt(["--format", "json", folder.0.to_str().unwrap()]);
    let told = format!("{} bytes from byte 0 on are damaged", frames[0].len());
    assert!(
        said(&output).contains(&told) && said(&output).contains(name),
        "{}",
        said(&output)
    );
}

#[test]
fn a_table_without_findings_has_its_names() {
    let folder = Folder::new("names");
    let path = folder.file("audit.log", event(0, 1, "ls"));
    let output = hunt(["--format", "csv", path.to_str().unwrap()]);
    assert_status(&output, 0);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
}

#[test]
fn suppressions_hold_for_records_too_and_are_counted() {
    let folder = Folder::new("suppressed");
    let config = folder.file(
        "config.toml",
        "[[suppress]]\nname = 'ours'\nreason = 'our own domain'\ntarget = '*.corp.example'\n",
    );
    let text = event(0, 1, "curl https://crt.sh/?q=a.corp.example") + &event(1, 2, ASKS);
    let path = folder.file("audit.log", text);
    let args = [
        "--format",
        "json",
        "--config",
        config.to_str().unwrap(),
        path.to_str().unwrap(),
    ];
    let output = hunt(args);
    assert_status(&output, 1);
    assert_eq!(lines(&rows(&output)), [ASKS]);
    assert!(
        said(&output).contains("suppressed 1 of 2 findings"),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains("ours: 1"), "{}", said(&output));
    let shown = hunt([&args[..], &["--show-suppressed"]].concat());
    let rows = rows(&shown);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["Suppressed"]["Name"], "ours");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = Folder::new("pipe");
    let text: String = (0..20_000).map(|n| event(n, n + 1, ASKS)).collect();
    let path = folder.file("audit.log", text);
    let mut child = command()
        .args(["--format", "json", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_status(&output, 1);
    assert!(!said(&output).to_lowercase().contains("pipe"), "{}", said(&output));
}

#[test]
fn an_interrupt_shows_what_was_found_and_says_that_it_is_not_all() {
    let mut child = command()
        .args(["--format", "json", "-", "--jobs", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than is looked at to tell the format, and more than a buffer: the finding is made before the input ends. Once
    // the pipe has taken all of it, it is being read.
    let ballast = event(1, 2, "ls -l").repeat(4000);
    stdin.write_all((event(0, 1, ASKS) + &ballast).as_bytes()).unwrap();
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: takes numbers; the process is this one's child and is not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_status(&output, 3);
    assert_eq!(lines(&rows(&output)), [ASKS]);
    assert!(said(&output).contains("PARTIAL"), "{}", said(&output));
}

#[test]
fn without_room_to_sort_what_was_found_is_shown_and_it_is_said_that_it_is_not_all() {
    let folder = Folder::new("no-room");
    let long = "x".repeat(256 << 10);
    let record = |n: u32| {
        format!(
            "{{\"Timestamp\":\"2026-11-25T10:{:02}:{:02}Z\",\"ProcessArguments\":[\"curl\",\"https://crt.sh/\",\"{long}\"]}}\n",
            n / 60,
            n % 60
        )
    };
    let path = folder.file("own.ndjson", (0..400).map(record).collect::<String>());
    let output = command()
        .env("TMPDIR", folder.0.join("gone"))
        .args(["--format", "json", "--jobs", "1", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert_status(&output, 3);
    let said = said(&output);
    assert!(said.contains("PARTIAL") && said.contains("set TMPDIR"), "{said}");
    let rows = rows(&output);
    // About as many as fit into memory, and none of those is left out.
    assert!((20..400).contains(&rows.len()), "{}", rows.len());
    let times: Vec<_> = rows.iter().map(|row| row["Timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a > b));
    assert!(
        said.contains(&format!("{} findings", rows.len())),
        "{} in {said}",
        rows.len()
    );
}

#[test]
fn nothing_in_a_record_reaches_a_terminal_raw() {
    let folder = Folder::new("hostile");
    let stamp = "msg=audit(1700000000.250:1):";
    let path = folder.file(
        "audit.log",
        format!(
            "node=\x1b]0;x\x07 type=EXECVE {stamp} argc=2 a0=\"curl\" a1=68747470733A2F2F6372742E73682F1B5B324AE280AE\n\
             type=EXECVE msg=audit(\x1b[2J\n"
        ),
    );
    for format in ["text", "json", "csv"] {
        let output = hunt(["--format", format, path.to_str().unwrap()]);
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{format}: {text:?}");
        }
        assert!(!output.stdout.is_empty(), "{}", said(&output));
    }
}

#[test]
fn without_a_path_the_sources_of_this_host_are_read() {
    // Nothing is known of them here but that there are processes.
    let output = hunt(["--source", "proc", "--format", "json"]);
    assert!(said(&output).contains("read 1 input"), "{}", said(&output));
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)));
    let own = Path::new("/proc/self/stat");
    assert!(own.exists());
}
