//! Finds every term of one field in one pass over a text.
//!
//! Owns the automaton; never knows rules: it reports occurrences of numbered atoms. An atom is a term together with
//! the way it must occur.
//!
//! The automaton is searched for all overlapping occurrences, so the pass is linear in the text: each byte is one step,
//! plus a bounded check per occurrence (terms have a greatest length, and only terms that end alike can end together).
//! Where a filter pays, only those parts of the text are searched that can hold a term.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input};

use super::field::Operator;
use super::prefilter::Prefilter;
use super::term::{is_whole_term, is_whole_text, spells};

/// What a search is to be good at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Long texts, of every exec: filtered, then one step a byte; a megabyte and more for the lists that are built in.
    Fast,
    /// Names, and what few execs have: two to three times as long a byte in a tenth of the memory.
    Small,
}

/// Terms of so many bytes together make a DFA of a few megabytes; more are searched in less memory and more time.
const MOST_DFA_BYTES: usize = 32 << 10;

/// A term of one field and the way it must occur.
#[derive(Debug)]
pub(super) struct Atom<'t> {
    pub(super) number: usize,
    pub(super) operator: Operator,
    pub(super) term: &'t str,
}

/// One place where an atom's term is spelled in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The atom's number.
    pub(super) atom: usize,
    /// First byte in the text.
    pub(super) start: usize,
    /// First byte behind it.
    pub(super) end: usize,
    /// Whether it occurs the way it must: as a whole term, or as the whole text.
    pub(super) holds: bool,
}

/// A text without which a regular expression can't match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waker {
    /// In any case of letters, without spaces.
    pub(super) text: String,
    /// The expression's bit.
    pub(super) bit: u64,
}

/// Finds the atoms of one field.
#[derive(Debug)]
pub(super) struct Matcher {
    automaton: AhoCorasick,
    filter: Option<Prefilter>,
    patterns: Vec<Pattern>,
}

/// What a pattern of the automaton stands for.
#[derive(Debug, Default)]
struct Pattern {
    needles: Vec<Needle>,
    /// Bits of the expressions that it wakes.
    wakes: u64,
}

/// An atom, seen from the pattern that leads to it.
#[derive(Debug)]
struct Needle {
    atom: usize,
    operator: Operator,
    term: Box<[u8]>,
    /// Where in the term the pattern begins.
    pattern_at: usize,
    /// Whether the pattern is only a part of the term, so that the rest must still be compared.
    is_part: bool,
}

impl Matcher {
    /// Fails when the terms are too many or too long for the automaton.
    pub(super) fn new<'t>(
        atoms: impl IntoIterator<Item = Atom<'t>>,
        wakers: Vec<Waker>,
        search: Search,
    ) -> Result<Self, aho_corasick::BuildError> {
        let mut texts: Vec<String> = Vec::new();
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut known = std::collections::BTreeMap::new();
        let mut add = |text: &str, change: &mut dyn FnMut(&mut Pattern)| {
            let index = *known.entry(text.to_ascii_lowercase()).or_insert_with(|| {
                texts.push(text.to_owned());
                patterns.push(Pattern::default());
                patterns.len() - 1
            });
            change(&mut patterns[index]);
        };
        for atom in atoms {
            let (pattern_at, text) = longest_word(atom.term);
            add(text, &mut |pattern| {
                pattern.needles.push(Needle {
                    atom: atom.number,
                    operator: atom.operator,
                    term: atom.term.as_bytes().into(),
                    pattern_at,
                    is_part: text.len() != atom.term.len(),
                });
            });
        }
        for waker in wakers {
            add(&waker.text, &mut |pattern| pattern.wakes |= waker.bit);
        }
        let filter = match search {
            Search::Fast => Prefilter::new(&texts),
            Search::Small => None,
        };
        // Overlapping search needs the standard match kind, which is the builder's default.
        let bytes: usize = texts.iter().map(String::len).sum();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(if search == Search::Fast && bytes <= MOST_DFA_BYTES {
                AhoCorasickKind::DFA
            } else {
                AhoCorasickKind::ContiguousNFA
            }))
            .build(&texts)?;
        Ok(Self {
            automaton,
            filter,
            patterns,
        })
    }

    /// Reports every place in `text` where a term is spelled, in order of the places' ends. Returns the bits of the expressions
    /// of which a waker is there. Allocates nothing.
    pub(super) fn scan(&self, text: &[u8], mut report: impl FnMut(Found)) -> u64 {
        match &self.filter {
            Some(filter) => filter
                .candidates(text)
                .fold(0, |woken, part| woken | self.scan_part(text, part, &mut report)),
            None => self.scan_part(text, 0..text.len(), &mut report),
        }
    }

    fn scan_part(&self, text: &[u8], part: Range<usize>, report: &mut impl FnMut(Found)) -> u64 {
        let mut woken = 0;
        for hit in self.automaton.find_overlapping_iter(Input::new(text).span(part)) {
            let Pattern { needles, wakes } = &self.patterns[hit.pattern().as_usize()];
            woken |= wakes;
            for needle in needles {
                let Some(start) = hit.start().checked_sub(needle.pattern_at) else {
                    continue;
                };
                if needle.is_part && !spells(text, start, &needle.term) {
                    continue;
                }
                let end = start + needle.term.len();
                let holds = match needle.operator {
                    Operator::HasAny => is_whole_term(text, start, end),
                    Operator::InCi => is_whole_text(text, start, end),
                    // Searched elsewhere; the atoms of this automaton have one of the two.
                    Operator::In | Operator::Matches | Operator::InDomain | Operator::Glob | Operator::Present => false,
                };
                report(Found {
                    atom: needle.atom,
                    start,
                    end,
                    holds,
                });
            }
        }
        woken
    }
}

