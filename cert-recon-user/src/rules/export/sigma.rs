//! Rules in the Sigma format, for log systems that know process creations.
//!
//! Conditions on the exec are said exactly. What a command really does is more than a log's Image and CommandLine tell: there
//! the rule is an approximation, and its description says what is lost.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::rules::compiler::merged_lists;
use crate::rules::error::EngineError;
use crate::rules::field::{Field, Operator};
use crate::rules::pack::{Pack, Predicate, Rule, Terms};

/// One YAML document for each rule; a comment in place of those that Sigma has no fields for.
///
/// # Errors
///
/// Packs that cannot work together, as for [`Engine::new`](crate::rules::Engine::new).
pub fn sigma_rules(packs: &[Pack]) -> Result<String, EngineError> {
    let merged = merged_lists(packs)?;
    let mut out = String::new();
    for (pack, lists) in packs.iter().zip(&merged) {
        for rule in &pack.rules {
            let terms = |predicate: &Predicate| -> Vec<String> {
                let of = |list: &String| {
                    lists
                        .get(list.as_str())
                        .into_iter()
                        .flatten()
                        .map(|term| (*term).to_owned())
                };
                match &predicate.terms {
                    Terms::Inline(terms) => terms.clone(),
                    Terms::List(list) => of(list).collect(),
                    Terms::Lists(lists) => lists.iter().flat_map(of).collect(),
                }
            };
            document(&mut out, pack, rule, terms);
        }
    }
    Ok(out)
}

/// A condition in Sigma's terms: field with modifiers, values. None when Sigma has no such field.
struct Selection {
    field: &'static str,
    values: Vec<String>,
    is_exact: bool,
}

fn document(out: &mut String, pack: &Pack, rule: &Rule, terms: impl Fn(&Predicate) -> Vec<String>) {
    let say = |predicates: &[Predicate]| -> Vec<(Field, Option<Selection>)> {
        let all = predicates.iter();
        all.map(|predicate| (predicate.field, selection(predicate, &terms(predicate))))
            .collect()
    };
    let (all, none) = (say(&rule.all), say(&rule.none));
    // Writing to a String can't fail.
    if all.iter().all(|(_, selection)| selection.is_none()) {
        let _ = writeln!(out, "# {}: Sigma has no fields for what this rule asks.", rule.id);
        return;
    }
    let mut lost: Vec<&str> = Vec::new();
    for (field, selection) in all.iter().chain(&none) {
        if selection.as_ref().is_none_or(|selection| !selection.is_exact) && !lost.contains(&field.as_str()) {
            lost.push(field.as_str());
        }
    }
    let mut description = format!("{} Rule {} of pack {}.", rule.description, rule.id, pack.name);
    if !lost.is_empty() {
        let _ = write!(
            description,
            " An approximation: {} of the commands that really run, behind wrappers and in shells, are not in a log; here they are \
             looked for in Image and CommandLine, or left out.",
            lost.join(", ")
        );
    }
    let _ = write!(
        out,
        "---\ntitle: {}\nid: {}\nstatus: experimental\ndescription: {}\nreferences:\n    - {}\ntags:\n    - attack.reconnaissance\n    - \
         {}\nlogsource:\n    category: process_creation\n{}detection:\n",
        yaml(&title(rule)),
        identity(&rule.id),
        yaml(&description),
        yaml("https://attack.mitre.org/techniques/T1596/003/"),
        yaml(&format!("attack.{}", rule.technique.to_ascii_lowercase())),
        if rule.is_about_acts() {
            "    product: linux\n"
        } else {
            ""
        },
    );
    let mut filters = 0;
    for (name, selections) in [("selection", &all), ("filter", &none)] {
        let said = selections.iter().filter_map(|(_, selection)| selection.as_ref());
        for (number, selection) in said.enumerate() {
            let _ = write!(out, "    {name}_{}:\n        {}:\n", number + 1, selection.field);
            for value in &selection.values {
                let _ = writeln!(out, "            - {}", yaml(value));
            }
            filters += usize::from(name == "filter");
        }
    }
    let exceptions = if filters == 0 { "" } else { " and not 1 of filter_*" };
    let _ = write!(
        out,
        "    condition: all of selection_*{exceptions}\nlevel: {}\n",
        rule.severity.as_str()
    );
}

