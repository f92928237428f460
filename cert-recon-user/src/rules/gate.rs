//! Whether it can matter what an exec really does: decides in a few lookups, without allocating, whether its commands
//! have to be taken apart.
//!
//! Owns the decision; never takes anything apart. It may say yes too often, never no wrongly: a rule about acts can only
//! match when one of the names of the exec is a watched program or one that runs others, or when the rule asks for no
//! program and everything that it asks of the exec itself holds.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};
use memchr::memmem;
use regex::bytes::RegexSet;

use super::act_match::patterns;
use super::error::EngineError;
use crate::acts::effective;

/// Longest name that is looked up. File systems have no longer ones; for what a record claims, the answer is yes.
const LONGEST: usize = 256;
/// How many endings a name may have (`python3.11.exe`) before the answer is yes.
const ENDINGS: usize = 8;

/// The programs that rules ask for.
#[derive(Debug, Default)]
pub(super) struct Gate {
    watched: HashSet<Box<[u8]>>,
    /// Forms of names; none when no rule has such.
    forms: Option<RegexSet>,
    /// Programs whose copies rules ask for by name.
    copied: HashSet<Box<[u8]>>,
    /// No rule is about acts.
    is_shut: bool,
}

impl Gate {
    /// No rule is about acts.
    pub(super) fn shut() -> Self {
        Self {
            is_shut: true,
            ..Self::default()
        }
    }

    /// `programs` are the names that rules about acts ask for, `forms` the patterns of names.
    pub(super) fn new<'t>(
        programs: impl IntoIterator<Item = &'t str>,
        forms: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, EngineError> {
        let mut forms = forms.into_iter().peekable();
        let has_forms = forms.peek().is_some();
        Ok(Self {
            watched: keys(programs),
            forms: has_forms.then(|| patterns(forms)).transpose()?,
            copied: HashSet::new(),
            is_shut: false,
        })
    }

    /// `copied` are the programs whose copies rules ask for by name. They are no matter of [`lets_in`](Self::lets_in), but of
    /// [`WatchedPrograms`].
    pub(super) fn with_copied<'t>(self, copied: impl IntoIterator<Item = &'t str>) -> Self {
        Self {
            copied: keys(copied),
            ..self
        }
    }

    /// Whether any rule is about acts.
    pub(super) fn is_shut(&self) -> bool {
        self.is_shut
    }

    /// Whether a program of exactly this name, in lower case, is one that rules ask for or one that runs others.
    fn watches(&self, name: &[u8]) -> bool {
        let is_watched = || self.watched.contains(name) || effective::is_runner(name);
        let has_form = || self.forms.as_ref().is_some_and(|forms| forms.is_match(name));
        self.copied.contains(name) || !self.is_shut && (is_watched() || has_form())
    }

    /// Whether a program of this name, run with this command line, can matter.
    pub(super) fn lets_in(&self, name: &[u8], line: &[u8]) -> bool {
        if self.is_shut {
            return false;
        }
        // A login shell's own name begins with `-`.
        let name = name.strip_prefix(b"-").unwrap_or(name);
        let mut buffer = [0; LONGEST];
        let Some(lower) = buffer.get_mut(..name.len()) else {
            return true;
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let mut name: &[u8] = lower;
        for _ in 0..ENDINGS {
            if self.watched.contains(name) || (effective::is_runner(name) && runs_something(name, line)) {
                return true;
            }
            if self.forms.as_ref().is_some_and(|forms| forms.is_match(name)) {
                return true;
            }
            match without_ending(name) {
                Some(shorter) => name = shorter,
                None => return false,
            }
        }
        true
    }
}

fn keys<'t>(names: impl IntoIterator<Item = &'t str>) -> HashSet<Box<[u8]>> {
    let key = |name: &str| name.to_ascii_lowercase().into_bytes().into_boxed_slice();
    names.into_iter().map(key).collect()
}

/// The programs that rules ask for, and those that run others: those of which a copy under another name matters. Cheap to
/// clone, and independent of the engine that it came from.
#[derive(Clone, Debug)]
pub struct WatchedPrograms(Arc<Gate>);

impl WatchedPrograms {
    pub(super) fn new(gate: &Arc<Gate>) -> Self {
        Self(Arc::clone(gate))
    }

    /// What the program with this base name is called, best first, when it is a watched one: version and ending do not make it
    /// another. Empty when it is none.
    #[must_use]
    pub fn names_of(&self, base: &[u8]) -> Vec<String> {
        let names = effective::program_names(base);
        if names.iter().any(|name| self.0.watches(name.as_bytes())) {
            names
        } else {
            Vec::new()
        }
    }
}