/// The longest part of a term without a space, and where it begins. The automaton searches for this part, because a
/// space of a term may be a space or a NUL of the text.
pub(super) fn longest_word(term: &str) -> (usize, &str) {
    let mut longest = (0, "");
    let mut start = 0;
    for word in term.split(' ') {
        if word.len() > longest.1.len() {
            longest = (start, word);
        }
        start += word.len() + 1;
    }
    longest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Atom, Found, Matcher, Search, longest_word};
    use crate::rules::field::Operator;

    fn matcher(terms: &[(Operator, &str)]) -> Matcher {
        let atoms = terms
            .iter()
            .enumerate()
            .map(|(number, &(operator, term))| Atom { number, operator, term });
        Matcher::new(atoms, Vec::new(), Search::Fast).unwrap()
    }

    fn found(matcher: &Matcher, text: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        matcher.scan(text, |hit| found.push(hit));
        found
    }

    #[test]
    fn terms_inside_each_other_are_all_found() {
        let matcher = matcher(&[
            (Operator::HasAny, "search.censys.io"),
            (Operator::HasAny, "censys.io"),
            (Operator::HasAny, "zgrab"),
            (Operator::HasAny, "zgrab2"),
        ]);
        let hits = found(&matcher, b"Search.Censys.IO zgrab2");
        assert_eq!(hits.len(), 4, "{hits:?}");
        assert!(hits.contains(&Found {
            atom: 0,
            start: 0,
            end: 16,
            holds: true
        }));
        assert!(hits.contains(&Found {
            atom: 1,
            start: 7,
            end: 16,
            holds: true
        }));
        assert!(hits.contains(&Found {
            atom: 2,
            start: 17,
            end: 22,
            holds: false
        }));
        assert!(hits.contains(&Found {
            atom: 3,
            start: 17,
            end: 23,
            holds: true
        }));
    }

    #[test]
    fn a_term_with_spaces_is_found_across_arguments_and_inside_one() {
        let matcher = matcher(&[(Operator::HasAny, "-L -n all"), (Operator::InCi, "certutil -L")]);
        for text in [
            &b"certutil -L -n all"[..],
            b"certutil\0-l\0-n\0all\0",
            b"certutil\0-L -n\0all",
        ] {
            assert!(
                found(&matcher, text).iter().any(|hit| hit.atom == 0 && hit.holds),
                "{text:?}"
            );
        }
        for text in [
            &b"certutil\t-L\t-n\tall"[..],
            b"-L  -n all",
            b"-L -n",
            b"all",
            b"n all",
            b"-L -n alla",
        ] {
            assert!(!found(&matcher, text).iter().any(|hit| hit.holds), "{text:?}");
        }
        assert!(
            found(&matcher, b"CERTUTIL\0-l")
                .iter()
                .any(|hit| hit.atom == 1 && hit.holds)
        );
    }

    #[test]
    fn the_same_word_serves_several_atoms() {
        let matcher = matcher(&[
            (Operator::HasAny, "Curl"),
            (Operator::InCi, "curl"),
            (Operator::HasAny, "curl now"),
        ]);
        let holding = |text: &[u8]| -> Vec<usize> {
            found(&matcher, text)
                .iter()
                .filter(|hit| hit.holds)
                .map(|hit| hit.atom)
                .collect()
        };
        assert_eq!(holding(b"curl"), [0, 1]);
        assert_eq!(holding(b"curl now"), [0, 2]);
        assert_eq!(holding(b"xcurl"), Vec::<usize>::new());
    }

    #[test]
    fn a_field_without_terms_finds_nothing() {
        assert_eq!(found(&matcher(&[]), b"anything"), []);
    }

    proptest! {
        /// A filter changes neither what is found nor its order.
        #[test]
        fn with_a_filter_the_same_is_found(
            words in prop::collection::vec("[a-c.]{4,7}( [a-c.]{1,4})?", 1..6),
            text in "([a-cA-C. \0]{0,30}|x{0,60}){0,8}",
            places in prop::collection::vec((0..6_usize, any::<prop::sample::Index>()), 0..6),
        ) {
            let mut text = text;
            for (word, place) in places {
                if let Some(word) = words.get(word) {
                    text.insert_str(place.index(text.len() + 1), &word.to_uppercase());
                }
            }
            let matcher = |search| {
                let atoms = words.iter().enumerate();
                let atoms = atoms.map(|(number, term)| Atom { number, operator: Operator::HasAny, term });
                Matcher::new(atoms, Vec::new(), search).unwrap()
            };
            let filtered = matcher(Search::Fast);
            prop_assert!(filtered.filter.is_some());
            prop_assert_eq!(found(&filtered, text.as_bytes()), found(&matcher(Search::Small), text.as_bytes()));
        }
    }

    #[test]
    fn the_longest_word_is_the_first_of_that_length() {
        assert_eq!(longest_word("s_client"), (0, "s_client"));
        assert_eq!(longest_word("-L -n all"), (6, "all"));
        assert_eq!(longest_word("ab  cd"), (0, "ab"));
    }
}
