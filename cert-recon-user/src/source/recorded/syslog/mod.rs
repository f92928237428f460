//! Logs of syslog: `auth.log`, `secure`, `syslog`, `messages`, and what `journalctl` prints by default.
//!
//! Owns their lines: which program wrote them, when, on which host. What sudo, Sysmon for Linux and auditd say in them is
//! [`super::sudo`]'s, [`super::sysmon`]'s and [`super::audit`]'s matter. Lines of other programs are none of ours, whatever
//! they look like.

mod clock;
mod line;

use std::{io, time::SystemTime};

use jiff::tz::TimeZone;

pub(crate) use self::{
    clock::{Clock, Stamp},
    line::{Entry, decimal},
};
use super::{
    Input, Out, Parser, Place,
    audit::AuditParser,
    input::each_line,
    sudo::{Heard, Messages},
    sysmon,
};

/// Told when times without a year go back by months.
pub(crate) const WENT_BACK: &str = "times without a year go back here by months: the log spans more than a year, and those \
                                    before may be of a year earlier";

/// Reads such logs.
pub struct Syslog {
    clock: Clock,
    now: SystemTime,
    sudo: Messages,
    audit: AuditParser,
}

impl Syslog {
    /// Times without a zone are in `zone`; those without a year are not after `now` in a file that does not say when it was
    /// changed.
    #[must_use]
    pub fn new(zone: TimeZone, now: SystemTime) -> Self {
        Self {
            clock: Clock::new(zone, now),
            now,
            sudo: Messages::default(),
            audit: AuditParser::default(),
        }
    }

    fn line(&mut self, line: &[u8], place: Place, out: &mut dyn Out) {
        let Some(entry) = Entry::parse(line) else {
            if memchr::memmem::find(line, b" ; COMMAND=").is_some() {
                out.bad(place, &"a line of sudo without its beginning");
            }
            return;
        };
        match entry.tag {
            b"sudo" => {
                let Some(time) = self.clock.moment(entry.stamp) else {
                    out.bad(place, &"a time that does not exist");
                    return;
                };
                if self.clock.take_went_back() {
                    out.bad(place, &WENT_BACK);
                }
                let heard = Heard {
                    time,
                    host: entry.host,
                    pid: entry.pid,
                    login_uid: None,
                    session_id: None,
                    unit: None,
                    place,
                };
                self.sudo.take(entry.message, &heard, out);
            }
            b"sysmon" => sysmon::event(entry.message.trim_ascii_start(), entry.host, place, out),
            b"kernel" | b"audispd" | b"audisp-syslog" | b"auditd" | b"audit" => {
                self.audit.line(line, entry.host.unwrap_or_default(), place, out);
            }
            _ => {}
        }
    }
}

impl Parser for Syslog {
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()> {
        self.clock.set_latest(input.modified().unwrap_or(self.now));
        each_line(input, out, |line, place, out| self.line(line, place, out))
    }

    fn finish(&mut self, out: &mut dyn Out) {
        self.sudo.finish(out);
        self.audit.finish(out);
    }
}

/// Whether most of these lines are of such a log.
pub(crate) fn is_log<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut ours, mut others) = (0, 0);
    for line in lines {
        match Entry::parse(line) {
            Some(_) => ours += 1,
            None => others += 1,
        }
    }
    ours > others
}

#[cfg(test)]
mod tests;
