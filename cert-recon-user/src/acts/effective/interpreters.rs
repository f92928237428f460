//! Interpreters: a module, a script, an archive that they run under its own name, or code on their command line.

use super::code::{self, Language};
use super::inner::Inner;
use super::options::{Item, Takes, Walk};
use super::{names, shells};
use crate::acts::{Budget, Command, Via, Word};

/// An interpreter: how it reads its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interpreter {
    /// Its names, separated by spaces.
    pub(super) names: &'static str,
    takes: Takes,
    /// Letters whose value is the rest of their word, if any.
    attached: &'static str,
    /// Word that must stand in front.
    sub: &'static str,
    /// Options whose value is code.
    code: &'static str,
    /// Options whose value is the file to run.
    file: &'static str,
    /// Options whose value is the module to run.
    module: &'static str,
    /// Options behind which all belongs to the program.
    last: &'static str,
    first: First,
    language: Language,
}

/// What the first word is that is no option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// A script.
    Script,
    /// Code, unless an option told where that is.
    Code,
    /// A class.
    Class,
}

const fn of(names: &'static str, language: Language, short: &'static str, long: &'static str) -> Interpreter {
    Interpreter {
        names,
        takes: Takes { short, long },
        attached: "",
        sub: "",
        code: "",
        file: "",
        module: "",
        last: "",
        first: First::Script,
        language,
    }
}

/// Every interpreter.
pub(super) static TABLE: &[Interpreter] = &[
    Interpreter {
        code: "-c",
        module: "-m",
        last: "-c -m",
        ..of(
            "python pypy ipython python2 py jython micropython",
            Language::Python,
            "cmWXQ",
            "--check-hash-based-pycs",
        )
    },
    Interpreter {
        code: "-e -E",
        attached: "imMxFCDVdl0",
        ..of("perl", Language::Perl, "eEI", "")
    },
    Interpreter {
        code: "-e",
        attached: "iFKTWx0",
        ..of(
            "ruby jruby",
            Language::Ruby,
            "eICErS",
            "--encoding --external-encoding --internal-encoding --disable --enable",
        )
    },
    Interpreter {
        code: "-e --eval -p --print -pe",
        ..of(
            "node nodejs bun",
            Language::Node,
            "eprC",
            "--eval --print -pe --require --import --loader --experimental-loader --conditions \
            --env-file --input-type --title --icu-data-dir --max-http-header-size \
            --inspect-port --stack-trace-limit --preload",
        )
    },
    Interpreter {
        sub: "run",
        ..of(
            "deno bun",
            Language::Node,
            "cL",
            "--config --import-map --log-level --lock --cert --location --seed --env-file \
            --preload",
        )
    },
    Interpreter {
        sub: "eval",
        first: First::Code,
        ..of("deno", Language::Node, "cL", "--config --import-map --log-level --ext")
    },
    Interpreter {
        code: "-r --run -B --process-begin -R --process-code -E --process-end",
        file: "-f --file -F --process-file",
        ..of(
            "php php-cgi",
            Language::Php,
            "cdfrBREFSztg",
            "--php-ini --define --file --run --process-begin --process-code --process-end \
            --process-file --server --docroot",
        )
    },
    Interpreter {
        code: "-e",
        ..of("lua luajit", Language::Lua, "elbjO", "")
    },
    of("tclsh wish jimsh expect", Language::Tcl, "fD", "-encoding"),
    Interpreter {
        code: "-e",
        file: "-f --file",
        ..of(
            "rscript r littler",
            Language::R,
            "efgd",
            "--file --encoding --gui --debugger --default-packages",
        )
    },
    Interpreter {
        file: "-jar",
        module: "-m --module",
        last: "-jar -m --module",
        first: First::Class,
        ..of(
            "java",
            Language::None,
            "",
            "-cp -classpath --class-path -p --module-path --add-modules --add-opens \
            --add-exports --add-reads -jar -m --module --upgrade-module-path --limit-modules \
            --source --patch-module --enable-native-access",
        )
    },
    Interpreter {
        code: "-e --source",
        file: "-f --file -E --exec",
        first: First::Code,
        ..of(
            "awk gawk mawk nawk original-awk",
            Language::Awk,
            "eFvfEil",
            "--source --file --exec --assign --field-separator --include --load",
        )
    },
    of(
        "groovy jshell scala kotlin kotlinc dart escript elixir raku crystal guile racket \
            sbcl",
        Language::None,
        "",
        "",
    ),
];

/// What the interpreter runs.
pub(super) fn look<'a>(row: &Interpreter, command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let mut args = command.args.as_slice();
    if !row.sub.is_empty() {
        match args.split_first() {
            Some((sub, rest)) if sub.bytes() == row.sub.as_bytes() => args = rest,
            _ => return,
        }
    }
    let mut walk = Walk::new(args, row.takes);
    // The first word is a script only when no option gave the program.
    let mut given = false;
    while let Some(item) = walk.next(budget) {
        match item {
            Item::Value(name, value) => {
                if name.is(row.code) {
                    given = true;
                    code::scan(row.language, value.bytes(), budget, inner);
                } else if name.is(row.module) {
                    let rest = &args[walk.at()..];
                    let names = if row.first == First::Class {
                        class(&value)
                    } else {
                        names::of_module(value.bytes())
                    };
                    if !names.is_empty() {
                        inner.push(Inner::named(names, rest, Via::Launcher, budget));
                    }
                    return;
                } else if name.is(row.file) {
                    script(row, command, &value, &args[walk.at()..], budget, inner);
                    return;
                }
                if name.is(row.last) {
                    return;
                }
            }
            Item::Flag(super::options::Name::Short(letter)) if row.attached.as_bytes().contains(&letter) => {
                walk.finish_word();
            }
            Item::Flag(name) if name.is("--help --version") => return,
            Item::Flag(_) => {}
            Item::Plain(_) if given => return,
            Item::Plain(at) => {
                let word = &args[at];
                match row.first {
                    First::Script => script(row, command, word, &args[at + 1..], budget, inner),
                    First::Code => code::scan(row.language, word.bytes(), budget, inner),
                    First::Class => {
                        let names = class(word);
                        if !names.is_empty() {
                            inner.push(Inner::named(names, &args[at + 1..], Via::Launcher, budget));
                        }
                    }
                }
                return;
            }
        }
    }
    if !given && let Some(stdin) = &command.stdin {
        code::scan(row.language, stdin, budget, inner);
    }
}

fn script<'a>(
    row: &Interpreter,
    command: &Command<'a>,
    file: &Word<'a>,
    args: &[Word<'a>],
    budget: &mut Budget,
    inner: &mut Vec<Inner<'a>>,
) {
    if shells::is_input(file.bytes()) {
        if let Some(stdin) = &command.stdin {
            code::scan(row.language, stdin, budget, inner);
        }
        return;
    }
    // A script may come from the net: `deno run https://host/ctfr.ts?x`.
    let path = file.bytes().split(|byte| *byte == b'?').next().unwrap_or_default();
    // A package's or a program's main file is called like its folder.
    let path = ["/__main__.py", "/main.py", "/index.js", "/cli.py"]
        .iter()
        .find_map(|main| path.strip_suffix(main.as_bytes()))
        .unwrap_or(path);
    let programs = names::of_program(path);
    if !programs.is_empty() {
        inner.push(Inner::named(programs, args, Via::Launcher, budget));
    }
}

/// A class by its own name; a source file or a module's class too.
fn class(word: &Word<'_>) -> Vec<String> {
    let last = word.bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if last.ends_with(b".java") || last.ends_with(b".jar") {
        return names::of_program(last);
    }
    names::of_dotted(last)
}
