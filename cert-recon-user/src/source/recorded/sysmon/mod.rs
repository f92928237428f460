//! Events of Sysmon for Linux (and of Windows) about new processes: event id 1.
//!
//! Owns their fields, in syslog (one event a line) and in files of XML ([`SysmonXml`]). Sysmon for Linux writes the uid as
//! `LogonId` and the audit session as `TerminalSessionId` (`ebpfKern/sysmonProcCreate.c` of SysmonForLinux).

mod file;
mod xml;

use std::{borrow::Cow, time::SystemTime};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

pub use self::file::SysmonXml;
pub(crate) use self::file::is_export;
use self::xml::Fields;
use super::{Out, Place, Recorded};
use crate::{
    event::{Argv, Exec, FilePath},
    finding::{Image, Process, Report},
};

/// Takes one event: XML from `<Event` on. `host` is the one that the log names, if it names any.
pub(crate) fn event(xml: &[u8], host: Option<&[u8]>, place: Place, out: &mut dyn Out) {
    if !is_about_a_process(xml) {
        return;
    }
    match std::str::from_utf8(xml) {
        Ok(text) => tell(text, false, host, place, out),
        // Each byte as the character of that number: the XML stays what it is, and the bytes can be had back.
        Err(_) => tell(
            &xml.iter().map(|&byte| char::from(byte)).collect::<String>(),
            true,
            host,
            place,
            out,
        ),
    }
}

/// A look before the work: events of other kinds are many.
fn is_about_a_process(xml: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(xml, b"<EventID") else {
        return false;
    };
    let rest = xml.get(at..).unwrap_or_default();
    let value = memchr::memchr(b'>', rest).and_then(|end| rest.get(end + 1..));
    value.is_some_and(|value| value.trim_ascii_start().starts_with(b"1<"))
}

fn tell(xml: &str, bytewise: bool, host: Option<&[u8]>, place: Place, out: &mut dyn Out) {
    let fields = Fields::parse(xml);
    // Others have events with that number, too.
    if fields.provider.as_deref().is_none_or(|name| !name.contains("Sysmon")) {
        return;
    }
    let cut = fields.is_cut("CommandLine");
    if let Some(fault) = &fields.fault {
        out.bad(place, &format_args!("an event of Sysmon is not whole: {fault}"));
    }
    let bytes = |name: &str| fields.get(name).map(|text| raw(text, bytewise));
    let Some(line) = bytes("CommandLine") else {
        if fields.fault.is_none() {
            out.bad(place, &"an event of Sysmon without a command line");
        }
        return;
    };
    let Some(time) = time(&fields) else {
        out.bad(place, &"an event of Sysmon without a time");
        return;
    };
    let line = without_nul(line);
    let argv = if cut { Argv::cut_text(&line) } else { Argv::text(&line) };
    let mut exec = Exec::new(time, argv);
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u32>().ok());
    let (image, directory) = (bytes("Image"), bytes("CurrentDirectory"));
    let is_linux = fields.provider.as_deref() == Some("Linux-Sysmon");
    exec.pid = number("ProcessId");
    exec.parent_pid = number("ParentProcessId");
    exec.executable = image.as_deref().map(path);
    exec.directory = directory.as_deref().map(path);
    if is_linux {
        exec.uid = number("LogonId");
        exec.session_id = number("TerminalSessionId").filter(|session| *session != u32::MAX);
    }
    let computer = bytes("Computer");
    let details = |report: &mut Report| complete(&fields, bytewise, report);
    let mut recorded = Recorded::new(&exec, place);
    recorded.device = computer.as_deref().or(host);
    recorded.details = &details;
    out.exec(&recorded);
}

fn complete(fields: &Fields<'_>, bytewise: bool, report: &mut Report) {
    report.account = fields.get("User").map(str::to_owned);
    report.sha256 = fields.get("Hashes").and_then(sha256).map(Ok);
    let parent = fields.get("ParentImage").map(|text| raw(text, bytewise));
    let line = fields
        .get("ParentCommandLine")
        .map(|text| without_nul(raw(text, bytewise)));
    if parent.is_none() && line.is_none() {
        return;
    }
    let name = parent.as_deref().map(|image| path(image).base_name().to_vec());
    let cut = usize::from(fields.is_cut("ParentCommandLine"));
    report.ancestry = vec![Process {
        pid: report.parent_pid,
        image: Image {
            file_name: name.filter(|name| !name.is_empty()),
            folder_path: parent.map(Cow::into_owned),
            argv_total: line.as_ref().map_or(0, |line| line.len() + cut) as u64,
            argv_is_text: line.is_some(),
            argv: line.map(Cow::into_owned),
        },
    }];
}

/// The bytes that a text stands for.
fn raw(text: &str, bytewise: bool) -> Cow<'_, [u8]> {
    if !bytewise {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c)) {
            Ok(byte) => bytes.push(byte),
            // Of a reference.
            Err(_) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// A NUL would end a command line of which only the text is known.
fn without_nul(line: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if !line.contains(&0) {
        return line;
    }
    Cow::Owned(line.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect())
}

/// A path of Windows begins with a drive or two backslashes.
fn path(path: &[u8]) -> FilePath<'_> {
    match path {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => FilePath::Windows(path),
        [b'\\', ..] => FilePath::Windows(path),
        _ => FilePath::Plain(path),
    }
}

/// When the process began; else when the event was made.
fn time(fields: &Fields<'_>) -> Option<SystemTime> {
    let began = fields.get("UtcTime").and_then(|text| text.parse::<DateTime>().ok());
    if let Some(began) = began.and_then(|date| TimeZone::UTC.to_timestamp(date).ok()) {
        return began.try_into().ok();
    }
    let created: Timestamp = fields.created.as_deref()?.parse().ok()?;
    created.try_into().ok()
}

/// Of `MD5=...,SHA256=...`.
fn sha256(hashes: &str) -> Option<[u8; 32]> {
    let digits = hashes.split(',').find_map(|hash| hash.trim().strip_prefix("SHA256="))?;
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests;
