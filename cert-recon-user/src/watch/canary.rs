//! The canary: an exec of the monitor's own, which has to come back through the kernel. When it does not, the monitor is
//! blind, and says so.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use cert_recon_common::CANARY_ARGV;

use super::selfcheck;
use crate::{event::Argv, record::Blind, source::live::Nonce};

/// The hidden command that does nothing. Eight characters: the length of the canary's argv is part of the contract with the
/// eBPF program.
pub const COMMAND: &str = "__canary";

/// How long a canary may take to come back; half of the interval when that is less.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer pauses between two ticks mean that the monitor itself was held up (stopped, starved): what came back meanwhile
/// still waits in the ring buffer, which may be full.
const STALL: Duration = Duration::from_secs(3);
/// Time that the ring buffer gets to be emptied after that.
const RESPITE: Duration = Duration::from_secs(1);

/// Letters that are no term of any rule and need no quoting.
const LETTERS: &[u8; 16] = b"bcdfghjklmnpqrtv";

/// A first argument that nobody else uses.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn nonce() -> io::Result<Nonce> {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.map(|byte| LETTERS[usize::from(byte % 16)]))
}

/// Canaries on their way and back.
#[derive(Debug)]
pub struct Canary {
    nonce: Nonce,
    /// From one to the next.
    pause: Duration,
    patience: Duration,
    number: u32,
    /// When the last one was sent, until it is back.
    out: Option<Instant>,
    next: Instant,
    ticked: Instant,
    children: Vec<Child>,
    first: First,
    last_seen: Option<SystemTime>,
    failure: Option<String>,
    /// One came back since the last one was sent.
    back: bool,
    blind: bool,
}

/// What is known of the first ones.
#[derive(Debug, Default)]
struct First {
    /// Their process ids, [`FIRST`] at most.
    pids: Vec<u32>,
    /// One has run, and so was its exec.
    ran: bool,
}

/// How many are known by their process ids. One is back long before so many were sent, or none comes.
const FIRST: usize = 16;

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A canary is overdue.
    Blind(Blind),
    /// One came back after that.
    Sees,
}

impl Canary {
    /// Sends the first one at the first [`tick`](Self::tick), then so often that blindness is told within `interval`, tick for
    /// tick.
    #[must_use]
    pub fn new(nonce: Nonce, interval: Duration, now: Instant) -> Self {
        let patience = PATIENCE.min(interval / 2);
        Self {
            nonce,
            pause: interval.saturating_sub(patience),
            patience,
            number: 0,
            out: None,
            next: now,
            ticked: now,
            children: Vec::new(),
            first: First::default(),
            last_seen: None,
            failure: None,
            back: false,
            blind: false,
        }
    }

    /// Whether an exec with these arguments is one of ours; if so, it is back.
    pub fn is_own(&mut self, argv: Argv<'_>, time: SystemTime) -> bool {
        let own = argv.total() == CANARY_ARGV as u64 && argv.bytes().starts_with(&self.nonce);
        if own {
            self.out = None;
            self.back = true;
            self.last_seen = Some(time);
        }
        own
    }

    /// Sends the next one now, not at its time.
    pub fn hurry(&mut self, now: Instant) {
        self.next = now;
    }

    /// Sends a canary when it is time; says when one is overdue, or when one came back after that.
    pub fn tick(&mut self, now: Instant, time: SystemTime) -> Option<Change> {
        let first = &mut self.first;
        self.children.retain_mut(|child| {
            let ended = child.try_wait();
            first.ran |= matches!(ended, Ok(Some(status)) if status.success());
            matches!(ended, Ok(None))
        });
        let (change, due) = self.look(now, time);
        if due && let Err(error) = self.send() {
            self.failure = Some(format!(
                "the monitor can't exec its own program to see whether it is seen: {error}"
            ));
        }
        change
    }

