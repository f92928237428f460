//! Execs that no rule matched, remembered: a host runs the same few command lines over and over.
//!
//! Owns what makes two execs the same for an engine: every byte that it looks at, so that nothing is ever taken for another
//! thing. Bounded, never grows after it was made, and belongs to one engine: another one's judgement counts for nothing.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

use super::verdict::Subject;

/// Places; a power of two. One exec has one place, which the next one with the same hash takes over.
const PLACES: usize = 1024;
/// Bytes of names and command line that are remembered of one; longer ones are judged each time.
const LONGEST: usize = 512;
/// The end of a name, and what says whether there is an image.
const MARK: usize = 4;

/// The last execs that an engine found clean.
#[derive(Debug, Default)]
pub(super) struct Clean {
    /// The engine's number; 0 is no engine's.
    engine: u64,
    state: RandomState,
    /// Bytes used of each place; 0 for none.
    used: Vec<u16>,
    bytes: Vec<u8>,
    /// The exec that was looked up last, and its place; empty when it is not one to be remembered.
    key: Vec<u8>,
    place: usize,
}

impl Clean {
    /// Forgets what another engine found.
    pub(super) fn belong_to(&mut self, engine: u64) {
        if self.engine == engine {
            return;
        }
        self.engine = engine;
        self.used.clear();
        self.used.resize(PLACES, 0);
        // Zeroed by whoever gives the memory, so that places that are never used take none.
        if self.bytes.is_empty() {
            self.bytes = vec![0; PLACES * LONGEST];
        }
        self.key.clear();
        self.key.reserve(LONGEST);
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        self.used.fill(0);
    }

    /// Whether this exec is known to be clean. When it is not, [`note`](Self::note) may follow.
    pub(super) fn has(&mut self, subject: &Subject<'_>) -> bool {
        self.key.clear();
        if !self.read(subject) {
            self.key.clear();
            return false;
        }
        let hash = self.state.hash_one(self.key.as_slice());
        self.place = usize::try_from(hash % PLACES as u64).unwrap_or(0);
        let used = self.used.get(self.place).map_or(0, |used| usize::from(*used));
        used == self.key.len()
            && self
                .bytes
                .get(self.place * LONGEST..)
                .and_then(|bytes| bytes.get(..used))
                == Some(&self.key)
    }

    /// Remembers that the exec of the last [`has`](Self::has) is clean.
    pub(super) fn note(&mut self) {
        if self.key.is_empty() {
            return;
        }
        let start = self.place * LONGEST;
        let (Some(used), Some(bytes)) = (
            self.used.get_mut(self.place),
            self.bytes.get_mut(start..start + self.key.len()),
        ) else {
            return;
        };
        *used = u16::try_from(self.key.len()).unwrap_or(0);
        bytes.copy_from_slice(&self.key);
    }

    /// Everything that the rules look at, so that no two different subjects are the same bytes; false when that is too much,
    /// or when this is no everyday exec.
    fn read(&mut self, subject: &Subject<'_>) -> bool {
        let Subject {
            file_names,
            command_line,
            image,
            known_as,
            is_truncated,
        } = subject;
        let lengths = file_names.iter().map(|name| name.len() + MARK).sum::<usize>()
            + command_line.len()
            + image.map_or(0, <[u8]>::len)
            + 2 * MARK;
        if *is_truncated || !known_as.is_empty() || lengths > LONGEST {
            return false;
        }
        let mut add = |tag: u8, text: &[u8]| {
            // Shorter than LONGEST.
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes();
            self.key.push(tag);
            self.key.extend_from_slice(&length);
            self.key.extend_from_slice(text);
        };
        file_names.iter().for_each(|name| add(b'n', name));
        if let Some(image) = image {
            add(b'i', image);
        }
        add(b'c', command_line);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> Clean {
        let mut clean = Clean::default();
        clean.belong_to(1);
        clean
    }

    #[test]
    fn what_was_noted_is_known_until_another_engine_judges() {
        let mut clean = new();
        let subject = Subject::new(&[b"ls"], b"ls\0-l\0");
        assert!(!clean.has(&subject));
        clean.note();
        assert!(clean.has(&subject));
        clean.belong_to(1);
        assert!(clean.has(&subject));
        clean.belong_to(2);
        assert!(!clean.has(&subject));
    }

    #[test]
    fn what_differs_in_anything_that_rules_look_at_is_another_exec() {
        let base = Subject {
            image: Some(b"/bin/ls"),
            ..Subject::new(&[b"ls", b"x"], b"ls\0-l\0")
        };
        let others = [
            Subject {
                file_names: &[b"lsx"],
                ..base
            },
            Subject {
                file_names: &[b"l", b"sx"],
                ..base
            },
            Subject {
                file_names: &[b"x", b"ls"],
                ..base
            },
            Subject {
                file_names: &[],
                ..base
            },
            Subject {
                command_line: b"ls\0-l",
                ..base
            },
            Subject {
                command_line: b"ls -l\0",
                ..base
            },
            Subject {
                command_line: b"",
                ..base
            },
            Subject { image: None, ..base },
            Subject {
                image: Some(b""),
                ..base
            },
            Subject {
                image: Some(b"/bin/lsx"),
                ..base
            },
            Subject {
                known_as: &[b"curl"],
                ..base
            },
            Subject {
                is_truncated: true,
                ..base
            },
        ];
        for other in others {
            let mut clean = new();
            assert!(!clean.has(&base));
            clean.note();
            assert!(!clean.has(&other), "{other:?}");
            if other.is_truncated || !other.known_as.is_empty() {
                // What is not remembered must not take the place of what is.
                clean.note();
                assert!(clean.has(&base));
            }
        }
    }

    #[test]
    fn what_can_not_be_remembered_is_never_known() {
        let mut clean = new();
        let long = [b'x'; LONGEST];
        for subject in [
            Subject::new(&[b"ls"], &long),
            Subject {
                is_truncated: true,
                ..Subject::new(&[b"ls"], b"ls\0")
            },
            Subject {
                known_as: &[b"curl"],
                ..Subject::new(&[b"ls"], b"ls\0")
            },
        ] {
            assert!(!clean.has(&subject));
            clean.note();
            assert!(!clean.has(&subject), "{subject:?}");
        }
    }
}
