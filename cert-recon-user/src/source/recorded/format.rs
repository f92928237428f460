//! Telling formats apart by content, and the parser of each.

use std::path::Path;

use super::Parser;

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
    /// The running processes.
    Proc,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Auditd,
        Self::CertRecon,
        Self::Defender,
        Self::LogScale,
        Self::Journald,
        Self::Syslog,
        Self::Sudo,
        Self::BashHistory,
        Self::ZshHistory,
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
            Self::Proc => "proc",
        }
    }

    /// Its parser; none for the running processes, which are no file.
    #[must_use]
    pub fn parser(self) -> Option<Box<dyn Parser>> {
        None
    }
}

/// The format of a file of this name, where content alone does not tell it.
#[must_use]
pub fn by_name(_path: &Path) -> Option<Format> {
    None
}

/// Bytes of the beginning of a text that are looked at.
pub const SAMPLE: usize = 64 << 10;

/// The format of a text that begins like this; none when it is like no format that is known.
#[must_use]
pub fn detect(_sample: &[u8]) -> Option<Format> {
    None
}
