//! Walking through a script as a shell would, to learn what each command gets.
//!
//! Owns the order of things: which branch counts, what a pipe carries, what a loop repeats. Never runs anything. A branch
//! that would not run is walked through as well, and what it changes is undone; one that may not run leaves what was before
//! as an alternative.

use std::rc::Rc;

use super::super::Budget;
use super::Simple;
use super::expand::{How, UNKNOWN};
use super::output;
use super::parser;
use super::pattern::Pattern;
use super::state::{Bytes, Function, State};
use super::syntax::{
    Assign, AssignValue, Item, Join, List, Node, Piece, Redirect, RedirectTo, Script, SimpleNode, Stage, Word, WordKind,
};
use crate::event::base_name;

/// Programs, variables that they read, and the options that say the same.
const ENVIRONMENT: &[(&str, &str, &str)] = &[("psql", "PGHOST", "--host="), ("psql", "PGHOSTADDR", "--host=")];

/// Words of one loop that its body is walked through for.
const ROUNDS: usize = 256;

/// How a command ended, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Failure,
    Unknown,
}

/// Where output goes. Parts that are not known are one [`UNKNOWN`] byte.
pub(super) struct Sink {
    wanted: bool,
    pub(super) bytes: Vec<u8>,
}

impl Sink {
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            bytes: Vec::new(),
        }
    }

    /// What was written, when any of it is known.
    pub(super) fn known(self) -> Option<Bytes> {
        (self.wanted && self.bytes.iter().any(|&byte| byte != UNKNOWN)).then(|| Rc::from(self.bytes))
    }

    fn unknown(&mut self) {
        if self.wanted && self.bytes.last() != Some(&UNKNOWN) {
            self.bytes.push(UNKNOWN);
        }
    }
}

pub(super) struct Shell<'b> {
    pub(super) budget: &'b mut Budget,
    pub(super) state: State,
    pub(super) simples: Vec<Simple>,
    /// Which of their older values the variables have now; 0 for the newest.
    pub(super) alternative: usize,
    /// The most older values of a variable that was asked for.
    pub(super) alternatives: usize,
    /// Output of the last `<(...)`.
    pub(super) process: Option<Bytes>,
    /// Functions that are being called.
    calls: Vec<Vec<u8>>,
}

impl<'b> Shell<'b> {
    pub(super) fn new(params: &[&[u8]], budget: &'b mut Budget) -> Self {
        let known = !params.is_empty() && budget.pay(params.iter().map(|param| param.len()).sum());
        let parameters = known.then(|| params.iter().map(|&param| Rc::from(param)).collect());
        Self {
            budget,
            state: State::new(parameters),
            simples: Vec::new(),
            alternative: 0,
            alternatives: 0,
            process: None,
            calls: Vec::new(),
        }
    }

    /// Walks through a text in this shell (`eval`, and the whole).
    pub(super) fn run(&mut self, text: Vec<u8>, input: Option<&Bytes>, sink: &mut Sink) -> Status {
        if !self.budget.enter() {
            sink.unknown();
            return Status::Unknown;
        }
        let script = Rc::new(parser::script(text, self.budget));
        let status = self.list(&script, &script.list, input, sink);
        self.budget.leave();
        status
    }

    fn list(&mut self, script: &Rc<Script>, list: &[Item], input: Option<&Bytes>, sink: &mut Sink) -> Status {
        let mut status = Status::Success;
        for item in list {
            if !self.budget.pay(1) {
                break;
            }
            match (item.join, status) {
                (Join::Always, _) | (Join::And, Status::Success) | (Join::Or, Status::Failure) => {
                    status = self.item(script, item, input, sink);
                }
                (Join::And, Status::Failure) | (Join::Or, Status::Success) => {
                    self.dead(|shell| {
                        shell.item(script, item, input, &mut Sink::new(false));
                    });
                }
                (_, Status::Unknown) => {
                    self.state.maybe += 1;
                    self.item(script, item, input, sink);
                    self.state.maybe -= 1;
                }
            }
        }
        status
    }

    /// Walks through what does not run.
    fn dead(&mut self, walk: impl FnOnce(&mut Self)) {
        let scope = self.state.open();
        walk(self);
        self.state.close(&scope);
    }

