//! The thread that sends what is in the queue, again and again until the collector has answered for it.

use std::{io, thread, time::Duration};

use super::{
    client::{Client, Outcome},
    convert,
    queue::Reader,
};

/// Pause after the first failure; doubled after each of those that follow.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, unless the collector asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two messages about refusals.
const TELL: Duration = Duration::from_secs(60);

/// Sends from a thread of its own until the queue is closed. `name` is what messages call the collector.
///
/// # Errors
/// When no thread can be started.
pub(in crate::sink) fn start(reader: Reader, client: Client, name: String) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = Work {
        reader,
        client,
        name,
        failures: 0,
        told: None,
    };
    thread::Builder::new()
        .name("otlp".to_owned())
        .spawn(move || work.run(&runtime))
        .map(drop)
}

struct Work {
    reader: Reader,
    client: Client,
    name: String,
    /// Since the last success.
    failures: u32,
    /// When a refusal was told last.
    told: Option<std::time::Instant>,
}

impl Work {
    fn run(mut self, runtime: &tokio::runtime::Runtime) {
        while let Some(lines) = self.reader.next() {
            if !self.send(&lines, runtime) {
                return;
            }
        }
    }

    /// Sends lines, in parts when they are too long together. Whether to go on.
    fn send(&mut self, lines: &[Vec<u8>], runtime: &tokio::runtime::Runtime) -> bool {
        let (mut rest, mut most) = (lines, lines.len());
        while !rest.is_empty() {
            let (part, after) = rest.split_at(most.clamp(1, rest.len()));
            let mut host = None;
            let logs = part.iter().filter_map(|line| convert::log_record(line));
            let logs: Vec<_> = logs
                .map(|(of, log)| {
                    host = of.or(host.take());
                    log
                })
                .collect();
            let sent = logs.len() as u64;
            // What is no record of ours was put there by somebody else.
            let all = part.len() as u64;
            let outcome = match sent {
                0 => Outcome::Refused("no records".to_owned()),
                _ => runtime.block_on(self.client.send(convert::request(host.as_deref(), logs))),
            };
            match outcome {
                Outcome::Later { after, why } => {
                    if !self.wait(after, &why) {
                        return false;
                    }
                    continue;
                }
                Outcome::TooLong(_) if part.len() > 1 => {
                    most = part.len() / 2;
                    continue;
                }
                Outcome::Taken { rejected, message } => {
                    let taken = sent.saturating_sub(rejected);
                    if taken < all {
                        self.tell_refused(all - taken, &message);
                    } else if !message.is_empty() {
                        log::warn!("{}: the collector says: {message}", self.name);
                    }
                    self.reader.answered(all, taken);
                }
                Outcome::Refused(why) | Outcome::TooLong(why) => {
                    self.tell_refused(all, &why);
                    self.reader.answered(all, 0);
                }
            }
            self.works();
            rest = after;
        }
        true
    }

    fn tell_refused(&mut self, count: u64, why: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(std::time::Instant::now());
            log::error!(
                "{}: {count} records are refused for good, and dropped: {why}",
                self.name
            );
        }
    }

    fn works(&mut self) {
        self.failures = 0;
        if self.reader.shared().note(false) {
            log::warn!("sending to {} works again", self.name);
        }
    }

    /// Waits before the next try. Whether there is to be one.
    fn wait(&mut self, after: Option<Duration>, why: &str) -> bool {
        let shared = self.reader.shared();
        if shared.note(true) {
            log::error!(
                "sending to {}: {why}; records wait on disk and are tried again",
                self.name
            );
        }
        let pause = pause(self.failures, random()).max(after.unwrap_or_default());
        self.failures += 1;
        shared.pause(pause)
    }
}

/// The pause after so many failures: between a half and the whole of what doubling has come to, so that many monitors do not
/// come back to a collector at once.
fn pause(failures: u32, random: u8) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
    whole / 2 + whole / 2 * u32::from(random) / 255
}

fn random() -> u8 {
    let mut byte = [0];
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_end_and_differ() {
        assert_eq!(pause(0, 0), FIRST_PAUSE / 2);
        assert_eq!(pause(0, 255), FIRST_PAUSE);
        assert_eq!(pause(3, 255), FIRST_PAUSE * 8);
        for failures in [6, 7, 100, u32::MAX] {
            assert_eq!(pause(failures, 0), LONGEST_PAUSE / 2);
            assert_eq!(pause(failures, 255), LONGEST_PAUSE);
        }
    }
}
