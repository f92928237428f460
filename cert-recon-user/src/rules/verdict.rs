//! What is judged, and what the judgement is.

use super::level::{Confidence, Severity};
use crate::acts::Limit;

/// What is judged: one exec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The program's names, best first: base name of the path given to exec, of the resolved executable, of the script.
    /// A condition on `FileName` holds if any of them satisfies it. Repeated names change nothing.
    pub file_names: &'a [&'a [u8]],
    /// The command line: argv joined by single spaces, or argv as the kernel keeps it, a NUL behind each argument (the
    /// last one may be missing). Both forms give the same verdict as far as conditions on the exec go. Only the second
    /// says where arguments end: the first is split at its spaces and quotes to find out what the exec really does. An argv of
    /// one argument needs its NUL to be told from a text.
    pub command_line: &'a [u8],
    /// Resolved path of the executable; only rules on `ImageFileName` look at it
    /// ([`Engine::wants_image`](super::Engine::wants_image)).
    pub image: Option<&'a [u8]>,
    /// Names of watched programs that the executable is a copy of, whatever it is called.
    pub known_as: &'a [&'a [u8]],
    /// Not all of argv was captured.
    pub is_truncated: bool,
}

impl<'a> Subject<'a> {
    /// An exec of which the names and the command line are known.
    #[must_use]
    pub fn new(file_names: &'a [&'a [u8]], command_line: &'a [u8]) -> Self {
        Self {
            file_names,
            command_line,
            ..Self::default()
        }
    }
}

/// What the rules say about an exec that at least one of them matched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Category: from the first pack that matched; there from its `[[case]]` table, or else from its first rule that
    /// matched.
    pub category: String,
    /// Label of the technique, from the first pack that matched and gives one.
    pub technique_label: Option<String>,
    /// Every rule that matched, in the order of packs and files.
    pub rule_ids: Vec<String>,
    /// The packs of these rules, each once, in the order loaded.
    pub packs: Vec<String>,
    /// The terms that made conditions of these rules hold, as the lists spell them, each once: those found in the names
    /// first, then those in the command line, each in order of first occurrence; then those found in acts.
    pub matched_terms: Vec<String>,
    /// The certificate and CT services that the exec asks, as the lists spell them, each once.
    pub services: Vec<String>,
    /// The domains, hosts and addresses that it asks about, each once; of those that are known in part the known end.
    pub targets: Vec<String>,
    /// The highest of the rules.
    pub severity: Severity,
    /// The highest of the rules whose pack is not judged by another one; `low` when all are.
    pub confidence: Confidence,
    /// ATT&CK technique id, of the first rule that matched.
    pub technique: String,
    /// ATT&CK tactic, of the first rule that matched.
    pub tactic: String,
    /// The limit that ended the work on this exec early.
    pub cut_short: Option<Limit>,
}
