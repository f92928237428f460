//! The command of a message: the path and the arguments, as far as sudo keeps them apart.
//!
//! Owns sudo's escapes and quotes. Since 1.9.13 it writes control characters as `#` and three octal digits (in the path also
//! blanks), and puts an argument with blanks in single quotes, with a backslash before quotes and backslashes in it
//! (`new_logline()` in its lib/eventlog/eventlog.c); any other quote or backslash is the argument's own. Older ones write
//! neither quotes nor, mostly, escapes.

use std::borrow::Cow;

use crate::event::base_name;

/// A command.
#[derive(Debug)]
pub(super) struct Words<'a> {
    /// As sudo wrote it.
    raw: &'a [u8],
    /// None when it can be read as it stands.
    words: Option<Vec<Vec<u8>>>,
    path: Cow<'a, [u8]>,
    quoted: bool,
}

impl<'a> Words<'a> {
    pub(super) fn parse(raw: &'a [u8]) -> Self {
        let raw = raw.trim_ascii_end();
        let end = memchr::memchr(b' ', raw).unwrap_or(raw.len());
        let (path, arguments) = raw.split_at_checked(end).unwrap_or((raw, b""));
        let is_plain = !raw
            .iter()
            .any(|byte| b"'\"\\#".contains(byte) || byte.is_ascii_control());
        let mut words = Self {
            raw,
            words: None,
            path: Cow::Borrowed(path),
            quoted: false,
        };
        if !is_plain {
            words.path = Cow::Owned(unescaped(path, true));
            let mut list = vec![words.path.to_vec()];
            words.quoted = append_arguments(arguments, &mut list);
            words.words = Some(list);
        }
        words
    }

    /// The path of the program.
    pub(super) fn path(&self) -> Option<&[u8]> {
        Some(&*self.path).filter(|path| !path.is_empty())
    }

    /// The command line as a text that gives these words when it is split.
    pub(super) fn line(&self) -> Cow<'a, [u8]> {
        match &self.words {
            None => Cow::Borrowed(self.raw),
            Some(words) => Cow::Owned(joined(words.iter().map(Vec::as_slice))),
        }
    }

    /// For `sh -c` of an older sudo, whose string lost its quotes: with all of the rest as that string.
    pub(super) fn as_shell_text(&self) -> Option<Vec<u8>> {
        let shells: [&[u8]; 6] = [b"sh", b"bash", b"dash", b"zsh", b"ksh", b"ash"];
        if self.quoted || !shells.contains(&base_name(&self.path)) {
            return None;
        }
        let rest = self.raw.get(memchr::memchr(b' ', self.raw)? + 1..)?;
        let (option, text) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
        let is_command = option.starts_with(b"-") && !option.starts_with(b"--") && option.ends_with(b"c");
        let text = text.get(1..)?;
        if !is_command || !text.contains(&b' ') {
            return None;
        }
        Some(joined([&*self.path, option, &unescaped(text, false)].into_iter()))
    }
}

/// Whether one of them was quoted.
fn append_arguments(text: &[u8], words: &mut Vec<Vec<u8>>) -> bool {
    let mut quoted = false;
    let mut rest = text;
    while let Some(behind) = rest.strip_prefix(b" ") {
        if let Some((word, after)) = quoted_word(behind) {
            words.push(word);
            quoted = true;
            rest = after;
        } else {
            let end = memchr::memchr(b' ', behind).unwrap_or(behind.len());
            let (word, after) = behind.split_at_checked(end).unwrap_or((behind, b""));
            // Nothing between two blanks is an empty argument, or a blank of an older sudo.
            if !word.is_empty() {
                words.push(unescaped(word, false));
            }
            rest = after;
        }
    }
    quoted
}

/// An argument in quotes that ends where an argument can end.
fn quoted_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let inner = text.strip_prefix(b"'")?;
    let mut word = Vec::new();
    let mut bytes = inner.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'\\' => word.extend(bytes.next().map(|(_, &byte)| byte)),
            b'\'' => {
                let rest = inner.get(at + 1..).unwrap_or_default();
                return matches!(rest.first(), None | Some(b' ')).then(|| (unescaped(&word, false), rest));
            }
            _ => word.push(byte),
        }
    }
    None
}

/// Resolves `#012`: a control character; in a path, a blank as well, and with a backslash, too.
fn unescaped(text: &[u8], is_path: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        if (first == b'#' || (is_path && first == b'\\'))
            && let Some((digits, after)) = behind.split_first_chunk::<3>()
            && let Some(byte) = octal(*digits)
            && (byte.is_ascii_control() || (is_path && byte == b' '))
            && byte != 0
        {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    bytes
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

fn joined<'w>(words: impl Iterator<Item = &'w [u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    for word in words {
        if !line.is_empty() {
            line.push(b' ');
        }
        let is_plain = !word.is_empty()
            && !word
                .iter()
                .any(|byte| b"'\"\\".contains(byte) || byte.is_ascii_whitespace());
        if is_plain {
            line.extend(word.iter().map(|&byte| if byte == 0 { b' ' } else { byte }));
            continue;
        }
        line.push(b'\'');
        for &byte in word {
            match byte {
                b'\'' => line.extend_from_slice(b"'\\''"),
                0 => line.push(b' '),
                _ => line.push(byte),
            }
        }
        line.push(b'\'');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts::{Budget, shell};

    fn split(raw: &str) -> Vec<String> {
        let line = Words::parse(raw.as_bytes()).line();
        let words = shell::split(&line, &mut Budget::new(line.len()));
        words
            .into_iter()
            .map(|word| String::from_utf8(word).expect("text"))
            .collect()
    }

    #[test]
    fn the_line_splits_into_the_words_that_sudo_ran() {
        for (raw, expected) in [
            ("/usr/bin/id", &["/usr/bin/id"][..]),
            ("/bin/a b  c", &["/bin/a", "b", "c"]),
            ("/opt/my#040tools/x y", &["/opt/my tools/x", "y"]),
            ("/opt/my\\040tools/x y", &["/opt/my tools/x", "y"]),
            ("/bin/a 'b c' d", &["/bin/a", "b c", "d"]),
            ("/bin/a 'it\\'s \\\\ x' d", &["/bin/a", "it's \\ x", "d"]),
            ("/bin/a it's d", &["/bin/a", "it's", "d"]),
            ("/bin/a 'd e", &["/bin/a", "'d", "e"]),
            ("/bin/a {\"x\":1} C:\\x\\y", &["/bin/a", "{\"x\":1}", "C:\\x\\y"]),
            ("/bin/sh -c 'a#012b c'", &["/bin/sh", "-c", "a\nb c"]),
            (
                "/bin/a tab#011here x#040y z#999 #01",
                &["/bin/a", "tab\there", "x#040y", "z#999", "#01"],
            ),
        ] {
            assert_eq!(split(raw), expected, "{raw}");
        }
    }

    #[test]
    fn a_shells_string_that_lost_its_quotes_is_the_rest_of_the_line() {
        let text = |raw: &str| {
            let text = Words::parse(raw.as_bytes()).as_shell_text();
            text.map(|text| String::from_utf8(text).expect("text"))
        };
        assert_eq!(
            text("/bin/bash -c curl -s https://crt.sh | jq .").as_deref(),
            Some("/bin/bash -c 'curl -s https://crt.sh | jq .'")
        );
        for raw in [
            "/bin/bash -c 'a b'",
            "/bin/bash -c id",
            "/bin/bash x y",
            "/bin/cat -c a b",
            "/bin/bash",
        ] {
            assert_eq!(text(raw), None, "{raw}");
        }
    }
}
