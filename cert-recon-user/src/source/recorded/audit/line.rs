//! A line of an audit log: whose event it belongs to, and the values in it.
//!
//! Pure and without allocations, but for values that are decoded.

use std::time::SystemTime;

use crate::source::recorded;

/// The kinds of records that tell of an exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Syscall,
    Execve,
    Cwd,
    Path,
    Proctitle,
    /// The end of an event.
    End,
    /// What auditd says of itself, and of changes to what is audited.
    Daemon(Daemon),
    /// Any other.
    Other,
}

/// Records that may tell of execs that are not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Daemon {
    Start,
    End,
    Resume,
    Failed,
    Change,
}

impl Kind {
    /// By name, as auditd writes it, or by number, as the kernel does (`include/uapi/linux/audit.h`).
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"SYSCALL" | b"1300" => Self::Syscall,
            b"PATH" | b"1302" => Self::Path,
            b"CWD" | b"1307" => Self::Cwd,
            b"EXECVE" | b"1309" => Self::Execve,
            b"EOE" | b"1320" => Self::End,
            b"PROCTITLE" | b"1327" => Self::Proctitle,
            b"DAEMON_START" | b"1200" => Self::Daemon(Daemon::Start),
            b"DAEMON_END" | b"1201" | b"DAEMON_ABORT" | b"1202" => Self::Daemon(Daemon::End),
            b"DAEMON_RESUME" | b"1206" => Self::Daemon(Daemon::Resume),
            b"DAEMON_ERR" | b"1209" => Self::Daemon(Daemon::Failed),
            b"CONFIG_CHANGE" | b"1305" => Self::Daemon(Daemon::Change),
            _ => Self::Other,
        }
    }
}

/// Which event a record belongs to: the kernel counts events, from 1 after each boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    pub(super) seconds: i64,
    pub(super) millis: u32,
    pub(super) serial: u64,
}

impl Stamp {
    pub(super) fn time(self) -> Option<SystemTime> {
        recorded::time(self.seconds, self.millis * 1_000_000)
    }
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The host, where the log names it.
    pub(super) node: &'a [u8],
    pub(super) kind: Kind,
    pub(super) stamp: Stamp,
    /// What is behind the stamp.
    pub(super) body: &'a [u8],
}

/// Takes a line apart: `node=N type=T msg=audit(S.M:SERIAL): BODY`, or as the kernel's own log has it, behind anything:
/// `audit: type=N audit(S.M:SERIAL): BODY`. None for a line that is no record, an error for one that is a damaged one.
pub(super) fn record(line: &[u8]) -> Result<Option<Record<'_>>, &'static str> {
    let node_end = |line: &[u8]| memchr::memchr(b' ', line);
    let (node, rest) = match line.strip_prefix(b"node=") {
        Some(rest) => match node_end(rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => return Err("the line ends behind the host's name"),
        },
        None => (&b""[..], line),
    };
    let rest = match rest.strip_prefix(b"type=") {
        Some(rest) => rest,
        None => {
            let Some(at) = find(rest, b"type=") else {
                return Ok(None);
            };
            // Behind a syslog's head; auditd's plugin for syslog names the host itself.
            let (head, rest) = rest.split_at(at);
            let own = find(head, b"node=").and_then(|at| head.get(at + 5..)?.strip_suffix(b" "));
            if let Some(own) = own.filter(|own| !own.contains(&b' ')) {
                return with_node(own, &rest[5..]);
            }
            if !(head.ends_with(b"audit: ") || head.ends_with(b": ")) {
                return Ok(None);
            }
            &rest[5..]
        }
    };
    with_node(node, rest)
}

