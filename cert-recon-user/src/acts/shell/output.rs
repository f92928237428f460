//! What commands print, when that follows from their words and their input.
//!
//! Owns which commands are known; how they change text is in `filters`.

use super::super::Budget;
use super::escape::{self, Dialect};
use super::expand::UNKNOWN;
use super::filters;
use super::run::Status;
use crate::event::base_name;

/// Appends what a command prints: [`UNKNOWN`] when that is not known.
pub(super) fn write(words: &[Vec<u8>], input: Option<&[u8]>, into: &mut Vec<u8>, budget: &mut Budget) -> Status {
    let Some((name, args)) = words.split_first() else {
        return Status::Unknown;
    };
    let name = base_name(name);
    let total = words.iter().map(Vec::len).sum::<usize>();
    // A text may be read once for its words, and once for what is made of them.
    if !budget.pay(total.saturating_add(input.map_or(0, <[u8]>::len))) {
        into.push(UNKNOWN);
        return Status::Unknown;
    }
    let made = match name {
        b"busybox" | b"toybox" if !args.is_empty() => {
            return if budget.enter() {
                let status = write(args, input, into, budget);
                budget.leave();
                status
            } else {
                Status::Unknown
            };
        }
        b"echo" => Some(echo(args)),
        b"printf" | b"print" if args.is_empty() => Some(Vec::new()),
        b"printf" => printf(args, budget),
        b"print" => Some(print(args)),
        b"true" | b":" | b"false" | b"cd" | b"sleep" | b"export" | b"unset" | b"set" | b"shift" => Some(Vec::new()),
        b"seq" => None,
        // Where a program is: it is the one that was asked for.
        b"which" => args.last().cloned(),
        b"command" if matches!(args.first().map(Vec::as_slice), Some(b"-v" | b"-pv")) => args.get(1).cloned(),
        b"type" if matches!(args.first().map(Vec::as_slice), Some(b"-p" | b"-P")) => args.get(1).cloned(),
        _ => input.and_then(|input| filters::apply(name, args, input, budget)),
    };
    match made {
        Some(text) => into.extend_from_slice(&text),
        None if into.last() != Some(&UNKNOWN) => into.push(UNKNOWN),
        None => {}
    }
    status(words)
}

/// How a command ends.
pub(super) fn status(words: &[Vec<u8>]) -> Status {
    match words.first().map(|name| base_name(name)) {
        Some(b"true" | b":" | b"echo" | b"printf" | b"sleep") => Status::Success,
        Some(b"false") => Status::Failure,
        _ => Status::Unknown,
    }
}

fn echo(args: &[Vec<u8>]) -> Vec<u8> {
    let mut rest = args;
    let (mut newline, mut escapes) = (true, false);
    while let [option, behind @ ..] = rest
        && let Some((b'-', letters)) = option.split_first()
        && !letters.is_empty()
        && letters.iter().all(|letter| matches!(letter, b'n' | b'e' | b'E'))
    {
        for letter in letters {
            match letter {
                b'n' => newline = false,
                letter => escapes = *letter == b'e',
            }
        }
        rest = behind;
    }
    let joined = rest.join(&b' ');
    let mut text = Vec::new();
    if !escapes {
        text = joined;
    } else if !escape::read_all(&joined, Dialect::Echo, &mut text) {
        return text;
    }
    if newline {
        text.push(b'\n');
    }
    text
}

/// zsh's and ksh's `print`.
fn print(args: &[Vec<u8>]) -> Vec<u8> {
    let options = args
        .iter()
        .take_while(|arg| arg.starts_with(b"-") && arg.len() < 4)
        .count();
    let (options, rest) = args.split_at(options);
    let has = |letter: u8| options.iter().any(|option| option.contains(&letter));
    let joined = rest.join(&b' ');
    let mut text = Vec::new();
    if has(b'r') {
        text = joined;
    } else {
        escape::read_all(&joined, Dialect::Echo, &mut text);
    }
    if !has(b'n') {
        text.push(b'\n');
    }
    text
}

