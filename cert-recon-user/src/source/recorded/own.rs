//! cert-recon's own lines: what `watch`, `hunt` and `check` write as JSON, and what `--record` keeps.
//!
//! Owns the way back from that form, so that a finding that is read again is the same finding; the form itself is
//! [`crate::sink::json`]'s. A record needs a time and a command line; anything else may be absent.

use std::{borrow::Cow, io, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;

use super::{Gap, Input, Line, Out, Parser, Place, Recorded, objects::when, sha256};
use crate::{
    event::{Argv, Exec, FilePath},
    finding::{Folded, Image, Process, Report, Suppressed},
};

type Text<'a> = Option<Cow<'a, str>>;

/// The fields of a line that are read. Verdicts are not: the rules judge anew.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    timestamp_not_after: Text<'a>,
    #[serde(borrow)]
    device_name: Text<'a>,
    #[serde(borrow)]
    action_type: Text<'a>,
    #[serde(borrow)]
    account_name: Text<'a>,
    account_uid: Option<u32>,
    #[serde(borrow)]
    effective_account_name: Text<'a>,
    effective_uid: Option<u32>,
    #[serde(borrow)]
    logon_account_name: Text<'a>,
    logon_uid: Option<u32>,
    logon_id: Option<u32>,
    #[serde(borrow)]
    file_name: Text<'a>,
    #[serde(borrow)]
    folder_path: Text<'a>,
    #[serde(borrow, rename = "SHA256")]
    sha256: Text<'a>,
    #[serde(borrow, rename = "SHA256Absent")]
    sha256_absent: Text<'a>,
    file_size: Option<u64>,
    #[serde(borrow, default)]
    known_as: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    script_path: Text<'a>,
    process_id: Option<u32>,
    #[serde(borrow)]
    process_command_line: Text<'a>,
    #[serde(borrow)]
    process_arguments: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    process_arguments_base64: Text<'a>,
    argument_bytes: Option<u64>,
    argument_bytes_captured: Option<u64>,
    #[serde(default)]
    arguments_truncated: bool,
    #[serde(borrow)]
    current_directory: Text<'a>,
    #[serde(borrow)]
    tty: Text<'a>,
    initiating_process_id: Option<u32>,
    #[serde(borrow)]
    initiating_process_file_name: Text<'a>,
    #[serde(borrow)]
    initiating_process_folder_path: Text<'a>,
    #[serde(borrow)]
    initiating_process_command_line: Text<'a>,
    #[serde(default)]
    initiating_process_command_line_truncated: bool,
    #[serde(borrow)]
    previous_file_name: Text<'a>,
    #[serde(borrow)]
    previous_command_line: Text<'a>,
    #[serde(default)]
    previous_command_line_truncated: bool,
    #[serde(borrow, default)]
    ancestry: Vec<Above<'a>>,
    #[serde(borrow)]
    container_id: Text<'a>,
    #[serde(borrow)]
    systemd_unit: Text<'a>,
    #[serde(borrow)]
    systemd_user_unit: Text<'a>,
    #[serde(borrow)]
    cgroup_path: Text<'a>,
    fileless: Option<bool>,
    #[serde(borrow)]
    suppressed: Option<Held<'a>>,
    folded_count: Option<u64>,
    #[serde(borrow)]
    folded_since: Text<'a>,
    #[serde(default)]
    events_lost_since_last: u64,
    // Of records of losses.
    #[serde(borrow)]
    since: Text<'a>,
    count: Option<u64>,
    // Of records of blindness.
    #[serde(borrow)]
    last_seen: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Above<'a> {
    process_id: Option<u32>,
    #[serde(borrow)]
    file_name: Text<'a>,
    #[serde(borrow)]
    folder_path: Text<'a>,
    #[serde(borrow)]
    command_line: Text<'a>,
    #[serde(default)]
    command_line_truncated: bool,
}

