//! Names of users, from `/etc/passwd`.

use std::{collections::HashMap, fs, path::PathBuf, time::SystemTime};

/// The users of this host. Read when a name is first asked for, and again when the file has changed.
#[derive(Debug)]
pub struct Accounts {
    file: PathBuf,
    /// Modification time and inode-independent length of what was read.
    read: Option<(SystemTime, u64)>,
    names: HashMap<u32, String>,
}

impl Accounts {
    /// The users in `file`, which has the form of `/etc/passwd`.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            read: None,
            names: HashMap::new(),
        }
    }

    /// The user's name; the number when there is no name.
    pub fn name(&mut self, uid: u32) -> String {
        let state = fs::metadata(&self.file)
            .ok()
            .and_then(|m| Some((m.modified().ok()?, m.len())));
        if state.is_some() && state != self.read {
            // A file that can't be read leaves the names that were known.
            if let Ok(bytes) = fs::read(&self.file) {
                self.names = parse(&bytes);
                self.read = state;
            }
        }
        self.names.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}

/// Names by number; of several names of one number the first, as `getpwuid` gives it. Lines of another form are passed
/// over, as the C library does.
fn parse(bytes: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(Ok(uid))) = (fields.next(), fields.next(), fields.next().map(str::parse))
            && !name.is_empty()
            && !name.starts_with('#')
        {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts_and_odd_lines_are_passed_over() {
        let names =
            parse(b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\n# x:y:5\nbad\na:x:nan:1\nalice:x:1000:1000\n");
        assert_eq!(names.get(&0).map(String::as_str), Some("root"));
        assert_eq!(names.get(&1000).map(String::as_str), Some("alice"));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn a_number_without_a_name_is_its_own_name() {
        assert_eq!(Accounts::new("/nonexistent").name(4242), "4242");
    }
}
