//! Words: from bytes to pieces.
//!
//! Owns quotes, backslashes, and the beginnings and ends of expansions. The cursor only moves forward, which keeps the work
//! linear; nesting goes through the budget, and what is nested too deeply is stepped over.

use std::rc::Rc;

use super::escape::{self, Dialect, Escape};
use super::parser::{Parser, Stop};
use super::syntax::{Index, Operation, Parameter, Piece, Place, Span, Word, WordKind};

/// What ends a text of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A word of a command: blanks and operators.
    Word,
    /// A word in `[[ ]]`: blanks.
    Condition,
    /// The closing double quote.
    DoubleQuotes,
    /// The end of what is there; quotes have no meaning.
    Document,
    /// The closing brace, or the given byte before it.
    Braces { before: Option<u8>, quoted: bool },
    /// The closing bracket.
    Brackets,
}

impl Mode {
    /// Whether what is found stands in double quotes.
    fn quoted(self) -> bool {
        matches!(
            self,
            Self::DoubleQuotes | Self::Document | Self::Braces { quoted: true, .. }
        )
    }

    fn ends_at(self, byte: u8) -> bool {
        match self {
            Self::Word => is_meta(byte),
            Self::Condition => matches!(byte, b' ' | b'\t' | b'\n'),
            Self::DoubleQuotes => byte == b'"',
            Self::Document => false,
            Self::Braces { before, .. } => byte == b'}' || Some(byte) == before,
            Self::Brackets => byte == b']',
        }
    }
}

/// Whether a byte ends a word.
pub(super) fn is_meta(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b'(' | b')' | b'<' | b'>'
    )
}

