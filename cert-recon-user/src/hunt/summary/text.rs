//! The summary for a terminal.

use std::{borrow::Cow, fmt::Write as _};

use super::{By, Rows, Summary, Tally};
use crate::{hunt::coverage::counted, rules::Confidence, sink::json::timestamp, text::for_terminal};

/// Rows of a table.
const SHOWN: usize = 10;

/// Characters of a name. A longer one is cut: the tables stay aligned, and the findings have all of it.
const WIDEST: usize = 48;

const BOLD: &str = "\x1b[1m";
const NONE: &str = "\x1b[0m";

pub(super) fn of(summary: &Summary, colour: bool) -> String {
    let mut text = total(summary);
    if summary.total.count == 0 {
        return text;
    }
    let tables = By::ALL.map(|by| (by, summary.rows(by)));
    // All tables stand below each other: one width for all.
    let names = tables.iter().flat_map(|(_, table)| table.rows.iter().take(SHOWN));
    let widths = names.map(|row| name(row.name).chars().count());
    let titles = By::ALL.iter().map(|by| by.title().chars().count());
    let width = widths.chain(titles).max().unwrap_or_default();
    for (by, rows) in &tables {
        table(&mut text, *by, rows, width, colour);
    }
    text
}

fn total(summary: &Summary) -> String {
    let total = summary.total;
    let mut text = counted(total.count, "finding");
    if total.count > 0 {
        let levels = Confidence::ALL.iter().rev();
        let levels: Vec<String> = levels.map(|&c| format!("{} {c}", summary.of(c))).collect();
        // Writing to a String can't fail.
        let _ = write!(text, " ({})", levels.join(", "));
    }
    if let (Some(first), Some(last)) = (total.first, total.last) {
        let _ = write!(text, ", {} to {}", timestamp(first), timestamp(last));
    }
    if total.untimed > 0 {
        let _ = write!(text, ", {} without a time of their own", total.untimed);
    }
    text.push('\n');
    text
}

fn table(text: &mut String, by: By, table: &Rows<'_>, width: usize, colour: bool) {
    let Rows { rows, others } = table;
    if rows.is_empty() {
        return;
    }
    let more = rows.len().saturating_sub(SHOWN);
    let (bold, none) = if colour { (BOLD, NONE) } else { ("", "") };
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "\n{bold}{:<width$}  {:>8}  {:<20}  last{none}",
        by.title(),
        "findings",
        "first"
    );
    for row in rows.iter().take(SHOWN) {
        line(text, &name(row.name), &row.tally, width);
    }
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    if let Some(others) = others {
        line(text, "(others)", others, width);
        let _ = writeln!(text, "(others): a table has {} rows at most", super::MOST_ROWS);
    }
}

fn line(text: &mut String, name: &str, tally: &Tally, width: usize) {
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), |time| seconds(&timestamp(time)));
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "{name:<width$}  {:>8}  {:<20}  {}",
        tally.count,
        time(tally.first),
        time(tally.last)
    );
}

fn name(name: &str) -> Cow<'_, str> {
    let shown = for_terminal(name.as_bytes());
    match shown.char_indices().nth(WIDEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", shown.get(..end).unwrap_or_default())),
        None => shown,
    }
}

/// A timestamp without its fraction of a second.
fn seconds(timestamp: &str) -> String {
    match timestamp.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => timestamp.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::finding;
    use super::*;
    use crate::text::is_harmful;

    #[test]
    fn nothing_found_is_one_line() {
        assert_eq!(Summary::default().to_text(true), "0 findings\n");
    }

    #[test]
    fn tables_are_aligned_and_show_the_ten_most_frequent() {
        let mut summary = Summary::default();
        for n in 0..12_u64 {
            let mut report = finding(1_700_000_000 + n);
            report.verdict.as_mut().unwrap().targets = (0..=n).map(|t| format!("{t:02}.example")).collect();
            summary.add(&report, "here");
        }
        let text = summary.to_text(false);
        assert!(text.starts_with("12 findings ("), "{text}");
        let table = text.split("\n\n").find(|table| table.starts_with("Target")).unwrap();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 12, "{table}");
        assert_eq!(
            lines[..2],
            [
                "Target                   findings  first                 last",
                "00.example                     12  2023-11-14T22:13:20Z  2023-11-14T22:13:31Z"
            ]
        );
        assert_eq!(lines[11], "and 2 more");
    }

    #[test]
    fn no_name_reaches_a_terminal_raw_or_breaks_the_table() {
        let mut summary = Summary::default();
        let mut report = finding(1);
        let hostile = "x\x1b[2J\n\u{202e}\u{9b}";
        report.account = Some(hostile.to_owned());
        report.verdict.as_mut().unwrap().targets = vec![hostile.to_owned(), "y".repeat(5000)];
        summary.add(&report, "here");
        let text = summary.to_text(false);
        assert!(!text.replace('\n', "").contains(is_harmful), "{text:?}");
        assert!(text.lines().all(|line| line.chars().count() < 120), "{text}");
        assert!(summary.to_text(true).contains("\x1b[1m"));
    }
}
