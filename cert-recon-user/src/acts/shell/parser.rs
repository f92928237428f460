//! Commands: from words to lists, pipelines and compound commands.
//!
//! Owns the grammar; never runs or expands anything. Bad syntax loses no command: a keyword or parenthesis that closes
//! nothing is skipped, and one that closes something further out ends what stands within.

use std::rc::Rc;

use super::super::{Budget, Limit};
use super::lexer::{Mode, is_meta};
use super::redirect::Pending;
use super::syntax::{
    Assign, AssignValue, Item, Join, List, Node, Redirect, Script, SimpleNode, Span, Stage, Word, WordKind,
};

/// What a node costs beyond its bytes.
pub(super) const NODE: usize = 8;

/// Commands (and assignments) of one text. Reading more would only use up what is left for those that are read.
const NODES: usize = 4 * Budget::COMMANDS;

/// What ends a list, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop(u8);

impl Stop {
    pub(super) const PAREN: Self = Self(1);
    pub(super) const BRACE: Self = Self(1 << 1);
    pub(super) const THEN: Self = Self(1 << 2);
    pub(super) const FI: Self = Self(1 << 3);
    pub(super) const DO: Self = Self(1 << 4);
    pub(super) const DONE: Self = Self(1 << 5);
    pub(super) const CASE: Self = Self(1 << 6);
    const NONE: Self = Self(0);

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

pub(super) struct Parser<'t, 'b> {
    pub(super) text: &'t [u8],
    pub(super) pos: usize,
    /// Where the text ends for now: a here-document and an arithmetic expression are read within their bounds.
    pub(super) end: usize,
    pub(super) budget: &'b mut Budget,
    pub(super) no_arithmetic: bool,
    nodes: usize,
    /// What lists further out end at.
    outer: Stop,
    pub(super) documents: Vec<Word>,
    pub(super) pending: Vec<Pending>,
}

/// Reads a whole text.
pub(super) fn script(text: Vec<u8>, budget: &mut Budget) -> Script {
    let mut documents = Vec::new();
    let mut list = List::new();
    if budget.pay(text.len()) {
        let mut parser = Parser {
            text: &text,
            pos: 0,
            end: text.len(),
            budget,
            no_arithmetic: false,
            nodes: 0,
            outer: Stop::NONE,
            documents: Vec::new(),
            pending: Vec::new(),
        };
        list = parser.list(Stop::NONE);
        documents = parser.documents;
    }
    Script { text, list, documents }
}

impl Parser<'_, '_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, offset: usize) -> Option<u8> {
        let at = self.pos + offset;
        if at < self.end {
            self.text.get(at).copied()
        } else {
            None
        }
    }

    pub(super) fn starts_with(&self, text: &[u8]) -> bool {
        self.text
            .get(self.pos..self.end)
            .is_some_and(|rest| rest.starts_with(text))
    }

    /// The list in a substitution, and what closes it. Nothing when it is nested too deeply; then it is stepped over.
    pub(super) fn substitution(&mut self, stop: Stop) -> Option<List> {
        if !self.budget.pay(NODE / 4) || !self.budget.enter() {
            let (open, close) = if stop == Stop::BRACE {
                (b'{', b'}')
            } else {
                (b'(', b')')
            };
            self.skip_nested(open, close);
            return None;
        }
        let outer = std::mem::replace(&mut self.outer, Stop::NONE);
        let list = self.list(stop);
        self.outer = outer;
        self.budget.leave();
        if matches!(self.peek(), Some(b')' | b'}')) {
            self.pos += 1;
        }
        Some(list)
    }

    /// Steps over what is nested too deeply, up to the end of the construct whose beginning is read.
    pub(super) fn skip_nested(&mut self, open: u8, close: u8) {
        let mut depth = 1usize;
        while let Some(byte) = self.peek() {
            self.pos += 1;
            if byte == open {
                depth += 1;
            } else if byte == close {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            } else if byte == b'\\' {
                self.pos += 1;
            }
        }
    }

    /// Pays for one more node. False when there are too many.
    pub(super) fn node(&mut self) -> bool {
        self.nodes += 1;
        if self.nodes > NODES {
            self.budget.note(Limit::Commands);
            self.pos = self.end;
            return false;
        }
        self.budget.pay(NODE)
    }

    /// Blanks, comments and joined lines; a comment only where a word could begin.
    pub(super) fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.pos += 1,
                Some(b'\\') if self.peek_at(1) == Some(b'\n') => self.pos += 2,
                Some(b'#') => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.pos += 1;
                    }
                }
                _ => return,
            }
        }
    }

    pub(super) fn newlines(&mut self) {
        loop {
            self.blanks();
            if self.peek() != Some(b'\n') {
                return;
            }
            self.newline();
        }
    }

    pub(super) fn newline(&mut self) {
        self.pos += 1;
        for pending in std::mem::take(&mut self.pending) {
            self.document(&pending);
        }
    }

    /// Commands up to what ends the list, which stays to be read.
    pub(super) fn list(&mut self, stop: Stop) -> List {
        let stop = stop.and(self.outer);
        let outer = std::mem::replace(&mut self.outer, stop);
        let mut list = List::new();
        let mut join = Join::Always;
        while self.pos < self.end {
            self.newlines();
            let Some(byte) = self.peek() else {
                break;
            };
            match byte {
                b')' if stop.has(Stop::PAREN) => break,
                b';' if self.peek_at(1) == Some(b';') || self.peek_at(1) == Some(b'&') => {
                    if stop.has(Stop::CASE) {
                        break;
                    }
                    self.pos += 2;
                    continue;
                }
                b')' | b';' | b'|' => {
                    self.pos += 1;
                    continue;
                }
                b'&' if self.peek_at(1) != Some(b'>') => {
                    self.pos += 1;
                    continue;
                }
                _ => {}
            }
            if let Some((keyword, closes)) = self.closer() {
                if stop.has(closes) {
                    break;
                }
                self.pos += keyword;
                continue;
            }
            let before = self.pos;
            if !self.node() {
                self.pos = self.end;
                break;
            }
            list.push(self.pipeline(join));
            self.blanks();
            join = if self.starts_with(b"&&") {
                self.pos += 2;
                Join::And
            } else if self.starts_with(b"||") {
                self.pos += 2;
                Join::Or
            } else {
                Join::Always
            };
            if self.pos == before {
                self.pos += 1;
            }
        }
        self.outer = outer;
        list
    }

    /// The keyword here, if it is one that closes something: its length, and which lists it ends.
    fn closer(&self) -> Option<(usize, Stop)> {
        let word = self.keyword();
        let closes = match word {
            b"then" => Stop::THEN,
            b"fi" | b"else" | b"elif" => Stop::FI,
            b"do" => Stop::DO,
            b"done" => Stop::DONE,
            b"esac" => Stop::CASE,
            b"}" => Stop::BRACE,
            _ => return None,
        };
        Some((word.len(), closes))
    }

    /// The plain word here, as far as it could be a keyword.
    pub(super) fn keyword(&self) -> &[u8] {
        const LONGEST: usize = 8;
        let rest = self.text.get(self.pos..self.end).unwrap_or_default();
        let length = rest
            .iter()
            .take(LONGEST + 1)
            .position(|&byte| is_meta(byte) || byte == b'\r')
            .unwrap_or(rest.len().min(LONGEST + 1));
        rest.get(..length).unwrap_or_default()
    }

    pub(super) fn take(&mut self, keyword: &[u8]) -> bool {
        let found = self.keyword() == keyword;
        if found {
            self.pos += keyword.len();
        }
        found
    }

    fn pipeline(&mut self, join: Join) -> Item {
        let mut negated = false;
        loop {
            if self.take(b"!") {
                negated = !negated;
            } else if self.keyword() == b"time" {
                // As a keyword it has no options but -p; with others it is the program.
                let before = self.pos;
                self.pos += 4;
                self.blanks();
                if !self.take(b"-p") && self.peek() == Some(b'-') {
                    self.pos = before;
                    break;
                }
            } else if self.take(b"coproc") {
                self.blanks();
                let name = self.while_name(self.pos);
                let behind = self.text.get(name..self.end).unwrap_or_default();
                if behind.starts_with(b" {") || behind.starts_with(b" (") {
                    self.pos = name;
                }
            } else {
                break;
            }
            self.blanks();
        }
        let mut stages = vec![self.stage()];
        loop {
            self.blanks();
            if self.peek() != Some(b'|') || self.peek_at(1) == Some(b'|') {
                break;
            }
            self.pos += 1 + usize::from(self.peek_at(1) == Some(b'&'));
            self.newlines();
            if self.peek().is_none() || !self.node() {
                break;
            }
            stages.push(self.stage());
        }
        Item { join, stages, negated }
    }

    /// A command with its redirections.
    pub(super) fn stage(&mut self) -> Stage {
        let mut redirects = Vec::new();
        let node = match self.compound() {
            Some(node) => {
                loop {
                    self.blanks();
                    match self.redirect() {
                        Some(redirect) => redirects.push(redirect),
                        None => break,
                    }
                }
                node
            }
            None => self.simple(&mut redirects),
        };
        Stage {
            node: Rc::new(node),
            redirects,
        }
    }

    fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Node {
        let mut node = SimpleNode::default();
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect() {
                redirects.push(redirect);
                continue;
            }
            let Some(byte) = self.peek() else {
                break;
            };
            if is_meta(byte) && !(matches!(byte, b'<' | b'>') && self.peek_at(1) == Some(b'(')) {
                break;
            }
            if (node.words.is_empty() || node.declares)
                && let Some(assign) = self.assign()
            {
                node.assigns.push(assign);
                continue;
            }
            let before = self.pos;
            let word = self.word(Mode::Word);
            if self.pos == before || !self.budget.pay(8) {
                self.pos += 1;
                break;
            }
            if node.words.is_empty()
                && let WordKind::Plain(span) = word.kind
            {
                let name = self.text.get(span.start..span.end).unwrap_or_default();
                // Assignments before the command are not what it declares.
                node.declares = matches!(name, b"export" | b"declare" | b"local" | b"readonly" | b"typeset")
                    && node.assigns.is_empty();
            }
            node.words.push(word);
        }
        Node::Simple(node)
    }

    /// `name=`, `name+=`, `name[index]=` with its value.
    fn assign(&mut self) -> Option<Assign> {
        let start = self.pos;
        if self.peek().is_none_or(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let end = self.while_name(start);
        if end == start {
            return None;
        }
        let mut index = None;
        self.pos = end;
        if self.peek() == Some(b'[') {
            // Short, so that looking ahead costs next to nothing.
            let close = (1..32).find(|&offset| self.peek_at(offset) == Some(b']'));
            let behind = close.and_then(|close| self.peek_at(close + 1));
            if !matches!(behind, Some(b'=' | b'+')) {
                self.pos = start;
                return None;
            }
            self.pos += 1;
            let mut pieces = Vec::new();
            self.pieces(Mode::Brackets, &mut pieces);
            self.pos += 1;
            index = Some(Word {
                kind: WordKind::Pieces(pieces),
                braces: false,
            });
        }
        let append = self.starts_with(b"+=");
        if !append && self.peek() != Some(b'=') {
            self.pos = start;
            return None;
        }
        self.pos += 1 + usize::from(append);
        let value = if self.peek() == Some(b'(') {
            self.pos += 1;
            AssignValue::Array(self.array())
        } else {
            AssignValue::Word(self.word(Mode::Word))
        };
        Some(Assign {
            name: Span { start, end },
            index,
            append,
            value,
        })
    }

    fn array(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.newlines();
            match self.peek() {
                None => return words,
                Some(b')') => {
                    self.pos += 1;
                    return words;
                }
                Some(byte) if is_meta(byte) && !self.starts_with(b"<(") => self.pos += 1,
                _ => {
                    if !self.budget.pay(8) {
                        self.pos = self.end;
                        return words;
                    }
                    words.push(self.word(Mode::Word));
                }
            }
        }
    }
}