fn with_node<'a>(node: &'a [u8], rest: &'a [u8]) -> Result<Option<Record<'a>>, &'static str> {
    let Some(end) = rest.iter().position(|byte| *byte == b' ') else {
        return Err("the line ends behind the type of the record");
    };
    let kind = Kind::of(&rest[..end]);
    let rest = &rest[end + 1..];
    let rest = rest.strip_prefix(b"msg=").unwrap_or(rest);
    let Some(rest) = rest.strip_prefix(b"audit(") else {
        return Ok(None);
    };
    let Some(close) = rest.iter().position(|byte| *byte == b')') else {
        return Err("the line ends in the stamp of the event");
    };
    let Some(stamp) = stamp(&rest[..close]) else {
        return Err("the stamp of the event is no time and serial number");
    };
    let body = &rest[close + 1..];
    let body = body.strip_prefix(b":").unwrap_or(body);
    Ok(Some(Record {
        node,
        kind,
        stamp,
        body: body.strip_prefix(b" ").unwrap_or(body),
    }))
}

/// `SECONDS.MILLIS:SERIAL`.
fn stamp(text: &[u8]) -> Option<Stamp> {
    let dot = text.iter().position(|byte| *byte == b'.')?;
    let (millis, serial) = text.get(dot + 1..)?.split_at_checked(3)?;
    Some(Stamp {
        seconds: i64::try_from(number(&text[..dot])?).ok()?,
        millis: u32::try_from(number(millis)?).ok()?,
        serial: number(serial.strip_prefix(b":")?)?,
    })
}

/// A number of decimal digits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

/// A value as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Between quotes.
    Quoted(&'a [u8]),
    /// Behind a quote that nothing ends: the line is cut.
    Open(&'a [u8]),
    /// Without: a number, a word, hexadecimal digits.
    Bare(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Appends what it says: the kernel writes what has spaces, quotes or control characters as hexadecimal digits
    /// (`audit_log_n_untrustedstring()` in `kernel/audit.c`).
    pub(super) fn append_to(self, into: &mut Vec<u8>) {
        match self {
            Self::Quoted(text) | Self::Open(text) => into.extend_from_slice(text),
            Self::Bare(text) => {
                let before = into.len();
                into.reserve(text.len() / 2);
                for pair in text.chunks(2) {
                    let byte = match pair {
                        [high, low] => digit(*high).zip(digit(*low)),
                        _ => None,
                    };
                    let Some((high, low)) = byte else {
                        // It is no hexadecimal text after all.
                        into.truncate(before);
                        into.extend_from_slice(text);
                        return;
                    };
                    into.push(high << 4 | low);
                }
            }
        }
    }

    /// As it stands, without quotes.
    pub(super) fn raw(self) -> &'a [u8] {
        match self {
            Self::Quoted(text) | Self::Open(text) | Self::Bare(text) => text,
        }
    }

    /// A number of 32 bits; none for the value that means "not set" (-1).
    pub(super) fn id(self) -> Option<u32> {
        u32::try_from(number(self.raw())?).ok().filter(|id| *id != u32::MAX)
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The fields of a record's body, in order. What is no `name=value` is passed over. Behind the character 0x1d stands what
/// auditd made of the values (`log_format = ENRICHED`), under the same names in capitals.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

pub(super) fn fields(body: &[u8]) -> Fields<'_> {
    Fields { rest: body }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.rest.iter().position(|byte| *byte != b' ' && *byte != 0x1d)?;
            let rest = &self.rest[start..];
            let end = rest.iter().position(|byte| matches!(byte, b'=' | b' ' | 0x1d));
            let end = end.unwrap_or(rest.len());
            if rest.get(end) != Some(&b'=') {
                self.rest = &rest[end..];
                continue;
            }
            let name = &rest[..end];
            let value = &rest[end + 1..];
            let (value, after) = match value.split_first() {
                Some((b'"', quoted)) => match memchr::memchr(b'"', quoted) {
                    Some(end) => (Value::Quoted(&quoted[..end]), &quoted[end + 1..]),
                    None => (Value::Open(quoted), &b""[..]),
                },
                _ => {
                    let end = bare_end(value);
                    (Value::Bare(&value[..end]), &value[end..])
                }
            };
            self.rest = after;
            return Some((name, value));
        }
    }
}

