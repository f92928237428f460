//! The processes above one, as `/proc` shows them while nothing moves; and what a report says of them.

use std::{fs, os::unix::ffi::OsStrExt as _};

use serde_json::Value;

use super::watch::Row;

/// Ancestors that a report has at most.
const ANCESTORS: usize = 16;

/// A process as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Absent for a kernel thread.
    pub(crate) line: Option<String>,
    /// Absent for a kernel thread.
    pub(crate) path: Option<String>,
}

impl Process {
    /// The process with this number, which must stay while this looks.
    #[track_caller]
    pub(crate) fn of(pid: u32) -> Self {
        let argv = fs::read(format!("/proc/{pid}/cmdline")).expect("the arguments of a process that waits");
        let argv = argv.strip_suffix(b"\0").unwrap_or(&argv);
        let line = String::from_utf8_lossy(argv).replace('\0', " ");
        let path = fs::read_link(format!("/proc/{pid}/exe")).ok().map(|path| {
            let path = path.as_os_str().as_bytes();
            String::from_utf8_lossy(path.strip_suffix(b" (deleted)").unwrap_or(path)).into_owned()
        });
        Self {
            pid,
            // A program whose file system is gone has arguments, but no path.
            line: (path.is_some() || !line.is_empty()).then_some(line),
            path,
        }
    }
}

/// Number of the parent of a process.
#[track_caller]
pub(crate) fn parent_of(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the state of a process that waits");
    let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
    let parent = rest.split_whitespace().nth(1).expect("a fourth field");
    parent.parse().expect("a number")
}

/// The processes above one, nearest first, up to the first of all.
#[track_caller]
pub(crate) fn above(pid: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut pid = parent_of(pid);
    while pid != 0 {
        found.push(Process::of(pid));
        pid = parent_of(pid);
    }
    found
}

/// What a report says of the processes above, field by field; the first difference from the truth, if any.
pub(crate) fn difference(row: &Row, truth: &[Process]) -> Option<String> {
    let shown = row.json.get("Ancestry").and_then(Value::as_array);
    let shown = shown.map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    if shown.len() != truth.len().min(ANCESTORS) {
        return Some(format!("{} ancestors instead of {}", shown.len(), truth.len()));
    }
    for (at, (shown, truth)) in shown.iter().zip(truth).enumerate() {
        let known = Process {
            pid: shown["ProcessId"]
                .as_u64()
                .and_then(|pid| u32::try_from(pid).ok())
                .unwrap_or(0),
            line: text(shown, "CommandLine"),
            path: text(shown, "FolderPath"),
        };
        let cut = shown.get("CommandLineTruncated").is_some();
        let same_line = match (&known.line, &truth.line) {
            (Some(known), Some(truth)) if cut => truth.starts_with(known.as_str()),
            (known, truth) => known == truth,
        };
        if known.pid != truth.pid || !same_line || known.path != truth.path {
            return Some(format!("ancestor {at} is shown as {known:?} and is {truth:?}"));
        }
    }
    let parent = truth.first()?;
    let fields = [
        ("InitiatingProcessCommandLine", &parent.line),
        ("InitiatingProcessFolderPath", &parent.path),
    ];
    if row.number("InitiatingProcessId") != Some(u64::from(parent.pid)) {
        return Some("InitiatingProcessId".to_owned());
    }
    fields
        .into_iter()
        .find(|(field, truth)| {
            row.text(field) != truth.as_deref() && row.json.get("InitiatingProcessCommandLineTruncated").is_none()
        })
        .map(|(field, _)| field.to_owned())
}

/// Asserts that a report says the truth of the processes above.
#[track_caller]
pub(crate) fn assert_above(row: &Row, truth: &[Process]) {
    if let Some(difference) = difference(row, truth) {
        panic!("{difference}\nreport: {}", row.line);
    }
}
