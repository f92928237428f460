//! Reads the arguments of a program that runs another, as its row in the table says.

use super::inner::{Inner, Runs};
use super::options::{Item, Takes, Walk};
use super::{names, words};
use crate::acts::{Budget, Command, Via, Word, shell};

/// A program that runs another: where in its arguments that one stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapper {
    /// Its names, separated by spaces.
    pub(super) names: &'static str,
    takes: Takes,
    /// Subcommand: its words; alternatives of one word are separated by `|`.
    under: &'static [&'static str],
    /// Options in front of and between the words of the subcommand.
    globals: Takes,
    /// Words in front of the program: a duration, a host, a container.
    skip: usize,
    /// Assignments of variables may stand in front of the program.
    assigns: bool,
    /// Options are also read behind the first words.
    permutes: bool,
    /// Options whose value is a shell's text.
    texts: &'static str,
    /// Options whose value is split into words that stand in its place.
    splits: &'static str,
    /// Options whose value is the program, its arguments behind all else.
    programs: &'static str,
    /// Options whose value is a container's image.
    images: &'static str,
    /// Options behind which all is the command.
    starts: &'static str,
    /// Options with two values.
    pairs: &'static str,
    /// Options with which nothing is run.
    idle: &'static str,
    /// Options without which no program is run.
    needs: &'static str,
    rest: Rest,
    via: Via,
}

/// What stands behind options and skipped words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Program and arguments.
    Words,
    /// Words that are joined to a shell's text.
    Text,
    /// A single word is a shell's text; several are program and arguments.
    TextOrWords,
    /// Each word is a shell's text.
    Texts,
    /// Program and arguments, only behind `--`.
    Dashes,
    /// A container's image, then perhaps program and arguments.
    Image,
    /// A package that has the program's name, then arguments.
    Package,
    /// A package of Go, then arguments.
    GoPackage,
    /// A flake's output, then arguments.
    Flake,
    /// A dotted name, then arguments.
    Dotted,
    /// Nothing that runs.
    Nothing,
}

impl Wrapper {
    /// Names; letters of short options with a value; long options with a value.
    pub(super) const fn new(names: &'static str, short: &'static str, long: &'static str) -> Self {
        Self {
            names,
            takes: Takes { short, long },
            under: &[],
            globals: Takes { short: "", long: "" },
            skip: 0,
            assigns: false,
            permutes: false,
            texts: "",
            splits: "",
            programs: "",
            images: "",
            starts: "",
            pairs: "",
            idle: "",
            needs: "",
            rest: Rest::Words,
            via: Via::Wrapper,
        }
    }

    pub(super) const fn under(mut self, words: &'static [&'static str]) -> Self {
        self.under = words;
        self
    }

    pub(super) const fn globals(mut self, short: &'static str, long: &'static str) -> Self {
        self.globals = Takes { short, long };
        self
    }

    pub(super) const fn skip(mut self, words: usize) -> Self {
        self.skip = words;
        self
    }

    pub(super) const fn assigns(mut self) -> Self {
        self.assigns = true;
        self
    }

    pub(super) const fn permutes(mut self) -> Self {
        self.permutes = true;
        self
    }

    pub(super) const fn texts(mut self, options: &'static str) -> Self {
        self.texts = options;
        self
    }

    pub(super) const fn splits(mut self, options: &'static str) -> Self {
        self.splits = options;
        self
    }

    pub(super) const fn programs(mut self, options: &'static str) -> Self {
        self.programs = options;
        self
    }

    pub(super) const fn images(mut self, options: &'static str) -> Self {
        self.images = options;
        self
    }

    pub(super) const fn starts(mut self, options: &'static str) -> Self {
        self.starts = options;
        self
    }

    pub(super) const fn idle(mut self, options: &'static str) -> Self {
        self.idle = options;
        self
    }

    pub(super) const fn pairs(mut self, options: &'static str) -> Self {
        self.pairs = options;
        self
    }

    pub(super) const fn needs(mut self, options: &'static str) -> Self {
        self.needs = options;
        self
    }

    pub(super) const fn rest(mut self, rest: Rest) -> Self {
        self.rest = rest;
        self
    }

    pub(super) const fn via(mut self, via: Via) -> Self {
        self.via = via;
        self
    }
}

/// What the command runs by this row.
pub(super) fn look<'a>(row: &Wrapper, command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let first = inner.len();
    look_at(row, &command.args, budget, inner);
    // The wrapped program has the standard input of its wrapper.
    if let Some(stdin) = &command.stdin {
        for one in inner.drain(first..).collect::<Vec<_>>() {
            inner.push(one.reading(Some(stdin), budget));
        }
    }
}

/// The same for arguments alone.
pub(super) fn look_at<'a>(row: &Wrapper, args: &[Word<'a>], budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    if let Some(start) = subcommand(row, args, budget) {
        read(row, &args[start..], budget, inner);
    }
}

