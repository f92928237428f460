//! Calls that run a command, in code on an interpreter's command line: `os.system('...')`, `exec "..."`, backticks.
//!
//! Owns a scanner of calls with literal arguments. It knows no grammar: it looks for the names of functions that run
//! something and reads the literals behind them, so comments and strings are looked at as well;
//! what is computed is unknown.

mod literals;

use self::literals::{concatenation, end_of, is_name, literal, perl_text, skip_blank};
use super::inner::Inner;
use super::names;
use crate::acts::{Budget, Via, Word};

/// The language of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Python.
    Python,
    /// Perl.
    Perl,
    /// Ruby.
    Ruby,
    /// JavaScript with Node.js, Deno or Bun.
    Node,
    /// PHP.
    Php,
    /// Lua.
    Lua,
    /// Tcl.
    Tcl,
    /// R.
    R,
    /// awk.
    Awk,
    /// One that is not read.
    None,
}

impl Language {
    /// Functions that run a command.
    fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Python => &[
                "system",
                "popen",
                "popen2",
                "popen3",
                "Popen",
                "run",
                "call",
                "check_call",
                "check_output",
                "getoutput",
                "getstatusoutput",
                "spawn",
                "execl",
                "execle",
                "execlp",
                "execlpe",
                "execv",
                "execve",
                "execvp",
                "execvpe",
                "spawnl",
                "spawnlp",
                "spawnv",
                "spawnvp",
                "posix_spawn",
                "posix_spawnp",
                "create_subprocess_shell",
                "create_subprocess_exec",
            ],
            Self::Perl => &["system", "exec", "open", "readpipe", "run", "capture"],
            Self::Ruby => &[
                "system",
                "exec",
                "spawn",
                "popen",
                "capture2",
                "capture2e",
                "capture3",
                "popen2",
                "popen2e",
                "popen3",
                "pipeline",
                "sh",
            ],
            Self::Node => &[
                "exec",
                "execSync",
                "execFile",
                "execFileSync",
                "spawn",
                "spawnSync",
                "fork",
                "Command",
                "execa",
                "execaSync",
            ],
            Self::Php => &[
                "shell_exec",
                "system",
                "passthru",
                "exec",
                "popen",
                "proc_open",
                "pcntl_exec",
            ],
            Self::Lua => &["execute", "popen"],
            Self::Tcl => &["exec", "open"],
            Self::R => &["system", "system2", "shell", "pipe"],
            Self::Awk => &["system"],
            Self::None => &[],
        }
    }

    /// Whether a call needs no parentheses.
    fn calls_without_parentheses(self) -> bool {
        matches!(self, Self::Perl | Self::Ruby | Self::Tcl)
    }

    /// Whether text in backticks is run.
    fn runs_backticks(self) -> bool {
        matches!(self, Self::Perl | Self::Ruby | Self::Php)
    }
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Other,
}

/// Everything that the code runs.
pub(super) fn scan<'a>(language: Language, code: &[u8], budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    if language == Language::None || !budget.pay(code.len()) {
        return;
    }
    let mut at = 0;
    while let Some(&byte) = code.get(at) {
        if is_name(byte) {
            let end = end_of(code, at, is_name);
            let name = &code[at..end];
            let read = if language.calls().iter().any(|call| call.as_bytes() == name) {
                call(language, name, code, end, budget, inner)
            } else if language == Language::Perl && matches!(name, b"qx") {
                perl_text(code, end).map(|(text, end)| {
                    push_text(text, inner);
                    end
                })
            } else {
                None
            };
            at = read.unwrap_or(end).max(end);
        } else if byte == b'`' && language.runs_backticks() {
            let (text, end) = literal(code, at + 1, b'`', true);
            push_text(text, inner);
            at = end;
        } else if byte == b'%' && code.get(at + 1) == Some(&b'x') && language == Language::Ruby {
            match perl_text(code, at + 2) {
                Some((text, end)) => {
                    push_text(text, inner);
                    at = end;
                }
                None => at += 2,
            }
        } else if language == Language::Awk && byte == b'"' {
            at = awk_pipe(code, at, inner);
        } else {
            at += 1;
        }
        // Every step pays, so that code in which calls read the same bytes again stays within bounds.
        if !budget.pay(1) {
            return;
        }
    }
}

