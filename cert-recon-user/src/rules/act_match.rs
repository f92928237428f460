//! Finds the atoms of an act in what is known of it.
//!
//! Owns the lookups, built once; never knows rules. Work is linear in the texts of the act: terms compared as a whole are
//! hashed only when they are no longer than a term can be, a host is looked up once for each of its last labels, and
//! patterns are one linear automaton for each field.

use std::borrow::Cow;
use std::collections::HashMap;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::error::EngineError;
use super::field::{Field, Operator};
use super::matcher::{Atom, Found, Matcher, Search};
use super::pack::MAX_TERM_BYTES;
use crate::acts::{Act, Manner, Via};

/// An atom that holds for an act, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ActHit {
    pub(super) atom: usize,
    /// Index in [`Field::OF_ACTS`].
    pub(super) field: usize,
    /// Which of the field's values.
    pub(super) value: usize,
    /// Bytes of that value.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The atoms of all fields of an act.
#[derive(Debug)]
pub(super) struct ActMatcher {
    /// As [`Field::OF_ACTS`].
    fields: Vec<FieldMatcher>,
}

#[derive(Debug, Default)]
struct FieldMatcher {
    whole: HashMap<Box<[u8]>, usize>,
    exact: HashMap<Box<[u8]>, usize>,
    domains: HashMap<Box<[u8]>, usize>,
    patterns: RegexSet,
    pattern_atoms: Vec<usize>,
    terms: Option<Matcher>,
    present: Option<usize>,
}

/// What an act holds in a field.
pub(super) fn values<'a>(act: &'a Act<'_>, field: Field) -> Vec<Cow<'a, [u8]>> {
    fn texts(texts: &[String]) -> Vec<Cow<'_, [u8]>> {
        texts.iter().map(|text| Cow::Borrowed(text.as_bytes())).collect()
    }
    match field {
        Field::Program => texts(&act.command.programs),
        Field::Argument => act
            .command
            .args
            .iter()
            .map(|word| Cow::Borrowed(word.bytes()))
            .collect(),
        Field::Host => texts(&act.requests.hosts),
        Field::Script => texts(&act.requests.scripts),
        Field::Target => texts(&act.requests.targets),
        Field::Code => act.requests.code.iter().map(|code| Cow::Borrowed(&code[..])).collect(),
        Field::Via if act.command.via.is_empty() => vec![Cow::Borrowed(&b"direct"[..])],
        Field::Via => act
            .command
            .via
            .iter()
            .map(|via| Cow::Borrowed(via_name(*via).as_bytes()))
            .collect(),
        Field::Manner => vec![Cow::Borrowed(manner_name(act.requests.manner).as_bytes())],
        Field::FileName
        | Field::ImageFileName
        | Field::ProcessCommandLine
        | Field::KnownAs
        | Field::ArgumentsTruncated
        | Field::WorkCutShort => Vec::new(),
    }
}

/// As rules write it.
pub(super) fn via_name(via: Via) -> &'static str {
    match via {
        Via::Wrapper => "wrapper",
        Via::Shell => "shell",
        Via::Launcher => "launcher",
        Via::Container => "container",
        Via::Code => "code",
    }
}

/// As rules write it.
pub(super) fn manner_name(manner: Manner) -> &'static str {
    match manner {
        Manner::Works => "works",
        Manner::Help => "help",
        Manner::Local => "local",
    }
}

impl ActMatcher {
    /// `atoms` are those of fields of acts, each with its field.
    pub(super) fn new<'t>(atoms: impl IntoIterator<Item = (Field, Atom<'t>)>) -> Result<Self, EngineError> {
        let mut sorted: Vec<Vec<Atom<'t>>> = Field::OF_ACTS.iter().map(|_| Vec::new()).collect();
        for (field, atom) in atoms {
            if let Some(index) = Field::OF_ACTS.iter().position(|known| *known == field) {
                sorted[index].push(atom);
            }
        }
        let fields = sorted.into_iter().map(FieldMatcher::new).collect::<Result<_, _>>()?;
        Ok(Self { fields })
    }

    /// Reports what holds for an act: fields in order, values in order.
    pub(super) fn scan(&self, act: &Act<'_>, mut report: impl FnMut(ActHit)) {
        for (number, (field, matcher)) in Field::OF_ACTS.iter().zip(&self.fields).enumerate() {
            if matcher.is_empty() {
                continue;
            }
            for (value, text) in values(act, *field).iter().enumerate() {
                matcher.scan(text, |atom, start, end| {
                    report(ActHit {
                        atom,
                        field: number,
                        value,
                        start,
                        end,
                    });
                });
            }
        }
    }
}

