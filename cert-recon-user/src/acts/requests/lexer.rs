//! Code in any language as tokens: literals with their escapes undone and the places of interpolated variables, names, numbers,
//! signs. Owns no meaning; `literals` puts the tokens together.

use crate::acts::{Budget, Limit};

/// Tokens that are looked at.
const TOKENS: usize = 1 << 16;

/// What differs between languages here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Language {
    /// Backslashes escape, backquotes quote.
    #[default]
    Common,
    /// PowerShell: backslashes are text, backquotes escape.
    PowerShell,
}

/// A piece of code.
#[derive(Debug)]
pub(super) enum Token {
    /// A literal, and the variables to fill in at these places, last first.
    Text(Vec<u8>, Vec<(usize, Vec<u8>)>),
    /// In lower case, without `$`.
    Name(Vec<u8>),
    Number(u32),
    Sign(u8),
}

/// Takes code apart, once, from its start to its end.
pub(super) struct Lexer<'c> {
    code: &'c [u8],
    at: usize,
    language: Language,
    /// A quote of this kind was not closed: nor will any later one be.
    unclosed: [bool; 3],
}

impl<'c> Lexer<'c> {
    pub(super) fn new(code: &'c [u8], language: Language) -> Self {
        Self {
            code,
            at: 0,
            language,
            unclosed: [false; 3],
        }
    }

