//! Folders that files are put into by name: only those where nobody else could put another in their place.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::Path,
};

use rustix::fs::{Mode, OFlags};

use super::output::OpenError;

/// Opens a folder that belongs to the user of this process and that neither group nor others may write to. Symbolic links are
/// refused.
///
/// # Errors
/// When it can't be opened, or is refused.
pub fn open(folder: &Path) -> Result<OwnedFd, OpenError> {
    let name = folder.display().to_string();
    let failed = |source: io::Error| OpenError::Io {
        path: name.clone(),
        source,
    };
    let meta = std::fs::symlink_metadata(folder).map_err(failed)?;
    if meta.is_symlink() {
        return Err(OpenError::Link(name));
    }
    if !meta.is_dir() {
        return Err(OpenError::NotFolder(name));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    // What was opened is what counts.
    let meta = std::fs::File::from(opened.try_clone().map_err(failed)?)
        .metadata()
        .map_err(failed)?;
    let refused = |why| {
        Err(OpenError::Unsafe {
            path: name.clone(),
            why,
        })
    };
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("it belongs to another user");
    }
    if meta.mode() & 0o022 != 0 {
        return refused("its mode lets group or others write");
    }
    Ok(opened)
}
