//! Shell text (POSIX sh and bash) taken apart into the simple commands that it would run.

use super::Budget;

/// A simple command of a shell text. Words are as the command gets them; a part that is not known is one
/// [`UNKNOWN`](super::Word::UNKNOWN) byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// Program and arguments; empty for assignments and redirections alone.
    pub words: Vec<Vec<u8>>,
    /// What the command reads from its standard input, where the text tells: a here-document or here-string, or what a
    /// command with known output (`echo`, `printf`, `base64 -d` of known text) pipes into it.
    pub stdin: Option<Vec<u8>>,
}

/// Every simple command that `text` would run, in the order of the text, those in substitutions, subshells, loops, functions
/// and branches included. `params` are `$0`, `$1`, ...
#[must_use]
pub fn parse(text: &[u8], params: &[&[u8]], budget: &mut Budget) -> Vec<Simple> {
    let _ = (text, params, budget);
    Vec::new()
}

/// Splits a command line of which only the text is known (a log's) into words: quotes and backslashes as in a shell, but
/// nothing else has a meaning.
#[must_use]
pub fn split(text: &[u8], budget: &mut Budget) -> Vec<Vec<u8>> {
    let _ = (text, budget);
    Vec::new()
}
