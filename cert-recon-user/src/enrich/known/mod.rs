//! Watched programs as they are on this host, by size and content: how a copy under another name is known.
//!
//! Owns the index and its lookups, which are pure; [`indexer`] reads the files, on a thread of its own. Never hashes what
//! runs: that is [`hash`](super::hash)'s matter, and only files of a size that is in the index are worth it.

pub mod indexer;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use foldhash::HashMap;

use crate::acts::effective;

/// Programs of one size beyond this are left out: each costs an exec of that size a judgement.
const MOST_OF_A_SIZE: usize = 16;

/// SHA-256 of a file.
pub type Sha256 = [u8; 32];

/// A watched program of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProgram {
    /// Of its file.
    pub sha256: Sha256,
    /// What it is called, each in lower case, first as its file is and then without version and ending: `python3.11`,
    /// `python3`, `python`.
    pub names: Vec<String>,
}

impl KnownProgram {
    /// Whether one of these base names is one of its own, version and ending aside.
    #[must_use]
    pub fn is_called(&self, names: &[&[u8]]) -> bool {
        let is_own = |name: &[u8]| self.names.iter().any(|own| own.as_bytes() == name);
        // Nearly always the first look answers, and it costs no allocation.
        names.iter().any(|name| is_own(name))
            || names.iter().any(|name| {
                effective::program_names(name)
                    .iter()
                    .any(|name| is_own(name.as_bytes()))
            })
    }
}

/// The watched programs of this host.
#[derive(Debug, Default)]
pub struct KnownPrograms {
    by_size: HashMap<u64, Arc<[KnownProgram]>>,
    count: usize,
}

impl KnownPrograms {
    /// Of files, each with its size and what it is called. Files with the same content are one program with the names of all.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = (u64, KnownProgram)>) -> Self {
        // In order, so that the same files give the same index.
        let mut merged: BTreeMap<(u64, Sha256), Vec<String>> = BTreeMap::new();
        for (size, KnownProgram { sha256, names }) in files {
            let known = merged.entry((size, sha256)).or_default();
            for name in names {
                if !known.contains(&name) {
                    known.push(name);
                }
            }
        }
        let mut by_size: BTreeMap<u64, Vec<KnownProgram>> = BTreeMap::new();
        for ((size, sha256), names) in merged {
            let of_size = by_size.entry(size).or_default();
            if of_size.len() < MOST_OF_A_SIZE {
                of_size.push(KnownProgram { sha256, names });
            } else {
                log::debug!("too many watched programs of {size} bytes: copies of {names:?} will not be known");
            }
        }
        Self {
            count: by_size.values().map(Vec::len).sum(),
            by_size: by_size
                .into_iter()
                .map(|(size, programs)| (size, programs.into()))
                .collect(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Those with files of this size.
    #[must_use]
    pub fn of_size(&self, size: u64) -> Option<&Arc<[KnownProgram]>> {
        self.by_size.get(&size)
    }
}

/// The index at work, replaced as a whole. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct SharedPrograms(Arc<RwLock<KnownPrograms>>);

impl SharedPrograms {
    /// Puts an index to work.
    pub fn publish(&self, index: KnownPrograms) {
        let old = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), index);
        // Outside of the lock.
        drop(old);
    }

    /// The programs with files of this size. One lookup; the lock is only ever held as long.
    #[must_use]
    pub fn of_size(&self, size: u64) -> Option<Arc<[KnownProgram]>> {
        let index = self.0.read().unwrap_or_else(PoisonError::into_inner);
        index.of_size(size).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(size: u64, hash: u8, names: &[&str]) -> (u64, KnownProgram) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        (
            size,
            KnownProgram {
                sha256: [hash; 32],
                names,
            },
        )
    }

    #[test]
    fn files_with_the_same_content_are_one_program_with_the_names_of_all() {
        let index = KnownPrograms::new([
            program(10, 1, &["perl5.36", "perl"]),
            program(20, 2, &["curl"]),
            program(10, 1, &["perl"]),
            program(10, 3, &["wget"]),
            program(10, 1, &["suidperl"]),
        ]);
        assert_eq!(index.len(), 3);
        let of_ten: Vec<_> = index.of_size(10).unwrap().iter().collect();
        assert_eq!(of_ten[0].names, ["perl5.36", "perl", "suidperl"]);
        assert_eq!(of_ten[1].names, ["wget"]);
        assert_eq!(index.of_size(20).unwrap()[0].sha256, [2; 32]);
        assert!(index.of_size(11).is_none());
        assert!(KnownPrograms::default().is_empty());
    }

    #[test]
    fn a_program_is_called_by_any_of_its_names_whatever_the_version_or_ending() {
        let (_, python) = program(1, 1, &["python3.11", "python3", "python"]);
        for name in [
            "python",
            "python3",
            "python3.11",
            "python3.12",
            "PYTHON3",
            "python.exe",
            ".python3-wrapped",
        ] {
            assert!(python.is_called(&[b"x", name.as_bytes()]), "{name}");
        }
        for name in [
            "srv",
            "pythonx",
            "xpython3",
            "",
            "py",
            "python3-config",
            "\u{fffd}",
            "\0",
        ] {
            assert!(!python.is_called(&[name.as_bytes()]), "{name}");
        }
        assert!(!python.is_called(&[]));
        assert!(!python.is_called(&[&[b'x'; 100_000], &[0xff; 300]]));
    }

    #[test]
    fn there_are_never_more_programs_of_one_size_than_an_exec_can_pay_for() {
        let index = KnownPrograms::new((0..100).map(|hash| program(1, hash, &["curl"])));
        assert_eq!(index.of_size(1).unwrap().len(), MOST_OF_A_SIZE);
        assert_eq!(index.len(), MOST_OF_A_SIZE);
    }

    #[test]
    fn an_index_is_replaced_as_a_whole() {
        let shared = SharedPrograms::default();
        let other = shared.clone();
        assert!(other.of_size(1).is_none());
        shared.publish(KnownPrograms::new([program(1, 1, &["curl"])]));
        assert_eq!(other.of_size(1).unwrap()[0].names, ["curl"]);
        shared.publish(KnownPrograms::new([program(2, 1, &["curl"])]));
        assert!(other.of_size(1).is_none() && other.of_size(2).is_some());
    }
}