/// Reads the arguments of a call; where they end, if it runs something.
fn call<'a>(
    language: Language,
    name: &[u8],
    code: &[u8],
    at: usize,
    budget: &mut Budget,
    inner: &mut Vec<Inner<'a>>,
) -> Option<usize> {
    // `getattr(os,'system')('...')`, `__import__('os').system ('...')`.
    let start = end_of(code, at, |byte| {
        byte.is_ascii_whitespace() || matches!(byte, b'\'' | b'"' | b']')
    });
    if language == Language::Tcl {
        let end = code[at..]
            .iter()
            .position(|byte| matches!(byte, b']' | b'\n' | b';' | b'}'))
            .map_or(code.len(), |end| at + end);
        let text = code[at..end].trim_ascii();
        let text = text
            .strip_prefix(b"\"|")
            .or_else(|| text.strip_prefix(b"|"))
            .unwrap_or(text);
        if name == b"exec" || code[at..end].contains(&b'|') {
            push_text(text.to_vec(), inner);
        }
        return Some(end);
    }
    let mut arguments = Vec::new();
    let mut place = skip_blank(code, at);
    if code.get(place) != Some(&b'(') && start > at && code.get(start) == Some(&b')') {
        place = skip_blank(code, start + 1);
    }
    if code.get(place) == Some(&b'(') {
        place += 1;
    } else if !language.calls_without_parentheses() {
        return None;
    }
    while arguments.len() < 256 {
        let (argument, end) = argument(language, code, place, 0)?;
        if !budget.pay(end - place + 1) {
            return None;
        }
        arguments.push(argument);
        place = skip_blank(code, end);
        if code.get(place) != Some(&b',') {
            break;
        }
        place += 1;
    }
    run(name, arguments, inner).then_some(place)
}

/// Makes commands of a call's arguments; whether it did.
fn run(name: &[u8], arguments: Vec<Argument>, inner: &mut Vec<Inner<'_>>) -> bool {
    let mut arguments = arguments.into_iter().peekable();
    // The first argument of os.spawn* is a mode.
    if name.starts_with(b"spawn") && arguments.peek() == Some(&Argument::Other) {
        arguments.next();
    }
    let names_twice = name.starts_with(b"exec") && name.len() > 4 && matches!(name[4], b'l' | b'v')
        || name.starts_with(b"spawn") && name.len() > 5 && matches!(name[5], b'l' | b'v')
        || name.starts_with(b"posix_spawn");
    let one_text = name.eq_ignore_ascii_case(b"popen");
    match (arguments.next(), arguments.next()) {
        // open(F, "command|"), open(F, "-|", "command").
        (Some(Argument::Text(text)), Some(second)) if name == b"open" => open(text, &second, arguments.next(), inner),
        (Some(Argument::Other), Some(Argument::Text(mode))) if name == b"open" => {
            let command = arguments.next().unwrap_or(Argument::Other);
            open(mode, &command, None, inner)
        }
        (Some(Argument::List(words)), _) => push_words(words, inner),
        (Some(Argument::Text(file)), Some(Argument::List(mut words))) => {
            if names_twice && !words.is_empty() {
                words.remove(0);
            }
            words.insert(0, file);
            push_words(words, inner)
        }
        (Some(Argument::Text(file)), Some(Argument::Text(second))) if !one_text => {
            let mut words = vec![file];
            if !names_twice {
                words.push(second);
            }
            words.extend(arguments.map_while(|argument| match argument {
                Argument::Text(text) => Some(text),
                _ => None,
            }));
            push_words(words, inner)
        }
        (Some(Argument::Text(text)), _) => {
            push_text(text, inner);
            true
        }
        _ => false,
    }
}

/// Perl's open with a pipe.
fn open(mode: Vec<u8>, command: &Argument, more: Option<Argument>, inner: &mut Vec<Inner<'_>>) -> bool {
    let trimmed = mode.trim_ascii();
    match (trimmed, command, more) {
        (b"-|" | b"|-", Argument::Text(text), _) => push_text(text.clone(), inner),
        (_, Argument::Text(text), _) if text.trim_ascii_end().ends_with(b"|") => push_text(without_pipe(text), inner),
        _ if trimmed.ends_with(b"|") || trimmed.starts_with(b"|") => push_text(without_pipe(trimmed), inner),
        _ => return false,
    }
    true
}