/// Whether a byte can stand in a name.
pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Parser<'_, '_> {
    /// The word at the cursor. Empty without quotes when there is none.
    pub(super) fn word(&mut self, mode: Mode) -> Word {
        let start = self.pos;
        // Most words are plain.
        while let Some(byte) = self.peek() {
            if mode.ends_at(byte) || matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'`' | b'{') {
                break;
            }
            self.pos += 1;
        }
        let special = self
            .peek()
            .is_some_and(|byte| !mode.ends_at(byte) || self.at_process_substitution(mode));
        if !special {
            let end = self.pos;
            return Word {
                kind: WordKind::Plain(Span { start, end }),
                braces: false,
            };
        }
        self.pos = start;
        let mut pieces = Vec::new();
        let braces = self.pieces(mode, &mut pieces);
        Word {
            kind: WordKind::Pieces(pieces),
            braces,
        }
    }

    fn at_process_substitution(&self, mode: Mode) -> bool {
        mode == Mode::Word && matches!(self.peek(), Some(b'<' | b'>')) && self.peek_at(1) == Some(b'(')
    }

    /// Reads pieces up to what ends them, which stays to be read. Says whether there was a brace without quotes.
    pub(super) fn pieces(&mut self, mode: Mode, into: &mut Vec<Piece>) -> bool {
        let mut braces = false;
        let mut start = self.pos;
        while let Some(byte) = self.peek() {
            if self.at_process_substitution(mode) {
                self.flush(start, mode, into);
                self.process_substitution(into);
                start = self.pos;
                continue;
            }
            if mode.ends_at(byte) {
                break;
            }
            match byte {
                b'\\' => {
                    let next = self.peek_at(1);
                    let kept = match mode {
                        Mode::DoubleQuotes => !matches!(next, Some(b'$' | b'`' | b'"' | b'\\' | b'\n')),
                        Mode::Document => !matches!(next, Some(b'$' | b'`' | b'\\' | b'\n')),
                        _ => next.is_none(),
                    };
                    if kept {
                        // The backslash stands for itself, and what follows is read for itself.
                        self.pos += 1;
                        continue;
                    }
                    self.flush(start, mode, into);
                    if next != Some(b'\n') {
                        into.push(Piece::Quoted(Span {
                            start: self.pos + 1,
                            end: self.pos + 2,
                        }));
                    }
                    self.pos += 2;
                    start = self.pos;
                }
                b'\''
                    if !matches!(
                        mode,
                        Mode::DoubleQuotes | Mode::Document | Mode::Braces { quoted: true, .. }
                    ) =>
                {
                    self.flush(start, mode, into);
                    self.pos += 1;
                    let span = self.up_to(b'\'');
                    into.push(Piece::Quoted(span));
                    start = self.pos;
                }
                b'"' if mode != Mode::Document => {
                    self.flush(start, mode, into);
                    self.double_quotes(into);
                    start = self.pos;
                }
                b'$' => {
                    let end = self.pos;
                    if let Some(piece) = self.dollar(mode) {
                        self.flush_to(start, end, mode, into);
                        into.push(piece);
                        start = self.pos;
                    } else if self.peek_at(1) == Some(b'"') && !mode.quoted() {
                        // A translated string: the dollar has no meaning here.
                        self.flush(start, mode, into);
                        self.pos += 1;
                        self.double_quotes(into);
                        start = self.pos;
                    } else {
                        self.pos += 1;
                    }
                }
                b'`' => {
                    self.flush(start, mode, into);
                    let piece = self.backtick(mode.quoted());
                    into.push(piece);
                    start = self.pos;
                }
                _ => {
                    braces |= byte == b'{';
                    self.pos += 1;
                }
            }
        }
        self.flush(start, mode, into);
        braces
    }

    fn flush(&self, start: usize, mode: Mode, into: &mut Vec<Piece>) {
        self.flush_to(start, self.pos, mode, into);
    }

    fn flush_to(&self, start: usize, end: usize, mode: Mode, into: &mut Vec<Piece>) {
        if end > start {
            let span = Span { start, end };
            into.push(if mode.quoted() {
                Piece::Quoted(span)
            } else {
                Piece::Literal(span)
            });
        }
    }

    /// From the cursor up to a byte, which is read as well; up to the end when it does not come.
    fn up_to(&mut self, end: u8) -> Span {
        let start = self.pos;
        while let Some(byte) = self.peek() {
            if byte == end {
                let span = Span { start, end: self.pos };
                self.pos += 1;
                return span;
            }
            self.pos += 1;
        }
        Span { start, end: self.pos }
    }

    fn double_quotes(&mut self, into: &mut Vec<Piece>) {
        self.pos += 1;
        let before = into.len();
        self.pieces(Mode::DoubleQuotes, into);
        if self.peek() == Some(b'"') {
            self.pos += 1;
        }
        if into.len() == before {
            into.push(Piece::Quoted(Span::default()));
        }
    }

    /// What a dollar begins; nothing when it stands for itself.
    fn dollar(&mut self, mode: Mode) -> Option<Piece> {
        let quoted = mode.quoted();
        let next = self.peek_at(1)?;
        match next {
            b'(' => {
                if self.peek_at(2) == Some(b'(')
                    && let Some(close) = self.arithmetic_end(self.pos + 3)
                {
                    self.pos += 3;
                    return Some(self.arithmetic(close));
                }
                self.pos += 2;
                Some(match self.substitution(Stop::PAREN) {
                    Some(list) => Piece::Command { list, quoted },
                    None => Piece::Unknown,
                })
            }
            b'{' => {
                self.pos += 2;
                if matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'|')) {
                    if self.peek() == Some(b'|') {
                        self.pos += 1;
                    }
                    return Some(match self.substitution(Stop::BRACE) {
                        Some(list) => Piece::Command { list, quoted },
                        None => Piece::Unknown,
                    });
                }
                Some(self.braced_parameter(quoted))
            }
            b'\'' if !quoted => {
                self.pos += 2;
                Some(Piece::Bytes(self.ansi_quote()))
            }
            _ => {
                let start = self.pos + 1;
                let end = self.name_end(start);
                if end == start {
                    return None;
                }
                self.pos = end;
                Some(Piece::Parameter(Box::new(Parameter {
                    name: Span { start, end },
                    index: None,
                    quoted,
                    operation: Operation::Plain,
                })))
            }
        }
    }

    /// Where the parameter's name that starts here ends: a name, one digit, or one special character.
    fn name_end(&self, start: usize) -> usize {
        match self.text.get(start).copied() {
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => start + 1,
            Some(byte) if is_name(byte) => self.while_name(start),
            _ => start,
        }
    }

    pub(super) fn while_name(&self, start: usize) -> usize {
        let mut end = start;
        while end < self.end && self.text.get(end).copied().is_some_and(is_name) {
            end += 1;
        }
        end
    }

    /// What stands in `${`, which is read already.
    fn braced_parameter(&mut self, quoted: bool) -> Piece {
        if !self.budget.enter() {
            self.skip_nested(b'{', b'}');
            return Piece::Unknown;
        }
        let parameter = self.parameter(quoted);
        self.budget.leave();
        // What was not understood is still read: there may be commands in it.
        let mut rest = Vec::new();
        self.pieces(Mode::Braces { before: None, quoted }, &mut rest);
        if self.peek() == Some(b'}') {
            self.pos += 1;
        }
        Piece::Parameter(Box::new(parameter))
    }

    fn parameter(&mut self, quoted: bool) -> Parameter {
        let mut operation = Operation::Plain;
        let next_begins_name = self
            .peek_at(1)
            .is_some_and(|byte| is_name(byte) || matches!(byte, b'@' | b'*'));
        if self.peek() == Some(b'#') && next_begins_name {
            operation = Operation::Length;
            self.pos += 1;
        } else if self.peek() == Some(b'!') && next_begins_name {
            operation = Operation::Indirect;
            self.pos += 1;
        }
        let start = self.pos;
        let end = if self.peek().is_some_and(is_name) {
            self.while_name(start)
        } else {
            self.name_end(start)
        };
        self.pos = end;
        let mut index = None;
        if self.peek() == Some(b'[') && end > start {
            self.pos += 1;
            if matches!(self.peek(), Some(b'@' | b'*')) && self.peek_at(1) == Some(b']') {
                self.pos += 1;
                index = Some(Index::All);
            } else {
                let mut pieces = Vec::new();
                self.pieces(Mode::Brackets, &mut pieces);
                index = Some(Index::At(pieces));
            }
            if self.peek() == Some(b']') {
                self.pos += 1;
            }
        }
        if end == start {
            operation = Operation::Other;
        } else if self.peek() != Some(b'}') {
            let behind = self.operation(quoted);
            // `${#x:-y}` and the like have no value worth knowing.
            operation = if matches!(operation, Operation::Plain) {
                behind
            } else {
                Operation::Other
            };
        }
        Parameter {
            name: Span { start, end },
            index,
            quoted,
            operation,
        }
    }

    /// What stands behind the name, up to the closing brace.
    fn operation(&mut self, quoted: bool) -> Operation {
        let Some(sign) = self.peek() else {
            return Operation::Plain;
        };
        self.pos += 1;
        let doubled = self.peek() == Some(sign);
        match sign {
            b':' => match self.peek() {
                Some(sign @ (b'-' | b'=' | b'+' | b'?')) => {
                    self.pos += 1;
                    let word = self.braces(None, quoted);
                    Operation::Default {
                        sign,
                        colon: true,
                        word,
                    }
                }
                _ => {
                    let offset = self.braces(Some(b':'), quoted);
                    let mut length = None;
                    if self.peek() == Some(b':') {
                        self.pos += 1;
                        length = Some(self.braces(None, quoted));
                    }
                    Operation::Slice { offset, length }
                }
            },
            b'-' | b'=' | b'+' | b'?' => {
                let word = self.braces(None, quoted);
                Operation::Default {
                    sign,
                    colon: false,
                    word,
                }
            }
            b'#' | b'%' => {
                self.pos += usize::from(doubled);
                // Quotes in a pattern have their meaning even when the whole stands in double quotes.
                let pattern = self.braces(None, false);
                Operation::Strip {
                    suffix: sign == b'%',
                    longest: doubled,
                    pattern,
                }
            }
            b'/' => {
                let place = match self.peek() {
                    Some(b'/') => Place::All,
                    Some(b'#') => Place::Start,
                    Some(b'%') => Place::End,
                    _ => Place::First,
                };
                self.pos += usize::from(place != Place::First);
                let pattern = self.braces(Some(b'/'), false);
                let mut with = Vec::new();
                if self.peek() == Some(b'/') {
                    self.pos += 1;
                    with = self.braces(None, false);
                }
                Operation::Replace { place, pattern, with }
            }
            b'^' | b',' => {
                self.pos += usize::from(doubled);
                let pattern = self.braces(None, false);
                if pattern.is_empty() {
                    Operation::Case {
                        upper: sign == b'^',
                        all: doubled,
                    }
                } else {
                    Operation::Other
                }
            }
            _ => {
                self.braces(None, quoted);
                Operation::Other
            }
        }
    }

    fn braces(&mut self, before: Option<u8>, quoted: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.pieces(Mode::Braces { before, quoted }, &mut pieces);
        pieces
    }

    /// What `$'` begins, up to the closing quote.
    fn ansi_quote(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(byte) = self.peek() {
            self.pos += 1;
            match byte {
                b'\'' => break,
                b'\\' => {
                    let rest = self.text.get(self.pos..self.end).unwrap_or_default();
                    if let Escape::Read(read) = escape::read(rest, Dialect::Quote, &mut bytes) {
                        self.pos += read;
                    }
                }
                _ => bytes.push(byte),
            }
        }
        bytes
    }

    fn backtick(&mut self, quoted: bool) -> Piece {
        self.pos += 1;
        let mut inner = Vec::new();
        while let Some(byte) = self.peek() {
            self.pos += 1;
            match (byte, self.peek()) {
                (b'`', _) => break,
                (b'\\', Some(next @ (b'`' | b'\\' | b'$'))) => {
                    inner.push(next);
                    self.pos += 1;
                }
                (b'\\', Some(b'"')) if quoted => {
                    inner.push(b'"');
                    self.pos += 1;
                }
                _ => inner.push(byte),
            }
        }
        if inner.is_empty() {
            return if quoted {
                Piece::Quoted(Span::default())
            } else {
                Piece::Literal(Span::default())
            };
        }
        // Each is a text of its own, of which there can be too many like commands.
        if !self.node() || !self.budget.enter() {
            return Piece::Unknown;
        }
        let script = super::parser::script(inner, self.budget);
        self.budget.leave();
        Piece::Backtick {
            script: Rc::new(script),
            quoted,
        }
    }

    fn process_substitution(&mut self, into: &mut Vec<Piece>) {
        let input = self.peek() == Some(b'<');
        self.pos += 2;
        into.push(match self.substitution(Stop::PAREN) {
            Some(list) => Piece::Process { list, input },
            None => Piece::Unknown,
        });
    }

    /// Where the arithmetic that starts here ends (at its `))`), if it is one and not a subshell in a substitution.
    pub(super) fn arithmetic_end(&mut self, start: usize) -> Option<usize> {
        if self.no_arithmetic {
            return None;
        }
        let mut open = 0usize;
        let mut at = start;
        while at < self.end {
            match self.text.get(at) {
                Some(b'(') => open += 1,
                Some(b')') if open == 0 => {
                    let closed = at + 1 < self.end && self.text.get(at + 1) == Some(&b')');
                    return (self.budget.pay(at.saturating_sub(start)) && closed).then_some(at);
                }
                Some(b')') => open -= 1,
                _ => {}
            }
            at += 1;
        }
        if self.end == self.text.len() || !self.budget.pay(at.saturating_sub(start)) {
            // Nothing behind here closes what is open, so nobody need look again.
            self.no_arithmetic = true;
        }
        None
    }

    /// The expression up to `close`, and its `))`.
    pub(super) fn arithmetic(&mut self, close: usize) -> Piece {
        if !self.budget.enter() {
            self.pos = close + 2;
            return Piece::Unknown;
        }
        let mut pieces = Vec::new();
        let end = std::mem::replace(&mut self.end, close);
        self.pieces(Mode::Document, &mut pieces);
        self.end = end;
        self.budget.leave();
        self.pos = close + 2;
        Piece::Arithmetic(pieces)
    }
}