impl FieldMatcher {
    fn new(atoms: Vec<Atom<'_>>) -> Result<Self, EngineError> {
        let mut made = Self::default();
        let mut globs = Vec::new();
        let mut terms = Vec::new();
        for atom in atoms {
            let key = || atom.term.to_ascii_lowercase().into_bytes().into_boxed_slice();
            match atom.operator {
                Operator::InCi => drop(made.whole.insert(key(), atom.number)),
                Operator::In => drop(made.exact.insert(atom.term.as_bytes().into(), atom.number)),
                Operator::InDomain => drop(made.domains.insert(key(), atom.number)),
                Operator::Present => made.present = Some(atom.number),
                Operator::Glob => {
                    globs.push(atom.term);
                    made.pattern_atoms.push(atom.number);
                }
                Operator::HasAny | Operator::Matches => terms.push(atom),
            }
        }
        if !terms.is_empty() {
            made.terms = Some(Matcher::new(terms, Vec::new(), Search::Small).map_err(EngineError::TooManyTerms)?);
        }
        made.patterns = patterns(globs)?;
        Ok(made)
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty()
            && self.exact.is_empty()
            && self.domains.is_empty()
            && self.pattern_atoms.is_empty()
            && self.terms.is_none()
            && self.present.is_none()
    }

    fn scan(&self, text: &[u8], mut report: impl FnMut(usize, usize, usize)) {
        if let Some(atom) = self.present {
            report(atom, 0, text.len());
        }
        if !self.whole.is_empty()
            && text.len() <= MAX_TERM_BYTES
            && let Some(atom) = self.whole.get(text.to_ascii_lowercase().as_slice())
        {
            report(*atom, 0, text.len());
        }
        if let Some(atom) = self.exact.get(text) {
            report(*atom, 0, text.len());
        }
        if !self.domains.is_empty() {
            self.scan_domains(text, &mut report);
        }
        if !self.pattern_atoms.is_empty() {
            for pattern in &self.patterns.matches(text) {
                report(self.pattern_atoms[pattern], 0, text.len());
            }
        }
        if let Some(terms) = &self.terms {
            terms.scan(
                text,
                |Found {
                     atom,
                     start,
                     end,
                     holds,
                 }| {
                    if holds {
                        report(atom, start, end);
                    }
                },
            );
        }
    }

    /// The host itself and everything behind one of its dots, the longest first. A part that is not known is no dot and no
    /// byte of a term, so that it matches nothing and hides nothing behind it.
    fn scan_domains(&self, host: &[u8], report: &mut impl FnMut(usize, usize, usize)) {
        let from = host.len().saturating_sub(MAX_TERM_BYTES + 1);
        let behind_dots = host
            .iter()
            .enumerate()
            .skip(from)
            .filter(|(_, byte)| **byte == b'.')
            .map(|(dot, _)| dot + 1);
        let whole = (host.len() <= MAX_TERM_BYTES).then_some(0);
        for start in whole.into_iter().chain(behind_dots) {
            if let Some(atom) = host.get(start..).and_then(|domain| self.domains.get(domain)) {
                report(*atom, start, host.len());
            }
        }
    }
}

/// One automaton for patterns.
pub(super) fn patterns<'t>(globs: impl IntoIterator<Item = &'t str>) -> Result<RegexSet, EngineError> {
    RegexSetBuilder::new(globs.into_iter().map(expression_of))
        .unicode(false)
        .build()
        .map_err(|_| EngineError::TooManyPatterns)
}

