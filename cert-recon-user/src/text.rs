//! Bytes from outside as text: losslessly for records, harmlessly for terminals.

use std::{borrow::Cow, fmt::Write as _};

/// The bytes as text; each byte that is not part of UTF-8 appears as `\xNN`. The flag says whether there was one.
#[must_use]
pub fn lossless(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), false);
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String can't fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    (Cow::Owned(text), true)
}

/// Whether it is nothing but printable ASCII (a space too), which is text and [harmless](is_harmful).
#[must_use]
pub fn is_printable(bytes: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    // Eight bytes at a time, also where the compiler is asked for a small program. The highest bit of each: set in a byte that is not
    // ASCII, by adding one to DEL, by taking a space from what is less. A carry comes out of such a byte only.
    let differs = |bytes: &[u8; 8]| {
        let word = u64::from_ne_bytes(*bytes);
        word | word.wrapping_add(EACH) | !((word | HIGHEST) - u64::from(b' ') * EACH)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let (blocks, words) = words.as_chunks::<4>();
    let mut any = 0;
    for [a, b, c, d] in blocks {
        any |= differs(a) | differs(b) | differs(c) | differs(d);
    }
    for word in words {
        any |= differs(word);
    }
    any & HIGHEST == 0 && rest.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether a terminal, or the eyes before it, could be misled by this character: control characters (an ESC, a C1
/// introducer, a newline that forges a line), and those that change the direction of text or break lines.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The bytes as one line that can be shown on a terminal: no control characters, no change of direction.
#[must_use]
pub fn for_terminal(bytes: &[u8]) -> Cow<'_, str> {
    let (text, _) = lossless(bytes);
    if is_printable(bytes) || !text.contains(is_harmful) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_harmful(c) && u32::from(c) < 0x80 => {
                let _ = write!(safe, "\\x{:02x}", u32::from(c));
            }
            c if is_harmful(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_shown_by_number() {
        assert_eq!(lossless(b"caf\xc3\xa9"), ("café".into(), false));
        assert_eq!(lossless(b"a\xff\xfeb\xc3"), ("a\\xff\\xfeb\\xc3".into(), true));
    }

    #[test]
    fn what_is_printable_is_never_harmful_and_a_byte_that_is_not_is_found_anywhere() {
        for byte in 0..=u8::MAX {
            let is_harmless = byte.is_ascii() && !is_harmful(char::from(byte));
            for at in [0, 31, 64, 99] {
                let mut bytes = [b'x'; 100];
                bytes[at] = byte;
                assert_eq!(is_printable(&bytes), is_harmless, "{byte} at {at}");
            }
        }
        assert!(is_printable(b""));
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left() {
        let hostile = b"a\x1b[2J\x07\r\nb\tc\x7f \xc2\x9b31m \xe2\x80\xaegnp \x9b \xef\xbb\xbf";
        let shown = for_terminal(hostile);
        assert_eq!(
            shown,
            "a\\x1b[2J\\x07\\r\\nb\\tc\\x7f \\u{9b}31m \\u{202e}gnp \\x9b \\u{feff}"
        );
        assert!(!shown.contains(is_harmful));
    }
}
