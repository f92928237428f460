//! The bytes of a kernel's type information: the kernel's own is mapped where it lets that be done (since Linux 6.16), which takes a
//! tenth of the time that reading it page by page takes, and no memory.

use std::{
    fs::{self, File},
    io,
    ops::Deref,
    path::Path,
    ptr, slice,
};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::Options;

/// Type information, read or mapped.
pub(super) enum TypeInformation {
    Read(Vec<u8>),
    /// Address and length of a mapping that nobody else has.
    Mapped(*mut u8, usize),
}

impl TypeInformation {
    /// Of the file at `path`.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // Another file could be cut while it is mapped.
        if path == Path::new(Options::BTF)
            && let Some(mapped) = Self::map(path)
        {
            return Ok(mapped);
        }
        fs::read(path).map(Self::Read)
    }

    fn map(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let len = usize::try_from(file.metadata().ok()?.len()).ok()?;
        // SAFETY: a new mapping at an address that the kernel chooses. What it shows is the kernel's own and never changes.
        let address = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, &file, 0) };
        Some(Self::Mapped(address.ok()?.cast(), len))
    }
}

impl Deref for TypeInformation {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            // SAFETY: the mapping lives as long as this value, can be read, and never changes.
            Self::Mapped(address, len) => unsafe { slice::from_raw_parts(*address, *len) },
        }
    }
}

impl Drop for TypeInformation {
    fn drop(&mut self) {
        if let Self::Mapped(address, len) = self {
            // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
            let _ = unsafe { munmap(address.cast(), *len) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_or_not_the_bytes_are_those_of_the_file() {
        let path = Path::new(Options::BTF);
        let expected = fs::read(path).expect("a kernel with type information, which the tests need");
        assert!(*TypeInformation::of(path).unwrap() == expected);
        if let Some(mapped) = TypeInformation::map(path) {
            assert!(*mapped == expected);
        }
        let copy = std::env::temp_dir().join(format!("cert-recon-btf-{}", std::process::id()));
        fs::write(&copy, &expected).unwrap();
        let other = TypeInformation::of(&copy).unwrap();
        assert!(*other == expected && matches!(other, TypeInformation::Read(_)));
        fs::remove_file(&copy).unwrap();
        assert_eq!(
            TypeInformation::of(&copy).err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
    }
}
