//! The last decision about a report, made when everything is known of it: suppressed, folded, or written.
//!
//! Owns that decision and its sums. It stands behind the stage that completes reports and before the outputs, and sees every
//! record in its order: what a health record says of the sums is what became of every report before it.

use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{facts::Facts, fold::Folding, set::Suppressions, suppression::Suppression};
use crate::{
    finding::{Report, Suppressed},
    pipeline::Sums,
    record::Health,
};

/// What is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Every exec: also what is suppressed, and nothing is folded.
    pub all_execs: bool,
    /// What is suppressed, marked.
    pub suppressed: bool,
    /// No more than so many reports.
    pub count: Option<u64>,
}

/// Decides about each report.
#[derive(Debug)]
pub struct Gate {
    suppressions: Suppressions,
    folding: Folding,
    wanted: Wanted,
    suppressed: u64,
    folded: u64,
    written: u64,
    /// Kernel events whose loss reports told of that were not written.
    lost: u64,
}

impl Gate {
    /// With these suppressions, folding within this interval (zero: not at all).
    #[must_use]
    pub fn new(suppressions: Vec<Suppression>, interval: Duration, wanted: Wanted) -> Self {
        Self {
            suppressions: Suppressions::new(suppressions),
            folding: Folding::new(interval),
            wanted,
            suppressed: 0,
            folded: 0,
            written: 0,
            lost: 0,
        }
    }

    /// Takes other suppressions and another interval. Counters of suppressions that keep their name go on.
    pub fn reload(&mut self, suppressions: Vec<Suppression>, interval: Duration) {
        self.suppressions.replace(suppressions);
        self.folding.set_interval(interval);
    }

    /// Decides about a complete report; it comes back when it is to be written.
    pub fn take(&mut self, mut report: Report) -> Option<Report> {
        self.lost += mem::take(&mut report.events_lost);
        let finding = report.verdict.is_some() && report.tuning.asked_for;
        if self.is_full() {
            self.suppressed += u64::from(finding);
            return None;
        }
        if finding {
            let holds = Facts::of(&report).and_then(|facts| self.suppressions.find(&facts));
            if let Some(suppression) = holds {
                self.suppressed += 1;
                if !(self.wanted.suppressed || self.wanted.all_execs) {
                    return None;
                }
                report.tuning.suppressed = Some(Suppressed {
                    name: suppression.name.clone(),
                    reason: suppression.reason.clone(),
                });
            } else if !self.wanted.all_execs {
                let Some(first) = self.folding.take(report) else {
                    self.folded += 1;
                    return None;
                };
                report = first;
            }
        }
        Some(self.written(report))
    }

    /// Ends the intervals of folding that are over: their reports.
    pub fn tick(&mut self, now: SystemTime) -> Vec<Report> {
        let due = self.folding.due(now);
        self.all_written(due)
    }

    /// Ends every interval of folding: their reports.
    pub fn end(&mut self) -> Vec<Report> {
        let left = self.folding.drain();
        self.all_written(left)
    }

    /// Suppressions that have expired since the last look, each told once.
    pub fn newly_expired(&mut self, now: SystemTime) -> Vec<Arc<Suppression>> {
        self.suppressions.newly_expired(now)
    }

    /// Puts what became of the reports into sums that count each as a finding.
    pub fn settle(&self, sums: &mut Sums) {
        // Every report that was suppressed or folded here was counted as a finding when it was made.
        sums.findings = sums.findings.saturating_sub(self.suppressed + self.folded);
        sums.suppressed += self.suppressed;
        sums.folded += self.folded;
        sums.reports = self.written;
    }

    /// Puts sums and suppressions into a health record.
    pub fn complete(&self, health: &mut Health) {
        self.settle(&mut health.sums);
        health.suppressions = self.suppressions.states(health.time);
    }

    /// Whether as many reports were written as were asked for.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.wanted.count.is_some_and(|count| self.written >= count)
    }

    fn all_written(&mut self, reports: Vec<Report>) -> Vec<Report> {
        let mut written = Vec::with_capacity(reports.len());
        for report in reports {
            if self.is_full() {
                break;
            }
            written.push(self.written(report));
        }
        written
    }

    fn written(&mut self, mut report: Report) -> Report {
        self.written += 1;
        report.events_lost = mem::take(&mut self.lost);
        report
    }
}
