//! Rule packs as data: their TOML format, read and checked.
//!
//! Owns the format; never judges an exec and never reads a file (the caller gives it the text).
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
//! match = [                         # at least one sample that this rule must find ...
//!     { argv = ["certspy", "--remote", "example.com"] },
//!     { file_name = "certspy", command_line = "certspy scan host", category = "CertEnumTool" },
//! ]
//! no_match = [                      # ... and one that it must not
//!     { file_name = ["python3", "certspyx"], command_line = "certspyx --remote" },
//! ]
//! ```
//!
//! A pack whose category does not depend on the rule alone has an ordered `[[case]]` table instead of `category` in its
//! rules: the first row whose conditions in `all` hold gives the category; the last row has no `all`.
//!
//! A condition is a `field` (`FileName`: holds if any of the exec's names satisfies it; `ProcessCommandLine`), one
//! operator (`has_any`: Kusto's `has`, any of the terms; `in_ci`: Kusto's `in~`, the whole text is one of the terms) and
//! its terms (an array, or `"@name"` of a list of the same pack). A space in a term is met by a space or by the end of
//! an argument. Unknown keys are errors.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::{PackError, PackProblem};
use super::level::{Confidence, Severity};
use crate::document::{self, Problem, is_name, nearest};

type Source<'s> = document::Source<'s, PackProblem>;
type Table<'t> = document::Table<'t, PackProblem>;
type Value<'t> = document::Value<'t, PackProblem>;

const PACK_KEYS: &[&str] = &["pack", "version", "description", "lists", "extend", "rule", "case"];
const RULE_KEYS: &[&str] = &[
    "id",
    "category",
    "severity",
    "confidence",
    "technique",
    "tactic",
    "description",
    "all",
    "match",
    "no_match",
];
const CASE_KEYS: &[&str] = &["category", "all"];
const PREDICATE_KEYS: &[&str] = &["field", "has_any", "in_ci"];
const MATCH_KEYS: &[&str] = &["file_name", "command_line", "argv", "category"];
const NO_MATCH_KEYS: &[&str] = &["file_name", "command_line", "argv"];

/// Longest term, in bytes. Bounds the work per byte of a command line.
const MAX_TERM_BYTES: usize = 256;

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
    /// Conditions; never empty in a parsed pack.
    pub all: Vec<Predicate>,
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

/// What a condition looks at, under the name that Microsoft's DeviceProcessEvents gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The names of the program; a condition holds if any of them satisfies it.
    FileName,
    /// The command line.
    ProcessCommandLine,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 2] = [Self::FileName, Self::ProcessCommandLine];

    /// The name used in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileName => "FileName",
            Self::ProcessCommandLine => "ProcessCommandLine",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// Kusto's `has_any`: one of the terms occurs as a whole term, without case.
    HasAny,
    /// Kusto's `in~` (and `=~` for one term): the whole text is one of the terms, without case.
    InCi,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 2] = [Self::HasAny, Self::InCi];

    /// The name used in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HasAny => "has_any",
            Self::InCi => "in_ci",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The terms of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terms {
    /// A named list of the same pack, written `"@name"`.
    List(String),
    /// Written out.
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
    /// The category that the verdict must have, when the file gives one.
    pub category: Option<String>,
}

impl Pack {
    /// Reads and checks a rule file. `file` is what errors call it.
    ///
    /// # Errors
    ///
    /// The first fault in the text, with its line: see [`PackProblem`].
    pub fn parse(file: &str, text: &str) -> Result<Self, PackError> {
        let source = Source::new(file, text);
        let document = source.parse()?;
        let top = Table::new(source, "a rule file", 0..0, document.get_ref(), PACK_KEYS)?;

        let name = read_name(&top, "pack")?;
        let version = top.required("version")?.positive()?;
        let description = top.text("description")?.to_owned();
        let lists = top
            .optional("lists")
            .map(|lists| read_lists(&lists))
            .transpose()?
            .unwrap_or_default();
        let mut extend = BTreeMap::new();
        if let Some(packs) = top.optional("extend") {
            for (pack, lists) in packs.entries()? {
                extend.insert(pack.to_owned(), read_lists(&lists)?);
            }
        }
        let cases = read_cases(&top, &lists)?;
        let rules = read_rules(&top, &lists, !cases.is_empty())?;
        if rules.is_empty() && extend.is_empty() {
            return Err(top.error(PackProblem::NothingInPack));
        }
        Ok(Self {
            name,
            version,
            description,
            lists,
            extend,
            rules,
            cases,
        })
    }
}

