//! Packs compiled into one engine, and the judgement of one exec.
//!
//! Owns the order of evaluation and the verdict; never reads rules from anywhere and never describes itself (see
//! `explain`).
//!
//! Every term of every rule is an *atom*: field, operator, term. One pass over each text sets one bit per atom that
//! holds; conditions are masks over the bits; rules are all-of their conditions. An exec whose texts set no bit ends
//! there, and no clean exec costs an allocation.

use std::collections::BTreeMap;

use super::error::EngineError;
use super::level::{Confidence, Severity};
use super::matcher::{Atom, Found, Matcher};
use super::pack::{Case, Field, Operator, Pack, Predicate, Terms, fault_of_term};
use crate::document::nearest;

/// What is judged: one exec.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The program's names, best first: base name of the path given to exec, of the resolved executable, of the script.
    /// A condition on `FileName` holds if any of them satisfies it. Repeated names change nothing.
    pub file_names: &'a [&'a [u8]],
    /// The command line: argv joined by single spaces, or argv as the kernel keeps it, a NUL behind each argument (the
    /// last one may be missing). Both forms give the same verdict.
    pub command_line: &'a [u8],
}

/// What the rules say about an exec that at least one of them matched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Category: from the first pack that matched; there from its `[[case]]` table, or else from its first rule that
    /// matched.
    pub category: String,
    /// Every rule that matched, in the order of packs and files.
    pub rule_ids: Vec<String>,
    /// The packs of these rules, each once, in the order loaded.
    pub packs: Vec<String>,
    /// The terms that made conditions of these rules hold, as the lists spell them, each once: those found in the names
    /// first, then those in the command line, each in order of first occurrence.
    pub matched_terms: Vec<String>,
    /// The highest of the rules.
    pub severity: Severity,
    /// The highest of the rules.
    pub confidence: Confidence,
    /// ATT&CK technique id, of the first rule that matched.
    pub technique: String,
    /// ATT&CK tactic, of the first rule that matched.
    pub tactic: String,
}

/// Memory that [`Engine::judge`] uses again and again. Belongs to one thread; fits any engine.
#[derive(Debug, Default)]
pub struct Scratch {
    bits: Vec<u64>,
    hits: Vec<Hit>,
}

/// The first place where an atom holds.
#[derive(Debug, Clone, Copy)]
struct Hit {
    atom: usize,
    /// Index of the name, or the number of names for the command line.
    text: usize,
    start: usize,
}

/// Compiled packs. Immutable; share it between threads as you like.
#[derive(Debug)]
pub struct Engine {
    pub(super) file_name: Matcher,
    pub(super) command_line: Matcher,
    pub(super) atoms: Vec<AtomInfo>,
    pub(super) predicates: Vec<CompiledPredicate>,
    pub(super) rules: Vec<CompiledRule>,
    pub(super) packs: Vec<CompiledPack>,
}

#[derive(Debug)]
pub(super) struct AtomInfo {
    pub(super) field: Field,
    operator: Operator,
    /// As the first list that has it spells it.
    pub(super) term: String,
}

#[derive(Debug)]
pub(super) struct CompiledPredicate {
    pub(super) field: Field,
    pub(super) operator: Operator,
    pub(super) list: Option<String>,
    /// In the order of the list.
    pub(super) atoms: Vec<usize>,
    /// Words of the bit set, and the bits in them, one of which must be set.
    mask: Vec<(usize, u64)>,
}

#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) id: String,
    pub(super) pack: usize,
    pub(super) category: Option<String>,
    pub(super) description: String,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) technique: String,
    pub(super) tactic: String,
    /// Indexes of predicates.
    pub(super) all: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct CompiledPack {
    pub(super) name: String,
    pub(super) cases: Vec<CompiledCase>,
}

#[derive(Debug)]
pub(super) struct CompiledCase {
    pub(super) category: String,
    /// Indexes of predicates.
    pub(super) all: Vec<usize>,
}

