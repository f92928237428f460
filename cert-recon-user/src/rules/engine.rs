//! The judgement of one exec.
//!
//! Owns the order of evaluation and the verdict; never reads rules from anywhere (`compiler` makes the engine of packs) and
//! never describes itself (see `explain`).
//!
//! Every term of every rule is an *atom*: field, operator, term. One pass over each text of the exec sets one bit per atom
//! that holds; conditions are masks over the bits; rules are all-of and none-of their conditions. Rules about acts need to
//! know what the exec really does, which costs much more, so a gate decides from the exec's names whether it can matter
//! at all; then the atoms of acts are set for one act at a time. An exec whose texts set no bit, and whose names the gate
//! does not let in, ends there, and no such exec costs an allocation. One that was just found clean is not looked at again.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::act_match::ActMatcher;
use super::clean::Clean;
use super::compiler::compile;
use super::error::EngineError;
use super::exec_match::ExecMatcher;
use super::field::{Field, Operator};
use super::gate::{Gate, WatchedPrograms};
use super::level::{Confidence, Severity};
use super::matcher::Found;
use super::pack::Pack;
use super::understand;
use super::verdict::{Subject, Verdict};
use crate::acts::{Act, Limit, Word};

/// Memory that [`Engine::judge`] uses again and again. Belongs to one thread; fits any engine.
#[derive(Debug, Default)]
pub struct Scratch {
    bits: Vec<u64>,
    hits: Vec<Hit>,
    /// The rules that matched, one bit each.
    matched: Vec<u64>,
    /// The acts that matched a rule.
    acts: Vec<usize>,
    /// The command line with spaces for NULs, for regular expressions.
    joined: Vec<u8>,
    /// What the engine that used it last found clean.
    clean: Clean,
}

/// The first place where an atom holds.
#[derive(Debug, Clone, Copy)]
struct Hit {
    atom: usize,
    /// As [`Engine::scan`] numbers texts; acts come behind them.
    text: usize,
    start: usize,
}

/// Compiled packs. Immutable; share it between threads as you like.
#[derive(Debug)]
pub struct Engine {
    /// No other engine of this process has it; not 0.
    pub(super) number: u64,
    pub(super) file_name: ExecMatcher,
    pub(super) command_line: ExecMatcher,
    pub(super) image: ExecMatcher,
    pub(super) known_as: ExecMatcher,
    /// The atom of `ArgumentsTruncated`.
    pub(super) truncated: Option<usize>,
    /// The atom of `WorkCutShort`.
    pub(super) cut_short: Option<usize>,
    pub(super) acts: ActMatcher,
    /// The bits of atoms of acts.
    pub(super) act_mask: Vec<u64>,
    pub(super) gate: Arc<Gate>,
    /// Of each rule about acts that asks for no program: its conditions on the exec.
    pub(super) open_rules: Vec<Vec<usize>>,
    /// Rules about the exec alone.
    pub(super) exec_rules: Vec<usize>,
    pub(super) act_rules: Vec<usize>,
    pub(super) atoms: Vec<AtomInfo>,
    pub(super) predicates: Vec<CompiledPredicate>,
    pub(super) rules: Vec<CompiledRule>,
    pub(super) packs: Vec<CompiledPack>,
}

#[derive(Debug)]
pub(super) struct AtomInfo {
    pub(super) field: Field,
    pub(super) operator: Operator,
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
    pub(super) mask: Vec<(usize, u64)>,
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
    pub(super) is_about_acts: bool,
    /// Indexes of predicates.
    pub(super) all: Vec<usize>,
    /// Indexes of predicates.
    pub(super) none: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct CompiledPack {
    pub(super) name: String,
    /// Another pack decides how sure its findings are.
    pub(super) is_judged: bool,
    pub(super) cases: Vec<CompiledCase>,
}

#[derive(Debug)]
pub(super) struct CompiledCase {
    pub(super) category: String,
    pub(super) technique_label: Option<String>,
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
        compile(packs)
    }