    /// The tokens, up to a limit that the budget then tells of.
    pub(super) fn tokens(mut self, budget: &mut Budget) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(&byte) = self.code.get(self.at) {
            if tokens.len() >= TOKENS {
                budget.note(Limit::Bytes);
                break;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b'\\' | b'@' => self.at += 1,
                b'\'' | b'"' => tokens.push(self.text(byte, false)),
                b'`' if self.language == Language::Common => tokens.push(self.text(byte, true)),
                b'`' => self.at += 1,
                b'#' if self.at == 0 || self.code[self.at - 1].is_ascii_whitespace() => self.comment(),
                b'0'..=b'9' => tokens.push(self.number()),
                _ if is_name(byte) => tokens.push(self.name()),
                _ => {
                    tokens.push(Token::Sign(byte));
                    self.at += 1;
                }
            }
        }
        tokens
    }

    fn comment(&mut self) {
        let rest = &self.code[self.at..];
        self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    }

    fn number(&mut self) -> Token {
        let rest = &self.code[self.at..];
        let length = rest
            .iter()
            .position(|b| !b.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        self.at += length;
        let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let value = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        Token::Number(value.unwrap_or(u32::MAX))
    }

    fn name(&mut self) -> Token {
        let rest = &self.code[self.at..];
        let length = rest
            .iter()
            .position(|&b| !is_name(b) && !b.is_ascii_digit())
            .unwrap_or(rest.len());
        // A prefix of a Python literal.
        if length <= 2
            && matches!(rest.get(length), Some(b'\'' | b'"'))
            && let prefix = rest[..length].to_ascii_lowercase()
            && prefix.iter().all(|b| matches!(b, b'b' | b'f' | b'r' | b'u'))
        {
            self.at += length;
            return self.text(rest[length], prefix.contains(&b'f'));
        }
        self.at += length;
        let name = &rest[..length];
        Token::Name(name.strip_prefix(b"$").unwrap_or(name).to_ascii_lowercase())
    }

    /// A literal from its quote on. `braces`: `{name}` is a variable.
    fn text(&mut self, quote: u8, braces: bool) -> Token {
        let kind = match quote {
            b'\'' => 0,
            b'"' => 1,
            _ => 2,
        };
        let start = self.at;
        self.at += 1;
        if self.unclosed[kind] {
            return Token::Sign(quote);
        }
        let triple = self.code[self.at..].starts_with(&[quote, quote]) && self.code.len() > self.at + 3;
        if triple {
            self.at += 2;
        }
        let mut text = Vec::new();
        let mut holes = Vec::new();
        while let Some(&byte) = self.code.get(self.at) {
            let rest = &self.code[self.at..];
            match byte {
                _ if byte == quote && (!triple || rest.starts_with(&[quote; 3])) => {
                    self.at += if triple { 3 } else { 1 };
                    holes.reverse();
                    return Token::Text(text, holes);
                }
                b'\\' if self.language == Language::Common => self.escape(&mut text),
                b'`' if self.language == Language::PowerShell => {
                    self.at += 1;
                    text.extend(self.code.get(self.at));
                    self.at += 1;
                }
                b'$' | b'#' | b'{' if quote != b'\'' || braces => {
                    let (name, length) = if byte == b'{' && !braces {
                        (Vec::new(), 0)
                    } else {
                        interpolated(rest)
                    };
                    if length == 0 {
                        text.push(byte);
                        self.at += 1;
                    } else {
                        holes.push((text.len(), name));
                        self.at += length;
                    }
                }
                // A NUL of the code must not pass for something unknown.
                0 => self.at += 1,
                _ => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        if triple {
            // Two quotes of an empty literal and a third one that was not closed.
            self.at = start + 2;
            self.unclosed[kind] = true;
            return Token::Text(Vec::new(), Vec::new());
        }
        self.at = start + 1;
        self.unclosed[kind] = true;
        Token::Sign(quote)
    }

    /// `\x63`, `\u0063`, `\u{63}`, `\143`, or the character itself.
    fn escape(&mut self, text: &mut Vec<u8>) {
        let rest = &self.code[self.at + 1..];
        let (value, length) = match rest {
            [b'x', b'{', ..] | [b'u', b'{', ..] => {
                let end = rest.iter().take(12).position(|&b| b == b'}').unwrap_or(0);
                (number(rest.get(2..end).unwrap_or_default(), 16), end + 1)
            }
            [b'x', digits @ ..] => (number(digits.get(..2).unwrap_or_default(), 16), 3),
            [b'u', digits @ ..] => (number(digits.get(..4).unwrap_or_default(), 16), 5),
            [b'0'..=b'7', b'0'..=b'7', b'0'..=b'7', ..] => (number(&rest[..3], 8), 3),
            [b'n', ..] => (Some('\n'), 1),
            [b't', ..] => (Some('\t'), 1),
            [b'r', ..] => (Some('\r'), 1),
            // A line that goes on.
            [b'\n', ..] => (None, 1),
            [other, ..] if *other != 0 => {
                text.push(*other);
                (None, 1)
            }
            _ => (None, 1),
        };
        if let Some(c) = value {
            text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.at += 1 + length;
    }
}

fn number(digits: &[u8], radix: u32) -> Option<char> {
    let text = std::str::from_utf8(digits).ok()?;
    char::from_u32(u32::from_str_radix(text, radix).ok()?).filter(|&c| c != '\0')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// The variable that is interpolated at the start of a text, and the length of its place; length 0 when there is none. A
/// longer expression has a place but no name.
pub(super) fn interpolated(text: &[u8]) -> (Vec<u8>, usize) {
    let (open, from) = match text {
        [b'$' | b'#', b'{', ..] => (b'}', 2),
        [b'$', b'(', ..] => (b')', 2),
        [b'{', b'{', ..] | [b'#', ..] => return (Vec::new(), 0),
        [b'{', ..] => (b'}', 1),
        [b'$', next, ..] if is_name(*next) && *next != b'$' => {
            let length = text[1..]
                .iter()
                .position(|&b| !is_name(b) && !b.is_ascii_digit())
                .unwrap_or(text.len() - 1);
            return (text[1..=length].to_ascii_lowercase(), length + 1);
        }
        _ => return (Vec::new(), 0),
    };
    // An expression in a literal is short; a longer one is text.
    let Some(length) = text.iter().take(200).skip(from).position(|&b| b == open) else {
        return (Vec::new(), 0);
    };
    let name = text[from..from + length].trim_ascii();
    let name = name.strip_prefix(b"$").unwrap_or(name);
    let plain = name.iter().all(|&b| is_name(b) || b.is_ascii_digit());
    (
        if plain { name.to_ascii_lowercase() } else { Vec::new() },
        from + length + 1,
    )
}