/// The regular expression for a pattern: the whole text, without case.
fn expression_of(pattern: &str) -> String {
    let mut expression = String::from("(?is)^");
    for part in pattern.split_inclusive(['*', '?']) {
        let (literal, wild) = match part.as_bytes().last() {
            Some(b'*') => (&part[..part.len() - 1], ".*"),
            Some(b'?') => (&part[..part.len() - 1], "."),
            _ => (part, ""),
        };
        expression.push_str(&regex::escape(literal));
        expression.push_str(wild);
    }
    expression.push('$');
    expression
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts::{Command, Requests, Word};

    fn holding(field: Field, operator: Operator, terms: &[&str], act: &Act<'_>) -> Vec<String> {
        let atoms = terms
            .iter()
            .enumerate()
            .map(|(number, term)| (field, Atom { number, operator, term }));
        let mut found = Vec::new();
        ActMatcher::new(atoms)
            .unwrap()
            .scan(act, |hit| found.push(terms[hit.atom].to_owned()));
        found
    }

    fn act(hosts: &[&str], args: &[&'static str]) -> Act<'static> {
        Act {
            command: Command {
                programs: vec!["curl".to_owned()],
                args: args.iter().map(|arg| Word::borrowed(arg.as_bytes())).collect(),
                stdin: None,
                via: Vec::new(),
            },
            requests: Requests {
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                ..Requests::default()
            },
        }
    }

    #[test]
    fn a_host_is_in_a_domain_when_it_is_equal_or_below_at_a_label() {
        for (host, expected) in [
            ("crt.sh", true),
            ("www.crt.sh", true),
            ("a.b.c.crt.sh", true),
            ("\0.crt.sh", true),
            ("a\0.crt.sh", true),
            ("\0crt.sh", false),
            ("crt.\0", false),
            ("\0", false),
            ("notcrt.sh", false),
            ("crt.sh.example", false),
            ("sh", false),
            (".crt.sh", true),
            ("", false),
        ] {
            let found = holding(Field::Host, Operator::InDomain, &["crt.sh"], &act(&[host], &[]));
            assert_eq!(!found.is_empty(), expected, "{host:?}");
        }
    }

    #[test]
    fn a_host_longer_than_any_domain_is_looked_at_from_its_end_only() {
        let long = format!("{}crt.sh", "a.".repeat(1_000_000));
        assert_eq!(
            holding(Field::Host, Operator::InDomain, &["crt.sh"], &act(&[&long], &[])),
            ["crt.sh"]
        );
    }

    #[test]
    fn a_pattern_is_the_whole_argument_without_case_and_nothing_in_it_is_special_but_stars_and_question_marks() {
        for (pattern, argument, expected) in [
            ("--script=*ssl*", "--script=http-title,SSL-cert", true),
            ("--script=*ssl*", "x--script=ssl", false),
            ("a.c", "abc", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("[x]*(", "[x]123(", true),
            ("a*", "a\nb", true),
        ] {
            let found = holding(Field::Argument, Operator::Glob, &[pattern], &act(&[], &[argument]));
            assert_eq!(!found.is_empty(), expected, "{pattern:?} {argument:?}");
        }
    }

    #[test]
    fn presence_is_one_value_at_least() {
        let found = |hosts: &[&str]| holding(Field::Host, Operator::Present, &[""], &act(hosts, &[])).len();
        assert_eq!((found(&[]), found(&["a"])), (0, 1));
    }

    #[test]
    fn the_exec_itself_is_direct() {
        let mut act = act(&[], &[]);
        assert_eq!(
            holding(Field::Via, Operator::InCi, &["direct", "shell"], &act),
            ["direct"]
        );
        act.command.via = vec![Via::Wrapper, Via::Shell];
        assert_eq!(
            holding(Field::Via, Operator::InCi, &["direct", "shell"], &act),
            ["shell"]
        );
        assert_eq!(holding(Field::Manner, Operator::InCi, &["works"], &act), ["works"]);
        assert_eq!(holding(Field::Program, Operator::InCi, &["CURL"], &act), ["CURL"]);
    }
}
