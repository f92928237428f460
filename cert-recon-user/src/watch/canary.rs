//! The canary: an exec of the monitor's own, which has to come back through the kernel. When it does not, the monitor is
//! blind, and says so.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use cert_recon_common::CANARY_ARGV;

use crate::{event::Argv, record::Blind, source::live::Nonce};

/// The hidden command that does nothing. Eight characters: the length of the canary's argv is part of the contract with the
/// eBPF program.
pub const COMMAND: &str = "__canary";

/// How long a canary may take to come back.
const PATIENCE: Duration = Duration::from_secs(5);

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
    interval: Duration,
    number: u32,
    /// When the last one was sent, until it is back.
    out: Option<Instant>,
    next: Instant,
    children: Vec<Child>,
    last_seen: Option<SystemTime>,
    failure: Option<String>,
    /// One came back since the last one was sent.
    back: bool,
    blind: bool,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A canary is overdue.
    Blind(Blind),
    /// One came back after that.
    Sees,
}

impl Canary {
    /// Sends the first one at the first [`tick`](Self::tick), then one each `interval`.
    #[must_use]
    pub fn new(nonce: Nonce, interval: Duration, now: Instant) -> Self {
        Self {
            nonce,
            interval,
            number: 0,
            out: None,
            next: now,
            children: Vec::new(),
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
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let change = match self.out {
            Some(sent) if now.saturating_duration_since(sent) >= PATIENCE.min(self.interval) => {
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
        if now >= self.next {
            self.next = now + self.interval;
            self.out = Some(now);
            self.back = false;
            if let Err(error) = self.send() {
                self.failure = Some(format!(
                    "the monitor can't exec its own program to see whether it is seen: {error}"
                ));
            }
        }
        change
    }

    /// When the last one came back.
    #[must_use]
    pub fn last_seen(&self) -> Option<SystemTime> {
        self.last_seen
    }

    /// Whether one is overdue.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    fn send(&mut self) -> io::Result<()> {
        self.number = (self.number + 1) % 100_000_000;
        let nonce: String = self.nonce.iter().copied().map(char::from).collect();
        let child = Command::new("/proc/self/exe")
            .arg0(nonce)
            .arg(COMMAND)
            .arg(format!("{:08}", self.number))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.children.push(child);
        Ok(())
    }
}
