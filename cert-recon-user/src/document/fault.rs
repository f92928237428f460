//! What can be wrong with any document, and where.
//!
//! Owns the place of a fault and the wording of those that all documents share. Never prints them.

use std::fmt;

/// A document that can't be used, with the place of its first fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<P> {
    /// The file's name, as the caller gave it.
    pub file: String,
    /// Line of the fault, from 1.
    pub line: usize,
    /// The fault.
    pub problem: P,
}

impl<P: fmt::Display> fmt::Display for Located<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

impl<P: fmt::Debug + fmt::Display> std::error::Error for Located<P> {}

/// Faults that every document can have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not TOML.
    Syntax {
        /// The TOML parser's words.
        message: String,
    },
    /// A key that the format does not have.
    UnknownKey {
        /// The key as written.
        key: String,
        /// The kind of table that holds it.
        table: &'static str,
        /// The nearest key that this table has.
        suggestion: Option<String>,
        /// Every key that this table has.
        allowed: &'static [&'static str],
    },
    /// A key that must be there is not.
    MissingKey {
        /// The key.
        key: &'static str,
        /// The kind of table that lacks it.
        table: &'static str,
    },
    /// A value of another type than the key needs.
    WrongType {
        /// What is being read.
        what: String,
        /// What the format needs.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A value that is none of the allowed ones.
    UnknownValue {
        /// The key.
        key: &'static str,
        /// The value as written.
        value: String,
        /// The nearest allowed value.
        suggestion: Option<String>,
        /// The allowed values.
        allowed: String,
    },
    /// A text that must say something is empty.
    EmptyText {
        /// The key.
        key: &'static str,
    },
    /// A name with characters that would be trouble in options, suppressions and file names.
    BadName {
        /// What is named.
        what: &'static str,
        /// The name as written.
        name: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message } => write!(f, "not valid TOML: {message}"),
            Self::UnknownKey {
                key,
                table,
                suggestion,
                allowed,
            } => {
                write!(f, "unknown key `{}` in {table}", key.escape_debug())?;
                match suggestion {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => write!(f, "; it may have: {}", allowed.join(", ")),
                }
            }
            Self::MissingKey { key, table } => write!(f, "{table} needs the key `{key}`"),
            Self::WrongType { what, expected, found } => {
                write!(f, "{} must be {expected}, found {found}", what.escape_debug())
            }
            Self::UnknownValue {
                key,
                value,
                suggestion,
                allowed,
            } => {
                write!(f, "`{key}` cannot be \"{}\"", value.escape_debug())?;
                match suggestion {
                    Some(nearest) => write!(f, "; did you mean \"{nearest}\"?"),
                    None => write!(f, "; expected one of: {allowed}"),
                }
            }
            Self::EmptyText { key } => write!(f, "`{key}` must not be empty"),
            Self::BadName { what, name } => write!(
                f,
                "{what} \"{}\" may hold only ASCII letters, digits, `-`, `_` and `.`, and must begin with a letter or digit",
                name.escape_debug()
            ),
        }
    }
}

/// The end of a message: the nearest name, if there is one.
pub(crate) fn suggest(f: &mut fmt::Formatter<'_>, suggestion: Option<&str>) -> fmt::Result {
    suggestion.map_or(Ok(()), |nearest| write!(f, "; did you mean `{nearest}`?"))
}
