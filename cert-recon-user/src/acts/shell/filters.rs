//! Commands that change the text they read: decoders, `tr`, `rev`, `sed`, `cut`, `head`, `tail`.
//!
//! Owns how the usual options of each change a text. With any other option the output is not known.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::Budget;
use super::expand::UNKNOWN;

/// Forgiving, as the commands are about the end of their input.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What the command makes of its input; nothing when that is not known.
pub(super) fn apply(name: &[u8], args: &[Vec<u8>], input: &[u8], budget: &mut Budget) -> Option<Vec<u8>> {
    if !budget.pay(input.len()) {
        return None;
    }
    let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
    let args = &args[..];
    match name {
        b"cat" | b"tee" | b"sponge" => reads_stdin(name, args).then(|| input.to_vec()),
        b"rev" => args.is_empty().then(|| rev(input)),
        b"tac" => args.is_empty().then(|| tac(input)),
        b"tr" => tr(args, input),
        b"sed" => sed(args, input, budget),
        b"cut" => cut(args, input),
        b"head" | b"tail" => ends(name == b"head", args, input),
        // These have a checksum, and NULs of their own.
        b"gunzip" | b"zcat" | b"gzcat" => args
            .iter()
            .all(|arg| arg.starts_with(b"-"))
            .then(|| gunzip(input, budget))?,
        b"gzip" | b"pigz" => decodes(args).then(|| gunzip(input, budget))?,
        // What follows only makes sense of text that is known to the end.
        _ if input.contains(&UNKNOWN) => None,
        b"base64" | b"gbase64" => decodes(args).then(|| base64(input))?,
        b"base32" => decodes(args).then(|| base32(input))?,
        b"basenc" if args.contains(&&b"--base64"[..]) => decodes(args).then(|| base64(input))?,
        b"openssl" => openssl(args).then(|| base64(input))?,
        b"xxd" => {
            let has = |letter: u8| args.iter().any(|arg| arg.starts_with(b"-") && arg.contains(&letter));
            let plain = has(b'p') && has(b'r') && args.iter().all(|arg| arg.starts_with(b"-"));
            plain.then(|| hex(input))
        }
        b"xargs" if args.is_empty() || args == [b"echo"] => {
            let mut text = input
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(&b' ');
            text.push(b'\n');
            Some(text)
        }
        _ => None,
    }
}

/// As far as the budget goes: a small input may hide a large text.
fn gunzip(input: &[u8], budget: &mut Budget) -> Option<Vec<u8>> {
    use std::io::Read as _;
    const MOST: u64 = 256 << 10;
    let mut text = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(input)
        .take(MOST)
        .read_to_end(&mut text);
    (read.is_ok() && (text.len() as u64) < MOST && budget.pay(text.len())).then_some(text)
}

/// `cat` of its input only; what `tee` also writes to does not matter.
fn reads_stdin(name: &[u8], args: &[&[u8]]) -> bool {
    name != b"cat"
        || args
            .iter()
            .all(|arg| arg.starts_with(b"-") || matches!(*arg, b"/dev/stdin" | b"/dev/fd/0" | [UNKNOWN]))
}

fn decodes(args: &[&[u8]]) -> bool {
    args.iter().any(|arg| {
        matches!(*arg, b"--decode" | b"-D")
            || (arg.starts_with(b"-") && !arg.starts_with(b"--") && arg.contains(&b'd'))
            || (arg.len() > 3 && b"--decode".starts_with(arg))
    }) && args
        .iter()
        .all(|arg| arg.starts_with(b"-") || matches!(*arg, b"/dev/stdin" | [UNKNOWN]))
}

fn openssl(args: &[&[u8]]) -> bool {
    let base64 = args.iter().any(|arg| matches!(*arg, b"base64" | b"-base64" | b"-a"));
    let decode = args.contains(&&b"-d"[..]);
    let known = |arg: &&[u8]| matches!(*arg, b"base64" | b"enc" | b"-base64" | b"-a" | b"-A" | b"-d");
    base64 && decode && args.iter().all(known)
}