impl Engine {
    /// Compiles packs. Their order is the order of evaluation.
    ///
    /// # Errors
    ///
    /// Packs that cannot work together: the same pack name or rule id twice, lists extended that no loaded pack has, or
    /// more terms than an automaton can hold.
    pub fn new(packs: &[Pack]) -> Result<Self, EngineError> {
        let mut compiler = Compiler::new(packs)?;
        for (index, pack) in packs.iter().enumerate() {
            compiler.add(index, pack)?;
        }
        compiler.finish()
    }

    /// Memory for [`judge`](Self::judge), large enough that no call has to grow it.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::default();
        scratch.reset(self.atoms.len());
        scratch
    }

    /// Judges one exec: `None` when no rule matches. Linear in the length of the texts; allocates only for a verdict
    /// (and once for a scratch that another, smaller engine used).
    #[must_use]
    pub fn judge(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        scratch.reset(self.atoms.len());
        self.scan(subject, |text, found| {
            if found.holds && scratch.set(found.atom) {
                scratch.hits.push(Hit {
                    atom: found.atom,
                    text,
                    start: found.start,
                });
            }
        });
        // Every rule has a condition, and every condition needs a hit.
        if scratch.hits.is_empty() {
            return None;
        }
        let first = self.rules.iter().position(|rule| self.all_hold(&rule.all, scratch))?;
        Some(self.verdict(first, scratch))
    }

    /// Reports every occurrence of every atom: the texts by number, names first, the command line last.
    pub(super) fn scan(&self, subject: &Subject<'_>, mut report: impl FnMut(usize, Found)) {
        for (text, name) in subject.file_names.iter().enumerate() {
            self.file_name.scan(name, |found| report(text, found));
        }
        // The NUL behind the last argument ends it, as the end of the joined form does.
        let command_line = subject.command_line.strip_suffix(b"\0").unwrap_or(subject.command_line);
        self.command_line
            .scan(command_line, |found| report(subject.file_names.len(), found));
    }

    pub(super) fn all_hold(&self, predicates: &[usize], scratch: &Scratch) -> bool {
        predicates.iter().all(|index| self.predicates[*index].holds(scratch))
    }

    /// The row of a pack's table that gives the category; `None` when it has no table.
    pub(super) fn chosen_case(&self, pack: usize, scratch: &Scratch) -> Option<usize> {
        self.packs[pack]
            .cases
            .iter()
            .position(|case| self.all_hold(&case.all, scratch))
    }

    fn verdict(&self, first: usize, scratch: &mut Scratch) -> Verdict {
        let lead = &self.rules[first];
        let category = match self.chosen_case(lead.pack, scratch) {
            Some(row) => self.packs[lead.pack].cases[row].category.clone(),
            None => lead.category.clone().unwrap_or_default(),
        };
        let mut verdict = Verdict {
            category,
            rule_ids: Vec::new(),
            packs: Vec::new(),
            matched_terms: Vec::new(),
            severity: lead.severity,
            confidence: lead.confidence,
            technique: lead.technique.clone(),
            tactic: lead.tactic.clone(),
        };
        let mut used = vec![false; self.atoms.len()];
        for rule in self.rules[first..]
            .iter()
            .filter(|rule| self.all_hold(&rule.all, scratch))
        {
            verdict.rule_ids.push(rule.id.clone());
            let pack = &self.packs[rule.pack].name;
            if !verdict.packs.contains(pack) {
                verdict.packs.push(pack.clone());
            }
            verdict.severity = verdict.severity.max(rule.severity);
            verdict.confidence = verdict.confidence.max(rule.confidence);
            for atom in rule.all.iter().flat_map(|index| &self.predicates[*index].atoms) {
                used[*atom] = true;
            }
        }
        scratch.hits.sort_unstable_by_key(|hit| (hit.text, hit.start, hit.atom));
        for hit in scratch.hits.iter().filter(|hit| used[hit.atom]) {
            let term = &self.atoms[hit.atom].term;
            if !verdict
                .matched_terms
                .iter()
                .any(|known| known.eq_ignore_ascii_case(term))
            {
                verdict.matched_terms.push(term.clone());
            }
        }
        verdict
    }
}

