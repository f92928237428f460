//! From a subject to its acts.
//!
//! Owns what argv is when only its text is known; what acts are is `acts`' matter.

use super::verdict::Subject;
use super::windows;
use crate::acts::{Act, Budget, Limit, effective, requests, shell};

/// Calls `then` with what the exec does, and with the limit that ended the work early, if one did.
pub(super) fn with_acts<R>(subject: &Subject<'_>, then: impl FnOnce(&[Act<'_>], Option<Limit>) -> R) -> R {
    let line = subject.command_line;
    let mut budget = Budget::new(line.len());
    let words;
    let argv: Vec<&[u8]> = if line.contains(&0) {
        line.strip_suffix(b"\0")
            .unwrap_or(line)
            .split(|byte| *byte == 0)
            .collect()
    } else {
        words = if windows::is_windows(subject.file_names, line) {
            windows::split(line, &mut budget)
        } else {
            shell::split(line, &mut budget)
        };
        words.iter().map(Vec::as_slice).collect()
    };
    let names: Vec<&[u8]> = subject.file_names.iter().chain(subject.known_as).copied().collect();
    let commands = effective::commands(&names, &argv, &mut budget);
    let acts: Vec<Act<'_>> = commands
        .into_iter()
        .map(|command| Act {
            requests: requests::of(&command, &mut budget),
            command,
        })
        .collect();
    then(&acts, budget.hit())
}

/// Base name of the program as argv calls it.
pub(super) fn own_name<'a>(subject: &Subject<'a>) -> &'a [u8] {
    let line = subject.command_line;
    let first = if line.contains(&0) {
        line.split(|byte| *byte == 0).next()
    } else {
        line.split(u8::is_ascii_whitespace).next()
    };
    let name = first.unwrap_or_default();
    let name = name.strip_suffix(b"\"").unwrap_or(name);
    name.rsplit(|byte| b"/\\\"'".contains(byte)).next().unwrap_or_default()
}
