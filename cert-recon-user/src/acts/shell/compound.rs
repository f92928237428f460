//! Compound commands: groups, branches, loops, conditions, functions.
//!
//! Owns their grammar. Each costs a level of the budget.

use std::rc::Rc;

use super::lexer::{Mode, is_meta};
use super::parser::{NODE, Parser, Stop};
use super::syntax::{List, Node, Piece, Span, Word, WordKind};

impl Parser<'_, '_> {
    /// A compound command or a function, when one begins here. One that is nested too deeply is opened without a level of
    /// its own: its commands become part of the list around it.
    pub(super) fn compound(&mut self) -> Option<Node> {
        if self.peek() == Some(b'(') {
            if self.peek_at(1) == Some(b'(')
                && let Some(close) = self.arithmetic_end(self.pos + 2)
            {
                self.pos += 2;
                let piece = self.arithmetic(close);
                return Some(Node::Condition(vec![pieces_word(piece)]));
            }
            self.pos += 1;
            return Some(self.nested(|parser| {
                let list = parser.list(Stop::PAREN);
                if parser.peek() == Some(b')') {
                    parser.pos += 1;
                }
                Node::Subshell(list)
            }));
        }
        let keyword = self.keyword();
        let length = keyword.len();
        let read: fn(&mut Self) -> Node = match keyword {
            b"{" => |parser| {
                let list = parser.list(Stop::BRACE);
                parser.take(b"}");
                Node::Group(list)
            },
            b"if" => Self::if_clause,
            b"while" | b"until" => |parser| {
                let condition = parser.list(Stop::DO);
                let body = parser.do_group();
                Node::While { condition, body }
            },
            b"for" | b"select" => Self::for_clause,
            b"case" => Self::case_clause,
            b"[[" => Self::condition,
            b"function" => Self::function_keyword,
            _ => {
                let start = self.pos;
                let end = self.function_name()?;
                // Nobody reads the name again, even when there is no level left for the function.
                self.pos = end;
                return Some(self.nested(|parser| parser.function(Span { start, end })));
            }
        };
        self.pos += length;
        Some(self.nested(read))
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Node) -> Node {
        if !self.budget.enter() {
            return Node::Group(List::new());
        }
        let node = read(self);
        self.budget.leave();
        node
    }

    fn if_clause(&mut self) -> Node {
        let mut arms = Vec::new();
        let mut otherwise = List::new();
        loop {
            let condition = self.list(Stop::THEN.and(Stop::FI));
            self.take(b"then");
            let body = self.list(Stop::FI);
            arms.push((condition, body));
            if self.take(b"elif") {
                continue;
            }
            if self.take(b"else") {
                otherwise = self.list(Stop::FI);
            }
            self.take(b"fi");
            return Node::If { arms, otherwise };
        }
    }

    fn do_group(&mut self) -> List {
        self.newlines();
        while self.peek() == Some(b';') {
            self.pos += 1;
            self.newlines();
        }
        if self.take(b"{") {
            let list = self.list(Stop::BRACE);
            self.take(b"}");
            return list;
        }
        self.take(b"do");
        let list = self.list(Stop::DONE);
        self.take(b"done");
        list
    }

    fn for_clause(&mut self) -> Node {
        self.blanks();
        let start = self.pos;
        if self.starts_with(b"((") {
            if let Some(close) = self.arithmetic_end(self.pos + 2) {
                self.pos += 2;
                self.arithmetic(close);
            }
            let body = self.do_group();
            return Node::While {
                condition: List::new(),
                body,
            };
        }
        let end = self.while_name(start);
        self.pos = end;
        self.newlines();
        let mut words = None;
        if self.take(b"in") {
            let mut list = Vec::new();
            loop {
                self.blanks();
                let before = self.pos;
                if self.peek().is_none_or(is_meta) && !self.starts_with(b"<(") {
                    break;
                }
                list.push(self.word(Mode::Word));
                if self.pos == before {
                    break;
                }
            }
            words = Some(list);
        }
        self.blanks();
        let body = self.do_group();
        Node::For {
            name: Span { start, end },
            words,
            body,
        }
    }

    fn case_clause(&mut self) -> Node {
        self.blanks();
        let subject = self.word(Mode::Word);
        self.newlines();
        let mut arms = Vec::new();
        if !self.take(b"in") {
            return Node::Case { subject, arms };
        }
        loop {
            self.newlines();
            match self.peek() {
                None => break,
                Some(b';' | b'&') => {
                    self.pos += 1;
                    continue;
                }
                Some(b'(') => self.pos += 1,
                _ if self.keyword() == b"esac" => break,
                _ => {}
            }
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word(Mode::Word));
                self.blanks();
                if self.peek() != Some(b'|') {
                    break;
                }
                self.pos += 1;
            }
            if self.peek() == Some(b')') {
                self.pos += 1;
            }
            let before = self.pos;
            let list = self.list(Stop::CASE);
            arms.push((patterns, list));
            if self.pos == before && self.peek().is_none_or(|byte| byte == b')') {
                break;
            }
            if !self.budget.pay(NODE) || (!self.starts_with(b";") && self.keyword() != b"esac") {
                break;
            }
        }
        self.take(b"esac");
        Node::Case { subject, arms }
    }

    fn condition(&mut self) -> Node {
        let mut words = Vec::new();
        loop {
            self.newlines();
            if self.peek().is_none() || self.take(b"]]") {
                break;
            }
            let word = self.word(Mode::Condition);
            // `]]` may stand right before an operator.
            if let WordKind::Plain(Span { start, .. }) = word.kind
                && self.text.get(start..).is_some_and(|rest| rest.starts_with(b"]]"))
            {
                self.pos = start + 2;
                break;
            }
            words.push(word);
        }
        Node::Condition(words)
    }

    /// Where the name ends when `name()` stands here.
    fn function_name(&self) -> Option<usize> {
        let rest = self.text.get(self.pos..self.end).unwrap_or_default();
        let length = rest
            .iter()
            .position(|&byte| is_meta(byte) || matches!(byte, b'\'' | b'"' | b'\\' | b'$' | b'`' | b'='))?;
        // A blank or two are usual; looking for more would be paid by nobody.
        let mut behind = rest.get(length..)?.iter().take(8).filter(|&&byte| byte != b' ');
        let called = length > 0 && behind.next() == Some(&b'(') && behind.next() == Some(&b')');
        called.then_some(self.pos + length)
    }

    fn function_keyword(&mut self) -> Node {
        self.blanks();
        let start = self.pos;
        while self.peek().is_some_and(|byte| !is_meta(byte)) {
            self.pos += 1;
        }
        let end = self.pos;
        self.blanks();
        self.function(Span { start, end })
    }

    fn function(&mut self, name: Span) -> Node {
        self.blanks();
        if self.peek() == Some(b'(') && !self.starts_with(b"((") {
            while self.peek().is_some_and(|byte| byte != b')') {
                self.pos += 1;
            }
            self.pos += 1;
        }
        self.newlines();
        Node::Function {
            name,
            body: Rc::new(self.stage()),
        }
    }
}

fn pieces_word(piece: Piece) -> Word {
    Word {
        kind: WordKind::Pieces(vec![piece]),
        braces: false,
    }
}
