//! The `kql` pack says what the Sentinel query says: compares `rules/kql.toml` with the query's own text, read by a small
//! parser for the part of KQL that it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::vec::IntoIter;

use cert_recon::rules::{BUILTIN_PACKS, Field, Operator, Pack, Predicate, Terms};

const QUERY: &str = include_str!("data/kql-query.kql");

/// Field, operator, terms.
type Condition = (String, String, Vec<String>);
/// An OR of ANDs.
type Clauses = Vec<Vec<Condition>>;

fn kql() -> Pack {
    BUILTIN_PACKS
        .iter()
        .find(|builtin| builtin.name == "kql")
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn the_named_lists_are_those_of_the_query_in_order_and_spelling() {
    let lists = query_lists();
    let pack = kql();
    assert_eq!(lists.len(), 2);
    assert_eq!(pack.lists["ct_services"], lists["CertTransparencyServices"]);
    assert_eq!(pack.lists["enum_tools"], lists["CertEnumToolNames"]);
    assert_eq!(
        (pack.lists["ct_services"].len(), pack.lists["enum_tools"].len()),
        (14, 9)
    );
}

#[test]
fn the_rules_are_the_where_clauses_of_the_query() {
    let mut expected = where_clauses();
    assert_eq!(
        expected.len(),
        7,
        "two tool clauses, curl, PowerShell, Python, openssl, certutil"
    );

    // The pack splits the openssl clause by its arguments: rules that differ only in the terms of their last condition
    // are put together again, which an OR allows.
    let mut actual: Clauses = Vec::new();
    for rule in &kql().rules {
        let conditions = conditions(&kql(), &rule.all);
        let (last, first) = conditions.split_last().unwrap();
        let same = actual.iter_mut().find(|known| {
            let (known_last, known_first) = known.split_last().unwrap();
            !first.is_empty() && known_first == first && (&known_last.0, &known_last.1) == (&last.0, &last.1)
        });
        match same {
            Some(known) => known.last_mut().unwrap().2.extend(last.2.clone()),
            None => actual.push(conditions),
        }
    }

    for clause in expected.iter_mut().chain(&mut actual) {
        for (_, _, terms) in clause {
            let distinct: BTreeSet<_> = terms.iter().cloned().collect();
            assert_eq!(distinct.len(), terms.len(), "no term twice in {terms:?}");
            terms.sort();
        }
    }
    assert_eq!(actual, expected);
}

#[test]
fn the_case_table_is_the_case_function_of_the_query() {
    let pack = kql();
    let actual: Vec<(Vec<Condition>, String)> = pack
        .cases
        .iter()
        .map(|case| (conditions(&pack, &case.all), case.category.clone()))
        .collect();
    assert_eq!(actual, case_rows());
    let categories: Vec<&str> = pack.cases.iter().map(|case| case.category.as_str()).collect();
    assert_eq!(
        categories,
        [
            "CertEnumTool",
            "CertEnumTool",
            "CTLogQuery",
            "OpenSSLProbe",
            "CertutilEnum",
            "Other"
        ],
        "the first arm of the query is an OR and takes two rows"
    );
}

/// `Other` cannot occur: in the query's own text, every clause that makes a finding contains all conditions of some arm
/// of `case` before `Other`, so where the clause holds, so does that arm. (An arm with the same list or with more
/// terms would do as well; here the lists are the same.)
#[test]
fn no_finding_of_the_query_can_have_the_category_other() {
    let rows = case_rows();
    assert_eq!(rows.last().unwrap(), &(Vec::new(), "Other".to_owned()));
    for clause in where_clauses() {
        let implied = rows
            .iter()
            .find(|(all, _)| all.iter().all(|condition| clause.contains(condition)));
        assert_ne!(implied.unwrap().1, "Other", "{clause:?}");
    }
}

/// The pack's conditions in the query's words.
fn conditions(pack: &Pack, all: &[Predicate]) -> Vec<Condition> {
    all.iter()
        .map(|predicate| {
            let field = match predicate.field {
                Field::FileName => "FileName",
                Field::ProcessCommandLine => "ProcessCommandLine",
                other => panic!("the query has no {other}"),
            };
            let operator = match predicate.operator {
                Operator::HasAny => "has_any",
                Operator::InCi => "in~",
                other => panic!("the query has no {other}"),
            };
            let terms = match &predicate.terms {
                Terms::List(list) => pack.lists[list].clone(),
                Terms::Lists(lists) => lists.iter().flat_map(|list| pack.lists[list].clone()).collect(),
                Terms::Inline(terms) => terms.clone(),
            };
            (field.to_owned(), operator.to_owned(), terms)
        })
        .collect()
}

// What follows reads the query.

fn query_lists() -> BTreeMap<String, Vec<String>> {
    let mut lists = BTreeMap::new();
    for statement in QUERY.split("let ").skip(1) {
        let (name, rest) = statement.split_once(" = dynamic(").unwrap();
        let (list, _) = rest.split_once(");").unwrap();
        let mut tokens = tokens(list);
        expect(&mut tokens, "[");
        lists.insert(name.to_owned(), strings_until(&mut tokens, "]"));
    }
    lists
}

fn where_clauses() -> Clauses {
    let (_, rest) = QUERY.split_once("| where (\n").unwrap();
    let (text, _) = rest.split_once("\n)\n").unwrap();
    let mut tokens = tokens(text);
    let clauses = or(&mut tokens);
    assert_eq!(tokens.next(), None, "all of it was read");
    clauses
}

/// The arms of `case`, one row for each alternative of an arm, and the default as a row without conditions.
fn case_rows() -> Vec<(Vec<Condition>, String)> {
    let (_, rest) = QUERY.split_once("| extend ToolCategory = case(").unwrap();
    let (text, _) = rest.split_once("\n)\n").unwrap();
    let mut tokens = tokens(text);
    let mut rows = Vec::new();
    while !tokens.peek().unwrap().starts_with('"') {
        let alternatives = or(&mut tokens);
        expect(&mut tokens, ",");
        let category = string(&tokens.next().unwrap());
        expect(&mut tokens, ",");
        rows.extend(alternatives.into_iter().map(|all| (all, category.clone())));
    }
    rows.push((Vec::new(), string(&tokens.next().unwrap())));
    assert_eq!(tokens.next(), None, "all of it was read");
    rows
}

type Tokens = Peekable<IntoIter<String>>;

/// Words (with a trailing `~`), strings (with their quotes) and single other characters; comments are left out.
fn tokens(text: &str) -> Tokens {
    let mut tokens: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with("//") {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let length = if let Some(inside) = rest.strip_prefix('"') {
                inside.find('"').unwrap() + 2
            } else if rest.starts_with("=~") {
                2
            } else if rest.starts_with(is_word) {
                let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                word + usize::from(rest[word..].starts_with('~'))
            } else {
                1
            };
            let (token, behind) = rest.split_at(length);
            tokens.push(token.to_owned());
            rest = behind.trim_start();
        }
    }
    tokens.into_iter().peekable()
}

