//! Folders nested deeper than a path can say.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::{sys, temp::Temp};

/// A chain of folders, one within the other, removed when the test ends.
#[derive(Debug)]
pub(crate) struct Deep {
    names: Vec<CString>,
    files: Vec<CString>,
    leaf: OwnedFd,
    /// Path of the deepest folder, however long.
    path: String,
}

impl Deep {
    /// Makes folders of these names in `temp`, each within the one before.
    pub(crate) fn new(temp: &Temp, names: impl IntoIterator<Item = String>) -> Self {
        let mut path = temp.path().to_str().expect("a path of ASCII").to_owned();
        let mut leaf = sys::open_path(temp.path()).expect("opening the folder");
        let mut made = Vec::new();
        for name in names {
            path.push('/');
            path.push_str(&name);
            let name = CString::new(name).expect("a name without NUL");
            sys::make_folder_at(leaf.as_raw_fd(), &name).expect("a folder within");
            leaf = sys::open_at(leaf.as_raw_fd(), &name).expect("opening the folder within");
            made.push(name);
        }
        Self {
            names: made,
            files: Vec::new(),
            leaf,
            path,
        }
    }

    /// Folders with names of `name_len` bytes, so that the deepest has a path of exactly `len` bytes.
    pub(crate) fn with_path_of(temp: &Temp, len: usize, name_len: usize) -> Self {
        let mut left = len
            .checked_sub(temp.path().as_os_str().len())
            .expect("room below the folder");
        let mut names = Vec::new();
        while left > 0 {
            // What is left must have room for a slash and a byte.
            let mut take = left.min(name_len + 1);
            if left - take == 1 {
                take = if take < 256 { take + 1 } else { take - 1 };
            }
            names.push(letters(take - 1, names.len()));
            left -= take;
        }
        let deep = Self::new(temp, names);
        assert_eq!(deep.path.len(), len);
        deep
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The deepest folder.
    pub(crate) fn leaf(&self) -> OwnedFd {
        self.leaf.try_clone().expect("a second descriptor")
    }

    /// Writes a program into the deepest folder.
    pub(crate) fn executable(&mut self, name: &str, bytes: &[u8]) {
        let name = CString::new(name).expect("a name without NUL");
        sys::make_executable_at(self.leaf.as_raw_fd(), &name, bytes).expect("a program in the deepest folder");
        self.files.push(name);
    }

    fn remove(&self) -> io::Result<()> {
        for file in &self.files {
            sys::remove_at(self.leaf.as_raw_fd(), file, 0)?;
        }
        let mut folder = self.leaf.try_clone()?;
        for name in self.names.iter().rev() {
            folder = sys::open_at(folder.as_raw_fd(), c"..")?;
            sys::remove_at(folder.as_raw_fd(), name, libc::AT_REMOVEDIR)?;
        }
        // Keeps the type of the descriptors plain: closing is all that is left.
        drop(File::from(folder));
        Ok(())
    }
}

impl Drop for Deep {
    fn drop(&mut self) {
        // A folder that stays behind is untidy, no failure.
        let _ = self.remove();
    }
}

fn letters(len: usize, seed: usize) -> String {
    (0..len)
        .map(|i| char::from(b'a' + u8::try_from((i + seed) % 26).unwrap_or(0)))
        .collect()
}
