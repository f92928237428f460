//! From an exec to what is reported: judges each one and keeps the sums. Pure: no I/O, no clock, so that records give what
//! the live monitor gave on the day.

use crate::{
    event::{Exec, FilePath},
    finding::Report,
    rules::{Confidence, Engine, Scratch, Subject, Verdict},
};

/// What is reported.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// Findings of at least this confidence.
    pub min_confidence: Confidence,
    /// Every exec, not only findings.
    pub all_execs: bool,
}

/// `delivered = findings + suppressed + folded + clean`. The pipeline counts a report of the confidence asked for as a finding;
/// the [gate](crate::suppress::Gate) that decides about it later moves it to where it belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Execs judged.
    pub delivered: u64,
    /// Execs that a rule matched and that were reported.
    pub findings: u64,
    /// Execs that a rule matched and that were not asked for: below the confidence asked for, beyond the count, or by a
    /// suppression.
    pub suppressed: u64,
    /// Findings folded into one that was the same.
    pub folded: u64,
    /// Execs that no rule matched.
    pub clean: u64,
    /// Reports made (with `all_execs`, of clean execs too).
    pub reports: u64,
}

/// The rules at work.
#[derive(Debug)]
pub struct Pipeline {
    engine: Engine,
    scratch: Scratch,
    selection: Selection,
    sums: Sums,
    lost_since_report: u64,
}

impl Pipeline {
    /// Judges with `engine`, reports what `selection` says.
    #[must_use]
    pub fn new(engine: Engine, selection: Selection) -> Self {
        let scratch = engine.scratch();
        Self {
            engine,
            scratch,
            selection,
            sums: Sums::default(),
            lost_since_report: 0,
        }
    }

    /// Judges an exec, before which `lost` others were lost; the report to make of it, if any.
    pub fn take(&mut self, exec: &Exec<'_>, lost: u64) -> Option<Report> {
        self.lost_since_report += lost;
        self.sums.delivered += 1;
        let verdict = judge(&self.engine, &mut self.scratch, exec);
        let asked_for = verdict
            .as_ref()
            .is_some_and(|verdict| verdict.confidence >= self.selection.min_confidence);
        *match &verdict {
            Some(_) if asked_for => &mut self.sums.findings,
            Some(_) => &mut self.sums.suppressed,
            None => &mut self.sums.clean,
        } += 1;
        if !(asked_for || self.selection.all_execs) {
            return None;
        }
        self.sums.reports += 1;
        let mut report = Report::new(exec, verdict);
        report.tuning.asked_for = asked_for;
        report.events_lost = std::mem::take(&mut self.lost_since_report);
        Some(report)
    }

    /// Counts an exec of the monitor's own, which is not judged; `lost` others were lost before it.
    pub fn take_own(&mut self, lost: u64) {
        self.lost_since_report += lost;
        self.sums.delivered += 1;
        self.sums.clean += 1;
    }

    /// Judges by other rules from now on.
    pub fn set_rules(&mut self, engine: Engine, min_confidence: Confidence) {
        self.scratch = engine.scratch();
        self.engine = engine;
        self.selection.min_confidence = min_confidence;
    }

    /// The sums so far.
    #[must_use]
    pub fn sums(&self) -> Sums {
        self.sums
    }
}

/// What the rules say about an exec.
pub fn judge(engine: &Engine, scratch: &mut Scratch, exec: &Exec<'_>) -> Option<Verdict> {
    with_subject(engine, exec, |subject| engine.judge(subject, scratch))
}

/// Calls `then` with what the rules look at of an exec.
pub fn with_subject<R>(engine: &Engine, exec: &Exec<'_>, then: impl FnOnce(&Subject<'_>) -> R) -> R {
    let mut names: [&[u8]; 3] = [b""; 3];
    let count = exec.file_names(&mut names);
    // The path has to be put together, which only rules that look at it are worth.
    let image = exec.executable.filter(|_| engine.wants_image()).map(FilePath::to_vec);
    then(&Subject {
        file_names: names.get(..count).unwrap_or_default(),
        command_line: exec.argv.bytes(),
        image: image.as_deref(),
        known_as: &[],
        is_truncated: exec.argv.is_cut(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        event::Argv,
        rules::{BUILTIN_PACKS, Pack},
    };

    fn pipeline(min_confidence: Confidence, all_execs: bool) -> Pipeline {
        let kql = BUILTIN_PACKS.iter().filter(|pack| pack.name == "kql");
        let packs: Vec<Pack> = kql.map(|pack| pack.parse().unwrap()).collect();
        Pipeline::new(
            Engine::new(&packs).unwrap(),
            Selection {
                min_confidence,
                all_execs,
            },
        )
    }

    fn run(pipeline: &mut Pipeline, path: &str, argv: &str, lost: u64) -> Option<Report> {
        let mut exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(argv.as_bytes()));
        exec.path = Some(path.as_bytes());
        pipeline.take(&exec, lost)
    }

    #[test]
    fn delivered_is_the_sum_of_what_became_of_the_execs() {
        let mut p = pipeline(Confidence::High, false);
        assert!(run(&mut p, "/usr/bin/curl", "curl\0https://crt.sh/\0", 0).is_some());
        assert!(
            run(&mut p, "/usr/bin/vim", "vim\0sslyze.py\0", 0).is_none(),
            "low confidence is not asked for"
        );
        assert!(run(&mut p, "/usr/bin/ls", "ls\0", 0).is_none());
        let sums = p.sums();
        assert_eq!(
            (sums.delivered, sums.findings, sums.suppressed, sums.clean),
            (3, 1, 1, 1)
        );
    }

    #[test]
    fn a_finding_carries_what_was_lost_since_the_one_before() {
        let mut p = pipeline(Confidence::Low, false);
        let curl = |p: &mut Pipeline, lost| run(p, "curl", "curl\0https://crt.sh/\0", lost).unwrap().events_lost;
        assert_eq!(curl(&mut p, 2), 2);
        assert!(run(&mut p, "ls", "ls\0", 3).is_none());
        assert_eq!(curl(&mut p, 1), 4);
        assert_eq!(curl(&mut p, 0), 0);
    }

    #[test]
    fn with_all_execs_what_was_not_asked_for_is_reported_and_not_counted_as_a_finding() {
        let mut p = pipeline(Confidence::High, true);
        assert!(!run(&mut p, "ls", "ls\0", 0).unwrap().tuning.asked_for);
        let low = run(&mut p, "/usr/bin/vim", "vim\0sslyze.py\0", 0).unwrap();
        assert!(low.verdict.is_some() && !low.tuning.asked_for);
        let high = run(&mut p, "curl", "curl\0https://crt.sh/\0", 0).unwrap();
        assert!(high.tuning.asked_for);
        let sums = p.sums();
        assert_eq!(
            (sums.delivered, sums.findings, sums.suppressed, sums.clean, sums.reports),
            (3, 1, 1, 1, 3)
        );
    }
}
