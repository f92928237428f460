//! Reads typed values out of a TOML document and says in which line a fault is.
//!
//! Owns positions, types and unknown keys; never knows what a document is about. `serde` alone would do for the values, but
//! its error for an unknown key has no suggestion, and checks made after it have no line.
//!
//! `P` is everything that can be wrong with the document at hand, the [`Problem`]s of every document among it.

use std::{marker::PhantomData, ops::Range};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::fault::{Located, Problem};
use super::suggest::nearest;

/// The document's name and text, for the places in errors.
#[derive(Debug)]
pub(crate) struct Source<'s, P> {
    pub(crate) file: &'s str,
    pub(crate) text: &'s str,
    problems: PhantomData<fn() -> P>,
}

// Derived, these would ask that `P` can be copied.
impl<P> Clone for Source<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Source<'_, P> {}

impl<'s, P: From<Problem>> Source<'s, P> {
    /// The text of the file that errors call `file`.
    pub(crate) fn new(file: &'s str, text: &'s str) -> Self {
        Self {
            file,
            text,
            problems: PhantomData,
        }
    }

    /// The whole document as a table.
    pub(crate) fn parse(self) -> Result<Spanned<DeTable<'s>>, Located<P>> {
        DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            self.error(
                span,
                Problem::Syntax {
                    message: error.message().trim_end().replace('\n', ", "),
                },
            )
        })
    }

    fn line(self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub(crate) fn error(self, span: Range<usize>, problem: impl Into<P>) -> Located<P> {
        Located {
            file: self.file.to_owned(),
            line: self.line(span.start),
            problem: problem.into(),
        }
    }
}

/// One value with its place and what to call it in an error.
pub(crate) struct Value<'t, P> {
    source: Source<'t, P>,
    span: Range<usize>,
    what: String,
    value: &'t DeValue<'t>,
}

impl<P> Clone for Value<'_, P> {
    fn clone(&self) -> Self {
        Self {
            source: self.source,
            span: self.span.clone(),
            what: self.what.clone(),
            value: self.value,
        }
    }
}

impl<'t, P: From<Problem>> Value<'t, P> {
    /// The line that it begins at, from 1.
    pub(crate) fn line(&self) -> usize {
        self.source.line(self.span.start)
    }

    pub(crate) fn error(&self, problem: impl Into<P>) -> Located<P> {
        self.source.error(self.span.clone(), problem)
    }

    fn wrong_type(&self, expected: &'static str) -> Located<P> {
        let found = self.value.type_str();
        self.error(Problem::WrongType {
            what: self.what.clone(),
            expected,
            found,
        })
    }

    pub(crate) fn is_string(&self) -> bool {
        self.value.is_str()
    }

    pub(crate) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    pub(crate) fn string(&self) -> Result<&'t str, Located<P>> {
        self.value.as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    pub(crate) fn boolean(&self) -> Result<bool, Located<P>> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A whole number of 1 and up.
    pub(crate) fn positive(&self) -> Result<u32, Located<P>> {
        self.value
            .as_integer()
            .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| *number > 0)
            .ok_or_else(|| self.wrong_type("a whole number from 1"))
    }

    /// A date, or a date and time, as TOML's own type or as a string that holds one.
    pub(crate) fn datetime(&self) -> Result<Datetime, Located<P>> {
        let expected = "a date (2030-12-31) or a date and time (2030-12-31T18:00:00Z)";
        if let DeValue::Datetime(datetime) = self.value {
            return Ok(*datetime);
        }
        let text = self.value.as_str().ok_or_else(|| self.wrong_type(expected))?;
        text.parse().map_err(|_| {
            self.error(Problem::WrongType {
                what: self.what.clone(),
                expected,
                found: "another text",
            })
        })
    }

    /// One of the named values of a fixed set.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Result<T, Located<P>> {
        let text = self.string()?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Ok(*choice);
        }
        let names = || choices.iter().map(|(name, _)| *name);
        Err(self.error(Problem::UnknownValue {
            key,
            value: text.to_owned(),
            suggestion: nearest(text, names()),
            allowed: names().collect::<Vec<_>>().join(", "),
        }))
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>, Located<P>> {
        let items = self.value.as_array().ok_or_else(|| self.wrong_type("an array"))?;
        let what = format!("an item of {}", self.what);
        Ok(items
            .iter()
            .map(|item| Self {
                source: self.source,
                span: item.span(),
                what: what.clone(),
                value: item.get_ref(),
            })
            .collect())
    }

    /// A table whose keys are free to choose, in the order of the file.
    pub(crate) fn entries(&self) -> Result<Vec<(&'t str, Self)>, Located<P>> {
        let table = self.value.as_table().ok_or_else(|| self.wrong_type("a table"))?;
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| {
                let name: &'t str = key.get_ref();
                let what = format!("`{name}`");
                (
                    name,
                    Self {
                        source: self.source,
                        span: value.span(),
                        what,
                        value: value.get_ref(),
                    },
                )
            })
            .collect();
        entries.sort_by_key(|(_, value)| value.span.start);
        Ok(entries)
    }

    /// A table that may have the given keys and no others; `name` is what to call it in an error.
    pub(crate) fn table(&self, name: &'static str, keys: &'static [&'static str]) -> Result<Table<'t, P>, Located<P>> {
        let table = self.value.as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Table::new(self.source, name, self.span.clone(), table, keys)
    }
}

/// A table with a fixed set of keys.
pub(crate) struct Table<'t, P> {
    source: Source<'t, P>,
    name: &'static str,
    span: Range<usize>,
    table: &'t DeTable<'t>,
}

impl<'t, P: From<Problem>> Table<'t, P> {
    pub(crate) fn new(
        source: Source<'t, P>,
        name: &'static str,
        span: Range<usize>,
        table: &'t DeTable<'t>,
        allowed: &'static [&'static str],
    ) -> Result<Self, Located<P>> {
        let unknown = table.keys().filter(|key| !allowed.contains(&key.get_ref().as_ref()));
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let suggestion = nearest(key.get_ref(), allowed.iter().copied());
            let key_name = key.get_ref().to_string();
            let problem = Problem::UnknownKey {
                key: key_name,
                table: name,
                suggestion,
                allowed,
            };
            return Err(source.error(key.span(), problem));
        }
        Ok(Self {
            source,
            name,
            span,
            table,
        })
    }

    pub(crate) fn error(&self, problem: impl Into<P>) -> Located<P> {
        self.source.error(self.span.clone(), problem)
    }

    pub(crate) fn optional(&self, key: &'static str) -> Option<Value<'t, P>> {
        self.table.get(key).map(|value| Value {
            source: self.source,
            span: value.span(),
            what: format!("`{key}`"),
            value: value.get_ref(),
        })
    }

    pub(crate) fn required(&self, key: &'static str) -> Result<Value<'t, P>, Located<P>> {
        self.optional(key)
            .ok_or_else(|| self.error(Problem::MissingKey { key, table: self.name }))
    }

    /// The items of an array that may be absent.
    pub(crate) fn items(&self, key: &'static str) -> Result<Vec<Value<'t, P>>, Located<P>> {
        self.optional(key).map_or_else(|| Ok(Vec::new()), |value| value.items())
    }

    /// A text that must be there and say something.
    pub(crate) fn text(&self, key: &'static str) -> Result<&'t str, Located<P>> {
        let value = self.required(key)?;
        let text = value.string()?;
        if text.trim().is_empty() {
            Err(value.error(Problem::EmptyText { key }))
        } else {
            Ok(text)
        }
    }
}

/// Whether the text can be an id or a name in options, suppressions and file names.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
