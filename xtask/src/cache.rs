//! Where downloaded and unpacked things are kept: outside the tree, shared by all checkouts of a user.
//!
//! Everything in it can be made again; deleting the folder costs time only.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};

/// `$XDG_CACHE_HOME/cert-recon`, or `~/.cache/cert-recon`; made if it is missing.
pub(crate) fn dir() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        Some(base) => base,
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set: set one of them")?)
            .join(".cache"),
    };
    let dir = base.join("cert-recon");
    fs::create_dir_all(&dir).with_context(|| format!("making the cache folder {}", dir.display()))?;
    Ok(dir)
}
