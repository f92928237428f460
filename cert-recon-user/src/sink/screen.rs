//! The text form for a terminal: aligned, a line as wide as the screen, the ancestry below it when that is asked for.
//!
//! Owns columns and cutting. What stands in a line is less than [`mod@line`](super::line) has, in an order that a tired person
//! can read: when, how sure, who, what program, about whom, asked of whom, and as much of the command line as there is room
//! for. Pure: the width is told.

use std::{borrow::Cow, fmt::Write as _, time::SystemTime};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{
    json::timestamp,
    line::{self, painted},
};
use crate::{
    finding::{Image, Report},
    record::{Health, Record},
    rules::Confidence,
    text::for_terminal,
};

/// How a record is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns of the screen.
    pub width: u16,
    /// With escape sequences that colour it.
    pub colour: bool,
    /// With the processes above each exec.
    pub tree: bool,
}

impl Screen {
    /// For what is no screen: nothing is cut.
    pub const ENDLESS: u16 = u16::MAX;
}

// Readable on dark and on light ground; the words say the same.
const RED: &str = "\x1b[1;31m";
const MAGENTA: &str = "\x1b[35m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";

/// The columns, by the width of the screen.
struct Columns {
    date: bool,
    account: usize,
    program: usize,
    about: usize,
    gap: &'static str,
}

impl Columns {
    fn of(width: usize) -> Self {
        let (date, account, program, about, gap) = match width {
            ..60 => (false, 0, 10, 0, " "),
            60..100 => (false, 11, 9, 20, " "),
            100..140 => (false, 16, 12, 28, "  "),
            _ => (true, 18, 14, 36, "  "),
        };
        Self {
            date,
            account,
            program,
            about,
            gap,
        }
    }
}

/// The record as text, with its newline.
#[must_use]
pub fn text(record: &Record, screen: Screen) -> Vec<u8> {
    let Record::Exec(report) = record else {
        return match record {
            Record::Health(health) if screen.width != Screen::ENDLESS => self::health(health, screen),
            _ => line::line(record, screen.colour),
        };
    };
    let mut text = match screen.width {
        Screen::ENDLESS => String::from_utf8(line::report(report, screen.colour)).unwrap_or_default(),
        _ => exec(report, screen) + "\n",
    };
    if screen.tree {
        text.push_str(&tree(report, screen));
    }
    text.into_bytes()
}

/// One line about an exec, without its newline, no wider than the screen.
pub(super) fn exec(report: &Report, screen: Screen) -> String {
    let width = usize::from(screen.width);
    let columns = Columns::of(width);
    let (confidence, paint) = match &report.verdict {
        Some(verdict) => (verdict.confidence.as_str(), paint_of(verdict.confidence)),
        None => ("-", ""),
    };
    let mut left = width;
    let mut text = String::new();
    let mut add = |column: &str, size: usize, paint: &str| {
        if size > 0 {
            let column = padded(column, size);
            left = left.saturating_sub(size + columns.gap.len());
            text.push_str(&painted(&column, paint, screen.colour));
            text.push_str(columns.gap);
        }
    };
    let (when, size) = time(report.time, columns.date);
    add(&when, size, "");
    add(confidence, 6, paint);
    add(&account(report), columns.account, "");
    add(
        &for_terminal(program(report)),
        columns.program,
        if paint.is_empty() { "" } else { BOLD },
    );
    add(&about(report), columns.about, "");
    let notes = notes(report);
    // Of the command line something always stays.
    let room = left.saturating_sub(if notes.is_empty() { 0 } else { notes.width() + 1 });
    if !notes.is_empty() && room >= 16 {
        text.push_str(&fit(&command(&report.argv), room));
        text.push(' ');
        text.push_str(&painted(&notes, MAGENTA, screen.colour));
    } else {
        let line = if notes.is_empty() {
            command(&report.argv)
        } else {
            format!("{notes} {}", command(&report.argv))
        };
        text.push_str(&fit(&line, left));
    }
    text.truncate(text.trim_end_matches(' ').len());
    text
}

