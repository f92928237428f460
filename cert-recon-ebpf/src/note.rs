//! Messages for developers (`watch --verbose`): the one place that logs.
//!
//! Their line numbers are part of the object, so they stand in a file of their own, which changes rarely. They make
//! functions, so that only programs without tail calls may use them.

use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::debug;

use crate::maps::Scratch;

/// An argv could not be sent whole.
#[inline(always)]
pub(crate) fn cut(ctx: &RawTracePointContext, s: &Scratch, reason: u32) {
    debug!(
        ctx,
        "argv of process {} cut at {} of {} bytes (reason {})", s.head.pid, s.argv_sent, s.head.argv_len, reason
    );
}

/// An exec could not be sent at all.
#[inline(always)]
pub(crate) fn loss(ctx: &RawTracePointContext, s: &Scratch) {
    debug!(ctx, "exec of process {} lost: the ring buffer has no room", s.head.pid);
}
