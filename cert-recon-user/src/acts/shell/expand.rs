//! Expansion: from words to the fields that a command gets.
//!
//! Owns parameters, substitution and field splitting. Every byte made is paid for.

use std::rc::Rc;

use super::super::Word as ActWord;
use super::arithmetic;
use super::brace::{self, Part};
use super::pattern::Pattern;
use super::run::{Shell, Sink};
use super::state::Bytes;
use super::syntax::{Index, Operation, Parameter, Piece, Place, Script, Word, WordKind};

pub(super) const UNKNOWN: u8 = ActWord::UNKNOWN;

/// Variables that every login has: that they are not set in the text does not mean that they have no value.
const ALWAYS_SET: [&[u8]; 12] = [
    b"HOME",
    b"PATH",
    b"PWD",
    b"USER",
    b"SHELL",
    b"TERM",
    b"LANG",
    b"LOGNAME",
    b"HOSTNAME",
    b"UID",
    b"EUID",
    b"PPID",
];

/// What is made of a word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Fields of a command.
    Fields,
    /// One text.
    Text,
    /// One text in which a backslash stands before what was quoted.
    Pattern,
}

pub(super) struct Fields {
    pub(super) done: Vec<Vec<u8>>,
    current: Vec<u8>,
    /// There is a field even if it is empty.
    open: bool,
    how: How,
    /// Text without quotes is split as well: it is the word of `${x:-word}`.
    split_literals: bool,
}

impl Fields {
    fn new(how: How) -> Self {
        Self {
            done: Vec::new(),
            current: Vec::new(),
            open: false,
            how,
            split_literals: false,
        }
    }

    fn finish(&mut self) {
        if self.open || !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
        self.open = false;
    }
}

/// What a parameter stands for.
enum Value {
    Unknown,
    /// None when it is unset.
    Known(Vec<Bytes>),
}

