//! JSON text that a terminal can be shown, written fast where it is long.

use std::io;

use serde::Serialize as _;
use serde_json::ser::{CharEscape, Formatter};

use crate::text;

/// Text is looked at in pieces of so many bytes: short enough that one character in need of an escape slows down little.
const PIECE: usize = 2048;

/// Appends what stands between the quotes of a JSON string: what [`Harmless`] makes of `text`. serde_json looks at each byte by
/// itself, which is too slow for megabytes of arguments; here it sees only pieces that hold something to escape.
pub(super) fn append(line: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.ceil_char_boundary(PIECE));
        if is_plain(piece.as_bytes()) {
            line.extend_from_slice(piece.as_bytes());
        } else {
            // Writing text into memory can't fail.
            let _ = piece.serialize(&mut serde_json::Serializer::with_formatter(&mut *line, Unquoted));
        }
        rest = behind;
    }
}

/// Whether JSON text is the same as the bytes.
fn is_plain(bytes: &[u8]) -> bool {
    text::is_printable(bytes) && memchr::memchr2(b'"', b'\\', bytes).is_none()
}

/// Writes JSON that a terminal can be shown: characters above ASCII that it would obey are escaped like the control
/// characters below.
pub(super) struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Control characters below are escaped already and are in no fragment.
        if text::is_printable(fragment.as_bytes()) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| text::is_harmful(*c)) {
            writer.write_all(rest.get(..at).unwrap_or_default().as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = rest.get(at + c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
        }
    }
}

/// The same without quotes around it.
struct Unquoted;

impl Formatter for Unquoted {
    fn begin_string<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn end_string<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        Harmless.write_string_fragment(writer, fragment)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        Harmless.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What serde_json makes of it in one go.
    fn expected(text: &str) -> Vec<u8> {
        let mut json = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Harmless))
            .unwrap();
        json[1..json.len() - 1].to_vec()
    }

    fn appended(text: &str) -> Vec<u8> {
        let mut line = b"before".to_vec();
        append(&mut line, text);
        line.strip_prefix(b"before").unwrap().to_vec()
    }

    #[test]
    fn every_character_is_escaped_at_the_end_of_a_piece_as_at_its_begin() {
        let all = (0..=0x2fff).chain([0xfeff, 0x1_f600, 0xe_0001]);
        for c in all.filter_map(char::from_u32) {
            for before in [0, PIECE - 1, PIECE, PIECE + 1] {
                let text = format!("{}{c}b", "a".repeat(before));
                let json = appended(&text);
                assert_eq!(json, expected(&text), "U+{:04X} behind {before}", u32::from(c));
                let quoted = [b"\"", &json[..], b"\""].concat();
                assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_together_are_what_the_whole_is(pieces in prop::collection::vec((".{0,40}", 0..600_usize), 0..6)) {
            let text: String = pieces.iter().map(|(text, plain)| text.clone() + &"x".repeat(*plain)).collect();
            prop_assert_eq!(appended(&text), expected(&text));
        }
    }
}
