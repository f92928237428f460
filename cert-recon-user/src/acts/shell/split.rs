//! Command lines of which only the joined text is known.
//!
//! Owns quotes and backslashes as both a shell and Windows write them; expansions have no meaning here.

use super::super::Budget;

/// Splits a command line of which only the text is known (a log's) into words: single and double quotes as in a shell; a
/// backslash counts only before a quote, a blank or another backslash, so that `C:\Windows` stays what it is. Nothing else
/// has a meaning. A quote that is never closed holds the rest.
#[must_use]
pub fn split(text: &[u8], budget: &mut Budget) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    if !budget.pay(text.len()) {
        return words;
    }
    let mut word: Option<Vec<u8>> = None;
    let mut quote: Option<u8> = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        let next = text.get(at).copied();
        match (quote, byte) {
            (None, b' ' | b'\t' | b'\n' | b'\r') => {
                if let Some(word) = word.take() {
                    // A word costs more than its bytes.
                    if !budget.pay(8) {
                        return words;
                    }
                    words.push(word);
                }
            }
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == byte => quote = None,
            (None, b'\\') if matches!(next, Some(b'\'' | b'"' | b'\\' | b' ' | b'\t')) => {
                word.get_or_insert_default().extend(next);
                at += 1;
            }
            (Some(b'"'), b'\\') if matches!(next, Some(b'"' | b'\\')) => {
                word.get_or_insert_default().extend(next);
                at += 1;
            }
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}
