//! A small file system of the test's own, gone when the test ends.

use std::{
    ffi::{CStr, CString},
    io,
    path::{Path, PathBuf},
};

use super::{
    sys::{c_path, check},
    temp::Temp,
};

/// A file system in memory that can be full.
#[derive(Debug)]
pub(crate) struct Small {
    path: PathBuf,
    // Removed after it is unmounted.
    _temp: Temp,
}

impl Small {
    /// With room for so many bytes, a multiple of the page size.
    #[track_caller]
    pub(crate) fn new(bytes: u64) -> Self {
        let temp = Temp::new();
        let path = temp.folder("small");
        let options = CString::new(format!("size={bytes},mode=0755")).expect("options without NUL");
        mount(c"tmpfs", &path, c"tmpfs", &options).expect("mounting a tmpfs");
        Self { path, _temp: temp }
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let path = c_path(&self.path);
        // Detached: a program may still have a file on it.
        // SAFETY: the path ends in NUL.
        if let Err(error) = check(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }) {
            eprintln!("unmounting {}: {error}", self.path.display());
        }
    }
}

fn mount(source: &CStr, target: &Path, kind: &CStr, options: &CStr) -> io::Result<()> {
    let target = c_path(target);
    // SAFETY: the strings end in NUL.
    check(unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            libc::MS_NOSUID,
            options.as_ptr().cast(),
        )
    })
    .map(drop)
}
