//! Which files to read, and in which order: what was named, folders walked, rotated logs joined.
//!
//! Looks at names and kinds of files, never into them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Files that continue each other: a log and its rotated predecessors, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// The files.
    pub files: Vec<Listed>,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path, as it was named or found.
    pub path: PathBuf,
    /// It was named itself, not found in a folder: not to know what it is is an error then.
    pub named: bool,
}

/// What could not be listed.
#[derive(Debug)]
pub struct Unlisted {
    /// The path.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// The sets below these paths, in the order of their names, and what could not be listed. Folders are walked to the bottom;
/// symbolic links in them are not followed (their targets are there by themselves, or were not asked for).
#[must_use]
pub fn list(paths: &[PathBuf]) -> (Vec<Set>, Vec<Unlisted>) {
    let mut found = Found::default();
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => found.walk(path.clone()),
            Ok(_) => found.add(path.clone(), true),
            Err(error) => found.unlisted.push(Unlisted {
                path: path.clone(),
                error,
            }),
        }
    }
    let sets = found.sets.into_values().map(|mut files| {
        // Of a file that was both named and found, the one that was named comes first, and stays.
        files.sort_by(|(a, x), (b, y)| (a, &x.path, y.named).cmp(&(b, &y.path, x.named)));
        files.dedup_by(|(_, later), (_, first)| later.path == first.path);
        Set {
            files: files.into_iter().map(|(_, listed)| listed).collect(),
        }
    });
    (sets.collect(), found.unlisted)
}

/// The folder, and the name that the files of a set share.
type SetName = (PathBuf, Vec<u8>);

#[derive(Default)]
struct Found {
    /// By folder and name without what rotation adds.
    sets: BTreeMap<SetName, Vec<(Age, Listed)>>,
    unlisted: Vec<Unlisted>,
}

impl Found {
    fn walk(&mut self, root: PathBuf) {
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.unlisted.push(Unlisted { path: folder, error });
                    continue;
                }
            };
            for entry in entries {
                let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
                match kind {
                    Ok((path, kind)) if kind.is_dir() => folders.push(path),
                    Ok((path, kind)) if kind.is_file() => self.add(path, false),
                    Ok(_) => {}
                    Err(error) => self.unlisted.push(Unlisted {
                        path: folder.clone(),
                        error,
                    }),
                }
            }
        }
    }

    fn add(&mut self, path: PathBuf, named: bool) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let (stem, age) = rotation(name);
        let key = (folder, stem.to_vec());
        self.sets.entry(key).or_default().push((age, Listed { path, named }));
    }
}

/// Where a file stands among those of its set, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// Dated when it was put aside (`dateext`): by the date's digits.
    Dated(Vec<u8>),
    /// The numbers count down to the newest: 1 is the one before the last.
    Numbered(std::cmp::Reverse<u64>),
    /// The one that is still written to.
    Current,
}

/// The name without what `logrotate`, auditd and cron add to it, and what that says. A number or date has to follow a name: of
/// `2024.log` nothing is taken.
fn rotation(name: &[u8]) -> (&[u8], Age) {
    let packed = [&b".gz"[..], b".zst", b".zstd"];
    let bare = packed
        .iter()
        .find_map(|end| name.strip_suffix(*end))
        .filter(|bare| !bare.is_empty())
        .unwrap_or(name);
    let start = bare
        .iter()
        .rposition(|byte| !(byte.is_ascii_digit() || *byte == b'-'))
        .map_or(0, |at| at + 1);
    let (front, digits) = bare.split_at(start);
    // `name.1`, `name.20261125`; `name-20261125` has its dash among the digits.
    let (stem, number) = match (front.strip_suffix(b"."), digits.strip_prefix(b"-")) {
        (Some(stem), _) if !digits.starts_with(b"-") => (stem, digits),
        (_, Some(number)) => (front, number),
        _ => return (bare, Age::Current),
    };
    if stem.is_empty() || number.is_empty() {
        return (bare, Age::Current);
    }
    let is_date = number.len() >= 8 && number.iter().take(8).all(u8::is_ascii_digit);
    if is_date {
        return (stem, Age::Dated(number.to_vec()));
    }
    let parsed = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
    match parsed {
        Some(parsed) if digits.first().is_some_and(u8::is_ascii_digit) => {
            (stem, Age::Numbered(std::cmp::Reverse(parsed)))
        }
        _ => (bare, Age::Current),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn names(set: &Set) -> Vec<String> {
        let names = set.files.iter().map(|file| file.path.file_name().unwrap());
        names.map(|name| name.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn rotated_logs_are_read_from_the_oldest_to_the_one_still_written_to() {
        for (given, read) in [
            (
                &["audit.log", "audit.log.1", "audit.log.10", "audit.log.2"][..],
                &["audit.log.10", "audit.log.2", "audit.log.1", "audit.log"][..],
            ),
            (
                &["auth.log", "auth.log.1", "auth.log.2.gz"],
                &["auth.log.2.gz", "auth.log.1", "auth.log"],
            ),
            (
                &[
                    "secure",
                    "secure-20261125",
                    "secure-20261118.gz",
                    "secure-20261118-1700000000.zst",
                ],
                &[
                    "secure-20261118.gz",
                    "secure-20261118-1700000000.zst",
                    "secure-20261125",
                    "secure",
                ],
            ),
            (&["a.json.gz"], &["a.json.gz"]),
            (&["2024.log"], &["2024.log"]),
        ] {
            let folder = Folder::new(&format!("files-{}", given[0]));
            given.iter().for_each(|name| drop(folder.file(name, b"")));
            let (sets, unlisted) = list(std::slice::from_ref(&folder.0));
            assert!(unlisted.is_empty());
            assert_eq!(sets.iter().map(names).collect::<Vec<_>>(), [read], "{given:?}");
        }
    }

    #[test]
    fn names_that_only_look_alike_are_sets_of_their_own() {
        for (name, stem, age) in [
            (&b"audit.log"[..], &b"audit.log"[..], Age::Current),
            (b"export-1.json", b"export-1.json", Age::Current),
            (b"1", b"1", Age::Current),
            (b".1", b".1", Age::Current),
            (b"-", b"-", Age::Current),
            (b"x-1", b"x-1", Age::Current),
            (b"x.1-2", b"x.1-2", Age::Current),
            (b".gz", b".gz", Age::Current),
            (
                b"x.99999999999999999999",
                b"x",
                Age::Dated(b"99999999999999999999".to_vec()),
            ),
            (b"x.7", b"x", Age::Numbered(std::cmp::Reverse(7))),
        ] {
            assert_eq!(rotation(name), (stem, age), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn folders_are_walked_and_links_in_them_are_not_followed() {
        let folder = Folder::new("files-walk");
        let inner = folder.0.join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("log"), b"").unwrap();
        let named = folder.file("named", b"");
        std::os::unix::fs::symlink("/", folder.0.join("link")).unwrap();
        let missing = folder.0.join("missing");
        let (sets, unlisted) = list(&[folder.0.clone(), named.clone(), missing.clone()]);
        let read: Vec<_> = sets.iter().map(names).collect();
        assert_eq!(read, [["named"], ["log"]]);
        assert_eq!((unlisted.len(), &unlisted[0].path), (1, &missing));
    }

    #[test]
    fn what_is_both_named_and_found_is_read_once() {
        let folder = Folder::new("files-twice");
        let named = folder.file("log", b"");
        let (sets, _) = list(&[folder.0.clone(), named.clone(), named.clone()]);
        assert_eq!(sets.len(), 1);
        assert_eq!(sets[0].files.len(), 1);
    }
}
