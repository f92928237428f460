//! A finding on the page: what it is at a glance, and behind that everything that is known.
//!
//! Owns the order of things; what a field is called and means is the JSON's matter.

use std::{
    fmt::{self, Display},
    io::{self, Write},
};

use serde_json::Value;

use super::html::{self, Cut, Text};
use crate::{rules::Confidence, sink::json::Fields};

/// Items of a list that are shown.
const MOST_ITEMS: usize = 200;

/// What the tree of processes shows already.
const IN_TREE: &str = "Ancestry";

pub(super) fn write(out: &mut impl Write, number: u64, fields: &Fields) -> io::Result<()> {
    let text = |name| fields.text(name);
    // Of any other word there is no such class.
    let confidence = text("Confidence").and_then(|level| level.parse::<Confidence>().ok());
    let level = confidence.map_or("none", Confidence::as_str);
    write!(
        out,
        "<article id=\"f{number}\" class=\"{level}\"><header><p class=\"line\"><a href=\"#f{number}\">{number}</a> "
    )?;
    match (text("Timestamp"), text("TimestampNotAfter")) {
        (Some(time), _) => write!(out, "<time>{}</time>", Text(&html::short(time)))?,
        (None, Some(time)) => write!(out, "<time>not after {}</time>", Text(&html::short(time)))?,
        (None, None) => {}
    }
    write!(out, " <span class=\"mark\">{level}</span>")?;
    if let Some(category) = text("ToolCategory") {
        write!(out, " <b>{}</b>", Cut(category))?;
    }
    who(out, fields)?;
    write!(out, "</p>")?;
    if let Some(line) = text("ProcessCommandLine") {
        write!(out, "<pre>{}</pre>", Cut(line))?;
    }
    about(out, fields)?;
    writeln!(out, "</header><details><summary>Processes and fields</summary>")?;
    tree(out, fields)?;
    writeln!(out, "<dl class=\"fields\">")?;
    for (name, value) in fields.0.iter().filter(|(name, _)| name != IN_TREE) {
        write!(out, "<dt>{}</dt><dd>", Words(name))?;
        show(out, value)?;
        writeln!(out, "</dd>")?;
    }
    writeln!(out, "</dl></details></article>")
}

/// A name made of words, which may be broken between them.
struct Words<'a>(&'a str);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((end, _)) = rest
            .char_indices()
            .zip(rest.chars().skip(1))
            .find(|((_, before), c)| before.is_lowercase() && c.is_uppercase())
            .map(|((at, before), _)| (at + before.len_utf8(), before))
        {
            let (word, more) = rest.split_at(end);
            write!(f, "{}<wbr>", Text(word))?;
            rest = more;
        }
        Text(rest).fmt(f)
    }
}

/// Under which account and where.
fn who(out: &mut impl Write, fields: &Fields) -> io::Result<()> {
    let name = |name, number| {
        fields
            .text(name)
            .map(str::to_owned)
            .or_else(|| fields.get(number).map(|number| format!("uid {number}")))
    };
    let mut names: Vec<String> = Vec::new();
    for name in [
        name("LogonAccountName", "LogonUid"),
        name("AccountName", "AccountUid"),
        name("EffectiveAccountName", "EffectiveUid"),
    ]
    .into_iter()
    .flatten()
    {
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    write!(out, " <span class=\"who\">{}", Cut(&names.join(" as ")))?;
    if let Some(host) = fields.text("DeviceName") {
        write!(out, " on {}", Cut(host))?;
    }
    write!(out, "</span>")
}

/// Whom it asks about what, and what else changes how it is read.
fn about(out: &mut impl Write, fields: &Fields) -> io::Result<()> {
    let list = |name| {
        let items = fields.get(name).and_then(Value::as_array);
        let items: Vec<&str> = items.into_iter().flatten().filter_map(Value::as_str).collect();
        (!items.is_empty()).then(|| items.join(", "))
    };
    let mut parts = Vec::new();
    for (what, value) in [
        ("asks", list("Services")),
        ("about", list("Targets")),
        ("matched", list("MatchedTerms")),
        ("is a copy of", list("KnownAs")),
    ] {
        if let Some(value) = value {
            parts.push(format!("{what} <b>{}</b>", Cut(&value)));
        }
    }
    for (field, words) in [
        ("ArgumentsTruncated", "command line not complete"),
        ("Fileless", "executable has no name on disk"),
    ] {
        if fields.get(field) == Some(&Value::Bool(true)) {
            parts.push(words.to_owned());
        }
    }
    if let Some(Value::Number(count)) = fields.get("FoldedCount") {
        parts.push(format!("stands for {count} like it"));
    }
    if let Some(suppressed) = fields.get("Suppressed") {
        let text = |name| suppressed.get(name).and_then(Value::as_str).unwrap_or_default();
        parts.push(format!("suppressed by {}: {}", Cut(text("Name")), Cut(text("Reason"))));
    }
    match parts.is_empty() {
        true => Ok(()),
        false => write!(out, "<p class=\"quiet\">{}</p>", parts.join(" · ")),
    }
}

/// One process of the tree.
struct Node<'a> {
    id: Option<&'a Value>,
    name: Option<&'a str>,
    path: Option<&'a str>,
    line: Option<&'a str>,
    is_cut: bool,
}

