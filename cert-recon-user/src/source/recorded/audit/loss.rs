//! Execs that the log says it lacks.
//!
//! Owns who says so, and how: the kernel in its own log, auditd in syslog and in records about itself.

use super::line::{Daemon, Stamp, fields, number};
use crate::source::recorded::{Gap, Out, Place};

/// What is known of auditing on one host.
#[derive(Debug, Default)]
pub(super) struct Auditing {
    /// auditd began, and has not ended since.
    is_running: bool,
    /// When auditd ended.
    stopped: Option<(Stamp, Place)>,
    /// When the kernel was told not to audit.
    off: Option<(Stamp, Place)>,
    /// The last record.
    pub(super) last: Option<Stamp>,
}

impl Auditing {
    /// Takes what auditd says of itself, or of what it audits.
    pub(super) fn note(&mut self, kind: Daemon, stamp: Stamp, body: &[u8], place: Place, out: &mut dyn Out) {
        let mut tell = |from: Option<Stamp>, until: Option<Stamp>, what: &str| {
            let (from, until) = (from.and_then(Stamp::time), until.and_then(Stamp::time));
            let what = what.to_owned();
            out.gap(
                place,
                &Gap {
                    count: None,
                    from,
                    until,
                    what,
                },
            );
        };
        match kind {
            Daemon::Start => {
                if let Some((from, _)) = self.stopped.take() {
                    tell(Some(from), Some(stamp), "auditd did not run");
                } else if self.is_running {
                    tell(self.last, Some(stamp), "auditd ended without a word, and began again");
                }
                self.is_running = true;
            }
            Daemon::End => {
                self.stopped = Some((stamp, place));
                self.is_running = false;
            }
            Daemon::Resume => tell(None, Some(stamp), "auditd had suspended its log"),
            Daemon::Failed => tell(None, None, "auditd reports an error of its own"),
            Daemon::Change => {
                let (mut old, mut enabled, mut lost, mut done) = (None, None, None, true);
                for (name, value) in fields(body) {
                    match name {
                        b"audit_enabled" => enabled = number(value.raw()),
                        b"lost" => lost = number(value.raw()),
                        b"old" => old = number(value.raw()),
                        b"res" => done = value.raw() != b"0",
                        _ => {}
                    }
                }
                match (enabled, lost, old) {
                    _ if !done => {}
                    (Some(0), _, Some(1..)) => self.off = Some((stamp, place)),
                    (Some(1..), _, Some(0)) => {
                        if let Some((from, _)) = self.off.take() {
                            tell(Some(from), Some(stamp), "auditing was switched off");
                        }
                    }
                    // `auditctl --reset-lost`: the number is of records, not of execs.
                    (_, Some(0), Some(lost @ 1..)) => {
                        tell(None, Some(stamp), &format!("the kernel dropped {lost} audit records"));
                    }
                    _ => {}
                }
            }
        }
    }

    /// At the end of the log.
    pub(super) fn finish(&mut self, out: &mut dyn Out) {
        for (since, what) in [
            (
                self.stopped.take(),
                "auditd was stopped, and nothing says that it ran again",
            ),
            (
                self.off.take(),
                "auditing was switched off, and nothing says that it was switched on again",
            ),
        ] {
            let Some((from, place)) = since else { continue };
            let (from, what) = (from.time(), what.to_owned());
            out.gap(
                place,
                &Gap {
                    count: None,
                    from,
                    until: None,
                    what,
                },
            );
        }
    }
}

/// Takes a line that is no record. The kernel (`audit_log_lost()` in `kernel/audit.c`): `audit: audit_backlog=321 >
/// audit_backlog_limit=320`, `audit: audit_lost=5 audit_rate_limit=0 audit_backlog_limit=320`, `audit: backlog limit
/// exceeded`, `audit: rate limit exceeded`; auditd: `queue to plugins is full - dropping event`, `Audit daemon is suspending
/// logging`.
pub(super) fn line(line: &[u8], place: Place, out: &mut dyn Out) {
    let find = |needle: &[u8]| memchr::memmem::find(line, needle);
    let has = |needle: &[u8]| find(needle).is_some();
    if !has(b"udit") {
        return;
    }
    let what = if let Some(at) = find(b"audit_lost=") {
        let digits = line.get(at + b"audit_lost=".len()..).unwrap_or_default();
        let end = digits
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(digits.len());
        match digits.get(..end).and_then(number) {
            Some(count) => format!("the kernel dropped audit records, {count} since it started"),
            None => "the kernel dropped audit records".to_owned(),
        }
    } else if has(b"audit: backlog limit exceeded") || has(b"audit: rate limit exceeded") {
        "the kernel had no room for audit records".to_owned()
    } else if has(b"dropping event") && has(b"full") {
        "auditd dropped events".to_owned()
    } else if has(b"udit daemon is suspending logging") {
        "auditd suspended its log".to_owned()
    } else {
        return;
    };
    let (from, until) = (None, None);
    out.gap(
        place,
        &Gap {
            count: None,
            from,
            until,
            what,
        },
    );
}
