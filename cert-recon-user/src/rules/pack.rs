//! Rule packs as data: what a rule file says.
//!
//! Owns the types; reading is `read_pack`'s, and nothing here judges an exec or reads a file (the caller gives it the
//! text). `docs/rules.md` describes the format for those who write rules.
//!
//! # Format
//!
//! ```toml
//! pack = "site"                     # name, unique among the loaded packs
//! version = 1                       # raised by the author with each change
//! description = "What this site watches beyond the shipped packs."
//!
//! [lists]                           # named terms, used as "@name"
//! scanners = ["certspy"]
//! portals = ["ct.corp.example"]
//!
//! [extend.kql]                      # terms added to the lists of another pack, without copying its rules
//! ct_services = ["ct.corp.example"]
//!
//! [[rule]]
//! id = "site-certspy"               # unique among all loaded rules
//! category = "CertEnumTool"         # only in a pack without [[case]]
//! severity = "medium"               # informational, low, medium, high
//! confidence = "high"               # low, medium, high
//! technique = "T1596.003"
//! tactic = "Reconnaissance"
//! description = "The in-house scanner runs."
//! all = [                           # every condition must hold
//!     { field = "FileName", has_any = "@scanners" },
//!     { field = "ProcessCommandLine", has_any = ["--remote", "scan host"] },
//! ]
//! none = [                          # and none of these (may be left out)
//!     { field = "ProcessCommandLine", matches = ["--dry-run( |$)"] },
//! ]
//! match = [                         # at least one sample that this rule must find ...
//!     { argv = ["certspy", "--remote", "example.com"] },
//!     { file_name = "certspy", command_line = "certspy scan host", category = "CertEnumTool" },
//! ]
//! no_match = [                      # ... and one that it must not
//!     { file_name = ["python3", "certspyx"], command_line = "certspyx --remote" },
//!     { argv = ["certspy", "--remote", "--dry-run"] },
//! ]
//! ```
//!
//! A pack whose category does not depend on the rule alone has an ordered `[[case]]` table instead of `category` in its
//! rules: the first row whose conditions in `all` hold gives the category; the last row has no `all`.
//!
//! A condition is a [`field`](Field), one [operator](Operator) that the field may have, and its terms: an array, `"@name"` of a
//! list of the same pack, or an array of several such names. A space in a term of `has_any` and `in_ci` is met by a space
//! or by the end of an argument. Unknown keys are errors.
//!
//! Conditions on fields of acts (`Program`, `Argument`, `Host`, `Script`, `Target`, `Code`, `Via`, `Manner`) must hold for one
//! and the same act: one command that the exec really runs.

use std::collections::BTreeMap;

use super::error::PackError;
use super::field::{Field, Operator};
use super::level::{Confidence, Severity};
use super::read_pack;

/// Longest term, in bytes. Bounds the work per byte of a command line.
pub(super) const MAX_TERM_BYTES: usize = 256;

/// One rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pack {
    /// Name, as in `--rules` and in `RulePacks`.
    pub name: String,
    /// The author's version, from 1.
    pub version: u32,
    /// What the pack is for.
    pub description: String,
    /// Terms by list name.
    pub lists: BTreeMap<String, Vec<String>>,
    /// Terms that this pack adds to lists of other packs: by pack, then by list.
    pub extend: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Packs whose findings this one judges: where it is loaded, their rules do not decide how sure a verdict is.
    pub judges: Vec<String>,
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// Rows that give the category, first match wins, the last one without conditions. Empty when each rule has its own.
    pub cases: Vec<Case>,
}

/// One rule: conditions that must all hold, what a match means, and samples that prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Id, unique among all loaded rules, as in `RuleIds`.
    pub id: String,
    /// Category of a match; `None` when the pack's [`cases`](Pack::cases) give it.
    pub category: Option<String>,
    /// How much a match matters.
    pub severity: Severity,
    /// How sure a match is.
    pub confidence: Confidence,
    /// ATT&CK technique id.
    pub technique: String,
    /// ATT&CK tactic name.
    pub tactic: String,
    /// What a match means, for people.
    pub description: String,
    /// Conditions that must all hold; never empty in a parsed pack.
    pub all: Vec<Predicate>,
    /// Conditions of which none may hold.
    pub none: Vec<Predicate>,
    /// Execs that the rule must match; never empty in a parsed pack.
    pub matches: Vec<Sample>,
    /// Execs that it must not match; never empty in a parsed pack.
    pub no_matches: Vec<Sample>,
}

/// One row of the table that gives the category.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// The category.
    pub category: String,
    /// The label of the technique, when the pack has such.
    pub technique_label: Option<String>,
    /// Conditions that must all hold; empty in the last row only.
    pub all: Vec<Predicate>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Predicate {
    /// What is looked at.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// For what.
    pub terms: Terms,
}

/// The terms of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terms {
    /// A named list of the same pack, written `"@name"`.
    List(String),
    /// Several named lists of the same pack, written `["@name", "@other"]`.
    Lists(Vec<String>),
    /// Written out; empty for the operator `present`.
    Inline(Vec<String>),
}

/// An exec that a rule must or must not match.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// The program's names; from `argv` the base name of its first item when the file gives none.
    pub file_names: Vec<String>,
    /// The arguments, when the file gives `argv`.
    pub argv: Option<Vec<String>>,
    /// The command line: as given, or `argv` joined by single spaces.
    pub command_line: String,
    /// The resolved path of the executable, when the file gives one.
    pub image: Option<String>,
    /// Watched programs that the executable is a copy of.
    pub known_as: Vec<String>,
    /// Not all of argv was captured.
    pub truncated: bool,
    /// The category that the verdict must have, when the file gives one.
    pub category: Option<String>,
    /// The label of the technique that the verdict must have, when the file gives one.
    pub technique_label: Option<String>,
}

impl Pack {
    /// Reads and checks a rule file. `file` is what errors call it.
    ///
    /// # Errors
    ///
    /// The first fault in the text, with its line: see [`PackProblem`](super::PackProblem).
    pub fn parse(file: &str, text: &str) -> Result<Self, PackError> {
        read_pack::read(file, text)
    }
}

impl Rule {
    /// Whether it asks what a command of the exec does, and not only what the exec's names and command line hold.
    #[must_use]
    pub fn is_about_acts(&self) -> bool {
        self.all
            .iter()
            .chain(&self.none)
            .any(|condition| condition.field.is_of_act())
    }
}
