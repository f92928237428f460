//! What the forms with fields of their own (journal, syslog, other schemas) have in common: how much a record matters, its
//! line for people, names in other spelling, and the exact bytes of what JSON can't hold exactly.

use super::line;
use crate::{
    event::Argv,
    finding::{Image, Report},
    record::Record,
    rules::Confidence,
};

/// How much a record matters, on the scale of syslog, which is also that of the journal: 0 is the worst, 7 the least.
#[must_use]
pub fn priority(record: &Record) -> u8 {
    const CRITICAL: u8 = 2;
    const ERROR: u8 = 3;
    const WARNING: u8 = 4;
    const NOTICE: u8 = 5;
    const INFORMATIONAL: u8 = 6;
    match record {
        Record::Exec(report) if report.tuning.suppressed.is_some() => INFORMATIONAL,
        Record::Exec(report) => match report.verdict.as_ref().map(|verdict| verdict.confidence) {
            Some(Confidence::High) => ERROR,
            Some(Confidence::Medium) => WARNING,
            Some(Confidence::Low) => NOTICE,
            None => INFORMATIONAL,
        },
        Record::Lost(_) => WARNING,
        Record::Health(health) if health.problems.is_empty() => INFORMATIONAL,
        Record::Health(_) => WARNING,
        Record::Blind(_) => CRITICAL,
    }
}

/// The record's line for people, of `most` bytes and a note when there was more.
#[must_use]
pub fn message(record: &Record, most: usize) -> String {
    let mut text = String::from_utf8(line::line(record, false)).unwrap_or_default();
    text.pop();
    if text.len() > most {
        let all = text.len();
        text.truncate(text.floor_char_boundary(most));
        text.push_str(&format!("... (cut: {all} bytes in all)"));
    }
    text
}

/// The name of a field in lower case, words separated by `_`: `account_name`, `sha256_absent`.
#[must_use]
pub fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 8);
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && !before.is_ascii_uppercase() && before != '_' {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
        before = c;
    }
    snake
}

/// The bytes of a field of an exec that its JSON shows as text; none of other fields, and when it is absent.
#[must_use]
pub fn exact(report: &Report, name: &str) -> Option<Vec<u8>> {
    let parent = || report.ancestry.first().map(|parent| &parent.image);
    match name {
        "FileName" => report.file_name.clone(),
        "FolderPath" => report.folder_path.clone(),
        "ScriptPath" => report.script_path.clone(),
        "CurrentDirectory" => report.directory.clone(),
        "Tty" => report.tty.clone(),
        "CgroupPath" => report.cgroup_path.clone(),
        "RecordFile" => report.origin.as_ref()?.file.clone(),
        "ProcessCommandLine" => Some(joined(report.arguments())),
        // As the kernel keeps them, each ended by a NUL.
        "ProcessArguments" => (!report.argv_is_text).then(|| report.argv.clone()),
        "InitiatingProcessFileName" => parent()?.file_name.clone(),
        "InitiatingProcessFolderPath" => parent()?.folder_path.clone(),
        "InitiatingProcessCommandLine" => parent()?.arguments().map(joined),
        "PreviousFileName" => report.previous.as_ref()?.file_name.clone(),
        "PreviousCommandLine" => report.previous.as_ref().and_then(Image::arguments).map(joined),
        _ => None,
    }
}

/// The arguments with single spaces between them.
fn joined(argv: Argv<'_>) -> Vec<u8> {
    let mut line = argv.line().to_vec();
    if !argv.is_text() {
        line.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{event::Exec, sink::json};

    #[test]
    fn names_are_split_into_their_words() {
        for (name, expected) in [
            ("AccountName", "account_name"),
            ("SHA256", "sha256"),
            ("SHA256Absent", "sha256_absent"),
            ("ProcessArgumentsBase64", "process_arguments_base64"),
            ("Tty", "tty"),
        ] {
            assert_eq!(snake(name), expected);
        }
        let mut names: Vec<_> = json::exec_fields().map(snake).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "no two become one");
    }

    #[test]
    fn a_long_line_says_that_it_was_cut_and_how_long_it_was() {
        let record = |argv: &[u8]| {
            let exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(argv));
            Record::Exec(Box::new(Report::new(&exec, None)))
        };
        let short = message(&record(b"a\0b\0"), 1000);
        assert!(short.ends_with("a b"), "{short}");
        let long = record("é".repeat(1000).as_bytes());
        let all = message(&long, 1 << 20).len();
        for most in [100, 101] {
            let cut = message(&long, most);
            assert!(cut.ends_with(&format!("... (cut: {all} bytes in all)")), "{cut}");
            assert!(cut.find("...").unwrap() <= most);
        }
    }
}
