//! A row of a table: cells by column, whatever form it was written in.
//!
//! Owns cells: a value that is empty or null is none, text is its bytes, a number is its digits. What is not a column that
//! is asked for, and what is no plain value, is left out.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::text;

/// Most columns that a format asks for.
const MOST_COLUMNS: usize = 32;

/// The cell of a column, by the column's name; none for a column that is not asked for.
pub(in crate::source::recorded) type Slot = fn(&[u8]) -> Option<usize>;

/// The cells of a row that were asked for.
#[derive(Debug, Default)]
pub(in crate::source::recorded) struct Row<'a> {
    cells: [Option<Cow<'a, [u8]>>; MOST_COLUMNS],
}

impl<'a> Row<'a> {
    /// The cell of a column, by its slot.
    pub(in crate::source::recorded) fn get(&self, slot: usize) -> Option<&[u8]> {
        self.cells.get(slot)?.as_deref()
    }

    /// The cell as text: bytes that are not UTF-8 by their numbers.
    pub(in crate::source::recorded) fn text(&self, slot: usize) -> Option<String> {
        Some(text::lossless(self.get(slot)?).0.into_owned())
    }

    /// The cell as a number: decimal, or as Windows shows some, hexadecimal.
    pub(in crate::source::recorded) fn number(&self, slot: usize) -> Option<u64> {
        let text = std::str::from_utf8(self.get(slot)?).ok()?.trim();
        if let Some(digits) = text.strip_prefix("0x") {
            return u64::from_str_radix(digits, 16).ok();
        }
        // Spreadsheets make `4,312` or `4312.0` of it.
        text.strip_suffix(".0").unwrap_or(text).parse().ok()
    }

    /// The same, when it is an id of 32 bits.
    pub(in crate::source::recorded) fn id(&self, slot: usize) -> Option<u32> {
        self.number(slot)?.try_into().ok()
    }

    /// Puts a value into a cell. Of several for one cell the first one that is something stays.
    pub(super) fn set(&mut self, slot: usize, value: Cow<'a, [u8]>) {
        if let Some(cell @ None) = self.cells.get_mut(slot)
            && !value.is_empty()
        {
            *cell = Some(value);
        }
    }

    /// The row that an object of JSON is.
    ///
    /// # Errors
    ///
    /// It is no valid object.
    pub(super) fn of_object(text: &'a str, slot: Slot) -> Result<Self, serde_json::Error> {
        let mut row = Self::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.deserialize_map(Object { row: &mut row, slot })?;
        reader.end()?;
        Ok(row)
    }

    /// The row that an array of JSON is, whose columns have these names.
    ///
    /// # Errors
    ///
    /// It is no valid array, or has another number of cells.
    pub(super) fn of_array(text: &'a str, columns: &[Vec<u8>], slot: Slot) -> Result<Self, serde_json::Error> {
        let mut row = Self::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.deserialize_seq(Array {
            row: &mut row,
            columns,
            slot,
        })?;
        reader.end()?;
        Ok(row)
    }
}

/// A text of JSON as UTF-8: what is damaged in it is shown as everywhere, so that the rest of it can be read.
pub(super) fn repaired(text: &[u8]) -> Cow<'_, str> {
    match text::lossless(text) {
        // Backslashes in strings of JSON stand for themselves when there are two.
        (Cow::Owned(_), _) => {
            let mut fixed = String::with_capacity(text.len() + 16);
            for chunk in text.utf8_chunks() {
                fixed.push_str(chunk.valid());
                for byte in chunk.invalid() {
                    fixed.push_str(&format!("\\\\x{byte:02x}"));
                }
            }
            fixed.into()
        }
        (borrowed, _) => borrowed,
    }
}

struct Object<'r, 'a> {
    row: &'r mut Row<'a>,
    slot: Slot,
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(slot) = map.next_key_seed(Key(self.slot))? {
            let Some(slot) = slot else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &'a RawValue = map.next_value()?;
            if let Some(value) = cell(value).map_err(A::Error::custom)? {
                self.row.set(slot, value);
            }
        }
        Ok(())
    }
}

struct Key(Slot);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok((self.0)(name.as_bytes()))
    }
}

