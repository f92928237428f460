//! Pack `extended` beside pack `kql`, on tables of command lines: what shows the act is found at the confidence that it deserves,
//! everyday work stays below `medium`.
//!
//! The tables are `tests/data/evasions.tsv` and `everyday.tsv`: names of the program as the kernel gives them (separated by
//! `|`), argv as JSON, why the line is there; for evasions also the least confidence, and services or targets that have to be
//! named.

use cert_recon::rules::{BUILTIN_PACKS, Confidence, Engine, Pack, Subject, Verdict};

struct Line {
    text: &'static str,
    names: Vec<&'static str>,
    argv: Vec<String>,
    rest: Vec<&'static str>,
}

fn lines(table: &'static str) -> Vec<Line> {
    table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|text| {
            let mut columns = text.split('\t');
            let mut column = || columns.next().unwrap_or_else(|| panic!("a column is missing: {text}"));
            let (names, argv) = (column(), column());
            Line {
                text,
                names: names.split('|').collect(),
                argv: serde_json::from_str(argv).unwrap_or_else(|error| panic!("{error}: {text}")),
                rest: columns.collect(),
            }
        })
        .collect()
}

fn engine() -> Engine {
    let packs: Vec<Pack> = BUILTIN_PACKS
        .iter()
        .filter(|pack| ["kql", "extended"].contains(&pack.name))
        .map(|pack| pack.parse().expect("a built-in pack"))
        .collect();
    assert_eq!(packs.len(), 2);
    Engine::new(&packs).expect("the packs work together")
}

fn judge(engine: &Engine, line: &Line) -> Option<Verdict> {
    let names: Vec<&[u8]> = line.names.iter().map(|name| name.as_bytes()).collect();
    let argv: Vec<u8> = line
        .argv
        .iter()
        .flat_map(|arg| [arg.as_bytes(), b"\0"].concat())
        .collect();
    engine.judge(&Subject::new(&names, &argv), &mut engine.scratch())
}

fn told(verdict: Option<&Verdict>) -> String {
    verdict.map_or_else(
        || "nothing".to_owned(),
        |verdict| {
            format!(
                "{} {:?} services {:?} targets {:?}",
                verdict.confidence, verdict.rule_ids, verdict.services, verdict.targets
            )
        },
    )
}

#[test]
fn lines_that_show_the_act_are_found_at_the_confidence_that_they_deserve() {
    let engine = engine();
    let lines = lines(include_str!("data/evasions.tsv"));
    assert!(lines.len() >= 60);
    let mut wrong = Vec::new();
    for line in &lines {
        let verdict = judge(&engine, line);
        let least: Confidence = line.rest[1]
            .parse()
            .unwrap_or_else(|_| panic!("a confidence: {}", line.text));
        let named = line.rest.get(2).copied().unwrap_or_default();
        let missing: Vec<&str> = named
            .split(',')
            .filter(|name| !name.is_empty())
            .filter(|name| {
                !verdict.as_ref().is_some_and(|verdict| {
                    verdict.services.iter().chain(&verdict.targets).any(|known| {
                        // A service is listed with all below it.
                        known == name || name.ends_with(&format!(".{known}"))
                    })
                })
            })
            .collect();
        if verdict.as_ref().is_none_or(|verdict| verdict.confidence < least) || !missing.is_empty() {
            wrong.push(format!(
                "{}\n    {}; missing {missing:?}",
                line.text.chars().take(300).collect::<String>(),
                told(verdict.as_ref())
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} lines:\n{}",
        wrong.len(),
        lines.len(),
        wrong.join("\n")
    );
}

#[test]
fn everyday_work_stays_below_medium() {
    let engine = engine();
    let lines = lines(include_str!("data/everyday.tsv"));
    assert!(lines.len() >= 200);
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let verdict = judge(&engine, line).filter(|verdict| verdict.confidence > Confidence::Low)?;
            Some(format!("{}\n    {}", line.text, told(Some(&verdict))))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} lines:\n{}",
        wrong.len(),
        lines.len(),
        wrong.join("\n")
    );
}
