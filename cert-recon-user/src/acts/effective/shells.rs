//! Shells: the text behind `-c`, a script, or text on the standard input.

use super::inner::Inner;
use super::{names, words};
use crate::acts::{Budget, Command, Via, Word};

/// Programs that read their arguments as `sh` does.
pub(super) const NAMES: &str = "sh bash dash zsh ksh mksh oksh lksh pdksh ash hush rbash rzsh rksh fish csh tcsh \
            yash posh osh elvish nu xonsh sash git-bash";

/// Long options with a value. Those of a shell's text: [`TEXTS`].
const VALUES: &[&[u8]] = &[
    b"--rcfile",
    b"--init-file",
    b"--emulate",
    b"--features",
    b"--config",
    b"--env-config",
];
/// Long options whose value is shell text.
const TEXTS: &[&[u8]] = &[b"--command", b"--commands", b"--init-command"];

/// What a shell runs.
pub(super) fn look<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let args = &command.args;
    let mut text = false;
    let mut input = false;
    let mut at = 0;
    while let Some(word) = args.get(at) {
        let bytes = word.bytes();
        if !budget.pay(bytes.len() + 1) {
            return;
        }
        if bytes == b"-" || bytes == b"--" {
            at += 1;
            break;
        }
        if bytes.starts_with(b"--") {
            at += long(args, at, inner);
            continue;
        }
        if bytes.len() < 2 || !matches!(bytes[0], b'-' | b'+') {
            break;
        }
        at += 1;
        for letter in &bytes[1..] {
            match letter {
                b'c' => text = true,
                b's' => input = true,
                // Reads its text and runs nothing of it.
                b'n' if bytes[0] == b'-' => return,
                // Their value is the next word, behind those of earlier letters.
                b'o' | b'O' => at += 1,
                // fish: a text to run before all else.
                b'C' if bytes.len() == 2 && command.is("fish") => {
                    inner.extend(
                        args.get(at)
                            .map(|text| Inner::text(text.clone(), Vec::new(), Via::Shell)),
                    );
                    at += 1;
                }
                _ => {}
            }
        }
    }
    let rest = args.get(at..).unwrap_or_default();
    if text {
        if let Some((text, params)) = rest.split_first() {
            inner.push(Inner::text(text.clone(), words::copy(params, budget), Via::Shell));
        }
        return;
    }
    match rest.split_first() {
        // A file that is not known may be what the shell made of a process's output, which then is the input.
        Some((file, args)) if !input && !is_input(file.bytes()) && (file.is_known() || command.stdin.is_none()) => {
            let programs = names::of_program(file.bytes());
            if !programs.is_empty() {
                inner.push(Inner::named(programs, args, Via::Launcher, budget));
            }
        }
        _ => {
            if let Some(stdin) = &command.stdin
                && budget.pay(stdin.len())
            {
                let params = if input { rest } else { rest.get(1..).unwrap_or_default() };
                let params = std::iter::once(Word::borrowed(b"sh")).chain(words::copy(params, budget));
                inner.push(Inner::text(Word::owned(stdin.clone()), params.collect(), Via::Shell));
            }
        }
    }
}

/// Reads the long option at a place; how many words it has.
fn long<'a>(args: &[Word<'a>], at: usize, inner: &mut Vec<Inner<'a>>) -> usize {
    let bytes = args[at].bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=');
    let name = &bytes[..equals.unwrap_or(bytes.len())];
    let is_text = TEXTS.contains(&name);
    let value = match equals {
        Some(equals) => Some(words::from(&args[at], equals + 1)),
        None if is_text => args.get(at + 1).cloned(),
        None => None,
    };
    if let Some(value) = value.filter(|_| is_text) {
        inner.push(Inner::text(value, Vec::new(), Via::Shell));
    }
    if equals.is_none() && (is_text || VALUES.contains(&name)) {
        2
    } else {
        1
    }
}

/// Whether a file is the standard input.
pub(super) fn is_input(file: &[u8]) -> bool {
    matches!(file, b"-" | b"/dev/stdin" | b"/dev/fd/0" | b"/proc/self/fd/0")
}