    /// What has changed, and whether one is to be sent now.
    fn look(&mut self, now: Instant, time: SystemTime) -> (Option<Change>, bool) {
        if now.saturating_duration_since(self.ticked) > STALL {
            self.out = self.out.map(|_| now);
            self.next = self.next.max(now + RESPITE);
        }
        self.ticked = now;
        let change = match self.out {
            Some(sent) if now.saturating_duration_since(sent) >= self.patience => {
                // Said once for each canary.
                self.out = None;
                self.blind = true;
                let reason = self.failure.take().unwrap_or_else(|| {
                    "the monitor's own exec did not come back through the kernel: the eBPF program was detached, or the ring \
                     buffer is stuck"
                        .to_owned()
                });
                Some(Change::Blind(Blind {
                    time,
                    last_seen: self.last_seen,
                    reason,
                    events_lost: 0,
                }))
            }
            None if self.blind && self.back => {
                self.blind = false;
                Some(Change::Sees)
            }
            _ => None,
        };
        let due = now >= self.next;
        if due {
            self.next = now + self.pause;
            self.out = Some(now);
            self.back = false;
        }
        (change, due)
    }

    /// When the last one came back.
    #[must_use]
    pub fn last_seen(&self) -> Option<SystemTime> {
        self.last_seen
    }

    /// The process id that one which came back as this one must have had; `None` when that isn't known.
    pub(super) fn pid_of(&self, seen: Option<u32>) -> Option<u32> {
        let pids = &self.first.pids;
        let its = pids.iter().find(|pid| Some(**pid) == seen);
        its.or(pids.last().filter(|_| pids.len() < FIRST)).copied()
    }

    /// Whether one has run by the last [`tick`](Self::tick).
    pub(super) fn has_run(&self) -> bool {
        self.first.ran
    }

    /// Whether one is overdue.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    fn send(&mut self) -> io::Result<()> {
        self.number = (self.number + 1) % 100_000_000;
        let nonce: String = self.nonce.iter().copied().map(char::from).collect();
        let child = Command::new(selfcheck::CALLED)
            .arg0(nonce)
            .arg(COMMAND)
            .arg(format!("{:08}", self.number))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if self.first.pids.len() < FIRST {
            self.first.pids.push(child.id());
        }
        self.children.push(child);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = *b"bcdfghjklmnpqrtv";

    /// A canary that nothing is sent for, and its clock.
    struct Bench {
        canary: Canary,
        now: Instant,
        time: SystemTime,
    }

    impl Bench {
        /// Blindness is to be told within 65 seconds: one is sent each 60, the first at once.
        fn new() -> Self {
            let now = Instant::now();
            let mut bench = Self {
                canary: Canary::new(NONCE, Duration::from_secs(65), now),
                now,
                time: SystemTime::UNIX_EPOCH,
            };
            assert_eq!(bench.look(), (None, true));
            bench
        }

        fn look(&mut self) -> (Option<Change>, bool) {
            self.canary.look(self.now, self.time)
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
            self.time += Duration::from_secs(seconds);
        }

        /// A tick each second: what changed, and when one was sent.
        fn run(&mut self, seconds: u64) -> (Vec<(u64, Change)>, Vec<u64>) {
            let (mut changes, mut sent) = (Vec::new(), Vec::new());
            for second in 1..=seconds {
                self.pass(1);
                let (change, due) = self.look();
                changes.extend(change.map(|change| (second, change)));
                sent.extend(due.then_some(second));
            }
            (changes, sent)
        }

        fn comes_back(&mut self) {
            assert!(self.canary.is_own(Argv::whole(&argv()), self.time));
        }
    }

    fn argv() -> Vec<u8> {
        let mut argv = NONCE.to_vec();
        argv.extend(format!("\0{COMMAND}\000000001\0").bytes());
        argv
    }

    fn blind(change: &Change) -> &Blind {
        match change {
            Change::Blind(blind) => blind,
            Change::Sees => panic!("it sees"),
        }
    }

