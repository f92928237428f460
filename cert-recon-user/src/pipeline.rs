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
    /// No more than so many reports.
    pub count: Option<u64>,
}

/// `delivered = findings + suppressed + folded + clean`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Execs judged.
    pub delivered: u64,
    /// Execs that a rule matched and that were reported.
    pub findings: u64,
    /// Execs that a rule matched and that were not asked for: below the confidence asked for, or beyond the count.
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
        let room = !self.is_full();
        let wanted = match &verdict {
            Some(verdict) if room && verdict.confidence >= self.selection.min_confidence => {
                self.sums.findings += 1;
                true
            }
            Some(_) => {
                self.sums.suppressed += 1;
                self.selection.all_execs && room
            }
            None => {
                self.sums.clean += 1;
                self.selection.all_execs && room
            }
        };
        if !wanted {
            return None;
        }
        self.sums.reports += 1;
        let mut report = Report::new(exec, verdict);
        report.events_lost = std::mem::take(&mut self.lost_since_report);
        Some(report)
    }

    /// Counts an exec of the monitor's own, which is not judged; `lost` others were lost before it.
    pub fn take_own(&mut self, lost: u64) {
        self.lost_since_report += lost;
        self.sums.delivered += 1;
        self.sums.clean += 1;
    }

    /// Whether as many reports were made as were asked for.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.selection.count.is_some_and(|count| self.sums.reports >= count)
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

    fn pipeline(min_confidence: Confidence, all_execs: bool, count: Option<u64>) -> Pipeline {
        let kql = BUILTIN_PACKS.iter().filter(|pack| pack.name == "kql");
        let packs: Vec<Pack> = kql.map(|pack| pack.parse().unwrap()).collect();
        Pipeline::new(
            Engine::new(&packs).unwrap(),
            Selection {
                min_confidence,
                all_execs,
                count,
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
        let mut p = pipeline(Confidence::High, false, None);
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
        let mut p = pipeline(Confidence::Low, false, None);
        let curl = |p: &mut Pipeline, lost| run(p, "curl", "curl\0https://crt.sh/\0", lost).unwrap().events_lost;
        assert_eq!(curl(&mut p, 2), 2);
        assert!(run(&mut p, "ls", "ls\0", 3).is_none());
        assert_eq!(curl(&mut p, 1), 4);
        assert_eq!(curl(&mut p, 0), 0);
    }

    #[test]
    fn no_more_reports_than_asked_for_and_the_rest_is_counted() {
        let mut p = pipeline(Confidence::Low, true, Some(1));
        assert!(run(&mut p, "ls", "ls\0", 0).is_some());
        assert!(p.is_full());
        assert!(run(&mut p, "ls", "ls\0", 0).is_none());
        assert!(run(&mut p, "curl", "curl\0https://crt.sh/\0", 0).is_none());
        let sums = p.sums();
        assert_eq!(
            (sums.delivered, sums.findings, sums.suppressed, sums.clean, sums.reports),
            (3, 0, 1, 2, 1)
        );
    }
}