impl Shell<'_> {
    pub(super) fn words(&mut self, script: &Rc<Script>, words: &[Word]) -> Vec<Vec<u8>> {
        let mut fields = Fields::new(How::Fields);
        for word in words {
            if !self.budget.pay(8) {
                break;
            }
            self.word(script, word, &mut fields);
        }
        fields.done
    }

    /// A word where it is not split: an assignment's value, a here-string.
    pub(super) fn text(&mut self, script: &Rc<Script>, word: &Word, how: How) -> Vec<u8> {
        let mut fields = Fields::new(how);
        match &word.kind {
            WordKind::Plain(span) => self.add(&mut fields, script.slice(*span), false),
            WordKind::Pieces(pieces) => self.pieces(script, pieces, &mut fields),
        }
        fields.current
    }

    fn pieces_text(&mut self, script: &Rc<Script>, pieces: &[Piece], how: How) -> Vec<u8> {
        let mut fields = Fields::new(how);
        self.pieces(script, pieces, &mut fields);
        fields.current
    }

    fn word(&mut self, script: &Rc<Script>, word: &Word, fields: &mut Fields) {
        match &word.kind {
            WordKind::Plain(span) => self.add(fields, script.slice(*span), false),
            WordKind::Pieces(pieces) => {
                if word.braces
                    && let Some(words) = brace::expand(script, pieces, self.budget)
                {
                    for parts in words {
                        for part in parts {
                            match part {
                                Part::Piece(piece) => self.piece(script, piece, fields),
                                Part::Text(span) => self.add(fields, script.slice(span), false),
                                Part::Byte(byte) => self.add(fields, &[byte], false),
                                Part::Number { value, width } => {
                                    self.add(fields, format!("{value:0width$}").as_bytes(), false);
                                }
                            }
                        }
                        fields.finish();
                    }
                    return;
                }
                self.pieces(script, pieces, fields);
            }
        }
        fields.finish();
    }

    fn pieces(&mut self, script: &Rc<Script>, pieces: &[Piece], fields: &mut Fields) {
        for piece in pieces {
            self.piece(script, piece, fields);
        }
    }

    fn piece(&mut self, script: &Rc<Script>, piece: &Piece, fields: &mut Fields) {
        match piece {
            Piece::Literal(span) if fields.split_literals => self.split(fields, script.slice(*span)),
            Piece::Literal(span) => self.add(fields, script.slice(*span), false),
            Piece::Quoted(span) => self.add(fields, script.slice(*span), true),
            Piece::Bytes(bytes) => self.add(fields, bytes, true),
            Piece::Parameter(parameter) => self.parameter(script, parameter, fields),
            Piece::Command { list, quoted } => {
                let text = self.substitute(script, list);
                self.put(fields, &text, *quoted);
            }
            Piece::Backtick { script, quoted } => {
                let text = self.substitute(script, &script.list);
                self.put(fields, &text, *quoted);
            }
            Piece::Arithmetic(pieces) => {
                let text = self.pieces_text(script, pieces, How::Text);
                match self.arithmetic(&text) {
                    Some(value) => self.add(fields, value.to_string().as_bytes(), true),
                    None => self.add(fields, &[UNKNOWN], true),
                }
            }
            Piece::Process { list, input } => {
                let mut sink = Sink::new(*input);
                self.subshell(script, list, None, &mut sink);
                if *input {
                    self.process = sink.known();
                }
                self.add(fields, &[UNKNOWN], false);
            }
            Piece::Unknown => self.add(fields, &[UNKNOWN], true),
        }
    }

    /// Adds to the current field.
    fn add(&mut self, fields: &mut Fields, bytes: &[u8], quoted: bool) {
        fields.open |= quoted;
        if !self.budget.pay(bytes.len()) {
            return;
        }
        if quoted && fields.how == How::Pattern {
            for &byte in bytes {
                if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'-' | b'!' | b'^') {
                    fields.current.push(b'\\');
                }
                fields.current.push(byte);
            }
        } else {
            fields.current.extend_from_slice(bytes);
        }
    }

    /// Adds what an expansion gave.
    fn put(&mut self, fields: &mut Fields, bytes: &[u8], quoted: bool) {
        if quoted || fields.how != How::Fields {
            self.add(fields, bytes, quoted);
        } else {
            self.split(fields, bytes);
        }
    }

    /// Adds what an expansion without quotes gave: separators end fields.
    fn split(&mut self, fields: &mut Fields, bytes: &[u8]) {
        if fields.how != How::Fields {
            return self.add(fields, bytes, false);
        }
        if !self.budget.pay(bytes.len()) {
            return;
        }
        let separators = self.state.separators();
        for &byte in bytes {
            if !separators.contains(&byte) {
                fields.current.push(byte);
                continue;
            }
            // One that is not a blank separates empty fields as well.
            fields.open |= !byte.is_ascii_whitespace();
            fields.finish();
        }
    }

    fn parameter(&mut self, script: &Rc<Script>, parameter: &Parameter, fields: &mut Fields) {
        let name = script.slice(parameter.name);
        let all = matches!(name, b"@" | b"*") || matches!(parameter.index, Some(Index::All));
        let index = match &parameter.index {
            Some(Index::At(pieces)) => {
                let text = self.pieces_text(script, pieces, How::Text);
                Some(self.arithmetic(&text))
            }
            _ => None,
        };
        let mut value = self.value(name, index, all);
        match &parameter.operation {
            Operation::Plain => {}
            Operation::Other => value = Value::Unknown,
            Operation::Length => value = length(&value, all),
            Operation::Indirect => {
                value = match &value {
                    Value::Known(values) if !all && values.len() == 1 => {
                        let name = values[0].clone();
                        self.value(&name, None, matches!(&name[..], b"@" | b"*"))
                    }
                    _ => Value::Unknown,
                };
            }
            Operation::Default { sign, colon, word } => {
                let missing = match &value {
                    Value::Known(values) => {
                        values.is_empty() || (*colon && values.iter().all(|value| value.is_empty()))
                    }
                    Value::Unknown => *sign != b'+' && *sign != b'?' && !ALWAYS_SET.contains(&name),
                };
                match sign {
                    b'+' if matches!(value, Value::Unknown) => {}
                    b'+' if missing => value = Value::Known(Vec::new()),
                    b'+' => return self.default_word(script, parameter, word, fields),
                    b'=' if missing => {
                        let text = self.pieces_text(script, word, How::Text);
                        self.state.set(name, vec![Rc::from(&text[..])]);
                        return self.put(fields, &text, parameter.quoted);
                    }
                    b'-' if missing => return self.default_word(script, parameter, word, fields),
                    _ => {}
                }
            }
            Operation::Slice { offset, length } => {
                let offset = self.pieces_text(script, offset, How::Text);
                let offset = self.arithmetic(&offset);
                let length = length.as_ref().map(|length| {
                    let length = self.pieces_text(script, length, How::Text);
                    self.arithmetic(&length)
                });
                value = match (value, offset) {
                    (Value::Known(values), Some(offset)) => slice(values, offset, length, all, name),
                    // The first byte of a path is known.
                    (Value::Unknown, Some(0))
                        if length == Some(Some(1)) && matches!(name, b"HOME" | b"PATH" | b"PWD" | b"SHELL") =>
                    {
                        Value::Known(vec![Rc::from(&b"/"[..])])
                    }
                    _ => Value::Unknown,
                };
            }
            Operation::Strip {
                suffix,
                longest,
                pattern,
            } => {
                let pattern = Pattern::new(&self.pieces_text(script, pattern, How::Pattern));
                value = self.each(value, |text, shell| {
                    let length = pattern.affix(text, *suffix, *longest, shell.budget)?.unwrap_or(0);
                    let kept = if *suffix {
                        text.get(..text.len() - length)
                    } else {
                        text.get(length..)
                    };
                    kept.map(<[u8]>::to_vec)
                });
            }
            Operation::Replace { place, pattern, with } => {
                let pattern = Pattern::new(&self.pieces_text(script, pattern, How::Pattern));
                let with = self.pieces_text(script, with, How::Text);
                value = self.each(value, |text, shell| shell.replace(text, *place, &pattern, &with));
            }
            Operation::Case { upper, all } => {
                value = self.each(value, |text, _| {
                    let mut text = text.to_vec();
                    let end = if *all { text.len() } else { text.len().min(1) };
                    if let Some(part) = text.get_mut(..end) {
                        if *upper {
                            part.make_ascii_uppercase()
                        } else {
                            part.make_ascii_lowercase()
                        }
                    }
                    Some(text)
                });
            }
        }
        self.put_value(fields, &value, parameter.quoted, all, name);
    }

    fn put_value(&mut self, fields: &mut Fields, value: &Value, quoted: bool, all: bool, name: &[u8]) {
        let values = match value {
            Value::Unknown => return self.add(fields, &[UNKNOWN], quoted),
            Value::Known(values) => values,
        };
        // `"$@"` of nothing is nothing.
        fields.open |= quoted && !all;
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                if fields.how == How::Fields && (!quoted || name != b"*") {
                    fields.finish();
                } else {
                    let separator = self.state.separators().first().copied().unwrap_or(b' ');
                    self.add(fields, &[separator], false);
                }
            }
            self.put(fields, value, quoted);
        }
    }

    fn default_word(&mut self, script: &Rc<Script>, parameter: &Parameter, word: &[Piece], fields: &mut Fields) {
        let before = std::mem::replace(&mut fields.split_literals, !parameter.quoted);
        self.pieces(script, word, fields);
        fields.split_literals = before;
        fields.open |= parameter.quoted;
    }

    /// Every value changed; not known when one could not be.
    fn each(&mut self, value: Value, mut change: impl FnMut(&[u8], &mut Self) -> Option<Vec<u8>>) -> Value {
        let Value::Known(values) = value else {
            return Value::Unknown;
        };
        let mut changed = Vec::new();
        for value in &values {
            if value.contains(&UNKNOWN) || !self.budget.pay(value.len()) {
                return Value::Unknown;
            }
            match change(value, self) {
                Some(text) => changed.push(Rc::from(text)),
                None => return Value::Unknown,
            }
        }
        Value::Known(changed)
    }

    fn replace(&mut self, text: &[u8], place: Place, pattern: &Pattern, with: &[u8]) -> Option<Vec<u8>> {
        let mut made = Vec::new();
        let mut at = 0;
        match place {
            Place::Start => {
                if let Some(length) = pattern.affix(text, false, true, self.budget)? {
                    made.extend_from_slice(with);
                    at = length;
                }
            }
            Place::End => {
                if let Some(length) = pattern.affix(text, true, true, self.budget)? {
                    made.extend_from_slice(text.get(..text.len() - length)?);
                    made.extend_from_slice(with);
                    at = text.len();
                }
            }
            Place::First | Place::All => {
                while let Some((start, end)) = pattern.find(text, at, self.budget)? {
                    if !self.budget.pay(with.len() + 1) {
                        return None;
                    }
                    made.extend_from_slice(text.get(at..start)?);
                    made.extend_from_slice(with);
                    at = end;
                    if place == Place::First {
                        break;
                    }
                }
            }
        }
        made.extend_from_slice(text.get(at..)?);
        Some(made)
    }

    fn value(&mut self, name: &[u8], index: Option<Option<i64>>, all: bool) -> Value {
        if let Some(parameters) = self.positional(name) {
            return parameters;
        }
        let Some(variable) = self.state.variable(name) else {
            return if name == b"IFS" {
                Value::Known(vec![Rc::from(&b" \t\n"[..])])
            } else {
                Value::Unknown
            };
        };
        self.alternatives = self.alternatives.max(variable.older.len());
        let values = match self.alternative {
            0 => &variable.values,
            older => variable
                .older
                .get(older - 1)
                .or(variable.older.last())
                .unwrap_or(&variable.values),
        };
        if all {
            return if self.budget.pay(values.len()) {
                Value::Known(values.clone())
            } else {
                Value::Unknown
            };
        }
        let at = match index {
            None => 0,
            Some(Some(index)) if index < 0 => values
                .len()
                .saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
            Some(Some(index)) => usize::try_from(index).unwrap_or(usize::MAX),
            Some(None) => return Value::Unknown,
        };
        Value::Known(values.get(at).cloned().into_iter().collect())
    }

    /// The value of a positional or special parameter, when it is one.
    fn positional(&mut self, name: &[u8]) -> Option<Value> {
        let special = matches!(name, b"?" | b"$" | b"!" | b"-");
        let number = name.iter().all(u8::is_ascii_digit);
        if !special && !number && !matches!(name, b"@" | b"*" | b"#") {
            return None;
        }
        let Some(parameters) = self.state.parameters() else {
            return Some(Value::Unknown);
        };
        Some(match name {
            _ if special => Value::Unknown,
            b"#" => {
                let count = parameters.len().saturating_sub(1);
                Value::Known(vec![Rc::from(count.to_string().as_bytes())])
            }
            b"@" | b"*" if self.budget.pay(parameters.len()) => {
                Value::Known(parameters.iter().skip(1).cloned().collect())
            }
            b"@" | b"*" => Value::Unknown,
            _ => {
                let index: usize = std::str::from_utf8(name)
                    .ok()
                    .and_then(|name| name.parse().ok())
                    .unwrap_or(usize::MAX);
                Value::Known(parameters.get(index).cloned().into_iter().collect())
            }
        })
    }

    pub(super) fn arithmetic(&mut self, text: &[u8]) -> Option<i64> {
        let state = &self.state;
        arithmetic::evaluate(text, self.budget, &|name| {
            let value = state.variable(name)?.values.first()?;
            std::str::from_utf8(value).ok()?.parse().ok()
        })
    }

    /// What the commands in a substitution print, without new lines at its end.
    fn substitute(&mut self, script: &Rc<Script>, list: &[super::syntax::Item]) -> Vec<u8> {
        let mut sink = Sink::new(true);
        self.subshell(script, list, None, &mut sink);
        let mut text = sink.bytes;
        while text.last() == Some(&b'\n') {
            text.pop();
        }
        text
    }
}

