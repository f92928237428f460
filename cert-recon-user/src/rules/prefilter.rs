//! Where in a text a term can be: few places, and in most texts none.
//!
//! Owns a necessary condition that costs a fraction of the automaton's step for each byte; never decides that a term is there.
//!
//! Every pattern holds at least one *gram*, four bytes that many patterns have. Of each pair of
//! neighbouring places in the text one is sampled: a gram covers two neighbouring places with three bytes each, so its first three
//! bytes or its last three are sampled, wherever it begins. Three bytes are looked up by their hash in a table that fits into the
//! processor's nearest cache; only where that has an entry, the four bytes are. Letters are compared without case, and a NUL is a
//! space (both by setting the bit that tells them apart), which lets through too much, never too little.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a gram. Shorter patterns can't be filtered for.
const GRAM: usize = 4;
/// Sets apart neither `A` and `a` nor NUL and space, in each byte.
const FOLD: u8 = 0x20;
const FOLD_WORD: u64 = u64::from_ne_bytes([FOLD; 8]);
/// Bits of the hash of three bytes.
const TABLE_BITS: u32 = 14;
/// Bits of the hash of four bytes.
const SET_BITS: u32 = 16;
/// Bytes that one look at the text decides about: three samples of three bytes, at every other place.
const STEP: usize = 6;
/// Bytes that it reads.
const READ: usize = 8;
/// So many looks are taken before anything is decided.
const STEPS: usize = 4;
const BLOCK: usize = (STEPS - 1) * STEP + READ;
/// More grams than this let too much through.
const MOST_GRAMS: usize = 1024;
/// A candidate that has become longer than this stands in a text that is made of grams. There it costs least to filter nothing.
const DENSE: usize = 512;
/// So much of such a text is taken unfiltered.
const UNFILTERED: usize = 8 << 10;

/// Finds the parts of a text that a pattern can be in.
pub(super) struct Prefilter {
    /// By the hash of three bytes, whether a gram begins or ends with them.
    table: Box<[u8; 1 << TABLE_BITS]>,
    /// By the hash of four bytes, whether they are a gram.
    set: Box<[u64; 1 << (SET_BITS - 6)]>,
    /// Bytes of a pattern before its gram, at most.
    before: usize,
    /// Bytes of a pattern from its gram on, at most.
    behind: usize,
}

impl std::fmt::Debug for Prefilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prefilter")
            .field("before", &self.before)
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

impl Prefilter {
    /// For patterns that are compared without ASCII case. `None` where it would not pay: one is too short, or they have too
    /// little in common.
    pub(super) fn new(patterns: &[String]) -> Option<Self> {
        let grams = grams(patterns)?;
        let mut made = Self {
            table: Box::new([0; 1 << TABLE_BITS]),
            set: Box::new([0; 1 << (SET_BITS - 6)]),
            before: 0,
            behind: 0,
        };
        for (bytes, Reach { before, behind }) in grams {
            let word = u32::from_le_bytes(bytes);
            made.table[hash_of_three(word)] = 1;
            made.table[hash_of_three(word >> 8)] = 1;
            let hash = hash_of_four(word);
            made.set[hash / 64] |= 1 << (hash % 64);
            made.before = made.before.max(before);
            made.behind = made.behind.max(behind);
        }
        Some(made)
    }

    /// The parts of `text` outside which no pattern is, in order and apart from each other.
    pub(super) fn candidates<'a>(&'a self, text: &'a [u8]) -> Candidates<'a> {
        Candidates {
            filter: self,
            text,
            at: 0,
            next: None,
        }
    }