/// Words without which git runs nothing that its arguments name. It is run far too often to be taken apart each time.
const GIT_RUNS: &[&[u8]] = &[b"alias.", b"bisect", b"submodule", b"rebase"];

fn runs_something(name: &[u8], line: &[u8]) -> bool {
    name != b"git" || GIT_RUNS.iter().any(|word| memmem::find(line, word).is_some())
}

/// Endings that make another program of whatever stands before them.
const TOOLCHAIN: &[&[u8]] = &[b"gcc", b"g++", b"cpp", b"cc", b"c++", b"as", b"ld", b"ar", b"nm"];

/// The name without its last ending: what follows the last separator, or else the digits at the end.
fn without_ending(name: &[u8]) -> Option<&[u8]> {
    let is_separator = |byte: &u8| b".-_ ".contains(byte);
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let shorter = match name.iter().rposition(is_separator) {
        // A compiler for x86_64 is not the wrapper of that name.
        Some(at) if TOOLCHAIN.contains(&&name[at + 1..]) => return None,
        // `curl-8` and `curl.exe` lose all of it, `python3` the digit only.
        Some(at) => &name[..at],
        None => &name[..name.len() - digits],
    };
    (!shorter.is_empty() && shorter.len() < name.len()).then_some(shorter)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Gate, WatchedPrograms};

    #[test]
    fn a_watched_program_is_let_in_whatever_version_or_ending_its_name_has() {
        let gate = Gate::new(
            ["python", "testssl", "sslscan", "gnutls-cli", "theHarvester"],
            ["*-crtsh"],
        )
        .unwrap();
        for name in [
            "python",
            "python3",
            "python3.11",
            "PYTHON.EXE",
            "python3.11.exe",
            "testssl.sh",
            "sslscan-static",
            "gnutls-cli",
            "gnutls-cli-3.7",
            "-python",
            "theHarvester.py",
            "THEHARVESTER",
            "sslscan2.0-1_beta.static",
            "my-crtsh",
            "MY-CRTSH.py",
        ] {
            assert!(gate.lets_in(name.as_bytes(), b""), "{name}");
        }
        for name in [
            "ls",
            "",
            "cc1",
            "git",
            "gnutls",
            "xpython",
            "testsslx",
            "3",
            "--",
            "cc1plus-13",
        ] {
            assert!(!gate.lets_in(name.as_bytes(), b""), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_of_a_file_is_let_in() {
        let gate = Gate::new(["python"], []).unwrap();
        assert!(gate.lets_in(&[b'x'; 257], b""));
        assert!(gate.lets_in(b"x.1.2.3.4.5.6.7.8.9", b""));
    }

    #[test]
    fn git_is_let_in_when_it_may_run_something_only() {
        let gate = Gate::new(["python"], []).unwrap();
        assert!(!gate.lets_in(b"git", b"git\0status\0"));
        assert!(gate.lets_in(b"git", b"git\0-c\0alias.x=!curl https://crt.sh/\0x\0"));
        assert!(gate.lets_in(b"git", b"git\0bisect\0run\0x\0"));
    }

    #[test]
    fn without_rules_about_acts_nothing_is() {
        let gate = Gate::shut();
        assert!(!gate.lets_in(b"python", b"") && !gate.lets_in(&[b'x'; 1000], b""));
    }

    #[test]
    fn a_program_is_watched_by_any_of_its_names_and_by_no_part_of_them() {
        let gate = Gate::new(["sslscan", "theHarvester"], ["*-crtsh"]).unwrap();
        let watched = WatchedPrograms::new(&Arc::new(gate.with_copied(["mytool"])));
        for (base, expected) in [
            ("sslscan", "sslscan"),
            ("sslscan-2.1", "sslscan-2.1 sslscan"),
            ("theHarvester", "theharvester"),
            ("my-crtsh", "my-crtsh"),
            ("mytool.bin", "mytool.bin mytool"),
            ("python3.11", "python3.11 python3 python"),
            ("busybox", "busybox"),
            ("python3-config", ""),
            ("sslscanner", ""),
            ("ls", ""),
            ("", ""),
        ] {
            assert_eq!(watched.names_of(base.as_bytes()).join(" "), expected, "{base}");
        }
        let shut = WatchedPrograms::new(&Arc::new(Gate::shut().with_copied(["mytool"])));
        assert!(shut.names_of(b"python3").is_empty());
        assert_eq!(shut.names_of(b"mytool"), ["mytool"]);
    }
}
