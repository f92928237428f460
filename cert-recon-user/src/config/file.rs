//! Reading files that decide what is reported: only those that nobody but root, or the user of this process, can change.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

/// Largest file that is read, bytes.
pub const MOST_FILE_BYTES: u64 = 4 << 20;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It can't be read.
    #[error("reading {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The error.
        source: io::Error,
    },
    /// It is a symbolic link.
    #[error("{0} is a symbolic link, which could lead anywhere: name the file itself")]
    Link(String),
    /// It is a device, a pipe or a folder.
    #[error("{0} is not a regular file")]
    NotRegular(String),
    /// Others could change it, or put another in its place.
    #[error(
        "{path} could be changed by others ({what} {why}): give it to root or to yourself (chown) and take the rights of others (chmod go-w)"
    )]
    Unsafe {
        /// The file.
        path: String,
        /// The file again, or a folder above it.
        what: String,
        /// How.
        why: &'static str,
    },
    /// It is larger than [`MOST_FILE_BYTES`].
    #[error("{0} is larger than {MOST_FILE_BYTES} bytes")]
    TooLarge(String),
    /// It is not UTF-8.
    #[error("{path}:{line}: this line is not UTF-8")]
    NotText {
        /// The file.
        path: String,
        /// Line of the first such byte, from 1.
        line: usize,
    },
}

impl FileError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a file, if nobody but root and the user of this process can change it, or put another in its place: it and every
/// folder above it belong to one of the two, and neither group nor others may write to them (to a folder they may when it is
/// sticky, like `/tmp`). The last component is not followed when it is a symbolic link; folders are, and then it is their
/// destination that is looked at.
///
/// # Errors
/// When the file can't be read, or is refused.
pub fn read(path: &Path) -> Result<String, FileError> {
    let name = path.display().to_string();
    let failed = |source: io::Error| FileError::Io {
        path: name.clone(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let base = path
        .file_name()
        .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let folder = fs::canonicalize(folder).map_err(&failed)?;
    check_folders(&name, &folder)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(folder.join(base), flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => return Err(FileError::Link(name)),
        Err(error) => return Err(failed(error.into())),
    };
    let meta = file.metadata().map_err(&failed)?;
    if !meta.is_file() {
        return Err(FileError::NotRegular(name));
    }
    let why = if !is_trusted(meta.uid()) {
        Some("belongs to another user")
    } else if meta.mode() & 0o022 != 0 {
        Some("has a mode that lets group or others write")
    } else {
        None
    };
    if let Some(why) = why {
        return Err(FileError::Unsafe {
            path: name,
            what: "it".to_owned(),
            why,
        });
    }
    let mut bytes = Vec::new();
    file.take(MOST_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(&failed)?;
    if bytes.len() as u64 > MOST_FILE_BYTES {
        return Err(FileError::TooLarge(name));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        FileError::NotText {
            path: name,
            line: good.filter(|byte| **byte == b'\n').count() + 1,
        }
    })
}

/// Reads every file of a folder whose name ends in `.toml`, in the order of their names: path and text. Names that begin with
/// a dot are passed over, as editors leave them.
///
/// # Errors
/// As [`read`], of the first file.
pub fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, FileError> {
    let failed = |source: io::Error| FileError::Io {
        path: folder.display().to_string(),
        source,
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| Ok((path.display().to_string(), read(&path)?)))
        .collect()
}

/// Nobody else can move, in this folder or above it, what is on the way to the file.
fn check_folders(name: &str, folder: &Path) -> Result<(), FileError> {
    for folder in folder.ancestors() {
        let meta = fs::symlink_metadata(folder).map_err(|source| FileError::Io {
            path: folder.display().to_string(),
            source,
        })?;
        let why = if !is_trusted(meta.uid()) {
            "belongs to another user"
        } else if meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0 {
            "lets group or others write to it"
        } else {
            continue;
        };
        return Err(FileError::Unsafe {
            path: name.to_owned(),
            what: format!("the folder {}", folder.display()),
            why,
        });
    }
    Ok(())
}

/// Root, or the user of this process.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::testing::{Folder, set_mode};

    #[test]
    fn a_file_that_only_its_owner_can_write_is_read() {
        let folder = Folder::new("config-good");
        let path = folder.file("c", b"text");
        for mode in [0o600, 0o644, 0o400] {
            set_mode(&path, mode);
            assert_eq!(read(&path).unwrap(), "text");
        }
    }

    #[test]
    fn files_and_folders_that_others_can_write_to_are_refused_and_so_is_what_is_no_file() {
        let folder = Folder::new("config-bad");
        let path = folder.file("c", b"text");
        for mode in [0o664, 0o646, 0o666] {
            set_mode(&path, mode);
            assert!(matches!(read(&path), Err(FileError::Unsafe { .. })), "{mode:o}");
        }
        set_mode(&path, 0o600);
        symlink(&path, folder.0.join("link")).unwrap();
        assert!(matches!(read(&folder.0.join("link")), Err(FileError::Link(_))));
        assert!(matches!(read(Path::new("/dev/null")), Err(FileError::NotRegular(_))));
        assert!(matches!(read(&folder.0), Err(FileError::NotRegular(_))));
        assert!(read(&folder.0.join("none")).unwrap_err().is_not_found());
        assert!(read(&folder.0.join("none/none")).unwrap_err().is_not_found());
        assert!(matches!(read(Path::new("/")), Err(FileError::Io { .. })));

        let inner = folder.0.join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("c"), "text").unwrap();
        set_mode(&inner.join("c"), 0o600);
        symlink(&inner, folder.0.join("way")).unwrap();
        for (mode, good) in [(0o755, true), (0o775, false), (0o777, false), (0o1777, true)] {
            set_mode(&inner, mode);
            for way in ["inner/c", "way/c"] {
                let result = read(&folder.0.join(way));
                assert_eq!(result.is_ok(), good, "{mode:o} {way}: {result:?}");
            }
        }
    }

    #[test]
    fn a_file_is_text_and_not_endless() {
        let folder = Folder::new("config-text");
        let path = folder.file("c", b"a\nb\n\xff\n");
        let error = read(&path).unwrap_err();
        assert!(error.to_string().ends_with("/c:3: this line is not UTF-8"), "{error}");
        let large = vec![b'a'; usize::try_from(MOST_FILE_BYTES).unwrap() + 1];
        assert!(matches!(read(&folder.file("c", &large)), Err(FileError::TooLarge(_))));
        assert!(read(&folder.file("c", &large[1..])).is_ok());
    }

    #[test]
    fn of_a_folder_the_toml_files_are_read_in_the_order_of_their_names() {
        let folder = Folder::new("config-folder");
        for name in ["b.toml", "a.toml", ".c.toml", "d.toml~", "README"] {
            folder.file(name, name.as_bytes());
        }
        let files = read_folder(&folder.0).unwrap();
        let texts: Vec<_> = files.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a.toml", "b.toml"]);
        assert!(files[0].0.ends_with("/a.toml"));
        set_mode(&folder.0.join("b.toml"), 0o666);
        assert!(read_folder(&folder.0).is_err(), "all of them, or none");
        assert!(read_folder(&folder.0.join("none")).unwrap_err().is_not_found());
    }
}
