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

/// What makes two findings the same: the account (whose power it has, who logged in, and the container in which it is an
/// account), the rules and the targets. A finding whose targets are not known is the same only with the same command line, or
/// one could hide behind another.
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
    texts(report.container_id.as_slice());
    // A copy must not hide behind the program that it is a copy of.
    texts(&report.known_as);
    texts(report.verdict.as_ref().map_or(&[], |verdict| &verdict.rule_ids));
    let targets = targets(report);
    texts(targets);
    if targets.is_empty() || targets.iter().any(|target| target.contains('\0')) {
        hash.update(report.argv_total.to_le_bytes());
        hash.update(&report.argv);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suppress::fixture::{at, finding};

    const LINE: &str = "curl https://crt.sh/?q=corp.example";
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_first_comes_at_once_and_the_others_as_one_at_the_end_of_the_interval() {
        let mut folding = Folding::new(MINUTE);
        assert!(folding.take(finding(100, 1, LINE)).is_some());
        for second in 110..115 {
            assert!(folding.take(finding(second, 1, LINE)).is_none());
        }
        assert!(folding.due(at(159)).is_empty());
        let due = folding.due(at(160));
        let [report] = due.as_slice() else {
            panic!("one: {due:?}");
        };
        assert_eq!(report.time, at(110), "the first of those that were folded");
        let since = at(100);
        assert_eq!(report.tuning.folded, Some(Folded { count: 5, since }));
        assert!(folding.take(finding(161, 1, LINE)).is_some(), "it starts again");
        assert!(folding.due(at(300)).is_empty(), "nothing was folded");
        assert!(folding.entries.is_empty() && folding.order.is_empty());
        assert_eq!(folding.bytes, 0);
    }

    #[test]
    fn only_what_is_the_same_is_folded() {
        let mut folding = Folding::new(MINUTE);
        let mut other_login = finding(1, 1, LINE);
        other_login.login_uid = Some(7);
        let mut other_container = finding(1, 1, LINE);
        other_container.container_id = Some("web".to_owned());
        let mut longer = finding(1, 1, LINE);
        longer.argv_total += 1;
        let mut other_power = finding(1, 1, LINE);
        other_power.effective_uid = Some(0);
        for report in [
            finding(1, 1, LINE),
            finding(1, 2, LINE),
            other_login,
            other_power,
            other_container,
            longer,
            // Whom these ask about is not known.
            finding(1, 1, "curl https://crt.sh/?q=other.example"),
            finding(1, 1, "sslscan corp.example"),
        ] {
            let again = report.clone();
            assert!(folding.take(report).is_some());
            assert!(folding.take(again).is_none());
        }
        assert_eq!(folding.drain().len(), 8);
        assert_eq!(folding.bytes, 0);
    }

    #[test]
    fn a_copy_is_not_folded_with_the_program_that_it_is_a_copy_of() {
        let mut folding = Folding::new(MINUTE);
        let mut copy = finding(2, 1, LINE);
        copy.known_as = vec!["curl".to_owned()];
        assert!(folding.take(finding(1, 1, LINE)).is_some());
        assert!(folding.take(copy.clone()).is_some());
        assert!(folding.take(copy).is_none());
    }

    #[test]
    fn an_interval_of_zero_folds_nothing() {
        let mut folding = Folding::new(Duration::ZERO);
        for _ in 0..3 {
            assert!(folding.take(finding(1, 1, LINE)).is_some());
        }
        assert!(folding.drain().is_empty());
    }

    #[test]
    fn memory_is_bounded_in_findings_and_in_bytes_and_the_rest_is_reported() {
        let mut folding = Folding::new(MINUTE);
        for user in 0..u32::try_from(MOST_FINDINGS).unwrap() + 10 {
            assert!(folding.take(finding(1, user, LINE)).is_some());
        }
        assert_eq!(folding.entries.len(), MOST_FINDINGS);
        let beyond = u32::try_from(MOST_FINDINGS).unwrap() + 5;
        assert!(folding.take(finding(2, beyond, LINE)).is_some(), "it is not remembered");
        assert!(folding.take(finding(2, 0, LINE)).is_none(), "this is");

        let mut folding = Folding::new(MINUTE);
        let long = |mark: char| format!("{LINE} {}", mark.to_string().repeat(MOST_REPORT_BYTES / 2));
        for (mark, folded) in [('a', true), ('b', false)] {
            assert!(folding.take(finding(1, 1, &long(mark))).is_some());
            assert_eq!(folding.take(finding(1, 1, &long(mark))).is_none(), folded, "{mark}");
        }
        assert!(folding.bytes <= MOST_REPORT_BYTES);
        assert_eq!(folding.drain().len(), 1);
        assert_eq!(folding.bytes, 0);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_interval() {
        let mut folding = Folding::new(MINUTE);
        assert!(folding.take(finding(1000, 1, LINE)).is_some());
        assert!(folding.take(finding(1000, 1, LINE)).is_none());
        assert!(folding.due(at(990)).is_empty(), "a little is the order of CPUs");
        assert_eq!(folding.due(at(100)).len(), 1);
    }
}
