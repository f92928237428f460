//! The text form of a report: one line for people.

use std::fmt::Write as _;

use super::json::timestamp;
use crate::{finding::Report, rules::Confidence, text::for_terminal};

/// The report as one line, with its newline. Colour marks the confidence.
#[must_use]
pub fn line(report: &Report, colour: bool) -> Vec<u8> {
    let (confidence, category, start) = match &report.verdict {
        Some(verdict) => {
            let colour = match verdict.confidence {
                Confidence::High => "\x1b[1;31m",
                Confidence::Medium => "\x1b[33m",
                Confidence::Low => "\x1b[36m",
            };
            (verdict.confidence.to_string(), verdict.category.as_str(), colour)
        }
        None => ("-".to_owned(), "-", ""),
    };
    let end = if colour && !start.is_empty() { "\x1b[0m" } else { "" };
    let start = if colour { start } else { "" };

    let mut account = report.account.clone().unwrap_or_else(|| "-".to_owned());
    if report.login_uid != report.uid
        && let Some(login) = &report.login_account
    {
        // Writing to a String can't fail.
        let _ = write!(account, " (login {login})");
    }
    let pid = report.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let mut line = format!(
        "{}  {start}{confidence:<6}  {category:<12}{end}  {:<12}  {pid:>7}  ",
        timestamp(report.time),
        for_terminal(account.as_bytes()),
    );
    if let Some(path) = report.folder_path.as_ref().or(report.file_name.as_ref()) {
        let _ = write!(line, "{}  ", for_terminal(path));
    }
    let mut command: Vec<u8> = report.argv.strip_suffix(b"\0").unwrap_or(&report.argv).to_vec();
    command.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    let _ = write!(line, "{}", for_terminal(&command));
    if let Some(verdict) = &report.verdict {
        let _ = write!(
            line,
            "  [{}]",
            for_terminal(verdict.matched_terms.join(", ").as_bytes())
        );
    }
    let captured = report.argv.len() as u64;
    if captured != report.argv_total {
        let _ = write!(line, "  (argv cut: {captured} of {} bytes)", report.argv_total);
    }
    if report.fileless == Some(true) {
        line.push_str("  (no file on disk)");
    }
    if report.events_lost != 0 {
        let _ = write!(line, "  ({} execs lost before this)", report.events_lost);
    }
    line.push('\n');
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::event::{Argv, Exec};

    #[test]
    fn a_hostile_argument_stays_on_its_line_and_a_cut_one_is_marked() {
        let mut report = Report::new(
            &Exec::new(SystemTime::UNIX_EPOCH, Argv::new(b"a\0b\nc\x1b[2J", 100)),
            None,
        );
        report.events_lost = 7;
        let line = String::from_utf8(line(&report, false)).unwrap();
        assert_eq!(
            line,
            "1970-01-01T00:00:00.000000Z  -       -             -                   -  a b\\nc\\x1b[2J  \
             (argv cut: 9 of 100 bytes)  (7 execs lost before this)\n"
        );
    }
}