/// The format is used again until no arguments are left.
fn printf(args: &[Vec<u8>], budget: &mut Budget) -> Option<Vec<u8>> {
    let (mut format, mut args) = args.split_first()?;
    if format == b"--" {
        (format, args) = args.split_first()?;
    }
    let mut text = Vec::new();
    loop {
        let before = args.len();
        if !budget.pay(format.len() + 1) {
            return None;
        }
        let mut rest = &format[..];
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'\\' => match escape::read(rest, Dialect::Format, &mut text) {
                    escape::Escape::Read(read) => rest = rest.get(read..).unwrap_or_default(),
                    escape::Escape::Stop => return Some(text),
                },
                b'%' => {
                    let (conversion, length) = conversion(rest)?;
                    rest = rest.get(length..).unwrap_or_default();
                    if conversion.letter == b'%' {
                        text.push(b'%');
                        continue;
                    }
                    let arg = match args.split_first() {
                        Some((arg, more)) => {
                            args = more;
                            &arg[..]
                        }
                        None => b"",
                    };
                    if !conversion.write(arg, &mut text, budget)? {
                        return Some(text);
                    }
                }
                _ => text.push(byte),
            }
        }
        if args.is_empty() || args.len() == before {
            return Some(text);
        }
    }
}

struct Conversion {
    letter: u8,
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

/// A conversion behind its `%`, and its length.
fn conversion(rest: &[u8]) -> Option<(Conversion, usize)> {
    let flags = rest.iter().take_while(|byte| b"-+ 0#".contains(byte)).count();
    let mut at = flags;
    let number = |at: &mut usize| {
        let mut value = 0usize;
        while let Some(digit) = rest.get(*at).filter(|byte| byte.is_ascii_digit()) {
            value = value.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            *at += 1;
        }
        value
    };
    let width = number(&mut at);
    let mut precision = None;
    if rest.get(at) == Some(&b'.') {
        at += 1;
        precision = Some(number(&mut at));
    }
    let flags = rest.get(..flags)?;
    let letter = *rest.get(at)?;
    // `%*s` and `%(...)T` are left alone.
    (width <= 4096 && letter.is_ascii_alphabetic() || letter == b'%').then_some((
        Conversion {
            letter,
            left: flags.contains(&b'-'),
            zeros: flags.contains(&b'0'),
            width,
            precision,
        },
        at + 1,
    ))
}

impl Conversion {
    /// False when the output ends here.
    fn write(&self, arg: &[u8], into: &mut Vec<u8>, budget: &mut Budget) -> Option<bool> {
        let mut text = Vec::new();
        let mut goes_on = true;
        match self.letter {
            b's' => text.extend_from_slice(arg),
            b'b' => goes_on = escape::read_all(arg, Dialect::Echo, &mut text),
            b'q' if arg
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"./:_-".contains(byte)) =>
            {
                text.extend_from_slice(arg);
            }
            b'c' => text.extend(arg.first()),
            b'd' | b'i' | b'u' => text.extend_from_slice(number(arg)?.to_string().as_bytes()),
            b'x' => text.extend_from_slice(format!("{:x}", number(arg)?).as_bytes()),
            b'X' => text.extend_from_slice(format!("{:X}", number(arg)?).as_bytes()),
            b'o' => text.extend_from_slice(format!("{:o}", number(arg)?).as_bytes()),
            _ => return None,
        }
        if let Some(precision) = self.precision
            && matches!(self.letter, b's' | b'b')
        {
            text.truncate(precision);
        }
        let padding = self.width.saturating_sub(text.len());
        if !budget.pay(text.len() + padding) {
            return None;
        }
        let pad = if self.zeros && !self.left { b'0' } else { b' ' };
        if !self.left {
            into.resize(into.len() + padding, pad);
        }
        into.extend_from_slice(&text);
        if self.left {
            into.resize(into.len() + padding, b' ');
        }
        Some(goes_on)
    }
}

/// A number as `printf` reads it: a quote before a character asks for its code.
fn number(arg: &[u8]) -> Option<i64> {
    match arg {
        [] => Some(0),
        [b'\'' | b'"', character, ..] => Some((*character).into()),
        _ => {
            let text = std::str::from_utf8(arg).ok()?.trim_start_matches('+');
            match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(digits) => i64::from_str_radix(digits, 16).ok(),
                None if text.len() > 1 && text.starts_with('0') => i64::from_str_radix(text, 8).ok(),
                None => text.parse().ok(),
            }
        }
    }
}