    /// Commands whose changes end with them.
    pub(super) fn subshell(
        &mut self,
        script: &Rc<Script>,
        list: &[Item],
        input: Option<&Bytes>,
        sink: &mut Sink,
    ) -> Status {
        if !self.budget.enter() {
            sink.unknown();
            return Status::Unknown;
        }
        let scope = self.state.open();
        let status = self.list(script, list, input, sink);
        self.state.close(&scope);
        self.budget.leave();
        status
    }

    fn item(&mut self, script: &Rc<Script>, item: &Item, input: Option<&Bytes>, sink: &mut Sink) -> Status {
        let status = match &item.stages[..] {
            [stage] => self.stage(script, stage, input, sink),
            [first @ .., last] => {
                let mut input = input.cloned();
                for stage in first {
                    let mut pipe = Sink::new(true);
                    let scope = self.state.open();
                    self.stage(script, stage, input.as_ref(), &mut pipe);
                    self.state.close(&scope);
                    input = pipe.known();
                }
                // The last one runs in this shell in some shells, in one of its own in others.
                self.state.maybe += 1;
                let status = self.stage(script, last, input.as_ref(), sink);
                self.state.maybe -= 1;
                status
            }
            [] => Status::Success,
        };
        match status {
            Status::Success if item.negated => Status::Failure,
            Status::Failure if item.negated => Status::Success,
            _ => status,
        }
    }

    fn stage(&mut self, script: &Rc<Script>, stage: &Stage, input: Option<&Bytes>, sink: &mut Sink) -> Status {
        let mut input = input.cloned();
        let mut lost = Sink::new(false);
        let mut silent = false;
        for redirect in &stage.redirects {
            self.redirect(script, redirect, &mut input, &mut silent);
        }
        let sink = if silent { &mut lost } else { sink };
        match &*stage.node {
            Node::Simple(simple) => self.simple(script, simple, input, sink),
            node => {
                if !self.budget.enter() {
                    sink.unknown();
                    return Status::Unknown;
                }
                let status = self.compound(script, node, input.as_ref(), sink);
                self.budget.leave();
                status
            }
        }
    }

    fn redirect(&mut self, script: &Rc<Script>, redirect: &Redirect, input: &mut Option<Bytes>, silent: &mut bool) {
        let read = match &redirect.to {
            RedirectTo::HereString(word) => {
                let mut text = self.text(script, word, How::Text);
                text.push(b'\n');
                Some(text)
            }
            RedirectTo::Document(index) => script
                .documents
                .get(*index)
                .map(|word| self.text(script, word, How::Text)),
            RedirectTo::In(word) => {
                self.process = None;
                let name = self.text(script, word, How::Text);
                if redirect.fd == Some(0) && !matches!(&name[..], b"/dev/stdin" | b"/dev/fd/0") {
                    *input = self.process.take();
                }
                return;
            }
            RedirectTo::Out(word) => {
                let name = self.text(script, word, How::Text);
                *silent |= redirect.fd == Some(1) && !matches!(&name[..], b"/dev/stdout" | b"/dev/fd/1");
                return;
            }
            RedirectTo::Copy(word) => {
                let name = self.text(script, word, How::Text);
                *silent |= redirect.fd == Some(1) && name != b"1";
                if redirect.fd == Some(0) {
                    *input = None;
                }
                return;
            }
        };
        if redirect.fd == Some(0) {
            *input = read
                .filter(|text| text.iter().any(|&byte| byte != UNKNOWN && byte != b'\n'))
                .map(Rc::from);
        }
    }

    fn compound(&mut self, script: &Rc<Script>, node: &Node, input: Option<&Bytes>, sink: &mut Sink) -> Status {
        match node {
            Node::Simple(_) => Status::Unknown,
            Node::Subshell(list) => {
                let scope = self.state.open();
                let status = self.list(script, list, input, sink);
                self.state.close(&scope);
                status
            }
            Node::Group(list) => self.list(script, list, input, sink),
            Node::If { arms, otherwise } => self.branches(script, arms, otherwise, input, sink),
            Node::While { condition, body } => self.repeat(script, condition, body, input, sink),
            Node::For { name, words, body } => {
                self.each_word(script, script.slice(*name), words.as_deref(), body, input, sink)
            }
            Node::Case { subject, arms } => self.case(script, subject, arms, input, sink),
            Node::Function { name, body } => {
                let name = script.slice(*name);
                self.dead(|shell| {
                    shell.state.set_parameters(None);
                    shell.calls.push(name.to_vec());
                    shell.stage(script, body, None, &mut Sink::new(false));
                    shell.calls.pop();
                });
                let function = Function {
                    script: script.clone(),
                    body: body.clone(),
                };
                self.state.functions.insert(name.to_vec(), function);
                Status::Success
            }
            Node::Condition(words) => {
                for word in words {
                    self.text(script, word, How::Text);
                }
                Status::Unknown
            }
        }
    }

