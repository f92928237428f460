//! Why an exec was or was not matched, as data.
//!
//! Owns the trace of one judgement; never prints it and is never on the path of live execs: it allocates freely.

use std::collections::BTreeMap;

use super::act_match::{ActHit, values};
use super::engine::{CompiledRule, Engine, Scratch};
use super::field::{Field, Operator};
use super::level::{Confidence, Severity};
use super::matcher::Found;
use super::understand;
use super::verdict::{Subject, Verdict};
use crate::acts::{Act, Command, Limit, Requests, Word};

/// Everything that was tried on one exec.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What [`Engine::judge`] says.
    pub verdict: Option<Verdict>,
    /// What the exec really does, itself first; none when nothing of it could matter to a rule.
    pub acts: Option<Vec<Act<'static>>>,
    /// The limit that ended finding that out early.
    pub cut_short: Option<Limit>,
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
    /// The act that its conditions were looked at for: the first that it matches, or else the one that meets most of them.
    /// None for a rule about the exec alone, and when there is no act.
    pub act: Option<usize>,
    /// Its conditions, all of which must hold.
    pub conditions: Vec<PredicateTrace>,
    /// Its conditions of which none may hold.
    pub exceptions: Vec<PredicateTrace>,
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
    /// The term, as the list spells it; empty where presence is all that is asked for.
    pub term: String,
    /// The text that holds it.
    pub place: Place,
    /// That text, when it is a value of an act.
    pub value: Option<Vec<u8>>,
    /// Its first byte in that text.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// Whether it is what the operator asks for. If not: `has_any` found a letter or digit beside it, `in_ci` found that
    /// it is not the whole text.
    pub counts: bool,
}

/// Where a term is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `file_names` of the [`Subject`], by index.
    FileName(usize),
    /// Its `command_line`.
    CommandLine,
    /// Its `image`.
    Image,
    /// Its `known_as`, by index.
    KnownAs(usize),
    /// How it was captured or looked at: `ArgumentsTruncated`, `WorkCutShort`.
    Capture,
    /// A value of the act of that number.
    Act(usize),
}

/// What was found: in the texts of the exec by atom and text, in the acts by act.
struct Findings {
    texts: BTreeMap<(usize, usize), Found>,
    acts: Vec<Vec<ActHit>>,
}

impl Engine {
    /// Says what was tried on an exec and what held. Its verdict is the one of [`judge`](Self::judge).
    #[must_use]
    pub fn explain(&self, subject: &Subject<'_>) -> Explanation {
        let mut scratch = self.scratch();
        self.look(subject, &mut scratch);
        if self.needs_acts(subject, &scratch) {
            return understand::with_acts(subject, |acts, cut_short| {
                let mut explanation = self.explain_acts(subject, acts, cut_short);
                explanation.acts = Some(acts.iter().map(owned).collect());
                explanation
            });
        }
        self.explain_acts(subject, &[], None)
    }

