//! Logs that auditd wrote, and what was executed meanwhile.

use super::{args, latin1, line, parsed, unpacked};
use crate::{
    finding::Report,
    source::recorded::{
        Input,
        audit::{AuditParser, looks_like},
        collect::Collected,
    },
};

const LOGS: [(&[u8], &[u8]); 2] = [
    (
        include_bytes!("../../../../../tests/data/records/auditd-login-raw.log.gz"),
        include_bytes!("../../../../../tests/data/records/auditd-login-raw.truth.json.gz"),
    ),
    (
        include_bytes!("../../../../../tests/data/records/auditd-login-enriched.log.gz"),
        include_bytes!("../../../../../tests/data/records/auditd-login-enriched.truth.json.gz"),
    ),
];

/// What was executed.
struct Run {
    name: String,
    pid: u32,
    path: Vec<u8>,
    argv: Vec<Vec<u8>>,
}

fn runs(truth: &[u8]) -> Vec<Run> {
    let truth: Vec<serde_json::Value> = serde_json::from_slice(&unpacked(truth)).unwrap();
    let of = |run: &serde_json::Value| Run {
        name: run["name"].as_str().unwrap().to_owned(),
        pid: u32::try_from(run["pid"].as_u64().unwrap()).unwrap(),
        path: latin1(&run["path"]),
        argv: run["argv"].as_array().unwrap().iter().map(latin1).collect(),
    };
    truth.iter().map(of).collect()
}

fn of_run<'a>(found: &'a Collected, runs: &[Run], name: &str) -> Option<&'a Report> {
    let run = runs.iter().find(|run| run.name == name).unwrap();
    found.reports.iter().find(|report| report.pid == Some(run.pid))
}

/// An exec, as far as it is compared: its process, and arguments, directory and executable.
type Told = (Option<u32>, [Option<Vec<u8>>; 3]);

fn told(report: &Report) -> Told {
    let texts = [
        Some(report.argv.clone()),
        report.directory.clone(),
        report.folder_path.clone(),
    ];
    (report.pid, texts)
}

#[test]
fn every_exec_has_the_arguments_that_it_was_given_however_long() {
    for (log, truth) in LOGS {
        let (found, runs) = (parsed(&unpacked(log)), runs(truth));
        assert_eq!(found.bad, []);
        assert!(runs.len() > 20);
        for run in &runs {
            let report = of_run(&found, &runs, &run.name);
            let Some(report) = report.filter(|_| run.name != "fail") else {
                assert_eq!(run.name, "fail");
                assert!(report.is_none(), "an exec that failed did not happen");
                continue;
            };
            let given = args(report);
            if let Some(script) = &report.script_path {
                assert_eq!(*script, run.path, "{}", run.name);
                let own = given.len() - run.argv.len();
                assert_eq!(given[own], run.path, "{}", run.name);
                assert_eq!(given[own + 1..], run.argv[1..], "{}", run.name);
            } else {
                assert!(given == run.argv, "{}", run.name);
            }
            assert!(!report.arguments().is_cut(), "{}", run.name);
            assert_eq!(report.login_uid, Some(4242), "{}", run.name);
            assert!(report.session_id.is_some() && report.directory.is_some() && report.uid == Some(0));
        }
    }
}

#[test]
fn scripts_are_told_from_programs_that_are_only_called_so() {
    for (log, truth) in LOGS {
        let (found, runs) = (parsed(&unpacked(log)), runs(truth));
        for (name, program) in [
            ("script", Some("sh")),
            ("relscript", Some("sh")),
            ("argscript", Some("sh")),
            ("spacescript", Some("sh")),
            ("nested", Some("sh")),
            ("envscript", Some("env")),
            ("ldname", None),
            ("curl", None),
            ("memfd", None),
        ] {
            let report = of_run(&found, &runs, name).unwrap();
            assert_eq!(report.script_path.is_some(), program.is_some(), "{name}");
            let Some(program) = program else { continue };
            assert_eq!(report.file_name.as_deref(), Some(program.as_bytes()), "{name}");
        }
        let memory = of_run(&found, &runs, "memfd").unwrap();
        assert_eq!(memory.fileless, Some(true));
        let tty = of_run(&found, &runs, "tty").unwrap().tty.as_deref();
        assert!(tty.is_some_and(|tty| tty.starts_with(b"pts/")));
        assert_eq!(of_run(&found, &runs, "curl").unwrap().tty, None);
    }
}

