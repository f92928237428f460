//! The `[[suppress]]` entries of a configuration.

use std::collections::BTreeSet;

use super::{ConfigError, ConfigProblem, Table, Value, expiry};
use crate::{
    document::{Problem, is_name},
    suppress::{Condition, Pattern, PatternError, Suppression, TargetPattern},
};

/// Entries at most, and patterns of one condition: each may be tried for each finding.
pub const MOST_SUPPRESSIONS: usize = 1000;

pub(super) const KEYS: &[&str] = &[
    "name",
    "reason",
    "owner",
    "expires",
    "account",
    "logon_account",
    "program",
    "parent",
    "ancestor",
    "unit",
    "container",
    "category",
    "rule",
    "target",
    "command_line",
];

pub(super) fn read(top: &Table<'_>) -> Result<Vec<Suppression>, ConfigError> {
    let mut suppressions = Vec::new();
    let mut names = BTreeSet::new();
    for (index, value) in top.items("suppress")?.iter().enumerate() {
        if index == MOST_SUPPRESSIONS {
            return Err(value.error(ConfigProblem::TooMany {
                what: "[[suppress]] entries",
                most: MOST_SUPPRESSIONS,
            }));
        }
        let suppression = read_one(&value.table("a [[suppress]]", KEYS)?, index)?;
        if !names.insert(suppression.name.clone()) {
            let name = suppression.name;
            return Err(value.error(ConfigProblem::DuplicateName { name }));
        }
        suppressions.push(suppression);
    }
    Ok(suppressions)
}

fn read_one(table: &Table<'_>, index: usize) -> Result<Suppression, ConfigError> {
    let name = match table.optional("name") {
        Some(value) => {
            let name = value.string()?;
            if !is_name(name) {
                return Err(value.error(Problem::BadName {
                    what: "the name of a suppression",
                    name: name.to_owned(),
                }));
            }
            name.to_owned()
        }
        None => format!("#{}", index + 1),
    };
    let reason = table.text("reason")?.trim().to_owned();
    let owner = match table.optional("owner") {
        Some(_) => Some(table.text("owner")?.trim().to_owned()),
        None => None,
    };
    let expires = match table.optional("expires") {
        Some(value) => Some(expiry::end(value.datetime()?).map_err(|problem| value.error(problem))?),
        None => None,
    };
    let mut conditions = Vec::new();
    let mut targets = None;
    for condition in Condition::ALL {
        let Some(value) = table.optional(condition.as_str()) else {
            continue;
        };
        if condition == Condition::Target {
            targets = Some(read_patterns(&value, condition, TargetPattern::new)?);
        } else {
            let pattern = |text: &str| Pattern::new(text, condition.letters());
            conditions.push((condition, read_patterns(&value, condition, pattern)?));
        }
    }
    if conditions.is_empty() && targets.is_none() {
        return Err(table.error(ConfigProblem::NoCondition));
    }
    Ok(Suppression {
        name,
        reason,
        owner,
        expires,
        conditions,
        targets,
    })
}

/// A string, or an array of strings.
fn read_patterns<T>(
    value: &Value<'_>,
    condition: Condition,
    parse: impl Fn(&str) -> Result<T, PatternError>,
) -> Result<Vec<T>, ConfigError> {
    let read = |value: &Value<'_>| {
        let text = value.string()?;
        parse(text).map_err(|error| {
            value.error(ConfigProblem::BadPattern {
                condition,
                text: text.to_owned(),
                error,
            })
        })
    };
    if !value.is_array() {
        return read(value).map(|pattern| vec![pattern]);
    }
    let items = value.items()?;
    if items.is_empty() {
        return Err(value.error(ConfigProblem::NoPattern { condition }));
    }
    if items.len() > MOST_SUPPRESSIONS {
        return Err(value.error(ConfigProblem::TooMany {
            what: "patterns in one condition",
            most: MOST_SUPPRESSIONS,
        }));
    }
    items.iter().map(read).collect()
}
