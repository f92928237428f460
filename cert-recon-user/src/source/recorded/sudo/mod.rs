//! What sudo says it ran, wherever it says it: syslog, the journal, a file of its own.
//!
//! Owns messages: those that syslog made it cut into pieces are put together, and a message becomes an exec (`entry`).
//! When and where it was said is its callers' matter. It never takes a command that was refused for one that ran.

mod entry;
mod file;
mod json;
mod words;

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
    time::SystemTime,
};

pub use self::file::SudoLog;
pub(crate) use self::file::is_log;
use super::{Out, Place};

/// Messages that may be continued, of one log at a time: beyond, the oldest is taken as it is.
const PENDING: usize = 64;
/// Bytes of a message. The kernel takes no longer argv than this on usual hosts.
const LONGEST: usize = 8 << 20;
/// Commands that run, to know their end when it is told.
const RUNNING: usize = 4096;

/// When and where sudo said something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    /// When it was said.
    pub(crate) time: SystemTime,
    /// The host that the log names.
    pub(crate) host: Option<&'a [u8]>,
    /// Process id of sudo itself.
    pub(crate) pid: Option<u32>,
    /// Audit login uid of sudo, which the command inherits.
    pub(crate) login_uid: Option<u32>,
    /// Audit session of sudo.
    pub(crate) session_id: Option<u32>,
    /// The unit that sudo ran in.
    pub(crate) unit: Option<&'a str>,
    /// Where the message begins.
    pub(crate) place: Place,
}

/// Puts messages together and tells the execs in them.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pending: VecDeque<Pending>,
    running: Running,
}

/// A message that may be continued.
#[derive(Debug)]
struct Pending {
    user: Vec<u8>,
    text: Vec<u8>,
    /// Bytes of the last piece, when it was one long word: the next piece then goes on in the middle of it.
    last: Option<usize>,
    cut: bool,
    time: SystemTime,
    host: Option<Vec<u8>>,
    pid: Option<u32>,
    login_uid: Option<u32>,
    session_id: Option<u32>,
    unit: Option<String>,
    place: Place,
}

impl Messages {
    /// Takes a message of sudo. What is not about a command (PAM's words, mostly) is none of ours.
    pub(crate) fn take(&mut self, message: &[u8], heard: &Heard<'_>, out: &mut dyn Out) {
        let message = message.trim_ascii_start();
        if let Some(json) = message.strip_prefix(b"@cee:") {
            // Never in pieces: what is pending was written before, by a sudo with another configuration.
            self.finish(out);
            json::cee(json, heard, out);
            return;
        }
        let Some((user, text)) = entry::user(message) else {
            return;
        };
        let known = self
            .pending
            .iter()
            .position(|one| one.user == user && one.pid == heard.pid && one.host.as_deref() == heard.host);
        let continued = text.strip_prefix(b"(command continued)");
        match (continued, known) {
            (Some(piece), Some(at)) => {
                if let Some(pending) = self.pending.get_mut(at) {
                    pending.append(piece.strip_prefix(b" ").unwrap_or(piece));
                }
            }
            (Some(_), None) => out.bad(
                heard.place,
                &"a command of sudo goes on here whose beginning is missing",
            ),
            (None, known) => {
                if let Some(before) = known.and_then(|at| self.pending.remove(at)) {
                    before.tell(&mut self.running, out);
                }
                if self.pending.len() >= PENDING
                    && let Some(oldest) = self.pending.pop_front()
                {
                    oldest.tell(&mut self.running, out);
                }
                self.pending.push_back(Pending::new(user, text, heard));
            }
        }
    }

    /// There are no more.
    pub(crate) fn finish(&mut self, out: &mut dyn Out) {
        for pending in std::mem::take(&mut self.pending) {
            pending.tell(&mut self.running, out);
        }
    }
}

impl Pending {
    fn new(user: &[u8], text: &[u8], heard: &Heard<'_>) -> Self {
        Self {
            user: user.to_vec(),
            text: text.to_vec(),
            last: None,
            cut: false,
            time: heard.time,
            host: heard.host.map(<[u8]>::to_vec),
            pid: heard.pid,
            login_uid: heard.login_uid,
            session_id: heard.session_id,
            unit: heard.unit.map(str::to_owned),
            place: heard.place,
        }
    }

    /// sudo cuts at a blank where there is one (`do_syslog()` in its lib/eventlog/eventlog.c), else in the middle of a word,
    /// when a piece is as long as it may be.
    fn append(&mut self, piece: &[u8]) {
        // As `syslog_maxlen` is by default, less what it counts for the words in front.
        let longest = 960_usize.saturating_sub(23 + self.user.len());
        if self.last != Some(longest) {
            self.text.push(b' ');
        }
        self.last = (!piece.contains(&b' ')).then_some(piece.len());
        let room = LONGEST.saturating_sub(self.text.len());
        self.cut |= piece.len() > room;
        self.text.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn tell(&self, running: &mut Running, out: &mut dyn Out) {
        let heard = Heard {
            time: self.time,
            host: self.host.as_deref(),
            pid: self.pid,
            login_uid: self.login_uid,
            session_id: self.session_id,
            unit: self.unit.as_deref(),
            place: self.place,
        };
        entry::tell(&self.user, &self.text, self.cut, &heard, running, out);
    }
}

/// Commands whose start was told, so that their end (`log_exit_status`) is not taken for another one.
#[derive(Debug, Default)]
struct Running {
    hasher: RandomState,
    commands: VecDeque<u64>,
}

impl Running {
    fn key(&self, user: &[u8], text: &[u8]) -> u64 {
        self.hasher.hash_one((user, text))
    }

    fn start(&mut self, user: &[u8], text: &[u8]) {
        if self.commands.len() >= RUNNING {
            self.commands.pop_front();
        }
        self.commands.push_back(self.key(user, text));
    }

    /// Whether its start was told.
    fn end(&mut self, user: &[u8], text: &[u8]) -> bool {
        let key = self.key(user, text);
        let at = self.commands.iter().rposition(|one| *one == key);
        at.and_then(|at| self.commands.remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests;