#[test]
fn what_a_process_ran_before_and_the_processes_above_it_are_told() {
    let (log, truth) = LOGS[1];
    let (found, runs) = (parsed(&unpacked(log)), runs(truth));
    let env = runs.iter().find(|run| run.name == "env").unwrap();
    let images: Vec<_> = found
        .reports
        .iter()
        .filter(|report| report.pid == Some(env.pid))
        .collect();
    let names: Vec<_> = images
        .iter()
        .map(|report| {
            let previous = report.previous.as_ref().and_then(|image| image.file_name.clone());
            (report.file_name.clone().unwrap(), previous)
        })
        .collect();
    let expected = [("env", None), ("nice", Some("env")), ("openssl", Some("nice"))]
        .map(|(name, before)| (name.as_bytes().to_vec(), before.map(|name| name.as_bytes().to_vec())));
    assert_eq!(names, expected);
    let wget = found
        .reports
        .iter()
        .find(|report| line(report).starts_with("wget"))
        .unwrap();
    let above: Vec<_> = wget
        .ancestry
        .iter()
        .filter_map(|above| above.image.argv.clone())
        .collect();
    assert!(above[0].starts_with(b"sh\0-c\0wget -q"), "{above:?}");
    assert!(above.iter().any(|argv| argv.starts_with(b"sh\0-c\0sh -c")));
    // The number has no name, and the log says so.
    assert_eq!(
        (wget.login_account.as_deref(), wget.account.as_deref()),
        (None, Some("root"))
    );
}

#[test]
fn a_log_that_is_split_into_files_or_mixed_up_gives_the_same_execs() {
    let (log, _) = LOGS[0];
    let text = unpacked(log);
    let whole: Vec<_> = parsed(&text).reports.iter().map(told).collect();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &text).map(|end| end + 1).collect();
    for part in [2, 3, 7, 100] {
        let mut files: Vec<&[u8]> = Vec::new();
        let mut start = 0;
        for end in ends.chunks(ends.len() / part).filter_map(|lines| lines.last()) {
            files.push(&text[start..*end]);
            start = *end;
        }
        let found = Collected::of(Box::<AuditParser>::default(), files.into_iter().map(Input::of_bytes));
        let split: Vec<_> = found.reports.iter().map(told).collect();
        assert!(split == whole, "{part}");
        assert_eq!(found.bad, []);
    }
    // Two logs in one, line by line.
    let other = unpacked(LOGS[1].0);
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (one, two) = (lines(&text), lines(&other));
    let mixed: Vec<u8> = one
        .iter()
        .zip(&two)
        .flat_map(|(one, two)| [one.as_slice(), two].concat())
        .collect();
    let mut found: Vec<_> = parsed(&mixed).reports.iter().map(told).collect();
    let mut apart: Vec<_> = parsed(&other).reports.iter().map(told).chain(whole).collect();
    found.sort();
    apart.sort();
    assert_eq!(found.len(), apart.len());
    assert!(found == apart);
}

#[test]
fn that_auditd_was_stopped_is_told_and_the_log_is_known_from_its_middle() {
    for (log, _) in LOGS {
        let text = unpacked(log);
        let gaps = parsed(&text).gaps;
        assert_eq!(gaps.len(), 1);
        assert!(gaps[0].what.starts_with("auditd was stopped") && gaps[0].from.is_some());
        assert!(looks_like(&text[text.len() / 2 + 17..]));
    }
}
