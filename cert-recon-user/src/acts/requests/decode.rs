//! Encodings that hide text: percent, base64, hexadecimal, UTF-16. Owns the bytes only; what they mean is for the callers.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// How often percent-encoding is taken off: `%2525` is `%25` is `%`.
const PERCENT_LAYERS: usize = 3;

/// Decoders do not insist on padding or on zero trailing bits, nor do the tools that are given such text.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Takes percent-encoding off until nothing changes, at most three times. `%00` stays as it is: a NUL byte stands for
/// what is not known, and argv must not be able to write one.
pub(super) fn percent(text: &[u8]) -> Cow<'_, [u8]> {
    let mut decoded = Cow::Borrowed(text);
    for _ in 0..PERCENT_LAYERS {
        match percent_once(&decoded) {
            Some(next) => decoded = Cow::Owned(next),
            None => break,
        }
    }
    decoded
}

/// One layer of percent-encoding; none when there is nothing to decode.
pub(super) fn percent_once(text: &[u8]) -> Option<Vec<u8>> {
    let first = (0..text.len()).find(|&at| escape(text, at).is_some())?;
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(text.get(..first)?);
    let mut at = first;
    while let Some(&byte) = text.get(at) {
        if let Some(value) = escape(text, at) {
            decoded.push(value);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    Some(decoded)
}

fn escape(text: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *text.get(at..at + 3)? else {
        return None;
    };
    Some(digit(high)? << 4 | digit(low)?).filter(|&byte| byte != 0)
}

/// A value of a query string: `+` is a space, then percent-encoding.
pub(super) fn form(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    percent(&spaced).into_owned()
}

/// Base64 in either alphabet, with or without padding, white space ignored.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    if packed.is_empty() {
        return None;
    }
    let decoded = if packed.iter().any(|b| matches!(b, b'-' | b'_')) {
        URL.decode(&packed)
    } else {
        PLAIN.decode(&packed)
    };
    decoded.ok()
}

/// Pairs of hexadecimal digits, white space ignored.
pub(super) fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// UTF-16, little end first, as PowerShell's encoded commands are; a lone half of a pair becomes U+FFFD.
pub(super) fn utf16le(bytes: &[u8]) -> Vec<u8> {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>()
        .into_bytes()
}

/// Decoded text is text: no NUL that could pass for an unknown part.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

/// The value of a hexadecimal digit.
pub(super) fn digit(byte: u8) -> Option<u8> {
    // A hexadecimal digit is below 16.
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_comes_off_in_layers() {
        for (text, decoded) in [
            ("crt%2Esh", "crt.sh"),
            ("crt%252Esh", "crt.sh"),
            ("%2563rt.sh", "crt.sh"),
            ("%25.example.com", "%.example.com"),
            ("%.example.com", "%.example.com"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%00", "%00"),
            ("%2500", "%00"),
        ] {
            assert_eq!(percent(text.as_bytes()), decoded.as_bytes(), "{text}");
        }
    }

    #[test]
    fn base64_is_read_in_both_alphabets_and_without_padding() {
        assert_eq!(base64(b"Y3J0LnNo").as_deref(), Some(&b"crt.sh"[..]));
        assert_eq!(base64(b"Y3J0\nLnNoLw==").as_deref(), Some(&b"crt.sh/"[..]));
        assert_eq!(base64(b"Y3J0LnNoLw").as_deref(), Some(&b"crt.sh/"[..]));
        assert_eq!(base64(b"Pz8_Pw").as_deref(), Some(&b"????"[..]));
        assert_eq!(base64(b"crt.sh"), None);
        assert_eq!(base64(b""), None);
    }

    #[test]
    fn utf16_and_hex_are_read() {
        assert_eq!(utf16le(b"i\0w\0r\0 \0c\0"), b"iwr c");
        assert_eq!(utf16le(b"\x00\xd8a\0"), "\u{fffd}a".as_bytes());
        assert_eq!(hex(b"63 72 74").as_deref(), Some(&b"crt"[..]));
        assert_eq!(hex(b"637"), None);
        assert_eq!(hex("é1".as_bytes()), None);
    }
}
