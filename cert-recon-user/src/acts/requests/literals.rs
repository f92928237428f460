//! The string literals of code in any of the languages that are given on command lines, put together as the code would:
//! `'crt' + '.sh'`, `"crt" "." "sh"`, `chr(99)`, `['crt', 'sh'].join('.')`, `b64decode('...')`, `f"https://{h}/"` with `h` set before.
//! Owns the values; no language is understood beyond that, and what can't be known is one UNKNOWN byte.

use std::collections::HashMap;

use super::{
    decode,
    lexer::{Language, Lexer, Token, interpolated},
};
use crate::acts::{Budget, Word};

/// A value that the code holds as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Literal {
    /// The text.
    pub(super) value: Vec<u8>,
    /// The key or name before it: `q` of `{'q': 'x'}`, `host` of `host='x'`, and a call of [`ASKS_NOBODY`].
    pub(super) key: Vec<u8>,
    /// It came out of an encoding, and may be code itself.
    pub(super) was_encoded: bool,
}

/// The literals of a code, and the variables that are set to one.
#[derive(Debug, Default)]
pub(super) struct Literals {
    /// In the order of the code.
    pub(super) list: Vec<Literal>,
    /// Names in lower case, without `$`.
    variables: HashMap<Vec<u8>, Vec<u8>>,
}

/// Functions that load a module or print: what they are given is no host.
#[rustfmt::skip]
pub(super) const ASKS_NOBODY: &[&[u8]] = &[
    b"require", b"import", b"import_module", b"__import__", b"include", b"require_once", b"include_once", b"load", b"loadfile", b"dofile",
    b"library", b"print", b"println", b"printf", b"puts", b"log", b"warn", b"debug", b"info", b"say", b"console_log", b"cat",
];

/// Strings in single or double quotes, as in SQL: a doubled quote is one.
pub(super) fn quoted(text: &[u8], budget: &mut Budget) -> Vec<Vec<u8>> {
    if !budget.pay(text.len()) {
        return Vec::new();
    }
    let mut strings = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if !matches!(byte, b'\'' | b'"') {
            continue;
        }
        let mut string = Vec::new();
        while let Some(&inside) = text.get(at) {
            at += 1;
            if inside != byte {
                string.push(inside);
            } else if text.get(at) == Some(&byte) {
                string.push(byte);
                at += 1;
            } else {
                break;
            }
        }
        strings.push(string);
    }
    strings
}

/// The literals of a code.
pub(super) fn of(code: &[u8], language: Language, budget: &mut Budget) -> Literals {
    if !budget.pay(code.len().saturating_mul(2)) {
        return Literals::default();
    }
    let tokens = Lexer::new(code, language).tokens(budget);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        literals: Literals::default(),
        was_encoded: false,
    };
    reader.read(budget);
    reader.literals
}

impl Literals {
    /// A word in which `$name` and `${name}` stand for variables.
    pub(super) fn fill(&self, text: &[u8], budget: &mut Budget) -> Vec<u8> {
        let mut filled = Vec::new();
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if byte != b'$' {
                filled.push(byte);
                at += 1;
                continue;
            }
            let (name, length) = interpolated(&text[at..]);
            if length == 0 {
                filled.push(byte);
                at += 1;
                continue;
            }
            at += length;
            self.variable(&name, &mut filled, budget);
        }
        filled
    }

    fn variable(&self, name: &[u8], into: &mut Vec<u8>, budget: &mut Budget) {
        match self.variables.get(name) {
            Some(value) if budget.pay(value.len()) => into.extend_from_slice(value),
            _ => into.push(Word::UNKNOWN),
        }
    }
}

/// Names with dots between them before a call.
const PATH: usize = 4;

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    literals: Literals,
    was_encoded: bool,
}

/// Functions that decode the literal they are given.
#[rustfmt::skip]
const BASE64: &[&[u8]] =
    &[b"b64decode", b"urlsafe_b64decode", b"standard_b64decode", b"base64_decode", b"decode_base64", b"atob", b"frombase64string", b"decode64", b"urlsafe_decode64", b"strict_decode64", b"a2b_base64", b"decodebytes"];
