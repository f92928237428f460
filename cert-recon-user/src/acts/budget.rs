//! Limits of the work on one exec.

use std::fmt;

/// What is left of the work that one exec may cost. Everything that loops over bytes of argv, or over what was made of
/// them, pays from it; when it is used up, the work ends with what is there, and the finding says that it was cut short.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes: usize,
    commands: usize,
    depth: u32,
    hit: Option<Limit>,
}

/// A limit that ended the work on an exec early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// More bytes of text than [`Budget::BYTES`] per byte of argv, or than [`Budget::MOST_BYTES`].
    Bytes,
    /// More commands than [`Budget::COMMANDS`].
    Commands,
    /// Deeper than [`Budget::DEPTH`]: shells in shells, substitutions in substitutions.
    Depth,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "more text than is looked at",
            Self::Commands => "more commands than are looked at",
            Self::Depth => "shells nested deeper than is looked at",
        })
    }
}

impl Budget {
    /// Bytes of text looked at or made for each byte of argv.
    pub const BYTES: usize = 8;
    /// Bytes for a short argv.
    pub const LEAST_BYTES: usize = 256 << 10;
    /// Bytes for the longest argv.
    pub const MOST_BYTES: usize = 32 << 20;
    /// Commands of one exec.
    pub const COMMANDS: usize = 1024;
    /// Nesting of shells, substitutions and wrappers.
    pub const DEPTH: u32 = 16;

    /// For an argv of so many bytes.
    #[must_use]
    pub fn new(argv_bytes: usize) -> Self {
        Self {
            bytes: argv_bytes
                .saturating_mul(Self::BYTES)
                .clamp(Self::LEAST_BYTES, Self::MOST_BYTES),
            commands: Self::COMMANDS,
            depth: Self::DEPTH,
            hit: None,
        }
    }

    /// Pays for looking at, or making, so many bytes. False when there are not enough left: then stop.
    #[must_use]
    pub fn pay(&mut self, bytes: usize) -> bool {
        if bytes > self.bytes {
            self.bytes = 0;
            self.note(Limit::Bytes);
            return false;
        }
        self.bytes -= bytes;
        true
    }

    /// Pays for one more command.
    #[must_use]
    pub fn command(&mut self) -> bool {
        if self.commands == 0 {
            self.note(Limit::Commands);
            return false;
        }
        self.commands -= 1;
        true
    }

    /// Goes one level deeper; [`leave`](Self::leave) comes back. False at the limit: then do not go.
    #[must_use]
    pub fn enter(&mut self) -> bool {
        if self.depth == 0 {
            self.note(Limit::Depth);
            return false;
        }
        self.depth -= 1;
        true
    }

    /// Comes back from one level.
    pub fn leave(&mut self) {
        self.depth += 1;
    }

    /// The first limit that was hit.
    #[must_use]
    pub fn hit(&self) -> Option<Limit> {
        self.hit
    }

    /// Notes that a limit of its own ended a part of the work early.
    pub(in crate::acts) fn note(&mut self, limit: Limit) {
        self.hit.get_or_insert(limit);
    }
}
