//! Options as getopt reads them, as far as needed to tell options and their values from the words behind them.
//!
//! Owns the walk over the words in front of a program; which options take a value comes from the tables.

use super::words;
use crate::acts::{Budget, Word};

/// What one look at an option costs: a search through the table's options.
const LOOK: usize = 32;
/// No command line that is meant to run has more options than this in front of a program. Those behind are paid for
/// dearly, so that a line of nothing but options is soon reported as cut short and not searched for long.
const OPTIONS: usize = 256;
const DEAR: usize = 64;

/// Which options take a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    /// Letters of short options with a value.
    pub(super) short: &'static str,
    /// Long options with a value, with their dashes, separated by spaces; `-name` is read as a whole word.
    pub(super) long: &'static str,
}

/// An option's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'w> {
    /// One letter.
    Short(u8),
    /// With its dashes.
    Long(&'w [u8]),
}

impl Name<'_> {
    /// Whether a list of options (with dashes, separated by spaces) has it.
    pub(super) fn is(self, list: &str) -> bool {
        list.split(' ').any(|option| match self {
            Self::Short(letter) => matches!(option.as_bytes(), [b'-', found] if *found == letter),
            Self::Long(name) => !option.is_empty() && option.as_bytes() == name,
        })
    }
}

/// What stands at a place.
#[derive(Clone, Debug)]
pub(super) enum Item<'w, 'a> {
    /// An option without a value, or with an optional one.
    Flag(Name<'w>),
    /// An option with its value.
    Value(Name<'w>, Word<'a>),
    /// A word that is no option: its index.
    Plain(usize),
}

/// The walk.
#[derive(Debug)]
pub(super) struct Walk<'w, 'a> {
    words: &'w [Word<'a>],
    takes: Takes,
    at: usize,
    /// Place within a word of several letters: `-abc`.
    within: usize,
    ended: bool,
    looks: usize,
}

impl<'w, 'a> Walk<'w, 'a> {
    /// From the first word on.
    pub(super) fn new(words: &'w [Word<'a>], takes: Takes) -> Self {
        Self {
            words,
            takes,
            at: 0,
            within: 0,
            ended: false,
            looks: 0,
        }
    }

    /// Index of the next word.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether `--` was there.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Goes over words that are an option's further values.
    pub(super) fn pass(&mut self, words: usize) {
        self.at = self.words.len().min(self.at + words);
    }

    /// Goes over what is left of a word of several letters: the last one's optional value.
    pub(super) fn finish_word(&mut self) -> Option<Word<'a>> {
        let within = std::mem::take(&mut self.within);
        if within == 0 {
            return None;
        }
        self.at += 1;
        Some(words::from(&self.words[self.at - 1], within))
    }

    /// The next option or word; none at the end, and when the budget is used up.
    pub(super) fn next(&mut self, budget: &mut Budget) -> Option<Item<'w, 'a>> {
        if self.within > 0 {
            return self.letter(budget);
        }
        let words = self.words;
        let word = words.get(self.at)?;
        let bytes = word.bytes();
        if !budget.pay(LOOK) {
            return None;
        }
        if self.ended || bytes.len() < 2 || bytes[0] != b'-' {
            self.at += 1;
            return Some(Item::Plain(self.at - 1));
        }
        if bytes == b"--" {
            self.ended = true;
            self.at += 1;
            return self.next(budget);
        }
        if !self.pay(budget) {
            return None;
        }
        if bytes.starts_with(b"--") || self.listed(bytes) {
            self.at += 1;
            return Some(self.long(word));
        }
        self.within = 1;
        self.letter(budget)
    }

    fn pay(&mut self, budget: &mut Budget) -> bool {
        self.looks += 1;
        budget.pay(if self.looks > OPTIONS { LOOK * DEAR } else { LOOK })
    }

    fn long(&mut self, word: &'w Word<'a>) -> Item<'w, 'a> {
        let bytes = word.bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let name = &bytes[..equals.unwrap_or(bytes.len())];
        let known = self.known(name);
        match (equals, known) {
            (Some(equals), known) => Item::Value(Name::Long(known.unwrap_or(name)), words::from(word, equals + 1)),
            (None, Some(known)) => match self.words.get(self.at) {
                Some(value) => {
                    self.at += 1;
                    Item::Value(Name::Long(known), value.clone())
                }
                None => Item::Flag(Name::Long(known)),
            },
            (None, None) => Item::Flag(Name::Long(name)),
        }
    }

    fn letter(&mut self, budget: &mut Budget) -> Option<Item<'w, 'a>> {
        let words = self.words;
        let word = words.get(self.at)?;
        if !self.pay(budget) {
            return None;
        }
        let letter = *word.bytes().get(self.within)?;
        self.within += 1;
        let last = self.within >= word.bytes().len();
        let name = Name::Short(letter);
        if !self.takes.short.as_bytes().contains(&letter) {
            if last {
                self.within = 0;
                self.at += 1;
            }
            return Some(Item::Flag(name));
        }
        let attached = self.within;
        self.within = 0;
        self.at += 1;
        if !last {
            return Some(Item::Value(name, words::from(word, attached)));
        }
        let value = words.get(self.at)?;
        self.at += 1;
        Some(Item::Value(name, value.clone()))
    }

    fn listed(&self, name: &[u8]) -> bool {
        name.len() > 2 && self.takes.long.split(' ').any(|option| option.as_bytes() == name)
    }

    /// The option of the table that is meant. getopt takes the beginning of a name for the name; the tables know only the
    /// options with a value, so a beginning is taken as one of them from three letters on.
    fn known(&self, name: &[u8]) -> Option<&'static [u8]> {
        let options = || {
            self.takes
                .long
                .split(' ')
                .map(str::as_bytes)
                .filter(|option| !option.is_empty())
        };
        let begins = name.len() >= 5 && name.starts_with(b"--") && !is_flag(name);
        options()
            .find(|option| *option == name)
            .or_else(|| options().find(|option| begins && option.starts_with(name)))
    }
}

