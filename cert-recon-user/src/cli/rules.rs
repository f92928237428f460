//! `cert-recon rules`.

use std::{fmt::Write as _, io};

use clap::{Subcommand, ValueEnum};
use flate2::read::DeflateDecoder;
use serde_json::json;

use super::{
    Format, Status,
    rule_args::{Loaded, RuleArgs},
};
use crate::{
    rules::{Confidence, Engine, Pack, Subject, check_samples, kql_query, sigma_rules, toml_packs},
    text::for_terminal,
};

/// Execs of everyday work, none of which may be a finding of medium or high confidence. Packed by `build.rs`.
static EVERYDAY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/everyday.deflate"));

/// So many of a hundred everyday execs may be.
const MOST_PERCENT: f64 = 1.0;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what is loaded: packs, rules, lists, and where each is from.
    List {
        /// Form of the result.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Run every rule's samples, and everyday commands that should not be findings.
    Test {
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Write the rules for another system.
    Export {
        /// For which.
        #[arg(long, value_enum)]
        format: Form,
        #[command(flatten)]
        rules: RuleArgs,
    },
}

/// A form of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// One Sigma rule for each rule, as YAML documents.
    Sigma,
    /// The Microsoft Sentinel query with what extends its lists.
    Kql,
    /// Rule files, one after the other, with what extends their lists.
    Toml,
}

pub(super) fn run(command: &Command) -> anyhow::Result<Status> {
    match command {
        Command::List { format, rules } => list(*format, &rules.packs(&rules.config()?)?),
        Command::Test { rules } => test(&rules.packs(&rules.config()?)?),
        Command::Export { format, rules } => export(*format, &rules.packs(&rules.config()?)?),
    }
}

fn packs(loaded: &[Loaded]) -> Vec<Pack> {
    loaded.iter().map(|loaded| loaded.pack.clone()).collect()
}

fn list(format: Format, loaded: &[Loaded]) -> anyhow::Result<Status> {
    // What can't work together is no set of rules.
    Engine::new(&packs(loaded))?;
    let mut out = String::new();
    for Loaded { pack, origin } in loaded {
        match format {
            Format::Json => {
                let rules: Vec<_> = pack
                    .rules
                    .iter()
                    .map(|rule| {
                        json!({
                            "id": rule.id,
                            "category": rule.category,
                            "severity": rule.severity,
                            "confidence": rule.confidence,
                            "technique": rule.technique,
                            "description": rule.description,
                        })
                    })
                    .collect();
                let row = json!({
                    "pack": pack.name,
                    "version": pack.version,
                    "description": pack.description,
                    "from": origin,
                    "judges": pack.judges,
                    "rules": rules,
                    "lists": pack.lists,
                    "extend": pack.extend,
                });
                let _ = writeln!(out, "{row}");
            }
            Format::Text => {
                let _ = writeln!(
                    out,
                    "pack {} version {} ({}): {}",
                    pack.name,
                    pack.version,
                    for_terminal(origin.as_bytes()),
                    for_terminal(pack.description.as_bytes())
                );
                if !pack.judges.is_empty() {
                    let _ = writeln!(out, "  judges {}", pack.judges.join(", "));
                }
                for rule in &pack.rules {
                    let description = for_terminal(rule.description.as_bytes());
                    let confidence = rule.confidence.as_str();
                    let _ = writeln!(out, "  rule {:<32} {confidence:<6}  {description}", rule.id);
                }
                for (list, terms) in &pack.lists {
                    let _ = writeln!(out, "  list {list:<32} {} terms", terms.len());
                }
                for (other, lists) in &pack.extend {
                    for (list, terms) in lists {
                        let _ = writeln!(out, "  adds {} terms to the list {list} of pack {other}", terms.len());
                    }
                }
            }
        }
    }
    super::print(out.as_bytes())?;
    Ok(Status::Clean)
}

fn test(loaded: &[Loaded]) -> anyhow::Result<Status> {
    let packs = packs(loaded);
    let engine = Engine::new(&packs)?;
    let failures = check_samples(&engine, &packs);
    let mut out = String::new();
    for failure in &failures {
        let _ = writeln!(out, "FAIL {}", for_terminal(failure.to_string().as_bytes()));
    }
    let rules = packs.iter().flat_map(|pack| &pack.rules);
    let (count, samples) = rules.fold((0, 0), |(count, samples), rule| {
        (count + 1, samples + rule.matches.len() + rule.no_matches.len())
    });
    let _ = writeln!(out, "{count} rules, {samples} samples, {} failures", failures.len());

    let mut total: u32 = 0;
    let mut found: u32 = 0;
    let mut scratch = engine.scratch();
    let table = io::read_to_string(DeflateDecoder::new(EVERYDAY))?;
    for (names, argv) in table.lines().filter_map(everyday) {
        total += 1;
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let verdict = engine.judge(&Subject::new(&names, &argv), &mut scratch);
        if let Some(verdict) = verdict.filter(|verdict| verdict.confidence >= Confidence::Medium) {
            found += 1;
            let line = argv.split(|byte| *byte == 0).collect::<Vec<_>>().join(&b' ');
            let _ = writeln!(
                out,
                "everyday {} by {}: {}",
                verdict.confidence,
                verdict.rule_ids.join(", "),
                for_terminal(&line)
            );
        }
    }
    let percent = if total == 0 {
        0.0
    } else {
        f64::from(found) * 100.0 / f64::from(total)
    };
    // Pack kql alone is what its query is: it has no claim to be quiet.
    let judged = packs.iter().any(|pack| !pack.judges.is_empty());
    let too_many = judged && percent > MOST_PERCENT;
    let _ = writeln!(
        out,
        "{total} everyday execs, {found} findings at medium confidence and above ({percent:.1} %, limit {MOST_PERCENT:.1} %{})",
        if judged {
            ""
        } else {
            ", not held to it without a pack that judges"
        }
    );
    super::print(out.as_bytes())?;
    Ok(if failures.is_empty() && !too_many {
        Status::Clean
    } else {
        Status::Usage
    })
}

/// Names and argv of one line of the table.
fn everyday(line: &str) -> Option<(Vec<&str>, Vec<u8>)> {
    if line.starts_with('#') {
        return None;
    }
    let mut cells = line.split('\t');
    let names = cells.next().filter(|names| !names.is_empty())?.split('|').collect();
    let argv: Vec<String> = serde_json::from_str(cells.next()?).ok()?;
    Some((names, argv.iter().flat_map(|arg| arg.bytes().chain([0])).collect()))
}

fn export(form: Form, loaded: &[Loaded]) -> anyhow::Result<Status> {
    let packs = packs(loaded);
    let text = match form {
        Form::Sigma => sigma_rules(&packs)?,
        Form::Kql => kql_query(&packs)?
            .ok_or_else(|| anyhow::anyhow!("the query is pack `kql`, which is not loaded; add it to --rules"))?,
        Form::Toml => {
            let mut text = String::new();
            for (name, pack) in toml_packs(&packs)? {
                let _ = write!(text, "#=== {name}.toml ===\n{pack}");
            }
            text
        }
    };
    super::print(text.as_bytes())?;
    Ok(Status::Clean)
}