fn length(value: &Value, all: bool) -> Value {
    let count = match value {
        Value::Known(values) if all => values.len(),
        Value::Known(values) if values.iter().all(|value| !value.contains(&UNKNOWN)) => {
            // Characters, not bytes.
            let is_first = |byte: &u8| byte & 0xc0 != 0x80;
            values
                .first()
                .map_or(0, |value| value.iter().filter(|byte| is_first(byte)).count())
        }
        _ => return Value::Unknown,
    };
    Value::Known(vec![Rc::from(count.to_string().as_bytes())])
}

/// `${x:offset:length}`, of a text or of a list.
fn slice(values: Vec<Bytes>, offset: i64, length: Option<Option<i64>>, all: bool, name: &[u8]) -> Value {
    let bounds = |total: usize, offset: i64| {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        let start = if offset < 0 {
            total.saturating_add(offset)
        } else {
            offset
        };
        if start < 0 {
            return Some((0, 0));
        }
        let start = start.min(total);
        let end = match length {
            None => total,
            Some(Some(length)) if length < 0 => total.saturating_add(length).max(start),
            Some(Some(length)) => start.saturating_add(length).min(total),
            Some(None) => return None,
        };
        Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
    };
    if all {
        // Positional parameters count from one; `${@:0}` begins with the shell's name, which nobody needs.
        let offset = if matches!(name, b"@" | b"*") && offset > 0 {
            offset - 1
        } else {
            offset
        };
        return match bounds(values.len(), offset) {
            Some((start, end)) => Value::Known(values.get(start..end).unwrap_or_default().to_vec()),
            None => Value::Unknown,
        };
    }
    let Some(value) = values.first() else {
        return Value::Known(Vec::new());
    };
    if value.contains(&UNKNOWN) {
        return Value::Unknown;
    }
    match bounds(value.len(), offset) {
        Some((start, end)) => Value::Known(vec![Rc::from(value.get(start..end).unwrap_or_default())]),
        None => Value::Unknown,
    }
}
