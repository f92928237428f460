//! Shell text (POSIX sh, bash, zsh, dash) taken apart into the simple commands that it would run.
//!
//! Owns the syntax, the expansions that follow from the text alone, and what well-known commands print of known text. Never
//! runs anything and looks at nothing outside of the text: variables of the environment, files and the output of other
//! commands are not known.
//!
//! A text becomes words and commands (`parser` and its parts `lexer`, `compound`, `redirect`; their form is `syntax`), and
//! `run` walks through them as a shell would, with `state` for variables, `expand` for words, `builtins` and `output` for
//! what commands do. Every loop pays from the [`Budget`], and the reader's cursor only moves forward.

mod arithmetic;
mod brace;
mod builtins;
mod compound;
mod escape;
mod expand;
mod filters;
mod lexer;
mod output;
mod parser;
mod pattern;
mod redirect;
mod run;
mod split;
mod state;
mod syntax;

pub use self::split::split;
use super::Budget;

/// A simple command of a shell text. Words are as the command gets them; a part that is not known is one
/// [`UNKNOWN`](super::Word::UNKNOWN) byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// Program and arguments, never empty. `exec`, `command`, `builtin` before a program are still there.
    pub words: Vec<Vec<u8>>,
    /// What the command reads from its standard input, where the text tells: a here-document or here-string, or what a
    /// command with known output (`echo`, `printf`, `base64 -d` of known text) pipes into it. For a command without other
    /// input also what a `<(...)` among its words gives, so that `bash <(echo ...)` is like `echo ... | bash`. Parts that
    /// are not known are one [`UNKNOWN`](super::Word::UNKNOWN) byte.
    pub stdin: Option<Vec<u8>>,
}

/// Every simple command that `text` would run, in the order of the text, those in substitutions, subshells, loops, functions
/// and branches included; one in a loop or function stands there for each word or call that is known, and one whose words
/// depend on a branch for each of its alternatives. What `eval` and `trap` are given is taken apart as well. `params` are
/// `$0`, `$1`, ...; when there are none at all, they are not known.
#[must_use]
pub fn parse(text: &[u8], params: &[&[u8]], budget: &mut Budget) -> Vec<Simple> {
    if !budget.pay(text.len()) {
        return Vec::new();
    }
    let mut shell = run::Shell::new(params, budget);
    shell.run(text.to_vec(), None, &mut run::Sink::new(false));
    let mut simples = shell.simples;
    simples.retain(|simple| !simple.words.is_empty());
    simples
}
