//! Packs made into one engine: lists resolved and extended, conditions numbered.
//!
//! Owns what packs can have wrong together; never judges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::act_match::ActMatcher;
use super::engine::{AtomInfo, CompiledCase, CompiledPack, CompiledPredicate, CompiledRule, Engine};
use super::error::EngineError;
use super::exec_match::ExecMatcher;
use super::field::{Field, Operator};
use super::gate::Gate;
use super::matcher::{Atom, Search};
use super::pack::{Case, Pack, Predicate, Terms};
use super::read_pack::fault_of_term;
use crate::document::nearest;

/// The number of the next engine.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

pub(super) fn compile(packs: &[Pack]) -> Result<Engine, EngineError> {
    let mut compiler = Compiler::new(packs)?;
    for (index, pack) in packs.iter().enumerate() {
        compiler.add(index, pack)?;
    }
    compiler.finish()
}

/// The lists of each pack, with what the other packs add to them.
pub(super) fn merged_lists(packs: &[Pack]) -> Result<Vec<BTreeMap<&str, Vec<&str>>>, EngineError> {
    Compiler::new(packs).map(|compiler| compiler.lists)
}

/// Collects atoms, predicates and rules.
struct Compiler<'p> {
    /// The lists of each pack, with what other packs add to them.
    lists: Vec<BTreeMap<&'p str, Vec<&'p str>>>,
    /// Atoms by field, operator and lower-case term.
    known_atoms: BTreeMap<(Field, Operator, String), usize>,
    /// Packs by rule id.
    rule_packs: BTreeMap<&'p str, &'p str>,
    /// Packs that another pack judges.
    judged: BTreeSet<&'p str>,
    atoms: Vec<AtomInfo>,
    predicates: Vec<CompiledPredicate>,
    rules: Vec<CompiledRule>,
    packs: Vec<CompiledPack>,
}

impl<'p> Compiler<'p> {
    fn new(packs: &'p [Pack]) -> Result<Self, EngineError> {
        let mut indexes = BTreeMap::new();
        let mut lists: Vec<BTreeMap<&str, Vec<&str>>> = Vec::new();
        for (index, pack) in packs.iter().enumerate() {
            if indexes.insert(pack.name.as_str(), index).is_some() {
                return Err(EngineError::DuplicatePack {
                    pack: pack.name.clone(),
                });
            }
            let own = pack
                .lists
                .iter()
                .map(|(list, terms)| (list.as_str(), terms.iter().map(String::as_str).collect()));
            lists.push(own.collect());
        }
        for pack in packs {
            for (target, additions) in &pack.extend {
                let Some(&index) = indexes.get(target.as_str()) else {
                    let suggestion = nearest(target, indexes.keys().copied());
                    let (by, pack) = (pack.name.clone(), target.clone());
                    return Err(EngineError::ExtendsUnknownPack { by, pack, suggestion });
                };
                for (list, terms) in additions {
                    let Some(known) = lists[index].get_mut(list.as_str()) else {
                        return Err(EngineError::unknown_list(
                            &pack.name,
                            target,
                            list,
                            packs[index].lists.keys(),
                        ));
                    };
                    known.extend(terms.iter().map(String::as_str));
                }
            }
        }
        Ok(Self {
            lists,
            known_atoms: BTreeMap::new(),
            rule_packs: BTreeMap::new(),
            judged: packs
                .iter()
                .flat_map(|pack| pack.judges.iter().map(String::as_str))
                .collect(),
            atoms: Vec::new(),
            predicates: Vec::new(),
            rules: Vec::new(),
            packs: Vec::new(),
        })
    }

    fn add(&mut self, index: usize, pack: &'p Pack) -> Result<(), EngineError> {
        for rule in &pack.rules {
            if let Some(other) = self.rule_packs.insert(&rule.id, &pack.name) {
                let packs = [other.to_owned(), pack.name.clone()];
                return Err(EngineError::DuplicateRule {
                    rule: rule.id.clone(),
                    packs,
                });
            }
            let all = self.add_predicates(index, pack, &rule.all)?;
            let none = self.add_predicates(index, pack, &rule.none)?;
            self.rules.push(CompiledRule {
                id: rule.id.clone(),
                pack: index,
                category: rule.category.clone(),
                description: rule.description.clone(),
                severity: rule.severity,
                confidence: rule.confidence,
                technique: rule.technique.clone(),
                tactic: rule.tactic.clone(),
                is_about_acts: rule.is_about_acts(),
                all,
                none,
            });
        }
        let mut cases = Vec::new();
        for Case {
            category,
            technique_label,
            all,
        } in &pack.cases
        {
            cases.push(CompiledCase {
                category: category.clone(),
                technique_label: technique_label.clone(),
                all: self.add_predicates(index, pack, all)?,
            });
        }
        self.packs.push(CompiledPack {
            name: pack.name.clone(),
            is_judged: self.judged.contains(pack.name.as_str()),
            cases,
        });
        Ok(())
    }

    fn add_predicates(
        &mut self,
        index: usize,
        pack: &'p Pack,
        all: &'p [Predicate],
    ) -> Result<Vec<usize>, EngineError> {
        all.iter()
            .map(|predicate| self.add_predicate(index, pack, predicate))
            .collect()
    }

