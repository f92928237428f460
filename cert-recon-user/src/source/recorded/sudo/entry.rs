//! A message of sudo: `alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id -u`.
//!
//! Owns its fields and their meaning. A message with words before its fields says why the command did not run.

use std::borrow::Cow;

use super::{Heard, Running, words};
use crate::{
    event::{Argv, Exec, FilePath, base_name},
    finding::Report,
    source::recorded::{Out, Recorded, syslog::decimal},
};

/// Readings of one message: see [`commands`].
const READINGS: usize = 8;

/// The user that called sudo, and what is said of it; none when it is no such message.
pub(super) fn user(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memmem::find(message, b" : ")?;
    let (user, rest) = message.split_at_checked(end)?;
    let is_name = !user.is_empty() && user.len() <= 256 && !user.iter().any(|byte| b"()=;".contains(byte));
    is_name.then(|| (user, rest.get(3..).unwrap_or_default()))
}

/// The fields of a message.
#[derive(Debug, Default)]
struct Fields<'a> {
    /// It did not run.
    refused: bool,
    /// What is told is its end.
    ended: bool,
    host: Option<&'a [u8]>,
    tty: Option<&'a [u8]>,
    directory: Option<&'a [u8]>,
    run_as: Option<&'a [u8]>,
    command: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn parse(text: &'a [u8]) -> Self {
        let mut fields = Self::default();
        let mut rest = text;
        let mut known = false;
        loop {
            if let Some(command) = rest.strip_prefix(b"COMMAND=") {
                fields.command = Some(command);
                return fields;
            }
            let end = memchr::memmem::find(rest, b" ; ");
            let segment = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let segment = segment.strip_suffix(b" ;").unwrap_or(segment);
            match field(segment) {
                Some((name, value)) => {
                    known = true;
                    let value = Some(value).filter(|value| !value.is_empty() && *value != b"unknown");
                    match name {
                        b"HOST" => fields.host = value,
                        b"TTY" => fields.tty = value,
                        b"PWD" => fields.directory = value,
                        b"USER" => fields.run_as = value,
                        _ => {}
                    }
                }
                // A folder may have ` ; ` in its name: its end is where the next field begins.
                None if known => {
                    if let Some(directory) = fields.directory.filter(|_| fields.run_as.is_none()) {
                        fields.directory = joined(text, directory, segment);
                    }
                }
                None => fields.refused = true,
            }
            let Some(next) = end.and_then(|end| rest.get(end + 3..)) else {
                return fields;
            };
            rest = next;
        }
    }
}

/// From the beginning of `first` to the end of `last`, both of them parts of `text`.
fn joined<'a>(text: &'a [u8], first: &[u8], last: &[u8]) -> Option<&'a [u8]> {
    let offset = |part: &[u8]| (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    text.get(offset(first)?..offset(last)? + last.len())
}

fn field(segment: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = segment.split_at_checked(memchr::memchr(b'=', segment)?)?;
    let names: [&[u8]; 8] = [b"HOST", b"TTY", b"CHROOT", b"PWD", b"USER", b"GROUP", b"TSID", b"ENV"];
    names
        .contains(&name)
        .then(|| (name, value.get(1..).unwrap_or_default()))
}

/// Without ` ; EXIT=1` or ` ; SIGNAL=KILL` at the end, when it is there.
fn without_status(text: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::rfind(text, b" ; ")?;
    let last = text.get(at + 3..)?;
    let is_status = last
        .strip_prefix(b"EXIT=")
        .is_some_and(|status| decimal(status).is_some())
        || last
            .strip_prefix(b"SIGNAL=")
            .is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric));
    let rest = text.get(..at)?;
    is_status.then_some(rest)
}

/// What the command may be, the best guess last. A folder or a variable can be named so that it looks like fields and a
/// command, so each ` ; COMMAND=` may be where the real one begins; usually there is one only.
fn commands(first: &[u8]) -> impl Iterator<Item = &[u8]> {
    const NEXT: &[u8] = b" ; COMMAND=";
    let more = memchr::memmem::rfind_iter(first, NEXT).filter_map(move |at| first.get(at + NEXT.len()..));
    more.take(READINGS).chain(std::iter::once(first))
}

/// Tells the exec that a message is about, if it is about one. `cut` says that its end is missing.
pub(super) fn tell(user: &[u8], text: &[u8], cut: bool, heard: &Heard<'_>, running: &mut Running, out: &mut dyn Out) {
    let ended = without_status(text);
    if let Some(start) = ended
        && running.end(user, start)
    {
        return;
    }
    // An end without a start (or a command with such arguments): it began at some time before.
    let fields = Fields {
        ended: ended.is_some(),
        ..Fields::parse(ended.unwrap_or(text))
    };
    if fields.refused {
        return;
    }
    let Some(command) = fields.command else {
        if text.starts_with(b"TTY=") || text.starts_with(b"HOST=") || text.starts_with(b"PWD=") {
            out.bad(heard.place, &"a message of sudo ends before its command");
        }
        return;
    };
    if cut {
        out.bad(
            heard.place,
            &"a command of sudo is longer than is kept: its end is missing",
        );
    }
    running.start(user, text);
    for command in commands(command) {
        if tell_command(user, command, cut, &fields, heard, out) {
            return;
        }
    }
}

fn tell_command(
    user: &[u8],
    command: &[u8],
    cut: bool,
    fields: &Fields<'_>,
    heard: &Heard<'_>,
    out: &mut dyn Out,
) -> bool {
    let words = words::Words::parse(command);
    let Some(path) = words.path() else { return false };
    // `sudo -l` and `sudo -v` run nothing.
    if matches!(path, b"list" | b"validate") {
        return false;
    }
    let told = |line: &[u8], out: &mut dyn Out| {
        let argv = if cut { Argv::cut_text(line) } else { Argv::text(line) };
        tell_exec(path, argv, user, fields, heard, out)
    };
    words.as_shell_text().is_some_and(|line| told(&line, out)) || told(&words.line(), out)
}

fn tell_exec(
    path: &[u8],
    argv: Argv<'_>,
    user: &[u8],
    fields: &Fields<'_>,
    heard: &Heard<'_>,
    out: &mut dyn Out,
) -> bool {
    let mut exec = Exec::new(heard.time, argv);
    exec.time_is_limit = fields.ended;
    exec.path = Some(path).filter(|path| !base_name(path).is_empty());
    exec.directory = fields.directory.map(FilePath::Plain);
    exec.tty = fields.tty.map(terminal);
    exec.login_uid = heard.login_uid;
    exec.session_id = heard.session_id;
    exec.uid = fields.run_as.and_then(numeric);
    let details = |report: &mut Report| {
        report.login_account = Some(shown(user));
        report.account = fields.run_as.map(|name| shown(name.strip_prefix(b"#").unwrap_or(name)));
        report.systemd_unit = heard.unit.map(str::to_owned);
    };
    let mut recorded = Recorded::new(&exec, heard.place);
    recorded.device = fields.host.or(heard.host);
    recorded.details = &details;
    out.exec(&recorded)
}

/// Without `/dev/`.
pub(super) fn terminal(tty: &[u8]) -> &[u8] {
    tty.strip_prefix(b"/dev/").unwrap_or(tty)
}

/// `#1000`: a user without a name.
fn numeric(name: &[u8]) -> Option<u32> {
    decimal(name.strip_prefix(b"#")?)
}

pub(super) fn shown(name: &[u8]) -> String {
    let text: Cow<'_, str> = crate::text::lossless(name).0;
    text.into_owned()
}
