//! What can be wrong with a configuration.
//!
//! Owns the faults and their wording. Never prints them.

use std::fmt;

use crate::{
    document::{self, Located},
    suppress::{Condition, PatternError},
};

/// A configuration that can't be used, with the place of its first fault.
pub type ConfigError = Located<ConfigProblem>;

/// What is wrong at that place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// One that any document can have.
    Document(document::Problem),
    /// A value that the setting can't have.
    BadValue {
        /// The key.
        key: &'static str,
        /// Why not.
        reason: String,
    },
    /// A suppression without a condition, which would hide everything.
    NoCondition,
    /// A pattern that can't be used.
    BadPattern {
        /// Its condition.
        condition: Condition,
        /// The pattern as written.
        text: String,
        /// Why not.
        error: PatternError,
    },
    /// A condition with an empty array, which could never hold.
    NoPattern {
        /// The condition.
        condition: Condition,
    },
    /// Two suppressions of the same name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A time of day that is not the same moment everywhere.
    NoOffset,
    /// A time of day without a date, or a year that is out of range.
    NoDate,
    /// More than can be tried for each finding.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: usize,
    },
}

impl From<document::Problem> for ConfigProblem {
    fn from(problem: document::Problem) -> Self {
        Self::Document(problem)
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(problem) => problem.fmt(f),
            Self::BadValue { key, reason } => write!(f, "`{key}`: {reason}"),
            Self::NoCondition => {
                let keys = Condition::ALL.map(Condition::as_str).join(", ");
                write!(
                    f,
                    "a [[suppress]] without a condition would hide every finding; give it at least one of: {keys}"
                )
            }
            Self::BadPattern { condition, text, error } => {
                write!(f, "`{condition}`: the pattern \"{}\" {error}", text.escape_debug())
            }
            Self::NoPattern { condition } => {
                write!(f, "`{condition}` is an empty array, so the suppression could never hold")
            }
            Self::DuplicateName { name } => write!(
                f,
                "there is already a [[suppress]] with the name `{name}`; their counts could not be told apart"
            ),
            Self::NoOffset => f.write_str(
                "`expires` with a time of day needs an offset (2030-12-31T18:00:00Z, or +01:00 instead of Z), or nobody \
                 could say when that is",
            ),
            Self::NoDate => f.write_str("`expires` needs a date from 1970 to 9999 (2030-12-31)"),
            Self::TooMany { what, most } => write!(f, "more than {most} {what}"),
        }
    }
}