fn selection(predicate: &Predicate, terms: &[String]) -> Option<Selection> {
    let make = |field, is_exact, value: &dyn Fn(&str) -> Vec<String>| {
        Some(Selection {
            field,
            values: terms.iter().flat_map(|term| value(term)).collect(),
            is_exact,
        })
    };
    match (predicate.field, predicate.operator) {
        (Field::FileName, Operator::HasAny) => make("Image|re", true, &|term| vec![in_name(term)]),
        (Field::FileName, Operator::InCi) => make("Image|endswith", true, &|term| names(&literal(term))),
        (Field::FileName, Operator::Matches) => make("Image|re", false, &|term| vec![term.to_owned()]),
        (Field::ImageFileName, Operator::Matches) => make("Image|re", true, &|term| vec![term.to_owned()]),
        (Field::ImageFileName, Operator::HasAny) => make("Image|re", true, &|term| vec![whole_term(term)]),
        (Field::ImageFileName, _) => make("Image", true, &|term| vec![literal(term)]),
        (Field::ProcessCommandLine, Operator::HasAny) => make("CommandLine|re", true, &|term| vec![whole_term(term)]),
        (Field::ProcessCommandLine, Operator::Matches) => make("CommandLine|re", true, &|term| vec![term.to_owned()]),
        (Field::ProcessCommandLine, _) => make("CommandLine", true, &|term| vec![literal(term)]),
        (Field::Program, Operator::InCi) => make("Image|endswith", false, &|term| names(&literal(term))),
        (Field::Program, _) => make("Image|endswith", false, &|term| names(term)),
        (Field::Code | Field::Argument | Field::Script | Field::Host | Field::Target, operator)
            if operator != Operator::Present =>
        {
            let text = |term: &str| match operator {
                Operator::Glob => vec![term.trim_matches('*').to_owned()],
                _ => vec![literal(term)],
            };
            make("CommandLine|contains", false, &text)
        }
        _ => None,
    }
}

/// At the end of a path of Linux and of Windows.
fn names(name: &str) -> Vec<String> {
    if name.to_ascii_lowercase().ends_with(".exe") {
        vec![format!("/{name}"), format!("\\\\{name}")]
    } else {
        vec![format!("/{name}")]
    }
}

/// The term as a text without wildcards.
fn literal(term: &str) -> String {
    let mut text = String::new();
    for letter in term.chars() {
        if matches!(letter, '*' | '?' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

/// `has`, as an expression.
fn whole_term(term: &str) -> String {
    let edge = |letter: Option<char>, anchor: &str| match letter {
        Some(letter) if letter.is_ascii_alphanumeric() => format!("({anchor}|[^0-9A-Za-z])"),
        _ => String::new(),
    };
    format!(
        "(?i){}{}{}",
        edge(term.chars().next(), "^"),
        regex::escape(term),
        edge(term.chars().last(), "$")
    )
}

/// `has` in the last component of a path.
fn in_name(term: &str) -> String {
    let inner = whole_term(term);
    let inner = inner.strip_prefix("(?i)").unwrap_or(&inner);
    let inner = inner
        .replace("(^|", "(^|[/\\\\]|")
        .replace("[^0-9A-Za-z]", "[^0-9A-Za-z/\\\\]");
    format!("(?i){inner}[^/\\\\]*$")
}

/// A title is at most 256 characters long and does not end in a period.
fn title(rule: &Rule) -> String {
    let title: String = rule.description.chars().take(200).collect();
    title.trim_end_matches('.').to_owned()
}

/// A UUID of the rule: the same for the same id.
fn identity(id: &str) -> String {
    let hash = Sha256::digest(format!("cert-recon rule {id}").as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // Version 4, the variant of the standard: nothing but this is read from a rule's id.
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

/// A scalar of YAML: JSON's strings are such.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{in_name, literal, sigma_rules, whole_term};
    use crate::rules::{BUILTIN_PACKS, Pack};

    #[test]
    fn every_rule_is_a_document_or_a_comment() {
        let packs: Vec<Pack> = BUILTIN_PACKS.iter().map(|pack| pack.parse().unwrap()).collect();
        let text = sigma_rules(&packs).unwrap();
        let rules: usize = packs.iter().map(|pack| pack.rules.len()).sum();
        let comments = text.lines().filter(|line| line.starts_with("# ")).count();
        assert_eq!(text.matches("---\n").count() + comments, rules);
        assert!(comments < 5, "{comments}");
    }

    #[test]
    fn a_term_is_an_expression_with_its_edges() {
        assert_eq!(whole_term("crt.sh"), r"(?i)(^|[^0-9A-Za-z])crt\.sh($|[^0-9A-Za-z])");
        assert_eq!(whole_term("-connect"), r"(?i)\-connect($|[^0-9A-Za-z])");
        let name = regex::Regex::new(&in_name("sslscan")).unwrap();
        for (path, expected) in [
            ("/usr/bin/sslscan", true),
            ("sslscan", true),
            ("/opt/sslscan-2/my_sslscan.sh", true),
            ("/opt/sslscan/run", false),
            ("/usr/bin/sslscanner", false),
            (r"C:\x\SSLSCAN.exe", true),
        ] {
            assert_eq!(name.is_match(path), expected, "{path}");
        }
        assert_eq!(literal(r"a*b?c\"), r"a\*b\?c\\");
    }
}
