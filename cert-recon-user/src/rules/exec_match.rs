//! Finds the atoms of one field of an exec in its text: terms in one pass, regular expressions one by one. An expression of
//! which it is known how each match begins is looked for only when that pass has found such a beginning.
//!
//! Owns how expressions are compiled; never knows rules.

use std::collections::BTreeSet;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::{ParserBuilder, hir::literal::Extractor};

use super::error::EngineError;
use super::field::Operator;
use super::matcher::{Atom, Found, Matcher, Search, Waker, longest_word};

/// Most memory of one compiled expression. Far more than a sensible one needs; a hostile one is refused.
const MOST_REGEX_BYTES: usize = 1 << 20;

/// An expression as rules mean it: over bytes, ASCII classes and case only, so that no argument's encoding changes what it
/// means. The time to search is linear in the text, whatever the expression.
pub(super) fn regex(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression)
        .unicode(false)
        .size_limit(MOST_REGEX_BYTES)
        .dfa_size_limit(MOST_REGEX_BYTES)
        .build()
}

/// Shorter beginnings wake an expression too often to be worth looking for.
const LEAST_WAKER: usize = 4;

/// What each match of an expression begins with, one of these, in any case of letters and without spaces. A space of the
/// expression's text may be a NUL of the searched one. `None` when there is no such thing.
fn beginnings(expression: &str) -> Option<BTreeSet<String>> {
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(expression)
        .ok()?;
    let found = Extractor::new().extract(&parsed);
    let word = |bytes: &[u8]| {
        let (_, word) = longest_word(std::str::from_utf8(bytes).ok()?);
        (word.len() >= LEAST_WAKER).then(|| word.to_ascii_lowercase())
    };
    found
        .literals()?
        .iter()
        .map(|literal| word(literal.as_bytes()))
        .collect()
}

/// A regular expression.
#[derive(Debug)]
struct Expression {
    atom: usize,
    regex: Regex,
    /// The bit by which it is woken; none when it is always looked for.
    bit: Option<u64>,
}

/// The atoms of one field.
#[derive(Debug)]
pub(super) struct ExecMatcher {
    terms: Matcher,
    /// Whether there is anything for `terms` to find.
    has_terms: bool,
    expressions: Vec<Expression>,
}

impl ExecMatcher {
    pub(super) fn new<'t>(atoms: impl IntoIterator<Item = Atom<'t>>, search: Search) -> Result<Self, EngineError> {
        let mut terms = Vec::new();
        let mut expressions = Vec::new();
        let mut wakers = Vec::new();
        let mut bits = (0..u64::BITS).map(|bit| 1 << bit);
        for atom in atoms {
            match atom.operator {
                Operator::Matches => {
                    let Ok(regex) = regex(atom.term) else {
                        return Err(EngineError::BadTerm {
                            pack: String::new(),
                            term: atom.term.to_owned(),
                            reason: "is no regular expression".to_owned(),
                        });
                    };
                    let bit = beginnings(atom.term).and_then(|beginnings| {
                        let bit = bits.next()?;
                        wakers.extend(beginnings.into_iter().map(|text| Waker { text, bit }));
                        Some(bit)
                    });
                    expressions.push(Expression {
                        atom: atom.number,
                        regex,
                        bit,
                    });
                }
                Operator::Present => {}
                _ => terms.push(atom),
            }
        }
        Ok(Self {
            has_terms: !terms.is_empty() || !wakers.is_empty(),
            terms: Matcher::new(terms, wakers, search).map_err(EngineError::TooManyTerms)?,
            expressions,
        })
    }

    /// Whether any rule looks at this field.
    pub(super) fn is_used(&self) -> bool {
        self.has_terms || !self.expressions.is_empty()
    }

    /// Reports every place where a term is spelled, then the first place where each expression matches, with spaces for NULs:
    /// `joined` is where that form of the text is put, when it is needed.
    pub(super) fn scan(&self, text: &[u8], joined: &mut Vec<u8>, mut report: impl FnMut(Found)) {
        let woken = if self.has_terms {
            self.terms.scan(text, &mut report)
        } else {
            0
        };
        let is_awake = |expression: &&Expression| expression.bit.is_none_or(|bit| woken & bit != 0);
        let mut awake = self.expressions.iter().filter(is_awake).peekable();
        if awake.peek().is_none() {
            return;
        }
        joined.clear();
        joined.extend(text.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
        for Expression { atom, regex, .. } in awake {
            if let Some(found) = regex.find(joined) {
                report(Found {
                    atom: *atom,
                    start: found.start(),
                    end: found.end(),
                    holds: true,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_has_beginnings_when_each_match_has_a_long_one() {
        let of = |expression| beginnings(expression).map(|all| all.into_iter().collect::<Vec<_>>().join(" "));
        for (expression, expected) in [
            ("(?i)curl[^|]*-v", Some("curl")),
            ("(?:wget|curl) https", Some("https")),
            ("(?:wget|curl)[ ]", Some("curl wget")),
            ("CURL", Some("curl")),
            (r"\bopenssl x509", Some("openssl")),
            ("a b c curl", Some("curl")),
            ("a b c", None),
            ("cur[a-z]*", None),
            (".*curl", None),
            ("(?:curl)?", None),
            ("curl|", None),
            ("", None),
            ("(?i)[a-z]{9}curl", None),
            ("\\xff\\xfe\\xfd\\xfccurl", None),
        ] {
            assert_eq!(of(expression).as_deref(), expected, "{expression}");
        }
    }

    fn found(expressions: &[&str], text: &[u8]) -> Vec<(usize, usize, usize)> {
        let atoms = expressions.iter().enumerate().map(|(number, term)| Atom {
            number,
            operator: Operator::Matches,
            term,
        });
        let mut found = Vec::new();
        let matcher = ExecMatcher::new(atoms, Search::Fast).unwrap();
        matcher.scan(text, &mut Vec::new(), |hit| found.push((hit.atom, hit.start, hit.end)));
        found
    }

    #[test]
    fn an_expression_is_found_whether_it_has_to_be_woken_or_not() {
        let expressions = ["(?i)curl[^|]*-v", "^sh ", "a b c curl", "x|y"];
        for (text, expected) in [
            (&b"sh\0-c\0CURL -v x"[..], &[(0, 6, 13), (1, 0, 3), (3, 14, 15)][..]),
            (b"a\0b\0c\0curl", &[(2, 0, 10)]),
            (b"cur", &[]),
            (b"xcurl-v", &[(0, 1, 7), (3, 0, 1)]),
        ] {
            assert_eq!(found(&expressions, text), expected, "{text:?}");
        }
    }

    #[test]
    fn more_expressions_than_bits_are_all_looked_for() {
        let expressions: Vec<String> = (0..70).map(|number| format!("word{number:02}$")).collect();
        let expressions: Vec<&str> = expressions.iter().map(String::as_str).collect();
        for number in [0, 63, 64, 69] {
            let text = format!("word{number:02}");
            assert_eq!(found(&expressions, text.as_bytes()), [(number, 0, 6)]);
        }
    }
}
