//! Commands of the shell itself that change what later commands get.
//!
//! Owns `set`, `shift`, `unset`, `read`, `export` and its kin, `printf -v`, `trap`; `eval` and functions are where commands
//! are called.

use std::rc::Rc;

use super::expand::UNKNOWN;
use super::lexer::is_name;
use super::output;
use super::run::{Shell, Sink, Status};
use super::state::Bytes;

/// The words behind `command`, `builtin`, `exec` and their options.
pub(super) fn program(words: &[Vec<u8>]) -> &[Vec<u8>] {
    let mut rest = words;
    while let [prefix, behind @ ..] = rest {
        let prefix = &prefix[..];
        if !matches!(prefix, b"command" | b"builtin" | b"exec" | b"noglob" | b"nocorrect") {
            break;
        }
        let mut behind = behind;
        while let [option, more @ ..] = behind
            && option.first() == Some(&b'-')
        {
            // `command -v` only asks.
            if prefix == b"command" && option.iter().any(|byte| matches!(byte, b'v' | b'V')) {
                return words;
            }
            let skip = usize::from(prefix == b"exec" && option == b"-a");
            behind = more.get(skip..).unwrap_or_default();
        }
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    rest
}

/// Whether the command changes the shell that it runs in, so that assignments before it are no scope.
pub(super) fn changes_shell(words: &[Vec<u8>]) -> bool {
    program(words).first().is_some_and(|name| {
        matches!(
            &name[..],
            b"read"
                | b"set"
                | b"shift"
                | b"unset"
                | b"printf"
                | b"export"
                | b"declare"
                | b"local"
                | b"readonly"
                | b"typeset"
        )
    })
}

impl Shell<'_> {
    /// Does what a builtin does; nothing when it is none of those here.
    pub(super) fn builtin(&mut self, words: &[Vec<u8>], input: Option<&Bytes>, separators: &Bytes) -> Option<Status> {
        let (name, args) = words.split_first()?;
        match &name[..] {
            b"set" => self.set_parameters(args),
            b"shift" => self.shift(args),
            b"unset" => {
                for arg in args.iter().filter(|arg| arg.first() != Some(&b'-')) {
                    self.state.set(arg, Vec::new());
                }
            }
            b"export" | b"declare" | b"local" | b"readonly" | b"typeset" => {
                for arg in args {
                    let Some(equals) = arg.iter().position(|&byte| byte == b'=') else {
                        continue;
                    };
                    let (name, value) = arg.split_at(equals);
                    if name.iter().copied().all(is_name) && self.budget.pay(arg.len()) {
                        self.state.set(name, vec![Rc::from(value.get(1..).unwrap_or_default())]);
                    }
                }
            }
            b"read" => self.read(args, input, separators),
            b"printf" if args.first().is_some_and(|arg| arg == b"-v") => {
                let mut text = Vec::new();
                let command = [&[name.clone()][..], args.get(2..).unwrap_or_default()].concat();
                if self.budget.pay(command.iter().map(Vec::len).sum()) {
                    output::write(&command, None, &mut text, self.budget);
                    if let Some(name) = args.get(1) {
                        self.state.set(name, vec![Rc::from(text)]);
                    }
                }
            }
            b"trap" if args.len() > 1 => {
                let text = args
                    .iter()
                    .find(|arg| arg.first() != Some(&b'-'))
                    .cloned()
                    .unwrap_or_default();
                let scope = self.state.open();
                self.run(text, None, &mut Sink::new(false));
                self.state.close(&scope);
            }
            _ => return None,
        }
        Some(Status::Success)
    }

    fn set_parameters(&mut self, args: &[Vec<u8>]) {
        let mut rest = args;
        while let [option, behind @ ..] = rest {
            if option == b"--" {
                rest = behind;
                break;
            }
            if !matches!(option.first(), Some(b'-' | b'+')) {
                break;
            }
            let named = option == b"-o" || option == b"+o";
            rest = behind.get(usize::from(named)..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
        }
        if args.is_empty() || !self.budget.pay(args.iter().map(Vec::len).sum()) {
            return;
        }
        let shell = match self.state.parameters().and_then(|parameters| parameters.first()) {
            Some(name) => name.clone(),
            None => Rc::from(&[UNKNOWN][..]),
        };
        let parameters = [shell]
            .into_iter()
            .chain(rest.iter().map(|word| Rc::from(&word[..])))
            .collect();
        self.state.set_parameters(Some(parameters));
    }

    fn shift(&mut self, args: &[Vec<u8>]) {
        let count = match args.first() {
            None => Some(1),
            Some(arg) => std::str::from_utf8(arg).ok().and_then(|arg| arg.parse().ok()),
        };
        let Some(parameters) = self.state.parameters().cloned() else {
            return;
        };
        if !self.budget.pay(parameters.len()) {
            return;
        }
        let shifted = count.map(|count: usize| {
            let first = parameters.first().cloned();
            first
                .into_iter()
                .chain(parameters.iter().skip(1).skip(count).cloned())
                .collect()
        });
        self.state.set_parameters(shifted);
    }

    fn read(&mut self, args: &[Vec<u8>], input: Option<&Bytes>, separators: &Bytes) {
        let mut names = Vec::new();
        let mut array = false;
        let mut raw = false;
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.split_first() {
                Some((b'-', letters)) => {
                    array |= letters.contains(&b'a') || letters.contains(&b'A');
                    raw |= letters.contains(&b'r');
                    // These take an argument.
                    if matches!(letters.last(), Some(b'd' | b'i' | b'n' | b'N' | b'p' | b't' | b'u')) {
                        args.next();
                    }
                }
                _ => names.push(&arg[..]),
            }
        }
        if names.is_empty() {
            names.push(b"REPLY");
        }
        let line = input.map(|input| {
            let line = input.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let kept = |&&byte: &&u8| raw || byte != b'\\';
            line.iter().filter(kept).copied().collect::<Vec<u8>>()
        });
        let paid = self.budget.pay(line.as_ref().map_or(0, Vec::len));
        let Some(line) = line.filter(|line| paid && !line.contains(&UNKNOWN)) else {
            for name in names {
                self.state.set(name, vec![Rc::from(&[UNKNOWN][..])]);
            }
            return;
        };
        let is_separator = |byte: &u8| separators.contains(byte);
        let mut rest = &line[..];
        let mut values: Vec<Bytes> = Vec::new();
        let last = names.len().saturating_sub(1);
        loop {
            let start = rest.iter().position(|byte| !is_separator(byte)).unwrap_or(rest.len());
            rest = rest.get(start..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            if !array && values.len() == last {
                let end = rest.iter().rposition(|byte| !is_separator(byte)).map_or(0, |at| at + 1);
                values.push(Rc::from(rest.get(..end).unwrap_or_default()));
                break;
            }
            let end = rest.iter().position(is_separator).unwrap_or(rest.len());
            values.push(Rc::from(rest.get(..end).unwrap_or_default()));
            rest = rest.get(end..).unwrap_or_default();
        }
        if array {
            return self.state.set(names.first().copied().unwrap_or_default(), values);
        }
        let mut values = values.into_iter();
        for name in names {
            let value = values.next().unwrap_or_else(|| Rc::from(&b""[..]));
            self.state.set(name, vec![value]);
        }
    }
}
