//! Literals of the languages, as far as they stand in front of a call's parentheses or in them.
//!
//! Owns the reading of quotes and of literals put together; what is not literal is unknown. Never looks at what is run.

use super::Language;
use crate::acts::Word;

/// Literals with nothing or an operator between them; what is not literal is unknown.
pub(super) fn concatenation(language: Language, code: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let (mut text, mut end) = quoted(language, code, at)?;
    loop {
        let mut place = skip_blank(code, end);
        let operator = match (language, code.get(place)) {
            (Language::Perl | Language::Php, Some(b'.')) => 1,
            (Language::Lua, Some(b'.')) if code.get(place + 1) == Some(&b'.') => 2,
            (Language::Python | Language::Ruby | Language::Node, Some(b'+')) => 1,
            (Language::Python | Language::Ruby | Language::Awk, Some(b'"' | b'\'')) => 0,
            _ => return Some((text, end)),
        };
        place = skip_blank(code, place + operator);
        match quoted(language, code, place) {
            Some((more, after)) => {
                text.extend(more);
                end = after;
            }
            None => {
                text.push(Word::UNKNOWN);
                let after = end_of(code, place, |byte| {
                    is_name(byte) || matches!(byte, b'$' | b'[' | b']' | b'.')
                });
                if after == place {
                    return Some((text, end));
                }
                end = after;
            }
        }
    }
}

/// A literal at a place, with the prefix of its language.
fn quoted(language: Language, code: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let rest = code.get(at..)?;
    if language == Language::Perl && rest.starts_with(b"q") {
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if matches!(&rest[..letters], b"q" | b"qq") {
            return perl_text(code, at + letters);
        }
    }
    let prefix = if language == Language::Python {
        rest.iter()
            .take(2)
            .take_while(|byte| b"rRbBfFuU".contains(byte))
            .count()
    } else {
        0
    };
    let raw = rest[..prefix].iter().any(|byte| matches!(byte, b'r' | b'R'));
    let formatted = rest[..prefix].iter().any(|byte| matches!(byte, b'f' | b'F'));
    let quote = *rest.get(prefix)?;
    let opens = matches!(quote, b'"' | b'\'') || quote == b'`' && language == Language::Node;
    if !opens {
        return None;
    }
    let start = at + prefix;
    let triple = [quote; 3];
    let (text, end) = if language == Language::Python && code[start..].starts_with(&triple) {
        let body = &code[start + 3..];
        let length = body
            .windows(3)
            .position(|window| window == triple)
            .unwrap_or(body.len());
        (body[..length].to_vec(), (start + 3 + length + 3).min(code.len()))
    } else {
        let plain = raw || quote == b'\'' && matches!(language, Language::Perl | Language::Ruby | Language::Php);
        literal(code, start + 1, quote, !plain)
    };
    let text = match language {
        Language::Python if formatted => without_braces(&text, b"{"),
        Language::Ruby if quote == b'"' => without_braces(&text, b"#{"),
        _ => text,
    };
    Some((text, end))
}

/// The text up to a quote, and what is behind it.
pub(super) fn literal(code: &[u8], start: usize, quote: u8, escapes: bool) -> (Vec<u8>, usize) {
    let mut text = Vec::new();
    let mut at = start;
    while let Some(&byte) = code.get(at) {
        at += 1;
        match byte {
            byte if byte == quote => return (text, at),
            b'\\' => {
                let Some(&next) = code.get(at) else {
                    break;
                };
                at += 1;
                match next {
                    b'\\' => text.push(b'\\'),
                    next if next == quote => text.push(next),
                    b'n' if escapes => text.push(b'\n'),
                    b't' if escapes => text.push(b'\t'),
                    b'x' if escapes => match code.get(at..at + 2).and_then(hex) {
                        Some(byte) => {
                            text.push(byte);
                            at += 2;
                        }
                        None => text.extend_from_slice(b"\\x"),
                    },
                    b'\n' if escapes => {}
                    b'$' | b'@' | b'"' | b'\'' | b'/' if escapes => text.push(next),
                    next => text.extend_from_slice(&[b'\\', next]),
                }
            }
            byte => text.push(byte),
        }
    }
    (text, at)
}

fn hex(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u8::from_str_radix(digits, 16).ok())
}

/// Perl's and Ruby's quotes of any kind: `{...}`, `(...)`, `/.../`.
pub(super) fn perl_text(code: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let at = skip_blank(code, at);
    let open = *code.get(at)?;
    let close = match open {
        b'{' => b'}',
        b'(' => b')',
        b'[' => b']',
        b'<' => b'>',
        b',' | b';' | b'=' | b')' => return None,
        open if open.is_ascii_alphanumeric() => return None,
        open => open,
    };
    let mut depth = 1usize;
    let mut end = at + 1;
    while let Some(&byte) = code.get(end) {
        if byte == close {
            depth -= 1;
        } else if byte == open {
            depth += 1;
        }
        if depth == 0 {
            return Some((code[at + 1..end].to_vec(), end + 1));
        }
        end += 1;
    }
    Some((code[at + 1..].to_vec(), code.len()))
}

/// `{name}` of a formatted text is not known.
fn without_braces(text: &[u8], open: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(open)
            && let Some(close) = text[at..].iter().take(256).position(|byte| *byte == b'}')
        {
            made.push(Word::UNKNOWN);
            at += close + 1;
        } else {
            made.push(text[at]);
            at += 1;
        }
    }
    made
}

/// Whether a byte belongs to a name.
pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where bytes of a kind end.
pub(super) fn end_of(code: &[u8], at: usize, part: impl Fn(u8) -> bool) -> usize {
    code.get(at..)
        .and_then(|rest| rest.iter().position(|byte| !part(*byte)))
        .map_or(code.len(), |end| at + end)
}

/// Where white space ends.
pub(super) fn skip_blank(code: &[u8], at: usize) -> usize {
    end_of(code, at, |byte| byte.is_ascii_whitespace())
}
