//! What the eBPF program counts, one set for each CPU.

use crate::layout::record;

record! {
    /// Counters of one CPU, since the program was loaded. `execs = heads in the ring buffer + lost`, and for the other
    /// programs `second = their heads in the ring buffer + second_lost`.
    #[derive(Default)]
    pub struct Counters {
        /// Execs that the program saw.
        pub execs: u64,
        /// Execs of which not even the head record could be sent.
        pub lost: u64,
        /// Execs that the other programs took, because the first was not run for them.
        pub second: u64,
        /// Of those, execs of which not even the head record could be sent.
        pub second_lost: u64,
        /// Execs whose argv could not be sent whole; their head says how long it was.
        pub argv_cut: u64,
        /// Execs of which a path was too long or too deep to be walked to its root; their head is flagged.
        pub path_cut: u64,
    }
}

impl Counters {
    /// The sum of two sets.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            execs: self.execs.wrapping_add(other.execs),
            lost: self.lost.wrapping_add(other.lost),
            second: self.second.wrapping_add(other.second),
            second_lost: self.second_lost.wrapping_add(other.second_lost),
            argv_cut: self.argv_cut.wrapping_add(other.argv_cut),
            path_cut: self.path_cut.wrapping_add(other.path_cut),
        }
    }
}
