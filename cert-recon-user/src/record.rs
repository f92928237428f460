//! What goes to the outputs: reports of execs, and what the monitor says about itself.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

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

impl Record {
    /// When it happened, or was noticed.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        match self {
            Self::Exec(report) => report.time,
            Self::Lost(lost) => lost.time,
            Self::Health(health) => health.time,
            Self::Blind(blind) => blind.time,
        }
    }

    /// A stable id: the same record read back has the same one. Of an exec [`Report::event_id`]; of the others made of kind,
    /// host, time to the microsecond and counts.
    #[must_use]
    pub fn event_id(&self, device: &str) -> String {
        match self {
            Self::Exec(report) => report.event_id(device),
            Self::Lost(lost) => id(
                "lost",
                device,
                lost.time,
                &[micros(lost.since), lost.count.into(), lost.total.into()],
            ),
            Self::Health(health) => {
                let (totals, sums) = (health.totals, health.sums);
                let counts = [
                    totals.execs,
                    totals.delivered,
                    totals.lost,
                    sums.delivered,
                    sums.findings,
                    sums.suppressed,
                    sums.folded,
                    sums.clean,
                ];
                id("health", device, health.time, &counts.map(u128::from))
            }
            Self::Blind(blind) => id("blind", device, blind.time, &[blind.last_seen.map_or(0, micros)]),
        }
    }
}

fn micros(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_micros())
}

fn id(kind: &str, device: &str, time: SystemTime, numbers: &[u128]) -> String {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update((device.len() as u64).to_le_bytes());
    hash.update(device);
    hash.update(micros(time).to_le_bytes());
    for number in numbers {
        hash.update(number.to_le_bytes());
    }
    hash.finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
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
    /// Execs lost since the record of this kind before: `count` again, where every record has it.
    pub events_lost: u64,
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
    /// Execs lost since the record of this kind before.
    pub events_lost: u64,
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

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 4] = [Self::Interval, Self::Signal, Self::Change, Self::Exit];

    /// The name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Signal => "signal",
            Self::Change => "change",
            Self::Exit => "exit",
        }
    }
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
    /// Each suppression.
    pub suppressions: Vec<SuppressionState>,
    /// Each output.
    pub outputs: Vec<OutputState>,
    /// Execs lost since the record of this kind before.
    pub events_lost: u64,
}

impl Health {
    /// The state in one word.
    #[must_use]
    pub fn status(&self) -> &'static str {
        if self.problems.is_empty() { "ok" } else { "degraded" }
    }
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
    /// Old files that were removed to stay within its budget; none of an output that has no budget.
    pub removed: Option<Removed>,
}

/// Files that were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A suppression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressionState {
    /// Its name.
    pub name: String,
    /// Findings that it suppressed.
    pub count: u64,
    /// It has expired, and no longer works.
    pub expired: bool,
}
