//! The CSV form of an exec: one line, made of the fields that [`json`] gives.
//!
//! Owns what a value looks like in a cell; `docs/hunt.md` describes it. A cell has no line break, holds nothing that a
//! terminal would obey, and nothing that a spreadsheet would take for a formula, also where it takes `;` for the separator.

use std::fmt::Write as _;

use serde_json::Value;

use super::json::{self, Fields};
use crate::{finding::Report, text::is_harmful};

/// The field that keeps the arguments exactly: as JSON, since they may be empty and contain anything.
const EXACT: &str = "ProcessArguments";

/// What a spreadsheet takes for the beginning of a formula, also in the full-width forms of East Asian input.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The line of names, with its newline.
#[must_use]
pub fn header() -> Vec<u8> {
    row(json::exec_fields())
}

/// The exec as one line, with its newline.
#[must_use]
pub fn report(report: &Report, device: &str) -> Vec<u8> {
    let fields = Fields::parse(&json::report(report, device)).unwrap_or_default();
    row(json::exec_fields().map(|name| fields.get(name).map_or_else(String::new, |value| cell(name, value))))
}

fn row<T: AsRef<[u8]>>(cells: impl Iterator<Item = T>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::with_capacity(1024));
    // Writing into memory can't fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}

fn cell(name: &str, value: &Value) -> String {
    let cell = match value {
        Value::String(text) => plain(text),
        Value::Array(items) if name != EXACT && items.iter().all(Value::is_string) => {
            let items: Vec<String> = items.iter().filter_map(Value::as_str).map(item).collect();
            // Here the `;` are separators, and no item begins as a formula does.
            return items.join("; ");
        }
        // JSON begins with a bracket.
        value => json::harmless(value),
    };
    without_inner_formula(cell)
}

/// A text. An apostrophe in front makes a spreadsheet take it for one; a text that has one already gets another, so that
/// whoever takes one away has the text.
fn plain(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 1);
    if text.starts_with('\'') || begins_formula(text) {
        cell.push('\'');
    }
    for c in text.chars() {
        push(&mut cell, c, is_harmful(c));
    }
    cell
}

/// An item of a list whose items are separated by `; `.
fn item(text: &str) -> String {
    let mut item = String::with_capacity(text.len());
    let is_formula = begins_formula(text);
    let blank = text.len() - text.trim_start().len();
    for (at, c) in text.char_indices() {
        let is_first = at == blank;
        push(
            &mut item,
            c,
            is_harmful(c) || c == ';' || is_first && (is_formula || c == '\''),
        );
    }
    item
}

/// Where `;` is taken for the separator, what follows it begins a cell.
fn without_inner_formula(cell: String) -> String {
    let mut safe = String::new();
    let mut done = 0;
    for (at, _) in cell.match_indices(';') {
        let (before, rest) = (cell.get(done..at), cell.get(at + 1..));
        if let (Some(before), Some(rest)) = (before, rest)
            && begins_formula(rest.trim_start_matches(['"', '\\']))
        {
            safe.push_str(before);
            push(&mut safe, ';', true);
            done = at + 1;
        }
    }
    if done == 0 {
        return cell;
    }
    safe.push_str(cell.get(done..).unwrap_or_default());
    safe
}

fn begins_formula(text: &str) -> bool {
    text.trim_start().starts_with(FORMULA)
}