/// The processes above, the first one first, each below its parent.
fn tree(report: &Report, screen: Screen) -> String {
    let width = usize::from(screen.width);
    let mut text = String::new();
    let mut depth = 0;
    let mut add = |pid: Option<u32>, name: &[u8], image: Option<&Image>| {
        let indent = 2 + depth * 2;
        let branch = if depth == 0 { "" } else { "\u{2514} " };
        let pid = pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
        let command = image
            .and_then(|image| image.argv.as_deref())
            .map(command)
            .unwrap_or_default();
        let line = format!("{:indent$}{branch}{}{pid}  {command}", "", for_terminal(name));
        let line = fit(line.trim_end(), width).into_owned();
        text.push_str(&painted(&line, DIM, screen.colour));
        text.push('\n');
        depth += 1;
    };
    for process in report.ancestry.iter().rev() {
        add(
            process.pid,
            process.image.file_name.as_deref().unwrap_or(b"?"),
            Some(&process.image),
        );
    }
    if let Some(previous) = &report.previous {
        add(
            report.pid,
            previous.file_name.as_deref().unwrap_or(b"?"),
            Some(previous),
        );
    }
    text
}

/// All is well: the sums. Else what is wrong, wrapped by the terminal.
fn health(health: &Health, screen: Screen) -> Vec<u8> {
    if !health.problems.is_empty() {
        return line::line(&Record::Health(Box::new(health.clone())), screen.colour);
    }
    let columns = Columns::of(screen.width.into());
    let (when, _) = time(health.time, columns.date);
    let text = format!("{when}{}{}", columns.gap, sums(health));
    let mut text = painted(&fit(&text, screen.width.into()), DIM, screen.colour);
    text.push('\n');
    text.into_bytes()
}

/// The sums of a health record in few words.
pub(super) fn sums(health: &Health) -> String {
    let (totals, sums) = (health.totals, health.sums);
    let up = humantime::format_duration(std::time::Duration::from_secs(health.uptime_seconds));
    format!(
        "sensor {}: execs {}, lost {}, findings {}, suppressed {}, folded {}, up {up}",
        health.status(),
        totals.execs,
        totals.lost,
        sums.findings,
        sums.suppressed,
        sums.folded
    )
}

/// The colour of a confidence; none for low.
pub(super) fn paint_of(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => RED,
        Confidence::Medium => MAGENTA,
        Confidence::Low => "",
    }
}

/// `22:11:51Z`, or with the date; and its width.
pub(super) fn time(time: SystemTime, date: bool) -> (String, usize) {
    let whole = timestamp(time);
    let seconds = whole.get(..19).unwrap_or(&whole);
    let text = match date {
        true => seconds.replace('T', " "),
        false => seconds.get(11..).unwrap_or(seconds).to_owned(),
    } + "Z";
    let width = if date { 20 } else { 9 };
    (text, width)
}

/// Who logged in, and who it was by then: `alice>root`; with set-uid rights `alice>www+root`.
pub(super) fn account(report: &Report) -> String {
    let number = |uid: Option<u32>| uid.map(|uid| uid.to_string());
    let name = |name: &Option<String>, uid| name.clone().or_else(|| number(uid));
    let mut text = name(&report.account, report.uid).unwrap_or_else(|| "-".to_owned());
    if report.effective_uid != report.uid
        && let Some(effective) = name(&report.effective_account, report.effective_uid)
    {
        // Writing to a String can't fail.
        let _ = write!(text, "+{effective}");
    }
    let is_other = report.login_uid.is_some() && report.login_uid != report.uid;
    if let Some(login) =
        name(&report.login_account, report.login_uid).filter(|login| is_other || report.uid.is_none() && *login != text)
    {
        text = format!("{login}>{text}");
    }
    for_terminal(text.as_bytes()).into_owned()
}