    #[test]
    fn one_is_sent_at_each_interval_and_all_is_well_while_they_come_back() {
        let mut bench = Bench::new();
        for _ in 0..3 {
            bench.comes_back();
            assert_eq!(bench.run(60), (vec![], vec![60]));
        }
        assert!(!bench.canary.is_blind());
    }

    #[test]
    fn one_that_is_overdue_is_told_once_and_the_next_again() {
        let mut bench = Bench::new();
        bench.comes_back();
        let seen = bench.canary.last_seen();
        bench.run(60);
        let (changes, sent) = bench.run(120);
        assert_eq!(sent, [60, 120]);
        assert_eq!(changes.iter().map(|(second, _)| *second).collect::<Vec<_>>(), [5, 65]);
        assert!(changes.iter().all(|(_, change)| blind(change).last_seen == seen));
        assert!(bench.canary.is_blind());
    }

    #[test]
    fn blindness_is_told_within_the_interval_whatever_that_is() {
        for interval in [1, 2, 3, 9, 10, 60, 600] {
            let now = Instant::now();
            let mut canary = Canary::new(NONCE, Duration::from_secs(interval), now);
            let time = SystemTime::UNIX_EPOCH;
            assert_eq!(canary.look(now, time), (None, true));
            // The worst moment to go blind: right after one came back.
            assert!(canary.is_own(Argv::whole(&argv()), time));
            let told = (0..=interval * 4)
                .map(|quarter| Duration::from_millis(quarter * 250))
                .find(|&later| canary.look(now + later, time).0.is_some());
            assert!(told.is_some(), "{interval} s");
        }
    }

    #[test]
    fn one_that_comes_back_after_that_is_told_too() {
        let mut bench = Bench::new();
        assert_eq!(bench.run(6).0.len(), 1);
        bench.comes_back();
        assert_eq!(bench.run(50).0, [(1, Change::Sees)]);
        assert!(!bench.canary.is_blind());
    }

    #[test]
    fn the_reason_is_that_it_could_not_be_sent_when_it_could_not() {
        let mut bench = Bench::new();
        bench.canary.failure = Some("no processes left".to_owned());
        let (changes, _) = bench.run(5);
        assert_eq!(blind(&changes[0].1).reason, "no processes left");
    }

    #[test]
    fn a_monitor_that_was_held_up_is_not_blind_for_that() {
        let mut bench = Bench::new();
        // It is in the ring buffer, which the monitor gets to after this tick.
        bench.pass(20);
        assert_eq!(bench.look(), (None, false));
        bench.comes_back();
        assert_eq!(bench.run(30).0, []);
        // No new one is sent before the ring buffer had time to be emptied.
        bench.pass(60);
        assert_eq!(bench.look(), (None, false));
        assert_eq!(bench.run(1), (vec![], vec![1]));
        // And one that never comes is told all the same.
        assert_eq!(bench.run(10).0.len(), 1);
    }

    #[test]
    fn one_of_several_is_known_by_its_process_id() {
        let mut canary = Bench::new().canary;
        assert_eq!(canary.pid_of(Some(1)), None);
        canary.first.pids = vec![10, 11];
        assert_eq!((canary.pid_of(Some(10)), canary.pid_of(Some(11))), (Some(10), Some(11)));
        assert_eq!((canary.pid_of(Some(99)), canary.pid_of(None)), (Some(11), Some(11)));
        canary.first.pids = (0..16).collect();
        assert_eq!(canary.pid_of(Some(99)), None, "a later one may have it");
    }

    #[test]
    fn only_execs_that_begin_with_the_nonce_and_have_its_length_are_own() {
        let mut bench = Bench::new();
        let time = bench.time;
        let mut is_own = |argv: &[u8]| bench.canary.is_own(Argv::whole(argv), time);
        let argv = argv();
        assert_eq!(argv.len(), CANARY_ARGV);
        assert!(is_own(&argv));
        assert!(!is_own(&[&argv[..], b"x\0"].concat()), "longer");
        assert!(!is_own(&[b"x", &argv[1..]].concat()), "another nonce");
        assert!(!is_own(b""));
    }
}