    fn explain_acts(&self, subject: &Subject<'_>, acts: &[Act<'_>], cut_short: Option<Limit>) -> Explanation {
        let mut scratch = self.scratch();
        let verdict = self.judge_acts(subject, acts, cut_short, &mut scratch);

        let mut texts: BTreeMap<(usize, usize), Found> = BTreeMap::new();
        self.scan(subject, &mut Vec::new(), |text, new| {
            let known = texts.entry((new.atom, text)).or_insert(new);
            if new.holds && !known.holds {
                *known = new;
            }
        });
        let capture = [
            (self.truncated, subject.is_truncated),
            (self.cut_short, cut_short.is_some()),
        ];
        for atom in capture.into_iter().filter_map(|(atom, holds)| atom.filter(|_| holds)) {
            let (start, end, holds) = (0, 0, true);
            texts.insert(
                (atom, subject.first_act()),
                Found {
                    atom,
                    start,
                    end,
                    holds,
                },
            );
        }
        let mut found = Findings {
            texts,
            acts: Vec::new(),
        };
        for act in acts {
            let mut hits = Vec::new();
            self.acts.scan(act, |hit| hits.push(hit));
            found.acts.push(hits);
        }

        let rules = self
            .rules
            .iter()
            .enumerate()
            .map(|(number, rule)| {
                let act = self.shown_act(number, acts, &mut scratch);
                let trace = |all: &[usize]| -> Vec<PredicateTrace> {
                    let traces = all.iter().map(|index| self.trace(*index, subject, &found, acts, act));
                    traces.collect()
                };
                RuleTrace {
                    id: rule.id.clone(),
                    pack: self.packs[rule.pack].name.clone(),
                    description: rule.description.clone(),
                    severity: rule.severity,
                    confidence: rule.confidence,
                    matched: scratch.has_matched(number),
                    act,
                    conditions: trace(&rule.all),
                    exceptions: trace(&rule.none),
                }
            })
            .collect();
        let leading_pack = verdict.as_ref().and_then(|verdict| verdict.packs.first());
        let mut cases = Vec::new();
        for (index, pack) in self.packs.iter().enumerate() {
            let chosen = self
                .chosen_case(index, &scratch)
                .filter(|_| leading_pack == Some(&pack.name));
            cases.extend(pack.cases.iter().enumerate().map(|(row, case)| {
                CaseTrace {
                    pack: pack.name.clone(),
                    category: case.category.clone(),
                    held: self.all_hold(&case.all, &scratch),
                    chosen: chosen == Some(row),
                    conditions: case
                        .all
                        .iter()
                        .map(|index| self.trace(*index, subject, &found, acts, None))
                        .collect(),
                }
            }));
        }
        Explanation {
            verdict,
            acts: None,
            cut_short,
            rules,
            cases,
        }
    }

    /// The act to show a rule's conditions for. Leaves the bits of an act set, which no condition of a case looks at.
    fn shown_act(&self, number: usize, acts: &[Act<'_>], scratch: &mut Scratch) -> Option<usize> {
        let rule: &CompiledRule = &self.rules[number];
        if !rule.is_about_acts {
            return None;
        }
        let mut best = None;
        for (index, act) in acts.iter().enumerate() {
            self.set_act(act, scratch, |scratch, atom| scratch.hit(atom, 0, 0));
            let held = rule
                .all
                .iter()
                .filter(|predicate| self.predicates[**predicate].holds(scratch))
                .count();
            let score = (self.rule_holds(number, scratch), held);
            if best.is_none_or(|(known, _)| score > known) {
                best = Some((score, index));
            }
        }
        best.map(|(_, index)| index)
    }

    fn trace(
        &self,
        predicate: usize,
        subject: &Subject<'_>,
        found: &Findings,
        acts: &[Act<'_>],
        act: Option<usize>,
    ) -> PredicateTrace {
        let predicate = &self.predicates[predicate];
        let names = subject.file_names.len();
        let mut occurrences = Vec::new();
        for atom in &predicate.atoms {
            for ((_, text), place) in found.texts.range((*atom, 0)..=(*atom, usize::MAX)) {
                occurrences.push(Occurrence {
                    term: self.atoms[*atom].term.clone(),
                    place: match *text {
                        text if text < names => Place::FileName(text),
                        text if text == names => Place::CommandLine,
                        text if text == names + 1 => Place::Image,
                        text if text < subject.first_act() => Place::KnownAs(text - names - 2),
                        _ => Place::Capture,
                    },
                    value: None,
                    start: place.start,
                    end: place.end,
                    counts: place.holds,
                });
            }
        }
        if let Some((number, act, hits)) = act.and_then(|act| Some((act, acts.get(act)?, found.acts.get(act)?))) {
            let fitting = hits.iter().filter(|hit| predicate.atoms.contains(&hit.atom));
            occurrences.extend(fitting.map(|hit| {
                Occurrence {
                    term: self.atoms[hit.atom].term.clone(),
                    place: Place::Act(number),
                    value: values(act, Field::OF_ACTS[hit.field])
                        .get(hit.value)
                        .map(|value| value.to_vec()),
                    start: hit.start,
                    end: hit.end,
                    counts: true,
                }
            }));
        }
        occurrences.sort_by_key(|occurrence| (occurrence.place, occurrence.start));
        let terms = predicate.atoms.iter().map(|atom| self.atoms[*atom].term.clone());
        PredicateTrace {
            field: predicate.field,
            operator: predicate.operator,
            list: predicate.list.clone(),
            terms: terms.filter(|term| !term.is_empty()).collect(),
            held: occurrences.iter().any(|occurrence| occurrence.counts),
            occurrences,
        }
    }
}

/// The act without what it borrows.
fn owned(act: &Act<'_>) -> Act<'static> {
    let Act { command, requests } = act;
    Act {
        command: Command {
            programs: command.programs.clone(),
            args: command
                .args
                .iter()
                .map(|word| Word::owned(word.bytes().to_vec()))
                .collect(),
            stdin: command.stdin.clone(),
            via: command.via.clone(),
        },
        requests: Requests::clone(requests),
    }
}
