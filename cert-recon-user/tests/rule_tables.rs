//! The default packs over the tables of everyday work and of evasions: how much of each they find, at least and at most.

use cert_recon::rules::{BUILTIN_PACKS, Confidence, DEFAULT_PACKS, Engine, Pack, Subject, Verdict};

/// Of a hundred lines of each table.
const LEAST_RECALL: f64 = 98.5;
const MOST_FALSE: f64 = 0.2;

struct Line<'t> {
    names: Vec<&'t str>,
    argv: Vec<u8>,
    text: &'t str,
    least: Confidence,
    named: Vec<&'t str>,
}

fn lines(table: &str) -> Vec<Line<'_>> {
    let rows = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|text| {
        let cells: Vec<&str> = text.split('\t').collect();
        let argv: Vec<String> = serde_json::from_str(cells[1]).expect(text);
        Line {
            names: cells[0].split('|').collect(),
            argv: argv.iter().flat_map(|arg| arg.bytes().chain([0])).collect(),
            text,
            least: cells.get(3).map_or(Confidence::Low, |least| least.parse().expect(text)),
            named: cells
                .get(4)
                .map(|named| named.split(',').filter(|name| !name.is_empty()).collect())
                .unwrap_or_default(),
        }
    })
    .collect()
}

fn engine() -> Engine {
    let packs: Vec<Pack> = BUILTIN_PACKS
        .iter()
        .filter(|pack| DEFAULT_PACKS.contains(&pack.name))
        .map(|pack| pack.parse().unwrap())
        .collect();
    Engine::new(&packs).unwrap()
}

fn judge(engine: &Engine, line: &Line<'_>) -> Option<Verdict> {
    let names: Vec<&[u8]> = line.names.iter().map(|name| name.as_bytes()).collect();
    let subject = Subject::new(&names, &line.argv);
    let verdict = engine.judge(&subject, &mut engine.scratch());
    let open = engine.judge_without_gate(&subject, &mut engine.scratch());
    assert_eq!(verdict, open, "the gate changes nothing: {}", line.text);
    verdict
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines")]
fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole as f64
}

#[test]
fn evasions_are_found_as_surely_as_they_should() {
    let engine = engine();
    let lines = lines(include_str!("data/evasions.tsv"));
    let mut missed = Vec::new();
    let mut unsure = 0;
    let mut unnamed = 0;
    for line in &lines {
        let verdict = judge(&engine, line);
        let confidence = verdict.as_ref().map(|verdict| verdict.confidence);
        if confidence.is_none_or(|found| found < Confidence::Medium) {
            missed.push(format!("{confidence:?} {}", line.text));
        } else if confidence.is_some_and(|found| found < line.least) {
            unsure += 1;
            println!("unsure {confidence:?}: {}", line.text);
        }
        let Some(verdict) = verdict else { continue };
        let known = |name: &&str| {
            let below = |known: &String| *name == known || name.ends_with(&format!(".{known}"));
            verdict.targets.iter().any(|target| target == name) || verdict.services.iter().any(below)
        };
        if !line.named.iter().all(known) {
            unnamed += 1;
            println!("unnamed {:?} {:?}: {}", verdict.services, verdict.targets, line.text);
        }
    }
    let recall = percent(lines.len() - missed.len(), lines.len());
    println!(
        "{} evasions: recall {recall:.1} %, {unsure} less sure, {unnamed} without their names",
        lines.len()
    );
    assert!(recall >= LEAST_RECALL, "{recall:.1} %\n{}", missed.join("\n"));
    println!("missed:\n{}", missed.join("\n"));
}

#[test]
fn everyday_work_stays_below_medium() {
    let engine = engine();
    let lines = lines(include_str!("data/everyday.tsv"));
    let mut wrong = Vec::new();
    for line in &lines {
        if let Some(verdict) = judge(&engine, line).filter(|verdict| verdict.confidence >= Confidence::Medium) {
            wrong.push(format!("{} {:?} {}", verdict.confidence, verdict.rule_ids, line.text));
        }
    }
    let share = percent(wrong.len(), lines.len());
    assert!(share <= MOST_FALSE, "{share:.1} %\n{}", wrong.join("\n"));
    println!("{} everyday: {share:.1} % wrong\n{}", lines.len(), wrong.join("\n"));
}
