//! Reads typed values out of a TOML document and says in which line a fault is.
//!
//! Owns positions, types and unknown keys; never knows what a rule is. `serde` alone would do for the values, but its
//! error for an unknown key has no suggestion, and checks made after it have no line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{PackError, PackProblem};
use super::suggest::nearest;

/// The document's name and text, for the places in errors.
#[derive(Clone, Copy)]
pub(super) struct Source<'s> {
    pub(super) file: &'s str,
    pub(super) text: &'s str,
}

impl<'s> Source<'s> {
    /// The whole document as a table.
    pub(super) fn parse(self) -> Result<Spanned<DeTable<'s>>, PackError> {
        DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            self.error(
                span,
                PackProblem::Syntax {
                    message: error.message().trim_end().replace('\n', ", "),
                },
            )
        })
    }

    pub(super) fn error(self, span: Range<usize>, problem: PackProblem) -> PackError {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        PackError {
            file: self.file.to_owned(),
            line,
            problem,
        }
    }
}

/// One value with its place and what to call it in an error.
#[derive(Clone)]
pub(super) struct Value<'t> {
    source: Source<'t>,
    span: Range<usize>,
    what: String,
    value: &'t DeValue<'t>,
}

impl<'t> Value<'t> {
    pub(super) fn error(&self, problem: PackProblem) -> PackError {
        self.source.error(self.span.clone(), problem)
    }

    fn wrong_type(&self, expected: &'static str) -> PackError {
        let found = self.value.type_str();
        self.error(PackProblem::WrongType {
            what: self.what.clone(),
            expected,
            found,
        })
    }

    pub(super) fn is_string(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn string(&self) -> Result<&'t str, PackError> {
        self.value.as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    pub(super) fn boolean(&self) -> Result<bool, PackError> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A whole number of 1 and up.
    pub(super) fn positive(&self) -> Result<u32, PackError> {
        self.value
            .as_integer()
            .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| *number > 0)
            .ok_or_else(|| self.wrong_type("a whole number from 1"))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, PackError> {
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
    pub(super) fn entries(&self) -> Result<Vec<(&'t str, Self)>, PackError> {
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
    pub(super) fn table(&self, name: &'static str, keys: &'static [&'static str]) -> Result<Table<'t>, PackError> {
        let table = self.value.as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Table::new(self.source, name, self.span.clone(), table, keys)
    }
}

/// A table with a fixed set of keys.
pub(super) struct Table<'t> {
    source: Source<'t>,
    name: &'static str,
    span: Range<usize>,
    table: &'t DeTable<'t>,
}

impl<'t> Table<'t> {
    pub(super) fn new(
        source: Source<'t>,
        name: &'static str,
        span: Range<usize>,
        table: &'t DeTable<'t>,
        allowed: &'static [&'static str],
    ) -> Result<Self, PackError> {
        let unknown = table.keys().filter(|key| !allowed.contains(&key.get_ref().as_ref()));
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let suggestion = nearest(key.get_ref(), allowed.iter().copied());
            let key_name = key.get_ref().to_string();
            let problem = PackProblem::UnknownKey {
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

    pub(super) fn error(&self, problem: PackProblem) -> PackError {
        self.source.error(self.span.clone(), problem)
    }

    pub(super) fn optional(&self, key: &'static str) -> Option<Value<'t>> {
        self.table.get(key).map(|value| Value {
            source: self.source,
            span: value.span(),
            what: format!("`{key}`"),
            value: value.get_ref(),
        })
    }

    pub(super) fn required(&self, key: &'static str) -> Result<Value<'t>, PackError> {
        self.optional(key)
            .ok_or_else(|| self.error(PackProblem::MissingKey { key, table: self.name }))
    }

    /// The items of an array that may be absent.
    pub(super) fn items(&self, key: &'static str) -> Result<Vec<Value<'t>>, PackError> {
        self.optional(key).map_or_else(|| Ok(Vec::new()), |value| value.items())
    }

    /// A text that must be there and say something.
    pub(super) fn text(&self, key: &'static str) -> Result<&'t str, PackError> {
        let value = self.required(key)?;
        let text = value.string()?;
        if text.trim().is_empty() {
            Err(value.error(PackProblem::EmptyText { key }))
        } else {
            Ok(text)
        }
    }
}
