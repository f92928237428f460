//! Finds the atoms of one field of an exec in its text: terms in one pass, regular expressions one by one.
//!
//! Owns how expressions are compiled; never knows rules.

use regex::bytes::{Regex, RegexBuilder};

use super::error::EngineError;
use super::field::Operator;
use super::matcher::{Atom, Found, Matcher, Search};

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

/// The atoms of one field.
#[derive(Debug)]
pub(super) struct ExecMatcher {
    terms: Matcher,
    has_terms: bool,
    expressions: Vec<(usize, Regex)>,
}

impl ExecMatcher {
    pub(super) fn new<'t>(atoms: impl IntoIterator<Item = Atom<'t>>, search: Search) -> Result<Self, EngineError> {
        let mut terms = Vec::new();
        let mut expressions = Vec::new();
        for atom in atoms {
            match atom.operator {
                Operator::Matches => match regex(atom.term) {
                    Ok(expression) => expressions.push((atom.number, expression)),
                    Err(_) => {
                        return Err(EngineError::BadTerm {
                            pack: String::new(),
                            term: atom.term.to_owned(),
                            reason: "is no regular expression".to_owned(),
                        });
                    }
                },
                Operator::Present => {}
                _ => terms.push(atom),
            }
        }
        Ok(Self {
            has_terms: !terms.is_empty(),
            terms: Matcher::new(terms, search).map_err(EngineError::TooManyTerms)?,
            expressions,
        })
    }

    /// Whether any rule looks at this field.
    pub(super) fn is_used(&self) -> bool {
        self.has_terms || !self.expressions.is_empty()
    }

    /// Whether [`scan_expressions`](Self::scan_expressions) would look at a text.
    pub(super) fn has_expressions(&self) -> bool {
        !self.expressions.is_empty()
    }

    /// Every place where a term is spelled.
    pub(super) fn scan_terms(&self, text: &[u8], report: impl FnMut(Found)) {
        if self.has_terms {
            self.terms.scan(text, report);
        }
    }

    /// The first place where each expression matches.
    pub(super) fn scan_expressions(&self, text: &[u8], mut report: impl FnMut(Found)) {
        for (atom, expression) in &self.expressions {
            if let Some(found) = expression.find(text) {
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
