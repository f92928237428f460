//! The checked-in JSON Schema of records.

use std::{collections::HashMap, sync::LazyLock};

use jsonschema::{Validator, draft202012};
use serde_json::{Value, json};

/// The schema itself.
pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../docs/events.schema.json")).expect("the schema is JSON")
});

/// The whole schema.
static WHOLE: LazyLock<Validator> = LazyLock::new(|| compiled(&SCHEMA));

/// One for each kind of record: that of the whole says only that no kind fits.
static KINDS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let kinds = SCHEMA["oneOf"].as_array().expect("a list of kinds");
    kinds
        .iter()
        .map(|kind| {
            let path = kind["$ref"].as_str().expect("a kind is a reference");
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            (name, compiled(&json!({ "$ref": path, "$defs": SCHEMA["$defs"] })))
        })
        .collect()
});

fn compiled(schema: &Value) -> Validator {
    draft202012::new(schema).unwrap_or_else(|error| panic!("docs/events.schema.json: {error}"))
}

/// What the schema says against this record; empty when it is as it should be.
pub(crate) fn complaints(record: &Value) -> Vec<String> {
    let kind = record["ActionType"].as_str().unwrap_or_default();
    let Some(validator) = KINDS.get(kind) else {
        return vec![format!("ActionType {kind:?} is none of the schema's")];
    };
    let mut complaints: Vec<String> = validator
        .iter_errors(record)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if complaints.is_empty() && !WHOLE.is_valid(record) {
        complaints.push(format!("valid as a {kind}, but not as a record"));
    }
    complaints
}

/// Asserts that a record is one by `docs/events.schema.json`.
#[track_caller]
pub(crate) fn assert_valid(record: &Value) {
    let complaints = complaints(record);
    assert!(
        complaints.is_empty(),
        "not valid by docs/events.schema.json:\n{}\n{record:#}",
        complaints.join("\n")
    );
}