    /// Memory for [`judge`](Self::judge), large enough that no call on a clean exec has to grow it.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::default();
        scratch.reset(self);
        scratch.clean.belong_to(self.number);
        scratch
    }

    /// Whether any rule looks at [`Subject::image`].
    #[must_use]
    pub fn wants_image(&self) -> bool {
        self.image.is_used()
    }

    /// Whether any rule asks what the commands of an exec do.
    #[must_use]
    pub fn looks_at_acts(&self) -> bool {
        !self.act_rules.is_empty()
    }

    /// The programs of which a copy under another name matters: see [`Subject::known_as`].
    #[must_use]
    pub fn watched_programs(&self) -> WatchedPrograms {
        WatchedPrograms::new(&self.gate)
    }

    /// Judges one exec: `None` when no rule matches. Linear in the length of the texts; allocates only for a verdict, for an
    /// exec whose acts can matter, and to fit a scratch that was used with smaller engines or texts.
    #[must_use]
    pub fn judge(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        scratch.clean.belong_to(self.number);
        if scratch.clean.has(subject) {
            return None;
        }
        let verdict = self.judge_anew(subject, scratch);
        if verdict.is_none() {
            scratch.clean.note();
        }
        verdict
    }

    fn judge_anew(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        self.look(subject, scratch);
        if self.needs_acts(subject, scratch) {
            return understand::with_acts(subject, |acts, limit| self.conclude(subject, acts, limit, scratch));
        }
        // Every rule has a condition, and every condition needs a hit.
        if scratch.hits.is_empty() {
            return None;
        }
        self.conclude(subject, &[], None, scratch)
    }

    /// Judges one exec of which the acts are known, and the limit that ended finding them out early. What [`judge`](Self::judge)
    /// does behind its gate.
    #[must_use]
    pub fn judge_acts(
        &self,
        subject: &Subject<'_>,
        acts: &[Act<'_>],
        cut_short: Option<Limit>,
        scratch: &mut Scratch,
    ) -> Option<Verdict> {
        self.look(subject, scratch);
        self.conclude(subject, acts, cut_short, scratch)
    }

    /// Judges one exec with its acts taken apart, whatever its names are: the verdict is that of [`judge`](Self::judge), which
    /// spares itself the work where it can't matter.
    #[must_use]
    pub fn judge_without_gate(&self, subject: &Subject<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        self.look(subject, scratch);
        understand::with_acts(subject, |acts, limit| self.conclude(subject, acts, limit, scratch))
    }

    /// Sets the bits of what the exec itself says.
    pub(super) fn look(&self, subject: &Subject<'_>, scratch: &mut Scratch) {
        scratch.reset(self);
        let mut joined = std::mem::take(&mut scratch.joined);
        self.scan(subject, &mut joined, |text, found| {
            if found.holds {
                scratch.hit(found.atom, text, found.start);
            }
        });
        scratch.joined = joined;
        if let (true, Some(atom)) = (subject.is_truncated, self.truncated) {
            scratch.hit(atom, subject.first_act(), 0);
        }
    }

    /// Whether a rule about acts could match.
    pub(super) fn needs_acts(&self, subject: &Subject<'_>, scratch: &Scratch) -> bool {
        if self.gate.is_shut() {
            return false;
        }
        let mut names = subject.file_names.iter().chain(subject.known_as);
        names.any(|name| self.gate.lets_in(name, subject.command_line))
            || self.gate.lets_in(understand::own_name(subject), subject.command_line)
            || self.open_rules.iter().any(|all| self.all_hold(all, scratch))
    }

    /// Reports every occurrence of every atom in the texts of the exec. Texts are numbered: names first, then the command
    /// line, the image, the names known otherwise.
    pub(super) fn scan(&self, subject: &Subject<'_>, joined: &mut Vec<u8>, mut report: impl FnMut(usize, Found)) {
        let command_line_number = subject.file_names.len();
        for (text, name) in subject.file_names.iter().enumerate() {
            self.file_name.scan(name, joined, |found| report(text, found));
            self.image.scan(name, joined, |found| report(text, found));
        }
        // The NUL behind the last argument ends it, as the end of the joined form does.
        let command_line = subject.command_line.strip_suffix(b"\0").unwrap_or(subject.command_line);
        self.command_line
            .scan(command_line, joined, |found| report(command_line_number, found));
        if let Some(image) = subject.image {
            self.image
                .scan(image, joined, |found| report(command_line_number + 1, found));
        }
        for (index, name) in subject.known_as.iter().enumerate() {
            self.known_as
                .scan(name, joined, |found| report(command_line_number + 2 + index, found));
        }
    }

    /// Looks at the acts, then at every rule.
    fn conclude(
        &self,
        subject: &Subject<'_>,
        acts: &[Act<'_>],
        cut_short: Option<Limit>,
        scratch: &mut Scratch,
    ) -> Option<Verdict> {
        if let (Some(_), Some(atom)) = (cut_short, self.cut_short) {
            scratch.hit(atom, subject.first_act(), 0);
        }
        for (number, act) in acts.iter().enumerate() {
            self.look_at_act(subject, number, act, scratch);
        }
        for rule in &self.exec_rules {
            if self.rule_holds(*rule, scratch) {
                scratch.matched[rule / 64] |= 1 << (rule % 64);
            }
        }
        let first = (0..self.rules.len()).find(|rule| scratch.has_matched(*rule))?;
        Some(self.verdict(first, acts, cut_short, scratch))
    }

    /// Sets the bits of one act and looks at the rules about acts. Of its hits those stay that made a rule match.
    fn look_at_act(&self, subject: &Subject<'_>, number: usize, act: &Act<'_>, scratch: &mut Scratch) {
        let known = scratch.hits.len();
        self.set_act(act, scratch, |scratch, atom| {
            let order = scratch.hits.len() - known;
            scratch.hit(atom, subject.first_act() + 1 + number, order);
        });
        let mut used = BTreeSet::new();
        for rule in &self.act_rules {
            if self.rule_holds(*rule, scratch) {
                scratch.matched[rule / 64] |= 1 << (rule % 64);
                let all = self.rules[*rule].all.iter();
                used.extend(all.flat_map(|predicate| &self.predicates[*predicate].atoms).copied());
            }
        }
        if used.is_empty() {
            scratch.hits.truncate(known);
            return;
        }
        let mut index = 0;
        scratch.hits.retain(|hit| {
            index += 1;
            index <= known || used.contains(&hit.atom)
        });
        scratch.acts.push(number);
    }

    /// Sets the bits of one act in place of those of the one before.
    pub(super) fn set_act(&self, act: &Act<'_>, scratch: &mut Scratch, mut set: impl FnMut(&mut Scratch, usize)) {
        for (bits, mask) in scratch.bits.iter_mut().zip(&self.act_mask) {
            *bits &= !mask;
        }
        self.acts.scan(act, |hit| set(scratch, hit.atom));
    }

    /// Whether a rule's conditions hold for the exec and for the act whose bits are set.
    pub(super) fn rule_holds(&self, rule: usize, scratch: &Scratch) -> bool {
        let rule = &self.rules[rule];
        !rule.all.is_empty()
            && self.all_hold(&rule.all, scratch)
            && !rule.none.iter().any(|index| self.predicates[*index].holds(scratch))
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

    fn verdict(&self, first: usize, acts: &[Act<'_>], cut_short: Option<Limit>, scratch: &mut Scratch) -> Verdict {
        let lead = &self.rules[first];
        let case = |pack: usize| Some(&self.packs[pack].cases[self.chosen_case(pack, scratch)?]);
        let category = match case(lead.pack) {
            Some(case) => case.category.clone(),
            None => lead.category.clone().unwrap_or_default(),
        };
        let mut verdict = Verdict {
            category,
            technique_label: None,
            rule_ids: Vec::new(),
            packs: Vec::new(),
            matched_terms: Vec::new(),
            services: Vec::new(),
            targets: Vec::new(),
            severity: lead.severity,
            confidence: Confidence::Low,
            technique: lead.technique.clone(),
            tactic: lead.tactic.clone(),
            cut_short,
        };
        let mut used = vec![false; self.atoms.len()];
        let matched = (first..self.rules.len()).filter(|rule| scratch.has_matched(*rule));
        for rule in matched.map(|rule| &self.rules[rule]) {
            verdict.rule_ids.push(rule.id.clone());
            let pack = &self.packs[rule.pack];
            if !verdict.packs.contains(&pack.name) {
                verdict.packs.push(pack.name.clone());
                if verdict.technique_label.is_none() {
                    verdict.technique_label = case(rule.pack).and_then(|case| case.technique_label.clone());
                }
            }
            verdict.severity = verdict.severity.max(rule.severity);
            if !pack.is_judged {
                verdict.confidence = verdict.confidence.max(rule.confidence);
            }
            for atom in rule.all.iter().flat_map(|index| &self.predicates[*index].atoms) {
                used[*atom] = true;
            }
        }
        self.name_terms(&used, scratch, &mut verdict);
        name_targets(acts, &scratch.acts, &mut verdict);
        verdict
    }

    /// The terms that made the rules match, and those of them that are services.
    fn name_terms(&self, used: &[bool], scratch: &mut Scratch, verdict: &mut Verdict) {
        scratch.hits.sort_unstable_by_key(|hit| (hit.text, hit.start, hit.atom));
        let mut terms = HashSet::new();
        let mut services = HashSet::new();
        for hit in scratch.hits.iter().filter(|hit| used[hit.atom]) {
            let AtomInfo { field, operator, term } = &self.atoms[hit.atom];
            // How a command is reached is no term of anybody's list.
            if term.is_empty() || matches!(field, Field::Via | Field::Manner) {
                continue;
            }
            if terms.insert(term.to_ascii_lowercase()) {
                verdict.matched_terms.push(term.clone());
            }
            if (*field, *operator) == (Field::Host, Operator::InDomain) && services.insert(term) {
                verdict.services.push(term.clone());
            }
        }
    }
}

/// What the acts that matched ask about.
fn name_targets(acts: &[Act<'_>], matched: &[usize], verdict: &mut Verdict) {
    let mut known = HashSet::new();
    let chosen = || {
        matched
            .iter()
            .filter_map(|number| acts.get(*number))
            .map(|act| &act.requests)
    };
    // Who asks no service asks the host itself.
    let by_hosts = verdict.services.is_empty() && chosen().all(|requests| requests.targets.is_empty());
    for target in chosen().flat_map(|requests| if by_hosts { &requests.hosts } else { &requests.targets }) {
        let Some(target) = known_end(target) else { continue };
        if known.insert(target) {
            verdict.targets.push(target.to_owned());
        }
    }
}

/// What is known of a target: all of it, or the labels behind the part that is not known, when they are a domain.
fn known_end(target: &str) -> Option<&str> {
    let Some((_, end)) = target.rsplit_once(char::from(Word::UNKNOWN)) else {
        return (!target.is_empty()).then_some(target);
    };
    let end = end.split_once('.')?.1;
    end.contains('.').then_some(end)
}

impl Subject<'_> {
    /// The number of the first text behind those that [`Engine::scan`] reports.
    pub(super) fn first_act(&self) -> usize {
        self.file_names.len() + 2 + self.known_as.len()
    }
}

impl CompiledPredicate {
    pub(super) fn holds(&self, scratch: &Scratch) -> bool {
        self.mask.iter().any(|(word, bits)| scratch.bits[*word] & bits != 0)
    }
}

impl Scratch {
    /// Forgets which execs were found clean: each is judged from the beginning again, which only measurements want.
    pub fn forget(&mut self) {
        self.clean.forget();
    }

    fn reset(&mut self, engine: &Engine) {
        let atoms = engine.atoms.len();
        self.bits.clear();
        self.bits.resize(atoms.div_ceil(64), 0);
        self.matched.clear();
        self.matched.resize(engine.rules.len().div_ceil(64), 0);
        self.acts.clear();
        self.hits.clear();
        self.hits.reserve(atoms);
    }

    /// Sets the bit of an atom, and remembers the place if it was not set.
    pub(super) fn hit(&mut self, atom: usize, text: usize, start: usize) {
        let word = &mut self.bits[atom / 64];
        let bit = 1 << (atom % 64);
        if *word & bit == 0 {
            *word |= bit;
            self.hits.push(Hit { atom, text, start });
        }
    }

    pub(super) fn has_matched(&self, rule: usize) -> bool {
        self.matched[rule / 64] & (1 << (rule % 64)) != 0
    }
}