/// The field has two meanings: which suppression holds for an exec, and, in a record of the monitor's state, how many were
/// held back.
#[derive(Deserialize)]
#[serde(untagged)]
enum Held<'a> {
    By {
        #[serde(borrow, rename = "Name")]
        name: Cow<'a, str>,
        #[serde(borrow, rename = "Reason")]
        reason: Cow<'a, str>,
    },
    Count(serde::de::IgnoredAny),
}

/// Reads lines of that form.
#[derive(Debug, Default)]
pub struct OwnLines {
    argv: Vec<u8>,
    path: Vec<u8>,
}

impl Parser for OwnLines {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        // A line that is no JSON: unless the text breaks off in it, which is what is told then.
        let mut bad: Option<(Place, serde_json::Error)> = None;
        let result = loop {
            let place = input.next_place();
            let line = match input.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(error),
                Err(error) => break Err(error),
            };
            if let Some((place, error)) = bad.take() {
                not_json(place, &error, out);
            }
            match line {
                Line::Whole(line) => bad = self.line(line, place, out).err().map(|error| (place, error)),
                Line::TooLong => out.bad(place, &"the line is longer than any that is read"),
            }
        };
        if let Some((place, error)) = bad {
            not_json(place, &error, out);
        }
        result
    }
}

impl OwnLines {
    fn line(&mut self, line: &[u8], place: Place, out: &mut dyn Out) -> Result<(), serde_json::Error> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let row: Row<'_> = serde_json::from_slice(line)?;
        match row.action_type.as_deref() {
            None | Some("ProcessCreated") => self.exec(&row, place, out),
            Some("EventsLost") => out.gap(
                place,
                &Gap {
                    count: row.count,
                    from: time(&row.since),
                    until: time(&row.timestamp),
                    what: "the monitor says that execs were lost".to_owned(),
                },
            ),
            Some("SensorBlind") => out.gap(
                place,
                &Gap {
                    count: None,
                    from: time(&row.last_seen),
                    until: time(&row.timestamp),
                    what: format!(
                        "the monitor says that it saw nothing ({})",
                        row.reason.as_deref().unwrap_or("why is not known")
                    ),
                },
            ),
            Some("SensorHealth") => {}
            Some(other) => out.bad(
                place,
                &format_args!("a record of the kind {other}, which cert-recon does not write"),
            ),
        }
        Ok(())
    }

    fn exec(&mut self, row: &Row<'_>, place: Place, out: &mut dyn Out) {
        let (at, is_limit) = match (time(&row.timestamp), time(&row.timestamp_not_after)) {
            (Some(time), _) => (time, false),
            (None, Some(time)) => (time, true),
            (None, None) => return out.bad(place, &"a record without a time"),
        };
        let argv = match arguments(row, &mut self.argv) {
            Ok(argv) => argv,
            Err(why) => return out.bad(place, &why),
        };
        let mut exec = Exec::new(at, argv);
        exec.time_is_limit = is_limit;
        exec.pid = row.process_id;
        exec.parent_pid = row.initiating_process_id;
        exec.uid = row.account_uid;
        exec.effective_uid = row.effective_uid.or(row.account_uid);
        exec.login_uid = row.logon_uid;
        exec.session_id = row.logon_id;
        exec.executable_size = row.file_size;
        exec.fileless = row.fileless;
        exec.tty = bytes(&row.tty);
        exec.directory = bytes(&row.current_directory).map(FilePath::Plain);
        exec.cgroup = bytes(&row.cgroup_path).map(FilePath::Plain);
        let name = bytes(&row.file_name);
        match bytes(&row.script_path) {
            Some(script) => (exec.interpreter, exec.path) = (name, Some(script)),
            None => exec.path = name,
        }
        exec.executable = bytes(&row.folder_path).map(|path| {
            // A file in memory is known by its name without the kernel's prefix.
            match path.strip_prefix(b"/").filter(|_| row.fileless == Some(true)) {
                Some(memory) if memory.starts_with(b"memfd:") && !memory.contains(&b'/') => {
                    self.path.clear();
                    self.path.extend_from_slice(memory);
                    self.path.push(b'/');
                    FilePath::LeafFirst {
                        components: &self.path,
                        cut: false,
                        detached: true,
                    }
                }
                _ if path.contains(&b'\\') && !path.starts_with(b"/") => FilePath::Windows(path),
                _ => FilePath::Plain(path),
            }
        });
        // A program has to be known by some name: the one that it was called by, which is told as no more than that.
        let is_nameless = exec.path.is_none() && exec.executable.is_none();
        if is_nameless {
            let line = argv.bytes();
            exec.path = line
                .split(|byte| matches!(byte, 0 | b' '))
                .next()
                .filter(|name| !name.is_empty());
        }
        let known_as: Vec<&[u8]> = row.known_as.iter().map(|name| name.as_bytes()).collect();
        let details = |report: &mut Report| {
            if is_nameless {
                report.file_name = None;
            }
            complete(row, report);
        };
        out.exec(&Recorded {
            known_as: &known_as,
            device: bytes(&row.device_name),
            details: &details,
            ..Recorded::new(&exec, place)
        });
    }
}

