//! Redirections and here-documents.
//!
//! Owns their grammar; what they mean for a command's input is decided where the command runs.

use super::lexer::{Mode, is_meta};
use super::parser::Parser;
use super::syntax::{Piece, Redirect, RedirectTo, Span, Word, WordKind};

/// A here-document whose body is still to come.
pub(super) struct Pending {
    document: usize,
    delimiter: Vec<u8>,
    literal: bool,
    strip_tabs: bool,
}

impl Parser<'_, '_> {
    /// Reads the body of a here-document.
    pub(super) fn document(&mut self, pending: &Pending) {
        let mut pieces = Vec::new();
        while self.pos < self.end {
            if pending.strip_tabs {
                while self.peek() == Some(b'\t') {
                    self.pos += 1;
                }
            }
            let start = self.pos;
            let rest = self.text.get(start..self.end).unwrap_or_default();
            let line = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            let next = (start + line + 1).min(self.end);
            if rest.get(..line) == Some(&pending.delimiter[..]) {
                self.pos = next;
                break;
            }
            if pending.literal {
                pieces.push(Piece::Quoted(Span { start, end: next }));
                self.pos = next;
            } else {
                // Line by line, so that the delimiter is always seen: an expansion over several lines is cut there.
                let outer_end = std::mem::replace(&mut self.end, next);
                self.pieces(Mode::Document, &mut pieces);
                self.end = outer_end;
                self.pos = next;
            }
        }
        if let Some(document) = self.documents.get_mut(pending.document) {
            document.kind = WordKind::Pieces(pieces);
        }
    }

    /// A redirection, when one stands here.
    pub(super) fn redirect(&mut self) -> Option<Redirect> {
        let start = self.pos;
        let digits = (0..3)
            .take_while(|&offset| self.peek_at(offset).is_some_and(|byte| byte.is_ascii_digit()))
            .count();
        let mut at = digits;
        let mut both = false;
        if digits == 0 && self.peek() == Some(b'{') {
            // `{name}>file` takes a descriptor of its own.
            let name = self.while_name(start + 1) - start;
            if name > 1 && self.peek_at(name) == Some(b'}') {
                at = name + 1;
            }
        } else if digits == 0 && self.peek() == Some(b'&') && self.peek_at(1) == Some(b'>') {
            at = 1;
            both = true;
        }
        let sign = self.peek_at(at).filter(|sign| matches!(sign, b'<' | b'>'))?;
        if self.peek_at(at + 1) == Some(b'(') {
            return None;
        }
        let fd = match (digits, self.peek()) {
            (1, Some(digit @ b'0'..=b'2')) => Some(digit - b'0'),
            (0, _) if at == 0 => Some(u8::from(sign == b'>')),
            _ if both => Some(1),
            _ => None,
        };
        self.pos += at + 1;
        let to = if sign == b'<' && self.starts_with(b"<<") {
            self.pos += 2;
            self.blanks();
            RedirectTo::HereString(self.word(Mode::Word))
        } else if sign == b'<' && self.peek() == Some(b'<') {
            self.pos += 1;
            RedirectTo::Document(self.here_document())
        } else {
            let copy = self.peek() == Some(b'&');
            let write = sign == b'>' || self.peek() == Some(b'>');
            if matches!(self.peek(), Some(b'&' | b'>' | b'|')) {
                self.pos += 1;
            }
            self.blanks();
            let word = self.word(Mode::Word);
            match (copy, write) {
                (true, _) => RedirectTo::Copy(word),
                (false, true) => RedirectTo::Out(word),
                (false, false) => RedirectTo::In(word),
            }
        };
        Some(Redirect { to, fd })
    }

    fn here_document(&mut self) -> usize {
        let strip_tabs = self.peek() == Some(b'-');
        self.pos += usize::from(strip_tabs);
        self.blanks();
        let mut delimiter = Vec::new();
        let mut literal = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' | b'"' => {
                    literal = true;
                    self.pos += 1;
                    while let Some(inner) = self.peek() {
                        self.pos += 1;
                        if inner == byte {
                            break;
                        }
                        delimiter.push(inner);
                    }
                }
                b'\\' => {
                    literal = true;
                    self.pos += 1;
                    delimiter.extend(self.peek());
                    self.pos += 1;
                }
                _ if is_meta(byte) => break,
                _ => {
                    delimiter.push(byte);
                    self.pos += 1;
                }
            }
        }
        let document = self.documents.len();
        self.documents.push(Word {
            kind: WordKind::Pieces(Vec::new()),
            braces: false,
        });
        self.pending.push(Pending {
            document,
            delimiter,
            literal,
            strip_tabs,
        });
        document
    }
}