/// As far as the input is base64.
fn base64(input: &[u8]) -> Option<Vec<u8>> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut digits: Vec<u8> = input
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .take_while(is_digit)
        .collect();
    while digits.last() == Some(&b'=') {
        digits.pop();
    }
    if let Some(end) = digits.iter().position(|&digit| digit == b'=') {
        digits.truncate(end);
    }
    // One digit too many is no byte.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    BASE64.decode(&digits).ok()
}

fn base32(input: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for &byte in input.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => break,
        };
        bits = (bits << 5 | u32::from(digit)) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

fn hex(input: &[u8]) -> Vec<u8> {
    let digits: Vec<u32> = input.iter().filter_map(|&byte| char::from(byte).to_digit(16)).collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |value, digit| value << 4 | digit).to_le_bytes()[0])
        .collect()
}

fn lines(input: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    input.strip_suffix(b"\n").unwrap_or(input).split(|&byte| byte == b'\n')
}

fn rev(input: &[u8]) -> Vec<u8> {
    let mut text = lines(input)
        .map(|line| match std::str::from_utf8(line) {
            Ok(line) => line.chars().rev().collect::<String>().into_bytes(),
            Err(_) => line.iter().rev().copied().collect(),
        })
        .collect::<Vec<_>>()
        .join(&b'\n');
    text.extend(input.last().filter(|&&byte| byte == b'\n'));
    text
}

fn tac(input: &[u8]) -> Vec<u8> {
    let mut text = lines(input).rev().collect::<Vec<_>>().join(&b'\n');
    text.push(b'\n');
    text
}

/// `head` and `tail` with a number of lines or bytes.
fn ends(first: bool, args: &[&[u8]], input: &[u8]) -> Option<Vec<u8>> {
    let joined = args.concat();
    let text = std::str::from_utf8(&joined).ok()?;
    let text = text
        .strip_prefix("--")
        .or_else(|| text.strip_prefix('-'))
        .unwrap_or(text);
    let (by_bytes, number) = match text.as_bytes().first() {
        None => (false, "10"),
        Some(b'c') => (
            true,
            text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic() || letter == '='),
        ),
        Some(_) => (
            false,
            text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic() || letter == '='),
        ),
    };
    let (from_start, number) = match number.strip_prefix('+') {
        Some(number) => (true, number.parse::<usize>().ok()?.saturating_sub(1)),
        None => (false, number.parse::<usize>().ok()?),
    };
    let units: Vec<&[u8]> = if by_bytes {
        input.chunks(1).collect()
    } else {
        input.split_inclusive(|&byte| byte == b'\n').collect()
    };
    let cut = match (first, from_start) {
        (true, _) => units.get(..number.min(units.len())),
        (false, true) => units.get(number.min(units.len())..),
        (false, false) => units.get(units.len().saturating_sub(number)..),
    };
    cut.map(<[&[u8]]>::concat)
}

fn tr(args: &[&[u8]], input: &[u8]) -> Option<Vec<u8>> {
    let (mut delete, mut squeeze, mut complement) = (false, false, false);
    let mut sets = Vec::new();
    for arg in args {
        match arg.split_first() {
            Some((b'-', letters)) if !letters.is_empty() && sets.is_empty() => {
                for letter in letters {
                    match letter {
                        b'd' => delete = true,
                        b's' => squeeze = true,
                        b'c' | b'C' => complement = true,
                        _ => return None,
                    }
                }
            }
            _ => sets.push(tr_set(arg)?),
        }
    }
    let first = sets.first()?;
    let mut position = [None; 256];
    for (at, &byte) in first.iter().enumerate() {
        position[usize::from(byte)].get_or_insert(at);
    }
    let within = |byte: u8| position[usize::from(byte)].is_some() != complement;
    let changed = input.iter().copied().filter(|&byte| !(delete && within(byte)));
    if delete || (squeeze && sets.len() == 1) {
        let mut text: Vec<u8> = changed.collect();
        if squeeze && !delete {
            text.dedup_by(|next, before| next == before && within(*next));
        }
        return Some(text);
    }
    let second = sets.get(1)?;
    let last = *second.last()?;
    let mut text: Vec<u8> = changed
        .map(|byte| match position[usize::from(byte)] {
            None if complement => last,
            Some(at) if !complement => second.get(at).copied().unwrap_or(last),
            _ => byte,
        })
        .collect();
    if squeeze {
        text.dedup_by(|next, before| next == before && second.contains(next));
    }
    Some(text)
}