const HEX: &[&[u8]] = &[b"fromhex", b"unhexlify", b"hex2bin", b"a2b_hex", b"fromhexstring"];
#[rustfmt::skip]
const PERCENT: &[&[u8]] = &[b"unquote", b"unquote_plus", b"urldecode", b"rawurldecode", b"decodeuricomponent", b"decodeuri", b"unescape", b"unescapedatastring", b"uri_unescape"];
/// Methods that leave a text as it is, for our purpose.
#[rustfmt::skip]
const SAME: &[&[u8]] = &[b"decode", b"encode", b"tostring", b"strip", b"lower", b"tolower", b"tolowercase", b"trim", b"freeze", b"to_s", b"chomp"];

impl Reader<'_> {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn sign(&self, ahead: usize, sign: u8) -> bool {
        matches!(self.token(ahead), Some(Token::Sign(found)) if *found == sign)
    }

    fn name(&self, ahead: usize, names: &[&[u8]]) -> bool {
        matches!(self.token(ahead), Some(Token::Name(found)) if names.contains(&found.as_slice()))
    }

    fn read(&mut self, budget: &mut Budget) {
        while self.at < self.tokens.len() {
            let start = self.at;
            self.was_encoded = false;
            let Some(value) = self.concatenation(budget) else {
                self.at = start + 1;
                continue;
            };
            self.at = self.at.max(start + 1);
            let (key, assigned) = self.key(start);
            if assigned {
                self.literals.variables.insert(key.clone(), value.clone());
            }
            if budget.pay(value.len()) {
                self.literals.list.push(Literal {
                    value,
                    key,
                    was_encoded: self.was_encoded,
                });
            }
        }
    }

    /// The key before a value, and whether it is a variable that is set.
    fn key(&self, mut start: usize) -> (Vec<u8>, bool) {
        let before = |at: usize, back: usize| at.checked_sub(back).and_then(|at| self.tokens.get(at));
        if let (Some(Token::Sign(b'(')), Some(Token::Name(name))) = (before(start, 1), before(start, 2))
            && ASKS_NOBODY.contains(&name.as_slice())
        {
            return (name.clone(), false);
        }
        // Brackets and the functions that they belong to stand between.
        for _ in 0..4 {
            match before(start, 1) {
                Some(Token::Sign(b'(' | b'[')) => start -= 1,
                _ => break,
            }
        }
        let (Some(Token::Sign(sign)), true) = (before(start, 1), start >= 2) else {
            return (Vec::new(), false);
        };
        let (end, assigned) = match (sign, before(start, 2)) {
            (b'>', Some(Token::Sign(b'='))) => (start - 2, false),
            (b'=', Some(Token::Sign(b':'))) => (start - 2, true),
            (b'=', Some(Token::Sign(_))) => (start - 1, false),
            (b'=', _) => (start - 1, true),
            (b':', _) => (start - 1, false),
            _ => return (Vec::new(), false),
        };
        match before(end, 1) {
            Some(Token::Name(name)) => (name.clone(), assigned),
            Some(Token::Text(text, _)) => (text.clone(), false),
            _ => (Vec::new(), false),
        }
    }

    /// A primary value and all that is added to it.
    fn concatenation(&mut self, budget: &mut Budget) -> Option<Vec<u8>> {
        // ('crt' + '.') + 'sh': brackets that belong to no call.
        let before = |back: usize| self.at.checked_sub(back).and_then(|at| self.tokens.get(at));
        let in_brackets = matches!(before(1), Some(Token::Sign(b'(')))
            && !matches!(before(2), Some(Token::Name(_) | Token::Sign(b']')));
        let mut value = self.primary(budget)?;
        loop {
            if in_brackets && self.sign(0, b')') && self.sign(1, b'+') {
                self.at += 1;
            }
            let start = self.at;
            if self.sign(0, b'+') {
                self.at += 1;
            } else if self.sign(0, b'.') {
                self.at += 1;
                if self.sign(0, b'.') {
                    self.at += 1;
                }
            } else if !matches!(self.token(0), Some(Token::Text(..))) {
                return Some(value);
            }
            while self.sign(0, b'(') {
                self.at += 1;
            }
            let here = self.at;
            if let Some(next) = self.primary(budget) {
                value.extend_from_slice(&next);
                while self.sign(0, b')') && (self.sign(1, b'+') || self.sign(1, b'.')) {
                    self.at += 1;
                }
                continue;
            }
            self.at = here;
            let Some(Token::Name(name)) = self.token(0) else {
                self.at = start;
                return Some(value);
            };
            let is_method = self
                .tokens
                .get(start)
                .is_some_and(|token| matches!(token, Token::Sign(b'.')))
                && self.sign(1, b'(');
            if is_method {
                self.at = start;
                return Some(value);
            }
            let known = self.literals.variables.contains_key(name);
            let name = name.clone();
            self.literals.variable(&name, &mut value, budget);
            self.at += 1;
            if !known && !self.sign(0, b'+') && !self.sign(0, b'.') {
                return Some(value);
            }
        }
    }

    fn primary(&mut self, budget: &mut Budget) -> Option<Vec<u8>> {
        let value = match self.token(0)? {
            Token::Text(..) => self.text(budget)?,
            Token::Name(_) => {
                // base64.b64decode('...'), String.fromCharCode(99)
                let start = self.at;
                for _ in 0..PATH {
                    let goes_on = self.sign(1, b'.') && matches!(self.token(2), Some(Token::Name(_)));
                    self.at += if goes_on { 2 } else { 0 };
                }
                let Some(Token::Name(name)) = self.token(0) else {
                    return None;
                };
                let name = name.clone();
                let value = self.call(&name, budget);
                if value.is_none() {
                    self.at = start;
                }
                value?
            }
            // [char]99, [char]0x63
            Token::Sign(b'[') if self.name(1, &[b"char"]) && self.sign(2, b']') => {
                let Some(Token::Number(number)) = self.token(3) else {
                    return None;
                };
                let value = character(*number)?;
                self.at += 4;
                value
            }
            Token::Sign(b'[' | b'(') => {
                let (list, next) = self.list(1, budget)?;
                self.at = next;
                // ['crt', 'sh'].join('.'), ('crt', 'sh') -join '.'
                let separator = self.separator()?;
                list.join(&separator[..])
            }
            _ => return None,
        };
        Some(self.methods(value, budget))
    }

    /// The separator of `.join('.')` or `-join '.'`, which are passed over.
    fn separator(&mut self) -> Option<Vec<u8>> {
        let dot = (self.sign(0, b'.') || self.sign(0, b'-')) && self.name(1, &[b"join"]);
        let ahead = 2 + usize::from(self.sign(2, b'('));
        match self.token(ahead) {
            Some(Token::Text(separator, _)) if dot => {
                let separator = separator.clone();
                self.at += ahead + 1;
                if ahead == 3 && self.sign(0, b')') {
                    self.at += 1;
                }
                Some(separator)
            }
            _ => None,
        }
    }

    fn text(&mut self, budget: &mut Budget) -> Option<Vec<u8>> {
        let Token::Text(text, holes) = self.token(0)? else {
            return None;
        };
        let mut value = text.clone();
        if !holes.is_empty() {
            value.clear();
            let mut from = 0;
            for (place, name) in holes.iter().rev() {
                value.extend_from_slice(text.get(from..*place).unwrap_or_default());
                self.literals.variable(name, &mut value, budget);
                from = *place;
            }
            value.extend_from_slice(text.get(from..).unwrap_or_default());
        }
        self.at += 1;
        // 'crt','sh' -join '.', where a list starts here.
        let in_list = self.at >= 2 && matches!(self.tokens.get(self.at - 2), Some(Token::Sign(b',')));
        if self.sign(0, b',') && !in_list {
            let start = self.at;
            self.at -= 1;
            if let Some((list, next)) = self.list(0, budget) {
                self.at = next;
                if let Some(separator) = self.separator() {
                    return Some(list.join(&separator[..]));
                }
            }
            self.at = start;
        }
        Some(value)
    }

    /// Literals with commas between them, from so many tokens ahead, and the place behind them and their closing bracket.
    fn list(&self, ahead: usize, budget: &mut Budget) -> Option<(Vec<Vec<u8>>, usize)> {
        let mut list = Vec::new();
        let mut at = self.at + ahead;
        loop {
            match self.tokens.get(at) {
                Some(Token::Text(text, holes)) if holes.is_empty() && budget.pay(text.len()) => list.push(text.clone()),
                _ => return None,
            }
            at += 1;
            match self.tokens.get(at) {
                Some(Token::Sign(b',')) => at += 1,
                Some(Token::Sign(b']' | b')')) => return Some((list, at + 1)),
                _ => return Some((list, at)),
            }
        }
    }

    /// `chr(99)`, `String.fromCharCode(99, 114)`, `b64decode('...')`; none for every other call.
    fn call(&mut self, name: &[u8], budget: &mut Budget) -> Option<Vec<u8>> {
        // Perl and Ruby need no brackets: decode_base64 '...'.
        if !self.sign(1, b'(') && !matches!(self.token(1), Some(Token::Text(..))) {
            return None;
        }
        let argument = 1 + usize::from(self.sign(1, b'('));
        match name {
            b"chr" | b"fromcharcode" | b"char" | b"fromcodepoint" => {
                let mut at = self.at + argument;
                let mut value = Vec::new();
                while let Some(Token::Number(number)) = self.tokens.get(at) {
                    value.extend(character(*number)?);
                    at += 1;
                    if !matches!(self.tokens.get(at), Some(Token::Sign(b','))) {
                        break;
                    }
                    at += 1;
                }
                if value.is_empty() {
                    return None;
                }
                self.at = at;
                self.close();
                Some(value)
            }
            // Buffer.from('...', 'base64')
            b"from" => {
                let (Some(Token::Text(text, _)), true, Some(Token::Text(kind, _))) = (
                    self.token(argument),
                    self.sign(argument + 1, b','),
                    self.token(argument + 2),
                ) else {
                    return None;
                };
                let value = match kind.as_slice() {
                    b"base64" | b"base64url" => decode::base64(text),
                    b"hex" => decode::hex(text),
                    _ => None,
                };
                self.decoded(value, argument + 3, budget)
            }
            _ => {
                let decoder = [
                    (BASE64, decode::base64 as fn(&[u8]) -> Option<Vec<u8>>),
                    (HEX, decode::hex),
                    (PERCENT, percent),
                    (&[b"strrev", b"reverse"], reversed),
                ]
                .into_iter()
                .find(|(names, _)| names.contains(&name))?
                .1;
                self.at += argument;
                let inner = if matches!(self.token(0), Some(Token::Text(..))) {
                    self.text(budget)
                } else {
                    None
                };
                let Some(mut inner) = inner else {
                    self.at -= argument;
                    return None;
                };
                while self.sign(0, b'+') && matches!(self.token(1), Some(Token::Text(..))) {
                    self.at += 1;
                    inner.extend(self.text(budget)?);
                }
                let value = decoder(&inner);
                self.decoded(value, 0, budget)
            }
        }
    }

    fn decoded(&mut self, value: Option<Vec<u8>>, passed: usize, budget: &mut Budget) -> Option<Vec<u8>> {
        let mut value = value?;
        self.at += passed;
        self.close();
        // PowerShell's texts are UTF-16 as often as not.
        if value.len() >= 4 && value.iter().skip(1).step_by(2).all(|&b| b == 0) {
            value = decode::utf16le(&value);
        }
        self.was_encoded = true;
        (budget.pay(value.len()) && decode::is_text(&value)).then_some(value)
    }

    fn close(&mut self) {
        if self.sign(0, b')') {
            self.at += 1;
        }
    }

    /// What is done to a text right behind it: reversed, replaced, formatted, joined.
    fn methods(&mut self, mut value: Vec<u8>, budget: &mut Budget) -> Vec<u8> {
        loop {
            // Closing brackets of decoders: GetString([Convert]::FromBase64String('...')).
            if self.sign(0, b'[') && self.sign(1, b':') && self.sign(2, b':') && self.sign(3, b'-') {
                value = reversed(&value).unwrap_or_default();
                self.at += 6;
                continue;
            }
            let dot = self.sign(0, b'.') || self.sign(0, b'-');
            if !dot {
                return value;
            }
            if self.name(1, SAME) {
                self.at += 2;
                if self.sign(0, b'(') {
                    self.at += 1;
                    if matches!(self.token(0), Some(Token::Text(..))) {
                        self.at += 1;
                    }
                    self.close();
                }
            } else if self.name(1, &[b"reverse"]) {
                value = reversed(&value).unwrap_or_default();
                self.at += 2;
                if self.sign(0, b'(') {
                    self.at += 1;
                    self.close();
                }
            } else if self.name(1, &[b"join"]) && self.sign(2, b'(') {
                let ahead = if self.sign(3, b'[') || self.sign(3, b'(') { 4 } else { 3 };
                let Some((list, next)) = self.list(ahead, budget) else {
                    return value;
                };
                value = list.join(&value[..]);
                self.at = next;
                self.close();
            } else if self.name(1, &[b"replace", b"replaceall", b"gsub", b"sub", b"tr"]) {
                let ahead = 2 + usize::from(self.sign(2, b'('));
                let (Some(Token::Text(from, _)), true, Some(Token::Text(to, _))) =
                    (self.token(ahead), self.sign(ahead + 1, b','), self.token(ahead + 2))
                else {
                    return value;
                };
                value = replaced(&value, from, to, budget);
                self.at += ahead + 3;
                self.close();
            } else if self.name(1, &[b"format", b"f"]) {
                let ahead = 2 + usize::from(self.sign(2, b'('));
                let Some((list, next)) = self.list(ahead, budget) else {
                    return value;
                };
                value = formatted(&value, &list, budget);
                self.at = next;
            } else {
                return value;
            }
        }
    }
}

