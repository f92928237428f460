//! Rows of CSV: a line of names, then one record each, whose cells may hold line breaks.

use std::{
    borrow::Cow,
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

use csv::{ByteRecord, ReaderBuilder};

use super::{Each, Row, Slot, window::Window};
use crate::source::recorded::{Out, Place, input::LONGEST_LINE};

/// Reads a table.
///
/// # Errors
///
/// Reading failed, or a row is longer than any that is read: then a quote is never closed, and where the next one begins is
/// not known.
pub(super) fn read(mut window: Window<'_>, slot: Slot, each: Each<'_>, out: &mut dyn Out) -> io::Result<()> {
    let file = window.place().file;
    let delimiter = delimiter(&mut window);
    let since = Rc::new(Cell::new(0));
    let bounded = Bounded {
        window,
        since: Rc::clone(&since),
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(bounded);
    let mut record = ByteRecord::new();
    let mut slots: Option<Vec<Option<usize>>> = None;
    loop {
        let line = reader.position().line();
        since.set(0);
        if !reader.read_byte_record(&mut record).map_err(io::Error::from)? {
            return reader.into_inner().window.finish();
        }
        let place = Place {
            file,
            line: record.position().map_or(line, csv::Position::line),
        };
        let Some(slots) = &slots else {
            slots = Some(record.iter().map(|name| slot(name.trim_ascii())).collect());
            continue;
        };
        if record.len() != slots.len() {
            out.bad(
                place,
                &format_args!("a row of {} cells in a table of {}", record.len(), slots.len()),
            );
            continue;
        }
        let mut row = Row::default();
        for (slot, cell) in slots.iter().zip(&record) {
            if let Some(slot) = slot {
                row.set(*slot, Cow::Borrowed(cell));
            }
        }
        each(&row, place, out);
    }
}

/// What separates the names: spreadsheets of some languages write `;`, some exports tabs.
fn delimiter(window: &mut Window<'_>) -> u8 {
    let header = loop {
        let rest = window.rest();
        match memchr::memchr(b'\n', rest) {
            Some(end) => break rest.get(..end).unwrap_or_default(),
            None if rest.len() < LONGEST_LINE && window.more() => {}
            None => break window.rest(),
        }
    };
    let count = |delimiter: u8| header.iter().filter(|byte| **byte == delimiter).count();
    // Of several that are as frequent the last one counts.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(b',')
}

/// The text, of which no row is longer than memory may be.
struct Bounded<'i> {
    window: Window<'i>,
    /// Bytes since the row before.
    since: Rc<Cell<usize>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > LONGEST_LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row is longer than any that is read: a quote in it is never closed",
            ));
        }
        if self.window.rest().is_empty() && !self.window.more() {
            return Ok(0);
        }
        let rest = self.window.rest();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.window.take(count);
        self.since.set(self.since.get() + count);
        Ok(count)
    }
}
