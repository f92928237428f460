//! Exports in every form that portals and interfaces give, and damaged ones.

use std::fmt;

use crate::{
    finding::Report,
    rules::{BUILTIN_PACKS, Engine, Pack},
    source::recorded::{Format, Gap, Input, Out, Place, Recorded, collect::Collected, format},
};

const DEFENDER: [(&str, &[u8]); 7] = [
    (
        "array",
        include_bytes!("../../../../tests/data/records/defender-array.json"),
    ),
    (
        "lines",
        include_bytes!("../../../../tests/data/records/defender-lines.json"),
    ),
    (
        "hunting",
        include_bytes!("../../../../tests/data/records/defender-advanced-hunting.json"),
    ),
    (
        "analytics",
        include_bytes!("../../../../tests/data/records/sentinel-log-analytics.json"),
    ),
    (
        "portal",
        include_bytes!("../../../../tests/data/records/defender-portal.csv"),
    ),
    (
        "sentinel",
        include_bytes!("../../../../tests/data/records/sentinel-portal.csv"),
    ),
    (
        "excel",
        include_bytes!("../../../../tests/data/records/defender-excel-utf16.csv"),
    ),
];

const LOGSCALE: [(&str, &[u8]); 3] = [
    (
        "array",
        include_bytes!("../../../../tests/data/records/logscale-array.json"),
    ),
    (
        "lines",
        include_bytes!("../../../../tests/data/records/logscale-lines.json"),
    ),
    (
        "table",
        include_bytes!("../../../../tests/data/records/logscale-table.csv"),
    ),
];

/// Judges with one pack.
struct Judged {
    engine: Engine,
    found: Vec<Report>,
    bad: Vec<String>,
}

impl Judged {
    fn by(pack: &str, format: Format, text: &[u8]) -> Self {
        let packs: Vec<Pack> = BUILTIN_PACKS
            .iter()
            .filter(|builtin| builtin.name == pack)
            .map(|builtin| builtin.parse().unwrap())
            .collect();
        let mut judged = Self {
            engine: Engine::new(&packs).unwrap(),
            found: Vec::new(),
            bad: Vec::new(),
        };
        let mut parser = format.parser().unwrap();
        parser.read(&mut Input::of_bytes(text), &mut judged).unwrap();
        parser.finish(&mut judged);
        judged
    }
}

impl Out for Judged {
    fn exec(&mut self, recorded: &Recorded<'_>) -> bool {
        let verdict = crate::pipeline::judge(&self.engine, &mut self.engine.scratch(), recorded.exec);
        let found = verdict.is_some();
        if found {
            let mut report = Report::new(recorded.exec, verdict);
            recorded.details.complete(&mut report);
            self.found.push(report);
        }
        found
    }

    fn bad(&mut self, _: Place, why: &dyn fmt::Display) {
        self.bad.push(why.to_string());
    }

    fn gap(&mut self, _: Place, _: &Gap) {}
}

fn text(bytes: Option<&Vec<u8>>) -> String {
    String::from_utf8_lossy(bytes.map(Vec::as_slice).unwrap_or_default()).into_owned()
}