/// As it is, or escaped as JSON does it.
fn push(cell: &mut String, c: char, escaped: bool) {
    if !escaped {
        return cell.push(c);
    }
    match c {
        '\n' => cell.push_str("\\n"),
        '\r' => cell.push_str("\\r"),
        '\t' => cell.push_str("\\t"),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(cell, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::{
        collection::vec,
        prelude::{any, proptest},
    };
    use serde_json::json;

    use super::*;
    use crate::event::{Argv, Exec};

    fn exec(argv: &[u8]) -> Report {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        Report::new(&Exec::new(time, Argv::whole(argv)), None)
    }

    /// The cells by name, as a reader of CSV gives them.
    fn read(report: &Report) -> Vec<(String, String)> {
        let line = super::report(report, "host");
        let text = [header(), line].concat();
        let mut reader = csv::Reader::from_reader(&text[..]);
        let names = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        let pairs = names.iter().zip(&rows[0]);
        pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    fn value(report: &Report, name: &str) -> String {
        read(report).into_iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn the_header_names_the_fields_of_the_schema_in_the_order_of_the_documentation() {
        let schema: Value = serde_json::from_str(include_str!("../../../docs/events.schema.json")).unwrap();
        let mut schema: Vec<_> = schema["$defs"]["ProcessCreated"]["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let table = include_str!("../../../docs/events.md")
            .split_once("\n## ProcessCreated\n")
            .and_then(|(_, rest)| rest.split_once("\n## "))
            .unwrap()
            .0;
        let documented: Vec<_> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        let header = String::from_utf8(header()).unwrap();
        let mut names: Vec<_> = header.trim_end().split(',').collect();
        assert_eq!(names, documented);
        names.sort_unstable();
        schema.sort_unstable();
        assert_eq!(names, schema);
    }

    #[test]
    fn an_exec_is_one_line_with_empty_cells_for_what_is_absent() {
        let line = String::from_utf8(report(&exec(b"curl\0a b\0\0"), "host")).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.starts_with("2023-11-14T22:13:20.123456Z,,host,ProcessCreated,,"),
            "{line}"
        );
        let report = exec(b"curl\0a b\0\0");
        assert_eq!(value(&report, "ProcessCommandLine"), "curl a b ");
        assert_eq!(value(&report, "ProcessArguments"), r#"["curl","a b",""]"#);
        assert_eq!(value(&report, "ArgumentBytes"), "10");
        assert_eq!(value(&report, "ArgumentsTruncated"), "false");
        assert_eq!(value(&report, "Tty"), "");
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_gets_an_apostrophe() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-rf", "'-rf"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1", "'  =1"),
            ("＝1", "'＝1"),
            ("\t=1", "'\\t=1"),
            ("\r=1", "'\\r=1"),
            ("\tx", "\\tx"),
            ("'=1", "''=1"),
            ("a=1", "a=1"),
            ("a;=1", "a\\u003b=1"),
            ("a; -1;b", "a\\u003b -1;b"),
            ("a;\"=1", "a\\u003b\"=1"),
            ("a; b", "a; b"),
            ("\u{1b}[2J\u{202e}\n\0", "\\u001b[2J\\u202e\\n\\u0000"),
        ] {
            assert_eq!(super::cell("Tty", &text.into()), cell, "{text:?}");
        }
    }

    #[test]
    fn lists_are_joined_so_that_they_can_be_split_again() {
        for (items, cell) in [
            (json!(["a", "b c"]), "a; b c"),
            (json!(["a; b", "c;"]), "a\\u003b b; c\\u003b"),
            (json!(["=1", "x", " -2", "'"]), "\\u003d1; x;  \\u002d2; \\u0027"),
            (json!(["a\n"]), "a\\n"),
        ] {
            assert_eq!(super::cell("Targets", &items), cell);
        }
    }

    #[test]
    fn what_is_no_list_of_texts_is_json_and_reads_back_exactly() {
        for (name, value) in [
            (
                "ProcessArguments",
                json!(["", "=1;=2", "; -x", "\";\"=\\;=\u{1b}\u{202e}"]),
            ),
            ("Ancestry", json!([{"ProcessId": 1, "CommandLine": "=a;\n=b"}])),
            ("Suppressed", json!({"Name": "x", "Reason": ";=1"})),
        ] {
            let cell = cell(name, &value);
            assert_eq!(serde_json::from_str::<Value>(&cell).unwrap(), value, "{cell}");
            assert!(!cell.contains(";=") && !cell.contains(is_harmful), "{cell}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_cell_that_runs_breaks_the_line_or_loses_an_argument(argv in vec(any::<u8>(), 0..200)) {
            let mut report = exec(&argv);
            report.tty = Some(argv.clone());
            let line = String::from_utf8(super::report(&report, "host")).unwrap();
            assert!(!line.trim_end_matches('\n').contains(is_harmful), "{line:?}");
            let row = Fields::parse(&json::report(&report, "host")).unwrap();
            for (name, cell) in read(&report) {
                assert!(!begins_formula(&cell), "{name}: {cell}");
                for part in cell.split(';').skip(1) {
                    assert!(!begins_formula(part.trim_start_matches('"')), "{name}: {cell}");
                }
                if name == EXACT {
                    assert_eq!(Some(&serde_json::from_str(&cell).unwrap()), row.get(&name));
                }
            }
        }
    }
}
