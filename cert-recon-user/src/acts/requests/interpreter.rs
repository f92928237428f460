//! Interpreters: where their code is (`python -c`, `perl -ne`, `pwsh -EncodedCommand`, standard input), and what it is given.

use super::{
    code::{self, Program},
    decode,
    found::Found,
    lexer::Language,
    options::{Dash, Item, Syntax, Walk},
    sockets,
};
use crate::acts::{Command, Manner, Word};

/// How an interpreter is given its code.
pub(super) struct Interpreter {
    /// Its names.
    pub(super) names: &'static [&'static str],
    syntax: Syntax,
    /// Options whose value is code.
    code: &'static [&'static str],
    /// Options whose value is a module.
    modules: &'static [&'static str],
    /// Whether code ends the options, and what follows is for it.
    ends: bool,
    /// Words in the place of a script that are followed by code.
    words: &'static [&'static str],
    help: &'static [&'static str],
}

const fn interpreter(
    names: &'static [&'static str],
    short: &'static str,
    long: &'static [&'static str],
    code: &'static [&'static str],
    modules: &'static [&'static str],
    help: &'static [&'static str],
) -> Interpreter {
    Interpreter {
        names,
        syntax: Syntax {
            short,
            long,
            dash: Dash::Short,
        },
        code,
        modules,
        ends: false,
        words: &[],
        help,
    }
}

const HELP: &[&str] = &["h", "help", "v", "version", "V"];

/// The interpreters; to add one, add a line. Lists of long options are sorted.
#[rustfmt::skip]
pub(super) const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        ends: true,
        ..interpreter(&["python", "python3", "python2", "pypy", "pypy3", "ipython", "ipython3", "micropython", "jython", "py", "pythonw", "bpython", "graalpy"], "cmWXQ", &["check-hash-based-pycs"], &["c"], &["m"], &["h", "help", "version", "V", "help-all", "help-env"])
    },
    interpreter(&["perl", "perl5"], "eEMmIFxCi0lD", &[], &["e", "E"], &["M", "m"], &["h", "v", "V", "help", "version"]),
    interpreter(&["ruby", "jruby", "truffleruby", "irb", "mruby"], "erICEFKWxT", &["encoding", "external-encoding", "internal-encoding", "require"], &["e"], &["r", "require"], &["h", "help", "version"]),
    interpreter(
        &["node", "nodejs", "iojs", "tsx", "ts-node"],
        "eprCr",
        &["conditions", "env-file", "eval", "experimental-loader", "import", "input-type", "inspect-port", "loader", "print", "require", "title"],
        &["e", "p", "eval", "print"],
        &["r", "require", "import"],
        HELP,
    ),
    interpreter(&["php", "php-cli", "php-cgi"], "rBREdcfFztSgF", &["define", "file", "php-ini", "process-begin", "process-code", "process-end", "run"], &["r", "B", "R", "E", "run", "process-begin", "process-code", "process-end"], &[], HELP),
    interpreter(&["lua", "luajit", "texlua", "luau", "tarantool"], "el", &[], &["e"], &["l"], &["v", "V", "h", "help", "version"]),
    Interpreter { words: &["eval"], ..interpreter(&["deno"], "crA", &["cert", "config", "ext", "import-map", "location", "lock"], &[], &[], HELP) },
    interpreter(&["bun", "bunx"], "eprc", &["config", "cwd", "eval", "preload", "print"], &["e", "p", "eval", "print"], &["r", "preload"], &["h", "help", "v", "version"]),
    interpreter(&["julia"], "eELtpCJH", &["eval", "load", "print", "project", "threads"], &["e", "E", "eval", "print"], &[], HELP),
    interpreter(&["rscript", "r", "littler"], "e", &["expr"], &["e", "expr"], &[], &["help", "version"]),
    interpreter(&["nu", "nushell"], "cem", &["commands", "config", "env-config", "execute"], &["c", "e", "commands", "execute"], &[], HELP),
    interpreter(&["elixir", "iex"], "erSp", &["eval", "rpc-eval"], &["e", "eval"], &["r"], HELP),
    interpreter(&["groovy", "groovysh", "jshell", "kotlin", "kotlinc", "scala", "amm", "scala-cli"], "eDcR", &["classpath", "feedback"], &["e"], &[], HELP),
    interpreter(&["osascript"], "els", &[], &["e"], &[], HELP),
    interpreter(&["tclsh", "wish", "expect"], "cf", &[], &["c"], &[], HELP),
    interpreter(&["emacs", "emacsclient"], "lfQe", &["eval", "execute", "load"], &["e", "eval", "execute"], &[], &["help", "version"]),
    interpreter(&["raku", "perl6", "rakudo"], "eMI", &[], &["e"], &["M"], HELP),
    interpreter(&["guile", "racket", "sbcl", "clisp", "ecl", "gosh", "csi", "janet", "bb", "babashka", "clojure", "clj"], "ecxl", &["eval", "load"], &["e", "c", "x", "eval"], &[], HELP),
    interpreter(&["ghc", "runghc", "ocaml", "swift", "crystal", "qjs", "quickjs", "d8", "jsc", "mujs", "duk", "gjs", "cjs", "txiki", "tjs", "osqueryscript"], "eci", &["command", "eval"], &["e", "c", "command", "eval"], &[], HELP),
];