#[test]
fn the_sentinel_query_finds_its_rows_in_every_form_of_export() {
    for (form, export) in DEFENDER {
        assert_eq!(
            format::detect(&export[..export.len().min(format::SAMPLE)]),
            Some(Format::Defender),
            "{form}"
        );
        let judged = Judged::by("kql", Format::Defender, export);
        assert_eq!(judged.bad, [""; 0], "{form}");
        let found: Vec<_> = judged
            .found
            .iter()
            .map(|report| {
                (
                    text(report.file_name.as_ref()),
                    report.verdict.as_ref().unwrap().category.clone(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("powershell.exe", "CTLogQuery"),
                ("certutil.exe", "CertutilEnum"),
                ("curl", "CTLogQuery")
            ]
            .map(|(name, category)| (name.to_owned(), category.to_owned())),
            "{form}"
        );
        let first = &judged.found[0];
        assert_eq!(first.account.as_deref(), Some("alice"), "{form}");
        assert_eq!((first.pid, first.parent_pid), (Some(4312), Some(4000)), "{form}");
        assert!(text(first.folder_path.as_ref()).starts_with("C:\\Windows\\"), "{form}");
        assert!(
            first.argv_is_text && text(Some(&first.argv)).contains("crt.sh/?q=%25.example.com"),
            "{form}"
        );
        assert_eq!(text(first.ancestry[0].image.file_name.as_ref()), "cmd.exe", "{form}");
        assert_eq!(first.ancestry[1].pid, Some(3000), "{form}");
        assert!(matches!(first.sha256, Some(Ok(_))), "{form}");
        let at = humantime::format_rfc3339_seconds(first.time).to_string();
        assert_eq!(at, "2026-11-25T09:15:01Z", "{form}");
    }
}

#[test]
fn the_logscale_query_labels_its_rows_in_every_form_of_export() {
    for (form, export) in LOGSCALE {
        assert_eq!(format::detect(export), Some(Format::LogScale), "{form}");
        let judged = Judged::by("logscale", Format::LogScale, export);
        assert_eq!(judged.bad, [""; 0], "{form}");
        let labels: Vec<_> = judged
            .found
            .iter()
            .map(|report| report.verdict.as_ref().unwrap().technique_label.clone().unwrap())
            .collect();
        assert_eq!(
            labels,
            [
                "T1596.003 - OSINTTool",
                "T1596.003 - FirmwareEnum",
                "T1596.003 - Reconnaissance"
            ],
            "{form}"
        );
        let first = &judged.found[0];
        let at = humantime::format_rfc3339_millis(first.time).to_string();
        assert_eq!(at, "2026-11-25T09:55:01.100Z", "{form}: of the process's start");
        assert_eq!(
            (first.pid, first.account.as_deref()),
            (Some(5001), Some("bob")),
            "{form}"
        );
        assert_eq!(
            text(first.ancestry[1].image.file_name.as_ref()),
            "userinit.exe",
            "{form}"
        );
        let kql = Judged::by("kql", Format::LogScale, export);
        assert_eq!(kql.found.len(), 1, "{form}: the other query reads them, too");
    }
}

#[test]
fn an_export_that_is_cut_anywhere_gives_the_rows_before_the_cut() {
    for (form, export) in DEFENDER.into_iter().chain(LOGSCALE) {
        let format = format::detect(&export[..export.len().min(format::SAMPLE)]).unwrap();
        let read = |text: &[u8]| Collected::of(format.parser().unwrap(), [Input::of_bytes(text)]);
        let whole = read(export).reports.len();
        let mut before = 0;
        for cut in 0..export.len() {
            let found = read(&export[..cut]).reports.len();
            // A row of a table that ends early may be whole all the same.
            assert!(found <= whole && found + 1 >= before, "{form} {cut}");
            before = before.max(found);
        }
        assert!(before + 1 >= whole, "{form}");
    }
}

#[test]
fn damage_costs_the_row_that_it_is_in() {
    let row = |pid: u32| {
        format!(
            "{{\"Timestamp\":\"2026-11-25T09:15:01Z\",\"ProcessId\":{pid},\"ProcessCommandLine\":\"a\",\"DeviceId\":\"1\"}}"
        )
    };
    let pids = |text: &str| {
        let found = Collected::of(Format::Defender.parser().unwrap(), [Input::of_bytes(text.as_bytes())]);
        let pids: Vec<_> = found.reports.iter().map(|report| report.pid.unwrap()).collect();
        (pids, found.bad.len())
    };
    let lines = format!("{}\n{{\"Timestamp\":\"x\n{}\n", row(1), row(2));
    assert_eq!(pids(&lines), (vec![1, 2], 1));
    // Where a value is missing at the end of a line, the next object could be it, but not the one behind that.
    let lines = format!("{}\n{{\"Timestamp\":\n{}\n{}\n", row(1), row(2), row(3));
    assert_eq!(pids(&lines), (vec![1, 3], 1));
    let no_time = format!("{}\n{{\"ProcessCommandLine\":\"x\"}}\n{}", row(1), row(2));
    assert_eq!(pids(&no_time), (vec![1, 2], 1));
    let deep = format!(
        "{}\n{{\"AdditionalFields\":{}1{}}}\n{}",
        row(1),
        "[".repeat(100_000),
        "]".repeat(100_000),
        row(2)
    );
    assert_eq!(pids(&deep).0, [1, 2]);
    let long = format!("{}\n{{\"x\":\"{}\"}}\n{}", row(1), "y".repeat(10 << 20), row(2));
    assert_eq!(pids(&long), (vec![1, 2], 1), "a row without a time");
    let table = "Timestamp,ProcessId,ProcessCommandLine\n2026-11-25T09:15:01Z,1,\"a\nb\"\n2026-11-25T09:15:01Z,2\nx,3,c\n\
                 2026-11-25T09:15:01Z,4,\"d \0\"\n";
    assert_eq!(pids(table), (vec![1, 4], 2));
}

#[test]
fn other_texts_are_no_exports() {
    for other in [
        "",
        "[",
        "{}",
        "Nov 25 h sudo: \"ProcessCommandLine\"",
        "a,b,c\nProcessCommandLine,x,y\n",
        "{\"CommandLine\":1}",
    ] {
        let found = format::detect(other.as_bytes());
        assert!(!matches!(found, Some(Format::Defender | Format::LogScale)), "{other}");
    }
}