    fn branches(
        &mut self,
        script: &Rc<Script>,
        arms: &[(List, List)],
        otherwise: &[Item],
        input: Option<&Bytes>,
        sink: &mut Sink,
    ) -> Status {
        let mut reached = Status::Success;
        let mut outputs = Vec::new();
        let last = (&[][..], otherwise);
        let all = arms.iter().map(|(condition, body)| (&condition[..], &body[..]));
        for (condition, body) in all.chain([last]) {
            if reached == Status::Failure {
                self.dead(|shell| {
                    shell.list(script, condition, input, &mut Sink::new(false));
                    shell.list(script, body, input, &mut Sink::new(false));
                });
                continue;
            }
            self.state.maybe += usize::from(reached == Status::Unknown);
            let holds = self.list(script, condition, input, sink);
            self.state.maybe -= usize::from(reached == Status::Unknown);
            if holds == Status::Failure {
                self.dead(|shell| {
                    shell.list(script, body, input, &mut Sink::new(false));
                });
                continue;
            }
            let sure = reached == Status::Success && holds == Status::Success;
            let mut part = Sink::new(sink.wanted);
            self.state.maybe += usize::from(!sure);
            self.list(script, body, input, &mut part);
            self.state.maybe -= usize::from(!sure);
            outputs.push(part.bytes);
            reached = if holds == Status::Success {
                Status::Failure
            } else {
                Status::Unknown
            };
        }
        merge(outputs, sink);
        Status::Unknown
    }

    fn case(
        &mut self,
        script: &Rc<Script>,
        subject: &Word,
        arms: &[(Vec<Word>, List)],
        input: Option<&Bytes>,
        sink: &mut Sink,
    ) -> Status {
        let subject = self.text(script, subject, How::Text);
        let known = !subject.contains(&UNKNOWN);
        let mut reached = Status::Success;
        let mut outputs = Vec::new();
        for (patterns, body) in arms {
            let mut matches = if known { Some(false) } else { None };
            for pattern in patterns {
                let pattern = self.text(script, pattern, How::Pattern);
                if matches == Some(false) {
                    matches = if pattern.contains(&UNKNOWN) {
                        None
                    } else {
                        Pattern::new(&pattern).matches(&subject, self.budget)
                    };
                }
            }
            if reached == Status::Failure || matches == Some(false) {
                self.dead(|shell| {
                    shell.list(script, body, input, &mut Sink::new(false));
                });
                continue;
            }
            let sure = reached == Status::Success && matches == Some(true);
            let mut part = Sink::new(sink.wanted);
            self.state.maybe += usize::from(!sure);
            self.list(script, body, input, &mut part);
            self.state.maybe -= usize::from(!sure);
            outputs.push(part.bytes);
            reached = if matches == Some(true) {
                Status::Failure
            } else {
                Status::Unknown
            };
        }
        merge(outputs, sink);
        Status::Unknown
    }

    fn repeat(
        &mut self,
        script: &Rc<Script>,
        condition: &[Item],
        body: &[Item],
        input: Option<&Bytes>,
        sink: &mut Sink,
    ) -> Status {
        let lines: Vec<Bytes> = match input {
            Some(input) if reads(script, condition) => input
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
                .take(ROUNDS)
                .map(Rc::from)
                .collect(),
            _ => Vec::new(),
        };
        let rounds: Vec<Option<&Bytes>> = if lines.is_empty() {
            vec![None]
        } else {
            lines.iter().map(Some).collect()
        };
        for line in rounds {
            if !self.budget.pay(64) {
                break;
            }
            self.list(script, condition, line.or(input), sink);
            self.state.maybe += 1;
            self.list(script, body, None, sink);
            self.state.maybe -= 1;
        }
        Status::Unknown
    }