impl CompiledPredicate {
    pub(super) fn holds(&self, scratch: &Scratch) -> bool {
        self.mask.iter().any(|(word, bits)| scratch.bits[*word] & bits != 0)
    }
}

impl Scratch {
    fn reset(&mut self, atoms: usize) {
        self.bits.clear();
        self.bits.resize(atoms.div_ceil(64), 0);
        self.hits.clear();
        self.hits.reserve(atoms);
    }

    /// Sets the bit of an atom; true if it was not set.
    fn set(&mut self, atom: usize) -> bool {
        let word = &mut self.bits[atom / 64];
        let bit = 1 << (atom % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

/// Collects atoms, predicates and rules.
struct Compiler<'p> {
    /// The lists of each pack, with what other packs add to them.
    lists: Vec<BTreeMap<&'p str, Vec<&'p str>>>,
    /// Atoms by field, operator and lower-case term.
    known_atoms: BTreeMap<(Field, Operator, String), usize>,
    /// Packs by rule id.
    rule_packs: BTreeMap<&'p str, &'p str>,
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
            self.rules.push(CompiledRule {
                id: rule.id.clone(),
                pack: index,
                category: rule.category.clone(),
                description: rule.description.clone(),
                severity: rule.severity,
                confidence: rule.confidence,
                technique: rule.technique.clone(),
                tactic: rule.tactic.clone(),
                all,
            });
        }
        let mut cases = Vec::new();
        for Case { category, all } in &pack.cases {
            cases.push(CompiledCase {
                category: category.clone(),
                all: self.add_predicates(index, pack, all)?,
            });
        }
        self.packs.push(CompiledPack {
            name: pack.name.clone(),
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
        let (list, terms): (_, Vec<&str>) = match &predicate.terms {
            Terms::Inline(terms) => (None, terms.iter().map(String::as_str).collect()),
            Terms::List(list) => match self.lists[index].get(list.as_str()) {
                Some(terms) => (Some(list.clone()), terms.clone()),
                None => {
                    return Err(EngineError::unknown_list(
                        &pack.name,
                        &pack.name,
                        list,
                        pack.lists.keys(),
                    ));
                }
            },
        };
        let mut atoms = Vec::new();
        let mut mask = BTreeMap::new();
        for term in terms {
            if let Some(reason) = fault_of_term(term) {
                return Err(EngineError::BadTerm {
                    pack: pack.name.clone(),
                    term: term.to_owned(),
                    reason,
                });
            }
            let atom = self.add_atom(predicate.field, predicate.operator, term);
            if !atoms.contains(&atom) {
                atoms.push(atom);
            }
            *mask.entry(atom / 64).or_insert(0) |= 1 << (atom % 64);
        }
        let mask = mask.into_iter().collect();
        let (field, operator) = (predicate.field, predicate.operator);
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
        *known_atoms
            .entry((field, operator, term.to_ascii_lowercase()))
            .or_insert_with(|| {
                atoms.push(AtomInfo {
                    field,
                    operator,
                    term: term.to_owned(),
                });
                atoms.len() - 1
            })
    }

    fn finish(self) -> Result<Engine, EngineError> {
        let matcher = |field| {
            let atoms = self.atoms.iter().enumerate().filter(|(_, atom)| atom.field == field);
            Matcher::new(atoms.map(|(number, atom)| Atom {
                number,
                operator: atom.operator,
                term: &atom.term,
            }))
            .map_err(EngineError::TooManyTerms)
        };
        Ok(Engine {
            file_name: matcher(Field::FileName)?,
            command_line: matcher(Field::ProcessCommandLine)?,
            atoms: self.atoms,
            predicates: self.predicates,
            rules: self.rules,
            packs: self.packs,
        })
    }
}
