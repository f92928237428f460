//! The commands that really run: behind wrappers, in shells, started by interpreters and container runtimes.
//!
//! Owns the way from one command to those that it runs, until nothing runs anything more. `wrappers` holds the tables
//! of programs that run others, read by `wrapper`; `shells`, `interpreters` and `special` know the programs that no table describes;
//! `code` finds calls in programs on a command line. Never looks at what a command asks for (`requests` does).

mod code;
mod inner;
mod interpreters;
mod names;
mod options;
mod shells;
mod special;
mod windows;
mod words;
mod wrapper;
mod wrappers;

#[cfg(test)]
mod tests;

use self::inner::{Inner, Runs};
use super::{Budget, Command, Via, Word, shell};

/// Every command that an exec runs, as far as argv tells: itself first, then what it runs, inwards. `names` are base names of the
/// program as the kernel gave them (path given to exec, resolved executable, script), best first.
///
/// A command whose program is not known (a shell's variable) has no names in `programs`.
#[must_use]
pub fn commands<'a>(names: &[&'a [u8]], argv: &[&'a [u8]], budget: &mut Budget) -> Vec<Command<'a>> {
    let mut programs = Vec::new();
    // argv[0] may say anything: the names of the kernel come first, and both count.
    for name in names.iter().chain(argv.first()) {
        // Login shells have a hyphen in front.
        let name = name.strip_prefix(b"-").unwrap_or(name);
        for program in names::of_program(name) {
            names::push(&mut programs, program);
        }
    }
    let mut found = Found {
        commands: Vec::new(),
        budget,
    };
    found.visit(Command {
        programs,
        args: argv.iter().skip(1).map(|word| Word::borrowed(word)).collect(),
        stdin: None,
        via: Vec::new(),
    });
    found.commands
}

/// The commands found so far.
struct Found<'a, 'b> {
    commands: Vec<Command<'a>>,
    budget: &'b mut Budget,
}

impl<'a> Found<'a, '_> {
    /// Takes a command, then those that it runs.
    fn visit(&mut self, command: Command<'a>) {
        if !self.budget.command() {
            return;
        }
        let inner = if self.budget.pay(command.args.len() + 1) {
            inner::of(&command, self.budget)
        } else {
            Vec::new()
        };
        let via = command.via.clone();
        self.commands.push(command);
        if inner.is_empty() || !self.budget.enter() {
            return;
        }
        for one in inner {
            self.run(one, &via);
        }
        self.budget.leave();
    }

    fn run(&mut self, inner: Inner<'a>, outer: &[Via]) {
        let via: Vec<Via> = outer.iter().copied().chain([inner.via]).collect();
        match inner.runs {
            Runs::Program { programs, args, stdin } => self.visit(Command {
                programs,
                args,
                stdin,
                via,
            }),
            Runs::Final { programs, args } => {
                if self.budget.command() {
                    self.commands.push(Command {
                        programs,
                        args,
                        stdin: None,
                        via,
                    });
                }
            }
            Runs::Text { text, params } => {
                let params: Vec<&[u8]> = params.iter().map(Word::bytes).collect();
                let mut copies = Copies::default();
                for simple in shell::parse(text.bytes(), &params, self.budget) {
                    let mut words = simple.words.into_iter();
                    if let Some(program) = words.next() {
                        let args: Vec<Word<'a>> = words.map(Word::owned).collect();
                        copies.note(&program, &args);
                        self.visit(Command {
                            programs: copies.names(&program),
                            args,
                            stdin: simple.stdin,
                            via: via.clone(),
                        });
                    }
                }
            }
        }
    }
}

/// Programs that a text has copied, moved or linked before it runs them by their new name.
#[derive(Default)]
struct Copies(Vec<(Vec<u8>, Vec<u8>)>);

impl Copies {
    /// More than a text in earnest has.
    const MOST: usize = 16;

    /// Notes what a command copies.
    fn note(&mut self, program: &[u8], args: &[Word<'_>]) {
        if !matches!(names::base(program), b"cp" | b"mv" | b"ln" | b"install") || self.0.len() >= Self::MOST {
            return;
        }
        let mut operands = args.iter().map(Word::bytes).filter(|word| !word.starts_with(b"-"));
        if let (Some(from), Some(to)) = (operands.next(), operands.next_back()) {
            self.0.push((to.to_vec(), from.to_vec()));
        }
    }

    /// Names of a program, those of what it is a copy of included.
    fn names(&self, program: &[u8]) -> Vec<String> {
        let mut programs = names::of_program(program);
        if let Some((_, from)) = self.0.iter().rev().find(|(to, _)| to == program) {
            for name in names::of_program(from) {
                if !programs.contains(&name) {
                    programs.push(name);
                }
            }
        }
        programs
    }
}

/// The names under which the program with this base name is known, best first: in lower case, then without what does not make it
/// another program (`python3.11`, `python3`, `python`). Empty when it names none.
#[must_use]
pub fn program_names(name: &[u8]) -> Vec<String> {
    names::of_program(name)
}

/// Whether a program of this name (lower case, without version and ending) runs others that its arguments name: wrappers, shells,
/// interpreters, launchers, container runtimes. Asked for every exec: one lookup, no allocation but for the table at the first
/// call. When it says no, [`commands`] gives the exec itself and nothing else.
#[must_use]
pub fn is_runner(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(inner::is_known)
}