fn expect(tokens: &mut Tokens, token: &str) {
    assert_eq!(tokens.next().as_deref(), Some(token));
}

fn string(token: &str) -> String {
    token
        .strip_prefix('"')
        .and_then(|token| token.strip_suffix('"'))
        .unwrap()
        .to_owned()
}

fn strings_until(tokens: &mut Tokens, end: &str) -> Vec<String> {
    let mut strings = Vec::new();
    loop {
        strings.push(string(&tokens.next().unwrap()));
        let next = tokens.next().unwrap();
        if next == end {
            return strings;
        }
        assert_eq!(next, ",");
    }
}

fn or(tokens: &mut Tokens) -> Clauses {
    let mut clauses = and(tokens);
    while tokens.next_if(|token| token == "or").is_some() {
        clauses.extend(and(tokens));
    }
    clauses
}

fn and(tokens: &mut Tokens) -> Clauses {
    let mut clauses = operand(tokens);
    while tokens.next_if(|token| token == "and").is_some() {
        let right = operand(tokens);
        clauses = clauses
            .iter()
            .flat_map(|left| right.iter().map(|right| [&left[..], right].concat()))
            .collect();
    }
    clauses
}

fn operand(tokens: &mut Tokens) -> Clauses {
    if tokens.next_if(|token| token == "(").is_some() {
        let clauses = or(tokens);
        expect(tokens, ")");
        return clauses;
    }
    let field = tokens.next().unwrap();
    let operator = tokens.next().unwrap();
    if operator == "=~" {
        // One value of `in~`.
        let value = string(&tokens.next().unwrap());
        return vec![vec![(field, "in~".to_owned(), vec![value])]];
    }
    assert!(["has_any", "in~"].contains(&operator.as_str()), "{operator}");
    expect(tokens, "(");
    let terms = if tokens.peek().unwrap().starts_with('"') {
        strings_until(tokens, ")")
    } else {
        let list = tokens.next().unwrap();
        expect(tokens, ")");
        query_lists()[&list].clone()
    };
    vec![vec![(field, operator, terms)]]
}
