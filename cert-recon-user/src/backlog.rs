//! Whether the reader of the ring buffer is behind. Who does less urgent work then leaves the processors to it: what waits in a
//! queue can be written later, what the ring buffer has no room for is lost.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Shared by the reader and those who give way to it.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    behind: AtomicBool,
    pressing: AtomicBool,
}

impl Backlog {
    /// Whether the reader has more to read than it should have.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.0.behind.load(Ordering::Relaxed)
    }

    /// Whether so much is to be read that there may soon be no room for more.
    #[must_use]
    pub fn is_pressing(&self) -> bool {
        self.0.pressing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_behind(&self, is_so: bool) {
        self.0.behind.store(is_so, Ordering::Relaxed);
    }

    fn set_pressing(&self, is_so: bool) {
        self.0.pressing.store(is_so, Ordering::Relaxed);
    }
}

/// The reader is behind when it finds more than this part of the ring buffer in one go.
const BEHIND_PART: usize = 16;
/// It is pressing when more than this part of it is in use and as much was read in one go. After a pause that is not so: what came in
/// it was there before.
const PRESSING_PART: usize = 2;
/// Less than this comes together by chance. In a ring buffer that has no room for more, nothing presses: the few execs in it are short,
/// and to report them costs less than they do.
const CHANCE: usize = 1 << 20;

/// What the reader has read since it last found nothing, bytes.
#[derive(Debug)]
pub(crate) struct Unbroken {
    read: usize,
    /// Of more than this it is behind.
    much: usize,
    /// More than this, read and in use, is pressing.
    too_much: usize,
    backlog: Backlog,
}

impl Unbroken {
    /// Of a ring buffer of so many bytes.
    pub(crate) fn new(ring: usize) -> Self {
        Self {
            read: 0,
            much: (ring / BEHIND_PART).max(CHANCE),
            too_much: (ring / PRESSING_PART).max(CHANCE),
            backlog: Backlog::default(),
        }
    }

    pub(crate) fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    /// So many bytes were read; `in_use` says how many of the ring buffer are, and is asked when it matters only.
    pub(crate) fn read(&mut self, bytes: usize, in_use: impl FnOnce() -> usize) {
        self.read += bytes;
        if self.read > self.much {
            self.backlog.set_behind(true);
            let is_pressing = self.read > self.too_much && in_use() > self.too_much;
            self.backlog.set_pressing(is_pressing);
        }
    }

    pub(crate) fn found_nothing(&mut self) {
        if mem::take(&mut self.read) > self.much {
            self.backlog.set_behind(false);
            self.backlog.set_pressing(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn the_reader_is_behind_from_too_much_in_one_go_until_it_finds_nothing() {
        let mut unbroken = Unbroken::new(32 * MIB);
        let backlog = unbroken.backlog();
        for _ in 0..3 {
            unbroken.read(MIB, || 0);
            unbroken.found_nothing();
            unbroken.read(2 * MIB, || 0);
            assert!(!backlog.is_behind());
            unbroken.read(1, || 0);
            assert!(backlog.is_behind());
            unbroken.read(20 * MIB, || 0);
            assert!(backlog.is_behind());
            unbroken.found_nothing();
            assert!(!backlog.is_behind());
        }
    }

    #[test]
    fn it_presses_when_half_is_in_use_after_half_was_read_until_it_is_not() {
        let mut unbroken = Unbroken::new(16 * MIB);
        let backlog = unbroken.backlog();
        for _ in 0..2 {
            unbroken.read(8 * MIB, || 16 * MIB);
            assert!(!backlog.is_pressing(), "as after a pause");
            unbroken.read(1, || 8 * MIB);
            assert!(!backlog.is_pressing());
            unbroken.read(1, || 8 * MIB + 1);
            assert!(backlog.is_pressing());
            unbroken.read(1, || 8 * MIB);
            assert!(!backlog.is_pressing());
            unbroken.read(1, || 16 * MIB);
            assert!(backlog.is_pressing());
            unbroken.found_nothing();
            assert!(!backlog.is_pressing());
        }
    }

    #[test]
    fn nothing_presses_in_a_small_ring_buffer() {
        let mut unbroken = Unbroken::new(MIB);
        unbroken.read(100 * MIB, || MIB);
        assert!(unbroken.backlog().is_behind() && !unbroken.backlog().is_pressing());
    }
}
