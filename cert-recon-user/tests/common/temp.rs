//! A folder of the test's own, gone when the test ends.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    elf::{Program, elf},
    eventually, sys, token,
};

/// The folder. Its name holds a token, so every program in it has that in its FolderPath. Others may look into it.
#[derive(Debug)]
pub(crate) struct Temp {
    path: PathBuf,
}

impl Temp {
    pub(crate) fn new() -> Self {
        let token = token();
        let root = fs::canonicalize(std::env::temp_dir()).expect("the folder for temporary files");
        let path = root.join(format!("cert-recon-live-{token}"));
        fs::create_dir(&path).expect("a new folder for temporary files");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file that can be executed, at once.
    pub(crate) fn executable(&self, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, bytes).expect("writing a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        let written = fs::File::open(&path).expect("the program");
        assert!(
            eventually(|| !sys::is_open_for_writing(&written)),
            "nobody writes to {} any more",
            path.display()
        );
        path
    }

    /// Writes a program of the given kind.
    pub(crate) fn program(&self, name: impl AsRef<Path>, program: Program) -> PathBuf {
        self.executable(name, &elf(program))
    }

    /// Makes a folder.
    pub(crate) fn folder(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir(&path).expect("a new folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        path
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // A folder that stays behind is untidy, no failure.
        let _ = fs::remove_dir_all(&self.path);
    }
}
