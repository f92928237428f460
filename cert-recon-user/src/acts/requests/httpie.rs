//! httpie and its kin (http, https, xh, xhs, curlie): `[METHOD] URL [ITEM...]`.

use super::{
    found::Found,
    options::{Dash, Item, Syntax, Walk},
    search,
    url::{Scheme, strip_prefix},
};
use crate::acts::{Command, Manner};

#[rustfmt::skip]
const SYNTAX: Syntax = Syntax {
    short: "aAopPs",
    long: &[
        "auth", "auth-type", "bearer", "boundary", "cert", "cert-key", "cert-key-pass", "chunked-size", "ciphers", "default-scheme",
        "format-options", "generate", "history-print", "http-version", "interface", "max-headers", "max-redirects", "output",
        "pretty", "print", "proxy", "raw", "resolve", "response-charset", "response-mime", "session", "session-read-only", "ssl",
        "style", "timeout", "verify",
    ],
    dash: Dash::Short,
};

/// Reads the arguments of httpie.
pub(super) fn read(command: &Command<'_>, found: &mut Found<'_>) {
    let mut items = Items::default();
    for item in Walk::new(&command.args, SYNTAX) {
        match item {
            Item::Operand(word) => items.operand(word, found),
            Item::Option(b"help" | b"version" | b"V" | b"manual", _) => found.manner(Manner::Help),
            Item::Option(b"raw", Some(body)) => search::body(body, found),
            Item::Option(..) => {}
        }
    }
    if let Some(body) = command.stdin.as_deref() {
        search::body(body, found);
    }
}

/// The operands of httpie, one after another.
#[derive(Default)]
pub(super) struct Items {
    method: bool,
    url: bool,
}

impl Items {
    /// The next operand.
    pub(super) fn operand(&mut self, word: &[u8], found: &mut Found<'_>) {
        if !self.url {
            if !self.method && !word.is_empty() && word.iter().all(u8::is_ascii_alphabetic) && word != b"localhost" {
                self.method = true;
                return;
            }
            self.url = true;
            // `:8080/x` is this host.
            let is_local = word.first() == Some(&b':') && !word.starts_with(b"://");
            if is_local {
                found.push_host("localhost".to_owned());
            } else {
                found.ask_url(word, Scheme::Guessed);
            }
            return;
        }
        self.item(word, found);
    }

    fn item(&mut self, word: &[u8], found: &mut Found<'_>) {
        if strip_prefix(word, b"host:").is_some_and(|rest| !rest.starts_with(b"=")) {
            found.header(word);
            return;
        }
        let Some(at) = word.iter().position(|b| matches!(b, b'=' | b':')) else {
            return;
        };
        let (name, rest) = word.split_at(at);
        let value = match rest {
            [b'=', b'=', value @ ..] | [b':', b'=', value @ ..] => value,
            [b'=', value @ ..] => value,
            _ => return,
        };
        if search::is_parameter(name) {
            search::names(value, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sorted() {
        assert!(SYNTAX.long.is_sorted());
    }
}
