//! The arguments of an exec: from its EXECVE records, else from the title of its process.
//!
//! Owns what is known to be missing. An argument is given only when all before it are there: what stands behind a gap would
//! be taken for what it is not.

use super::line::{Value, fields, number};

/// The kernel keeps so many bytes of a process's title (`MAX_PROCTITLE_AUDIT_LEN` in `kernel/auditsc.c`).
const TITLE: usize = 128;
/// From its end it drops what is not printable (`audit_proctitle_rtrim()` there): a NUL, the beginning of a character. So one
/// that is this much shorter may be cut, too. Empty arguments at the end are dropped with it, which nothing tells.
const TRIMMED: usize = 4;

/// The arguments, kept to be used again.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// Each ended by a NUL, but for one that is cut.
    pub(super) bytes: Vec<u8>,
    /// As long as they were, as far as is known.
    pub(super) total: u64,
}

impl Arguments {
    /// None, as there would be for an exec of which only that it happened is known.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.total = 1;
    }

    /// Of one or more EXECVE records: `a0="ls"`, `a1=2D6C`, and a long one in parts: `a2_len=9000 a2[0]=... a2[1]=...`.
    /// `is_cut`: there were more records than could be kept.
    pub(super) fn execve<'r>(&mut self, records: impl Iterator<Item = &'r [u8]>, is_cut: bool) {
        self.bytes.clear();
        let mut reading = Reading::new(&mut self.bytes);
        let mut read = records
            .flat_map(fields)
            .try_for_each(|(name, value)| reading.field(name, value));
        if read.is_ok() {
            read = reading.end();
        }
        // Each argument that is not there had its NUL at least.
        let lacking = reading.argc.saturating_sub(reading.next) as u64;
        let missing = match read {
            Err(Gap(bytes)) => bytes.saturating_add(lacking).max(1),
            Ok(()) => lacking.max(u64::from(is_cut)),
        };
        self.total = (self.bytes.len() as u64).saturating_add(missing);
    }

    /// The last resort: the first bytes of the process's title.
    pub(super) fn title(&mut self, title: Value<'_>) {
        self.clear();
        if title.raw() == b"(null)" {
            return;
        }
        title.append_to(&mut self.bytes);
        if self.bytes.is_empty() {
            return;
        }
        let is_cut = self.bytes.len() > TITLE - TRIMMED;
        if !is_cut && self.bytes.last() != Some(&0) {
            self.bytes.push(0);
        }
        self.total = self.bytes.len() as u64 + u64::from(is_cut);
    }
}

/// Something is missing: so many bytes of the argument that was being read, as far as is known.
struct Gap(u64);

/// Arguments that are being put together.
struct Reading<'a> {
    into: &'a mut Vec<u8>,
    argc: usize,
    /// The argument that is being read.
    next: usize,
    /// Parts of it that are there.
    part: usize,
    /// As many characters as its parts have together, by what was announced, and as many as are there.
    announced: u64,
    read: u64,
    /// They are hexadecimal digits.
    is_hex: bool,
}

impl<'a> Reading<'a> {
    fn new(into: &'a mut Vec<u8>) -> Self {
        Self {
            into,
            argc: 0,
            next: 0,
            part: 0,
            announced: 0,
            read: 0,
            is_hex: false,
        }
    }

    fn field(&mut self, name: &[u8], value: Value<'_>) -> Result<(), Gap> {
        let Some(field) = Field::of(name) else { return Ok(()) };
        let number = || number(value.raw()).and_then(|number| usize::try_from(number).ok());
        let (arg, part) = match field {
            Field::Count => {
                self.argc = self.argc.max(number().unwrap_or(0));
                return Ok(());
            }
            Field::Whole(arg) => (arg, 0),
            Field::Length(arg) => (arg, 0),
            Field::Part(arg, part) => (arg, part),
        };
        if self.part > 0 && part == 0 && arg == self.next.saturating_add(1) {
            self.end()?;
        }
        if arg < self.next || arg == self.next && part < self.part {
            // It was there before: a line stands twice.
            return Ok(());
        }
        if (arg, part) != (self.next, self.part) {
            return Err(self.gap());
        }
        match field {
            Field::Length(_) => self.announced = number().unwrap_or(0) as u64,
            Field::Part(..) => {
                self.part += 1;
                self.read += value.raw().len() as u64;
                self.is_hex = matches!(value, Value::Bare(_));
                self.take(value)?;
            }
            _ => {
                self.take(value)?;
                self.into.push(0);
                self.next += 1;
            }
        }
        Ok(())
    }

    fn take(&mut self, value: Value<'_>) -> Result<(), Gap> {
        match value {
            // The line ends before the value does.
            Value::Open(_) => value.append_to(self.into),
            Value::Bare([digits @ .., last]) if digits.len() % 2 == 0 && is_hex(digits) && is_hex(&[*last]) => {
                Value::Bare(digits).append_to(self.into);
            }
            _ => {
                value.append_to(self.into);
                return Ok(());
            }
        }
        Err(self.gap())
    }

    /// Ends an argument of several parts.
    fn end(&mut self) -> Result<(), Gap> {
        if self.part == 0 {
            return Ok(());
        }
        if self.read < self.announced {
            return Err(self.gap());
        }
        self.into.push(0);
        self.next += 1;
        (self.part, self.read, self.announced) = (0, 0, 0);
        Ok(())
    }

    fn gap(&self) -> Gap {
        let characters = self.announced.saturating_sub(self.read);
        Gap(if self.is_hex { characters / 2 } else { characters })
    }
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

/// The name of a field of an EXECVE record.
#[derive(Clone, Copy)]
enum Field {
    /// `argc`.
    Count,
    /// `a12`: argument 12.
    Whole(usize),
    /// `a12_len`: characters of its parts together.
    Length(usize),
    /// `a12[3]`: its fourth part.
    Part(usize, usize),
}

impl Field {
    fn of(name: &[u8]) -> Option<Self> {
        let name = name.strip_prefix(b"a")?;
        let as_number = |digits: &[u8]| number(digits).and_then(|number| usize::try_from(number).ok());
        if name == b"rgc" {
            return Some(Self::Count);
        }
        if let Some(part) = name.strip_suffix(b"]") {
            let open = memchr::memchr(b'[', part)?;
            return Some(Self::Part(
                as_number(part.get(..open)?)?,
                as_number(part.get(open + 1..)?)?,
            ));
        }
        match name.strip_suffix(b"_len") {
            Some(digits) => Some(Self::Length(as_number(digits)?)),
            None => Some(Self::Whole(as_number(name)?)),
        }
    }
}