fn character(number: u32) -> Option<Vec<u8>> {
    let c = char::from_u32(number).filter(|&c| c != '\0')?;
    Some(c.to_string().into_bytes())
}

fn percent(text: &[u8]) -> Option<Vec<u8>> {
    Some(decode::percent(text).into_owned())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one of several decoders, of which the others can fail"
)]
fn reversed(text: &[u8]) -> Option<Vec<u8>> {
    Some(text.iter().rev().copied().collect())
}

fn replaced(text: &[u8], from: &[u8], to: &[u8], budget: &mut Budget) -> Vec<u8> {
    // A pattern or a text longer than a host's name hides none.
    if from.is_empty() || from.len() > 64 || to.len() > 256 || !budget.pay(text.len().saturating_mul(1 + to.len() / 8))
    {
        return text.to_vec();
    }
    let mut value = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(from) {
            value.extend_from_slice(to);
            at += from.len();
        } else {
            value.push(text[at]);
            at += 1;
        }
    }
    value
}

/// `{}` and `{0}` filled in.
fn formatted(text: &[u8], list: &[Vec<u8>], budget: &mut Budget) -> Vec<u8> {
    let mut value = Vec::new();
    let mut next = 0;
    let mut at = 0;
    while at < text.len() {
        let end = text[at..].iter().take(4).position(|&b| b == b'}');
        if let (b'{', Some(end)) = (text[at], end) {
            let number = std::str::from_utf8(&text[at + 1..at + end]).unwrap_or_default();
            let index = number.parse().unwrap_or(next);
            next += 1;
            match list.get(index) {
                Some(piece) if budget.pay(piece.len()) => value.extend_from_slice(piece),
                _ => value.push(Word::UNKNOWN),
            }
            at += end + 1;
        } else {
            value.push(text[at]);
            at += 1;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(code: &str, language: Language) -> Vec<String> {
        let mut budget = Budget::new(code.len());
        let literals = of(code.as_bytes(), language, &mut budget);
        literals
            .list
            .iter()
            .map(|literal| String::from_utf8_lossy(&literal.value).into_owned())
            .collect()
    }

    #[test]
    fn literals_are_put_together_as_the_code_does() {
        for (code, expected) in [
            ("get('crt' + '.sh')", &["crt.sh"][..]),
            ("get('crt' '.' \"sh\")", &["crt.sh"]),
            ("get('crt'.'.sh')", &["crt.sh"]),
            ("get('crt' . '.sh')", &["crt.sh"]),
            ("get('crt'..'.sh')", &["crt.sh"]),
            ("h='crt.sh'; get('https://' + h + '/')", &["crt.sh", "https://crt.sh/"]),
            ("get('https://' + h + '.crt.sh')", &["https://\0.crt.sh"]),
            ("h='crt'; get(f'https://{h}.sh')", &["crt", "https://crt.sh"]),
            ("let h='crt'; fetch(`https://${h}.sh`)", &["crt", "https://crt.sh"]),
            ("my $h='crt'; get(\"https://$h.sh\")", &["crt", "https://crt.sh"]),
            ("h='crt'; get(\"https://#{h}.sh\")", &["crt", "https://crt.sh"]),
            ("'\\x63rt\\u002e\\163h'", &["crt.sh"]),
            ("chr(99)+chr(114)+chr(116)+'.sh'", &["crt.sh"]),
            ("String.fromCharCode(99,114,116)+'.sh'", &["crt.sh"]),
            ("b64decode('Y3J0LnNo').decode()", &["crt.sh"]),
            ("atob('Y3J0LnNo')", &["crt.sh"]),
            ("Buffer.from('Y3J0LnNo','base64').toString()", &["crt.sh"]),
            ("bytes.fromhex('6372742e7368').decode()", &["crt.sh"]),
            ("''.join(['crt','.','sh'])", &["crt.sh"]),
            ("['crt','sh'].join('.')", &["crt.sh"]),
            ("'hs.trc'[::-1]", &["crt.sh"]),
            ("'crtXsh'.replace('X','.')", &["crt.sh"]),
            ("'{}.{}'.format('crt','sh')", &["crt.sh"]),
            ("f('a', 'b')", &["a", "b"]),
            ("'''crt.sh'''", &["crt.sh"]),
            ("# don't\nget('crt.sh')", &["crt.sh"]),
            ("'a", &[]),
            ("'a\\", &[]),
            ("\"\"", &[""]),
        ] {
            assert_eq!(values(code, Language::Common), expected, "{code}");
        }
        for (code, expected) in [
            ("irm ('crt'+'.sh')", &["crt.sh"][..]),
            ("irm (([char]99)+'rt.sh')", &["crt.sh"]),
            ("irm ([char]99+[char]0x72+'t.sh')", &["crt.sh"]),
            ("'crt','sh' -join '.'", &["crt.sh"]),
            ("'{0}.{1}' -f 'crt','sh'", &["crt.sh"]),
            ("$h='crt.sh'; irm \"https://$h/\"", &["crt.sh", "https://crt.sh/"]),
            ("\"c`rt.sh\"", &["crt.sh"]),
            (
                "[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('Y3J0LnNo'))",
                &["crt.sh"],
            ),
        ] {
            assert_eq!(values(code, Language::PowerShell), expected, "{code}");
        }
    }

    #[test]
    fn keys_are_known() {
        let mut budget = Budget::new(1000);
        let code = b"f(host='a', x={'q': 'b'}, url: 'c', 'd' => 'e', g('h'))";
        let literals = of(code, Language::Common, &mut budget);
        let keys: Vec<(String, String)> = literals
            .list
            .iter()
            .map(|literal| {
                (
                    String::from_utf8_lossy(&literal.key).into(),
                    String::from_utf8_lossy(&literal.value).into(),
                )
            })
            .collect();
        let expected = [
            ("host", "a"),
            ("", "q"),
            ("q", "b"),
            ("url", "c"),
            ("", "d"),
            ("d", "e"),
            ("", "h"),
        ];
        assert_eq!(keys, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
