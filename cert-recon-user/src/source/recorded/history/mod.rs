//! Histories of shells: what was typed, with its time or without.
//!
//! Owns the forms of bash, zsh and fish, and what stands for an exec there: each simple command of a line, and the line as
//! a whole (`command`). A history does not say whose it is nor whether a command worked; its path is no record, so no
//! account is made of it.

mod bash;
mod command;
mod fish;
mod zsh;

use std::path::Path;

pub use self::{bash::Bash, fish::Fish, zsh::Zsh};
use super::Format;

/// Bytes of one command: what is longer is cut, and told.
const LONGEST: usize = 4 << 20;

/// The format of a history by the file's name, for those that can't be told by their content. Names are as shells write
/// them and as collectors of evidence keep them: `alice.bash_history`, `.bash_history.gz`.
#[must_use]
pub fn by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?;
    let packed = [".gz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending));
    let name = packed.unwrap_or(name);
    let has = |known: &str| {
        name.find(known).is_some_and(|at| {
            let end = name.get(at + known.len()..).unwrap_or_default();
            end.is_empty() || end.starts_with(['.', '-', '_', '~'])
        })
    };
    if has("bash_history") || matches!(name, ".history" | ".sh_history" | ".ash_history") {
        Some(Format::BashHistory)
    } else if has("zsh_history") || matches!(name, ".zhistory" | ".histfile") {
        Some(Format::ZshHistory)
    } else if has("fish_history") {
        Some(Format::FishHistory)
    } else {
        None
    }
}

/// The kind of history that these lines are of, if they say it: by their times. The first may be cut.
pub(crate) fn detect<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Format> {
    // A text may have one such line by chance.
    let enough = |times: usize, lines: usize| times >= 2 || (times == 1 && lines <= 4);
    let total = lines.clone().count();
    let count = |is_time: fn(&[u8]) -> bool| lines.clone().filter(|line| is_time(line)).count();
    if enough(count(|line| bash::time(line).is_some()), total) {
        Some(Format::BashHistory)
    } else if enough(count(|line| zsh::extended(line).is_some()), total) {
        Some(Format::ZshHistory)
    } else if enough(count(|line| fish::time(line).is_some()), total)
        && lines.clone().any(|line| line.starts_with(b"- cmd: "))
    {
        Some(Format::FishHistory)
    } else {
        None
    }
}

/// Seconds since 1970, in 9 or 10 digits: from 1973 to 2286.
fn seconds(digits: &[u8]) -> Option<std::time::SystemTime> {
    if !(9..=10).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    super::time(std::str::from_utf8(digits).ok()?.parse().ok()?, 0)
}

#[cfg(test)]
mod tests;