    /// Whether a gram may begin at `at`.
    fn is_gram(&self, text: &[u8], at: usize) -> bool {
        let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk::<GRAM>()) else {
            return false;
        };
        let hash = hash_of_four(u32::from_le_bytes(*bytes) | FOLD_WORD as u32);
        self.set[hash / 64] >> (hash % 64) & 1 != 0
    }

    /// The first gram of `text` that begins at `from` or behind it.
    fn next_gram(&self, text: &[u8], from: usize) -> Option<usize> {
        let table = &*self.table;
        // The sample at a place is also of the gram that begins a byte before it.
        let among = |samples: Range<usize>| {
            let mut places = samples.start.saturating_sub(1).max(from)..samples.end;
            places.find(|at| self.is_gram(text, *at))
        };
        let sampled = |bytes: [u8; READ]| {
            let word = u64::from_le_bytes(bytes) | FOLD_WORD;
            let three = |shift: u32| table[hash_of_three((word >> shift) as u32)];
            three(0) | three(16) | three(32)
        };
        let mut at = from;
        while let Some(block) = text.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
            // Told apart only where one of them has an entry.
            let mut hits = [0; STEPS];
            for (hit, step) in hits.iter_mut().zip(0..) {
                let start = step * STEP;
                *hit = block[start..start + READ].try_into().map_or(1, sampled);
            }
            if u32::from_ne_bytes(hits) != 0 {
                for (step, _) in hits.iter().enumerate().filter(|(_, hit)| **hit != 0) {
                    let start = at + step * STEP;
                    if let Some(gram) = among(start..start + STEP) {
                        return Some(gram);
                    }
                }
            }
            at += STEPS * STEP;
        }
        among(at..text.len())
    }
}

/// See [`Prefilter::candidates`].
pub(super) struct Candidates<'a> {
    filter: &'a Prefilter,
    text: &'a [u8],
    /// No gram that begins before this is told any more.
    at: usize,
    /// A gram that was found and is in no part yet.
    next: Option<usize>,
}

impl Iterator for Candidates<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let Self { filter, text, .. } = *self;
        let mut gram = self.next.take().or_else(|| filter.next_gram(text, self.at))?;
        let start = gram.saturating_sub(filter.before);
        let mut end;
        loop {
            end = gram + filter.behind;
            self.at = gram + 1;
            if end - start > DENSE {
                // No gram before this is looked for; one that begins here is.
                self.at += UNFILTERED;
                end = self.at + filter.behind;
            }
            match filter.next_gram(text, self.at) {
                Some(next) if next.saturating_sub(filter.before) <= end => gram = next,
                next => {
                    self.next = next;
                    break;
                }
            }
        }
        if self.next.is_none() {
            self.at = usize::MAX;
        }
        Some(start..end.min(text.len()))
    }
}

/// How much of the patterns of a gram is before it, and from it on, at most.
#[derive(Default)]
struct Reach {
    before: usize,
    behind: usize,
}

/// Of each pattern the gram that most patterns have; `None` when a pattern is too short, or the grams are too many.
fn grams(patterns: &[String]) -> Option<BTreeMap<[u8; GRAM], Reach>> {
    let folded = || {
        patterns
            .iter()
            .map(|pattern| pattern.bytes().map(|byte| byte | FOLD).collect::<Vec<u8>>())
    };
    let mut shared = BTreeMap::<[u8; GRAM], usize>::new();
    for pattern in folded() {
        for gram in pattern.array_windows() {
            *shared.entry(*gram).or_default() += 1;
        }
    }
    let mut chosen = BTreeMap::<_, Reach>::new();
    for pattern in folded() {
        let own = pattern.array_windows::<GRAM>().enumerate();
        let (at, gram) = own.max_by_key(|(_, gram)| (shared.get(*gram), *gram))?;
        let reach = chosen.entry(*gram).or_default();
        reach.before = reach.before.max(at);
        reach.behind = reach.behind.max(pattern.len() - at);
    }
    (chosen.len() <= MOST_GRAMS).then_some(chosen)
}

/// Of the first three bytes of a word.
fn hash_of_three(word: u32) -> usize {
    ((word << 8).wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS)) as usize
}

