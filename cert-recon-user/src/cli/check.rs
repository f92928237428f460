//! `cert-recon check`.

use std::{ffi::OsString, fmt::Write as _, os::unix::ffi::OsStrExt as _, path::PathBuf, time::SystemTime};

use super::{Format, Status, rule_args::RuleArgs};
use crate::{
    acts::{Act, Manner, Word},
    event::{Argv, Exec, FilePath},
    finding::Report,
    host, pipeline,
    rules::{Engine, Explanation, Occurrence, Place, PredicateTrace, RuleTrace, Subject},
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
    /// The command line, after `--`. One argument with spaces is split as a record's text is: as a shell would, or, for a
    /// program of Windows, as Windows would.
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
    let line = match &args.argv[..] {
        [line] => Some(line.as_bytes()).filter(|line| line.contains(&b' ')),
        _ => None,
    };
    let mut exec = Exec::new(SystemTime::now(), Argv::whole(&bytes));
    let exe = args.exe.as_ref().map(|exe| exe.as_os_str().as_bytes());
    let first = match line {
        Some(line) => Some(first_word(line)),
        None => args.argv.first().map(|arg| arg.as_bytes()),
    };
    let path = exe.or(first).map(of_windows);
    exec.path = path;
    exec.executable = path.filter(|path| path.contains(&b'/')).map(FilePath::Plain);
    let (found, text) = pipeline::with_subject(&engine, &exec, &[], |subject| {
        let subject = Subject {
            command_line: line.unwrap_or(subject.command_line),
            image: subject.image.or(exe),
            ..*subject
        };
        let explanation = engine.explain(&subject);
        let found = explanation.verdict.is_some();
        let text = match args.format {
            Format::Json if found => json::report(&Report::new(&exec, explanation.verdict.clone()), &host::name()),
            Format::Json => Vec::new(),
            Format::Text => explain(&engine, &explanation, &subject).into_bytes(),
        };
        (found, text)
    });
    super::print(&text)?;
    Ok(if found { Status::Findings } else { Status::Clean })
}

/// The program of a command line that is one text.
fn first_word(line: &[u8]) -> &[u8] {
    let (line, end) = match line.strip_prefix(b"\"") {
        Some(quoted) => (quoted, b'"'),
        None => (line, b' '),
    };
    line.split(|byte| *byte == end).next().unwrap_or_default()
}

/// A path of Windows is taken for its base name, which is all that rules look at.
fn of_windows(path: &[u8]) -> &[u8] {
    if path.len() > 4 && path[path.len() - 4..].eq_ignore_ascii_case(b".exe") {
        path.rsplit(|byte| *byte == b'\\').next().unwrap_or_default()
    } else {
        path
    }
}

/// What matched and why, or what was tried and did not.
fn explain(engine: &Engine, explanation: &Explanation, subject: &Subject<'_>) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    match &explanation.verdict {
        Some(v) => {
            let _ = writeln!(
                out,
                "finding: {} ({} confidence, {} severity, {})",
                v.category, v.confidence, v.severity, v.technique
            );
            if let Some(label) = &v.technique_label {
                let _ = writeln!(out, "technique label: {label}");
            }
            let _ = writeln!(out, "matched terms: {}", v.matched_terms.join(", "));
            for (what, values) in [("services", &v.services), ("targets", &v.targets)] {
                if !values.is_empty() {
                    let _ = writeln!(out, "{what}: {}", for_terminal(values.join(", ").as_bytes()));
                }
            }
        }
        None => out.push_str("no finding\n"),
    }
    if let Some(limit) = explanation.cut_short {
        let _ = writeln!(out, "cut short: {limit}; what lies behind was not looked at");
    }
    for (index, name) in subject.file_names.iter().enumerate() {
        let _ = writeln!(out, "FileName {}: {}", index + 1, for_terminal(name));
    }
    acts(&mut out, engine, explanation);
    out.push_str("rules:\n");
    for rule in &explanation.rules {
        self::rule(&mut out, rule, subject);
    }
    if explanation.verdict.is_some() {
        for case in explanation.cases.iter().filter(|case| case.chosen) {
            let _ = writeln!(out, "category {} by the order of pack {}", case.category, case.pack);
        }
    }
    out
}

