//! Exports of CrowdStrike LogScale's `ProcessRollup2`.
//!
//! Owns the meaning of its fields. The time of an exec is that of the process's start where the export has it, else that of the
//! sensor's context, else `@timestamp`, which is when the event was made.

use std::io;

use super::{
    Input, Out, Parser, Place, Recorded,
    defender::{file_path, image, push_known, text},
    objects::{self, Columns, Row, has_columns},
    sha256,
};
use crate::{
    event::{Argv, Exec},
    finding::{Process, Report},
};

const COLUMNS: Columns = Columns(&[
    "#event_simpleName",
    "event_simpleName",
    "@timestamp",
    "ProcessStartTime",
    "ProcessStartTime_decimal",
    "ContextTimeStamp",
    "ContextTimeStamp_decimal",
    "timestamp",
    "_time",
    "ComputerName",
    "UserName",
    "ImageFileName",
    "CommandLine",
    "RawProcessId",
    "RawProcessId_decimal",
    "ParentBaseFileName",
    "GrandParentBaseFileName",
    "ParentCommandLine",
    "ParentImageFileName",
    "SHA256HashData",
    "UID",
    "UID_decimal",
    "RUID",
    "aid",
    "TargetProcessId",
    "@timestamp.nanos",
]);

/// The slot of a column that is asked for.
fn slot(name: &str) -> usize {
    COLUMNS.slot(name.as_bytes()).unwrap_or(usize::MAX)
}

/// Reads such exports.
#[derive(Debug, Default)]
pub struct LogScale {
    line: Vec<u8>,
}

impl Parser for LogScale {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        objects::read(
            input,
            |name| COLUMNS.slot(name),
            &mut |row, place, out| self.row(row, place, out),
            out,
        )
    }
}

impl LogScale {
    fn row(&mut self, row: &Row<'_>, place: Place, out: &mut dyn Out) {
        let get = |name: &str| row.get(slot(name));
        let first = |names: &[&str]| names.iter().find_map(|name| get(name));
        // A query that selects columns need not keep this one.
        let kind = first(&["#event_simpleName", "event_simpleName"]);
        if kind.is_some_and(|kind| kind != b"ProcessRollup2" && kind != b"SyntheticProcessRollup2") {
            return;
        }
        let times = [
            "ProcessStartTime",
            "ProcessStartTime_decimal",
            "ContextTimeStamp",
            "ContextTimeStamp_decimal",
            "@timestamp",
            "timestamp",
            "_time",
        ];
        let time = match COLUMNS.time(row, &times) {
            Ok(time) => time,
            Err(why) => return out.bad(place, &why),
        };
        let (path, line) = (get("ImageFileName"), get("CommandLine"));
        if path.is_none() && line.is_none() {
            return out.bad(place, &"a row without ImageFileName and without CommandLine");
        }
        let mut exec = Exec::new(time, Argv::text(text(line.unwrap_or_default(), &mut self.line)));
        exec.executable = path.map(file_path);
        let name = exec
            .executable
            .map(|path| path.base_name())
            .filter(|name| !name.is_empty());
        exec.path = name;
        let id = |names: &[&str]| names.iter().find_map(|name| row.id(slot(name)));
        exec.pid = id(&["RawProcessId", "RawProcessId_decimal"]);
        exec.uid = id(&["RUID", "UID", "UID_decimal"]);
        exec.effective_uid = id(&["UID", "UID_decimal"]);
        let complete = |report: &mut Report| {
            report.account = row.text(slot("UserName"));
            report.sha256 = get("SHA256HashData").and_then(sha256).map(Ok);
            let parent = Process {
                pid: None,
                image: image(
                    get("ParentBaseFileName"),
                    get("ParentImageFileName"),
                    get("ParentCommandLine"),
                ),
            };
            let above = Process {
                pid: None,
                image: image(get("GrandParentBaseFileName"), None, None),
            };
            push_known(&mut report.ancestry, [parent, above]);
        };
        out.exec(&Recorded {
            device: get("ComputerName"),
            details: &complete,
            ..Recorded::new(&exec, place)
        });
    }
}

/// Whether a text begins as such an export does.
#[must_use]
pub fn looks_like(sample: &[u8]) -> bool {
    has_columns(sample, &["ImageFileName", "CommandLine"]) || has_columns(sample, &["#event_simpleName"])
}
