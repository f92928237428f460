//! What a command runs, one step inwards.

use std::sync::LazyLock;

use foldhash::{HashMap, HashMapExt as _};

use super::wrapper::{self, Wrapper};
use super::{interpreters, names, shells, special, windows, words, wrappers};
use crate::acts::{Budget, Command, Via, Word};

/// Something that a command runs.
#[derive(Debug)]
pub(super) struct Inner<'a> {
    /// How it is reached.
    pub(super) via: Via,
    /// What it is.
    pub(super) runs: Runs<'a>,
}

/// What is run.
#[derive(Debug)]
pub(super) enum Runs<'a> {
    /// A program with its arguments.
    Program {
        programs: Vec<String>,
        args: Vec<Word<'a>>,
        stdin: Option<Vec<u8>>,
    },
    /// A program of which only the name is of interest: its arguments are not looked through once more.
    Final { programs: Vec<String>, args: Vec<Word<'a>> },
    /// Shell text with its parameters from `$0` on.
    Text { text: Word<'a>, params: Vec<Word<'a>> },
}

impl<'a> Inner<'a> {
    /// A program with its arguments, the program first. Nothing when there are no words.
    pub(super) fn words(words: &[Word<'a>], via: Via, budget: &mut Budget) -> Option<Self> {
        let (program, args) = words.split_first()?;
        Some(Self::named(names::of_program(program.bytes()), args, via, budget))
    }

    /// A program of which the names were found otherwise.
    pub(super) fn named(programs: Vec<String>, args: &[Word<'a>], via: Via, budget: &mut Budget) -> Self {
        let runs = Runs::Program {
            programs,
            args: words::copy(args, budget),
            stdin: None,
        };
        Self { via, runs }
    }

    /// A program with arguments that were made for it.
    pub(super) fn made(programs: Vec<String>, args: Vec<Word<'a>>, via: Via) -> Self {
        let stdin = None;
        Self {
            via,
            runs: Runs::Program { programs, args, stdin },
        }
    }

    /// Shell text.
    pub(super) fn text(text: Word<'a>, params: Vec<Word<'a>>, via: Via) -> Self {
        Self {
            via,
            runs: Runs::Text { text, params },
        }
    }

    /// With text on its standard input.
    pub(super) fn reading(mut self, text: Option<&Vec<u8>>, budget: &mut Budget) -> Self {
        if let (Runs::Program { stdin, .. }, Some(text)) = (&mut self.runs, text)
            && budget.pay(text.len())
        {
            *stdin = Some(text.clone());
        }
        self
    }
}

/// How a program is looked through.
#[derive(Clone, Copy)]
enum Look {
    Wrapper(&'static Wrapper),
    Special(special::Look),
    Shell,
    Interpreter(&'static interpreters::Interpreter),
    Cmd,
}

/// All that is looked through, and the rows of each name: a program may have one for each of its subcommands.
struct Looks {
    rows: Vec<Look>,
    names: HashMap<&'static str, Vec<usize>>,
}

static LOOKS: LazyLock<Looks> = LazyLock::new(|| {
    let mut looks = Looks {
        rows: Vec::new(),
        names: HashMap::new(),
    };
    for row in [wrappers::TABLE, wrappers::CONTAINERS, wrappers::LAUNCHERS]
        .into_iter()
        .flatten()
    {
        looks.add(row.names, Look::Wrapper(row));
    }
    for (names, look) in special::TABLE {
        looks.add(names, Look::Special(*look));
    }
    for row in interpreters::TABLE {
        looks.add(row.names, Look::Interpreter(row));
    }
    looks.add(shells::NAMES, Look::Shell);
    looks.add("cmd", Look::Cmd);
    looks
});

/// Whether a program of this name may run others.
pub(super) fn is_known(name: &str) -> bool {
    LOOKS.names.contains_key(known(name))
}

impl Looks {
    fn add(&mut self, names: &'static str, look: Look) {
        for name in names.split(' ') {
            self.names.entry(name).or_default().push(self.rows.len());
        }
        self.rows.push(look);
    }
}

/// What a command runs.
pub(super) fn of<'a>(command: &Command<'a>, budget: &mut Budget) -> Vec<Inner<'a>> {
    if command.programs.is_empty() {
        return special::unknown(command, budget).into_iter().collect();
    }
    let mut inner = Vec::new();
    let mut done = Vec::new();
    for name in &command.programs {
        // A script `watch.sh` is not watch.
        if is_stem_of_script(name, &command.programs) {
            continue;
        }
        for row in LOOKS.names.get(known(name)).into_iter().flatten() {
            // Several names of one program lead to the same row.
            if !done.contains(row) {
                done.push(*row);
                LOOKS.rows[*row].at(command, budget, &mut inner);
            }
        }
    }
    inner
}

impl Look {
    fn at<'a>(&self, command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
        match self {
            Self::Wrapper(row) => wrapper::look(row, command, budget, inner),
            Self::Special(look) => look(command, budget, inner),
            Self::Shell => shells::look(command, budget, inner),
            Self::Interpreter(row) => interpreters::look(row, command, budget, inner),
            Self::Cmd => windows::cmd(command, budget, inner),
        }
    }
}

/// The dynamic linker has the machine's name in its own.
fn known(name: &str) -> &str {
    let linker = ["ld-linux", "ld-musl", "ld.so", "ld64.so", "ld-2."];
    if linker.iter().any(|start| name.starts_with(start)) {
        "ld.so"
    } else {
        name
    }
}

fn is_stem_of_script(name: &str, programs: &[String]) -> bool {
    programs.iter().any(|longer| {
        longer.len() > name.len()
            && longer.starts_with(name)
            && longer.as_bytes()[name.len()] == b'.'
            && names::is_script(longer)
    })
}
