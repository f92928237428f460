//! When the ring buffer is looked into without a wake-up. A wake-up for each record costs the process that runs exec, and the
//! monitor, several times what the record does. So while records come, the ring buffer is looked into by the clock, and the
//! programs are told until when; when nothing has come for that long, the next record wakes.

use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};
use cert_recon_common::WAKE_INTERVAL_NS;
use rustix::time::{ClockId, clock_gettime};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// How long it is looked into after something came.
const AWAKE_NS: u64 = 5_000_000;
/// The programs are told anew when less than this is left. A program that has woken counts on a look after its interval.
const LEFT_NS: u64 = AWAKE_NS / 2;
const _: () = assert!(LEFT_NS > WAKE_INTERVAL_NS && AWAKE_NS as u128 > 2 * PAUSE.as_nanos());

/// Until when records need not wake, and what the programs know of it.
pub(super) struct WakeUps {
    /// Tells the programs until when the ring buffer is looked into.
    told: Array<MapData, u64>,
    /// Until then (boot clock, nanoseconds) something may come without a wake-up; `None` when every record wakes.
    awake_until: Option<u64>,
    last_look: Instant,
}

impl WakeUps {
    pub(super) fn new(told: Array<MapData, u64>) -> Self {
        Self {
            told,
            awake_until: Some(0),
            last_look: Instant::now(),
        }
    }

    /// How long to wait for a wake-up until the next look; `None`: any time.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.awake_until?;
        Some(PAUSE.saturating_sub(self.last_look.elapsed()))
    }

    /// Nothing woke, and a look follows. When that finds nothing, records wake again.
    pub(super) fn slept(&mut self) {
        if self.awake_until.is_some_and(|until| until < boot_ns()) {
            self.awake_until = None;
        }
    }

    /// The ring buffer was emptied.
    pub(super) fn looked(&mut self) {
        self.last_look = Instant::now();
    }

    /// Something came: the programs need not wake for what comes next. A promise: there is a look after the time that they are
    /// told.
    pub(super) fn came(&mut self) {
        let now = boot_ns();
        if self.awake_until.is_some_and(|until| until > now + LEFT_NS) {
            return;
        }
        let until = now + AWAKE_NS;
        // When it can't be told, every program wakes once in its interval.
        let _ = self.told.set(0, until, 0);
        self.awake_until = Some(until);
    }
}

/// The boot clock, nanoseconds.
fn boot_ns() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