type Lists = BTreeMap<String, Vec<String>>;

fn read_lists(value: &Value<'_>) -> Result<Lists, PackError> {
    let mut lists = Lists::new();
    for (name, terms) in value.entries()? {
        if !is_name(name) {
            return Err(terms.error(Problem::BadName {
                what: "the list name",
                name: name.to_owned(),
            }));
        }
        lists.insert(name.to_owned(), read_terms(&terms)?);
    }
    Ok(lists)
}

fn read_terms(value: &Value<'_>) -> Result<Vec<String>, PackError> {
    let mut terms = Vec::new();
    for item in value.items()? {
        let term = item.string()?;
        if let Some(reason) = fault_of_term(term) {
            return Err(item.error(PackProblem::BadTerm {
                term: term.to_owned(),
                reason,
            }));
        }
        terms.push(term.to_owned());
    }
    if terms.is_empty() {
        Err(value.error(PackProblem::NoTerms))
    } else {
        Ok(terms)
    }
}

/// Why a term cannot be searched, if so.
pub(super) fn fault_of_term(term: &str) -> Option<&'static str> {
    if term.is_empty() {
        Some("is empty")
    } else if term.len() > MAX_TERM_BYTES {
        Some("is longer than 256 bytes")
    } else if term.contains('\0') {
        Some("holds a NUL, which no argument can; write a space for the gap between two arguments")
    } else if term.starts_with(' ') || term.ends_with(' ') {
        // In the raw form of argv a NUL also follows the last argument: such a term would match there and not in the
        // joined form.
        Some("begins or ends with a space; leave it out, terms are whole words anyway")
    } else {
        None
    }
}