/// Where a value without quotes ends. Most are a few digits, which a loop passes sooner than a search has begun; some are
/// the hexadecimal digits of a whole argv.
fn bare_end(value: &[u8]) -> usize {
    const FEW: usize = 24;
    let (few, rest) = value.split_at(value.len().min(FEW));
    match few.iter().position(|byte| matches!(byte, b' ' | 0x1d)) {
        Some(end) => end,
        None => few.len() + memchr::memchr2(b' ', 0x1d, rest).unwrap_or(rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Record<'_> {
        record(line.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_record_names_its_event_whoever_wrote_the_line() {
        for (line, node, kind, body) in [
            (
                "type=EXECVE msg=audit(1364481363.243:24287): argc=1",
                "",
                Kind::Execve,
                "argc=1",
            ),
            (
                "node=web1 type=CWD msg=audit(1364481363.243:24287):  cwd=\"/\"",
                "web1",
                Kind::Cwd,
                " cwd=\"/\"",
            ),
            (
                "Nov 25 17:00:00 h kernel: audit: type=1300 audit(1364481363.243:24287): arch=c000003e",
                "",
                Kind::Syscall,
                "arch=c000003e",
            ),
            (
                "Nov 25 17:00:00 h audispd: node=web1 type=EOE msg=audit(1364481363.243:24287): ",
                "web1",
                Kind::End,
                "",
            ),
            (
                "[   12.3] audit: type=1327 audit(1364481363.243:24287): proctitle=6C73",
                "",
                Kind::Proctitle,
                "proctitle=6C73",
            ),
        ] {
            let found = one(line);
            assert_eq!((found.node, found.kind), (node.as_bytes(), kind), "{line}");
            assert_eq!(found.body, body.as_bytes(), "{line}");
            let stamp = found.stamp;
            assert_eq!((stamp.seconds, stamp.millis, stamp.serial), (1_364_481_363, 243, 24287));
        }
    }

    #[test]
    fn what_is_no_record_is_passed_over_and_what_is_half_of_one_is_told() {
        for line in [
            "",
            "hello",
            "type=AVC avc: denied",
            "a type=b c",
            "Nov 25 h sshd[1]: session type=x y",
        ] {
            assert_eq!(record(line.as_bytes()), Ok(None), "{line}");
        }
        for line in [
            "node=x",
            "type=EXECVE",
            "type=EXECVE msg=audit(1.2",
            "type=EXECVE msg=audit(1.243:): a",
            "type=EXECVE msg=audit(x.243:1): a",
            "type=EXECVE msg=audit(1.2:1): a",
            "type=EXECVE msg=audit(99999999999999999999.243:1): a",
        ] {
            assert!(record(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn values_are_quoted_bare_or_hexadecimal() {
        let body = b"a=\"x y\" b=6120FF c=(none) d= junk e=0\x1dAUID=\"al\" f=\"open";
        let found: Vec<_> = fields(body)
            .map(|(name, value)| {
                let mut text = Vec::new();
                value.append_to(&mut text);
                (String::from_utf8_lossy(name).into_owned(), text)
            })
            .collect();
        let expected: Vec<_> = [
            ("a", &b"x y"[..]),
            ("b", b"a \xff"),
            ("c", b"(none)"),
            ("d", b""),
            ("e", b"0"),
            ("AUID", b"al"),
            ("f", b"open"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .into();
        assert_eq!(found, expected);
        let mut text = b"-".to_vec();
        for value in [
            Value::Bare(b"41"),
            Value::Bare(b"4"),
            Value::Bare(b"4G"),
            Value::Quoted(b"41"),
        ] {
            value.append_to(&mut text);
        }
        assert_eq!(text, b"-A44G41");
    }

    #[test]
    fn the_number_that_means_not_set_is_none() {
        assert_eq!(Value::Bare(b"4294967295").id(), None);
        assert_eq!(Value::Bare(b"1000").id(), Some(1000));
        assert_eq!(Value::Bare(b"4294967296").id(), None);
        assert_eq!(Value::Bare(b"-1").id(), None);
    }
}
