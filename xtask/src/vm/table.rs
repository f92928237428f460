//! The closing table: kernels across, tests down.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::report::{BOOT, Outcome, Verdict};

/// Everything that came of one kernel.
pub(super) struct Column {
    pub(super) kernel: String,
    pub(super) outcomes: Vec<Outcome>,
}

/// (passed, failed, skipped)
pub(super) fn count(columns: &[Column]) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    for outcome in columns.iter().flat_map(|column| &column.outcomes) {
        match outcome.verdict {
            Verdict::Passed => counts.0 += 1,
            Verdict::Failed(_) => counts.1 += 1,
            Verdict::Skipped(_) => counts.2 += 1,
        }
    }
    counts
}

/// The table, the reasons of what didn't pass, and the sums.
pub(super) fn render(columns: &[Column]) -> String {
    // A kernel that needed a second boot has two outcomes for the boot: the worse one is shown.
    let mut rows: BTreeMap<(bool, &str), Vec<Option<&Outcome>>> = BTreeMap::new();
    for (at, column) in columns.iter().enumerate() {
        for outcome in &column.outcomes {
            let row = rows
                .entry((outcome.test != BOOT, &outcome.test))
                .or_insert_with(|| vec![None; columns.len()]);
            if row[at].is_none_or(|shown| !matches!(shown.verdict, Verdict::Failed(_))) {
                row[at] = Some(outcome);
            }
        }
    }
    let name_width = rows.keys().map(|(_, name)| name.len()).max().unwrap_or_default();
    let widths: Vec<usize> = columns.iter().map(|column| column.kernel.len().max(11)).collect();
    let mut text = format!("{:name_width$}", "");
    for (column, width) in columns.iter().zip(&widths) {
        let _ = write!(text, "  {:>width$}", column.kernel);
    }
    text.push('\n');
    for ((_, name), cells) in &rows {
        let _ = write!(text, "{name:name_width$}");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, "  {:>width$}", cell.map_or_else(|| "-".to_owned(), show));
        }
        text.push('\n');
    }
    for (what, reason) in [("FAILED", failure as fn(&Verdict) -> Option<&str>), ("skipped", skip)] {
        // The same reason on several kernels is said once.
        let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for column in columns {
            for outcome in &column.outcomes {
                if let Some(reason) = reason(&outcome.verdict) {
                    reasons.entry((&outcome.test, reason)).or_default().push(&column.kernel);
                }
            }
        }
        for ((test, reason), kernels) in reasons {
            let _ = write!(text, "\n{what}: {test} on {}: {reason}", kernels.join(", "));
        }
    }
    let (passed, failed, skipped) = count(columns);
    let _ = write!(text, "\n{passed} passed, {failed} failed, {skipped} skipped");
    text
}

fn show(outcome: &Outcome) -> String {
    match outcome.verdict {
        Verdict::Passed => format!("ok {:.1} s", outcome.took.as_secs_f64()),
        Verdict::Failed(_) => "FAILED".to_owned(),
        Verdict::Skipped(_) => "skipped".to_owned(),
    }
}

fn failure(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Failed(reason) => Some(reason),
        _ => None,
    }
}

fn skip(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Skipped(reason) => Some(reason),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Column, Outcome, Verdict, render};

    fn outcome(test: &str, verdict: Verdict) -> Outcome {
        Outcome {
            test: test.to_owned(),
            verdict,
            took: Duration::from_millis(1250),
            output: Vec::new(),
        }
    }

    #[test]
    fn boots_first_then_tests_then_reasons_then_sums() {
        let columns = [
            Column {
                kernel: "5.10".into(),
                outcomes: vec![
                    outcome("live_a::x", Verdict::Skipped("no helper".into())),
                    outcome("live_a::a", Verdict::Failed("kernel: Oops".into())),
                    outcome("boot", Verdict::Passed),
                ],
            },
            Column {
                kernel: "newest".into(),
                outcomes: vec![outcome("boot", Verdict::Passed), outcome("live_a::x", Verdict::Passed)],
            },
        ];
        assert_eq!(
            render(&columns),
            "                  5.10       newest\n\
             boot          ok 1.2 s     ok 1.2 s\n\
             live_a::a       FAILED            -\n\
             live_a::x      skipped     ok 1.2 s\n\
             \n\
             FAILED: live_a::a on 5.10: kernel: Oops\n\
             skipped: live_a::x on 5.10: no helper\n\
             3 passed, 1 failed, 1 skipped"
        );
    }
}