fn read_rules(top: &Table<'_>, lists: &Lists, has_cases: bool) -> Result<Vec<Rule>, PackError> {
    let mut rules = Vec::new();
    let mut ids = BTreeSet::new();
    for value in top.items("rule")? {
        let table = value.table("a [[rule]]", RULE_KEYS)?;
        let rule = read_rule(&table, lists)?;
        let id = || rule.id.clone();
        if !ids.insert(rule.id.clone()) {
            return Err(table.error(PackProblem::DuplicateRule { rule: id() }));
        }
        match (&rule.category, has_cases) {
            (None, false) => return Err(table.error(PackProblem::NoCategory { rule: id() })),
            (Some(_), true) => return Err(table.error(PackProblem::TwoCategories { rule: id() })),
            _ => {}
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn read_rule(table: &Table<'_>, lists: &Lists) -> Result<Rule, PackError> {
    let id = read_name(table, "id")?;
    let all = read_predicates(table, lists)?;
    if all.is_empty() {
        return Err(table.error(PackProblem::NoConditions { rule: id }));
    }
    Ok(Rule {
        category: read_category(table)?,
        severity: read_choice(table, "severity", &Severity::ALL.map(|level| (level.as_str(), level)))?,
        confidence: read_choice(
            table,
            "confidence",
            &Confidence::ALL.map(|level| (level.as_str(), level)),
        )?,
        technique: table.text("technique")?.to_owned(),
        tactic: table.text("tactic")?.to_owned(),
        description: table.text("description")?.to_owned(),
        matches: read_samples(table, &id, "match", MATCH_KEYS)?,
        no_matches: read_samples(table, &id, "no_match", NO_MATCH_KEYS)?,
        all,
        id,
    })
}

fn read_category(table: &Table<'_>) -> Result<Option<String>, PackError> {
    table
        .optional("category")
        .map(|_| table.text("category").map(str::to_owned))
        .transpose()
}

/// One of the named values of a fixed set.
fn read_choice<T: Copy>(table: &Table<'_>, key: &'static str, choices: &[(&'static str, T)]) -> Result<T, PackError> {
    table.required(key)?.choice(key, choices)
}

fn read_cases(top: &Table<'_>, lists: &Lists) -> Result<Vec<Case>, PackError> {
    let rows = top.items("case")?;
    let mut cases = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let table = row.table("a [[case]]", CASE_KEYS)?;
        let all = read_predicates(&table, lists)?;
        if all.is_empty() != (index + 1 == rows.len()) {
            return Err(table.error(PackProblem::BadDefaultCase));
        }
        cases.push(Case {
            category: table.text("category")?.to_owned(),
            all,
        });
    }
    Ok(cases)
}

fn read_predicates(table: &Table<'_>, lists: &Lists) -> Result<Vec<Predicate>, PackError> {
    table
        .items("all")?
        .iter()
        .map(|value| read_predicate(value, lists))
        .collect()
}

fn read_predicate(value: &Value<'_>, lists: &Lists) -> Result<Predicate, PackError> {
    let table = value.table("a condition", PREDICATE_KEYS)?;
    let field = read_choice(&table, "field", &Field::ALL.map(|field| (field.as_str(), field)))?;
    let mut operators = Operator::ALL
        .into_iter()
        .filter_map(|operator| table.optional(operator.as_str()).map(|terms| (operator, terms)));
    let (Some((operator, terms)), None) = (operators.next(), operators.next()) else {
        return Err(table.error(PackProblem::NotOneOperator));
    };
    Ok(Predicate {
        field,
        operator,
        terms: read_term_set(&terms, lists)?,
    })
}

fn read_term_set(value: &Value<'_>, lists: &Lists) -> Result<Terms, PackError> {
    if !value.is_string() {
        return read_terms(value).map(Terms::Inline);
    }
    let text = value.string()?;
    let Some(list) = text.strip_prefix('@') else {
        let reason = "stands alone; write an array of terms, or \"@name\" for a list";
        return Err(value.error(PackProblem::BadTerm {
            term: text.to_owned(),
            reason,
        }));
    };
    if lists.contains_key(list) {
        return Ok(Terms::List(list.to_owned()));
    }
    let suggestion = nearest(list, lists.keys().map(String::as_str));
    Err(value.error(PackProblem::UnknownList {
        list: list.to_owned(),
        suggestion,
    }))
}

fn read_samples(
    table: &Table<'_>,
    rule: &str,
    key: &'static str,
    sample_keys: &'static [&'static str],
) -> Result<Vec<Sample>, PackError> {
    let samples: Vec<Sample> = table
        .items(key)?
        .iter()
        .map(|value| read_sample(value, sample_keys))
        .collect::<Result<_, _>>()?;
    if samples.is_empty() {
        return Err(table.error(PackProblem::NoSamples {
            rule: rule.to_owned(),
            key,
        }));
    }
    Ok(samples)
}

fn read_sample(value: &Value<'_>, keys: &'static [&'static str]) -> Result<Sample, PackError> {
    let table = value.table("a sample", keys)?;
    let bad = |reason| value.error(PackProblem::BadSample { reason });
    let text = |item: &Value<'_>| {
        let text = item.string()?;
        if text.contains('\0') {
            Err(bad("holds a NUL, which no exec's name or argument can"))
        } else {
            Ok(text.to_owned())
        }
    };
    let texts = |value: &Value<'_>| value.items()?.iter().map(text).collect::<Result<Vec<_>, _>>();

    let argv = table.optional("argv").map(|argv| texts(&argv)).transpose()?;
    let file_names = match table.optional("file_name") {
        Some(name) if name.is_string() => Some(vec![text(&name)?]),
        Some(names) => Some(texts(&names)?),
        None => None,
    };
    let command_line = table.optional("command_line").map(|line| text(&line)).transpose()?;
    let category = read_category(&table)?;

    let (file_names, command_line) = match (file_names, &argv, command_line) {
        (_, Some(_), Some(_)) => return Err(bad("has both `argv` and `command_line`")),
        (_, None, None) => return Err(bad("needs `argv` or `command_line`")),
        (None, None, Some(_)) => return Err(bad("needs `file_name` beside `command_line`")),
        (Some(names), None, Some(line)) => (names, line),
        (Some(names), Some(argv), None) => (names, argv.join(" ")),
        (None, Some(argv), None) => {
            let program = argv
                .first()
                .ok_or_else(|| bad("needs `file_name`, or a first item in `argv`"))?;
            let name = program.rsplit('/').next().unwrap_or_default();
            (vec![name.to_owned()], argv.join(" "))
        }
    };
    Ok(Sample {
        file_names,
        argv,
        command_line,
        category,
    })
}

fn read_name(table: &Table<'_>, key: &'static str) -> Result<String, PackError> {
    let name = table.text(key)?;
    if is_name(name) {
        return Ok(name.to_owned());
    }
    let what = if key == "pack" { "the pack name" } else { "the rule id" };
    Err(table.required(key)?.error(Problem::BadName {
        what,
        name: name.to_owned(),
    }))
}
