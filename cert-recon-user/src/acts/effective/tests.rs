//! Tables of command lines and the commands that run by them.

mod properties;
mod tables;
mod texts;

use crate::acts::{Budget, Command, Word};

/// Splits a line of a table: blanks, single and double quotes, `''` for an empty word.
fn argv(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    for byte in line.bytes() {
        match (byte, quote) {
            (byte, Some(open)) if byte == open => quote = None,
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (b' ', None) => words.extend(word.take()),
            (byte, _) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

fn run<R>(names: &[&str], line: &str, read: impl FnOnce(&[Command<'_>]) -> R) -> R {
    let argv = argv(line);
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let bytes = argv.iter().map(|word| word.len() + 1).sum();
    let mut budget = Budget::new(bytes);
    let commands = super::commands(&names, &argv, &mut budget);
    assert_eq!(budget.hit(), None, "{line}");
    read(&commands)
}

/// A command as a table spells it: its first name and its arguments; what is not known is `?`.
fn spelled(command: &Command<'_>) -> String {
    let mut words = vec![command.programs.first().map_or("?", String::as_str).to_owned()];
    words.extend(command.args.iter().map(|word| {
        let known: Vec<u8> = word
            .bytes()
            .iter()
            .map(|byte| if *byte == Word::UNKNOWN { b'?' } else { *byte })
            .collect();
        String::from_utf8_lossy(&known).into_owned()
    }));
    words.join(" ")
}

/// Each line's innermost, last command is the one beside it.
fn assert_innermost(rows: &[(&str, &str)]) {
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|(line, expected)| {
            let found = run(&[], line, |commands| commands.last().map(spelled).unwrap_or_default());
            (found != *expected).then(|| format!("{line}\n  expected: {expected}\n  found:    {found}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Each line runs, beside itself, the commands beside it, in that order.
fn assert_all(rows: &[(&str, &[&str])]) {
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|(line, expected)| {
            let found = run(&[], line, |commands| {
                commands.iter().skip(1).map(spelled).collect::<Vec<_>>()
            });
            (found != *expected).then(|| format!("{line}\n  expected: {expected:?}\n  found:    {found:?}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// No command of these lines has one of the names.
fn assert_none(names: &[&str], lines: &[&str]) {
    let failed: Vec<&&str> = lines
        .iter()
        .filter(|line| {
            run(&[], line, |commands| {
                names.iter().any(|name| commands.iter().any(|command| command.is(name)))
            })
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