struct Array<'r, 'a, 'c> {
    row: &'r mut Row<'a>,
    columns: &'c [Vec<u8>],
    slot: Slot,
}

impl<'a> Visitor<'a> for Array<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {} cells", self.columns.len())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut cells: A) -> Result<(), A::Error> {
        let mut count = 0;
        while let Some(value) = cells.next_element::<&'a RawValue>()? {
            let slot = self.columns.get(count).and_then(|name| (self.slot)(name));
            if let Some(slot) = slot
                && let Some(value) = cell(value).map_err(A::Error::custom)?
            {
                self.row.set(slot, value);
            }
            count += 1;
        }
        if count != self.columns.len() {
            return Err(A::Error::invalid_length(count, &self));
        }
        Ok(())
    }
}

/// The value of a cell; none for null and for what is no plain value.
fn cell(value: &RawValue) -> Result<Option<Cow<'_, [u8]>>, serde_json::Error> {
    let raw = value.get();
    Ok(match raw.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Some(Cow::Borrowed(inner)),
        [b'"', ..] => Some(serde_json::from_str::<Text<'_>>(raw)?.0),
        [b'{' | b'[', ..] | b"null" => None,
        plain => Some(Cow::Borrowed(plain)),
    })
}

/// A string as bytes. Half a character, which Windows allows in names and command lines, is no error then.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::source::recorded) struct Text<'a>(pub(in crate::source::recorded) Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(bytes.to_vec())))
            }
        }
        deserializer.deserialize_bytes(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &[u8]) -> Option<usize> {
        match name {
            b"a" => Some(0),
            b"b" | b"B" => Some(1),
            _ => None,
        }
    }

    fn cells(row: &Row<'_>) -> [Option<String>; 2] {
        [row.text(0), row.text(1)]
    }

    #[test]
    fn a_cell_is_what_its_value_says_and_nothing_when_it_says_nothing() {
        for (text, a, b) in [
            (r#"{"a":"x","b":7}"#, Some("x"), Some("7")),
            (r#"{"a":"","b":null}"#, None, None),
            (r#"{"a":{"b":1},"b":[1]}"#, None, None),
            (
                r#"{"a":true,"c":{"a":1},"B":"\u0041\n\"\\"}"#,
                Some("true"),
                Some("A\n\"\\"),
            ),
            (r#"{"b":"","B":"2","b":"3"}"#, None, Some("2")),
            (r#"{"a":"\ud800x"}"#, Some(r"\xed\xa0\x80x"), None),
        ] {
            let row = Row::of_object(text, slot).unwrap();
            assert_eq!(cells(&row), [a, b].map(|text| text.map(str::to_owned)), "{text}");
        }
        for bad in ["{", r#"{"a":}"#, r#"{"a":"\x"}"#, r#"{"a":1} x"#, r#"{"a":1,}"#, "[1]"] {
            assert!(Row::of_object(bad, slot).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_array_has_a_cell_for_every_column() {
        let columns = [b"x".to_vec(), b"b".to_vec()];
        let row = Row::of_array(r#"["1","2"]"#, &columns, slot).unwrap();
        assert_eq!(cells(&row), [None, Some("2".to_owned())]);
        for bad in [r#"["1"]"#, r#"["1","2","3"]"#, "[1,", "{}"] {
            assert!(Row::of_array(bad, &columns, slot).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_cost_no_row() {
        let text = repaired(b"{\"a\":\"x\xff\"}");
        assert_eq!(Row::of_object(&text, slot).unwrap().text(0).unwrap(), r"x\xff");
    }

    #[test]
    fn numbers_come_in_several_forms() {
        let mut row = Row::default();
        for (value, number) in [
            ("12", Some(12)),
            ("0x3e7", Some(999)),
            ("7.0", Some(7)),
            ("x", None),
            ("-1", None),
        ] {
            row.cells[0] = Some(Cow::Borrowed(value.as_bytes()));
            assert_eq!(row.number(0), number);
        }
        row.cells[0] = Some(Cow::Borrowed(b"4294967296"));
        assert_eq!(row.id(0), None);
    }
}
