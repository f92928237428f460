//! A finding as it waits to be sorted: made ready for output once, when it was found.
//!
//! Owns how the forms of a finding are packed into the one payload of a [`Sorter`](super::sorter::Sorter).

use std::io;

/// The forms of a finding that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// What goes to the output, with its newline: text, JSON or CSV.
    pub main: Vec<u8>,
    /// The line of JSON, where something else is made of it as well (the page).
    pub json: Option<Vec<u8>>,
}

/// What follows the main form.
const NOTHING: u8 = 0;
const JSON: u8 = 1;
/// The main form is the line of JSON, and is kept once.
const SAME: u8 = 2;

/// Bytes before the main form: what follows it, and its length.
const HEAD: usize = 1 + size_of::<u64>();

impl Rendered {
    /// As one payload.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (what, json) = match self.json.as_deref() {
            None => (NOTHING, &[][..]),
            Some(json) if json == self.main => (SAME, &[][..]),
            Some(json) => (JSON, json),
        };
        let mut bytes = Vec::with_capacity(HEAD + self.main.len() + json.len());
        bytes.push(what);
        bytes.extend_from_slice(&(self.main.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.main);
        bytes.extend_from_slice(json);
        bytes
    }

    /// From such a payload.
    ///
    /// # Errors
    ///
    /// `InvalidData`: it is none.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        Self::read(bytes).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a finding came back from sorting in another form than it went",
            )
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (what, rest) = bytes.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (main, json) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let json = match *what {
            NOTHING if json.is_empty() => None,
            SAME if json.is_empty() => Some(main.to_vec()),
            JSON => Some(json.to_vec()),
            _ => return None,
        };
        Some(Self {
            main: main.to_vec(),
            json,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out_again() {
        for main in [&b""[..], b"line\n", b"\0\xff"] {
            for json in [None, Some(&b""[..]), Some(b"{}\n"), Some(main)] {
                let rendered = Rendered {
                    main: main.to_vec(),
                    json: json.map(<[u8]>::to_vec),
                };
                assert_eq!(Rendered::from_bytes(&rendered.to_bytes()).unwrap(), rendered);
            }
        }
    }

    #[test]
    fn json_that_is_the_output_is_kept_once() {
        let line = vec![b'x'; 1000];
        let rendered = Rendered {
            main: line.clone(),
            json: Some(line),
        };
        assert!(rendered.to_bytes().len() < 1100);
    }

    #[test]
    fn bytes_that_are_no_payload_are_an_error() {
        let bytes = Rendered {
            main: b"abc".to_vec(),
            json: Some(b"abc".to_vec()),
        }
        .to_bytes();
        for end in 0..bytes.len() {
            assert!(Rendered::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Rendered::from_bytes(&[&bytes[..], b"x"].concat()).is_err());
        assert!(Rendered::from_bytes(&[9; 20]).is_err());
    }
}