/// The processes above it, the first one outermost, and the process itself.
fn tree(out: &mut impl Write, fields: &Fields) -> io::Result<()> {
    let ancestry = fields.get(IN_TREE).and_then(Value::as_array).map(Vec::as_slice);
    let mut nodes: Vec<Node<'_>> = ancestry.unwrap_or_default().iter().map(ancestor).collect();
    if nodes.is_empty() {
        nodes.extend(parent(fields));
    }
    nodes.reverse();
    let depth = nodes.len() + 1;
    write!(out, "<div class=\"tree\">")?;
    for node in &nodes {
        write!(out, "<ol><li>")?;
        process(out, node)?;
    }
    write!(out, "<ol><li class=\"self\">")?;
    process(
        out,
        &Node {
            id: fields.get("ProcessId"),
            name: fields.text("FileName"),
            path: fields.text("FolderPath"),
            line: fields.text("ProcessCommandLine"),
            is_cut: fields.get("ArgumentsTruncated") == Some(&Value::Bool(true)),
        },
    )?;
    if let Some(previous) = fields.text("PreviousCommandLine").or(fields.text("PreviousFileName")) {
        write!(
            out,
            "<br><span class=\"quiet\">ran before: <code>{}</code></span>",
            Cut(previous)
        )?;
    }
    for _ in 0..depth {
        write!(out, "</li></ol>")?;
    }
    writeln!(out, "</div>")
}

fn ancestor(process: &Value) -> Node<'_> {
    let text = |name| process.get(name).and_then(Value::as_str);
    Node {
        id: process.get("ProcessId"),
        name: text("FileName"),
        path: text("FolderPath"),
        line: text("CommandLine"),
        is_cut: process.get("CommandLineTruncated").is_some(),
    }
}

/// What some records say of the parent alone.
fn parent(fields: &Fields) -> Option<Node<'_>> {
    let node = Node {
        id: fields.get("InitiatingProcessId"),
        name: fields.text("InitiatingProcessFileName"),
        path: fields.text("InitiatingProcessFolderPath"),
        line: fields.text("InitiatingProcessCommandLine"),
        is_cut: fields.get("InitiatingProcessCommandLineTruncated").is_some(),
    };
    (node.id.is_some() || node.name.is_some() || node.path.is_some() || node.line.is_some()).then_some(node)
}

fn process(out: &mut impl Write, node: &Node<'_>) -> io::Result<()> {
    if let Some(Value::Number(id)) = node.id {
        write!(out, "<span class=\"pid\">{id}</span> ")?;
    }
    match node.name {
        Some(name) => write!(out, "<b>{}</b>", Cut(name))?,
        None => write!(out, "<span class=\"quiet\">program not known</span>")?,
    }
    if let Some(path) = node.path {
        write!(out, " <span class=\"quiet\">{}</span>", Cut(path))?;
    }
    if let Some(line) = node.line {
        write!(out, "<br><code>{}</code>", Cut(line))?;
    }
    if node.is_cut {
        write!(out, " <span class=\"quiet\">(not complete)</span>")?;
    }
    Ok(())
}

/// A value, whatever it is.
fn show(out: &mut impl Write, value: &Value) -> io::Result<()> {
    match value {
        Value::String(text) => write!(out, "<code>{}</code>", Cut(text)),
        Value::Array(items) => {
            for item in items.iter().take(MOST_ITEMS) {
                match item {
                    // Empty ones, and where each ends, must be seen.
                    Value::String(text) => write!(out, "<code class=\"item\">{}</code> ", Cut(text))?,
                    item => show(out, item)?,
                }
            }
            match items.len().saturating_sub(MOST_ITEMS) {
                0 => Ok(()),
                more => write!(out, "<i class=\"cut\">… {more} more, which the JSON has</i>"),
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                write!(out, "{}: ", Text(name))?;
                show(out, value)?;
                write!(out, " ")?;
            }
            Ok(())
        }
        Value::Null => Ok(()),
        value => write!(out, "<code>{value}</code>"),
    }
}
