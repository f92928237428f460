//! Finds every term of one field in one pass over a text.
//!
//! Owns the automaton; never knows rules: it reports occurrences of numbered atoms. An atom is a term together with
//! the way it must occur.
//!
//! The automaton is searched for all overlapping occurrences, so the pass is linear in the text: each byte is one step,
//! plus a bounded check per occurrence (terms have a greatest length, and only terms that end alike can end together).

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::field::Operator;
use super::term::{is_whole_term, is_whole_text, spells};

/// What a search is to be good at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Long texts, of every exec: one step a byte, a megabyte and more for the lists that are built in.
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

/// Finds the atoms of one field.
#[derive(Debug)]
pub(super) struct Matcher {
    automaton: AhoCorasick,
    /// For each pattern of the automaton the atoms that it stands for.
    needles: Vec<Vec<Needle>>,
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
        search: Search,
    ) -> Result<Self, aho_corasick::BuildError> {
        let mut patterns: Vec<String> = Vec::new();
        let mut needles: Vec<Vec<Needle>> = Vec::new();
        let mut known = std::collections::BTreeMap::new();
        for atom in atoms {
            let (pattern_at, pattern) = longest_word(atom.term);
            let index = *known.entry(pattern.to_ascii_lowercase()).or_insert_with(|| {
                patterns.push(pattern.to_owned());
                needles.push(Vec::new());
                needles.len() - 1
            });
            needles[index].push(Needle {
                atom: atom.number,
                operator: atom.operator,
                term: atom.term.as_bytes().into(),
                pattern_at,
                is_part: pattern.len() != atom.term.len(),
            });
        }
        // Overlapping search needs the standard match kind, which is the builder's default.
        let bytes: usize = patterns.iter().map(String::len).sum();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(if search == Search::Fast && bytes <= MOST_DFA_BYTES {
                AhoCorasickKind::DFA
            } else {
                AhoCorasickKind::ContiguousNFA
            }))
            .build(&patterns)?;
        Ok(Self { automaton, needles })
    }

    /// Reports every place in `text` where a term is spelled, in order of the places' ends. Allocates nothing.
    pub(super) fn scan(&self, text: &[u8], mut report: impl FnMut(Found)) {
        for hit in self.automaton.find_overlapping_iter(text) {
            for needle in &self.needles[hit.pattern().as_usize()] {
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
    }
}

/// The longest part of a term without a space, and where it begins. The automaton searches for this part, because a
/// space of a term may be a space or a NUL of the text.
fn longest_word(term: &str) -> (usize, &str) {
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
    use super::{Atom, Found, Matcher, Search, longest_word};
    use crate::rules::field::Operator;

    fn matcher(terms: &[(Operator, &str)]) -> Matcher {
        let atoms = terms
            .iter()
            .enumerate()
            .map(|(number, &(operator, term))| Atom { number, operator, term });
        Matcher::new(atoms, Search::Fast).unwrap()
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

    #[test]
    fn the_longest_word_is_the_first_of_that_length() {
        assert_eq!(longest_word("s_client"), (0, "s_client"));
        assert_eq!(longest_word("-L -n all"), (6, "all"));
        assert_eq!(longest_word("ab  cd"), (0, "ab"));
    }
}