/// A set of `tr` spelled out: ranges, escapes and classes.
fn tr_set(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut rest = text;
    // Escapes first, which cannot begin a range's sign.
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind.first()) {
            (b'\\', Some(_)) => {
                let mut made = Vec::new();
                if let super::escape::Escape::Read(read) =
                    super::escape::read(behind, super::escape::Dialect::Format, &mut made)
                {
                    rest = behind.get(read..)?;
                }
                // An escape without a meaning is the byte itself.
                plain.push((made.last().copied()?, false));
            }
            (b'[', Some(b':')) => {
                let end = behind.iter().take(10).position(|&byte| byte == b']')?;
                let class: Vec<u8> = match behind.get(..end)? {
                    b":upper:" => (b'A'..=b'Z').collect(),
                    b":lower:" => (b'a'..=b'z').collect(),
                    b":digit:" => (b'0'..=b'9').collect(),
                    b":alpha:" => (b'A'..=b'Z').chain(b'a'..=b'z').collect(),
                    b":alnum:" => (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').collect(),
                    b":space:" => b"\t\n\x0b\x0c\r ".to_vec(),
                    b":blank:" => b"\t ".to_vec(),
                    b":cntrl:" => (0..=31).chain([127]).collect(),
                    b":punct:" => (b'!'..=b'~').filter(u8::is_ascii_punctuation).collect(),
                    _ => return None,
                };
                plain.extend(class.into_iter().map(|byte| (byte, false)));
                rest = behind.get(end + 1..)?;
            }
            _ => plain.push((byte, byte == b'-')),
        }
    }
    let mut set = Vec::new();
    let mut at = 0;
    while let Some(&(low, _)) = plain.get(at) {
        match (plain.get(at + 1), plain.get(at + 2)) {
            (Some((_, true)), Some(&(high, _))) if high >= low => {
                set.extend(low..=high);
                at += 3;
            }
            _ => {
                set.push(low);
                at += 1;
            }
        }
    }
    Some(set)
}

/// Substitutions of fixed text: `s/a/b/`, several of them with `;` or `-e`.
fn sed(args: &[&[u8]], input: &[u8], budget: &mut Budget) -> Option<Vec<u8>> {
    let mut scripts = Vec::new();
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        match arg {
            b"-e" => scripts.push(*args.next()?),
            b"-E" | b"-r" | b"-u" => {}
            _ if arg.starts_with(b"-") || !scripts.is_empty() => return None,
            _ => scripts.push(arg),
        }
    }
    let mut text = input.to_vec();
    for script in scripts {
        let mut rest = script;
        loop {
            rest = rest.trim_ascii_start();
            let Some((b's', behind)) = rest.split_first() else {
                return if rest.is_empty() { Some(text) } else { None };
            };
            let (&delimiter, behind) = behind.split_first()?;
            let (pattern, behind) = sed_part(behind, delimiter, true)?;
            let (with, behind) = sed_part(behind, delimiter, false)?;
            let global = behind.first() == Some(&b'g');
            let behind = behind.get(usize::from(global)..)?;
            if pattern.is_empty() || !matches!(behind.first(), None | Some(b';' | b'\n')) {
                return None;
            }
            text = replace_lines(&text, &pattern, &with, global, budget)?;
            match behind.split_first() {
                Some((_, behind)) => rest = behind,
                None => break,
            }
        }
    }
    Some(text)
}