fn without_pipe(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"|").unwrap_or(text);
    text.strip_suffix(b"|").unwrap_or(text).to_vec()
}

fn push_text(text: Vec<u8>, inner: &mut Vec<Inner<'_>>) {
    if !text.trim_ascii().is_empty() {
        inner.push(Inner::text(Word::owned(text), Vec::new(), Via::Code));
    }
}

fn push_words(words: Vec<Vec<u8>>, inner: &mut Vec<Inner<'_>>) -> bool {
    let mut words = words.into_iter();
    let Some(program) = words.next() else {
        return false;
    };
    let args = words.map(Word::owned).collect();
    inner.push(Inner::made(names::of_program(&program), args, Via::Code));
    true
}

/// The argument at a place, and where it ends. None when there is none.
fn argument(language: Language, code: &[u8], at: usize, depth: u8) -> Option<(Argument, usize)> {
    let at = skip_blank(code, at);
    let byte = *code.get(at)?;
    if matches!(byte, b'[' | b'(') && depth < 2 {
        let close = if byte == b'[' { b']' } else { b')' };
        let mut words = Vec::new();
        let mut place = at + 1;
        loop {
            place = skip_blank(code, place);
            match code.get(place) {
                None => return Some((Argument::List(words), place)),
                Some(found) if *found == close => return Some((Argument::List(words), place + 1)),
                Some(b',') => place += 1,
                Some(_) => {
                    let (argument, end) = argument(language, code, place, 2)?;
                    words.push(match argument {
                        Argument::Text(text) => text,
                        _ => vec![Word::UNKNOWN],
                    });
                    place = match argument_end(code, end, close) {
                        Some(end) => end,
                        None => return Some((Argument::List(words), code.len())),
                    };
                }
            }
        }
    }
    if let Some((text, end)) = concatenation(language, code, at) {
        return Some((Argument::Text(text), after_methods(code, end)));
    }
    // `shlex.split("...")`, `String.raw`...: what is in the parentheses.
    let end = end_of(code, at, |byte| is_name(byte) || byte == b'.' || byte == b':');
    if end > at && code.get(end) == Some(&b'(') && depth == 0 {
        let (found, end) = argument(language, code, end + 1, 1)?;
        if let Argument::Text(_) = found {
            let end = skip_blank(code, end);
            return Some((found, if code.get(end) == Some(&b')') { end + 1 } else { end }));
        }
    }
    // What is no literal is gone over up to the comma: a mode, a handle, a variable.
    let end = end_of(code, at, |byte| {
        is_name(byte) || matches!(byte, b'.' | b'$' | b':' | b'@')
    });
    let other = code.get(skip_blank(code, end)) == Some(&b',');
    Some((
        Argument::Other,
        if other { end } else { end.max(at + 1).min(code.len()) },
    ))
}

/// Where an element of a list ends: at a comma or the closing bracket.
fn argument_end(code: &[u8], at: usize, close: u8) -> Option<usize> {
    code[at..]
        .iter()
        .position(|byte| *byte == b',' || *byte == close)
        .map(|end| at + end)
}

/// `"...".split()`, `.strip()`, without arguments.
fn after_methods(code: &[u8], mut at: usize) -> usize {
    while code.get(at) == Some(&b'.') {
        let end = end_of(code, at + 1, is_name);
        if end == at + 1 || code.get(end) != Some(&b'(') {
            break;
        }
        match code[end..].iter().take(16).position(|byte| *byte == b')') {
            Some(close) => at = end + close + 1,
            None => break,
        }
    }
    at
}

/// `"command" | getline`, `print | "command"`; where the literal ends.
fn awk_pipe(code: &[u8], at: usize, inner: &mut Vec<Inner<'_>>) -> usize {
    let Some((text, end)) = concatenation(Language::Awk, code, at) else {
        return at + 1;
    };
    let next = skip_blank(code, end);
    let reads = code.get(next) == Some(&b'|') && code.get(next + 1) != Some(&b'|');
    let before = code[..at].trim_ascii_end();
    let written = before.ends_with(b"|") && !before.ends_with(b"||");
    if reads || written {
        push_text(text, inner);
    }
    end
}
