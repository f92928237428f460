//! When the ring buffer is looked into without a wake-up. A wake-up for each record costs the process that runs exec, and the
//! monitor, several times what the record does. So while records come, the ring buffer is looked into by the clock, and the
//! programs are told until when; when nothing has come for that long, the next record wakes.

use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};
use cert_recon_common::WAKE_INTERVAL_NS;
use rustix::time::{ClockId, clock_gettime};

/// Pause after a look that found something.
const PAUSE: Duration = Duration::from_millis(2);
/// After one that found nothing.
const EMPTY_PAUSE: Duration = Duration::from_millis(4);
/// While execs come fast: a look costs as much as several execs.
const BUSY_PAUSE: Duration = Duration::from_millis(8);
/// While they come in a storm: where to wake is dear, as in virtual machines, a look costs as much as thirty.
const STORM_PAUSE: Duration = Duration::from_millis(16);
/// They come fast, or in a storm, when so many come within a window.
const BUSY_EXECS: u64 = 6;
const STORM_EXECS: u64 = 40;
/// A window ends with the first look after so long.
const WINDOW_NS: u64 = 12_000_000;
/// That look comes before this, unless there was nothing to look at.
const LONGEST_WINDOW_NS: u64 = 36_000_000;

/// What the programs are told when something came: that there are looks for so long.
const AWAKE_NS: u64 = 3_000_000;
/// The same while execs come fast, and in a storm: telling the programs is a system call.
const BUSY_AWAKE_NS: u64 = 30_000_000;
const STORM_AWAKE_NS: u64 = 48_000_000;
/// Then they are told anew when less than this is left: a look that comes a little late is still in time.
const BUSY_LEFT_NS: u64 = 12_000_000;
const STORM_LEFT_NS: u64 = 22_000_000;
/// There is a look so much later than the programs were told, for records that take a while from their program's look at the
/// clock on.
const MARGIN_NS: u64 = 2_500_000;

// A program that has woken counts on a look after its interval.
const _: () = assert!(AWAKE_NS > WAKE_INTERVAL_NS && AWAKE_NS as u128 > PAUSE.as_nanos());
const _: () = assert!(BUSY_LEFT_NS as u128 > BUSY_PAUSE.as_nanos() && BUSY_AWAKE_NS > 2 * BUSY_LEFT_NS);
const _: () = assert!(STORM_LEFT_NS as u128 > STORM_PAUSE.as_nanos() && STORM_AWAKE_NS > 2 * STORM_LEFT_NS);

/// How fast execs come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tempo {
    #[default]
    Calm,
    Busy,
    Storm,
}

impl Tempo {
    /// Of so many execs in a window.
    fn of(execs: u64) -> Self {
        match execs {
            STORM_EXECS.. => Self::Storm,
            BUSY_EXECS.. => Self::Busy,
            _ => Self::Calm,
        }
    }
}

/// When the next look is, and what is promised to the programs. Times in nanoseconds of the boot clock.
#[derive(Debug, Default)]
struct Pace {
    /// Until then something may come without a wake-up; `None` when every record wakes.
    promised: Option<u64>,
    /// The last look found something.
    has_found: bool,
    tempo: Tempo,
    /// When the window began, and the execs in it.
    window: (u64, u64),
}

impl Pace {
    fn pause(&self) -> Option<Duration> {
        self.promised?;
        Some(match (self.tempo, self.has_found) {
            (Tempo::Storm, _) => STORM_PAUSE,
            (Tempo::Busy, _) => BUSY_PAUSE,
            (Tempo::Calm, true) => PAUSE,
            (Tempo::Calm, false) => EMPTY_PAUSE,
        })
    }

    /// Nothing woke, and a look follows. When that finds nothing, records wake again.
    fn slept(&mut self, now: u64) {
        if self.promised.is_some_and(|until| until + MARGIN_NS < now) {
            self.promised = None;
        }
    }

    fn looked(&mut self, now: u64, execs: u64) {
        self.has_found = execs > 0;
        self.window.1 += execs;
        if now >= self.window.0 + WINDOW_NS {
            // One that is long over says nothing of now.
            let is_over = now >= self.window.0 + LONGEST_WINDOW_NS;
            self.tempo = if is_over { Tempo::Calm } else { Tempo::of(self.window.1) };
            self.window = (now, 0);
        }
    }

