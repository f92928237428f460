//! A mapping of something of the kernel's, to be read only.

use std::{io, os::fd::AsFd, ptr};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Nobody else has it; it lives as long as this value.
pub(super) struct Mapping {
    address: *mut u8,
    len: usize,
}

// SAFETY: a mapping can be read from any thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// The first `len` bytes of it.
    ///
    /// # Errors
    /// When the kernel does not let it be mapped.
    pub(super) fn of(file: impl AsFd, len: usize, flags: MapFlags) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses.
        let address = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, flags, file, 0) }?;
        Ok(Self {
            address: address.cast(),
            len,
        })
    }

    /// Where it begins: at a page.
    pub(super) fn address(&self) -> *mut u8 {
        self.address
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        let _ = unsafe { munmap(self.address.cast(), self.len) };
    }
}