    fn each_word(
        &mut self,
        script: &Rc<Script>,
        name: &[u8],
        words: Option<&[Word]>,
        body: &[Item],
        input: Option<&Bytes>,
        sink: &mut Sink,
    ) -> Status {
        let mut values: Vec<Bytes> = match words {
            Some(words) => self.words(script, words).into_iter().map(Rc::from).collect(),
            None => match self.state.parameters() {
                Some(parameters) if self.budget.pay(parameters.len()) => parameters.iter().skip(1).cloned().collect(),
                _ => vec![Rc::from(&[UNKNOWN][..])],
            },
        };
        if values.is_empty() {
            self.dead(|shell| {
                shell.state.set(name, vec![Rc::from(&[UNKNOWN][..])]);
                shell.list(script, body, input, &mut Sink::new(false));
            });
            return Status::Success;
        }
        // Counting says the same every time: a few rounds, and one for all the others.
        const COUNTED: usize = 4;
        let is_number = |value: &Bytes| value.iter().all(u8::is_ascii_digit);
        let mut numbers = 0;
        values.retain(|value| {
            numbers += usize::from(is_number(value));
            !is_number(value) || numbers <= COUNTED
        });
        if numbers > COUNTED {
            values.push(Rc::from(&[UNKNOWN][..]));
        }
        if values.len() > ROUNDS {
            values.truncate(ROUNDS);
            self.budget.note(super::super::Limit::Commands);
        }
        for value in values {
            if !self.budget.pay(64) {
                break;
            }
            // Every value has its own round: none is an alternative to another.
            let maybe = std::mem::take(&mut self.state.maybe);
            self.state.set(name, vec![value]);
            self.state.maybe = maybe;
            self.list(script, body, input, sink);
        }
        Status::Unknown
    }

    fn simple(&mut self, script: &Rc<Script>, node: &SimpleNode, input: Option<Bytes>, sink: &mut Sink) -> Status {
        if node.words.is_empty() {
            self.assign(script, &node.assigns);
            return Status::Success;
        }
        if !self.budget.command() {
            return Status::Unknown;
        }
        // The place in the order is where the command begins, before what is substituted in its words.
        let slot = self.simples.len();
        self.simples.push(Simple::default());
        let before = (
            self.alternative,
            std::mem::take(&mut self.alternatives),
            self.process.take(),
        );
        let words = self.words(script, &node.words);
        let alternatives = std::mem::take(&mut self.alternatives);
        let input = input.or(self.process.take());
        if alternatives > 0 && self.alternative == 0 {
            for alternative in 1..=alternatives {
                if !self.budget.command() {
                    break;
                }
                self.alternative = alternative;
                let other = self.words(script, &node.words);
                if other != words && !other.is_empty() {
                    self.simples.push(Simple {
                        words: other,
                        stdin: input.as_deref().map(<[u8]>::to_vec),
                    });
                }
            }
        }
        (self.alternative, self.alternatives, self.process) = before;
        if node.declares || node.assigns.is_empty() {
            self.assign(script, &node.assigns);
            let separators = self.state.separators();
            return self.call(slot, words, input, &separators, sink);
        }
        let scope = self.state.open();
        self.assign(script, &node.assigns);
        let separators = self.state.separators();
        let stays = super::builtins::changes_shell(&words);
        if stays {
            self.state.close(&scope);
        }
        let status = self.call(slot, words, input, &separators, sink);
        if !stays {
            self.state.close(&scope);
        }
        status
    }

    /// Does what a command with these words does, as far as that matters here.
    fn call(
        &mut self,
        slot: usize,
        words: Vec<Vec<u8>>,
        input: Option<Bytes>,
        separators: &Bytes,
        sink: &mut Sink,
    ) -> Status {
        let program = super::builtins::program(&words);
        match program.first().map(|name| &name[..]) {
            None => return Status::Unknown,
            Some(b"eval") => {
                let text = program.get(1..).unwrap_or_default().join(&b' ');
                return if self.budget.pay(text.len()) {
                    self.run(text, input.as_ref(), sink)
                } else {
                    Status::Unknown
                };
            }
            Some(name) => {
                let own = program.len() == words.len();
                if own
                    && !self.calls.iter().any(|call| call == name)
                    && let Some(function) = self.state.functions.get(name).cloned()
                {
                    return self.function(function, &words, input.as_ref(), sink);
                }
            }
        }
        let mut status = self.builtin(program, input.as_ref(), separators);
        if status.is_none() && sink.wanted {
            status = Some(output::write(program, input.as_deref(), &mut sink.bytes, self.budget));
        }
        let status = status.unwrap_or_else(|| output::status(program));
        if let Some(simple) = self.simples.get_mut(slot)
            && self.budget.pay(input.as_ref().map_or(0, |input| input.len()))
        {
            simple.stdin = input.map(|input| input.to_vec());
        }
        let mut words = words;
        self.add_environment(&mut words);
        if let Some(simple) = self.simples.get_mut(slot) {
            simple.words = words;
        }
        status
    }

