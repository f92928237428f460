//! What can be wrong with a rule file, and with a set of packs.
//!
//! Owns the errors and their wording: what was read, where, what is wrong, what to write instead. Never prints them.

use std::fmt;

use super::field::{Field, Operator};
use crate::document::{self, Located, nearest, suggest};

/// A rule file that cannot be used, with the place of the first fault; the file's name is the one given to
/// [`Pack::parse`](super::Pack::parse).
pub type PackError = Located<PackProblem>;

/// What is wrong at that place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackProblem {
    /// One that any document can have.
    Document(document::Problem),
    /// A term that cannot be searched.
    BadTerm {
        /// The term as written.
        term: String,
        /// Why not.
        reason: String,
    },
    /// A list without terms, which would never match.
    NoTerms,
    /// `@name` where the pack has no list of that name.
    UnknownList {
        /// The name as written, without the `@`.
        list: String,
        /// The nearest name that the pack has.
        suggestion: Option<String>,
    },
    /// A predicate with no operator or with more than one.
    NotOneOperator,
    /// An operator that this field does not have.
    WrongOperator {
        /// The field.
        field: Field,
        /// The operator as written.
        operator: Operator,
    },
    /// `present = false`.
    NotPresent {
        /// The field.
        field: Field,
    },
    /// A pack that judges itself.
    JudgesItself,
    /// A row of the `[[case]]` table that is about one of perhaps several acts.
    CaseAboutActs,
    /// A rule without conditions, which would match everything.
    NoConditions {
        /// The rule's id.
        rule: String,
    },
    /// A rule without samples: nobody could tell whether it works.
    NoSamples {
        /// The rule's id.
        rule: String,
        /// Which samples it lacks, `match` or `no_match`.
        key: &'static str,
    },
    /// A sample that describes no exec.
    BadSample {
        /// Why not.
        reason: &'static str,
    },
    /// Two rules of one file with the same id.
    DuplicateRule {
        /// The id.
        rule: String,
    },
    /// A rule without a category in a pack without a `[[case]]` table.
    NoCategory {
        /// The rule's id.
        rule: String,
    },
    /// A rule with a category of its own in a pack whose `[[case]]` table gives the category.
    TwoCategories {
        /// The rule's id.
        rule: String,
    },
    /// The `[[case]]` table must end in one row without conditions, and have no other such row.
    BadDefaultCase,
    /// A file that neither has rules nor extends lists.
    NothingInPack,
}

impl From<document::Problem> for PackProblem {
    fn from(problem: document::Problem) -> Self {
        Self::Document(problem)
    }
}

impl fmt::Display for PackProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(problem) => problem.fmt(f),
            Self::BadTerm { term, reason } => write!(f, "the term \"{}\" {reason}", term.escape_debug()),
            Self::NoTerms => f.write_str("a list needs at least one term, or nothing could ever match it"),
            Self::UnknownList { list, suggestion } => {
                write!(f, "there is no list `{}` in [lists] of this file", list.escape_debug())?;
                suggest(f, suggestion.as_deref())
            }
            Self::NotOneOperator => {
                write!(f, "a condition needs exactly one of: {}", Operator::ALL.map(Operator::as_str).join(", "))
            }
            Self::WrongOperator { field, operator } => {
                let names: Vec<_> = field.operators().iter().map(|operator| operator.as_str()).collect();
                write!(f, "`{field}` cannot be compared by `{operator}`; it may have: {}", names.join(", "))
            }
            Self::NotPresent { field } => {
                write!(f, "write the absence of `{field}` as {{ field = \"{field}\", present = true }} in `none`")
            }
            Self::JudgesItself => f.write_str("a pack cannot judge itself: its own rules say how sure they are"),
            Self::CaseAboutActs => f.write_str(
                "a [[case]] row cannot ask what a command does, because an exec may run several; give the rules a `category`",
            ),
            Self::NoConditions { rule } => {
                write!(f, "rule `{rule}` has no conditions in `all` and would match every exec")
            }
            Self::NoSamples { rule, key } => {
                write!(f, "rule `{rule}` needs at least one sample in `{key}`, or nobody could tell that it works")
            }
            Self::BadSample { reason } => write!(f, "sample {reason}"),
            Self::DuplicateRule { rule } => write!(f, "there is already a rule `{rule}` in this file"),
            Self::NoCategory { rule } => {
                write!(f, "rule `{rule}` needs a `category`, because this file has no [[case]] table to give one")
            }
            Self::TwoCategories { rule } => {
                write!(f, "rule `{rule}` must not have a `category`, because the [[case]] table of this file gives it")
            }
            Self::BadDefaultCase => f.write_str(
                "the last [[case]] row, and no other, must be without `all`: it is the category when no other row holds",
            ),
            Self::NothingInPack => f.write_str("the file has neither a [[rule]] nor an [extend] table"),
        }
    }
}

