//! Sending records: the one place that knows what to do when there is no room.

use aya_ebpf::helpers::generated;
use cert_recon_common::{Cut, Head, Prefix, flags, kind};

use crate::maps::{EVENTS, Scratch, TAIL, count};

/// Sends the head record; false when there is no room.
#[inline(always)]
pub(crate) fn head(s: &mut Scratch) -> bool {
    let pos = s.pos;
    if pos > TAIL as u64 {
        return false;
    }
    // SAFETY: the record's strings follow it without a gap (checked at compile time where the type is), `pos` bytes of them.
    unsafe { output((&raw mut s.head).cast(), Head::SIZE as u64 + pos) }
}

/// Gives the scratch value back: from here on it is no task's. Otherwise a later exec of the same task, in the hands of another
/// program, could be taken for one of this one.
#[inline(always)]
pub(crate) fn done(s: &mut Scratch) {
    s.task = 0;
}

/// Counts an exec of which nothing could be sent.
#[inline(always)]
pub(crate) fn lose(s: &mut Scratch) {
    done(s);
    if s.head.flags & flags::SECOND == 0 {
        count(|c| c.lost += 1);
    } else {
        count(|c| c.second_lost += 1);
    }
}

/// Sends `len` bytes as one record; false when there is no room.
///
/// # Safety
/// `len` bytes at `from` must be readable.
#[inline(always)]
pub(crate) unsafe fn output(from: *mut u8, len: u64) -> bool {
    // SAFETY: the map is a ring buffer; the caller's word for the bytes.
    unsafe { generated::bpf_ringbuf_output((&raw const EVENTS).cast_mut().cast(), from.cast(), len, 0) == 0 }
}

/// Counts an argv that could not be sent whole, and says so in a record. That may fail as well: user space also knows an
/// exec to be over when the next one of the same CPU begins.
#[inline(always)]
pub(crate) fn cut(s: &Scratch, reason: u32) {
    count(|c| c.argv_cut += 1);
    let mut cut = Cut {
        prefix: Prefix {
            kind: kind::CUT,
            abi: cert_recon_common::ABI,
            cpu: s.head.prefix.cpu,
            seq: s.head.prefix.seq,
        },
        sent: s.argv_sent,
        reason,
        reserved: 0,
    };
    // SAFETY: the structure's own bytes; it has no padding.
    unsafe { output((&raw mut cut).cast(), Cut::SIZE as u64) };
}