/// The commands that really run.
fn acts(out: &mut String, engine: &Engine, explanation: &Explanation) {
    let Some(acts) = &explanation.acts else {
        if engine.looks_at_acts() {
            out.push_str("commands: not taken apart, no rule asks what a program of this name does\n");
        }
        return;
    };
    out.push_str("commands that run:\n");
    for (number, act) in acts.iter().enumerate() {
        let _ = writeln!(out, "  {}", command(number, act));
        let requests = &act.requests;
        let manner = match requests.manner {
            Manner::Works => None,
            Manner::Help => Some("asks for help or its version only"),
            Manner::Local => Some("works on local files only"),
        };
        if let Some(line) = manner {
            let _ = writeln!(out, "      {line}");
        }
        for (what, values) in [
            ("asks", &requests.hosts),
            ("asks about", &requests.targets),
            ("runs the scripts", &requests.scripts),
        ] {
            if !values.is_empty() {
                let values: Vec<_> = values.iter().map(|value| shown(value.as_bytes())).collect();
                let _ = writeln!(out, "      {what} {}", values.join(", "));
            }
        }
        if let Some(code) = &requests.code {
            let _ = writeln!(out, "      runs the code {}", shown(code));
        }
    }
}

fn command(number: usize, act: &Act<'_>) -> String {
    let mut text = format!("{}: ", number + 1);
    let command = &act.command;
    match command.programs.split_first() {
        None => text.push_str("a program that is not known"),
        Some((name, others)) => {
            text.push_str(&shown(name.as_bytes()));
            if !others.is_empty() {
                let _ = write!(text, " ({})", shown(others.join(", ").as_bytes()));
            }
        }
    }
    for arg in &command.args {
        let _ = write!(text, " {}", shown(arg.bytes()));
    }
    if !command.via.is_empty() {
        let via: Vec<_> = command
            .via
            .iter()
            .map(|via| format!("{via:?}").to_lowercase())
            .collect();
        let _ = write!(text, "   [by {}]", via.join(", "));
    }
    text
}

/// For people: a part that is not known is `?`.
fn shown(bytes: &[u8]) -> String {
    let known: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == Word::UNKNOWN { b'?' } else { *byte })
        .collect();
    for_terminal(&known).into_owned()
}

fn rule(out: &mut String, rule: &RuleTrace, subject: &Subject<'_>) {
    let mark = if rule.matched { "yes" } else { "no " };
    let _ = write!(out, "  {mark} {} ({}): {}", rule.id, rule.pack, rule.description);
    if let Some(act) = rule.act {
        let _ = write!(out, " [command {}]", act + 1);
    }
    out.push('\n');
    for condition in &rule.conditions {
        let _ = writeln!(out, "      {}", predicate(condition, "", subject));
    }
    for exception in &rule.exceptions {
        let _ = writeln!(out, "      {}", predicate(exception, "unless ", subject));
    }
}

fn predicate(trace: &PredicateTrace, unless: &str, subject: &Subject<'_>) -> String {
    let mark = if trace.held { "yes" } else { "no " };
    let terms = match &trace.list {
        Some(list) => format!("@{list} ({} terms)", trace.terms.len()),
        None => trace.terms.join(", "),
    };
    let mut text = format!("{mark} {unless}{} {} {terms}", trace.field, trace.operator);
    text.truncate(text.trim_end().len());
    for found in &trace.occurrences {
        let _ = write!(text, "; {}", occurrence(found, subject));
    }
    text
}

fn occurrence(found: &Occurrence, subject: &Subject<'_>) -> String {
    let bytes = format!("at bytes {}..{}", found.start, found.end);
    let place = match found.place {
        Place::FileName(index) => format!("{bytes} of the FileName {}", index + 1),
        Place::CommandLine => format!("{bytes} of the command line"),
        Place::Image => format!("{bytes} of the executable's path"),
        Place::KnownAs(index) => format!("{bytes} of the name {} that it is known by", index + 1),
        Place::Capture => return "it is so".to_owned(),
        Place::Act(_) => {
            let value = found.value.as_deref().unwrap_or_default();
            let mut place = format!("in `{}`", shown(value));
            if let Some(at) = find(subject.command_line, value) {
                let _ = write!(place, " at bytes {at}..{} of the command line", at + value.len());
            }
            place
        }
    };
    let why = if found.counts { "" } else { ", not as a whole term" };
    if found.term.is_empty() {
        return format!("{place}{why}");
    }
    format!("`{}` {place}{why}", found.term)
}

/// Where a value stands as it is, but for the case of letters.
fn find(line: &[u8], value: &[u8]) -> Option<usize> {
    if value.is_empty() {
        return None;
    }
    line.windows(value.len())
        .position(|window| window.eq_ignore_ascii_case(value))
}
