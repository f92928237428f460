//! The live view: what was found so far, by whom, about whom, and how the monitor fares, on one screen that is drawn anew.
//!
//! Owns what the screen shows and how a frame becomes bytes for a terminal; when it is drawn is the monitor's matter. Pure: time
//! and size are told. Bounded: the tables by [`Summary`], the last findings by their number.

use std::{collections::VecDeque, fmt::Write as _, time::SystemTime};

use super::{
    line::painted,
    screen::{self, Screen, fit, padded},
};
use crate::{
    finding::Report,
    hunt::summary::{By, Summary},
    pipeline::Sums,
    record::Record,
    rules::Confidence,
    source::live::Totals,
    text::for_terminal,
};

/// Takes the terminal over: another screen, no cursor.
pub const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
/// Gives it back as it was.
pub const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// Findings that are kept; no screen has more lines.
const LAST: usize = 200;
/// Lines of a table.
const ROWS: usize = 5;
/// A screen this wide has all tables side by side.
const WIDE: usize = 110;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[1;31m";

/// What the view knows.
#[derive(Debug, Default)]
pub struct Top {
    device: String,
    summary: Summary,
    last: VecDeque<Report>,
    problems: Vec<String>,
    /// What the monitor said last.
    message: Option<String>,
    before: Option<(SystemTime, u64)>,
}

/// How the monitor fares at the moment of a frame.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Now.
    pub time: SystemTime,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Kernel side.
    pub totals: Totals,
    /// User side.
    pub sums: Sums,
}

/// Rows and columns of the terminal, and whether it may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// With escape sequences that colour it.
    pub colour: bool,
}

impl Top {
    /// Nothing yet. `device` is the host's name.
    #[must_use]
    pub fn new(device: String) -> Self {
        Self {
            device,
            ..Self::default()
        }
    }

    /// Takes a record.
    pub fn note(&mut self, record: &Record) {
        match record {
            Record::Exec(report) => {
                if report.verdict.is_some() {
                    self.summary.add(report, &self.device);
                }
                self.last.truncate(LAST - 1);
                self.last.push_front((**report).clone());
            }
            Record::Health(health) => self.problems.clone_from(&health.problems),
            Record::Blind(blind) => self.problems = vec![format!("blind: {}", blind.reason)],
            Record::Lost(lost) => self.message(format!("{} execs went unseen", lost.count)),
        }
    }

    /// Shows a message of the monitor, until the next one.
    pub fn message(&mut self, text: String) {
        self.message = Some(text);
    }

