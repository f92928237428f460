//! Cuts a text of JSON into its objects, one at a time, with their lines.
//!
//! Objects may stand in lines, one after the other, in an array, or in what web services wrap around an array:
//! `{"value":[...]}`, `{"results":[...]}`, `{"tables":[{"columns":[...],"rows":[[...]]}]}`. Owns what to do about damage: it is
//! told with its line, and the text is read again from the next line that begins with `{`. Never knows what an object says.

use std::{io, mem};

use serde::Deserialize;

use super::{
    scan::{Scan, Step},
    window::Window,
};
use crate::source::recorded::{Place, input::LONGEST_LINE};

/// Most wrappers and arrays around objects; real ones have three.
const MOST_LEVELS: usize = 16;

/// What wraps the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// An array of objects, or of more such.
    Values,
    /// An array of objects that name columns.
    Columns,
    /// An array of rows: arrays of cells in the order of the columns.
    Rows,
    /// An object of which one member holds the objects.
    Wrapper,
}

/// Members that hold arrays of objects, in lower case, and what they hold.
const ARRAYS: [(&[u8], Level); 8] = [
    (b"value", Level::Values),
    (b"results", Level::Values),
    (b"events", Level::Values),
    (b"records", Level::Values),
    (b"tables", Level::Values),
    (b"columns", Level::Columns),
    (b"schema", Level::Columns),
    (b"rows", Level::Rows),
];

/// Members that are one object each: Splunk's export, Defender's streaming to event hubs and storage.
const OBJECTS: [&[u8]; 2] = [b"result", b"properties"];