    /// Something came: until when the programs are to be told that there will be looks, when they do not know that yet.
    fn came(&mut self, now: u64) -> Option<u64> {
        let (awake, left) = match self.tempo {
            Tempo::Calm => (AWAKE_NS, AWAKE_NS),
            Tempo::Busy => (BUSY_AWAKE_NS, BUSY_LEFT_NS),
            Tempo::Storm => (STORM_AWAKE_NS, STORM_LEFT_NS),
        };
        if self.promised.is_some_and(|until| until > now + left) {
            return None;
        }
        let until = now + awake;
        self.promised = Some(until);
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
            pace: Pace {
                promised: Some(0),
                ..Pace::default()
            },
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

    /// The ring buffer was emptied, and so many execs were in it. When something `came`, the programs need not wake for what comes
    /// next. A promise: there is a look after the time that they are told.
    pub(super) fn looked(&mut self, execs: u64, came: bool) {
        self.last_look = Instant::now();
        let now = boot_ns();
        self.pace.looked(now, execs);
        if came && let Some(until) = self.pace.came(now) {
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

    /// Looks at everything that comes at these times until the end of it, as [`Live`](super::super::Live) does; how long each waited,
    /// how many looks that took, and how often the programs were told.
    fn run(times: &[u64]) -> (Vec<u64>, usize, usize) {
        let mut pace = Pace::default();
        let (mut waits, mut looks, mut told) = (Vec::new(), 0, 0);
        let mut knows = 0;
        let mut now = 0;
        let mut times = times.iter().copied().peekable();
        while let Some(&next) = times.peek() {
            // One that the programs know nothing of for its time wakes at once.
            let look = pace.pause().map(|pause| now + ns(pause));
            let wakes = next > knows && look.is_none_or(|look| next < look);
            match look {
                Some(look) if !wakes => now = look,
                _ => now = next.max(now),
            }
            if !wakes {
                pace.slept(now);
            }
            looks += 1;
            let mut execs = 0;
            while let Some(time) = times.next_if(|&time| time <= now) {
                waits.push(now - time);
                execs += 1;
            }
            pace.looked(now, execs);
            if execs > 0
                && let Some(until) = pace.came(now)
            {
                (knows, told) = (until, told + 1);
            }
        }
        (waits, looks, told)
    }

    fn every(gap: u64, count: u64) -> Vec<u64> {
        (1..=count).map(|n| 1000 * MS + n * gap).collect()
    }

    #[test]
    fn every_promise_is_followed_by_a_look_after_it_and_only_then_records_wake_again() {
        for (tempo, most_looks) in [(Tempo::Calm, 2), (Tempo::Busy, 9), (Tempo::Storm, 13)] {
            let mut pace = Pace {
                tempo,
                ..Pace::default()
            };
            let mut now = 1000 * MS;
            pace.window.0 = now;
            pace.looked(now, 1);
            let told = pace.came(now).unwrap();
            let mut looks = 0;
            while let Some(pause) = pace.pause() {
                now += ns(pause);
                pace.slept(now);
                pace.looked(now, 0);
                looks += 1;
            }
            assert!(
                now > told + MARGIN_NS && now <= told + MARGIN_NS + ns(STORM_PAUSE),
                "a look after what was promised"
            );
            assert!(looks <= most_looks, "{looks} looks");
        }
    }

    #[test]
    fn an_exec_now_and_then_is_looked_at_at_once() {
        for gap in [7 * MS, 9 * MS, 40 * MS, 2000 * MS] {
            let (waits, looks, told) = run(&every(gap, 1000));
            assert_eq!(waits.iter().max(), Some(&0), "{gap}");
            assert!(looks <= 3000 && told <= 1000, "{looks} looks, told {told} times");
        }
        for gap in [MS, 3 * MS, 4 * MS, 5 * MS] {
            let (waits, ..) = run(&every(gap, 1000));
            assert!(waits.into_iter().max().unwrap() <= 8 * MS, "{gap}");
        }
    }

    #[test]
    fn a_storm_is_looked_at_seldom_and_the_programs_are_told_seldom() {
        // One second, and a second after it the next: what was busy before is not busy now.
        let storm = every(MS / 10, 10_000);
        let (waits, looks, told) = run(&storm);
        assert_eq!(waits.len(), storm.len());
        assert!(looks <= 80 && told <= 40, "{looks} looks, told {told} times");
        assert!(waits.into_iter().max().unwrap() <= 16 * MS);
        let mut later = storm;
        later.extend([3000 * MS, 3010 * MS, 3020 * MS]);
        let (waits, ..) = run(&later);
        assert_eq!(waits[10_000..], [0; 3]);
    }

    #[test]
    fn few_execs_in_a_row_are_looked_at_soon() {
        let (waits, ..) = run(&[1000 * MS, 1001 * MS, 1002 * MS]);
        assert!(waits.iter().all(|&wait| wait <= 2 * MS), "{waits:?}");
    }
}
