//! When the ring buffer is looked into without a wake-up. A wake-up for each record costs the process that runs exec, and the
//! monitor, several times what the record does. So while records come, the ring buffer is looked into by the clock, and the
//! programs are told until when; when nothing has come for that long, the next record wakes.

use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};
use cert_recon_common::WAKE_INTERVAL_NS;
use rustix::time::{ClockId, clock_gettime};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// After a look that found nothing.
const EMPTY_PAUSE: Duration = Duration::from_millis(4);
/// After one that found [`BUSY_EXECS`]: a look costs as much as several execs.
const BUSY_PAUSE: Duration = Duration::from_millis(8);
const BUSY_EXECS: u64 = 4;

/// What the programs are told when something came: that there are looks for so long.
const AWAKE_NS: u64 = 3_000_000;
/// The same while execs come fast, or have come again and again: telling the programs is a system call.
const STAY_AWAKE_NS: u64 = 30_000_000;
/// Promises in a row after which that is so.
const AGAIN: u32 = 4;
/// The programs are told anew when less than this is left: a look that comes a little late is still in time.
const LEFT_NS: u64 = 12_000_000;
/// There is a look so much later than the programs were told, for records that take a while from their program's look at the
/// clock on.
const MARGIN_NS: u64 = 2_500_000;

// A program that has woken counts on a look after its interval.
const _: () = assert!(AWAKE_NS > WAKE_INTERVAL_NS && AWAKE_NS as u128 > PAUSE.as_nanos());
const _: () = assert!(LEFT_NS as u128 > BUSY_PAUSE.as_nanos() && STAY_AWAKE_NS > 2 * LEFT_NS);

/// When the next look is, and what is promised to the programs. Times in nanoseconds of the boot clock.
#[derive(Debug)]
struct Pace {
    /// Until then something may come without a wake-up; `None` when every record wakes.
    promised: Option<u64>,
    /// Promises since records last woke.
    promises: u32,
    /// Execs that the last look found.
    execs: u64,
}

impl Pace {
    fn new() -> Self {
        Self {
            promised: Some(0),
            promises: 0,
            execs: 0,
        }
    }

    fn pause(&self) -> Option<Duration> {
        self.promised?;
        Some(match self.execs {
            0 => EMPTY_PAUSE,
            1..BUSY_EXECS => PAUSE,
            _ => BUSY_PAUSE,
        })
    }

    /// Nothing woke, and a look follows. When that finds nothing, records wake again.
    fn slept(&mut self, now: u64) {
        if self.promised.is_some_and(|until| until + MARGIN_NS < now) {
            self.promised = None;
            self.promises = 0;
        }
    }

    fn looked(&mut self, execs: u64) {
        self.execs = execs;
    }

    /// Something came: until when the programs are to be told that there will be looks, when they do not know that yet.
    fn came(&mut self, now: u64) -> Option<u64> {
        if self.promised.is_some_and(|until| until > now + LEFT_NS) {
            return None;
        }
        let stays = self.execs >= BUSY_EXECS || self.promises >= AGAIN;
        let until = now + if stays { STAY_AWAKE_NS } else { AWAKE_NS };
        self.promised = Some(until);
        self.promises += 1;
        Some(until)
    }
}

/// Until when records need not wake, and what the programs know of it.
pub(super) struct WakeUps {
    /// Tells the programs until when the ring buffer is looked into.
    told: Array<MapData, u64>,
    pace: Pace,
    last_look: Instant,
}

impl WakeUps {
    pub(super) fn new(told: Array<MapData, u64>) -> Self {
        Self {
            told,
            pace: Pace::new(),
            last_look: Instant::now(),
        }
    }

    /// How long to wait for a wake-up until the next look; `None`: any time.
    pub(super) fn wait(&self) -> Option<Duration> {
        Some(self.pace.pause()?.saturating_sub(self.last_look.elapsed()))
    }

    /// Nothing woke, and a look follows. When that finds nothing, records wake again.
    pub(super) fn slept(&mut self) {
        self.pace.slept(boot_ns());
    }

    /// The ring buffer was emptied, and so many execs were in it.
    pub(super) fn looked(&mut self, execs: u64) {
        self.last_look = Instant::now();
        self.pace.looked(execs);
    }

    /// Something came: the programs need not wake for what comes next. A promise: there is a look after the time that they are
    /// told.
    pub(super) fn came(&mut self) {
        if let Some(until) = self.pace.came(boot_ns()) {
            // When it can't be told, every program wakes once in its interval.
            let _ = self.told.set(0, until, 0);
        }
    }
}

/// The boot clock, nanoseconds.
fn boot_ns() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn ns(pause: Duration) -> u64 {
        u64::try_from(pause.as_nanos()).unwrap()
    }

    #[test]
    fn every_promise_is_followed_by_a_look_after_it_and_only_then_records_wake_again() {
        for (found, promises) in [(1, 0), (BUSY_EXECS, 0), (1, AGAIN)] {
            let mut pace = Pace::new();
            pace.promises = promises;
            let mut now = 1000 * MS;
            pace.looked(found);
            let told = pace.came(now).unwrap();
            let mut looks = 0;
            while let Some(pause) = pace.pause() {
                now += ns(pause);
                pace.slept(now);
                pace.looked(0);
                looks += 1;
            }
            assert!(
                now > told + MARGIN_NS && now <= told + MARGIN_NS + ns(EMPTY_PAUSE),
                "a look after what was promised"
            );
            assert!(
                looks <= if told == 1000 * MS + AWAKE_NS { 2 } else { 10 },
                "{looks} looks"
            );
            assert_eq!(pace.promises, 0);
        }
    }

    #[test]
    fn a_storm_is_looked_at_seldom_and_the_programs_are_told_seldom_and_never_late() {
        for found in [1, 10] {
            let mut pace = Pace::new();
            let (start, mut now, mut told, mut until) = (1000 * MS, 1000 * MS, 0, 0);
            let mut looks = 0;
            while now < start + 1000 * MS {
                pace.looked(found);
                if let Some(next) = pace.came(now) {
                    assert!(told == 0 || until > now, "told before the promise is over");
                    (until, told) = (next, told + 1);
                }
                looks += 1;
                now += ns(pace.pause().unwrap());
            }
            let most = if found == 1 { 501 } else { 126 };
            assert!(looks <= most && told <= 60, "{looks} looks, told {told} times");
        }
    }

    #[test]
    fn the_first_few_execs_are_looked_at_soon() {
        let mut pace = Pace::new();
        pace.came(1000 * MS);
        for (found, pause) in [
            (1, PAUSE),
            (BUSY_EXECS - 1, PAUSE),
            (BUSY_EXECS, BUSY_PAUSE),
            (0, EMPTY_PAUSE),
        ] {
            pace.looked(found);
            assert_eq!(pace.pause(), Some(pause));
        }
    }
}
