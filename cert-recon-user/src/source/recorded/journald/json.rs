//! One JSON object a line. A value is a string; an array of numbers, its bytes, when it is not text; an array of values of a
//! field that is there more than once; null when it was too large.

use std::{borrow::Cow, fmt, io};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{Entries, Fields, Value};
use crate::source::recorded::{Input, Line, Out, Place};

pub(super) fn read(input: &mut Input, entries: &mut Entries, out: &mut dyn Out) -> io::Result<()> {
    loop {
        let place = input.next_place();
        match input.next_line()? {
            Some(Line::Whole(line)) => take(line, place, entries, out),
            Some(Line::TooLong) => out.bad(place, &"a line that is too long"),
            None => return Ok(()),
        }
    }
}

/// The object in a line: `json-seq` puts a separator before it, `json-sse` a name.
pub(super) fn object(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\x1e").unwrap_or(line);
    line.strip_prefix(b"data: ").unwrap_or(line).trim_ascii()
}

fn take(line: &[u8], place: Place, entries: &mut Entries, out: &mut dyn Out) {
    let line = object(line);
    if line.is_empty() {
        return;
    }
    if !(line.starts_with(b"{") && line.ends_with(b"}")) {
        out.bad(place, &"not an entry of the journal as JSON");
        return;
    }
    // Entries of others are most of a journal, and are not taken apart.
    let names: [&[u8]; 3] = [b"\"sudo\"", b"\"sysmon\"", b"\"audit\""];
    if !names.iter().any(|name| memchr::memmem::find(line, name).is_some()) {
        return;
    }
    match serde_json::from_slice::<Fields<'_>>(line) {
        Ok(fields) => entries.entry(&fields, place, out),
        Err(error) => out.bad(place, &format_args!("not an entry of the journal as JSON: {error}")),
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match fields.slot(name.0.as_bytes()) {
                Some(slot) => *slot = Some(map.next_value::<Value<'de>>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(ValueVisitor)?;
        Ok(value.unwrap_or(Self::TooLarge))
    }
}

/// What stands in an array of values, or one of bytes.
enum Item<'a> {
    Byte(u8),
    Value(Option<Value<'a>>),
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    /// None for null.
    type Value = Option<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an array or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Value::Bytes(Cow::Borrowed(text.as_bytes()))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Value::Bytes(Cow::Owned(text.as_bytes().to_vec()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Value::Bytes(Cow::Owned(number.to_string().into_bytes()))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        let mut first = None;
        while let Some(item) = seq.next_element::<Item<'de>>()? {
            match item {
                Item::Byte(byte) => bytes.push(byte),
                Item::Value(value) => {
                    first.get_or_insert(value);
                }
            }
        }
        Ok(first.unwrap_or(Some(Value::Bytes(Cow::Owned(bytes)))))
    }
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte, a string or an array of bytes")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        u8::try_from(number)
            .map(Item::Byte)
            .map_err(|_| E::custom("a byte above 255"))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        // `journalctl` has written bytes as signed numbers.
        i8::try_from(number)
            .map(|byte| Item::Byte(byte.cast_unsigned()))
            .map_err(|_| E::custom("a byte below -128"))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        ValueVisitor.visit_borrowed_str(text).map(Item::Value)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        ValueVisitor.visit_str(text).map(Item::Value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Item::Value(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // One of several values, as its bytes.
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element::<i16>()? {
            bytes.push(byte.to_le_bytes()[0]);
        }
        Ok(Item::Value(Some(Value::Bytes(Cow::Owned(bytes)))))
    }
}
