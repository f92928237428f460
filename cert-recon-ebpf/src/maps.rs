//! The maps and globals that the programs share with user space and among each other.

use aya_ebpf::{
    helpers::generated,
    macros::map,
    maps::{Array, PerCpuArray, ProgramArray, RingBuf},
};
use cert_recon_common::{Counters, Head, LANES, Task, program};

use crate::kernel::SPAN;

/// Sets the fields one by one. Volatile: the compiler would make one call of memset of neighbouring zeros, and a program that
/// makes tail calls may have no functions.
macro_rules! fill {
    ($to:ident, { $($field:ident $(: $value:expr)?,)* }) => {$({
        let value = fill!(@ $field $($value)?);
        // SAFETY: a field of the structure that the pointer was taken from.
        unsafe { (&raw mut (*$to).$field).write_volatile(value) };
    })*};
    (@ $field:ident $value:expr) => { $value };
    (@ $field:ident) => { $field };
}
pub(crate) use fill;

/// Records on their way to user space. The loader sets the size.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// Until when user space looks for records by itself (boot clock, nanoseconds), written by it.
#[map]
static AWAKE: Array<u64> = Array::with_max_entries(1, 0);

/// Until when user space need not be woken.
#[inline(always)]
pub(crate) fn awake_until() -> u64 {
    // SAFETY: the value lives as long as the program; volatile, since user space writes it.
    AWAKE.get_ptr(0).map_or(0, |time| unsafe { time.read_volatile() })
}

/// [`Counters`] of each CPU.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

/// The record that is being made on each CPU, one for each lane.
#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(LANES, 0);

/// The programs that the exec program continues in, set by the loader.
#[map]
pub(crate) static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(program::COUNT, 0);

/// The scan of the running processes.
#[map]
pub(crate) static SCAN: PerCpuArray<ScanState> = PerCpuArray::with_max_entries(1, 0);

/// State of a scan.
#[repr(C)]
pub(crate) struct ScanState {
    /// Where the scan began; 0 when there is none.
    pub(crate) first: u64,
    /// Where it is.
    pub(crate) task: u64,
    /// Processes that were to be sent.
    pub(crate) sent: u64,
    /// 0 unless one of them could not be sent.
    pub(crate) failed: u64,
    /// The record of the one that is being sent.
    pub(crate) record: Task,
    /// For members of a structure that are read together.
    pub(crate) members: [u64; SPAN / 8],
}

/// How the monitor's own execs, which ask for a scan, begin: the first argument. Set by the loader before the program is loaded,
/// and frozen.
#[unsafe(no_mangle)]
pub(crate) static CANARY: [u64; 2] = [0; 2];

/// Bytes that a CPU may send without waking user space. Set by the loader like [`CANARY`].
#[unsafe(no_mangle)]
pub(crate) static QUIET_BYTES: u64 = 0;

/// Whether this kernel may preempt programs on tracepoints: 0 or 1. Set by the loader like [`CANARY`].
#[unsafe(no_mangle)]
pub(crate) static MAY_PREEMPT: u64 = 1;

/// A per-CPU map's value may have 32 KiB at most (`PCPU_MIN_UNIT_SIZE`).
const SCRATCH_SIZE: usize = 32 << 10;
/// Bytes after the fixed part of the record.
pub(crate) const TAIL: usize = SCRATCH_SIZE - size_of::<Head>() - 14 * size_of::<u64>() - SPAN;

/// The record in the making and the state of the loops that make it.
#[repr(C)]
pub(crate) struct Scratch {
    /// The task that runs exec.
    pub(crate) task: u64,
    /// Its new memory image.
    pub(crate) mm: u64,
    /// First byte of argv in the process's memory.
    pub(crate) arg_start: u64,
    /// Bytes of argv that were sent.
    pub(crate) argv_sent: u64,
    /// Bytes of `tail` in use.
    pub(crate) pos: u64,
    /// Where the path that is being walked begins in `tail`.
    pub(crate) path_start: u64,
    /// The walk's place: a dentry ...
    pub(crate) dentry: u64,
    /// ... in a mount (`struct mount`) ...
    pub(crate) mount: u64,
    /// ... whose root is this dentry.
    pub(crate) mount_root: u64,
    /// Which path is being walked: 0 the executable's, 1 the working directory's.
    pub(crate) which: u32,
    /// Programs that walked it before this one.
    pub(crate) passes: u32,
    /// What the last step of the walk came to.
    pub(crate) outcome: u64,
    /// When a record of this lane woke user space last (boot clock).
    pub(crate) woke_ns: u64,
    /// Bytes that it sent since then.
    pub(crate) unwoken: u64,
    /// Its lane: the number of the attached program whose exec this is.
    pub(crate) lane: u32,
    /// Fills up to 8 bytes.
    reserved: u32,
    /// Members of a kernel structure.
    pub(crate) members: [u64; SPAN / 8],
    /// The record.
    pub(crate) head: Head,
    /// The record's strings, right behind it.
    pub(crate) tail: [u8; TAIL],
}

const _: () = assert!(size_of::<Scratch>() == SCRATCH_SIZE);
const _: () = assert!(core::mem::offset_of!(Scratch, tail) == core::mem::offset_of!(Scratch, head) + Head::SIZE);
const _: () = assert!(TAIL + Head::SIZE >= cert_recon_common::HEAD_MAX);

/// This CPU's scratch value of an attached program, by its lane. The kernel runs a tracepoint program on a CPU only once at a
/// time (`prog->active`), so nothing else writes to it before that program's exec is done.
#[inline(always)]
pub(crate) fn scratch(lane: u32) -> Option<&'static mut Scratch> {
    // SAFETY: the pointer is to this CPU's map value, which lives as long as the program and has no other user.
    SCRATCH.get_ptr_mut(lane).map(|s| unsafe { &mut *s })
}

/// The scratch value of the exec that is going on in this task: where a program goes on that was reached by a tail call. Several
/// lanes may be at work on one CPU, when the task of one was preempted by that of another. The lanes before that of this task
/// are at work for others, or it would be in theirs.
#[inline(always)]
pub(crate) fn resume() -> Option<&'static mut Scratch> {
    // SAFETY: a helper without arguments.
    let task = unsafe { generated::bpf_get_current_task() };
    let mut found = 0;
    // Not a loop: the verifier would have to know the lane, which is to be unknown from here on, so that it walks what follows
    // once and not once for each lane.
    if scratch(0)?.task != task {
        found = 1;
        if scratch(1)?.task != task {
            found = if scratch(2)?.task == task { 2 } else { 3 };
        }
    }
    let mut lane = 0;
    // SAFETY: a local variable.
    let lane = unsafe {
        core::ptr::write_volatile(&raw mut lane, found);
        core::ptr::read_volatile(&raw const lane)
    };
    scratch(lane).filter(|s| s.task == task)
}

const _: () = assert!(LANES == 4);

/// Whether a lane before this one has noted the memory image last.
#[inline(always)]
pub(crate) fn is_taken(lane: u32, mm: u64) -> bool {
    (0..lane).any(|before| scratch(before).is_none_or(|s| s.mm == mm))
}

/// Changes this CPU's counters.
#[inline(always)]
pub(crate) fn count(change: impl FnOnce(&mut Counters)) {
    if let Some(counters) = COUNTERS.get_ptr_mut(0) {
        // SAFETY: as for the scratch value; user space only reads.
        change(unsafe { &mut *counters });
    }
}
