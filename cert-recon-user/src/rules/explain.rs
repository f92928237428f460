//! Why an exec was or was not matched, as data.
//!
//! Owns the trace of one judgement; never prints it and is never on the path of live execs: it allocates freely.

use std::collections::BTreeMap;

use super::engine::{Engine, Subject, Verdict};
use super::level::{Confidence, Severity};
use super::matcher::Found;
use super::pack::{Field, Operator};

/// Everything that was tried on one exec.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What [`Engine::judge`] says.
    pub verdict: Option<Verdict>,
    /// Every rule, in order of evaluation.
    pub rules: Vec<RuleTrace>,
    /// Every row of every pack's `[[case]]` table, in order of evaluation.
    pub cases: Vec<CaseTrace>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleTrace {
    /// The rule's id.
    pub id: String,
    /// The rule's pack.
    pub pack: String,
    /// The rule's description.
    pub description: String,
    /// The severity that a match has.
    pub severity: Severity,
    /// The confidence that a match has.
    pub confidence: Confidence,
    /// Whether every condition held.
    pub matched: bool,
    /// Its conditions.
    pub conditions: Vec<PredicateTrace>,
}

/// One row of a `[[case]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseTrace {
    /// The pack that the table belongs to.
    pub pack: String,
    /// The category that the row gives.
    pub category: String,
    /// Whether every condition held (always, in the last row, which has none).
    pub held: bool,
    /// Whether the verdict's category is from this row.
    pub chosen: bool,
    /// Its conditions.
    pub conditions: Vec<PredicateTrace>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PredicateTrace {
    /// What was looked at.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// Name of the list that the terms are from, when they are from one.
    pub list: Option<String>,
    /// The terms that were looked for, those added by other packs included.
    pub terms: Vec<String>,
    /// Whether the condition held.
    pub held: bool,
    /// Where the terms are spelled, by place and start; per term and text the first that counts, or else the first.
    pub occurrences: Vec<Occurrence>,
}

/// A place where a term is spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occurrence {
    /// The term, as the list spells it.
    pub term: String,
    /// The text that holds it.
    pub place: Place,
    /// Its first byte in that text.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// Whether it is what the operator asks for. If not: `has_any` found a letter or digit beside it, `in_ci` found that
    /// it is not the whole text.
    pub counts: bool,
}

/// One of the texts of a [`Subject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `file_names`, by index.
    FileName(usize),
    /// `command_line`.
    CommandLine,
}

impl Engine {
    /// Says what was tried on an exec and what held. Its verdict is the one of [`judge`](Self::judge).
    #[must_use]
    pub fn explain(&self, subject: &Subject<'_>) -> Explanation {
        let mut scratch = self.scratch();
        let verdict = self.judge(subject, &mut scratch);

        let mut found: BTreeMap<(usize, usize), Found> = BTreeMap::new();
        self.scan(subject, |text, new| {
            let known = found.entry((new.atom, text)).or_insert(new);
            if new.holds && !known.holds {
                *known = new;
            }
        });
        let trace = |all: &[usize]| -> Vec<PredicateTrace> {
            all.iter().map(|index| self.trace(*index, subject, &found)).collect()
        };

        let rules = self.rules.iter().map(|rule| RuleTrace {
            id: rule.id.clone(),
            pack: self.packs[rule.pack].name.clone(),
            description: rule.description.clone(),
            severity: rule.severity,
            confidence: rule.confidence,
            matched: self.all_hold(&rule.all, &scratch),
            conditions: trace(&rule.all),
        });
        let leading_pack = verdict.as_ref().and_then(|verdict| verdict.packs.first());
        let mut cases = Vec::new();
        for (index, pack) in self.packs.iter().enumerate() {
            let chosen = self
                .chosen_case(index, &scratch)
                .filter(|_| leading_pack == Some(&pack.name));
            cases.extend(pack.cases.iter().enumerate().map(|(row, case)| CaseTrace {
                pack: pack.name.clone(),
                category: case.category.clone(),
                held: self.all_hold(&case.all, &scratch),
                chosen: chosen == Some(row),
                conditions: trace(&case.all),
            }));
        }
        Explanation {
            rules: rules.collect(),
            cases,
            verdict,
        }
    }

    fn trace(
        &self,
        predicate: usize,
        subject: &Subject<'_>,
        found: &BTreeMap<(usize, usize), Found>,
    ) -> PredicateTrace {
        let predicate = &self.predicates[predicate];
        let mut occurrences = Vec::new();
        for atom in &predicate.atoms {
            for ((_, text), place) in found.range((*atom, 0)..=(*atom, usize::MAX)) {
                occurrences.push(Occurrence {
                    term: self.atoms[*atom].term.clone(),
                    place: if *text < subject.file_names.len() {
                        Place::FileName(*text)
                    } else {
                        Place::CommandLine
                    },
                    start: place.start,
                    end: place.end,
                    counts: place.holds,
                });
            }
        }
        occurrences.sort_by_key(|occurrence| (occurrence.place, occurrence.start));
        PredicateTrace {
            field: predicate.field,
            operator: predicate.operator,
            list: predicate.list.clone(),
            terms: predicate
                .atoms
                .iter()
                .map(|atom| self.atoms[*atom].term.clone())
                .collect(),
            held: occurrences.iter().any(|occurrence| occurrence.counts),
            occurrences,
        }
    }
}
