//! Options and operands told apart the way programs do it, from a table of the options that take a value.
//! Owns the walk over the words; what an option means is for the reader of its program.

use crate::acts::Word;

/// How a program reads its options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syntax {
    /// Letters of short options that take a value (`-o file`, `-ofile`).
    pub(super) short: &'static str,
    /// Names of long options that take a value (`--output file`, `--output=file`), without dashes, sorted.
    pub(super) long: &'static [&'static str],
    /// How one dash is read.
    pub(super) dash: Dash,
}

/// What follows a single dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dash {
    /// Short options, one letter each, several in a word.
    Short,
    /// A whole name, as with two dashes (Go's flags, openssl, X programs).
    Name,
}

/// A word, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'w> {
    /// An option; the name has no dashes, a short one is its letter. The value is there when it takes one, or when it came with `=`.
    Option(&'w [u8], Option<&'w [u8]>),
    /// Everything else.
    Operand(&'w [u8]),
}

/// Walks over words, once; the caller has paid for them.
pub(super) struct Walk<'w> {
    words: &'w [Word<'w>],
    syntax: Syntax,
    /// What is left of a word of short options.
    cluster: &'w [u8],
    only_operands: bool,
}

impl<'w> Walk<'w> {
    pub(super) fn new(words: &'w [Word<'w>], syntax: Syntax) -> Self {
        Self {
            words,
            syntax,
            cluster: &[],
            only_operands: false,
        }
    }

    /// Words that have not been read.
    pub(super) fn rest(&self) -> &'w [Word<'w>] {
        self.words
    }

    fn word(&mut self) -> Option<&'w [u8]> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first.bytes())
    }

    fn short(&mut self) -> Option<Item<'w>> {
        let (name, rest) = self.cluster.split_at_checked(1).filter(|(name, _)| !name.is_empty())?;
        if !name.first().is_some_and(|&b| self.syntax.short.as_bytes().contains(&b)) {
            self.cluster = rest;
            return Some(Item::Option(name, None));
        }
        self.cluster = &[];
        let value = if rest.is_empty() { self.word() } else { Some(rest) };
        Some(Item::Option(name, value))
    }

    fn long(&mut self, text: &'w [u8]) -> Item<'w> {
        if let Some(at) = text.iter().position(|&b| b == b'=') {
            return Item::Option(self.whole(&text[..at]), Some(&text[at + 1..]));
        }
        let name = self.whole(text);
        let takes_value = std::str::from_utf8(name).is_ok_and(|name| self.syntax.long.binary_search(&name).is_ok());
        let value = if takes_value { self.word() } else { None };
        Item::Option(name, value)
    }

    /// The whole name of an abbreviated long option, where only one that takes a value can be meant.
    fn whole(&self, name: &'w [u8]) -> &'w [u8] {
        // Shorter ones are ambiguous with flags that no table lists.
        if name.len() < 4 || self.syntax.dash == Dash::Name {
            return name;
        }
        let Ok(text) = std::str::from_utf8(name) else {
            return name;
        };
        let at = self.syntax.long.partition_point(|known| *known < text);
        let mut matching = self.syntax.long[at..]
            .iter()
            .take_while(|known| known.starts_with(text));
        match (matching.next(), matching.next()) {
            (Some(exact), _) if *exact == text => name,
            (Some(only), None) => only.as_bytes(),
            _ => name,
        }
    }
}

impl<'w> Iterator for Walk<'w> {
    type Item = Item<'w>;

    fn next(&mut self) -> Option<Item<'w>> {
        if !self.cluster.is_empty() {
            return self.short();
        }
        let word = self.word()?;
        if self.only_operands || word.len() < 2 || word.first() != Some(&b'-') {
            return Some(Item::Operand(word));
        }
        if word == b"--" {
            self.only_operands = true;
            return self.word().map(Item::Operand);
        }
        match word.strip_prefix(b"--") {
            Some(name) => Some(self.long(name)),
            None if self.syntax.dash == Dash::Name => Some(self.long(&word[1..])),
            None => {
                self.cluster = &word[1..];
                self.short()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(syntax: Syntax, words: &[&str]) -> String {
        let words: Vec<Word<'_>> = words.iter().map(|word| Word::borrowed(word.as_bytes())).collect();
        let shown: Vec<String> = Walk::new(&words, syntax)
            .map(|item| match item {
                Item::Option(name, None) => format!("-{}", String::from_utf8_lossy(name)),
                Item::Option(name, Some(value)) => {
                    format!("-{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
                }
                Item::Operand(word) => String::from_utf8_lossy(word).into_owned(),
            })
            .collect();
        shown.join(" ")
    }

    #[test]
    fn options_and_operands_are_told_apart() {
        let short = Syntax {
            short: "oH",
            long: &["header", "output", "output-dir"],
            dash: Dash::Short,
        };
        for (words, expected) in [
            (&["-sSLo", "file", "url"][..], "-s -S -L -o=file url"),
            (&["-ofile", "url"], "-o=file url"),
            (&["--output", "file", "url"], "-output=file url"),
            (&["--output=file", "--silent", "url"], "-output=file -silent url"),
            (&["--head", "x", "--outp", "y"], "-header=x -outp y"),
            (&["--", "-o", "x"], "-o x"),
            (&["-", "x"], "- x"),
            (&["-o"], "-o"),
            (&[""], ""),
        ] {
            assert_eq!(read(short, words), expected);
        }
        let name = Syntax {
            short: "",
            long: &["connect", "servername"],
            dash: Dash::Name,
        };
        assert_eq!(
            read(name, &["-connect", "a:1", "-quiet", "--servername=b"]),
            "-connect=a:1 -quiet -servername=b"
        );
    }
}
