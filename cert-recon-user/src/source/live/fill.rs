//! How full the ring buffer is: the kernel shows both positions in pages of their own, before the data (`kernel/bpf/ringbuf.c`).

use std::{
    io,
    os::fd::AsFd,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

/// The positions, mapped.
pub(super) struct Fill {
    /// Two pages that nobody else has: of the reader, of the writers.
    pages: *mut u8,
}

// SAFETY: the mapping can be read from any thread.
unsafe impl Send for Fill {}

impl Fill {
    /// Of the ring buffer that is this map.
    ///
    /// # Errors
    /// When the kernel does not let it be mapped.
    pub(super) fn of(map: impl AsFd) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses.
        let pages = unsafe {
            mmap(
                ptr::null_mut(),
                2 * page_size(),
                ProtFlags::READ,
                MapFlags::SHARED,
                map,
                0,
            )
        }?;
        Ok(Self { pages: pages.cast() })
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        let position = |page: usize| {
            // SAFETY: it is in the mapping, which lives as long as this value, and aligned to a page. The kernel writes it as one
            // number; this side, through another mapping, as well.
            unsafe { AtomicU64::from_ptr(self.pages.add(page * page_size()).cast()) }.load(Ordering::Relaxed)
        };
        // The reader's first: it is never ahead.
        let read = position(0);
        usize::try_from(position(1).saturating_sub(read)).unwrap_or(usize::MAX)
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows it any more.
        let _ = unsafe { munmap(self.pages.cast(), 2 * page_size()) };
    }
}