/// Options without a value whose names are the beginning of others that take one.
fn is_flag(name: &[u8]) -> bool {
    matches!(
        name,
        b"--login"
            | b"--start"
            | b"--net"
            | b"--user"
            | b"--uts"
            | b"--init"
            | b"--map"
            | b"--exit"
            | b"--detach"
            | b"--tls"
            | b"--host"
    )
}

#[cfg(test)]
mod tests {
    use super::{Item, Name, Takes, Walk};
    use crate::acts::{Budget, Word};

    fn read(line: &str) -> Vec<String> {
        let words: Vec<Word<'_>> = line.split(' ').map(|word| Word::borrowed(word.as_bytes())).collect();
        let takes = Takes {
            short: "ug",
            long: "--user --login-class -ex",
        };
        let mut budget = Budget::new(line.len());
        let mut walk = Walk::new(&words, takes);
        let mut items = Vec::new();
        let show = |name: Name<'_>| match name {
            Name::Short(letter) => format!("-{}", char::from(letter)),
            Name::Long(name) => String::from_utf8_lossy(name).into_owned(),
        };
        while let Some(item) = walk.next(&mut budget) {
            items.push(match item {
                Item::Flag(name) => show(name),
                Item::Value(name, value) => format!("{}={}", show(name), String::from_utf8_lossy(value.bytes())),
                Item::Plain(at) => line.split(' ').nth(at).unwrap_or_default().to_owned(),
            });
        }
        items
    }

    #[test]
    fn options_are_read_as_getopt_does() {
        for (line, expected) in [
            ("-u root id", "-u=root id"),
            ("-uroot id", "-u=root id"),
            ("-nu root id", "-n -u=root id"),
            ("--user root id", "--user=root id"),
            ("--user=root id", "--user=root id"),
            ("--use root id", "--user=root id"),
            ("--login id", "--login id"),
            ("--login-class x id", "--login-class=x id"),
            ("-n -- -u id", "-n -u id"),
            ("-ex cmd id", "-ex=cmd id"),
            ("- id", "- id"),
            ("-u", ""),
        ] {
            assert_eq!(read(line).join(" "), expected, "{line}");
        }
    }
}