fn not_json(place: Place, error: &serde_json::Error, out: &mut dyn Out) {
    out.bad(place, &format_args!("no record of cert-recon: {error}"));
}

/// The arguments: exactly where that is kept, else as text.
fn arguments<'b>(row: &'b Row<'_>, buffer: &'b mut Vec<u8>) -> Result<Argv<'b>, &'static str> {
    buffer.clear();
    if let Some(exact) = &row.process_arguments_base64 {
        BASE64_STANDARD
            .decode_vec(exact.as_bytes(), buffer)
            .map_err(|_| "ProcessArgumentsBase64 is no base64")?;
    } else if let Some(arguments) = &row.process_arguments {
        for argument in arguments {
            if argument.contains('\0') {
                return Err("an argument has a NUL in it, which none can have");
            }
            buffer.extend_from_slice(argument.as_bytes());
            buffer.push(0);
        }
        // The last one was cut: its end is not there.
        if row
            .argument_bytes_captured
            .is_some_and(|captured| captured + 1 == buffer.len() as u64)
        {
            buffer.pop();
        }
    } else if let Some(text) = &row.process_command_line {
        buffer.extend_from_slice(text.as_bytes());
        buffer
            .iter_mut()
            .filter(|byte| **byte == 0)
            .for_each(|byte| *byte = b' ');
        return Ok(if row.arguments_truncated {
            Argv::cut_text(buffer)
        } else {
            Argv::text(buffer)
        });
    } else {
        return Err("a record without a command line");
    }
    let captured = buffer.len() as u64;
    let total = row.argument_bytes.unwrap_or(captured).max(captured);
    let least = captured + u64::from(row.arguments_truncated);
    Ok(Argv::new(buffer, total.max(least)))
}

/// Everything that rules do not look at.
fn complete(row: &Row<'_>, report: &mut Report) {
    report.account = owned(&row.account_name);
    report.effective_account = owned(&row.effective_account_name);
    report.login_account = owned(&row.logon_account_name);
    report.sha256 = match (
        row.sha256.as_deref().and_then(|text| sha256(text.as_bytes())),
        &row.sha256_absent,
    ) {
        (Some(hash), _) => Some(Ok(hash)),
        (None, Some(why)) => Some(Err(why.clone().into_owned())),
        (None, None) => None,
    };
    report.container_id = owned(&row.container_id);
    report.systemd_unit = owned(&row.systemd_unit);
    report.systemd_user_unit = owned(&row.systemd_user_unit);
    let (name, line) = (&row.previous_file_name, &row.previous_command_line);
    if name.is_some() || line.is_some() {
        report.previous = Some(image(name, &None, line, row.previous_command_line_truncated));
    }
    let above = row.ancestry.iter().map(|above| Process {
        pid: above.process_id,
        image: image(
            &above.file_name,
            &above.folder_path,
            &above.command_line,
            above.command_line_truncated,
        ),
    });
    report.ancestry = above.collect();
    let (name, path) = (&row.initiating_process_file_name, &row.initiating_process_folder_path);
    let line = &row.initiating_process_command_line;
    if report.ancestry.is_empty() && (name.is_some() || path.is_some() || line.is_some()) {
        report.ancestry.push(Process {
            pid: row.initiating_process_id,
            image: image(name, path, line, row.initiating_process_command_line_truncated),
        });
    }
    report.events_lost = row.events_lost_since_last;
    report.tuning.suppressed = match &row.suppressed {
        Some(Held::By { name, reason }) => Some(Suppressed {
            name: name.clone().into_owned(),
            reason: reason.clone().into_owned(),
        }),
        Some(Held::Count(_)) | None => None,
    };
    report.tuning.folded = row
        .folded_count
        .zip(time(&row.folded_since))
        .map(|(count, since)| Folded { count, since });
}

