//! Shell patterns: `*`, `?`, `[...]`, as `${x%pattern}` and `case` use them.
//!
//! Owns matching. Work is paid before it is done.

use super::super::Budget;

/// The longest text from whose ends a pattern with `*` is taken: every length is tried.
const MOST: usize = 256;

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Any,
    Many,
    Set { negated: bool, ranges: Vec<(u8, u8)> },
}

/// A pattern. In its text a backslash takes the meaning from the byte behind it.
pub(super) struct Pattern(Vec<Token>);

impl Pattern {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            at += 1;
            tokens.push(match byte {
                b'\\' => {
                    at += 1;
                    Token::Byte(text.get(at - 1).copied().unwrap_or(b'\\'))
                }
                b'?' => Token::Any,
                b'*' => Token::Many,
                b'[' => match set(text.get(at..).unwrap_or_default()) {
                    Some((token, length)) => {
                        at += length;
                        token
                    }
                    None => Token::Byte(b'['),
                },
                _ => Token::Byte(byte),
            });
        }
        Self(tokens)
    }

    /// How many bytes the pattern takes, when that is the same for every match.
    fn width(&self) -> Option<usize> {
        (!self.0.contains(&Token::Many)).then_some(self.0.len())
    }

    /// Whether it matches all of the text. Nothing when the budget does not allow to know.
    pub(super) fn matches(&self, text: &[u8], budget: &mut Budget) -> Option<bool> {
        let work = match self.width() {
            Some(_) => self.0.len(),
            // Going back costs little with the short patterns that people write.
            None if self.0.len() <= 16 => text.len(),
            None => text.len().saturating_mul(self.0.len()),
        };
        budget.pay(work / 4 + 1).then(|| glob(&self.0, text))
    }

    /// The length of the prefix (or suffix) that it matches, the longest or the shortest.
    pub(super) fn affix(&self, text: &[u8], suffix: bool, longest: bool, budget: &mut Budget) -> Option<Option<usize>> {
        let part = |length: usize| {
            let range = if suffix {
                text.len() - length..text.len()
            } else {
                0..length
            };
            text.get(range).unwrap_or_default()
        };
        if let Some(width) = self.width() {
            if width > text.len() {
                return Some(None);
            }
            return Some(self.matches(part(width), budget)?.then_some(width));
        }
        if text.len() > MOST {
            return None;
        }
        for step in 0..=text.len() {
            let length = if longest { text.len() - step } else { step };
            if self.matches(part(length), budget)? {
                return Some(Some(length));
            }
        }
        Some(None)
    }

    /// The first match at or behind `from`, the longest that begins there.
    pub(super) fn find(&self, text: &[u8], from: usize, budget: &mut Budget) -> Option<Option<(usize, usize)>> {
        for start in from..text.len() {
            let rest = text.get(start..).unwrap_or_default();
            // Most bytes begin no match.
            if let Some(Token::Byte(first)) = self.0.first()
                && rest.first() != Some(first)
            {
                continue;
            }
            if let Some(length) = self.affix(rest, false, true, budget)?
                && length > 0
            {
                return Some(Some((start, start + length)));
            }
        }
        Some(None)
    }
}

/// A bracket expression, whose bracket is read: what it is, and its length.
fn set(rest: &[u8]) -> Option<(Token, usize)> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut ranges = Vec::new();
    let mut at = start;
    // Longer ones are not written by people, and would make a text of brackets costly.
    while at < 256 {
        match (*rest.get(at)?, rest.get(at + 1), rest.get(at + 2)) {
            (b']', _, _) if at > start => return Some((Token::Set { negated, ranges }, at + 1)),
            (b'[', Some(b':'), _) => {
                let class = rest.get(at + 2..)?;
                let length = class.iter().take(8).position(|&byte| byte == b':')?;
                match class.get(..length)? {
                    b"digit" => ranges.push((b'0', b'9')),
                    b"lower" => ranges.push((b'a', b'z')),
                    b"upper" => ranges.push((b'A', b'Z')),
                    b"alpha" => ranges.extend([(b'a', b'z'), (b'A', b'Z')]),
                    b"alnum" => ranges.extend([(b'a', b'z'), (b'A', b'Z'), (b'0', b'9')]),
                    b"space" => ranges.extend([(b'\t', b'\r'), (b' ', b' ')]),
                    b"punct" => ranges.extend([(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')]),
                    _ => return None,
                }
                at += length + 4;
            }
            (low, Some(b'-'), Some(&high)) if high != b']' => {
                ranges.push((low, high));
                at += 3;
            }
            (b'\\', Some(&byte), _) => {
                ranges.push((byte, byte));
                at += 2;
            }
            (byte, _, _) => {
                ranges.push((byte, byte));
                at += 1;
            }
        }
    }
    None
}

/// Whether the tokens match all of the text: only the last `*` is ever gone back to.
fn glob(tokens: &[Token], text: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(at) {
        let here = match tokens.get(token) {
            Some(Token::Many) => {
                star = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(Token::Any) => true,
            Some(Token::Byte(wanted)) => *wanted == byte,
            Some(Token::Set { negated, ranges }) => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&byte)) != *negated
            }
            None => false,
        };
        if here {
            token += 1;
            at += 1;
        } else if let Some((behind, from)) = star {
            token = behind;
            at = from + 1;
            star = Some((behind, at));
        } else {
            return false;
        }
    }
    tokens
        .get(token..)
        .is_some_and(|rest| rest.iter().all(|token| *token == Token::Many))
}
