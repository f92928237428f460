//! Backslash escapes: those of `$'...'`, of `printf` and of `echo -e`.
//!
//! Owns what each escape stands for. A NUL is left out, as no argument can hold one.

/// Who reads the escapes: they differ in octal numbers and in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `$'...'`
    Quote,
    /// The format of `printf`.
    Format,
    /// `echo -e` and `%b`: octal numbers may begin with a zero of their own.
    Echo,
}

/// What reading one escape gave.
pub(super) enum Escape {
    /// So many bytes behind the backslash were read.
    Read(usize),
    /// `\c` in a text of `echo` or `printf`: the output ends here.
    Stop,
}

/// Reads the escape whose backslash stands right before `rest`, and appends what it means. An escape that has no meaning
/// stays as it is.
pub(super) fn read(rest: &[u8], dialect: Dialect, into: &mut Vec<u8>) -> Escape {
    let Some(&letter) = rest.first() else {
        into.push(b'\\');
        return Escape::Read(0);
    };
    let simple = match letter {
        b'a' => Some(7),
        b'b' => Some(8),
        b'e' | b'E' => Some(0x1b),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'v' => Some(0x0b),
        b'\\' => Some(b'\\'),
        b'\'' | b'"' | b'?' if dialect != Dialect::Echo => Some(letter),
        _ => None,
    };
    if let Some(byte) = simple {
        into.push(byte);
        return Escape::Read(1);
    }
    match letter {
        b'x' => {
            let braced = dialect == Dialect::Quote && rest.get(1) == Some(&b'{');
            let from = if braced { 2 } else { 1 };
            let (value, digits) = number(rest.get(from..).unwrap_or_default(), 16, 2);
            if digits == 0 {
                into.extend_from_slice(b"\\x");
                return Escape::Read(1);
            }
            push(into, value.to_le_bytes()[0]);
            let end = from + digits;
            Escape::Read(end + usize::from(braced && rest.get(end) == Some(&b'}')))
        }
        b'u' | b'U' => {
            let most = if letter == b'u' { 4 } else { 8 };
            let (value, digits) = number(rest.get(1..).unwrap_or_default(), 16, most);
            if digits == 0 {
                into.extend_from_slice(&[b'\\', letter]);
                return Escape::Read(1);
            }
            match char::from_u32(value) {
                Some('\0') => {}
                Some(character) => into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => into.extend_from_slice("\u{fffd}".as_bytes()),
            }
            Escape::Read(1 + digits)
        }
        b'c' if dialect == Dialect::Quote => match rest.get(1) {
            Some(&control) => {
                push(into, control & 0x1f);
                Escape::Read(2)
            }
            None => {
                into.extend_from_slice(b"\\c");
                Escape::Read(1)
            }
        },
        b'c' => Escape::Stop,
        b'0'..=b'7' => {
            let skip = usize::from(dialect == Dialect::Echo && letter == b'0');
            let (value, digits) = number(rest.get(skip..).unwrap_or_default(), 8, 3);
            push(into, value.to_le_bytes()[0]);
            Escape::Read(skip + digits)
        }
        _ => {
            into.extend_from_slice(&[b'\\', letter]);
            Escape::Read(1)
        }
    }
}

/// Appends `text` with all its escapes read. False when a `\c` ended it.
pub(super) fn read_all(text: &[u8], dialect: Dialect, into: &mut Vec<u8>) -> bool {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            into.push(byte);
            continue;
        }
        match read(text.get(at..).unwrap_or_default(), dialect, into) {
            Escape::Read(bytes) => at += bytes,
            Escape::Stop => return false,
        }
    }
    true
}

/// The number that at most `most` digits give, and how many there were.
fn number(digits: &[u8], base: u32, most: usize) -> (u32, usize) {
    let mut value: u32 = 0;
    let mut count = 0;
    for &digit in digits.iter().take(most) {
        let Some(digit) = char::from(digit).to_digit(base) else {
            break;
        };
        value = value.wrapping_mul(base).wrapping_add(digit);
        count += 1;
    }
    (value, count)
}

fn push(into: &mut Vec<u8>, byte: u8) {
    if byte != 0 {
        into.push(byte);
    }
}