fn image(name: &Text<'_>, path: &Text<'_>, line: &Text<'_>, is_cut: bool) -> Image {
    let argv = bytes(line).map(<[u8]>::to_vec);
    Image {
        file_name: bytes(name).map(<[u8]>::to_vec),
        folder_path: bytes(path).map(<[u8]>::to_vec),
        argv_total: argv.as_ref().map_or(0, Vec::len) as u64 + u64::from(is_cut),
        argv,
        argv_is_text: true,
    }
}

fn bytes<'r>(text: &'r Text<'_>) -> Option<&'r [u8]> {
    text.as_deref().filter(|text| !text.is_empty()).map(str::as_bytes)
}

fn owned(text: &Text<'_>) -> Option<String> {
    text.clone().map(Cow::into_owned)
}

/// RFC 3339 with any zone, and whatever else records of this kind have been seen with.
fn time(text: &Text<'_>) -> Option<SystemTime> {
    when(text.as_deref()?.as_bytes())
}

/// Whether a text is made of such lines: objects with a time and a command line, or what the monitor says of itself. Exports of
/// others have fields that these never have. The first line may be the end of one.
#[must_use]
pub fn looks_like(sample: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Keys {
        timestamp: Option<serde::de::IgnoredAny>,
        timestamp_not_after: Option<serde::de::IgnoredAny>,
        event_id: Option<serde::de::IgnoredAny>,
        process_arguments: Option<serde::de::IgnoredAny>,
        process_command_line: Option<serde::de::IgnoredAny>,
        device_id: Option<serde::de::IgnoredAny>,
        report_id: Option<serde::de::IgnoredAny>,
        tenant_id: Option<serde::de::IgnoredAny>,
        #[serde(rename = "InitiatingProcessSHA256")]
        parent_hash: Option<serde::de::IgnoredAny>,
        initiating_process_file_name: Option<serde::de::IgnoredAny>,
        action_type: Option<serde_json::Value>,
    }
    for line in sample.split(|byte| *byte == b'\n').take(3) {
        let Ok(keys) = serde_json::from_slice::<Keys>(line) else {
            continue;
        };
        let is_timed = keys.timestamp.is_some() || keys.timestamp_not_after.is_some();
        let is_exec = keys.process_arguments.is_some() || keys.process_command_line.is_some();
        let is_ours = keys.event_id.is_some();
        let is_of_others = keys.device_id.is_some()
            || keys.report_id.is_some()
            || keys.tenant_id.is_some()
            || keys.parent_hash.is_some()
            || keys.initiating_process_file_name.is_some() && !is_ours;
        // Nobody else keeps the arguments apart.
        let is_of_others = is_of_others && keys.process_arguments.is_none();
        let is_monitor = keys
            .action_type
            .as_ref()
            .and_then(|kind| kind.as_str())
            .is_some_and(|kind| ["EventsLost", "SensorHealth", "SensorBlind"].contains(&kind));
        if is_timed && !is_of_others && (is_exec || is_ours && is_monitor) {
            return true;
        }
    }
    // A line that is longer than the sample: its beginning is all that there is.
    sample.starts_with(b"{\"Timestamp\":\"") && !sample.contains(&b'\n') && sample.len() >= super::format::SAMPLE
}

#[cfg(test)]
mod tests;
