//! Reads and checks rule files.
//!
//! Owns what a valid file is, and where a fault lies; never judges an exec and never opens a file.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{PackError, PackProblem};
use super::field::{Field, Operator};
use super::level::{Confidence, Severity};
use super::pack::{Case, MAX_TERM_BYTES, Pack, Predicate, Rule, Sample, Terms};
use crate::document::{self, Problem, is_name, nearest};

type Source<'s> = document::Source<'s, PackProblem>;
type Table<'t> = document::Table<'t, PackProblem>;
type Value<'t> = document::Value<'t, PackProblem>;

const PACK_KEYS: &[&str] = &[
    "pack",
    "version",
    "description",
    "judges",
    "lists",
    "extend",
    "rule",
    "case",
];
const RULE_KEYS: &[&str] = &[
    "id",
    "category",
    "severity",
    "confidence",
    "technique",
    "tactic",
    "description",
    "all",
    "none",
    "match",
    "no_match",
];
const CASE_KEYS: &[&str] = &["category", "technique_label", "all"];
const PREDICATE_KEYS: &[&str] = &[
    "field",
    "has_any",
    "in_ci",
    "in",
    "matches",
    "in_domain",
    "glob",
    "present",
];
const MATCH_KEYS: &[&str] = &[
    "file_name",
    "command_line",
    "argv",
    "image",
    "known_as",
    "truncated",
    "category",
    "technique_label",
];
const NO_MATCH_KEYS: &[&str] = &["file_name", "command_line", "argv", "image", "known_as", "truncated"];

/// Reads and checks a rule file. `file` is what errors call it.
pub(super) fn read(file: &str, text: &str) -> Result<Pack, PackError> {
    let source = Source::new(file, text);
    let document = source.parse()?;
    let top = Table::new(source, "a rule file", 0..0, document.get_ref(), PACK_KEYS)?;

    let name = read_name(&top, "pack")?;
    let version = top.required("version")?.positive()?;
    let description = top.text("description")?.to_owned();
    let judges = read_judges(&top, &name)?;
    let lists = top
        .optional("lists")
        .map(|lists| read_lists(&lists))
        .transpose()?
        .unwrap_or_default();
    let mut extend = BTreeMap::new();
    if let Some(packs) = top.optional("extend") {
        for (pack, lists) in packs.entries()? {
            extend.insert(pack.to_owned(), plain(&read_lists(&lists)?));
        }
    }
    let cases = read_cases(&top, &lists)?;
    let rules = read_rules(&top, &lists, !cases.is_empty())?;
    if rules.is_empty() && extend.is_empty() {
        return Err(top.error(PackProblem::NothingInPack));
    }
    Ok(Pack {
        name,
        version,
        description,
        lists: plain(&lists),
        extend,
        judges,
        rules,
        cases,
    })
}

/// Terms by list, each with its place in the file.
type Lists<'t> = BTreeMap<String, Vec<(String, Value<'t>)>>;

fn plain(lists: &Lists<'_>) -> BTreeMap<String, Vec<String>> {
    lists
        .iter()
        .map(|(list, terms)| (list.clone(), terms.iter().map(|(term, _)| term.clone()).collect()))
        .collect()
}

fn read_judges(top: &Table<'_>, pack: &str) -> Result<Vec<String>, PackError> {
    let mut judges = Vec::new();
    for value in top.items("judges")? {
        let name = value.string()?;
        if !is_name(name) {
            return Err(value.error(Problem::BadName {
                what: "the pack name",
                name: name.to_owned(),
            }));
        }
        if name == pack {
            return Err(value.error(PackProblem::JudgesItself));
        }
        judges.push(name.to_owned());
    }
    Ok(judges)
}

fn read_lists<'t>(value: &Value<'t>) -> Result<Lists<'t>, PackError> {
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

fn read_terms<'t>(value: &Value<'t>) -> Result<Vec<(String, Value<'t>)>, PackError> {
    let mut terms = Vec::new();
    for item in value.items()? {
        let term = item.string()?;
        if let Some(reason) = fault_of_term(term) {
            return Err(item.error(PackProblem::BadTerm {
                term: term.to_owned(),
                reason: reason.to_owned(),
            }));
        }
        terms.push((term.to_owned(), item));
    }
    if terms.is_empty() {
        Err(value.error(PackProblem::NoTerms))
    } else {
        Ok(terms)
    }
}

/// Why a term cannot be searched by any operator, if so.
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

