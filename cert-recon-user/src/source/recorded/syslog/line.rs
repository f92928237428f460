//! The head of a line of syslog: when, on which host, by which program.
//!
//! Owns the three forms that files have: the traditional one, RFC 3339 in its place (the default of Debian since 12), and
//! RFC 5424. It converts no time (`clock` does) and knows no program.

use super::clock::Stamp;

/// A line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// When, as it stands there.
    pub(crate) stamp: Stamp<'a>,
    /// The host.
    pub(crate) host: Option<&'a [u8]>,
    /// The program: `sudo`.
    pub(crate) tag: &'a [u8],
    /// Its process id.
    pub(crate) pid: Option<u32>,
    /// What it says.
    pub(crate) message: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Takes a line apart; none when it has no such head.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (line, has_priority) = without_priority(line);
        if has_priority && let Some(rest) = line.strip_prefix(b"1 ") {
            return rfc5424(rest);
        }
        let (stamp, rest) = Stamp::split(line)?;
        let (first, rest) = word(rest)?;
        // A program's name ends in a colon; a host's does not. Some write no host.
        if ends_tag(first) {
            let (tag, pid) = tag(first);
            return Some(Self {
                stamp,
                host: None,
                tag,
                pid,
                message: rest,
            });
        }
        let (mut second, mut message) = word(rest)?;
        if is_facility(second)
            && let Some((third, rest)) = word(message)
        {
            // BusyBox: facility and level between host and program.
            (second, message) = (third, rest);
        }
        if !ends_tag(second) {
            return None;
        }
        let (tag, pid) = tag(second);
        Some(Self {
            stamp,
            host: Some(first),
            tag,
            pid,
            message,
        })
    }
}

fn without_priority(line: &[u8]) -> (&[u8], bool) {
    let rest = line.strip_prefix(b"<").and_then(|rest| {
        let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        rest.get(digits..)?.strip_prefix(b">").filter(|_| digits > 0)
    });
    rest.map_or((line, false), |rest| (rest, true))
}

/// The next word and what follows the space behind it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    (!word.is_empty()).then(|| (word, rest.get(1..).unwrap_or_default()))
}

fn ends_tag(word: &[u8]) -> bool {
    word.ends_with(b":") && word.len() > 1
}

fn is_facility(word: &[u8]) -> bool {
    let mut parts = word.split(|&byte| byte == b'.');
    let level = parts.nth(1).unwrap_or_default();
    let levels: [&[u8]; 10] = [
        b"emerg", b"alert", b"crit", b"err", b"error", b"warn", b"warning", b"notice", b"info", b"debug",
    ];
    parts.next().is_none() && levels.contains(&level)
}

/// `sudo[123]:` without its colon and its number.
fn tag(word: &[u8]) -> (&[u8], Option<u32>) {
    let word = word.strip_suffix(b":").unwrap_or(word);
    let Some((name, number)) = word
        .strip_suffix(b"]")
        .and_then(|word| Some(word.split_at(memchr::memrchr(b'[', word)?)))
    else {
        return (word, None);
    };
    (name, decimal(number.get(1..).unwrap_or_default()))
}

pub(crate) fn decimal(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What follows `<PRI>1 `: time, host, program, process, message id, structured data, message.
fn rfc5424(text: &[u8]) -> Option<Entry<'_>> {
    let (stamp, rest) = word(text)?;
    let (host, rest) = word(rest)?;
    let (tag, rest) = word(rest)?;
    let (pid, rest) = word(rest)?;
    let (_, rest) = word(rest)?;
    let message = without_data(rest)?;
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    Some(Entry {
        stamp: Stamp::Rfc3339(stamp),
        host: (host != b"-").then_some(host),
        tag,
        pid: decimal(pid),
        message,
    })
}

/// Behind the structured data: `-`, or elements in brackets whose values are quoted.
fn without_data(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some(rest.strip_prefix(b" ").unwrap_or(rest));
    }
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if inside => quoted = !quoted,
            b'[' if !quoted => inside = true,
            b']' if !quoted => inside = false,
            b' ' if !inside => return text.get(at + 1..),
            _ if !inside => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(Option<&str>, &str, Option<u32>, &str)> {
        let entry = Entry::parse(line.as_bytes())?;
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        Some((entry.host.map(text), text(entry.tag), entry.pid, text(entry.message)))
    }

    #[test]
    fn every_form_of_a_line_has_a_host_a_program_and_a_message() {
        for line in [
            "Nov 25 17:33:39 web01 sudo[7]: alice : x",
            "Nov  5 17:33:39 web01 sudo[7]: alice : x",
            "<85>Nov 25 17:33:39 web01 sudo[7]: alice : x",
            "Nov 25 17:33:39 web01 authpriv.notice sudo[7]: alice : x",
            "2026-11-25T17:33:39.123456+01:00 web01 sudo[7]: alice : x",
            "2026-11-25T17:33:39Z web01 sudo[7]: alice : x",
            "<85>1 2026-11-25T17:33:39.1Z web01 sudo 7 - - alice : x",
            "<85>1 2026-11-25T17:33:39.1Z web01 sudo 7 ID1 [a b=\"]\\\" \"][c] \u{feff}alice : x",
        ] {
            assert_eq!(
                parsed(line),
                Some((Some("web01"), "sudo", Some(7), "alice : x")),
                "{line}"
            );
        }
        assert_eq!(
            parsed("Nov 25 17:33:39 sudo: alice : x"),
            Some((None, "sudo", None, "alice : x"))
        );
        assert_eq!(
            parsed("<85>1 2026-11-25T17:33:39.1Z - sudo - - - x"),
            Some((None, "sudo", None, "x"))
        );
    }

    #[test]
    fn other_text_has_no_head() {
        for line in [
            "",
            " ",
            "<",
            "<85>",
            "<85>1",
            "<85>1 x y z",
            "Nov 25",
            "Nov 25 17:33:39",
            "Nov 25 17:33:39 web01",
            "Nov 25 17:33:39 web01 no colon",
            "Nov 32 17:33:39 web01 sudo: x",
            "Now 25 17:33:39 web01 sudo: x",
            "2026-11-25 at noon, web01: x",
            "    continued: text",
            "at 17:33:39 web01 sudo: x",
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }
}
