//! The table of all verdicts in `docs/kernels.md`: written by runs, read by people.
//!
//! A run replaces what is known of the kernels that it tested; what others found of other kernels stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::kernels::KERNELS;
use super::report::Verdict;
use super::table::Column;

const BEGIN: &str = "<!-- verdicts: written by `cargo xtask vm --table docs/kernels.md` -->\n";
const END: &str = "<!-- end of verdicts -->\n";

/// Cells by (test, kernel).
type Cells = BTreeMap<(String, String), String>;

/// Puts the verdicts of a run into the table of a file.
///
/// # Errors
///
/// When the file can't be read or written, or has no place for the table.
pub(super) fn write(file: &Path, columns: &[Column]) -> Result<()> {
    let about = || format!("the table in {}", file.display());
    let text = fs::read_to_string(file).with_context(about)?;
    let new = with_verdicts(&text, columns)
        .with_context(|| format!("no lines {} and {}", BEGIN.trim(), END.trim()))
        .with_context(about)?;
    fs::write(file, new).with_context(about)?;
    println!("vm: verdicts written to {}", file.display());
    Ok(())
}

fn with_verdicts(text: &str, columns: &[Column]) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    let mut cells = parse(table);
    cells.retain(|(_, kernel), _| columns.iter().all(|column| column.kernel != *kernel));
    for column in columns {
        for outcome in &column.outcomes {
            let cell = match &outcome.verdict {
                Verdict::Passed => "ok".to_owned(),
                Verdict::Failed(_) => "**failed**".to_owned(),
                Verdict::Skipped(reason) => format!("not: {}", reason.replace('|', "/")),
            };
            let key = (outcome.test.clone(), column.kernel.clone());
            // A kernel that was booted twice has two verdicts on the boot.
            let shown = cells.entry(key).or_default();
            if *shown != "**failed**" {
                *shown = cell;
            }
        }
    }
    Some(format!("{before}{BEGIN}{}{END}{after}", render(&cells)))
}

fn parse(table: &str) -> Cells {
    let row = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    let mut rows = table.lines().filter(|line| line.starts_with('|')).map(row);
    let kernels = rows.next().unwrap_or_default();
    let mut cells = Cells::new();
    // After the row of dashes.
    for row in rows.skip(1) {
        let Some((test, verdicts)) = row.split_first() else {
            continue;
        };
        for (kernel, verdict) in kernels.iter().skip(1).zip(verdicts) {
            if !verdict.is_empty() {
                cells.insert((test.clone(), kernel.clone()), verdict.clone());
            }
        }
    }
    cells
}

fn render(cells: &Cells) -> String {
    if cells.is_empty() {
        return String::new();
    }
    let known = |name: &&str| cells.keys().any(|(_, kernel)| kernel == name);
    let kernels: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).filter(known).collect();
    let mut text = format!("| test | {} |\n", kernels.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(kernels.len()));
    let mut tests: Vec<&str> = cells.keys().map(|(test, _)| test.as_str()).collect();
    tests.dedup();
    for test in tests {
        let _ = write!(text, "| `{test}` |");
        for kernel in &kernels {
            let cell = cells.get(&(test.to_owned(), (*kernel).to_owned()));
            let _ = write!(text, " {} |", cell.map_or("", String::as_str));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::report::Outcome;
    use super::{BEGIN, Column, END, Verdict, with_verdicts};

    fn column(kernel: &str, verdicts: &[(&str, Verdict)]) -> Column {
        let outcome = |(test, verdict): &(&str, Verdict)| Outcome {
            test: (*test).to_owned(),
            verdict: verdict.clone(),
            took: Duration::ZERO,
            output: Vec::new(),
        };
        Column {
            kernel: kernel.to_owned(),
            outcomes: verdicts.iter().map(outcome).collect(),
        }
    }

    #[test]
    fn a_run_replaces_its_kernels_and_keeps_the_others() {
        let empty = format!("before\n{BEGIN}{END}after\n");
        let first = [
            column(
                "6.1",
                &[
                    ("boot", Verdict::Passed),
                    ("a::x", Verdict::Skipped("no | here".into())),
                ],
            ),
            column("6.12-arm64", &[("boot", Verdict::Passed), ("a::gone", Verdict::Passed)]),
        ];
        let text = with_verdicts(&empty, &first).unwrap();
        assert_eq!(
            text,
            format!(
                "before\n{BEGIN}| test | 6.1 | 6.12-arm64 |\n|---|---|---|\n| `a::gone` |  | ok |\n| `a::x` | not: no / here |  |\n\
                 | `boot` | ok | ok |\n{END}after\n"
            )
        );
        let second = [column("6.12-arm64", &[("boot", Verdict::Failed("why".into()))])];
        let text = with_verdicts(&text, &second).unwrap();
        assert!(
            text.contains("| `boot` | ok | **failed** |\n") && !text.contains("gone"),
            "{text}"
        );
        assert_eq!(with_verdicts("no place", &second), None);
    }

    #[test]
    fn the_repository_s_document_has_a_place() {
        let text = include_str!("../../../docs/kernels.md");
        assert_eq!(with_verdicts(text, &[]).as_deref(), Some(text));
    }
}
