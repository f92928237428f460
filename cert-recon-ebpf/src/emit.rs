//! Sending records: the one place that knows what to do when there is no room, and when user space is woken.
//!
//! To wake it costs more than all else that the programs do (an interrupt of this CPU, one of another, a switch there), so a
//! lane does so once in [`WAKE_INTERVAL_NS`], and not while user space looks by itself anyway. An exec of a file that has no
//! name always wakes it: such a file can be read only as long as its process lives. An exec whose last record is complete later
//! than that wakes it in any case ([`sent`]), so none is left lying.

use aya_ebpf::helpers::generated;
use cert_recon_common::{Cut, Head, Prefix, WAKE_INTERVAL_NS, flags, kind};

use crate::maps::{EVENTS, MAY_PREEMPT, QUIET_BYTES, Scratch, TAIL, awake_until, count};

/// Wake user space when the record is complete (`include/uapi/linux/bpf.h`).
pub(crate) const WAKE: u64 = 2;
/// Wake it when it had taken all that was there before.
pub(crate) const WAKE_IF_EMPTIED: u64 = 0;
/// Do not.
const NO_WAKE: u64 = 1;

/// When the next record of this lane, of `len` bytes, is to wake user space, its flags. `now` is the boot clock's.
#[inline(always)]
fn wake(s: &mut Scratch, now: u64, len: u64) -> u64 {
    let flags = wake_when_full(s, len);
    if flags == NO_WAKE && is_awake(s, now) && s.head.exe_nlink != 0 {
        return NO_WAKE;
    }
    s.woke_ns = now;
    s.unwoken = 0;
    WAKE
}

/// The same for a record that others follow: without a look at the clock, since after the last of them there is one ([`sent`]).
#[inline(always)]
pub(crate) fn wake_when_full(s: &mut Scratch, len: u64) -> u64 {
    let unwoken = s.unwoken + len;
    if unwoken <= quiet_bytes() {
        s.unwoken = unwoken;
        return NO_WAKE;
    }
    s.unwoken = 0;
    WAKE
}

/// Bytes that a CPU may send without waking user space, so that all together leave most of the ring buffer free. Whether they
/// still wait is not asked: that is a cache line which another CPU changes.
#[inline(always)]
fn quiet_bytes() -> u64 {
    // SAFETY: a static of this program; volatile, because the loader changes it behind the compiler's back.
    unsafe { core::ptr::read_volatile(&raw const QUIET_BYTES) }
}

/// The last record of an exec has been sent: wakes user space when that took so long that it may have stopped looking.
#[inline(always)]
pub(crate) fn sent(s: &mut Scratch) {
    let now = now();
    if !is_awake(s, now)
        && let Some(nothing) = EVENTS.reserve::<u64>(0)
    {
        s.woke_ns = now;
        nothing.discard(WAKE);
    }
}

/// The head record has been sent, and is all there is. From the look at the clock to here it is a few microseconds, and user
/// space looks milliseconds longer than it promises: what comes between can make that too late only where programs are preempted.
#[inline(always)]
pub(crate) fn sent_at_once(s: &mut Scratch) {
    // SAFETY: as in `quiet_bytes`.
    if unsafe { core::ptr::read_volatile(&raw const MAY_PREEMPT) } != 0 {
        sent(s);
    }
}

/// Whether user space will look after this time without being woken.
#[inline(always)]
fn is_awake(s: &Scratch, now: u64) -> bool {
    now < awake_until() || now.wrapping_sub(s.woke_ns) < WAKE_INTERVAL_NS
}

/// The boot clock.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { generated::bpf_ktime_get_boot_ns() }
}

/// Sends the head record; false when there is no room.
#[inline(always)]
pub(crate) fn head(s: &mut Scratch) -> bool {
    let pos = s.pos;
    if pos > TAIL as u64 {
        return false;
    }
    let flags = wake(s, s.head.boot_ns, Head::SIZE as u64 + pos);
    // SAFETY: the record's strings follow it without a gap (checked at compile time where the type is), `pos` bytes of them.
    unsafe { output((&raw mut s.head).cast(), Head::SIZE as u64 + pos, flags) }
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

/// Sends `len` bytes as one record, with these flags of the ring buffer; false when there is no room.
///
/// # Safety
/// `len` bytes at `from` must be readable.
#[inline(always)]
pub(crate) unsafe fn output(from: *mut u8, len: u64, flags: u64) -> bool {
    // SAFETY: the caller's word.
    unsafe { answer(from, len, flags) == 0 }
}

/// As [`output`]: 0 or the kernel's error number.
///
/// # Safety
/// As [`output`].
#[inline(always)]
pub(crate) unsafe fn answer(from: *mut u8, len: u64, flags: u64) -> u64 {
    // SAFETY: the map is a ring buffer; the caller's word for the bytes.
    unsafe { generated::bpf_ringbuf_output((&raw const EVENTS).cast_mut().cast(), from.cast(), len, flags) as u64 }
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
    unsafe { output((&raw mut cut).cast(), Cut::SIZE as u64, WAKE) };
}
