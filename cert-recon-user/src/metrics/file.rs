//! `--metrics-file`: the metrics in a file, by the convention of node_exporter's textfile collector.
//!
//! The folder is opened at the start, when the process has all its rights; from then on a new file is written beside the old one
//! and put in its place, so that a reader never sees half of one.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::Board;
use crate::sink::{folder, output::OpenError};

/// Time between two writes.
const PAUSE: Duration = Duration::from_secs(15);

/// The place of a metrics file.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    folder: OwnedFd,
    name: OsString,
    /// What a new file is called until it is complete.
    draft: OsString,
}

impl MetricsFile {
    /// Looks at the place: the folder must be there, and nobody else may be able to write to it.
    ///
    /// # Errors
    /// When the folder can't be opened or is refused, or the name is none that node_exporter reads.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        let name = path.file_name().filter(|name| {
            let bytes = name.as_bytes();
            bytes.ends_with(b".prom") && bytes != b".prom"
        });
        let Some(name) = name else {
            return Err(OpenError::NotProm(shown()));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = folder::open(parent)?;
        match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() => {}
            Ok(_) => return Err(OpenError::NotRegular(shown())),
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => {
                return Err(OpenError::Io {
                    path: shown(),
                    source: error.into(),
                });
            }
        }
        let draft = |pid: &str| {
            // node_exporter reads what ends in `.prom`; two monitors do not meet.
            let mut draft = OsString::from(".");
            draft.push(name);
            draft.push(format!(".{pid}.tmp"));
            draft
        };
        remove_drafts(parent, &draft("*"));
        Ok(Self {
            path: path.to_owned(),
            folder,
            name: name.to_owned(),
            draft: draft(&std::process::id().to_string()),
        })
    }

    /// Writes it, until the last facts are there and written.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(self, board: Arc<Board>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("metrics-file".to_owned()).spawn(move || {
            loop {
                let more = board.wait(PAUSE);
                self.look(&board);
                if !more {
                    return;
                }
            }
        })
    }

    fn look(&self, board: &Board) {
        let Some(text) = board.text() else { return };
        let result = self.write(text.as_bytes());
        let is_news = board.note(result.is_ok());
        match result {
            Err(error) if is_news => {
                log::error!(
                    "writing the metrics to {}: {error}; it is tried again every {} s",
                    self.path.display(),
                    PAUSE.as_secs()
                );
            }
            Ok(()) if is_news => log::warn!("writing the metrics to {} works again", self.path.display()),
            _ => {}
        }
    }

    /// Puts a new file in the place of the old one.
    fn write(&self, text: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(&self.folder, &self.draft, flags, Mode::RUSR | Mode::WUSR);
        let file = match open() {
            Err(rustix::io::Errno::EXIST) => {
                rustix::fs::unlinkat(&self.folder, &self.draft, AtFlags::empty())?;
                open()?
            }
            file => file?,
        };
        let result = (|| {
            let mut file = File::from(file);
            file.write_all(text)?;
            // Whatever the umask says: node_exporter runs as a user of its own.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?;
            rustix::fs::renameat(&self.folder, &self.draft, &self.folder, &self.name)?;
            Ok(())
        })();
        if result.is_err() {
            let _ = rustix::fs::unlinkat(&self.folder, &self.draft, AtFlags::empty());
        }
        result
    }
}

/// Removes what monitors that were killed while they wrote have left. `pattern` has a `*` for the number of the process.
fn remove_drafts(folder: &Path, pattern: &OsString) {
    let pattern = pattern.as_bytes();
    let Some(star) = memchr::memrchr(b'*', pattern) else {
        return;
    };
    let (start, end) = (pattern.get(..star), pattern.get(star + 1..));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = (|| {
            let pid = name.as_bytes().strip_prefix(start?)?.strip_suffix(end?)?;
            std::str::from_utf8(pid).ok()?.parse::<u32>().ok()
        })();
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;
    use crate::{
        metrics::tests::facts,
        testing::{Folder, set_mode},
    };

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_takes_the_place_of_the_old_one_whole_and_for_all_to_read() {
        let folder = Folder::new("metrics-file");
        let path = folder.0.join("a.prom");
        let dead = folder.file(".a.prom.4294967295.tmp", b"of one that was killed");
        let other = folder.file(".a.prom.x.tmp", b"of somebody else");
        let file = MetricsFile::open(&path).unwrap();
        assert!(!dead.exists() && other.exists());
        file.write(b"first\n").unwrap();
        let first = fs::metadata(&path).unwrap();
        assert_eq!(first.mode() & 0o7777, 0o644);
        fs::write(folder.0.join(&file.draft), "left by a write that was cut").unwrap();
        file.write(b"second\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second\n");
        assert_ne!(fs::metadata(&path).unwrap().ino(), first.ino());
        assert_eq!(names(&folder.0), [".a.prom.x.tmp", "a.prom"]);
    }

    #[test]
    fn a_place_where_others_can_write_is_refused_and_so_are_names_that_nobody_reads() {
        let folder = Folder::new("metrics-refused");
        let open = |path: &Path| MetricsFile::open(path);
        for name in ["a.txt", "prom", ".prom"] {
            assert!(
                matches!(open(&folder.0.join(name)), Err(OpenError::NotProm(_))),
                "{name}"
            );
        }
        let link = folder.0.join("link.prom");
        symlink("/etc/passwd", &link).unwrap();
        assert!(matches!(open(&link), Err(OpenError::NotRegular(_))));
        assert!(matches!(open(&folder.0.join("no/a.prom")), Err(OpenError::Io { .. })));
        set_mode(&folder.0, 0o777);
        assert!(matches!(open(&folder.0.join("a.prom")), Err(OpenError::Unsafe { .. })));
    }

    #[test]
    fn a_failure_is_counted_and_nothing_but_a_whole_file_is_left() {
        let folder = Folder::new("metrics-failure");
        let inner = folder.0.join("inner");
        fs::create_dir(&inner).unwrap();
        let file = MetricsFile::open(&inner.join("a.prom")).unwrap();
        let board = Board::default();
        board.put(facts());
        file.look(&board);
        assert!(!board.is_failing());
        fs::remove_dir_all(&inner).unwrap();
        for failures in 1..=2 {
            file.look(&board);
            assert!(board.is_failing());
            let line = format!("cert_recon_metrics_file_failures_total {failures}\n");
            assert!(board.text().unwrap().contains(&line));
        }
    }

    #[test]
    fn the_last_facts_are_written_before_the_thread_ends() {
        let folder = Folder::new("metrics-last");
        let path = folder.0.join("a.prom");
        let board = Arc::<Board>::default();
        let thread = MetricsFile::open(&path).unwrap().start(Arc::clone(&board)).unwrap();
        let mut last = facts();
        board.put(last.clone());
        last.is_up = false;
        board.put(last);
        thread.join().unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("cert_recon_up 0\n"));
    }
}