/// The part of an `s` up to its delimiter, when it is fixed text.
fn sed_part(text: &[u8], delimiter: u8, pattern: bool) -> Option<(Vec<u8>, &[u8])> {
    let mut part = Vec::new();
    let mut at = 0;
    loop {
        let byte = *text.get(at)?;
        at += 1;
        if byte == delimiter {
            return Some((part, text.get(at..)?));
        }
        match byte {
            b'\\' => {
                let next = *text.get(at)?;
                at += 1;
                match next {
                    b'n' => part.push(b'\n'),
                    _ if next.is_ascii_alphanumeric() => return None,
                    _ => part.push(next),
                }
            }
            b'.' | b'*' | b'[' | b'^' | b'$' | b'+' | b'?' | b'(' | b'|' | b'{' if pattern => return None,
            b'&' if !pattern => return None,
            _ => part.push(byte),
        }
    }
}

fn replace_lines(text: &[u8], pattern: &[u8], with: &[u8], global: bool, budget: &mut Budget) -> Option<Vec<u8>> {
    if !budget.pay(text.len().saturating_mul(1 + pattern.len() / 4)) {
        return None;
    }
    let mut made = Vec::new();
    let mut at = 0;
    let mut done = false;
    while let Some(&byte) = text.get(at) {
        if !done && text.get(at..)?.starts_with(pattern) {
            if !budget.pay(with.len()) {
                return None;
            }
            made.extend_from_slice(with);
            at += pattern.len();
            done = !global;
            continue;
        }
        done &= byte != b'\n';
        made.push(byte);
        at += 1;
    }
    Some(made)
}

/// `cut -c`, `-b` and `-f` with one or several ranges.
fn cut(args: &[&[u8]], input: &[u8]) -> Option<Vec<u8>> {
    let (mut by_field, mut delimiter, mut ranges) = (false, b'\t', None);
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        let (option, attached) = arg.split_at_checked(2)?;
        let value = if attached.is_empty() { *args.next()? } else { attached };
        match option {
            b"-d" => delimiter = *value.first()?,
            b"-c" | b"-b" => ranges = Some(cut_ranges(value)?),
            b"-f" => {
                by_field = true;
                ranges = Some(cut_ranges(value)?);
            }
            _ => return None,
        }
    }
    let ranges = ranges?;
    let kept = |at: usize| ranges.iter().any(|&(first, last)| (first..=last).contains(&(at + 1)));
    let mut text = Vec::new();
    for line in lines(input) {
        if !by_field {
            text.extend(
                line.iter()
                    .enumerate()
                    .filter(|(at, _)| kept(*at))
                    .map(|(_, byte)| *byte),
            );
        } else if line.contains(&delimiter) {
            let fields = line.split(|&byte| byte == delimiter).enumerate();
            let fields: Vec<&[u8]> = fields.filter(|(at, _)| kept(*at)).map(|(_, field)| field).collect();
            text.extend(fields.join(&delimiter));
        } else {
            text.extend_from_slice(line);
        }
        text.push(b'\n');
    }
    Some(text)
}

fn cut_ranges(text: &[u8]) -> Option<Vec<(usize, usize)>> {
    // A few, so that asking them all for every byte stays cheap.
    const MOST: usize = 16;
    let text = std::str::from_utf8(text).ok()?;
    let ranges = text.split(',').take(MOST + 1).map(|range| match range.split_once('-') {
        None => range.parse().ok().map(|at| (at, at)),
        Some(("", last)) => last.parse().ok().map(|last| (1, last)),
        Some((first, "")) => first.parse().ok().map(|first| (first, usize::MAX)),
        Some((first, last)) => first.parse().ok().zip(last.parse().ok()),
    });
    let ranges: Vec<(usize, usize)> = ranges.collect::<Option<_>>()?;
    (ranges.len() <= MOST).then_some(ranges)
}
