//! The same execs, seen live, recorded by the monitor and by auditd, give the same findings.
//!
//! Root, a kernel with eBPF and auditd are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use common::{
    elf::Program,
    eventually,
    exec::Exec,
    find_program, in_vm, skip,
    temp::Temp,
    watch::{Watch, binary, path_text},
};
use serde_json::Value;

/// Execs of each table.
const EACH: usize = 250;

/// The rule by which the kernel tells auditd of every exec.
const RULE: [&str; 6] = ["always,exit", "-F", "arch=b64", "-S", "execve,execveat", "-k"];
const KEY: &str = "cert-recon-parity";

/// auditd at work, with a log of its own. Its rule and itself end with this.
struct Auditd {
    daemon: Child,
    control: PathBuf,
    log: PathBuf,
    /// Whether the kernel audited before: 0 or 1.
    enabled: String,
}

/// What the kernel says of its audit.
fn status(control: &Path) -> String {
    let output = Command::new(control).arg("-s").output().expect("auditctl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Auditd {
    fn runs_already() -> bool {
        let Some(control) = find_program("auditctl") else {
            return false;
        };
        let told = status(&control);
        told.lines().any(|line| line.starts_with("pid ") && line != "pid 0")
    }

    /// None where the program is not there.
    fn start(temp: &Temp) -> Option<Self> {
        let (daemon, control) = (find_program("auditd")?, find_program("auditctl")?);
        let folder = temp.folder("auditd");
        let log = folder.join("audit.log");
        let config = format!(
            "local_events = yes\nwrite_logs = yes\nlog_file = {}\nlog_format = RAW\nflush = INCREMENTAL_ASYNC\nfreq = 50\n\
             max_log_file = 200\nnum_logs = 2\nname_format = NONE\nmax_log_file_action = KEEP_LOGS\nspace_left = 75\n\
             space_left_action = IGNORE\nadmin_space_left = 50\nadmin_space_left_action = IGNORE\n\
             disk_full_action = IGNORE\ndisk_error_action = IGNORE\nplugin_dir = {}\n",
            log.display(),
            temp.folder("plugins").display()
        );
        fs::write(folder.join("auditd.conf"), config).expect("auditd's configuration");
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(folder.join("auditd.conf"), permissions).expect("its mode");
        // auditd switches it on.
        let enabled = status(&control)
            .lines()
            .find_map(|line| line.strip_prefix("enabled "))
            .unwrap_or("0")
            .to_owned();
        let daemon = Command::new(daemon)
            .args(["-n", "-c", path_text(&folder)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting auditd");
        let auditd = Self {
            daemon,
            control,
            log,
            enabled,
        };
        let pid = format!("pid {}", auditd.daemon.id());
        assert!(
            eventually(|| auditd.told(&["-s"]).lines().any(|line| line == pid)),
            "the kernel tells auditd: {}",
            auditd.told(&["-s"])
        );
        auditd.told(&["-b", "16384"]);
        auditd.told(&["-e", "1"]);
        auditd.told(&[&["-a"], &RULE[..], &[KEY]].concat());
        Some(auditd)
    }

    fn told(&self, args: &[&str]) -> String {
        let output = Command::new(&self.control).args(args).output().expect("auditctl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn remove_rule(&self) {
        self.told(&[&["-d"], &RULE[..], &[KEY]].concat());
    }
}

impl Drop for Auditd {
    fn drop(&mut self) {
        self.remove_rule();
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        self.told(&["-e", &self.enabled]);
    }
}

/// Program and argv of some lines of a table, spread over all of it.
fn commands(table: &str) -> Vec<(String, Vec<String>)> {
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let step = rows.len() / EACH;
    let chosen = rows.iter().step_by(step).take(EACH);
    chosen
        .map(|row| {
            let mut cells = row.split('\t');
            let names = cells.next().expect("names");
            let argv: Vec<String> = serde_json::from_str(cells.next().expect("argv")).expect("JSON");
            (names.split('|').next().unwrap_or(names).to_owned(), argv)
        })
        .collect()
}

/// What a finding is, without what a source can't know, by process.
fn findings(rows: impl IntoIterator<Item = Value>, folder: &Path) -> BTreeMap<u64, BTreeSet<String>> {
    let mut found = BTreeMap::<u64, BTreeSet<String>>::new();
    for row in rows {
        let path = row["FolderPath"].as_str().unwrap_or_default();
        if row["ToolCategory"].is_null() || !path.starts_with(path_text(folder)) {
            continue;
        }
        let fields = [
            "ProcessCommandLine",
            "ProcessArguments",
            "ArgumentBytes",
            "ArgumentsTruncated",
            "FileName",
            "FolderPath",
            "ScriptPath",
            "AccountUid",
            "LogonUid",
            "LogonId",
            "CurrentDirectory",
            "Tty",
            "InitiatingProcessId",
            "Fileless",
            "ToolCategory",
            "Confidence",
            "Severity",
            "RuleIds",
            "RulePacks",
            "MatchedTerms",
            "Targets",
            "Services",
        ];
        let facts: Vec<_> = fields.iter().map(|field| format!("{field}: {}", row[*field])).collect();
        let pid = row["ProcessId"].as_u64().expect("a process");
        found.entry(pid).or_default().insert(facts.join("\n"));
    }
    found
}

fn hunt(path: &Path) -> Vec<Value> {
    let output = Command::new(binary())
        .args(["hunt", "--format", "json", path_text(path)])
        .output()
        .expect("hunt");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}: {said}", path.display());
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn five_hundred_execs_give_the_same_findings_from_every_source() {
    if in_vm() {
        return skip("there is no auditd in this machine");
    }
    if Auditd::runs_already() {
        return skip("an auditd of this host's own is at work, and a kernel has one");
    }
    let temp = Temp::new();
    let auditd = Auditd::start(&temp).expect("auditd: `cargo xtask test` installs it");
    let (record, lines) = (temp.join("record"), temp.join("lines.ndjson"));
    let watch = Watch::findings(&[
        "--all-execs",
        "--record",
        path_text(&record),
        "--output",
        path_text(&lines),
    ]);
    let bin = temp.folder("bin");
    let tables = [include_str!("data/evasions.tsv"), include_str!("data/everyday.tsv")];
    let mut made = 0;
    for (name, argv) in tables.iter().flat_map(|table| commands(table)) {
        let name = name.rsplit('/').next().unwrap_or_default();
        let program = bin.join(name);
        if !program.exists() {
            temp.program(program.strip_prefix(temp.path()).expect("a path in it"), Program::Exit);
        }
        Exec::new(&program).args(&argv).run();
        made += 1;
    }
    assert_eq!(made, 2 * EACH);
    watch.barrier();
    let closing = watch.stop();
    assert_eq!(closing.lost, 0, "{closing:?}");
    auditd.remove_rule();
    let log = auditd.log.clone();
    // What the kernel had not told it yet, it writes before it ends.
    let last = fs::read_to_string(&lines).expect("the lines").lines().count();
    assert!(last >= made);
    assert!(
        eventually(|| {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.matches("type=EXECVE").count() >= made && text.ends_with('\n')
        }),
        "auditd writes down every exec"
    );
    let live: Vec<Value> = fs::read_to_string(&lines)
        .expect("the lines")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let live = findings(live, &bin);
    assert!(live.len() > EACH, "{}", live.len());
    for source in [&lines, &record, &log] {
        let found = findings(hunt(source), &bin);
        let differing: Vec<_> = live
            .iter()
            .filter(|(pid, facts)| found.get(pid) != Some(facts))
            .map(|(pid, facts)| (facts, found.get(pid)))
            .take(3)
            .collect();
        assert!(differing.is_empty(), "{}: {differing:#?}", source.display());
        assert_eq!(found.len(), live.len(), "{}", source.display());
    }
    drop(auditd);
}
