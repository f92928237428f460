//! Finds where a JSON value ends, without reading it.
//!
//! Owns brackets, strings and escapes. It keeps no value and no recursion: a value as deep as it likes costs a counter. It
//! stops where a text can't be JSON any more, so that one damaged value does not swallow those behind it.

use memchr::memchr3;

/// Depth down to which the kind of containers is remembered; deeper ones are not checked for the right bracket at their end.
const KNOWN_DEPTH: u32 = 64;

/// Where in a value that is an object or an array the scan is.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Open containers.
    depth: u32,
    /// One bit for each open container down to [`KNOWN_DEPTH`], the innermost lowest: whether it is an array.
    arrays: u64,
    in_string: bool,
    escaped: bool,
    /// The last byte outside strings that was no space; a `"` stands for a string.
    before: u8,
}

/// What the scan came upon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The value ends before this offset.
    End(usize),
    /// A container opens at this offset, directly in the value; only told when asked for.
    Opens(usize),
    /// It is damaged: at this offset there is something that can't be there.
    Damaged(usize),
    /// Everything was looked at; there is more to come.
    More,
}

impl Scan {
    /// Looks at `text` from `at`, where the last step ended. `children` asks for the containers directly in the value.
    pub(super) fn step(&mut self, text: &[u8], mut at: usize, children: bool) -> Step {
        while let Some(&byte) = text.get(at) {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    if byte == b'\n' {
                        return Step::Damaged(at);
                    }
                    at += 1;
                    continue;
                }
                // A newline can't be in a string: the quote at its end is missing.
                let Some(found) = memchr3(b'"', b'\\', b'\n', text.get(at..).unwrap_or_default()) else {
                    return Step::More;
                };
                at += found;
                match text.get(at) {
                    Some(b'\\') => self.escaped = true,
                    Some(b'"') => {
                        self.in_string = false;
                        self.before = b'"';
                    }
                    _ => return Step::Damaged(at),
                }
                at += 1;
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    at += 1;
                    continue;
                }
                b'{' | b'[' => {
                    if self.depth > 0 && !self.may_open() {
                        return Step::Damaged(at);
                    }
                    let is_child = self.depth == 1;
                    self.depth += 1;
                    if self.depth <= KNOWN_DEPTH {
                        self.arrays = self.arrays << 1 | u64::from(byte == b'[');
                    }
                    if is_child && children {
                        self.before = byte;
                        return Step::Opens(at);
                    }
                }
                b'}' | b']' => {
                    if self.depth <= KNOWN_DEPTH {
                        let is_array = self.arrays & 1 == 1;
                        if is_array != (byte == b']') {
                            return Step::Damaged(at);
                        }
                        self.arrays >>= 1;
                    }
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Step::End(at + 1);
                    }
                }
                b'"' => self.in_string = true,
                b',' | b':' | b'0'..=b'9' | b'+' | b'-' | b'.' => {}
                // true, false, null, exponents.
                b't' | b'r' | b'u' | b'e' | b'f' | b'a' | b'l' | b's' | b'n' | b'E' => {}
                _ => return Step::Damaged(at),
            }
            self.before = byte;
            at += 1;
        }
        Step::More
    }

    /// The offset behind the container that [`Step::Opens`] told, where the scan goes on.
    pub(super) fn behind(opens: usize) -> usize {
        opens + 1
    }

    /// Whether a container may begin here: as a value in an object, as an element of an array. A `{` elsewhere is the begin of
    /// the next value: the end of this one is missing.
    fn may_open(&self) -> bool {
        match self.before {
            b':' | b'[' => true,
            b',' => self.depth > KNOWN_DEPTH || self.arrays & 1 == 1,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_with_its_own_bracket() {
        for (text, end) in [
            (r#"{}x"#, 2),
            (r#"{"a":"}\"\\"} {"#, 13),
            (r#"[{"a":[1,2.5e+3,true,null]},{}]]"#, 31),
            ("{\n \"a\" : { } ,\r\n\t\"b\":[ ]\n}\n", 26),
        ] {
            assert_eq!(
                Scan::default().step(text.as_bytes(), 0, false),
                Step::End(end),
                "{text}"
            );
            // In pieces, too.
            for cut in 1..end {
                let mut scan = Scan::default();
                assert_eq!(scan.step(&text.as_bytes()[..cut], 0, false), Step::More, "{text} {cut}");
                assert_eq!(scan.step(text.as_bytes(), cut, false), Step::End(end), "{text} {cut}");
            }
        }
    }

    #[test]
    fn damage_is_seen_before_it_swallows_what_follows() {
        for (text, at) in [
            ("{\"a\":\"x\n{\"b\":1}", 7),
            ("{\"a\":\"x\\\n{\"b\":1}", 8),
            ("{\"a\":1\n{\"b\":1}", 7),
            ("{\"a\":1,\n{\"b\":1}", 8),
            ("{\"a\":[1}", 7),
            ("{\"a\":1]", 6),
            ("{\"a\":\"x\"Timestamp\":1}", 8),
            ("{\"a\":\0}", 5),
        ] {
            assert_eq!(
                Scan::default().step(text.as_bytes(), 0, false),
                Step::Damaged(at),
                "{text:?}"
            );
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let mut text = b"{\"a\":".to_vec();
        text.extend(std::iter::repeat_n(b'[', 1_000_000));
        text.extend(std::iter::repeat_n(b']', 1_000_000));
        text.push(b'}');
        assert_eq!(Scan::default().step(&text, 0, false), Step::End(text.len()));
    }

    #[test]
    fn containers_directly_in_it_are_told_when_asked_for() {
        let text = br#"{"a":{"b":{}},"c":[{}]}"#;
        let mut scan = Scan::default();
        let mut at = 0;
        let mut opened = Vec::new();
        loop {
            match scan.step(text, at, true) {
                Step::Opens(offset) => {
                    opened.push(offset);
                    at = Scan::behind(offset);
                }
                step => break assert_eq!(step, Step::End(text.len())),
            }
        }
        assert_eq!(opened, [5, 18]);
    }
}