/// Index of the word behind the subcommand; none when it is another one.
fn subcommand(row: &Wrapper, args: &[Word<'_>], budget: &mut Budget) -> Option<usize> {
    let mut walk = Walk::new(args, row.globals);
    for wanted in row.under {
        loop {
            match walk.next(budget)? {
                Item::Plain(at) => {
                    let found = args[at].bytes();
                    if wanted.split('|').any(|name| name.as_bytes() == found) {
                        break;
                    }
                    return None;
                }
                Item::Flag(name) if name.is("--help --version") => return None,
                Item::Flag(_) | Item::Value(..) => {}
            }
        }
    }
    Some(walk.at())
}

fn read<'a>(row: &Wrapper, args: &[Word<'a>], budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let mut walk = Walk::new(args, row.takes);
    let mut program = None;
    let mut of_image = None;
    let mut skipped = 0;
    let mut texts = 0;
    let mut rest = args.len();
    let mut needed = row.needs.is_empty();
    while let Some(item) = walk.next(budget) {
        if let Item::Flag(name) | Item::Value(name, _) = &item {
            needed |= name.is(row.needs);
        }
        match item {
            Item::Flag(name) if name.is(row.pairs) => walk.pass(2),
            Item::Flag(name) if name.is(row.starts) => {
                rest = walk.at();
                break;
            }
            Item::Flag(name) if name.is("--help --version") || name.is(row.idle) => return,
            Item::Flag(_) => {}
            Item::Value(name, value) if name.is(row.splits) => {
                let mut split = split(&value, budget);
                split.extend(words::copy(&args[walk.at()..], budget));
                if budget.enter() {
                    read(row, &split, budget, inner);
                    budget.leave();
                }
                return;
            }
            Item::Value(name, value) if name.is(row.texts) => {
                inner.push(Inner::text(value, Vec::new(), row.via));
                texts += 1;
            }
            Item::Value(name, value) if name.is(row.programs) => program = Some(value),
            Item::Value(name, value) if name.is(row.images) => of_image = Some(value),
            Item::Value(name, _) if name.is(row.idle) => return,
            Item::Value(..) => {}
            Item::Plain(at) if row.assigns && (args[at].bytes() == b"-" || is_assignment(args[at].bytes())) => {}
            Item::Plain(_) if skipped < row.skip => skipped += 1,
            Item::Plain(_) if row.permutes && !walk.ended() => {}
            Item::Plain(at) => {
                rest = at;
                break;
            }
        }
    }
    // With a text, the other words are its parameters, a user, a file.
    if let Some(name) = of_image {
        image(&name, &args[rest..], row.via, budget, inner);
    } else if texts == 0 && needed {
        behind(row, program, &args[rest..], walk.ended(), budget, inner);
    }
}

fn behind<'a>(
    row: &Wrapper,
    program: Option<Word<'a>>,
    rest: &[Word<'a>],
    dashed: bool,
    budget: &mut Budget,
    inner: &mut Vec<Inner<'a>>,
) {
    let via = row.via;
    if let Some(program) = program {
        let args = if row.rest == Rest::Image {
            rest.get(1..).unwrap_or_default()
        } else {
            rest
        };
        inner.push(Inner::named(names::of_program(program.bytes()), args, via, budget));
        return;
    }
    let Some((first, args)) = rest.split_first() else {
        return;
    };
    match row.rest {
        Rest::Nothing => {}
        Rest::Words => inner.extend(Inner::words(rest, via, budget)),
        Rest::Text => inner.push(Inner::text(words::join(rest, budget), Vec::new(), via)),
        Rest::TextOrWords if args.is_empty() => inner.push(Inner::text(first.clone(), Vec::new(), via)),
        Rest::TextOrWords => inner.extend(Inner::words(rest, via, budget)),
        Rest::Texts => inner.extend(rest.iter().map(|text| Inner::text(text.clone(), Vec::new(), via))),
        Rest::Dashes if dashed => inner.extend(Inner::words(rest, via, budget)),
        Rest::Dashes => {
            let dashes = rest.iter().position(|word| word.bytes() == b"--");
            if let Some(dashes) = dashes {
                inner.extend(Inner::words(&rest[dashes + 1..], via, budget));
            }
        }
        Rest::Image => image(first, args, via, budget, inner),
        Rest::Package => named(names::of_package(first.bytes()), args, via, budget, inner),
        Rest::GoPackage => named(names::of_go_package(first.bytes()), args, via, budget, inner),
        Rest::Flake => named(names::of_flake(first.bytes()), args, via, budget, inner),
        Rest::Dotted => named(names::of_dotted(first.bytes()), args, via, budget, inner),
    }
}

/// The image is a command for what its own entry point may be, and so are the words behind it, when they begin with a
/// program.
fn image<'a>(image: &Word<'a>, args: &[Word<'a>], via: Via, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let programs = names::of_image(image.bytes());
    let program = args.first().is_some_and(words::may_be_program);
    if program {
        // `docker run alpine sh -c ...`: the words behind are looked through once, as a command.
        if !programs.is_empty() {
            let args = words::copy(args, budget);
            inner.push(Inner {
                via,
                runs: Runs::Final { programs, args },
            });
        }
        inner.extend(Inner::words(args, via, budget));
    } else if !programs.is_empty() {
        inner.push(Inner::named(programs, args, via, budget));
    }
}

fn named<'a>(programs: Vec<String>, args: &[Word<'a>], via: Via, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    if !programs.is_empty() {
        let args = match args.first() {
            Some(dashes) if dashes.bytes() == b"--" => &args[1..],
            _ => args,
        };
        inner.push(Inner::named(programs, args, via, budget));
    }
}

fn split<'a>(value: &Word<'a>, budget: &mut Budget) -> Vec<Word<'a>> {
    shell::split(value.bytes(), budget)
        .into_iter()
        .map(Word::owned)
        .collect()
}

/// `NAME=value`.
pub(super) fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.len() < word.len()
        && name.first().is_some_and(|byte| !byte.is_ascii_digit())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
