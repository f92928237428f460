//! From an exec to what is reported: judges each one and keeps the sums. Pure: no I/O, no clock, so that records give what
//! the live monitor gave on the day.

use crate::{
    enrich::known::SharedPrograms,
    event::{Exec, FilePath},
    finding::{Report, Suspicion},
    rules::{Confidence, Engine, Scratch, Subject, Verdict},
};

/// What is reported.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// Findings of at least this confidence.
    pub min_confidence: Confidence,
    /// Every exec, not only findings.
    pub all_execs: bool,
    /// Every exec is recorded beside what is reported: there is a report of each, and what is not asked for ends at the
    /// [gate](crate::suppress::Gate).
    pub recorded: bool,
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
    /// Of these, the monitor's own to test itself: they are in no output and no record.
    pub own: u64,
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
    programs: SharedPrograms,
}

/// What is known of an exec once the rules have seen it.
struct Judged {
    verdict: Option<Verdict>,
    asked_for: bool,
    suspicions: Vec<Suspicion>,
}

impl Judged {
    /// It is a finding, or may turn out to be one.
    fn is_urgent(&self) -> bool {
        self.asked_for || !self.suspicions.is_empty()
    }
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
            programs: SharedPrograms::default(),
        }
    }

    /// Suspects copies of these programs, from an index that others keep.
    #[must_use]
    pub fn with_programs(self, programs: SharedPrograms) -> Self {
        Self { programs, ..self }
    }

    /// Judges an exec, before which `lost` others were lost; the report to make of it, if any. It is counted by what it is
    /// called; the [gate](crate::suppress::Gate) counts it anew when the hash shows that it is a copy of something else.
    pub fn take(&mut self, exec: &Exec<'_>, lost: u64) -> Option<Report> {
        let judged = self.judge(exec, lost);
        self.is_wanted(&judged).then(|| self.report(exec, judged))
    }

    /// The same for one who has no time for execs that were not asked for: no report is made of those, and the flag says whether
    /// one would have been.
    pub fn take_in_a_hurry(&mut self, exec: &Exec<'_>, lost: u64) -> (Option<Report>, bool) {
        let judged = self.judge(exec, lost);
        match judged.is_urgent() {
            true => (Some(self.report(exec, judged)), false),
            false => (None, self.is_wanted(&judged)),
        }
    }

    fn judge(&mut self, exec: &Exec<'_>, lost: u64) -> Judged {
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
        let suspicions = self.suspicions(exec, verdict.as_ref());
        Judged {
            verdict,
            asked_for,
            suspicions,
        }
    }

    fn is_wanted(&self, judged: &Judged) -> bool {
        judged.is_urgent() || self.selection.all_execs || self.selection.recorded
    }

    fn report(&mut self, exec: &Exec<'_>, judged: Judged) -> Report {
        self.sums.reports += 1;
        let mut report = Report::new(exec, judged.verdict);
        report.tuning.asked_for = judged.asked_for;
        report.suspicions = judged.suspicions;
        report.events_lost = std::mem::take(&mut self.lost_since_report);
        report
    }

    /// What the rules would say if the executable were the watched program that has its size, when that is more than the
    /// `ordinary` verdict says.
    fn suspicions(&mut self, exec: &Exec<'_>, ordinary: Option<&Verdict>) -> Vec<Suspicion> {
        let programs = exec.executable_size.and_then(|size| self.programs.of_size(size));
        let Some(programs) = programs else { return Vec::new() };
        let mut names: [&[u8]; 3] = [b""; 3];
        let count = exec.file_names(&mut names);
        let names = names.get(..count).unwrap_or_default();
        let others = programs.iter().filter(|program| !program.is_called(names));
        others
            .filter_map(|program| {
                let known_as: Vec<&[u8]> = program.names.iter().map(String::as_bytes).collect();
                let (engine, scratch) = (&self.engine, &mut self.scratch);
                let verdict = with_subject(engine, exec, &known_as, |subject| engine.judge(subject, scratch))?;
                // What a program really is never makes less of what it is called.
                let says_more =
                    ordinary.is_none_or(|ordinary| verdict != *ordinary && verdict.confidence >= ordinary.confidence);
                says_more.then(|| Suspicion {
                    sha256: program.sha256,
                    known_as: program.names.clone(),
                    asked_for: verdict.confidence >= self.selection.min_confidence,
                    verdict,
                })
            })
            .collect()
    }

    /// Counts an exec of the monitor's own, which is not judged; `lost` others were lost before it.
    pub fn take_own(&mut self, lost: u64) {
        self.lost_since_report += lost;
        self.sums.delivered += 1;
        self.sums.clean += 1;
        self.sums.own += 1;
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
    with_subject(engine, exec, &[], |subject| engine.judge(subject, scratch))
}

