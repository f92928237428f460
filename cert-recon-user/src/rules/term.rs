//! What it means, byte for byte, that a text *has* a term or *is* a value: Kusto's `has`, `in~` and `=~`.
//!
//! Owns the definition; never searches (that is the matcher's work).
//!
//! # Definition
//!
//! - **`has`** (and `has_any`, once per term): the term occurs in the text, ASCII letters compared without case, and the
//!   occurrence is not part of a longer word: where the term itself begins with an ASCII letter or digit, the byte
//!   before the occurrence must not be one, and the same at its end. On a side where the term begins or ends with any
//!   other character (`-connect`), nothing is demanded. Beginning and end of the text separate words, and so does every
//!   byte that is not an ASCII letter or digit: `_`, `-`, `.`, `/`, white space, quotes, NUL, every byte of a non-ASCII
//!   character.
//! - **`in~`**, **`=~`**: the text and the value have the same length and are equal, ASCII letters compared without case.
//!
//! # Source
//!
//! Microsoft, *String operators* (<https://learn.microsoft.com/kusto/query/datatypes-string-operators>): "each string
//! value is broken into maximal sequences of alphanumeric characters, and each of those sequences is made into a term"
//! (earlier editions: "of ASCII alphanumeric characters"); `has` finds the right-hand side as a whole term in the
//! left-hand side; case-insensitive operators are supported for ASCII text only. The page does not spell out a
//! right-hand side that holds separators itself (`crt.sh`, `-connect`); the definition above is the plain reading for
//! it: the words at its two ends must be whole words of the text, what lies between them must be there unchanged.

/// Whether the occurrence `text[start..end]` of a term is a whole term in the sense of `has`.
pub(super) fn is_whole_term(text: &[u8], start: usize, end: usize) -> bool {
    let Some(occurrence) = text.get(start..end) else {
        return false;
    };
    let before = start.checked_sub(1).and_then(|index| text.get(index));
    let after = text.get(end);
    !(both_in_a_word(before, occurrence.first()) || both_in_a_word(occurrence.last(), after))
}

/// Whether an occurrence that ends at `end` and starts at `start` is the entire text, as `in~` and `=~` demand.
pub(super) fn is_whole_text(text: &[u8], start: usize, end: usize) -> bool {
    start == 0 && end == text.len()
}

/// Whether the text that starts at `start` spells `term`, ASCII letters compared without case and a space of the term
/// met by a space or a NUL.
///
/// The kernel keeps argv with a NUL behind each argument. Where a rule's author writes a space between two words, the
/// words may be two arguments or one, so both bytes count; the raw form of a command line then matches exactly when the
/// form joined by spaces does.
pub(super) fn spells(text: &[u8], start: usize, term: &[u8]) -> bool {
    let Some(text) = start.checked_add(term.len()).and_then(|end| text.get(start..end)) else {
        return false;
    };
    text.iter()
        .zip(term)
        .all(|(have, want)| have.eq_ignore_ascii_case(want) || (*want == b' ' && *have == 0))
}

fn both_in_a_word(left: Option<&u8>, right: Option<&u8>) -> bool {
    left.is_some_and(u8::is_ascii_alphanumeric) && right.is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::{is_whole_term, is_whole_text, spells};

    /// The first occurrence of `term`, found the plain way.
    fn has(text: &str, term: &str) -> bool {
        (0..=text.len()).any(|start| {
            spells(text.as_bytes(), start, term.as_bytes()) && is_whole_term(text.as_bytes(), start, start + term.len())
        })
    }

    #[test]
    fn a_term_may_not_touch_a_letter_or_digit_unless_its_own_edge_is_neither() {
        #[rustfmt::skip]
        let table = [
            ("crt.sh", "crt.sh", true),
            ("https://crt.sh/?q=x", "crt.sh", true),
            ("https://CRT.SH/?q=x", "crt.sh", true),
            ("crt.shx", "crt.sh", false),
            ("xcrt.sh", "crt.sh", false),
            ("9crt.sh", "crt.sh", false),
            ("crt.sh.example", "crt.sh", true),
            ("_crt.sh_", "crt.sh", true),
            ("écrt.shé", "crt.sh", true),
            ("crt_sh", "crt.sh", false),
            ("xcrt.sh crt.sh", "crt.sh", true),
            ("-connect", "-connect", true),
            ("x-connect", "-connect", true),
            ("--connect", "-connect", true),
            ("-connected", "-connect", false),
            ("connect", "-connect", false),
            ("a.b", "a.", true),
            ("b.", "a.", false),
            ("", "crt.sh", false),
        ];
        for (text, term, expected) in table {
            assert_eq!(has(text, term), expected, "{text:?} has {term:?}");
        }
    }

    #[test]
    fn a_space_of_a_term_is_met_by_a_space_or_a_nul_and_by_nothing_else() {
        assert!(spells(b"s_client -connect", 0, b"s_client -CONNECT"));
        assert!(spells(b"s_client\0-connect", 0, b"s_client -connect"));
        assert!(!spells(b"s_client\t-connect", 0, b"s_client -connect"));
        assert!(!spells(b"s_client", 0, b"s_client -connect"));
        assert!(!spells(b"a", usize::MAX, b"a"), "no overflow");
    }

    #[test]
    fn a_whole_text_leaves_nothing_over() {
        assert!(is_whole_text(b"curl", 0, 4));
        assert!(!is_whole_text(b"curl ", 0, 4));
        assert!(!is_whole_text(b" curl", 1, 5));
    }

    #[test]
    fn positions_outside_the_text_are_no_match() {
        assert!(!is_whole_term(b"abc", 2, 9));
        assert!(!is_whole_term(b"abc", 3, 2));
    }
}
