//! The last decision about a report, made when everything is known of it: suppressed, folded, or written.
//!
//! Owns that decision and its sums, and the one before it: whether a suspect is a copy of a watched program, which its
//! hash tells. It stands behind the stage that completes reports and before the outputs, and sees every
//! record in its order: what a health record says of the sums is what became of every report before it.

use std::{
    collections::BTreeMap,
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{facts::Facts, fold::Folding, set::Suppressions, suppression::Suppression};
use crate::{
    finding::{Report, Suppressed},
    metrics::Findings,
    pipeline::Sums,
    record::{Health, SuppressionState},
    rules::Confidence,
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
    /// Findings that were neither suppressed nor folded, by category.
    found: BTreeMap<(String, Confidence), u64>,
    /// Where the pipeline counted execs whose hash was decisive, and where they belong.
    counted: Sums,
    belong: Sums,
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
            found: BTreeMap::new(),
            counted: Sums::default(),
            belong: Sums::default(),
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
        if !report.suspicions.is_empty() {
            *place(&report, &mut self.counted) += 1;
            report.decide();
            *place(&report, &mut self.belong) += 1;
        }
        // Made for a hash to decide about, or for the record alone.
        if !(report.tuning.asked_for || self.wanted.all_execs) {
            return None;
        }
        let finding = report.verdict.is_some() && report.tuning.asked_for;
        let mut is_counted = finding;
        if self.is_full() {
            self.suppressed += u64::from(finding);
            return None;
        }
        if finding {
            let holds = Facts::of(&report).and_then(|facts| self.suppressions.find(&facts));
            if let Some(suppression) = holds {
                self.suppressed += 1;
                is_counted = false;
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
        if let Some(verdict) = report.verdict.as_ref().filter(|_| is_counted) {
            let kind = (verdict.category.clone(), verdict.confidence);
            *self.found.entry(kind).or_default() += 1;
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
        for (sum, counted, belong) in [
            (&mut sums.findings, self.counted.findings, self.belong.findings),
            (&mut sums.suppressed, self.counted.suppressed, self.belong.suppressed),
            (&mut sums.clean, self.counted.clean, self.belong.clean),
        ] {
            *sum = (*sum + belong).saturating_sub(counted);
        }
        // Every report that was suppressed or folded here was counted as a finding when it was made or decided.
        sums.findings = sums.findings.saturating_sub(self.suppressed + self.folded);
        sums.suppressed += self.suppressed;
        sums.folded += self.folded;
        sums.reports = self.written;
    }

    /// Puts sums and suppressions into a health record.
    pub fn complete(&self, health: &mut Health) {
        self.settle(&mut health.sums);
        health.suppressions = self.states(health.time);
    }

    /// The findings that were neither suppressed nor folded, by category and confidence. Together they are the findings of the
    /// sums, but for those whose reports did not get here.
    #[must_use]
    pub fn found(&self) -> Vec<Findings> {
        let found = self.found.iter();
        found
            .map(|((category, confidence), count)| Findings {
                category: category.clone(),
                confidence: *confidence,
                count: *count,
            })
            .collect()
    }

    /// Each suppression, as it is at that time.
    #[must_use]
    pub fn states(&self, now: SystemTime) -> Vec<SuppressionState> {
        self.suppressions.states(now)
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

/// Where a report is counted by what the rules say.
fn place<'s>(report: &Report, sums: &'s mut Sums) -> &'s mut u64 {
    match &report.verdict {
        Some(_) if report.tuning.asked_for => &mut sums.findings,
        Some(_) => &mut sums.suppressed,
        None => &mut sums.clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        finding::Suspicion,
        suppress::{
            REMOVED,
            fixture::{at, finding},
        },
    };

    const MINUTE: Duration = Duration::from_secs(60);
    const LINE: &str = "curl https://crt.sh/?q=corp.example";

    fn suppressions(text: &str) -> Vec<Suppression> {
        Config::parse("test", text).unwrap().suppressions
    }

    /// User 1 is suppressed.
    fn gate(wanted: Wanted) -> Gate {
        let one = suppressions("[[suppress]]\nname = 'one'\nreason = 'agreed'\naccount = 'user1'");
        Gate::new(one, MINUTE, wanted)
    }

    /// The sums when so many findings were made.
    fn sums(gate: &Gate, made: u64) -> (u64, u64, u64) {
        let mut sums = Sums {
            findings: made,
            ..Sums::default()
        };
        gate.settle(&mut sums);
        assert_eq!(sums.findings + sums.suppressed + sums.folded, made);
        let found: u64 = gate.found().iter().map(|found| found.count).sum();
        assert_eq!(found, sums.findings, "by category they are as many");
        (sums.findings, sums.suppressed, sums.folded)
    }

    fn counts(gate: &Gate, now: u64) -> Vec<(String, u64, bool)> {
        let states = gate.suppressions.states(at(now));
        states.into_iter().map(|s| (s.name, s.count, s.expired)).collect()
    }

    #[test]
    fn each_finding_is_written_suppressed_or_folded_and_counted_as_that() {
        let mut gate = gate(Wanted::default());
        assert!(gate.take(finding(1, 1, LINE)).is_none());
        assert!(gate.take(finding(1, 2, LINE)).is_some());
        assert!(gate.take(finding(2, 2, LINE)).is_none());
        assert!(gate.take(finding(3, 2, LINE)).is_none());
        assert_eq!(sums(&gate, 4), (1, 1, 2));
        assert_eq!(counts(&gate, 3), [("one".to_owned(), 1, false)]);
        let due = gate.tick(at(61));
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].tuning.folded.map(|folded| folded.count), Some(2));
        assert_eq!(
            sums(&gate, 4),
            (1, 1, 2),
            "the record that tells of them is not counted again"
        );
        assert!(gate.end().is_empty());
    }

    #[test]
    fn what_is_suppressed_is_shown_when_that_is_asked_for_and_counted_all_the_same() {
        for wanted in [
            Wanted {
                suppressed: true,
                ..Wanted::default()
            },
            Wanted {
                all_execs: true,
                ..Wanted::default()
            },
        ] {
            let mut gate = gate(wanted);
            let shown = gate.take(finding(1, 1, LINE)).unwrap().tuning.suppressed.unwrap();
            assert_eq!((shown.name.as_str(), shown.reason.as_str()), ("one", "agreed"));
            assert!(gate.take(finding(1, 1, LINE)).is_some(), "what is shown is not folded");
            assert!(gate.take(finding(1, 2, LINE)).unwrap().tuning.suppressed.is_none());
            assert_eq!(sums(&gate, 3), (1, 2, 0));
        }
    }

    #[test]
    fn with_all_execs_nothing_is_folded_and_what_was_not_asked_for_is_not_counted() {
        let mut gate = gate(Wanted {
            all_execs: true,
            ..Wanted::default()
        });
        for _ in 0..2 {
            assert!(gate.take(finding(1, 2, LINE)).is_some());
        }
        for user in [1, 2] {
            let mut low = finding(1, user, LINE);
            low.tuning.asked_for = false;
            assert!(gate.take(low).unwrap().tuning.suppressed.is_none());
            let mut clean = finding(1, user, LINE);
            clean.verdict = None;
            clean.tuning.asked_for = false;
            assert!(gate.take(clean).is_some());
        }
        assert_eq!(sums(&gate, 2), (2, 0, 0));
    }

    #[test]
    fn no_more_is_written_than_asked_for_and_the_rest_is_counted() {
        let mut gate = gate(Wanted {
            count: Some(2),
            ..Wanted::default()
        });
        assert!(gate.take(finding(1, 1, LINE)).is_none(), "suppressed: not a result");
        assert!(gate.take(finding(1, 2, LINE)).is_some());
        assert!(gate.take(finding(1, 2, LINE)).is_none());
        assert!(!gate.is_full());
        assert!(gate.take(finding(1, 3, LINE)).is_some());
        assert!(gate.is_full());
        assert!(gate.take(finding(1, 4, LINE)).is_none());
        assert!(gate.end().is_empty(), "nor what was folded");
        assert_eq!(sums(&gate, 5), (2, 2, 1));
    }

    #[test]
    fn losses_that_an_unwritten_report_told_of_are_told_by_the_next_one() {
        let mut gate = gate(Wanted::default());
        let lossy = |seconds, user| {
            let mut report = finding(seconds, user, LINE);
            report.events_lost = 3;
            report
        };
        assert!(gate.take(lossy(1, 1)).is_none());
        assert_eq!(gate.take(lossy(1, 2)).unwrap().events_lost, 6);
        assert!(gate.take(lossy(2, 2)).is_none());
        assert_eq!(gate.end()[0].events_lost, 3);
        assert_eq!(gate.take(finding(3, 3, LINE)).unwrap().events_lost, 0);
    }

    #[test]
    fn a_reload_keeps_the_counts_and_takes_the_new_suppressions_and_interval() {
        let mut gate = gate(Wanted::default());
        assert!(gate.take(finding(1, 1, LINE)).is_none());
        let kept = "[[suppress]]\nname = 'one'\nreason = 'r'\naccount = 'user2'\n";
        let other = "[[suppress]]\nreason = 'r'\naccount = 'user3'\nexpires = 1970-01-01T00:00:50Z\n";
        gate.reload(suppressions(&format!("{other}{kept}")), Duration::ZERO);
        assert!(gate.take(finding(2, 1, LINE)).is_some());
        assert!(gate.take(finding(2, 1, LINE)).is_some(), "nothing is folded");
        assert!(gate.take(finding(2, 2, LINE)).is_none());
        assert!(gate.take(finding(2, 3, LINE)).is_none());
        let row = |name: &str, count, expired| (name.to_owned(), count, expired);
        assert_eq!(counts(&gate, 60), [row("#1", 1, true), row("one", 2, false)]);
        assert_eq!(gate.newly_expired(at(49)).len(), 0);
        assert_eq!(gate.newly_expired(at(50))[0].name, "#1");
        assert_eq!(gate.newly_expired(at(51)).len(), 0, "told once");
        gate.reload(Vec::new(), MINUTE);
        gate.reload(suppressions(kept), MINUTE);
        assert_eq!(counts(&gate, 60), [row("one", 0, false), row(REMOVED, 3, false)]);
        assert_eq!(sums(&gate, 5), (2, 3, 0));
    }

    /// What a suspect comes to: an exec that is `ordinary` by its name, and by the hash `[1; 32]` a finding of curl's, asked
    /// for or not.
    fn suspect(ordinary: Option<bool>, if_right: bool, sha256: Option<Result<[u8; 32], String>>) -> Report {
        let mut report = finding(1, 2, LINE);
        let verdict = report.verdict.clone().unwrap();
        report.suspicions = vec![
            Suspicion {
                sha256: [9; 32],
                known_as: vec!["wget".to_owned()],
                verdict: verdict.clone(),
                asked_for: true,
            },
            Suspicion {
                sha256: [1; 32],
                known_as: vec!["curl".to_owned()],
                verdict,
                asked_for: if_right,
            },
        ];
        report.sha256 = sha256;
        report.tuning.asked_for = ordinary == Some(true);
        report.verdict = report.verdict.filter(|_| ordinary.is_some());
        report
    }

    /// Findings, suppressed, folded, clean of one exec that was counted as `ordinary`.
    fn sums_of_one(gate: &Gate, ordinary: Option<bool>) -> (u64, u64, u64, u64) {
        let mut sums = Sums {
            delivered: 1,
            findings: u64::from(ordinary == Some(true)),
            suppressed: u64::from(ordinary == Some(false)),
            clean: u64::from(ordinary.is_none()),
            ..Sums::default()
        };
        gate.settle(&mut sums);
        let found: u64 = gate.found().iter().map(|found| found.count).sum();
        assert_eq!(found, sums.findings, "by category they are as many");
        let Sums {
            findings,
            suppressed,
            folded,
            clean,
            delivered,
            ..
        } = sums;
        assert_eq!(delivered, findings + suppressed + folded + clean);
        (findings, suppressed, folded, clean)
    }

    #[test]
    fn a_suspect_is_what_its_hash_says_and_counted_as_that() {
        let right = || Some(Ok([1; 32]));
        let wrong = || Some(Ok([2; 32]));
        let unknown = || Some(Err("the process had ended".to_owned()));
        for (ordinary, if_right, sha256, written, sums) in [
            (None, true, right(), true, (1, 0, 0, 0)),
            (None, true, wrong(), false, (0, 0, 0, 1)),
            (None, true, unknown(), false, (0, 0, 0, 1)),
            (None, true, None, false, (0, 0, 0, 1)),
            (None, false, right(), false, (0, 1, 0, 0)),
            (Some(false), true, right(), true, (1, 0, 0, 0)),
            (Some(false), true, wrong(), false, (0, 1, 0, 0)),
            (Some(true), true, right(), true, (1, 0, 0, 0)),
            (Some(true), true, wrong(), true, (1, 0, 0, 0)),
            (Some(true), true, unknown(), true, (1, 0, 0, 0)),
        ] {
            let mut gate = gate(Wanted::default());
            let case = format!("{ordinary:?} {if_right} {sha256:?}");
            let is_right = sha256 == right();
            let taken = gate.take(suspect(ordinary, if_right, sha256));
            assert_eq!(taken.is_some(), written, "{case}");
            assert_eq!(sums_of_one(&gate, ordinary), sums, "{case}");
            if let Some(report) = taken {
                assert!(report.suspicions.is_empty());
                assert_eq!(report.known_as == ["curl"], is_right, "{case}");
            }
        }
    }

    #[test]
    fn a_copy_that_was_found_out_is_folded_and_suppressed_like_any_finding() {
        let mut gate = gate(Wanted::default());
        let copy = || suspect(None, true, Some(Ok([1; 32])));
        assert!(gate.take(copy()).is_some());
        assert!(gate.take(copy()).is_none());
        let mut by_another = copy();
        by_another.uid = Some(1);
        by_another.account = Some("user1".to_owned());
        assert!(gate.take(by_another).is_none());
        let mut sums = Sums {
            delivered: 3,
            clean: 3,
            ..Sums::default()
        };
        gate.settle(&mut sums);
        assert_eq!((sums.findings, sums.suppressed, sums.folded, sums.clean), (1, 1, 1, 0));
    }

    #[test]
    fn a_suspect_that_is_nothing_is_written_when_every_exec_is_and_passes_on_what_was_lost_otherwise() {
        let mut showing = gate(Wanted {
            all_execs: true,
            ..Wanted::default()
        });
        let clean = showing.take(suspect(None, true, Some(Ok([2; 32])))).unwrap();
        assert!(clean.verdict.is_none() && clean.known_as.is_empty());

        let mut gate = gate(Wanted::default());
        let mut nothing = suspect(None, true, None);
        nothing.events_lost = 5;
        assert!(gate.take(nothing).is_none());
        assert_eq!(gate.take(finding(2, 2, LINE)).unwrap().events_lost, 5);
    }

    #[test]
    fn a_copy_found_out_when_enough_was_written_is_counted_as_suppressed() {
        let mut gate = gate(Wanted {
            count: Some(0),
            ..Wanted::default()
        });
        assert!(gate.take(suspect(None, true, Some(Ok([1; 32])))).is_none());
        assert_eq!(sums_of_one(&gate, None), (0, 1, 0, 0));
    }
}