/// Calls `then` with what the rules look at of an exec, whose executable is a copy of the program `known_as` these names.
pub fn with_subject<R>(
    engine: &Engine,
    exec: &Exec<'_>,
    known_as: &[&[u8]],
    then: impl FnOnce(&Subject<'_>) -> R,
) -> R {
    let mut names: [&[u8]; 3] = [b""; 3];
    let count = exec.file_names(&mut names);
    // The path has to be put together, which only rules that look at it are worth.
    let image = exec.executable.filter(|_| engine.wants_image()).map(FilePath::to_vec);
    then(&Subject {
        file_names: names.get(..count).unwrap_or_default(),
        command_line: exec.argv.bytes(),
        image: image.as_deref(),
        known_as,
        is_truncated: exec.argv.is_cut(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        enrich::known::{KnownProgram, KnownPrograms},
        event::Argv,
        rules::{BUILTIN_PACKS, DEFAULT_PACKS, Pack},
    };

    fn pipeline(min_confidence: Confidence, all_execs: bool) -> Pipeline {
        let kql = BUILTIN_PACKS.iter().filter(|pack| pack.name == "kql");
        let packs: Vec<Pack> = kql.map(|pack| pack.parse().unwrap()).collect();
        Pipeline::new(
            Engine::new(&packs).unwrap(),
            Selection {
                min_confidence,
                all_execs,
                recorded: false,
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
    fn in_a_hurry_only_findings_are_reported_all_is_counted_and_what_was_lost_is_told_by_the_next() {
        for (all_execs, recorded) in [(false, false), (true, false), (false, true)] {
            let mut p = pipeline(Confidence::Low, all_execs);
            p.selection.recorded = recorded;
            let mut take = |path: &str, argv: &str, lost| {
                let mut exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(argv.as_bytes()));
                exec.path = Some(path.as_bytes());
                p.take_in_a_hurry(&exec, lost)
            };
            let (report, is_left_out) = take("/usr/bin/ls", "ls\0", 5);
            assert_eq!((report.is_none(), is_left_out), (true, all_execs || recorded));
            let (report, is_left_out) = take("/usr/bin/curl", "curl\0https://crt.sh/\0", 0);
            let report = report.unwrap();
            assert!((report.tuning.asked_for, report.events_lost, is_left_out) == (true, 5, false));
            let sums = p.sums();
            assert_eq!((sums.delivered, sums.clean, sums.findings), (2, 1, 1));
        }
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

    const CURL: [u8; 32] = [1; 32];

    /// All default rules, and a host whose curl has 100 bytes and whose python has 200.
    fn with_programs(min_confidence: Confidence) -> Pipeline {
        let default = BUILTIN_PACKS.iter().filter(|pack| DEFAULT_PACKS.contains(&pack.name));
        let packs: Vec<Pack> = default.map(|pack| pack.parse().unwrap()).collect();
        let program = |size, sha256, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            (size, KnownProgram { sha256, names })
        };
        let programs = SharedPrograms::default();
        programs.publish(KnownPrograms::new([
            program(100, CURL, &["curl"]),
            program(200, [2; 32], &["python3.11", "python3", "python"]),
        ]));
        let selection = Selection {
            min_confidence,
            all_execs: false,
            recorded: false,
        };
        Pipeline::new(Engine::new(&packs).unwrap(), selection).with_programs(programs)
    }

    fn run_sized(pipeline: &mut Pipeline, size: u64, path: &str, argv: &str) -> Option<Report> {
        let mut exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(argv.as_bytes()));
        exec.path = Some(path.as_bytes());
        exec.executable_size = Some(size);
        pipeline.take(&exec, 0)
    }

    #[test]
    fn a_program_of_the_size_of_another_is_suspect_when_that_would_make_more_of_it() {
        let mut p = with_programs(Confidence::Low);
        // Only curl reads the braces.
        let asks = "x\0https://{crt,foo}.sh/?q=example.com\0";
        let report = run_sized(&mut p, 100, "/tmp/x", asks).unwrap();
        assert!(report.verdict.is_none(), "nothing is known yet");
        let suspicion = &report.suspicions[0];
        assert_eq!(
            (suspicion.sha256, suspicion.known_as.as_slice()),
            (CURL, &["curl".to_owned()][..])
        );
        assert_eq!(suspicion.verdict.confidence, Confidence::High);
        assert!(suspicion.asked_for);
        assert_eq!(p.sums().clean, 1, "and counted as what it is called");

        let code = "srv\0-c\0import urllib.request as r; r.urlopen('https://crt.sh/?q=example.com')\0";
        let report = run_sized(&mut p, 200, "/tmp/srv", code).unwrap();
        assert_eq!(report.suspicions[0].verdict.category, "CTLogQuery");
        assert_eq!(report.suspicions[0].known_as, ["python3.11", "python3", "python"]);
    }

    #[test]
    fn what_is_called_by_its_own_name_or_has_another_size_or_says_nothing_is_no_suspect() {
        let mut p = with_programs(Confidence::Low);
        for (size, path, argv) in [
            (101, "/tmp/x", "x\0https://{crt,foo}.sh/\0"),
            (100, "/usr/bin/curl", "curl\0https://example.com/\0"),
            (100, "/tmp/curl-8.1", "x\0https://example.com/\0"),
            (200, "/opt/venv/bin/python", "python\0-c\0print(1)\0"),
            (200, "/opt/venv/bin/python3.12", "x\0-c\0print(1)\0"),
            (200, "/tmp/srv", "srv\0-c\0print(1)\0"),
        ] {
            assert!(run_sized(&mut p, size, path, argv).is_none(), "{path} {argv}");
        }
        let clean = p.sums().clean;
        // By its own name it is the finding that it always was.
        let report = run_sized(&mut p, 100, "/usr/bin/curl", "x\0https://crt.sh/\0").unwrap();
        assert!(report.verdict.is_some() && report.suspicions.is_empty());
        assert_eq!((p.sums().findings, p.sums().clean), (1, clean));
    }

    #[test]
    fn a_suspicion_that_would_not_be_asked_for_says_so() {
        let mut p = with_programs(Confidence::Medium);
        let report = run_sized(&mut p, 100, "/tmp/x", "x\0https://example.com/\0").unwrap();
        assert_eq!(report.suspicions[0].verdict.rule_ids, ["extended-renamed"]);
        assert!(!report.suspicions[0].asked_for && !report.tuning.asked_for);
    }

    #[test]
    fn other_packs_than_those_about_copies_suspect_nothing() {
        let mut kql = pipeline(Confidence::Low, false).with_programs(with_programs(Confidence::Low).programs);
        assert!(run_sized(&mut kql, 100, "/tmp/x", "x\0https://crt.sh/\0").is_none());
    }
}
