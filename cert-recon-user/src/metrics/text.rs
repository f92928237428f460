//! Prometheus' text format, version 0.0.4: families of samples, each with its help and its type. Pure.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use crate::text;

/// What kind of numbers a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They only rise, until a restart.
    Counter,
    /// They rise and fall.
    Gauge,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// A whole one, written exactly.
    Whole(u64),
    /// One with a fraction: seconds.
    Seconds(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<bool> for Number {
    fn from(truth: bool) -> Self {
        Self::Whole(u64::from(truth))
    }
}

/// The text in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// A family with its samples: label names with their values, and the number. Two samples with the same labels, which no
    /// reader would take, become one, their sum. Without samples there is no family.
    pub(super) fn family<'l, N: Into<Number>>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, Cow<'l, str>)>, N)>,
    ) {
        let mut sums: BTreeMap<String, Number> = BTreeMap::new();
        for (labels, number) in samples {
            let number = number.into();
            sums.entry(label_text(&labels))
                .and_modify(|sum| *sum = plus(*sum, number))
                .or_insert(number);
        }
        if sums.is_empty() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String can't fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, number) in sums {
            let _ = match number {
                Number::Whole(number) => writeln!(self.0, "{name}{labels} {number}"),
                Number::Seconds(number) => writeln!(self.0, "{name}{labels} {number}"),
            };
        }
    }

    /// A family of one sample without labels.
    pub(super) fn one(&mut self, name: &str, kind: Kind, help: &str, number: impl Into<Number>) {
        self.family(name, kind, help, [(Vec::new(), number)]);
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

fn plus(a: Number, b: Number) -> Number {
    match (a, b) {
        (Number::Whole(a), Number::Whole(b)) => Number::Whole(a.saturating_add(b)),
        (Number::Seconds(a), Number::Seconds(b)) => Number::Seconds(a + b),
        (other, _) => other,
    }
}

fn label_text(labels: &[(&str, Cow<'_, str>)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let mut line = String::from("{");
    for (place, (name, value)) in labels.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(line, "{comma}{name}=\"");
        // The format would take a newline, escaped; the terminal of who looks at it with curl should not get it back.
        for c in text::for_terminal(value.as_bytes()).chars() {
            if matches!(c, '\\' | '"') {
                line.push('\\');
            }
            line.push(c);
        }
        line.push('"');
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(values: &[(&str, u64)]) -> String {
        let mut text = Exposition::default();
        let samples = values
            .iter()
            .map(|(value, number)| (vec![("name", Cow::Borrowed(*value))], *number));
        text.family("f", Kind::Gauge, "Help.", samples);
        text.into_text()
    }

    #[test]
    fn a_hostile_label_value_stays_in_its_quotes_and_on_its_line() {
        for (value, written) in [
            ("plain", "plain"),
            ("a\"} 1\nf{name=\"b", "a\\\"} 1\\\\nf{name=\\\"b"),
            ("\\", "\\\\"),
            ("\\\"", "\\\\\\\""),
            ("\r\0\x1b[2J\u{202e}", "\\\\r\\\\x00\\\\x1b[2J\\\\u{202e}"),
            ("žluťoučký", "žluťoučký"),
            ("", ""),
        ] {
            let expected = format!("# HELP f Help.\n# TYPE f gauge\nf{{name=\"{written}\"}} 7\n");
            assert_eq!(family(&[(value, 7)]), expected);
        }
    }

    #[test]
    fn labels_that_look_the_same_are_one_sample_and_no_sample_is_no_family() {
        assert_eq!(
            family(&[("a\n", 1), ("b", 2), ("a\\n", 3)]),
            "# HELP f Help.\n# TYPE f gauge\nf{name=\"a\\\\n\"} 4\nf{name=\"b\"} 2\n"
        );
        assert_eq!(family(&[]), "");
    }

    #[test]
    fn numbers_are_exact_and_help_is_one_line() {
        let mut text = Exposition::default();
        text.one("a", Kind::Counter, "x\ny\\", u64::MAX);
        text.one("b", Kind::Gauge, "z", Number::Seconds(1_700_000_000.25));
        text.one("c", Kind::Gauge, "z", true);
        let lines: Vec<_> = text.0.lines().collect();
        assert_eq!(
            lines,
            [
                "# HELP a x\\ny\\\\",
                "# TYPE a counter",
                "a 18446744073709551615",
                "# HELP b z",
                "# TYPE b gauge",
                "b 1700000000.25",
                "# HELP c z",
                "# TYPE c gauge",
                "c 1"
            ]
        );
    }
}