    /// The screen as it should look now, as bytes for the terminal.
    pub fn frame(&mut self, state: State, size: Size) -> Vec<u8> {
        let lines = self.lines(state, size);
        let mut bytes = b"\x1b[H".to_vec();
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(line.as_bytes());
            // What is left of the line before.
            bytes.extend_from_slice(b"\x1b[K");
        }
        bytes.extend_from_slice(b"\x1b[J");
        bytes
    }

    /// At most as many lines as the screen has, none wider than it.
    fn lines(&mut self, state: State, size: Size) -> Vec<String> {
        let width = usize::from(size.width);
        let paint = |text: &str, paint: &str| painted(&fit(text, width), paint, size.colour);
        let mut lines = vec![
            paint(&self.head(state), BOLD),
            paint(&self.counts(state), if state.totals.lost > 0 { RED } else { "" }),
            paint(&self.findings(state.sums), ""),
        ];
        lines.extend(
            self.problems
                .iter()
                .map(|problem| paint(&for_terminal(problem.as_bytes()), RED)),
        );
        lines.extend(
            self.message
                .iter()
                .map(|message| paint(&for_terminal(message.as_bytes()), DIM)),
        );
        lines.push(String::new());
        lines.extend(self.tables(width, size.colour));
        lines.push(paint("last findings", BOLD));
        let screen = Screen {
            width: size.width,
            colour: size.colour,
            tree: false,
        };
        let height = usize::from(size.height);
        let room = height.saturating_sub(lines.len() + 1);
        lines.extend(self.last.iter().take(room).map(|report| screen::exec(report, screen)));
        if self.last.is_empty() && room > 0 {
            lines.push(paint("none yet", DIM));
        }
        lines.push(paint("Ctrl-C ends", DIM));
        lines.truncate(height);
        lines
    }

    fn head(&self, state: State) -> String {
        let (now, _) = screen::time(state.time, true);
        let up = humantime::format_duration(std::time::Duration::from_secs(state.uptime_seconds));
        let health = if self.problems.is_empty() {
            "watching"
        } else {
            "DEGRADED"
        };
        format!(
            "cert-recon on {}  {now}  up {up}  {health}",
            for_terminal(self.device.as_bytes())
        )
    }

    fn counts(&mut self, state: State) -> String {
        let State { time, totals, sums, .. } = state;
        let mut text = format!("execs {}", totals.execs);
        if let Some((before, execs)) = self.before
            && let Ok(passed) = time.duration_since(before)
            && !passed.is_zero()
        {
            let rate = u128::from(totals.execs.saturating_sub(execs)) * 1000 / passed.as_millis().max(1);
            // Writing to a String can't fail.
            let _ = write!(text, " ({rate}/s)");
        }
        self.before = Some((time, totals.execs));
        let _ = write!(
            text,
            "  lost {}  suppressed {}  folded {}",
            totals.lost, sums.suppressed, sums.folded
        );
        text
    }

    fn findings(&self, sums: Sums) -> String {
        let levels = Confidence::ALL.iter().rev();
        let levels: Vec<_> = levels.map(|&c| format!("{} {c}", self.summary.of(c))).collect();
        format!("findings {}  shown {}", sums.findings, levels.join(", "))
    }

    fn tables(&self, width: usize, colour: bool) -> Vec<String> {
        let all = [By::Category, By::Account, By::Target, By::Service];
        let beside = if width >= WIDE { 4 } else { 2 };
        let column = width.saturating_sub(2 * (beside - 1)) / beside;
        let mut lines = Vec::new();
        for group in all.chunks(beside) {
            let tables: Vec<Vec<String>> = group.iter().map(|by| self.table(*by, column, colour)).collect();
            let height = tables.iter().map(Vec::len).max().unwrap_or(0);
            let empty = " ".repeat(column);
            for row in 0..height {
                let cells: Vec<&str> = tables
                    .iter()
                    .map(|table| table.get(row).unwrap_or(&empty).as_str())
                    .collect();
                lines.push(cells.join("  "));
            }
            lines.push(String::new());
        }
        lines
    }

    /// A table of one kind of name, each line as wide as the column.
    fn table(&self, by: By, width: usize, colour: bool) -> Vec<String> {
        const COUNT: usize = 8;
        let rows = self.summary.rows(by).rows;
        let name = width.saturating_sub(COUNT + 1);
        let mut lines = vec![painted(&padded(by.title(), width), BOLD, colour)];
        for row in rows.iter().take(ROWS) {
            lines.push(format!(
                "{} {:>COUNT$}",
                padded(&for_terminal(row.name.as_bytes()), name),
                row.tally.count
            ));
        }
        if rows.len() > ROWS {
            lines.push(padded(&format!("and {} more", rows.len() - ROWS), width));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use unicode_width::UnicodeWidthStr as _;

    use super::*;
    use crate::record::{Blind, Lost};

    fn state(seconds: u64, execs: u64) -> State {
        State {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_645_000 + seconds),
            uptime_seconds: seconds,
            totals: Totals {
                execs,
                ..Totals::default()
            },
            sums: Sums::default(),
        }
    }

    fn size(width: u16, height: u16) -> Size {
        Size {
            width,
            height,
            colour: false,
        }
    }

    fn lines(top: &mut Top, state: State, size: Size) -> Vec<String> {
        let frame = String::from_utf8(top.frame(state, size)).unwrap();
        let body = frame.strip_prefix("\x1b[H").unwrap().strip_suffix("\x1b[J").unwrap();
        body.split("\r\n")
            .map(|line| line.strip_suffix("\x1b[K").unwrap().to_owned())
            .collect()
    }

    fn finding(seconds: u64) -> Record {
        Record::Exec(Box::new(crate::hunt::summary::tests::finding(seconds)))
    }

    #[test]
    fn a_frame_fits_the_screen_whatever_its_size_and_shows_the_newest_finding_first() {
        let mut top = Top::new("ho\x1bst".to_owned());
        for n in 0..300 {
            top.note(&finding(n));
        }
        for width in [1, 20, 79, 80, 109, 110, 200] {
            for height in [1, 2, 10, 24, 60] {
                let lines = lines(&mut top, state(1, 10), size(width, height));
                assert!(lines.len() <= usize::from(height), "{width}x{height}");
                for line in &lines {
                    assert!(!line.contains(crate::text::is_harmful), "{line:?}");
                    assert!(
                        width < 60 || line.width() <= usize::from(width),
                        "{width}x{height}: {line:?}"
                    );
                }
            }
        }
        let lines = lines(&mut top, state(1, 10), size(80, 40));
        let at = lines.iter().position(|line| line == "last findings").unwrap();
        assert!(
            lines[at + 1].starts_with(&screen::time(SystemTime::UNIX_EPOCH + Duration::from_secs(299), false).0),
            "{lines:?}"
        );
        assert_eq!(top.last.len(), LAST);
    }

    #[test]
    fn it_says_how_many_execs_a_second_there_are_and_what_is_wrong() {
        let mut top = Top::new("host".to_owned());
        assert!(lines(&mut top, state(0, 100), size(80, 24))[1].starts_with("execs 100  lost 0"));
        assert!(lines(&mut top, state(2, 300), size(80, 24))[1].starts_with("execs 300 (100/s)  lost 0"));
        let time = SystemTime::UNIX_EPOCH;
        top.note(&Record::Blind(Blind {
            time,
            last_seen: None,
            reason: "detached".to_owned(),
            events_lost: 0,
        }));
        top.note(&Record::Lost(Lost {
            time,
            since: time,
            count: 7,
            total: 7,
            events_lost: 7,
        }));
        let lines = lines(&mut top, state(3, 300), size(80, 24));
        assert!(lines[0].ends_with("DEGRADED"), "{lines:?}");
        assert_eq!(lines[3], "blind: detached");
        assert_eq!(lines[4], "7 execs went unseen");
    }
}
