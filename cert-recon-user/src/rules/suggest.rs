//! "Did you mean": the nearest known name for a mistyped one.
//!
//! Owns the measure of nearness; never decides what is an error.

/// The candidate that differs from `word` by the fewest single-character edits, if that is at most a third of the word
/// (at least one edit), so that the suggestion is never far-fetched. Of equally near ones, the first.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein distance over characters, ASCII letters compared without case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, have) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut behind = line + 1;
        for (cell, want) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(!have.eq_ignore_ascii_case(want));
            diagonal = *cell;
            behind = replaced.min(diagonal + 1).min(behind + 1);
            *cell = behind;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_are_the_known_ones() {
        for (left, right, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "ABC", 0),
            ("kitten", "sitting", 3),
            ("no_match", "nomatch", 1),
            ("filed", "field", 2),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let keys = ["confidence", "category", "severity"];
        assert_eq!(nearest("confidance", keys).as_deref(), Some("confidence"));
        assert_eq!(nearest("Severity", keys).as_deref(), Some("severity"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("", keys), None);
    }
}
