//! Runs the samples that every rule brings along.
//!
//! Owns the comparison of samples with verdicts; never prints.

use std::fmt;

use super::engine::{Engine, Scratch};
use super::pack::{Pack, Rule, Sample};
use super::verdict::Subject;

/// A sample that does not come out as its rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampleFailure {
    /// The rule's pack.
    pub pack: String,
    /// The rule's id.
    pub rule: String,
    /// The sample.
    pub sample: Sample,
    /// The form of the command line that fails.
    pub form: ArgumentForm,
    /// What is wrong.
    pub problem: SampleProblem,
}

/// How the arguments of a sample were put together for the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentForm {
    /// One text, as records have it.
    Joined,
    /// A NUL behind each argument, as the kernel has it. Tried for samples with `argv`, alone if the rule is about acts:
    /// what a command does depends on where its arguments end.
    NulTerminated,
}

/// What is wrong with a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SampleProblem {
    /// A `match` sample that the rule does not match.
    NotMatched,
    /// A `no_match` sample that the rule matches.
    Matched,
    /// A `match` sample whose verdict has another category than the sample says.
    OtherCategory {
        /// The verdict's.
        found: String,
    },
    /// A `match` sample whose verdict has another technique label than the sample says.
    OtherLabel {
        /// The verdict's.
        found: Option<String>,
    },
}

impl fmt::Display for SampleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}` of pack `{}`: ", self.rule, self.pack)?;
        let sample = &self.sample;
        match &self.problem {
            SampleProblem::NotMatched => f.write_str("does not match its `match` sample")?,
            SampleProblem::Matched => f.write_str("matches its `no_match` sample")?,
            SampleProblem::OtherCategory { found } => {
                let expected = sample.category.as_deref().unwrap_or_default();
                write!(f, "gives category `{found}`, not `{expected}`, to its `match` sample")?;
            }
            SampleProblem::OtherLabel { found } => {
                let expected = sample.technique_label.as_deref().unwrap_or_default();
                let found = found.as_deref().unwrap_or("none");
                write!(
                    f,
                    "gives technique label `{found}`, not `{expected}`, to its `match` sample"
                )?;
            }
        }
        write!(f, " {:?} run as {:?}", sample.command_line, sample.file_names)?;
        match self.form {
            ArgumentForm::Joined => Ok(()),
            ArgumentForm::NulTerminated => f.write_str(" (arguments ended by NUL)"),
        }
    }
}

/// Runs every sample of the packs through an engine made of them, and possibly of more packs: other rules may match the
/// samples too, only the sample's own rule and the verdict's category are compared.
#[must_use]
pub fn check_samples(engine: &Engine, packs: &[Pack]) -> Vec<SampleFailure> {
    let mut scratch = engine.scratch();
    let mut failures = Vec::new();
    for pack in packs {
        for rule in &pack.rules {
            let matches = rule.matches.iter().map(|sample| (sample, true));
            let no_matches = rule.no_matches.iter().map(|sample| (sample, false));
            for (sample, must_match) in matches.chain(no_matches) {
                for (form, command_line) in forms(rule, sample) {
                    if let Some(problem) = problem(engine, &mut scratch, &rule.id, sample, must_match, &command_line) {
                        failures.push(SampleFailure {
                            pack: pack.name.clone(),
                            rule: rule.id.clone(),
                            sample: sample.clone(),
                            form,
                            problem,
                        });
                    }
                }
            }
        }
    }
    failures
}

fn forms(rule: &Rule, sample: &Sample) -> Vec<(ArgumentForm, Vec<u8>)> {
    let mut forms = Vec::new();
    if sample.argv.is_none() || !rule.is_about_acts() {
        forms.push((ArgumentForm::Joined, sample.command_line.clone().into_bytes()));
    }
    if let Some(argv) = &sample.argv {
        let raw = argv.iter().flat_map(|argument| argument.bytes().chain([0])).collect();
        forms.push((ArgumentForm::NulTerminated, raw));
    }
    forms
}

fn problem(
    engine: &Engine,
    scratch: &mut Scratch,
    rule: &str,
    sample: &Sample,
    must_match: bool,
    command_line: &[u8],
) -> Option<SampleProblem> {
    let file_names: Vec<&[u8]> = sample.file_names.iter().map(String::as_bytes).collect();
    let known_as: Vec<&[u8]> = sample.known_as.iter().map(String::as_bytes).collect();
    let subject = Subject {
        file_names: &file_names,
        command_line,
        image: sample.image.as_deref().map(str::as_bytes),
        known_as: &known_as,
        is_truncated: sample.truncated,
    };
    let verdict = engine
        .judge(&subject, scratch)
        .filter(|verdict| verdict.rule_ids.iter().any(|id| id == rule));
    let Some(verdict) = verdict else {
        return must_match.then_some(SampleProblem::NotMatched);
    };
    if !must_match {
        return Some(SampleProblem::Matched);
    }
    if let Some(category) = &sample.category
        && *category != verdict.category
    {
        return Some(SampleProblem::OtherCategory {
            found: verdict.category,
        });
    }
    if sample.technique_label.is_some() && sample.technique_label != verdict.technique_label {
        return Some(SampleProblem::OtherLabel {
            found: verdict.technique_label,
        });
    }
    None
}