    /// What a program reads from its environment counts as if it stood in its arguments.
    fn add_environment(&mut self, words: &mut Vec<Vec<u8>>) {
        for (program, variable, option) in ENVIRONMENT {
            if words.first().is_some_and(|name| base_name(name) == program.as_bytes())
                && let Some(value) = self
                    .state
                    .variable(variable.as_bytes())
                    .and_then(|known| known.values.first())
                && self.budget.pay(value.len())
            {
                words.insert(1, [option.as_bytes(), value].concat());
            }
        }
    }

    fn function(&mut self, function: Function, words: &[Vec<u8>], input: Option<&Bytes>, sink: &mut Sink) -> Status {
        if !self.budget.enter() {
            sink.unknown();
            return Status::Unknown;
        }
        let before = self.state.parameters().map(|parameters| parameters.to_vec());
        let mut parameters: Vec<Bytes> = words.iter().map(|word| Rc::from(&word[..])).collect();
        // `$0` stays that of the shell.
        if let (Some(first), Some(shell)) = (
            parameters.first_mut(),
            before.as_ref().and_then(|before| before.first()),
        ) {
            *first = shell.clone();
        }
        let copied: usize = words.iter().map(Vec::len).sum();
        let mut status = Status::Unknown;
        if self.budget.pay(copied + before.as_ref().map_or(0, Vec::len)) {
            self.state.set_parameters(Some(parameters));
            self.calls.push(words.first().cloned().unwrap_or_default());
            status = self.stage(&function.script, &function.body, input, sink);
            self.calls.pop();
            self.state.set_parameters(before);
        }
        self.budget.leave();
        status
    }

    fn assign(&mut self, script: &Rc<Script>, assigns: &[Assign]) {
        for assign in assigns {
            if !self.budget.pay(8) {
                break;
            }
            let name = script.slice(assign.name);
            let mut values = match self.state.variable(name) {
                Some(variable) if assign.append || assign.index.is_some() => {
                    if !self.budget.pay(variable.values.len()) {
                        break;
                    }
                    variable.values.clone()
                }
                // What is appended to is not known.
                None if assign.append => vec![Rc::from(&[UNKNOWN][..])],
                _ => Vec::new(),
            };
            match &assign.value {
                AssignValue::Array(words) => {
                    if !assign.append || self.state.variable(name).is_none() {
                        values.clear();
                    }
                    values.extend(self.words(script, words).into_iter().map(Rc::from));
                }
                AssignValue::Word(word) => {
                    let text = self.text(script, word, How::Text);
                    let at = match &assign.index {
                        None => 0,
                        Some(index) => {
                            let index = self.text(script, index, How::Text);
                            let index = self.arithmetic(&index).and_then(|index| usize::try_from(index).ok());
                            match index.filter(|&index| index < 64) {
                                Some(index) => index,
                                None => continue,
                            }
                        }
                    };
                    while values.len() <= at {
                        values.push(Rc::from(&b""[..]));
                    }
                    if let Some(value) = values.get_mut(at) {
                        *value = if assign.append && self.budget.pay(value.len()) {
                            Rc::from([&value[..], &text[..]].concat())
                        } else {
                            Rc::from(text)
                        };
                    }
                }
            }
            self.state.set(name, values);
        }
    }
}

/// What one of several branches prints: known when there is only one text.
fn merge(outputs: Vec<Vec<u8>>, sink: &mut Sink) {
    let mut texts = outputs.into_iter().filter(|output| !output.is_empty());
    let Some(first) = texts.next() else {
        return;
    };
    if texts.all(|text| text == first) {
        sink.bytes.extend_from_slice(&first);
    } else {
        sink.unknown();
    }
}

/// Whether the condition of a loop reads a line.
fn reads(script: &Script, condition: &[Item]) -> bool {
    let is_read = |word: &Word| match &word.kind {
        WordKind::Plain(span) => script.slice(*span) == b"read",
        WordKind::Pieces(pieces) => {
            matches!(pieces.first(), Some(Piece::Quoted(span)) if script.slice(*span) == b"read")
        }
    };
    condition
        .iter()
        .flat_map(|item| &item.stages)
        .any(|stage| match &*stage.node {
            Node::Simple(simple) => simple.words.first().is_some_and(is_read),
            _ => false,
        })
}