fn program(report: &Report) -> &[u8] {
    report
        .file_name
        .as_deref()
        .or(report.folder_path.as_deref())
        .unwrap_or(b"-")
}

/// `example.com @ crt.sh`.
pub(super) fn about(report: &Report) -> String {
    let Some(verdict) = &report.verdict else {
        return String::new();
    };
    let list = |names: &[String]| match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first}+{}", rest.len()),
    };
    let (targets, services) = (list(&verdict.targets), list(&verdict.services));
    let text = match (targets.is_empty(), services.is_empty()) {
        (true, true) => verdict
            .matched_terms
            .first()
            .map(|term| format!("[{term}]"))
            .unwrap_or_default(),
        (false, true) => targets,
        (true, false) => format!("@ {services}"),
        (false, false) => format!("{targets} @ {services}"),
    };
    for_terminal(text.as_bytes()).into_owned()
}

/// What must not be overlooked.
fn notes(report: &Report) -> String {
    let mut notes = Vec::new();
    if let Some(folded) = report.tuning.folded {
        notes.push(format!("x{}", folded.count));
    }
    if let Some(suppressed) = &report.tuning.suppressed {
        notes.push(format!("suppressed by {}", for_terminal(suppressed.name.as_bytes())));
    }
    if let Some(name) = report.known_as.first() {
        notes.push(format!("is {}", for_terminal(name.as_bytes())));
    }
    if report.fileless == Some(true) {
        notes.push("no file".to_owned());
    }
    if report.argv.len() as u64 != report.argv_total {
        notes.push("argv cut".to_owned());
    }
    if report.events_lost != 0 {
        notes.push(format!("{} lost before", report.events_lost));
    }
    if let Some(id) = &report.container_id {
        notes.push(format!(
            "container {}",
            for_terminal(id.get(..12).unwrap_or(id).as_bytes())
        ));
    }
    match notes.is_empty() {
        true => String::new(),
        false => format!("({})", notes.join(", ")),
    }
}

fn command(argv: &[u8]) -> String {
    let argv = argv.strip_suffix(b"\0").unwrap_or(argv);
    // No screen shows more, and an argv may have megabytes.
    let shown = argv.get(..MOST_SHOWN).unwrap_or(argv);
    let mut bytes = shown.to_vec();
    bytes
        .iter_mut()
        .filter(|byte| **byte == 0)
        .for_each(|byte| *byte = b' ');
    let mut text = for_terminal(&bytes).into_owned();
    if shown.len() < argv.len() {
        text.push(CUT);
    }
    text
}

/// Bytes of a command line that are looked at.
const MOST_SHOWN: usize = 8 << 10;
/// Stands where something was cut.
const CUT: char = '\u{2026}';

/// The text in so many columns: cut, and marked, when it has more.
pub(super) fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let size = c.width().unwrap_or(0);
        if used + size + 1 > width {
            break;
        }
        used += size;
        cut.push(c);
    }
    if width > 0 {
        cut.push(CUT);
    }
    Cow::Owned(cut)
}