fn hash_of_four(word: u32) -> usize {
    (word.wrapping_mul(0x85EB_CA6B) >> (32 - SET_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(patterns: &[&str]) -> Prefilter {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Prefilter::new(&patterns).unwrap()
    }

    fn parts(filter: &Prefilter, text: &[u8]) -> Vec<Range<usize>> {
        filter.candidates(text).collect()
    }

    #[test]
    fn a_pattern_is_in_a_part_wherever_it_begins_and_however_it_is_spelled() {
        let patterns = ["crt.sh", "search.censys.io", "s_client", "x509"];
        let filter = filter(&patterns);
        for pattern in patterns {
            for before in 0..40 {
                for behind in 0..12 {
                    let text = ["-".repeat(before), pattern.to_uppercase(), "-".repeat(behind)].concat();
                    let parts = parts(&filter, text.as_bytes());
                    assert!(
                        parts
                            .iter()
                            .any(|part| part.start <= before && before + pattern.len() <= part.end),
                        "{text}: {parts:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn of_an_everyday_text_nearly_nothing_is_left() {
        let filter = filter(&["crt.sh", "search.censys.io", "s_client", "x509"]);
        let text = "cc -O2 -Wall -Iinclude -c -o out/main.o src/main.c\0".repeat(100);
        assert!(parts(&filter, text.as_bytes()).is_empty());
    }

    #[test]
    fn a_text_made_of_grams_is_one_part() {
        let filter = filter(&["crt.sh", "search.censys.io"]);
        let text = "crt.sh ".repeat(50_000);
        let parts = parts(&filter, text.as_bytes());
        assert!(parts.len() == 1 && parts[0] == (0..text.len()), "{parts:?}");
    }

    #[test]
    fn behind_a_text_made_of_grams_nothing_is_left_out() {
        let filter = filter(&["crt.sh", "search.censys.io"]);
        let dense = "crt.sh ".repeat(DENSE / 7 + 10);
        for between in (UNFILTERED - DENSE..UNFILTERED + 100).step_by(3) {
            let start = dense.len() + between;
            let text = [&dense, &"-".repeat(between)[..], "search.censys.io", &"-".repeat(100)].concat();
            let parts = parts(&filter, text.as_bytes());
            assert!(
                parts.iter().any(|part| part.start <= start && start + 16 <= part.end),
                "{between}: {parts:?}"
            );
        }
    }

    #[test]
    fn patterns_that_are_short_or_too_different_have_no_filter() {
        assert!(Prefilter::new(&["crt.sh".to_owned(), "ctl".to_owned()]).is_none());
        let different: Vec<String> = (0..3000).map(|number| format!("{number:04}")).collect();
        assert!(Prefilter::new(&different).is_none());
        assert!(parts(&Prefilter::new(&[]).unwrap(), b"anything").is_empty());
    }

    proptest! {
        /// Parts are in order and apart, within the text, and hold every occurrence of every pattern.
        #[test]
        fn nothing_is_left_out(
            patterns in prop::collection::vec("[a-d.]{4,9}", 1..6),
            pieces in prop::collection::vec("[a-dA-D.x\0]{0,40}|x{0,700}", 0..12),
            chosen in prop::collection::vec(0..6_usize, 0..12),
        ) {
            let filter = Prefilter::new(&patterns).unwrap();
            let mut text = String::new();
            for (index, piece) in pieces.iter().enumerate() {
                text.push_str(piece);
                if let Some(pattern) = chosen.get(index).and_then(|chosen| patterns.get(*chosen)) {
                    text.push_str(pattern);
                }
            }
            let parts = parts(&filter, text.as_bytes());
            prop_assert!(parts.windows(2).all(|two| two[0].end < two[1].start), "{parts:?}");
            prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= text.len()));
            let lower = text.to_ascii_lowercase();
            for pattern in &patterns {
                for start in 0..lower.len() {
                    if lower[start..].starts_with(pattern) {
                        let end = start + pattern.len();
                        prop_assert!(
                            parts.iter().any(|part| part.start <= start && end <= part.end),
                            "{pattern} at {start}: {parts:?}"
                        );
                    }
                }
            }
        }
    }
}
