//! The bytes of a kernel's type information: the kernel's own is mapped where it lets that be done (since Linux 6.16), which takes a
//! tenth of the time that reading it page by page takes, and no memory.

use std::{
    fs::{self, File},
    io,
    ops::Deref,
    path::Path,
    slice,
};

use rustix::mm::MapFlags;

use super::{Options, mapping::Mapping};

/// Type information, read or mapped.
pub(super) enum TypeInformation {
    Read(Vec<u8>),
    Mapped(Mapping),
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
        Mapping::of(&file, len, MapFlags::PRIVATE).ok().map(Self::Mapped)
    }
}

impl Deref for TypeInformation {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            // SAFETY: the mapping lives as long as this value and can be read; what it shows is the kernel's own and never changes.
            Self::Mapped(mapping) => unsafe { slice::from_raw_parts(mapping.address(), mapping.len()) },
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
