//! Exports of Microsoft Defender's and Sentinel's `DeviceProcessEvents`.
//!
//! Owns the meaning of its columns (Microsoft documents them under "DeviceProcessEvents" in the advanced hunting schema). The
//! command line is a text there; the program and its parents are told by name and folder.

use std::io;

use super::{
    Input, Out, Parser, Place, Recorded,
    objects::{self, Columns, Row, has_columns},
    sha256,
};
use crate::{
    event::{Argv, Exec, FilePath},
    finding::{Image, Process, Report},
};

const COLUMNS: Columns = Columns(&[
    "Timestamp",
    "TimeGenerated",
    "Timestamp [UTC]",
    "TimeGenerated [UTC]",
    "DeviceName",
    "ActionType",
    "FileName",
    "FolderPath",
    "SHA256",
    "FileSize",
    "ProcessId",
    "ProcessCommandLine",
    "AccountName",
    "InitiatingProcessId",
    "InitiatingProcessFileName",
    "InitiatingProcessFolderPath",
    "InitiatingProcessCommandLine",
    "InitiatingProcessParentId",
    "InitiatingProcessParentFileName",
    // The forms of other exports of the same table.
    "Timestamp (UTC)",
    "TimeGenerated (UTC)",
    "Computer",
    "ProcessVersionInfoOriginalFileName",
    "ProcessTokenElevation",
    "AccountDomain",
    "CreatedTime",
    "ProcessCreationTime",
]);

/// The slot of a column that is asked for.
fn slot(name: &str) -> usize {
    COLUMNS.slot(name.as_bytes()).unwrap_or(usize::MAX)
}

/// Reads such exports.
#[derive(Debug, Default)]
pub struct Defender {
    line: Vec<u8>,
}

impl Parser for Defender {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        objects::read(
            input,
            |name| COLUMNS.slot(name),
            &mut |row, place, out| self.row(row, place, out),
            out,
        )
    }
}

impl Defender {
    fn row(&mut self, row: &Row<'_>, place: Place, out: &mut dyn Out) {
        let get = |name| row.get(slot(name));
        // Other events of processes are no execs.
        if get("ActionType").is_some_and(|kind| !kind.eq_ignore_ascii_case(b"ProcessCreated")) {
            return;
        }
        // The time of the event is that of the creation but for the sensor's own delay.
        let times = [
            "Timestamp",
            "Timestamp [UTC]",
            "Timestamp (UTC)",
            "ProcessCreationTime",
            "TimeGenerated",
            "TimeGenerated [UTC]",
            "TimeGenerated (UTC)",
        ];
        let time = match COLUMNS.time(row, &times) {
            Ok(time) => time,
            Err(why) => return out.bad(place, &why),
        };
        let (name, path) = (get("FileName"), get("FolderPath"));
        let line = get("ProcessCommandLine");
        if name.is_none() && line.is_none() {
            return out.bad(place, &"a row without FileName and without ProcessCommandLine");
        }
        let mut exec = Exec::new(time, Argv::text(text(line.unwrap_or_default(), &mut self.line)));
        exec.path = name;
        exec.executable = path.map(file_path);
        exec.executable_size = row.number(slot("FileSize"));
        exec.pid = row.id(slot("ProcessId"));
        exec.parent_pid = row.id(slot("InitiatingProcessId"));
        let complete = |report: &mut Report| {
            report.account = row.text(slot("AccountName"));
            report.sha256 = get("SHA256").and_then(sha256).map(Ok);
            let parent = Process {
                pid: exec.parent_pid,
                image: image(
                    get("InitiatingProcessFileName"),
                    get("InitiatingProcessFolderPath"),
                    get("InitiatingProcessCommandLine"),
                ),
            };
            let above = Process {
                pid: row.id(slot("InitiatingProcessParentId")),
                image: image(get("InitiatingProcessParentFileName"), None, None),
            };
            push_known(&mut report.ancestry, [parent, above]);
        };
        out.exec(&Recorded {
            device: get("DeviceName").or(get("Computer")),
            details: &complete,
            ..Recorded::new(&exec, place)
        });
    }
}

/// Processes above, as far as something is known of them.
pub(super) fn push_known(ancestry: &mut Vec<Process>, above: impl IntoIterator<Item = Process>) {
    let known = |process: &Process| process.pid.is_some() || process.image != Image::default();
    ancestry.extend(above.into_iter().take_while(known));
}

/// An image of which a text is known at most.
pub(super) fn image(name: Option<&[u8]>, path: Option<&[u8]>, line: Option<&[u8]>) -> Image {
    Image {
        file_name: name.map(<[u8]>::to_vec),
        folder_path: path.map(<[u8]>::to_vec),
        argv: line.map(<[u8]>::to_vec),
        argv_total: line.map_or(0, <[u8]>::len) as u64,
        argv_is_text: line.is_some(),
    }
}

/// A command line as a text, in which a NUL would end an argument.
pub(super) fn text<'b>(line: &'b [u8], buffer: &'b mut Vec<u8>) -> &'b [u8] {
    if !line.contains(&0) {
        return line;
    }
    buffer.clear();
    buffer.extend(line.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
    buffer
}

/// A path of a host that may be one of Windows.
pub(super) fn file_path(path: &[u8]) -> FilePath<'_> {
    if path.starts_with(b"/") {
        FilePath::Plain(path)
    } else {
        FilePath::Windows(path)
    }
}

/// Whether a text begins as such an export does.
#[must_use]
pub fn looks_like(sample: &[u8]) -> bool {
    has_columns(sample, &["ProcessCommandLine"])
}
