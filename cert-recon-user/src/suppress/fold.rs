//! The same finding again and again: the first at once, the others as one record with their number.
//!
//! Owns what "the same" is, the interval, and the bound of memory. What it can't remember it does not fold.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use super::facts::targets;
use crate::finding::{Folded, Report};

/// Findings that are remembered at once. Beyond them, each finding is reported.
pub const MOST_FINDINGS: usize = 4096;
/// Bytes of the reports that wait for the end of their interval. A report for which there is no room is not folded.
pub const MOST_REPORT_BYTES: usize = 16 << 20;

type Key = [u8; 32];

#[derive(Debug)]
struct Entry {
    /// When the first one was reported.
    since: SystemTime,
    /// The first one that was not, and how many there were.
    folded: Option<(Box<Report>, u64)>,
}

/// Folds findings that are the same within an interval.
#[derive(Debug)]
pub struct Folding {
    interval: Duration,
    entries: HashMap<Key, Entry>,
    /// In the order in which their intervals began.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Folding {
    /// With this interval; zero folds nothing.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            entries: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Changes the interval, of those under way too.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Takes a finding, and gives it back when it is to be reported. Intervals end in [`due`](Self::due) only.
    pub fn take(&mut self, report: Report) -> Option<Report> {
        if self.interval.is_zero() {
            return Some(report);
        }
        let key = key(&report);
        if let Some(entry) = self.entries.get_mut(&key) {
            match &mut entry.folded {
                Some((_, count)) => *count += 1,
                None => {
                    let size = report.size();
                    if self.bytes.saturating_add(size) > MOST_REPORT_BYTES {
                        return Some(report);
                    }
                    self.bytes += size;
                    entry.folded = Some((Box::new(report), 1));
                }
            }
            return None;
        }
        if self.entries.len() < MOST_FINDINGS {
            let since = report.time;
            self.entries.insert(key, Entry { since, folded: None });
            self.order.push_back(key);
        }
        Some(report)
    }

    /// Ends the intervals that are over by then, and gives a report of each that had something to fold.
    pub fn due(&mut self, now: SystemTime) -> Vec<Report> {
        let mut reports = Vec::new();
        // The entries at the front are the oldest but for what several CPUs and a clock that is set do to the order; one that
        // waits behind a younger one waits no longer than that.
        while let Some(key) = self.order.front() {
            if self.entries.get(key).is_some_and(|entry| !self.is_over(entry, now)) {
                break;
            }
            if let Some(entry) = self.order.pop_front().and_then(|key| self.entries.remove(&key)) {
                reports.extend(self.end(entry));
            }
        }
        reports
    }

    /// Ends all intervals.
    pub fn drain(&mut self) -> Vec<Report> {
        let mut entries = mem::take(&mut self.entries);
        mem::take(&mut self.order)
            .into_iter()
            .filter_map(|key| entries.remove(&key).and_then(|entry| self.end(entry)))
            .collect()
    }

    /// Also when the clock was set back by more than an interval.
    fn is_over(&self, entry: &Entry, now: SystemTime) -> bool {
        match now.duration_since(entry.since) {
            Ok(passed) => passed >= self.interval,
            Err(back) => back.duration() >= self.interval,
        }
    }

    fn end(&mut self, entry: Entry) -> Option<Report> {
        let (mut report, count) = entry.folded?;
        self.bytes -= report.size();
        report.tuning.folded = Some(Folded {
            count,
            since: entry.since,
        });
        Some(*report)
    }
}

/// What makes two findings the same: the account (whose power it has and who logged in too), the rules and the targets. A
/// finding whose targets are not known is the same only with the same command line, or one could hide behind another.
fn key(report: &Report) -> Key {
    let mut hash = Sha256::new();
    let mut number = |id: Option<u32>| hash.update(id.map_or(u64::MAX, u64::from).to_le_bytes());
    number(report.uid);
    number(report.effective_uid);
    number(report.login_uid);
    let mut texts = |texts: &[String]| {
        hash.update((texts.len() as u64).to_le_bytes());
        for text in texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    };
    texts(report.verdict.as_ref().map_or(&[], |verdict| &verdict.rule_ids));
    let targets = targets(report);
    texts(targets);
    if targets.is_empty() || targets.iter().any(|target| target.contains('\0')) {
        hash.update(&report.argv);
    }
    hash.finalize().into()
}
