//! Rule files of this host: who may have written them, and what they say.
//!
//! Owns reading; what a rule file is, `rules` knows. A file that anybody but root and the user who runs this could have
//! written is refused: who writes rules decides what is seen.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::rules::Pack;

/// Where rule files are unless somebody says otherwise.
pub(super) const DIRECTORY: &str = "/etc/cert-recon/rules.d";

/// No rule file is larger.
const MOST_BYTES: u64 = 4 << 20;

/// A pack and where it is from.
pub(super) struct Loaded {
    pub(super) pack: Pack,
    pub(super) origin: String,
}

/// The packs in a directory, in the order of the files' names. No directory, no packs.
pub(super) fn read(directory: &Path) -> anyhow::Result<Vec<Loaded>> {
    let trying = || format!("reading rule files of {}", directory.display());
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(trying),
    };
    let metadata = fs::metadata(directory).with_context(trying)?;
    refuse_unsafe(directory, &metadata)?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.with_context(trying)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        // Editors leave hidden copies.
        if path.extension().is_some_and(|ending| ending == "toml") && name.is_some_and(|name| !name.starts_with('.')) {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|file| load(file)).collect()
}

fn load(path: &Path) -> anyhow::Result<Loaded> {
    let trying = || format!("reading rule file {}", path.display());
    // The link itself must be trusted, too: who made it decides what it leads to.
    let link = fs::symlink_metadata(path).with_context(trying)?;
    if link.is_symlink() && !is_ours(link.uid()) {
        bail!(
            "rule file {} is a symbolic link of user {}; make it a file of root",
            path.display(),
            link.uid()
        );
    }
    // Not to wait for the writer of a pipe.
    let mut options = File::options();
    options.read(true).custom_flags(libc_nonblock());
    let file = options.open(path).with_context(trying)?;
    let metadata = file.metadata().with_context(trying)?;
    if !metadata.is_file() {
        bail!("rule file {} is no regular file", path.display());
    }
    refuse_unsafe(path, &metadata)?;
    if link.is_symlink()
        && let Some(parent) = fs::canonicalize(path).with_context(trying)?.parent()
    {
        refuse_unsafe(parent, &fs::metadata(parent).with_context(trying)?)?;
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1)
        .read_to_string(&mut text)
        .with_context(trying)?;
    if text.len() as u64 > MOST_BYTES {
        bail!("rule file {} is larger than 4 MiB", path.display());
    }
    let name = path.display().to_string();
    Ok(Loaded {
        pack: Pack::parse(&name, &text)?,
        origin: name,
    })
}

fn libc_nonblock() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default()
}

fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Refuses what others could have written.
fn refuse_unsafe(path: &Path, metadata: &fs::Metadata) -> anyhow::Result<()> {
    let path = path.display();
    if !is_ours(metadata.uid()) {
        bail!(
            "{path} belongs to user {}, who could change what is seen; run `chown root: {path}`",
            metadata.uid()
        );
    }
    if metadata.mode() & 0o022 != 0 {
        bail!(
            "{path} may be written by others than its owner (mode {:04o}); run `chmod go-w {path}`",
            metadata.mode() & 0o7777
        );
    }
    Ok(())
}
