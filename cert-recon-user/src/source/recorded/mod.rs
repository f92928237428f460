//! Execs that others wrote down: logs, exports, histories.
//!
//! Owns the way from the bytes of a record to [`crate::event::Exec`]: opening and unpacking ([`input`]), telling formats
//! apart ([`mod@format`]), one module per format. It judges nothing and prints nothing. Facts come from the record alone: nothing
//! here looks anything up on this host.

pub mod audit;
pub mod collect;
pub mod defender;
pub mod files;
pub mod format;
pub(crate) mod frames;
pub mod history;
pub mod input;
pub mod journald;
#[cfg(test)]
pub(crate) mod judging;
pub mod local;
pub mod logscale;
mod objects;
pub mod own;
pub mod proc;
pub mod segments;
pub mod sudo;
pub mod syslog;
pub mod sysmon;

use std::{
    fmt, io,
    time::{Duration, SystemTime},
};

pub use self::{
    format::Format,
    frames::Damage,
    input::{Input, Line},
};
use crate::{event::Exec, finding::Report};

/// An exec as a record tells of it.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    /// The facts that rules look at.
    pub exec: &'a Exec<'a>,
    /// Names of the watched program that the executable is a copy of, as the record says; usually none.
    pub known_as: &'a [&'a [u8]],
    /// The host that the record names.
    pub device: Option<&'a [u8]>,
    /// Where the record begins.
    pub place: Place,
    /// What else it says.
    pub details: &'a dyn Details,
}

impl<'a> Recorded<'a> {
    /// An exec of which its facts are all that is known.
    #[must_use]
    pub fn new(exec: &'a Exec<'a>, place: Place) -> Self {
        Self {
            exec,
            known_as: &[],
            device: None,
            place,
            details: &(),
        }
    }
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, by its number in the set that is read (see [`Input::place`]).
    pub file: usize,
    /// The line, from 1; 0 where there are no lines.
    pub line: u64,
}

/// What a record says beyond an exec's own facts. It is asked only when there is something to report, so work that few
/// records are worth (names, the processes above) waits until then.
pub trait Details {
    /// Puts it into the report: names of accounts, hash, ancestry, container and the like. Absent stays absent.
    fn complete(&self, report: &mut Report);
}

/// Nothing more.
impl Details for () {
    fn complete(&self, _: &mut Report) {}
}

/// Any closure that completes a report.
impl<F: Fn(&mut Report)> Details for F {
    fn complete(&self, report: &mut Report) {
        self(report);
    }
}

/// Takes what a parser finds.
pub trait Out {
    /// Takes an exec. True when it is a finding, which only those need to know that have several readings of one record.
    fn exec(&mut self, recorded: &Recorded<'_>) -> bool;

    /// Takes note of something that should have been a record and is none: it is counted and reported, with file and line.
    fn bad(&mut self, place: Place, why: &dyn fmt::Display);

    /// Takes note that the record itself says that execs are missing from it.
    fn gap(&mut self, place: Place, gap: &Gap);
}

/// Execs that a record says it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many; none when that is not known.
    pub count: Option<u64>,
    /// When, as far as is known: not before and not after.
    pub from: Option<SystemTime>,
    /// See `from`.
    pub until: Option<SystemTime>,
    /// What the record says, in words.
    pub what: String,
}

/// Reads one format. One parser reads the files of a rotated set one after the other, oldest first, so that a record that
/// begins in one and ends in the next is whole.
pub trait Parser: Send {
    /// Reads a file to its end.
    ///
    /// # Errors
    ///
    /// Reading failed: what was found before stands. Malformed input is no error, but [told](Out::bad).
    fn read(&mut self, input: &mut Input, out: &mut dyn Out) -> io::Result<()>;

    /// After the last file: gives what is still waiting for its end.
    fn finish(&mut self, _: &mut dyn Out) {}
}

/// A time in seconds and nanoseconds since 1970; none when it is before that or not representable.
#[must_use]
pub fn time(seconds: i64, nanos: u32) -> Option<SystemTime> {
    let since = Duration::new(u64::try_from(seconds).ok()?, 0).checked_add(Duration::from_nanos(nanos.into()))?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// The same, of a time that was read; none of one before 1970.
#[must_use]
pub fn time_of(time: jiff::Timestamp) -> Option<SystemTime> {
    self::time(time.as_second(), u32::try_from(time.subsec_nanosecond()).ok()?)
}

/// A SHA-256 in hexadecimal digits, of either case.
fn sha256(text: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 64)?;
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}
