//! What this host has recorded: the places where records usually are, and which of them exist.
//!
//! Owns that list. It opens no record; whoever asks reads them.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::Format;

/// A source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its format; none when its content says it.
    pub format: Option<Format>,
    /// Where it is.
    pub at: Where,
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// The files of one set: a log and what became of it by rotation. In no order.
    Files(Vec<PathBuf>),
    /// A folder and all that is in it.
    Folder(PathBuf),
    /// What a program writes to its standard output.
    Program(PathBuf, Vec<&'static str>),
    /// The processes that run, below this folder.
    Processes(PathBuf),
}

/// Logs, each with what rotation makes of its name.
const LOGS: [(Option<Format>, &str); 8] = [
    (Some(Format::Auditd), "var/log/audit/audit.log"),
    (None, "var/log/auth.log"),
    (None, "var/log/secure"),
    (None, "var/log/syslog"),
    (None, "var/log/messages"),
    // The kernel's audit lines, where no auditd runs.
    (None, "var/log/kern.log"),
    (Some(Format::Sudo), "var/log/sudo.log"),
    (Some(Format::Sudo), "var/log/sudo"),
];

/// What cert-recon itself has written.
const OWN: [&str; 2] = ["var/log/cert-recon", "var/lib/cert-recon/record"];

/// Histories in a home.
const HISTORIES: [(Format, &str); 8] = [
    (Format::BashHistory, ".bash_history"),
    (Format::BashHistory, ".sh_history"),
    (Format::BashHistory, ".ash_history"),
    (Format::BashHistory, ".history"),
    (Format::ZshHistory, ".zsh_history"),
    (Format::ZshHistory, ".zhistory"),
    (Format::ZshHistory, ".histfile"),
    (Format::FishHistory, ".local/share/fish/fish_history"),
];

/// The entries of the journal that a hunt looks at.
const JOURNAL: [&str; 11] = [
    "--quiet",
    "--no-pager",
    "--all",
    "--output=json",
    "_TRANSPORT=audit",
    "+",
    "SYSLOG_IDENTIFIER=sudo",
    "+",
    "_COMM=sudo",
    "+",
    "SYSLOG_IDENTIFIER=sysmon",
];

/// What exists of the known sources below `root` (usually `/`), and what could not be looked at, with why.
#[must_use]
pub fn known(root: &Path) -> (Vec<Source>, Vec<(PathBuf, io::Error)>) {
    let mut found = Found {
        sources: Vec::new(),
        problems: Vec::new(),
    };
    for (format, log) in LOGS {
        found.log(format, &root.join(log));
    }
    for folder in OWN {
        let folder = root.join(folder);
        if found.exists(&folder) {
            found.add(None, Where::Folder(folder));
        }
    }
    for home in found.homes(root) {
        for (format, name) in HISTORIES {
            let file = home.join(name);
            if found.exists(&file) {
                found.add(Some(format), Where::Files(vec![file]));
            }
        }
    }
    let programs = ["usr/bin/journalctl", "bin/journalctl"].map(|path| root.join(path));
    let journals = ["var/log/journal", "run/log/journal"].map(|path| root.join(path));
    if let Some(program) = programs.into_iter().find(|program| found.exists(program))
        && journals.iter().any(|journal| found.exists(journal))
    {
        found.add(Some(Format::Journald), Where::Program(program, JOURNAL.to_vec()));
    }
    let processes = root.join("proc");
    if found.exists(&processes.join("stat")) {
        found.add(Some(Format::Proc), Where::Processes(processes));
    }
    (found.sources, found.problems)
}

struct Found {
    sources: Vec<Source>,
    problems: Vec<(PathBuf, io::Error)>,
}

impl Found {
    fn add(&mut self, format: Option<Format>, at: Where) {
        let source = Source { format, at };
        if !self.sources.contains(&source) {
            self.sources.push(source);
        }
    }