    fn add_predicate(&mut self, index: usize, pack: &'p Pack, predicate: &'p Predicate) -> Result<usize, EngineError> {
        let mut terms: Vec<&'p str> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        match &predicate.terms {
            Terms::Inline(inline) => terms.extend(inline.iter().map(String::as_str)),
            Terms::List(list) => names.push(list),
            Terms::Lists(lists) => names.extend(lists.iter().map(String::as_str)),
        }
        for list in &names {
            let Some(found) = self.lists[index].get(list) else {
                let known = pack.lists.keys();
                return Err(EngineError::unknown_list(&pack.name, &pack.name, list, known));
            };
            terms.extend(found);
        }
        let list = (!names.is_empty()).then(|| names.join(", @"));
        let (field, operator) = (predicate.field, predicate.operator);
        if operator == Operator::Present {
            // The one atom of a condition without terms.
            terms = vec![""];
        }
        let mut atoms = Vec::new();
        let mut known = BTreeSet::new();
        let mut mask = BTreeMap::new();
        for term in terms {
            let fault = fault_of_term(term).filter(|_| operator != Operator::Present);
            let fault = fault.map(str::to_owned).or_else(|| operator.fault_of(field, term));
            if let Some(reason) = fault {
                return Err(EngineError::BadTerm {
                    pack: pack.name.clone(),
                    term: term.to_owned(),
                    reason,
                });
            }
            let atom = self.add_atom(field, operator, term);
            if known.insert(atom) {
                atoms.push(atom);
            }
            *mask.entry(atom / 64).or_insert(0) |= 1 << (atom % 64);
        }
        let mask = mask.into_iter().collect();
        self.predicates.push(CompiledPredicate {
            field,
            operator,
            list,
            atoms,
            mask,
        });
        Ok(self.predicates.len() - 1)
    }

    fn add_atom(&mut self, field: Field, operator: Operator, term: &str) -> usize {
        let Self { known_atoms, atoms, .. } = self;
        // The case of an expression's letters can be part of its meaning.
        let key = match operator {
            Operator::Matches | Operator::In => term.to_owned(),
            _ => term.to_ascii_lowercase(),
        };
        *known_atoms.entry((field, operator, key)).or_insert_with(|| {
            atoms.push(AtomInfo {
                field,
                operator,
                term: term.to_owned(),
            });
            atoms.len() - 1
        })
    }

    fn finish(self) -> Result<Engine, EngineError> {
        let atoms = || {
            self.atoms.iter().enumerate().map(|(number, atom)| {
                let searched = Atom {
                    number,
                    operator: atom.operator,
                    term: &atom.term,
                };
                (atom.field, searched)
            })
        };
        let matcher = |field| {
            let search = if field == Field::ProcessCommandLine {
                Search::Fast
            } else {
                Search::Small
            };
            ExecMatcher::new(atoms().filter(|(of, _)| *of == field).map(|(_, atom)| atom), search)
        };
        let only = |field| atoms().find(|(of, _)| *of == field).map(|(_, atom)| atom.number);
        let mut act_mask = vec![0; self.atoms.len().div_ceil(64)];
        for (_, atom) in atoms().filter(|(field, _)| field.is_of_act()) {
            act_mask[atom.number / 64] |= 1 << (atom.number % 64);
        }

        let numbers = |about_acts: bool| -> Vec<usize> {
            let rules = self.rules.iter().enumerate();
            rules
                .filter(|(_, rule)| rule.is_about_acts == about_acts)
                .map(|(number, _)| number)
                .collect()
        };
        let act_rules = numbers(true);
        let programs = || {
            act_rules
                .iter()
                .flat_map(|rule| &self.rules[*rule].all)
                .map(|predicate| &self.predicates[*predicate])
                .filter(|predicate| predicate.field == Field::Program)
        };
        let names = |operator| {
            programs()
                .filter(move |predicate| predicate.operator == operator)
                .flat_map(|predicate| predicate.atoms.iter().map(|atom| self.atoms[*atom].term.as_str()))
        };
        let gate = if act_rules.is_empty() {
            Gate::shut()
        } else {
            Gate::new(names(Operator::InCi), names(Operator::Glob))?
        };
        let copied = atoms().filter(|(field, _)| *field == Field::KnownAs);
        let gate = Arc::new(gate.with_copied(copied.map(|(_, atom)| atom.term)));
        let asks_for_program = |rule: &usize| {
            let mut all = self.rules[*rule].all.iter();
            all.any(|predicate| self.predicates[*predicate].field == Field::Program)
        };
        let open_rules = act_rules
            .iter()
            .filter(|rule| !asks_for_program(rule))
            .map(|rule| {
                let all = self.rules[*rule].all.iter().copied();
                all.filter(|predicate| !self.predicates[*predicate].field.is_of_act())
                    .collect()
            })
            .collect();
        Ok(Engine {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            file_name: matcher(Field::FileName)?,
            command_line: matcher(Field::ProcessCommandLine)?,
            image: matcher(Field::ImageFileName)?,
            known_as: matcher(Field::KnownAs)?,
            truncated: only(Field::ArgumentsTruncated),
            cut_short: only(Field::WorkCutShort),
            acts: ActMatcher::new(atoms().filter(|(field, _)| field.is_of_act()))?,
            act_mask,
            gate,
            open_rules,
            exec_rules: numbers(false),
            act_rules,
            atoms: self.atoms,
            predicates: self.predicates,
            rules: self.rules,
            packs: self.packs,
        })
    }
}