/// Reads an interpreter's arguments.
pub(super) fn read(interpreter: &Interpreter, command: &Command<'_>, found: &mut Found<'_>) {
    let mut walk = Walk::new(&command.args, interpreter.syntax);
    let mut modules = Vec::new();
    let mut has_code = false;
    let mut has_script = false;
    let is = |names: &[&str], name: &[u8]| names.iter().any(|known| known.as_bytes() == name);
    while let Some(item) = walk.next() {
        match item {
            Item::Option(name, Some(value)) if is(interpreter.code, name) => {
                // node -pe CODE
                let value = match (name, value) {
                    (b"p", b"e") => match walk.next() {
                        Some(Item::Operand(code)) => code,
                        _ => break,
                    },
                    _ => value,
                };
                has_code = true;
                found.code(value);
                if interpreter.ends {
                    break;
                }
            }
            Item::Option(name, Some(value)) if is(interpreter.modules, name) => {
                // python -m runs the module in place of a script.
                has_script |= interpreter.ends;
                if found.budget.pay(value.len()) {
                    modules.extend_from_slice(value);
                    modules.push(b' ');
                }
                if interpreter.ends {
                    break;
                }
            }
            Item::Option(name, None) if is(interpreter.help, name) => found.manner(Manner::Help),
            Item::Option(..) => {}
            Item::Operand(word) if !has_code && is(interpreter.words, word) => {
                for item in walk.by_ref() {
                    if let Item::Operand(word) = item {
                        has_code = true;
                        found.code(word);
                        break;
                    }
                }
                break;
            }
            Item::Operand(word) => {
                if has_code {
                    code::arguments(&[Word::borrowed(word)], found);
                } else {
                    has_script = word != b"-";
                }
                break;
            }
        }
    }
    let args = walk.rest();
    if has_script && !has_code {
        code::arguments(args, found);
        return;
    }
    if !has_code && let Some(stdin) = command.stdin.as_deref() {
        found.code(stdin);
    }
    evaluate(&modules, args, Language::Common, found);
}

