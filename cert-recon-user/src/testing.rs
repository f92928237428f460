//! What unit tests of several modules need.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// A folder of its own, removed at the end. Only its owner can write to it and to its files.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// `name` is no other test's.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cert-recon-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        set_mode(&path, 0o755);
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        set_mode(&path, 0o644);
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