/// A text of JSON.
pub(super) struct Json<'i> {
    window: Window<'i>,
    levels: Vec<Level>,
    columns: Vec<Vec<u8>>,
    /// Bytes of the window that the piece before lies in.
    lent: usize,
}

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'w> {
    /// An object. It need not be valid.
    Object(&'w [u8]),
    /// An array of cells, and the names of their columns.
    Row(&'w [u8], &'w [Vec<u8>]),
    /// What is neither, and why.
    Bad(&'static str),
}

enum Found {
    Object(usize),
    Row(usize),
    Bad(&'static str),
}

/// An object or array at the begin of the window.
enum Value {
    /// Its length.
    Whole(usize),
    /// An object that only wraps others: the length up to them, and what holds them when that is an array.
    Wrapper(usize, Option<Level>),
    Bad(&'static str),
}

impl<'i> Json<'i> {
    pub(super) fn new(window: Window<'i>) -> Self {
        Self {
            window,
            levels: Vec::new(),
            columns: Vec::new(),
            lent: 0,
        }
    }

    /// The next piece and where it begins; none at the end.
    pub(super) fn next(&mut self) -> Option<(Place, Piece<'_>)> {
        self.window.take(mem::take(&mut self.lent));
        let (place, found) = self.find()?;
        let piece = match found {
            Found::Object(length) => {
                self.lent = length;
                Piece::Object(self.window.rest().get(..length).unwrap_or_default())
            }
            Found::Row(length) => {
                self.lent = length;
                Piece::Row(self.window.rest().get(..length).unwrap_or_default(), &self.columns)
            }
            Found::Bad(why) => Piece::Bad(why),
        };
        Some((place, piece))
    }

    /// The end: whether it is that of the text, or reading failed.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub(super) fn finish(self) -> io::Result<()> {
        self.window.finish()
    }

    fn find(&mut self) -> Option<(Place, Found)> {
        loop {
            let first = self.skip(b" \t\r\n,");
            let place = self.window.place();
            let Some(byte) = first else {
                let is_cut = !mem::take(&mut self.levels).is_empty();
                return is_cut.then_some((place, Found::Bad("the text ends before the bracket that closes it")));
            };
            match (byte, self.levels.last()) {
                (b'{', Some(Level::Columns)) => match self.value(false) {
                    Value::Whole(length) => self.name_column(length),
                    Value::Bad(why) => return Some((place, Found::Bad(why))),
                    Value::Wrapper(..) => {}
                },
                (b'{', _) => match self.value(true) {
                    Value::Whole(length) => return Some((place, Found::Object(length))),
                    Value::Bad(why) => return Some((place, Found::Bad(why))),
                    Value::Wrapper(length, inner) => {
                        self.window.take(length);
                        self.levels.push(Level::Wrapper);
                        inner.into_iter().for_each(|level| self.enter(level));
                    }
                },
                (b'[', Some(Level::Rows)) => match self.value(false) {
                    Value::Whole(length) => return Some((place, Found::Row(length))),
                    Value::Bad(why) => return Some((place, Found::Bad(why))),
                    Value::Wrapper(..) => {}
                },
                (b'[', _) if self.levels.len() < MOST_LEVELS => {
                    self.window.take(1);
                    self.enter(Level::Values);
                }
                (b']', Some(Level::Values | Level::Columns | Level::Rows)) | (b'}', Some(Level::Wrapper)) => {
                    self.window.take(1);
                    self.levels.pop();
                }
                (b'"', Some(Level::Wrapper)) => {
                    if !self.member() {
                        self.skip_line();
                        return Some((place, Found::Bad("is damaged JSON")));
                    }
                }
                _ => {
                    self.skip_line();
                    return Some((place, Found::Bad("is no JSON object")));
                }
            }
        }
    }

    fn enter(&mut self, level: Level) {
        if level == Level::Columns {
            self.columns.clear();
        }
        self.levels.push(level);
    }

    /// Takes these bytes; the first other one, which stays, or none at the end.
    fn skip(&mut self, bytes: &[u8]) -> Option<u8> {
        loop {
            let rest = self.window.rest();
            match rest.iter().position(|byte| !bytes.contains(byte)) {
                Some(at) => {
                    let byte = rest.get(at).copied();
                    self.window.take(at);
                    return byte;
                }
                None => {
                    self.window.take(rest.len());
                    if !self.window.more() {
                        return None;
                    }
                }
            }
        }
    }

    /// Takes what is left of a line.
    fn skip_line(&mut self) {
        loop {
            let rest = self.window.rest();
            if let Some(end) = memchr::memchr(b'\n', rest) {
                return self.window.take(end);
            }
            self.window.take(rest.len());
            if !self.window.more() {
                return;
            }
        }
    }

    /// Finds the end of the object or array at the begin of the window. What is damaged is taken.
    fn value(&mut self, may_wrap: bool) -> Value {
        let mut scan = Scan::default();
        let mut at = 0;
        loop {
            let rest = self.window.rest();
            match scan.step(rest, at, may_wrap) {
                Step::End(end) if end > LONGEST_LINE => {
                    self.window.take(end);
                    return Value::Bad("is longer than any that is read");
                }
                Step::End(end) => return Value::Whole(end),
                Step::Opens(opens) => {
                    at = Scan::behind(opens);
                    if self.levels.len() + 2 < MOST_LEVELS {
                        match wrapped(rest, opens) {
                            Some(Some(level)) => return Value::Wrapper(at, Some(level)),
                            Some(None) => return Value::Wrapper(opens, None),
                            None => {}
                        }
                    }
                }
                Step::Damaged(damage) => {
                    self.window.take(damage);
                    self.find_line();
                    return Value::Bad("is damaged JSON");
                }
                Step::More => {
                    at = rest.len();
                    if at > LONGEST_LINE {
                        self.discard(scan);
                        return Value::Bad("is longer than any that is read");
                    }
                    if !self.window.more() {
                        self.window.take(at);
                        return Value::Bad("is cut short: the text ends in it");
                    }
                }
            }
        }
    }

    /// Takes the rest of a value without keeping it.
    fn discard(&mut self, mut scan: Scan) {
        let mut at = self.window.rest().len();
        loop {
            self.window.take(at);
            if !self.window.more() {
                return;
            }
            match scan.step(self.window.rest(), 0, false) {
                Step::End(end) => return self.window.take(end),
                Step::Damaged(damage) => {
                    self.window.take(damage);
                    return self.find_line();
                }
                Step::Opens(_) | Step::More => at = self.window.rest().len(),
            }
        }
    }

    /// Goes to where an object may begin behind damage: here, at the next line that begins with `{`, or, where all of an array
    /// may be one line, behind `},`.
    fn find_line(&mut self) {
        if self.window.rest().first() == Some(&b'{') {
            return;
        }
        let in_array = self.levels.last() == Some(&Level::Values);
        loop {
            let rest = self.window.rest();
            let end = memchr::memchr2(b'\n', if in_array { b'}' } else { b'\n' }, rest);
            let Some(end) = end else {
                self.window.take(rest.len());
                if !self.window.more() {
                    return;
                }
                continue;
            };
            let is_line = rest.get(end) == Some(&b'\n');
            self.window.take(end + 1);
            let next = self.skip(b" \t\r");
            if is_line && next == Some(b'{') {
                return;
            }
            if !is_line && next == Some(b',') {
                self.window.take(1);
                if self.skip(b" \t\r\n") == Some(b'{') {
                    return;
                }
            }
        }
    }

    /// Takes a member of a wrapper, up to the objects when it holds them. False when it is none.
    fn member(&mut self) -> bool {
        let Some(length) = self.string() else { return false };
        let key = self.window.rest().get(1..length - 1).unwrap_or_default();
        let level = array_of(key);
        let is_object = OBJECTS.iter().any(|name| name.eq_ignore_ascii_case(key));
        self.window.take(length);
        match self.skip(b" \t\r\n:") {
            Some(b'[') => match level {
                Some(level) if self.levels.len() < MOST_LEVELS => {
                    self.window.take(1);
                    self.enter(level);
                    true
                }
                _ => self.skip_value(),
            },
            Some(b'{') if is_object => true,
            Some(b'{') => self.skip_value(),
            Some(b'"') => match self.string() {
                Some(length) => {
                    self.window.take(length);
                    true
                }
                None => false,
            },
            // A number or the like: taken byte by byte, as far as it goes.
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'-' => {
                self.skip(b"0123456789+-.eEtrufalsn");
                true
            }
            _ => false,
        }
    }

    fn skip_value(&mut self) -> bool {
        match self.value(false) {
            Value::Whole(length) => {
                self.window.take(length);
                true
            }
            _ => false,
        }
    }

    /// The length of the string at the begin of the window, with its quotes; none when it does not end.
    fn string(&mut self) -> Option<usize> {
        let mut at = 1;
        loop {
            let rest = self.window.rest();
            let length = rest.len();
            let byte = rest.get(at).copied();
            match byte {
                Some(b'"') => return Some(at + 1),
                Some(b'\n') => return None,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None if length > LONGEST_LINE || !self.window.more() => return None,
                None => {}
            }
        }
    }

    fn name_column(&mut self, length: usize) {
        #[derive(Deserialize)]
        struct Column {
            #[serde(alias = "Name", alias = "ColumnName")]
            name: String,
        }
        let text = self.window.rest().get(..length).unwrap_or_default();
        let column = serde_json::from_slice::<Column>(text);
        // A column that can't be read keeps its place.
        self.columns
            .push(column.map(|c| c.name.into_bytes()).unwrap_or_default());
        self.window.take(length);
    }
}

/// What the member whose value opens at this offset holds, when it holds the objects: an array, or one object.
fn wrapped(text: &[u8], opens: usize) -> Option<Option<Level>> {
    let before = text.get(..opens)?.trim_ascii_end().strip_suffix(b":")?;
    let before = before.trim_ascii_end().strip_suffix(b"\"")?;
    let key = before.rsplit(|byte| *byte == b'"').next()?;
    match text.get(opens)? {
        b'[' => array_of(key).map(Some),
        _ => OBJECTS
            .iter()
            .any(|name| name.eq_ignore_ascii_case(key))
            .then_some(None),
    }
}

fn array_of(key: &[u8]) -> Option<Level> {
    let known = ARRAYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    known.map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::recorded::Input;

    /// Each piece with its line: objects and rows as they are, what is bad as `!` and why.
    fn pieces(text: &[u8]) -> Vec<(u64, String)> {
        let mut input = Input::of_bytes(text);
        let mut json = Json::new(Window::new(&mut input).unwrap());
        let mut pieces = Vec::new();
        while let Some((place, piece)) = json.next() {
            let shown = match piece {
                Piece::Object(text) => String::from_utf8_lossy(text).into_owned(),
                Piece::Row(text, columns) => {
                    let names: Vec<_> = columns.iter().map(|name| String::from_utf8_lossy(name)).collect();
                    format!("{}={}", names.join(","), String::from_utf8_lossy(text))
                }
                Piece::Bad(why) => format!("!{why}"),
            };
            pieces.push((place.line, shown));
        }
        json.finish().unwrap();
        pieces
    }

    fn expect(text: &str, expected: &[(u64, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, piece)| (*line, (*piece).to_owned()))
            .collect();
        assert_eq!(pieces(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn objects_are_found_however_they_are_wrapped() {
        let both = [(1, r#"{"a":1}"#), (1, r#"{"a":2}"#)];
        for text in [
            r#"{"a":1}{"a":2}"#,
            r#"{"a":1} , {"a":2}"#,
            r#"[{"a":1},{"a":2}]"#,
            r#"[[{"a":1}],{"a":2}]"#,
            r#"{"value":[{"a":1},{"a":2}]}"#,
            r#"{"@odata.context":"x\"[","n":[1,{}],"o":{"value":[{}]},"value":[{"a":1},{"a":2}],"count":-2.5e1,"next":null,"x":[{}]}"#,
            r#"{"Stats":{"x":[]},"Schema":[{"Name":"a","Type":"b"}],"Results":[{"a":1},{"a":2}]}"#,
            r#"{"preview":false,"result":{"a":1}}{"preview":true,"result":{"a":2},"x":"y"}"#,
            r#"{"records":[{"time":"x","properties":{"a":1}},{"properties":{"a":2},"x":{}}]}"#,
        ] {
            expect(text, &both);
        }
        expect(
            "\u{feff}\n[\n  {\n    \"a\": [\n      {\"b\": {}}\n    ]\n  },\n  {}\n]\n",
            &[(3, "{\n    \"a\": [\n      {\"b\": {}}\n    ]\n  }"), (8, "{}")],
        );
        expect("", &[]);
        expect("[]", &[]);
    }

    #[test]
    fn a_table_gives_rows_with_the_names_of_their_columns() {
        expect(
            r#"{"tables":[{"name":"P","columns":[{"name":"A","type":"s"},{"x":1},{"name":"B"}],"rows":[["1",null,[2]],[3]]},
               {"columns":[{"name":"C"}],"rows":[[4]]}]}"#,
            &[(1, r#"A,,B=["1",null,[2]]"#), (1, "A,,B=[3]"), (2, "C=[4]")],
        );
        expect(
            r#"{"Tables":[{"TableName":"T","Columns":[{"ColumnName":"A","DataType":"x"}],"Rows":[[1]]}]}"#,
            &[(1, "A=[1]")],
        );
    }

    #[test]
    fn damage_is_told_with_its_line_and_what_follows_is_found() {
        const DAMAGED: &str = "!is damaged JSON";
        const NONE: &str = "!is no JSON object";
        expect(
            "{\"a\":\"x\n{\"b\":1}\n{\"c\":1}\n",
            &[(1, DAMAGED), (2, "{\"b\":1}"), (3, "{\"c\":1}")],
        );
        expect("{\"a\":1\n{\"b\":1}\n", &[(1, DAMAGED), (2, "{\"b\":1}")]);
        expect(
            "{}\n\0\0\0\n{}\nword\n{}",
            &[(1, "{}"), (2, NONE), (3, "{}"), (4, NONE), (5, "{}")],
        );
        expect(
            "x\": 1,\n  },\n  {\"a\":1}\n]",
            &[(1, NONE), (2, NONE), (3, "{\"a\":1}"), (4, NONE)],
        );
        expect(
            "[{\"a\":1},{\"b\":\"\0\"x},{\"c\":1}]",
            &[(1, "{\"a\":1}"), (1, DAMAGED), (1, "{\"c\":1}")],
        );
        expect(
            "{\"a\":1}\n{\"b\":",
            &[(1, "{\"a\":1}"), (2, "!is cut short: the text ends in it")],
        );
        expect(
            "[{\"a\":1},",
            &[
                (1, "{\"a\":1}"),
                (1, "!the text ends before the bracket that closes it"),
            ],
        );
        // Well-formed brackets: whether it is valid is for the reader of the object to say.
        expect("{\"b\":}\n{}", &[(1, "{\"b\":}"), (2, "{}")]);
    }

    #[test]
    fn an_object_beyond_the_limit_is_told_and_skipped() {
        let mut text = b"{\"a\":\"".to_vec();
        text.resize(LONGEST_LINE + 10, b'x');
        text.extend_from_slice(b"\"}\n{\"b\":1}\n");
        assert_eq!(
            pieces(&text),
            [
                (1, "!is longer than any that is read".to_owned()),
                (2, "{\"b\":1}".to_owned())
            ]
        );
    }

    #[test]
    fn a_text_cut_anywhere_gives_the_objects_before_the_cut() {
        let text = r#"{"tables":[{"columns":[{"name":"A"}],"rows":[["1"],["\"]"]]}]}"#.to_owned()
            + "\n[{\"a\":{\"b\":[]}}]\n{}";
        let whole = pieces(text.as_bytes());
        for cut in 0..text.len() {
            let found: Vec<_> = pieces(&text.as_bytes()[..cut])
                .into_iter()
                .filter(|(_, piece)| !piece.starts_with('!'))
                .collect();
            assert_eq!(found, whole[..found.len()], "{cut}");
        }
    }
}
