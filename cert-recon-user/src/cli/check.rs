//! `cert-recon check`.

use std::{ffi::OsString, fmt::Write as _, os::unix::ffi::OsStrExt as _, path::PathBuf, time::SystemTime};

use super::{Format, RuleArgs, Status};
use crate::{
    event::{Argv, Exec},
    finding::Report,
    host,
    rules::{Explanation, Place, PredicateTrace, Subject},
    sink::json,
    text::for_terminal,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Form of the result.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    rules: RuleArgs,
    /// The path given to exec, when it is not the first argument.
    #[arg(long, value_name = "PATH")]
    exe: Option<PathBuf>,
    /// The command line, after `--`.
    #[arg(last = true, required = true, value_name = "ARGV")]
    argv: Vec<OsString>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Status> {
    let engine = args.rules.engine()?;
    let mut bytes = Vec::new();
    for arg in &args.argv {
        bytes.extend_from_slice(arg.as_bytes());
        bytes.push(0);
    }
    let mut exec = Exec::new(SystemTime::now(), Argv::whole(&bytes));
    exec.path = match &args.exe {
        Some(exe) => Some(exe.as_os_str().as_bytes()),
        None => args.argv.first().map(|arg| arg.as_bytes()),
    };
    let mut names: [&[u8]; 3] = [b""; 3];
    let count = exec.file_names(&mut names);
    let subject = Subject {
        file_names: names.get(..count).unwrap_or_default(),
        command_line: exec.argv.line(),
    };
    let explanation = engine.explain(&subject);
    let found = explanation.verdict.is_some();
    let text = match args.format {
        Format::Json if found => json::report(&Report::new(&exec, explanation.verdict.clone()), &host::name()),
        Format::Json => Vec::new(),
        Format::Text => explain(&explanation, &subject).into_bytes(),
    };
    super::print(&text)?;
    Ok(if found { Status::Findings } else { Status::Clean })
}

/// What matched and why, or what was tried and did not.
fn explain(explanation: &Explanation, subject: &Subject<'_>) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    match &explanation.verdict {
        Some(v) => {
            let _ = writeln!(
                out,
                "finding: {} ({} confidence, {} severity, {})",
                v.category, v.confidence, v.severity, v.technique
            );
            let _ = writeln!(out, "matched terms: {}", v.matched_terms.join(", "));
        }
        None => out.push_str("no finding\n"),
    }
    for (index, name) in subject.file_names.iter().enumerate() {
        let _ = writeln!(out, "FileName {}: {}", index + 1, for_terminal(name));
    }
    out.push_str("rules:\n");
    for rule in &explanation.rules {
        let mark = if rule.matched { "yes" } else { "no " };
        let _ = writeln!(out, "  {mark} {} ({}): {}", rule.id, rule.pack, rule.description);
        for condition in &rule.conditions {
            let _ = writeln!(out, "      {}", predicate(condition));
        }
    }
    if explanation.verdict.is_some() {
        for case in explanation.cases.iter().filter(|case| case.chosen) {
            let _ = writeln!(out, "category {} by the order of pack {}", case.category, case.pack);
        }
    }
    out
}

fn predicate(trace: &PredicateTrace) -> String {
    let mark = if trace.held { "yes" } else { "no " };
    let terms = match &trace.list {
        Some(list) => format!("@{list} ({} terms)", trace.terms.len()),
        None => trace.terms.join(", "),
    };
    let mut text = format!("{mark} {} {} {terms}", trace.field, trace.operator);
    for found in &trace.occurrences {
        let place = match found.place {
            Place::FileName(index) => format!("FileName {}", index + 1),
            Place::CommandLine => "command line".to_owned(),
        };
        let why = if found.counts { "" } else { ", not as a whole term" };
        let _ = write!(
            text,
            "; `{}` at bytes {}..{} of the {place}{why}",
            found.term, found.start, found.end
        );
    }
    text
}