fn read_rules(top: &Table<'_>, lists: &Lists<'_>, has_cases: bool) -> Result<Vec<Rule>, PackError> {
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

fn read_rule(table: &Table<'_>, lists: &Lists<'_>) -> Result<Rule, PackError> {
    let id = read_name(table, "id")?;
    let all = read_predicates(table, "all", lists)?;
    if all.is_empty() {
        return Err(table.error(PackProblem::NoConditions { rule: id }));
    }
    let none = read_predicates(table, "none", lists)?;
    Ok(Rule {
        category: read_optional_text(table, "category")?,
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
        none,
        id,
    })
}

fn read_optional_text(table: &Table<'_>, key: &'static str) -> Result<Option<String>, PackError> {
    table
        .optional(key)
        .map(|_| table.text(key).map(str::to_owned))
        .transpose()
}

/// One of the named values of a fixed set.
fn read_choice<T: Copy>(table: &Table<'_>, key: &'static str, choices: &[(&'static str, T)]) -> Result<T, PackError> {
    let value = table.required(key)?;
    let text = value.string()?;
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let names = || choices.iter().map(|(name, _)| *name);
    Err(value.error(Problem::UnknownValue {
        key,
        value: text.to_owned(),
        suggestion: nearest(text, names()),
        allowed: names().collect::<Vec<_>>().join(", "),
    }))
}

fn read_cases(top: &Table<'_>, lists: &Lists<'_>) -> Result<Vec<Case>, PackError> {
    let rows = top.items("case")?;
    let mut cases = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let table = row.table("a [[case]]", CASE_KEYS)?;
        let all = read_predicates(&table, "all", lists)?;
        if all.is_empty() != (index + 1 == rows.len()) {
            return Err(table.error(PackProblem::BadDefaultCase));
        }
        if all.iter().any(|condition| condition.field.is_of_act()) {
            return Err(table.error(PackProblem::CaseAboutActs));
        }
        cases.push(Case {
            category: table.text("category")?.to_owned(),
            technique_label: read_optional_text(&table, "technique_label")?,
            all,
        });
    }
    Ok(cases)
}

fn read_predicates(table: &Table<'_>, key: &'static str, lists: &Lists<'_>) -> Result<Vec<Predicate>, PackError> {
    table
        .items(key)?
        .iter()
        .map(|value| read_predicate(value, lists))
        .collect()
}

fn read_predicate(value: &Value<'_>, lists: &Lists<'_>) -> Result<Predicate, PackError> {
    let table = value.table("a condition", PREDICATE_KEYS)?;
    let field = read_choice(&table, "field", &Field::ALL.map(|field| (field.as_str(), field)))?;
    let mut operators = Operator::ALL
        .into_iter()
        .filter_map(|operator| table.optional(operator.as_str()).map(|terms| (operator, terms)));
    let (Some((operator, terms)), None) = (operators.next(), operators.next()) else {
        return Err(table.error(PackProblem::NotOneOperator));
    };
    if !field.operators().contains(&operator) {
        return Err(terms.error(PackProblem::WrongOperator { field, operator }));
    }
    if operator == Operator::Present {
        return if terms.boolean()? {
            Ok(Predicate {
                field,
                operator,
                terms: Terms::Inline(Vec::new()),
            })
        } else {
            Err(terms.error(PackProblem::NotPresent { field }))
        };
    }
    let (found, sources) = read_term_set(&terms, lists)?;
    for (term, source) in sources {
        if let Some(reason) = operator.fault_of(field, &term) {
            return Err(source.error(PackProblem::BadTerm { term, reason }));
        }
    }
    Ok(Predicate {
        field,
        operator,
        terms: found,
    })
}

/// The terms, and where each stands.
fn read_term_set<'t>(value: &Value<'t>, lists: &Lists<'t>) -> Result<(Terms, Vec<(String, Value<'t>)>), PackError> {
    if value.is_string() {
        let (list, sources) = read_list_name(value, lists)?;
        return Ok((Terms::List(list), sources));
    }
    let items = value.items()?;
    let names = |item: &Value<'_>| item.is_string() && item.string().is_ok_and(|text| text.starts_with('@'));
    if items.is_empty() || !items.iter().all(names) {
        let sources = read_terms(value)?;
        let terms = sources.iter().map(|(term, _)| term.clone()).collect();
        return Ok((Terms::Inline(terms), sources));
    }
    let mut all = Vec::new();
    let mut sources = Vec::new();
    for item in &items {
        let (list, terms) = read_list_name(item, lists)?;
        all.push(list);
        sources.extend(terms);
    }
    Ok((Terms::Lists(all), sources))
}

fn read_list_name<'t>(value: &Value<'t>, lists: &Lists<'t>) -> Result<(String, Vec<(String, Value<'t>)>), PackError> {
    let text = value.string()?;
    let Some(list) = text.strip_prefix('@') else {
        let reason = "stands alone; write an array of terms, or \"@name\" for a list";
        return Err(value.error(PackProblem::BadTerm {
            term: text.to_owned(),
            reason: reason.to_owned(),
        }));
    };
    if let Some(terms) = lists.get(list) {
        return Ok((list.to_owned(), terms.clone()));
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
    let texts = |value: &Value<'_>| value.items()?.iter().map(text).collect::<Result<Vec<_>, PackError>>();

    let argv = table.optional("argv").map(|argv| texts(&argv)).transpose()?;
    let file_names = match table.optional("file_name") {
        Some(name) if name.is_string() => Some(vec![text(&name)?]),
        Some(names) => Some(texts(&names)?),
        None => None,
    };
    let command_line = table.optional("command_line").map(|line| text(&line)).transpose()?;
    let image = table.optional("image").map(|image| text(&image)).transpose()?;
    let known_as = table
        .optional("known_as")
        .map(|names| texts(&names))
        .transpose()?
        .unwrap_or_default();
    let truncated = table
        .optional("truncated")
        .map(|flag| flag.boolean())
        .transpose()?
        .unwrap_or_default();

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
        image,
        known_as,
        truncated,
        category: read_optional_text(&table, "category")?,
        technique_label: read_optional_text(&table, "technique_label")?,
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
