//! Command lines of Windows that run another program, for records that come from there.

use super::inner::Inner;
use super::words;
use crate::acts::{Budget, Command, Via, Word};

/// `cmd /c text`: commands between `&`, `&&`, `|`, `||`, with carets and quotes taken away.
pub(super) fn cmd<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let start = command.args.iter().position(|word| {
        let bytes = word.bytes();
        bytes.len() >= 2 && bytes[0] == b'/' && matches!(bytes[1], b'c' | b'C' | b'k' | b'K' | b'r' | b'R')
    });
    let Some(start) = start else {
        return;
    };
    // `/ccurl ...` is allowed.
    let mut line = vec![words::from(&command.args[start], 2)];
    line.extend(words::copy(&command.args[start + 1..], budget));
    let mut line_words = Vec::new();
    // A single word holds a whole line; several were split already, and their quotes are gone.
    let several = line.iter().filter(|word| !word.bytes().is_empty()).count() > 1;
    for word in &line {
        if !budget.pay(word.bytes().len() + 1) {
            break;
        }
        split(word.bytes(), several, &mut line_words);
    }
    for words in line_words.split(Option::is_none) {
        let words: Vec<Word<'a>> = words.iter().flatten().map(|word| Word::owned(word.clone())).collect();
        let words = match words.split_first() {
            // Commands of cmd itself that run the rest of the line.
            Some((first, rest)) if first.bytes().eq_ignore_ascii_case(b"start") => after_start(rest),
            Some((first, rest)) if first.bytes().eq_ignore_ascii_case(b"call") => rest,
            _ => &words,
        };
        inner.extend(Inner::words(words, Via::Shell, budget));
    }
}

/// `start ["title"] [/b] [/wait] [/d path] program`.
fn after_start<'w, 'a>(words: &'w [Word<'a>]) -> &'w [Word<'a>] {
    let options = words
        .iter()
        .take_while(|word| word.bytes().is_empty() || word.bytes().starts_with(b"/"))
        .count();
    &words[options..]
}

/// Words of a line; none stands between two commands.
fn split(text: &[u8], one: bool, words: &mut Vec<Option<Vec<u8>>>) {
    let mut word: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b'^' if !quoted => word.get_or_insert_default().extend(bytes.next()),
            b'&' | b'|' if !quoted => {
                words.extend(word.take().map(Some));
                words.push(None);
            }
            b' ' | b'\t' | b'\n' | b'\r' if !quoted && !one => words.extend(word.take().map(Some)),
            _ => word.get_or_insert_default().push(*byte),
        }
    }
    words.extend(word.map(Some));
}
