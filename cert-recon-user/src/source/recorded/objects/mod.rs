//! Tables that others export: objects of JSON, or rows of CSV, one record each.
//!
//! Owns the framing (lines, arrays, wrappers of web services, quoted cells, UTF-16) and cells; what a column means is the
//! matter of whoever asks for it by its [`Slot`].

mod json;
mod row;
mod scan;
mod table;
mod time;
mod window;

#[cfg(test)]
mod tests;

use std::{io, time::SystemTime};

use self::{
    json::{Json, Piece},
    row::repaired,
    window::{Window, decoded},
};
pub(super) use self::{
    row::{Row, Slot},
    time::when,
};
use super::{Input, Out, Place};
use crate::text;

/// Takes a row, and where it begins.
pub(super) type Each<'e> = &'e mut dyn FnMut(&Row<'_>, Place, &mut dyn Out);

/// The columns that a format asks for, by name; case does not matter. A column's slot is its place here.
pub(super) struct Columns(pub(super) &'static [&'static str]);

impl Columns {
    pub(super) fn slot(&self, name: &[u8]) -> Option<usize> {
        self.0
            .iter()
            .position(|column| name.eq_ignore_ascii_case(column.as_bytes()))
    }

    /// The cell of the first of these columns that has one.
    pub(super) fn first<'r>(&self, row: &'r Row<'_>, names: &[&str]) -> Option<&'r [u8]> {
        names.iter().find_map(|name| row.get(self.slot(name.as_bytes())?))
    }

    /// The time in the first of these columns that has one; else why there is none.
    pub(super) fn time(&self, row: &Row<'_>, names: &[&str]) -> Result<SystemTime, String> {
        let Some(text) = self.first(row, names) else {
            return Err(format!("a row without a time: it has none of {}", names.join(", ")));
        };
        when(text).ok_or_else(|| format!("a time in no form that is known: {:?}", text::lossless(text).0))
    }
}

/// Reads a table of either form to its end.
///
/// # Errors
///
/// Reading failed.
pub(super) fn read(input: &mut Input, slot: Slot, each: Each<'_>, out: &mut dyn Out) -> io::Result<()> {
    let mut window = Window::new(input)?;
    let first = loop {
        let first = window.rest().iter().find(|byte| !byte.is_ascii_whitespace()).copied();
        if first.is_some() || !window.more() {
            break first;
        }
    };
    match first {
        Some(b'{' | b'[') => objects(Json::new(window), slot, each, out),
        Some(_) => table::read(window, slot, each, out),
        None => window.finish(),
    }
}

fn objects(mut json: Json<'_>, slot: Slot, each: Each<'_>, out: &mut dyn Out) -> io::Result<()> {
    while let Some((place, piece)) = json.next() {
        match piece {
            Piece::Object(text) => match Row::of_object(&repaired(text), slot) {
                Ok(row) => each(&row, place, out),
                Err(error) => out.bad(place, &format_args!("no valid object of JSON: {error}")),
            },
            Piece::Row(text, columns) => match Row::of_array(&repaired(text), columns, slot) {
                Ok(row) => each(&row, place, out),
                Err(error) => out.bad(place, &format_args!("no valid row: {error}")),
            },
            Piece::Bad(why) => out.bad(place, &why),
        }
    }
    json.finish()
}

/// Whether the names of columns, or of the members of objects, at the beginning of a text have all of these. Case does not
/// matter.
pub(super) fn has_columns(sample: &[u8], names: &[&str]) -> bool {
    let decoded = decoded(sample);
    let text = String::from_utf8_lossy(&decoded);
    let text = text.trim_start();
    if text.starts_with(['{', '[']) {
        let text = text.to_ascii_lowercase();
        return names
            .iter()
            .all(|name| text.contains(&format!("\"{}\"", name.to_ascii_lowercase())));
    }
    let header = text.lines().next().unwrap_or_default();
    let columns: Vec<&str> = header
        .split([',', ';', '\t'])
        .map(|name| name.trim().trim_matches('"'))
        .collect();
    names
        .iter()
        .all(|name| columns.iter().any(|column| column.eq_ignore_ascii_case(name)))
}