fn evaluate(modules: &[u8], args: &[Word<'_>], language: Language, found: &mut Found<'_>) {
    if let Some(code) = found.take_code() {
        code::read(
            &Program {
                code: &code,
                modules,
                args,
                language,
            },
            found,
        );
        found.put_code(Some(code));
    }
}

/// Parameters of PowerShell that take a value, and what a prefix of at least so many letters means.
#[rustfmt::skip]
const PARAMETERS: &[(&str, usize, Kind)] = &[
    ("command", 1, Kind::Command),
    ("commandwithargs", 9, Kind::Command),
    ("cwa", 3, Kind::Command),
    ("configurationfile", 14, Kind::Value),
    ("configurationname", 3, Kind::Value),
    ("custompipename", 2, Kind::Value),
    ("encodedcommand", 1, Kind::Encoded),
    ("ec", 2, Kind::Encoded),
    ("encodedarguments", 8, Kind::Value),
    ("ea", 2, Kind::Value),
    ("executionpolicy", 2, Kind::Value),
    ("ep", 2, Kind::Value),
    ("file", 1, Kind::File),
    ("help", 1, Kind::Help),
    ("inputformat", 2, Kind::Value),
    ("outputformat", 1, Kind::Value),
    ("psconsolefile", 2, Kind::Value),
    ("settingsfile", 2, Kind::Value),
    ("windowstyle", 1, Kind::Value),
    ("workingdirectory", 2, Kind::Value),
    ("wd", 2, Kind::Value),
    ("?", 1, Kind::Help),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Command,
    Encoded,
    File,
    Value,
    Help,
}

/// Reads PowerShell's arguments.
pub(super) fn powershell(command: &Command<'_>, found: &mut Found<'_>) {
    let mut words = command.args.iter().map(Word::bytes);
    let mut has_code = false;
    while let Some(word) = words.next() {
        let Some(name) = parameter(word) else {
            if is_script(word) {
                code::arguments(&rest(words), found);
                return;
            }
            joined(Some(word), words, found);
            has_code = true;
            break;
        };
        let name = name.to_ascii_lowercase();
        // `-File:x`, `-Command:x`
        let (name, attached) = match name.split_once(':') {
            Some((name, value)) => (name.to_owned(), Some(word[word.len() - value.len()..].to_vec())),
            None => (name, None),
        };
        let kind = PARAMETERS
            .iter()
            .find(|(full, least, _)| name.len() >= *least && full.starts_with(name.as_str()));
        match kind.map(|(_, _, kind)| *kind) {
            Some(Kind::Command) => {
                let first = attached.as_deref().or_else(|| words.next());
                if first != Some(b"-") {
                    joined(first, words, found);
                    has_code = true;
                }
                break;
            }
            Some(Kind::Encoded) => {
                let encoded = attached.as_deref().or_else(|| words.next()).unwrap_or_default();
                if found.budget.pay(encoded.len())
                    && let Some(bytes) = decode::base64(encoded)
                {
                    found.code(&decode::utf16le(&bytes));
                    has_code = true;
                }
            }
            Some(Kind::File) => {
                let script = attached.as_deref().or_else(|| words.next());
                if script != Some(b"-") {
                    code::arguments(&rest(words), found);
                    return;
                }
            }
            Some(Kind::Value) if attached.is_none() => {
                words.next();
            }
            Some(Kind::Help) => found.manner(Manner::Help),
            // PowerShell on Linux prints its version; the Windows one takes the one to be like.
            None if name == "version" || name == "v" => {
                if words.len() == 0 {
                    found.manner(Manner::Help);
                } else if words
                    .clone()
                    .next()
                    .is_some_and(|word| word.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
                {
                    words.next();
                }
            }
            Some(Kind::Value) | None => {}
        }
    }
    if !has_code && let Some(stdin) = command.stdin.as_deref() {
        found.code(stdin);
    }
    evaluate(&[], &[], Language::PowerShell, found);
}

/// The name of a parameter. PowerShell takes a slash and typographic dashes as well.
fn parameter(word: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(word).ok()?;
    let name = text.strip_prefix(['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'])?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let is_plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'?'))
        || name.contains(':');
    // A path on Linux starts with a slash too.
    (!name.is_empty() && is_plain).then_some(name)
}

fn is_script(word: &[u8]) -> bool {
    word.to_ascii_lowercase().ends_with(b".ps1") && !word.contains(&b' ')
}

fn rest<'w>(words: impl Iterator<Item = &'w [u8]>) -> Vec<Word<'w>> {
    words.map(Word::borrowed).collect()
}

/// The words of a command are one text.
fn joined<'w>(first: Option<&'w [u8]>, rest: impl Iterator<Item = &'w [u8]>, found: &mut Found<'_>) {
    let words: Vec<&[u8]> = first.into_iter().chain(rest).collect();
    found.code(&words.join(&b' '));
}

/// Reads awk's arguments: its program can open connections, and pipes into and out of shells.
pub(super) fn awk(command: &Command<'_>, found: &mut Found<'_>) {
    const SYNTAX: Syntax = Syntax {
        short: "fFvieElLDop",
        long: &["assign", "field-separator", "file", "include", "load", "source"],
        dash: Dash::Short,
    };
    let mut has_program = false;
    for item in Walk::new(&command.args, SYNTAX) {
        match item {
            Item::Option(b"V" | b"version" | b"h" | b"help", None) => found.manner(Manner::Help),
            Item::Option(b"e" | b"source", Some(text)) => {
                has_program = true;
                found.code(text);
            }
            Item::Option(b"f" | b"file" | b"E", Some(_)) => has_program = true,
            Item::Option(b"v" | b"assign", Some(text)) => sockets::awk_files(text, found),
            Item::Option(..) => {}
            Item::Operand(text) => {
                if !has_program {
                    found.code(text);
                }
                has_program = true;
            }
        }
    }
    if let Some(code) = found.take_code() {
        sockets::awk_files(&code, found);
        found.put_code(Some(code));
        if !found.has_hosts() {
            evaluate(&[], &[], Language::Common, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sorted() {
        for interpreter in INTERPRETERS {
            assert!(interpreter.syntax.long.is_sorted(), "{:?}", interpreter.names);
        }
    }
}