    fn exists(&mut self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(_) => true,
            Err(error) => {
                self.problem(path, error);
                false
            }
        }
    }

    /// What is not there is no problem.
    fn problem(&mut self, path: &Path, error: io::Error) {
        if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            self.problems.push((path.to_owned(), error));
        }
    }

    fn log(&mut self, format: Option<Format>, log: &Path) {
        let (Some(folder), Some(name)) = (log.parent(), log.file_name()) else {
            return;
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.problem(folder, error),
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| is_of(&entry.file_name(), name))
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        files.sort_unstable();
        if !files.is_empty() {
            self.add(format, Where::Files(files));
        }
    }

    /// Of root, and of every account.
    fn homes(&mut self, root: &Path) -> Vec<PathBuf> {
        let mut homes = vec![root.join("root")];
        let accounts = root.join("etc/passwd");
        let text = fs::read(&accounts).unwrap_or_else(|error| {
            self.problem(&accounts, error);
            Vec::new()
        });
        for line in text.split(|&byte| byte == b'\n') {
            let home = line.split(|&byte| byte == b':').nth(5).unwrap_or_default();
            // Accounts without a home of their own have `/` or something that does not exist.
            let Some(home) = home.strip_prefix(b"/").filter(|home| !home.is_empty()) else {
                continue;
            };
            let home = root.join(OsStr::from_bytes(home));
            if !homes.contains(&home) {
                homes.push(home);
            }
        }
        homes
    }
}

/// `auth.log`, `auth.log.1`, `auth.log.2.gz`, `auth.log-20261125`.
fn is_of(name: &OsStr, log: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(log.as_bytes());
    rest.is_some_and(|rest| match rest {
        [] => true,
        [b'.' | b'-', number, ..] => number.is_ascii_digit(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn paths(root: &Path) -> Vec<String> {
        let (sources, problems) = known(root);
        assert!(problems.is_empty(), "{problems:?}");
        let shown = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        let mut paths = Vec::new();
        for source in sources {
            let format = source.format.map_or("auto", Format::as_str);
            let at = match source.at {
                Where::Files(files) => files.iter().map(|file| shown(file)).collect::<Vec<_>>().join(" "),
                Where::Folder(folder) => format!("{}/", shown(&folder)),
                Where::Program(program, arguments) => format!("{} {}", shown(&program), arguments.len()),
                Where::Processes(folder) => format!("{}!", shown(&folder)),
            };
            paths.push(format!("{format}: {at}"));
        }
        paths
    }

    #[test]
    fn what_exists_is_found_and_nothing_else() {
        let folder = Folder::new("local");
        let root = folder.0.clone();
        assert!(paths(&root).is_empty());
        for file in [
            "var/log/audit/audit.log",
            "var/log/audit/audit.log.1",
            "var/log/auth.log",
            "var/log/auth.log.2.gz",
            "var/log/auth.log-20261125.zst",
            "var/log/auth.log.bak",
            "var/log/authentic",
            "var/log/sudo.log",
            "var/log/sudo-io/00",
            "var/log/cert-recon/findings.json",
            "root/.bash_history",
            "home/alice/.zsh_history",
            "home/alice/.local/share/fish/fish_history",
            "home/bob/.bash_history",
            "usr/bin/journalctl",
            "run/log/journal/x",
            "proc/stat",
        ] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            folder.file(file, b"");
        }
        fs::create_dir_all(root.join("etc")).unwrap();
        folder.file(
            "etc/passwd",
            b"root:x:0:0:root:/root:/bin/bash\nalice:x:1:1::/home/alice:/bin/zsh\nnobody:x:2:2::/nonexistent:\nsys:x:3:3::/:\n\xff\n",
        );
        assert_eq!(
            paths(&root),
            [
                "auditd: var/log/audit/audit.log var/log/audit/audit.log.1",
                "auto: var/log/auth.log var/log/auth.log-20261125.zst var/log/auth.log.2.gz",
                "sudo: var/log/sudo.log",
                "auto: var/log/cert-recon/",
                "bash: root/.bash_history",
                "zsh: home/alice/.zsh_history",
                "fish: home/alice/.local/share/fish/fish_history",
                "journald: usr/bin/journalctl 11",
                "proc: proc!",
            ]
        );
    }
}