/// Packs that are each valid and still cannot work together.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EngineError {
    /// Two packs with the same name.
    DuplicatePack {
        /// The name.
        pack: String,
    },
    /// Two packs with a rule of the same id.
    DuplicateRule {
        /// The id.
        rule: String,
        /// The two packs.
        packs: [String; 2],
    },
    /// A pack extends lists of a pack that is not loaded.
    ExtendsUnknownPack {
        /// The pack that extends.
        by: String,
        /// The pack that is not there.
        pack: String,
        /// The nearest name of a loaded pack.
        suggestion: Option<String>,
    },
    /// A pack extends a list that the other pack does not have, or a condition uses one.
    UnknownList {
        /// The pack that names the list.
        by: String,
        /// The pack that should have it.
        pack: String,
        /// The list.
        list: String,
        /// The nearest name of a list that is there.
        suggestion: Option<String>,
    },
    /// A term that cannot be searched; only in a [`Pack`](super::Pack) that was changed after it was parsed.
    BadTerm {
        /// The pack.
        pack: String,
        /// The term.
        term: String,
        /// Why not.
        reason: String,
    },
    /// The patterns of a field are too many or too long together.
    TooManyPatterns,
    /// The automaton cannot hold that many or that long terms.
    TooManyTerms(aho_corasick::BuildError),
}

impl EngineError {
    pub(super) fn unknown_list<'c>(
        by: &str,
        pack: &str,
        list: &str,
        known: impl IntoIterator<Item = &'c String>,
    ) -> Self {
        let suggestion = nearest(list, known.into_iter().map(String::as_str));
        Self::UnknownList {
            by: by.to_owned(),
            pack: pack.to_owned(),
            list: list.to_owned(),
            suggestion,
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicatePack { pack } => {
                write!(
                    f,
                    "two rule files are called pack `{pack}`; rename one by its key `pack`"
                )
            }
            Self::DuplicateRule {
                rule,
                packs: [first, second],
            } => {
                write!(
                    f,
                    "rule `{rule}` is in pack `{first}` and in pack `{second}`; rename one by its key `id`"
                )
            }
            Self::ExtendsUnknownPack { by, pack, suggestion } => {
                write!(
                    f,
                    "pack `{by}` extends lists of pack `{}`, which is not loaded",
                    pack.escape_debug()
                )?;
                suggest(f, suggestion.as_deref())
            }
            Self::UnknownList {
                by,
                pack,
                list,
                suggestion,
            } => {
                write!(
                    f,
                    "pack `{by}` names the list `{}` of pack `{pack}`, which has none",
                    list.escape_debug()
                )?;
                suggest(f, suggestion.as_deref())
            }
            Self::BadTerm { pack, term, reason } => {
                write!(f, "in pack `{pack}` the term \"{}\" {reason}", term.escape_debug())
            }
            Self::TooManyPatterns => {
                f.write_str("the rule packs hold more patterns than one automaton can; load fewer")
            }
            Self::TooManyTerms(_) => f.write_str("the rule packs hold more terms than one automaton can; load fewer"),
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooManyTerms(error) => Some(error),
            _ => None,
        }
    }
}
