//! How full the ring buffer is: the kernel shows both positions in pages of their own, before the data (`kernel/bpf/ringbuf.c`).

use std::{
    io,
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{mm::MapFlags, param::page_size};

use super::mapping::Mapping;

/// The positions: two pages, of the reader, of the writers.
pub(super) struct Fill(Mapping);

impl Fill {
    /// Of the ring buffer that is this map.
    ///
    /// # Errors
    /// When the kernel does not let it be mapped.
    pub(super) fn of(map: impl AsFd) -> io::Result<Self> {
        Mapping::of(map, 2 * page_size(), MapFlags::SHARED).map(Self)
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        let position = |page: usize| {
            // SAFETY: it is in the mapping, which lives as long as this value, and aligned to a page. The kernel writes it as one
            // number; this side, through another mapping, as well.
            unsafe { AtomicU64::from_ptr(self.0.address().add(page * page_size()).cast()) }.load(Ordering::Relaxed)
        };
        // The reader's first: it is never ahead.
        let read = position(0);
        usize::try_from(position(1).saturating_sub(read)).unwrap_or(usize::MAX)
    }
}
