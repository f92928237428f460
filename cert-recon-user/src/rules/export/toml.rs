//! Packs as TOML, with what extends their lists in them.

use std::collections::BTreeMap;

use ::toml::{Table, Value};

use crate::rules::compiler::merged_lists;
use crate::rules::error::EngineError;
use crate::rules::pack::{Pack, Predicate, Rule, Sample, Terms};

/// Each pack that has rules, by name, as the text of a rule file. Together they make the same engine; packs that only extend
/// others are in those.
///
/// # Errors
///
/// Packs that cannot work together, as for [`Engine::new`](crate::rules::Engine::new).
pub fn toml_packs(packs: &[Pack]) -> Result<Vec<(String, String)>, EngineError> {
    let merged = merged_lists(packs)?;
    let with_rules = packs.iter().zip(merged).filter(|(pack, _)| !pack.rules.is_empty());
    Ok(with_rules
        .map(|(pack, lists)| (pack.name.clone(), pack_table(pack, &lists).to_string()))
        .collect())
}

fn pack_table(pack: &Pack, lists: &BTreeMap<&str, Vec<&str>>) -> Table {
    let mut table = Table::new();
    put(&mut table, "pack", pack.name.as_str());
    put(&mut table, "version", i64::from(pack.version));
    put(&mut table, "description", pack.description.as_str());
    if !pack.judges.is_empty() {
        put(&mut table, "judges", texts(&pack.judges));
    }
    let mut list_table = Table::new();
    for (list, terms) in lists {
        put(&mut list_table, list, texts(terms));
    }
    if !list_table.is_empty() {
        put(&mut table, "lists", list_table);
    }
    put(&mut table, "rule", pack.rules.iter().map(rule).collect::<Vec<Value>>());
    let cases = pack.cases.iter().map(|case| {
        let mut row = Table::new();
        put(&mut row, "category", case.category.as_str());
        if let Some(label) = &case.technique_label {
            put(&mut row, "technique_label", label.as_str());
        }
        if !case.all.is_empty() {
            put(&mut row, "all", conditions(&case.all));
        }
        Value::Table(row)
    });
    let cases: Vec<Value> = cases.collect();
    if !cases.is_empty() {
        put(&mut table, "case", cases);
    }
    table
}

fn rule(rule: &Rule) -> Value {
    let mut table = Table::new();
    put(&mut table, "id", rule.id.as_str());
    if let Some(category) = &rule.category {
        put(&mut table, "category", category.as_str());
    }
    put(&mut table, "severity", rule.severity.as_str());
    put(&mut table, "confidence", rule.confidence.as_str());
    put(&mut table, "technique", rule.technique.as_str());
    put(&mut table, "tactic", rule.tactic.as_str());
    put(&mut table, "description", rule.description.as_str());
    put(&mut table, "all", conditions(&rule.all));
    if !rule.none.is_empty() {
        put(&mut table, "none", conditions(&rule.none));
    }
    put(&mut table, "match", samples(&rule.matches));
    put(&mut table, "no_match", samples(&rule.no_matches));
    Value::Table(table)
}

fn conditions(predicates: &[Predicate]) -> Vec<Value> {
    let one = |predicate: &Predicate| {
        let mut table = Table::new();
        put(&mut table, "field", predicate.field.as_str());
        let terms: Value = match &predicate.terms {
            Terms::List(list) => format!("@{list}").into(),
            Terms::Lists(lists) => lists
                .iter()
                .map(|list| format!("@{list}"))
                .collect::<Vec<String>>()
                .into(),
            Terms::Inline(terms) if terms.is_empty() => true.into(),
            Terms::Inline(terms) => texts(terms),
        };
        put(&mut table, predicate.operator.as_str(), terms);
        Value::Table(table)
    };
    predicates.iter().map(one).collect()
}

fn samples(samples: &[Sample]) -> Vec<Value> {
    let one = |sample: &Sample| {
        let mut table = Table::new();
        put(&mut table, "file_name", texts(&sample.file_names));
        match &sample.argv {
            Some(argv) => put(&mut table, "argv", texts(argv)),
            None => put(&mut table, "command_line", sample.command_line.as_str()),
        }
        let optional = [
            ("image", &sample.image),
            ("category", &sample.category),
            ("technique_label", &sample.technique_label),
        ];
        for (key, text) in optional {
            if let Some(text) = text {
                put(&mut table, key, text.as_str());
            }
        }
        if !sample.known_as.is_empty() {
            put(&mut table, "known_as", texts(&sample.known_as));
        }
        if sample.truncated {
            put(&mut table, "truncated", true);
        }
        Value::Table(table)
    };
    samples.iter().map(one).collect()
}

fn texts<T: AsRef<str>>(texts: &[T]) -> Value {
    Value::Array(texts.iter().map(|text| text.as_ref().into()).collect())
}

fn put(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.to_owned(), value.into());
}

#[cfg(test)]
mod tests {
    use super::toml_packs;
    use crate::rules::{BUILTIN_PACKS, Pack};

    #[test]
    fn what_is_exported_is_read_again_as_the_same_packs() {
        let packs: Vec<Pack> = BUILTIN_PACKS.iter().map(|pack| pack.parse().unwrap()).collect();
        let exported = toml_packs(&packs).unwrap();
        assert_eq!(exported.len(), packs.len());
        for ((name, text), pack) in exported.iter().zip(&packs) {
            assert_eq!(&Pack::parse(name, text).unwrap(), pack);
        }
    }

    #[test]
    fn what_extends_a_list_is_in_that_list_and_the_pack_that_did_is_gone() {
        let site =
            "pack = \"site\"\nversion = 1\ndescription = \"x\"\n[extend.kql]\nct_services = [\"ct.corp.example\"]";
        let packs = [BUILTIN_PACKS[0].parse().unwrap(), Pack::parse("site", site).unwrap()];
        let exported = toml_packs(&packs).unwrap();
        assert_eq!(exported.len(), 1);
        let pack = Pack::parse("kql", &exported[0].1).unwrap();
        assert_eq!(pack.lists["ct_services"].last().unwrap(), "ct.corp.example");
        assert_eq!(pack.lists["ct_services"].len(), packs[0].lists["ct_services"].len() + 1);
    }
}