/// The text in exactly so many columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    let mut text = fit(text, width).into_owned();
    let missing = width.saturating_sub(text.width());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::any, proptest};

    use super::*;
    use crate::{
        event::{Argv, Exec},
        finding::Process,
        rules::{BUILTIN_PACKS, DEFAULT_PACKS, Engine, Pack, Subject},
        text::is_harmful,
    };

    fn finding(argv: &[u8]) -> Report {
        let packs = BUILTIN_PACKS.iter().filter(|pack| DEFAULT_PACKS.contains(&pack.name));
        let packs: Vec<Pack> = packs.map(|pack| pack.parse().unwrap()).collect();
        let engine = Engine::new(&packs).unwrap();
        let mut exec = Exec::new(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_645_000),
            Argv::whole(argv),
        );
        exec.path = Some(b"/usr/bin/curl");
        let verdict = engine.judge(&Subject::new(&[b"curl"], argv), &mut engine.scratch());
        let mut report = Report::new(&exec, verdict);
        report.uid = Some(0);
        report.account = Some("root".to_owned());
        report.login_uid = Some(1000);
        report.login_account = Some("alice".to_owned());
        report
    }

    fn shown(report: &Report, width: u16, tree: bool) -> String {
        let screen = Screen {
            width,
            colour: false,
            tree,
        };
        String::from_utf8(text(&Record::Exec(Box::new(report.clone())), screen)).unwrap()
    }

    const ASKS: &[u8] = b"curl\0-s\0https://crt.sh/?q=%25.example.com&output=json&exclude=expired\0";

    #[test]
    fn a_finding_is_one_line_of_the_screens_width_with_who_what_about_whom_and_of_whom() {
        let report = finding(ASKS);
        assert_eq!(
            shown(&report, 80, false),
            "22:16:40Z high   alice>root  curl      example.com @ crt.sh curl -s https://crt\u{2026}\n"
        );
        assert_eq!(
            shown(&report, 160, false),
            "2026-11-25 22:16:40Z  high    alice>root          curl            example.com @ crt.sh                  \
             curl -s https://crt.sh/?q=%25.example.com&output=json&e\u{2026}\n"
        );
        for width in [40, 79, 80, 99, 100, 120, 139, 140, 200] {
            let line = shown(&report, width, false);
            assert!(line.trim_end().width() <= usize::from(width), "{width}: {line}");
        }
    }

    #[test]
    fn what_must_not_be_overlooked_stands_even_where_there_is_little_room() {
        let mut report = finding(ASKS);
        report.fileless = Some(true);
        report.argv_total += 1;
        for width in [80, 120, 160] {
            let line = shown(&report, width, false);
            assert!(line.contains("(no file, argv cut)"), "{line}");
            assert!(line.trim_end().width() <= usize::from(width), "{line}");
        }
    }

    #[test]
    fn the_tree_begins_with_the_first_process() {
        let mut report = finding(ASKS);
        for (pid, name) in [(30, "bash"), (20, "sshd"), (1, "systemd")] {
            report.ancestry.push(Process {
                pid: Some(pid),
                image: Image {
                    file_name: Some(name.into()),
                    argv: Some(format!("{name}\0--x\0").into_bytes()),
                    ..Image::default()
                },
            });
        }
        let text = shown(&report, 80, true);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  systemd (1)  systemd --x",
                "    \u{2514} sshd (20)  sshd --x",
                "      \u{2514} bash (30)  bash --x"
            ]
        );
        // Where nothing has to fit, the whole line comes first.
        let wide = shown(&report, Screen::ENDLESS, true);
        assert!(
            wide.contains("exclude=expired") && wide.ends_with(&(lines.join("\n") + "\n")),
            "{wide}"
        );
    }

    #[test]
    fn wide_characters_count_as_they_are_shown() {
        assert_eq!(fit("証明書の列挙", 6), "証明\u{2026}");
        assert_eq!(padded("証明", 5), "証明 ");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab\u{2026}");
        assert_eq!(fit("abcd", 0), "");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_line_or_reach_the_terminal(
            argv in vec(any::<u8>(), 0..300),
            name in vec(any::<u8>(), 0..40),
            width in 1..300_u16,
            tree in any::<bool>(),
        ) {
            let mut report = finding(ASKS);
            report.argv = argv;
            report.file_name = Some(name.clone());
            report.account = Some(String::from_utf8_lossy(&name).into_owned());
            report.ancestry.push(Process { pid: None, image: Image { file_name: Some(name.clone()), argv: Some(name), ..Image::default() } });
            let text = shown(&report, width, tree);
            assert_eq!(text.lines().count(), if tree { 2 } else { 1 });
            for line in text.lines() {
                assert!(!line.contains(is_harmful), "{line:?}");
                assert!(width < 60 || line.width() <= usize::from(width), "{line:?}");
            }
        }
    }
}
