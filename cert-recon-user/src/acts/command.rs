//! A command that really runs.

use std::borrow::Cow;

/// One word of a command, after quotes and expansions are gone. Borrowed from argv where it stands there as it is.
///
/// Parts that can't be known from argv (an unset variable, the output of a command) are one [`UNKNOWN`](Word::UNKNOWN) byte
/// each, which no argument can hold: `https://$x.crt.sh/` is `https://\0.crt.sh/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word<'a>(pub Cow<'a, [u8]>);

impl<'a> Word<'a> {
    /// Stands for a part that is not known.
    pub const UNKNOWN: u8 = 0;

    /// A word as it stands in argv.
    #[must_use]
    pub fn borrowed(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }

    /// A word that was made.
    #[must_use]
    pub fn owned(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether all of it is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.0.contains(&Self::UNKNOWN)
    }
}

/// How a command is reached from the exec's own argv.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Run by a program that runs another: sudo, env, timeout, xargs, find -exec; also ssh, which
    /// has it run elsewhere, but is told to from here.
    Wrapper,
    /// Part of a shell's `-c` string, or of text that is piped into a shell.
    Shell,
    /// Run by an interpreter or launcher that was told its name: python -m, npx, go run, a script's path.
    Launcher,
    /// The image that a container is made of, or the command in it.
    Container,
    /// Called by code on an interpreter's command line: `os.system('...')`.
    Code,
}

/// A command that runs, as far as argv tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Base names under which the program is known, best first, in lower case, without duplicates: as spelled, and without what
    /// does not make it another program: `.exe`, a version (`python3.11` -> `python3`, `python`), `.py`, `.sh`, `.pl`, `.rb`.
    /// For the exec itself also the names that the kernel gave: of the file behind a link, of a script.
    pub programs: Vec<String>,
    /// The arguments behind the program's name.
    pub args: Vec<Word<'a>>,
    /// Text that it reads from its standard input, where argv tells.
    pub stdin: Option<Vec<u8>>,
    /// From the exec's own argv inwards; empty for the exec itself.
    pub via: Vec<Via>,
}

impl Command<'_> {
    /// Whether the program is known under this name (given in lower case).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.programs.iter().any(|program| program == name)
    }
}
