//! Telling formats apart by content, and the parser of each.

use std::{path::Path, time::SystemTime};

use jiff::tz::TimeZone;

use super::{
    Parser,
    audit::{self, AuditParser},
    defender::{self, Defender},
    history,
    journald::{self, Journal},
    logscale::{self, LogScale},
    own::{self, OwnLines},
    segments,
    sudo::{self, SudoLog},
    syslog::{self, Syslog},
    sysmon::{self, SysmonXml},
};

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// The log of auditd, or what it gives to syslog or the journal.
    Auditd,
    /// cert-recon's own lines, also those of `--record`.
    CertRecon,
    /// An export of Defender's or Sentinel's DeviceProcessEvents.
    Defender,
    /// An export of LogScale's ProcessRollup2.
    LogScale,
    /// The journal as JSON.
    Journald,
    /// A log of syslog, with lines of sudo, of Sysmon for Linux, of auditd.
    Syslog,
    /// sudo's own log file.
    Sudo,
    /// The history of bash.
    BashHistory,
    /// The history of zsh.
    ZshHistory,
    /// The history of fish.
    FishHistory,
    /// XML of Sysmon, of Linux or Windows.
    Sysmon,
    /// The running processes.
    Proc,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Auditd,
        Self::CertRecon,
        Self::Defender,
        Self::LogScale,
        Self::Journald,
        Self::Syslog,
        Self::Sudo,
        Self::BashHistory,
        Self::ZshHistory,
        Self::FishHistory,
        Self::Sysmon,
        Self::Proc,
    ];

    /// Its name, in flags and in `RecordSource`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auditd => "auditd",
            Self::CertRecon => "cert-recon",
            Self::Defender => "defender",
            Self::LogScale => "logscale",
            Self::Journald => "journald",
            Self::Syslog => "syslog",
            Self::Sudo => "sudo",
            Self::BashHistory => "bash",
            Self::ZshHistory => "zsh",
            Self::FishHistory => "fish",
            Self::Sysmon => "sysmon",
            Self::Proc => "proc",
        }
    }

    /// Its parser; none for the running processes, which are no file.
    #[must_use]
    pub fn parser(self) -> Option<Box<dyn Parser>> {
        let (zone, now) = (TimeZone::system, SystemTime::now);
        match self {
            Self::Auditd => Some(Box::<AuditParser>::default()),
            Self::Defender => Some(Box::<Defender>::default()),
            Self::LogScale => Some(Box::<LogScale>::default()),
            Self::CertRecon => Some(Box::<OwnLines>::default()),
            Self::Journald => Some(Box::<Journal>::default()),
            Self::Syslog => Some(Box::new(Syslog::new(zone(), now()))),
            Self::Sudo => Some(Box::new(SudoLog::new(zone(), now()))),
            Self::BashHistory => Some(Box::<history::Bash>::default()),
            Self::ZshHistory => Some(Box::<history::Zsh>::default()),
            Self::FishHistory => Some(Box::<history::Fish>::default()),
            Self::Sysmon => Some(Box::<SysmonXml>::default()),
            _ => None,
        }
    }
}

/// The format of a file of this name, where content alone does not tell it.
#[must_use]
pub fn by_name(path: &Path) -> Option<Format> {
    // Its first bytes may be the damaged ones.
    if segments::started(path).is_some() {
        return Some(Format::CertRecon);
    }
    history::by_name(path)
}

/// Bytes of the beginning of a text that are looked at.
pub const SAMPLE: usize = 64 << 10;

/// The format of a text that begins like this; none when it is like no format that is known.
#[must_use]
pub fn detect(sample: &[u8]) -> Option<Format> {
    if audit::looks_like(sample) {
        return Some(Format::Auditd);
    }
    if own::looks_like(sample) {
        return Some(Format::CertRecon);
    }
    if logscale::looks_like(sample) {
        return Some(Format::LogScale);
    }
    if defender::looks_like(sample) {
        return Some(Format::Defender);
    }
    text(sample)
}

/// Formats that are made of lines of text, by what their lines begin with.
fn text(sample: &[u8]) -> Option<Format> {
    if sysmon::is_export(sample) {
        return Some(Format::Sysmon);
    }
    // The last line may be cut by the sample's end, the first by whoever cut the file.
    let end = match memchr::memrchr(b'\n', sample) {
        Some(end) if sample.len() >= SAMPLE => end,
        _ => sample.len(),
    };
    let whole = sample.get(..end).unwrap_or(sample);
    let lines = || {
        let lines = whole.split(|&byte| byte == b'\n');
        lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    };
    let not_empty = |line: &&[u8]| !line.is_empty();
    if journald::is_export(lines()) {
        Some(Format::Journald)
    } else if sudo::is_log(lines().skip(1)) || sudo::is_log(lines()) {
        Some(Format::Sudo)
    } else if syslog::is_log(lines().filter(not_empty)) {
        Some(Format::Syslog)
    } else {
        history::detect(lines())
    }
}
