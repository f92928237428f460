//! Small operations on words that keep them borrowed where they can be.

use std::borrow::Cow;

use crate::acts::{Budget, Word};

/// The word from a byte on.
pub(super) fn from<'a>(word: &Word<'a>, start: usize) -> Word<'a> {
    match &word.0 {
        Cow::Borrowed(bytes) => Word::borrowed(bytes.get(start..).unwrap_or_default()),
        Cow::Owned(bytes) => Word::owned(bytes.get(start..).unwrap_or_default().to_vec()),
    }
}

/// The words with single spaces between them, as programs do that hand their arguments to a shell.
pub(super) fn join<'a>(words: &[Word<'a>], budget: &mut Budget) -> Word<'a> {
    if let [word] = words {
        return word.clone();
    }
    let bytes = words.iter().map(|word| word.bytes().len() + 1).sum();
    let mut text = Vec::new();
    if budget.pay(bytes) {
        text.reserve(bytes);
        for (at, word) in words.iter().enumerate() {
            if at > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(word.bytes());
        }
    }
    Word::owned(text)
}

/// What a word costs to copy, beside its bytes.
const WORD: usize = 16;

/// A copy of the words, paid for: nothing when there is not enough left.
pub(super) fn copy<'a>(words: &[Word<'a>], budget: &mut Budget) -> Vec<Word<'a>> {
    let owned = words
        .iter()
        .map(|word| match &word.0 {
            Cow::Borrowed(_) => WORD,
            Cow::Owned(bytes) => bytes.len() + WORD,
        })
        .sum();
    if budget.pay(owned) { words.to_vec() } else { Vec::new() }
}

/// The word with every `needle` replaced. An empty needle is found nowhere.
pub(super) fn replace<'a>(word: &Word<'a>, needle: &[u8], with: &[u8], budget: &mut Budget) -> Word<'a> {
    let bytes = word.bytes();
    if needle.is_empty() || bytes.len() < needle.len() || !budget.pay(bytes.len()) {
        return word.clone();
    }
    let mut made: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(needle) {
            let made = made.get_or_insert_with(|| bytes[..at].to_vec());
            if !budget.pay(with.len()) {
                break;
            }
            made.extend_from_slice(with);
            at += needle.len();
        } else {
            if let Some(made) = &mut made {
                made.push(bytes[at]);
            }
            at += 1;
        }
    }
    made.map_or_else(|| word.clone(), Word::owned)
}

/// Whether the word may name a program to run, where it could also be an argument: no URL, host, option or assignment.
pub(super) fn may_be_program(word: &Word<'_>) -> bool {
    // In an image's own folders programs have no endings: a bare `x.sh` is a file that the entry point is given.
    let bytes = word.bytes();
    let base = super::names::base(bytes);
    !bytes.is_empty()
        && !bytes.starts_with(b"-")
        && !bytes.iter().any(|byte| b":?=@%*,\0".contains(byte))
        && (!base.contains(&b'.') || bytes.contains(&b'/'))
}
