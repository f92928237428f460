//! The rule packs that are part of the program.
//!
//! Owns their names and texts; never decides which of them are switched on.

use super::error::PackError;
use super::pack::Pack;

/// A pack whose text is embedded in the program, in the same format as a user's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltinPack {
    /// Name of the pack, as in `--rules`.
    pub name: &'static str,
    /// The TOML text, comments included.
    pub text: &'static str,
}

impl BuiltinPack {
    /// Parses the embedded text.
    ///
    /// # Errors
    ///
    /// None in a released program: the tests parse every embedded pack. The error is passed on instead of turned into
    /// a panic so that a monitor that cannot load its rules can say so.
    pub fn parse(&self) -> Result<Pack, PackError> {
        Pack::parse(&format!("{}.toml (built in)", self.name), self.text)
    }
}

/// Every embedded pack. Their order is the order of evaluation, whatever the order in `--rules`.
pub const BUILTIN_PACKS: &[BuiltinPack] = &[
    BuiltinPack {
        name: "kql",
        text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/kql.toml")),
    },
    BuiltinPack {
        name: "extended",
        text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/extended.toml")),
    },
    BuiltinPack {
        name: "logscale",
        text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/logscale.toml")),
    },
];

/// Names of the packs that are used when nobody says which.
pub const DEFAULT_PACKS: &[&str] = &["kql", "extended"];
