//! What goes to the outputs: reports of execs, and what the monitor says about itself.

use std::time::SystemTime;

use crate::{finding::Report, pipeline::Sums, source::live::Totals};

/// One line of every output.
#[derive(Clone, Debug)]
pub enum Record {
    /// An exec.
    Exec(Box<Report>),
    /// Kernel events were lost (`EventsLost`).
    Lost(Lost),
    /// The state of the monitor (`SensorHealth`).
    Health(Box<Health>),
    /// Execs no longer come through the kernel (`SensorBlind`).
    Blind(Blind),
}

/// Kernel events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// When the loss was noticed.
    pub time: SystemTime,
    /// The loss happened after this.
    pub since: SystemTime,
    /// Execs lost between the two.
    pub count: u64,
    /// Execs lost since the start.
    pub total: u64,
}

/// The monitor's own exec did not come back through the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// When that was noticed.
    pub time: SystemTime,
    /// When the last one came back; none when none ever did.
    pub last_seen: Option<SystemTime>,
    /// What is known of the cause.
    pub reason: String,
}

/// Why a health record is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Time has passed.
    Interval,
    /// SIGUSR1.
    Signal,
    /// The state has changed.
    Change,
    /// The monitor ends.
    Exit,
}

/// The state of the monitor. Sums are since the start: `execs = delivered + lost` (once everything is drained) and
/// `delivered = findings + suppressed + folded + clean`.
#[derive(Clone, Debug)]
pub struct Health {
    /// When.
    pub time: SystemTime,
    /// Why now.
    pub occasion: Occasion,
    /// What is not as it should be, each as a sentence; empty when all is well.
    pub problems: Vec<String>,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Kernel side.
    pub totals: Totals,
    /// User side.
    pub sums: Sums,
    /// When the last canary came back.
    pub last_canary: Option<SystemTime>,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Size of the ring buffer, bytes.
    pub ring_bytes: u64,
    /// Process images that are known.
    pub images: u64,
    /// Process images forgotten to stay within the memory limit.
    pub images_forgotten: u64,
    /// Hashing of executables.
    pub hashing: Hashing,
    /// Each output.
    pub outputs: Vec<OutputState>,
}

/// What became of requests for the hash of an executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashing {
    /// Files read and hashed.
    pub hashed: u64,
    /// Answered from the cache.
    pub cached: u64,
    /// Larger than the limit.
    pub too_large: u64,
    /// Beyond the limit of work per second.
    pub too_busy: u64,
    /// Not there any more, not readable, or not the file that ran.
    pub unavailable: u64,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputState {
    /// Its name.
    pub name: String,
    /// Lines written.
    pub lines: u64,
    /// Lines dropped.
    pub dropped: u64,
    /// Bytes that wait.
    pub queued_bytes: u64,
    /// Whether the last write failed.
    pub failing: bool,
}
