//! The contract between cert-recon's eBPF program and its user space: the layout of every record in the ring buffer, the
//! kernel structure offsets that the loader hands to the program, the counters, and the decoding of all of it.
//!
//! This crate owns layouts and nothing else: no I/O, no allocation, no dependency, no unsafe code. Every layout is checked
//! at compile time to have no padding (padding would carry kernel stack bytes to user space, and the verifier refuses it).
//! Decoding is total: any bytes give either a value or a [`DecodeError`], never a panic.
#![no_std]
#![forbid(unsafe_code)]

mod counters;
mod layout;
mod offsets;
mod record;

pub use counters::Counters;
pub use offsets::{ABSENT, Offsets, placeholder};
pub use record::{
    ANCESTOR_MAX, ANCESTORS, Ancestor, CHUNK_DATA, CUT_FAULT, CUT_NO_SPACE, CUT_TOO_LONG, Chunk, Cut, DecodeError,
    HEAD_MAX, Head, HeadRecord, INLINE_ARGV, Imageless, LANE_SHIFT, LANES, Prefix, Record, Scan, Task, flags, kind,
};

/// Number of this contract. It rises with every change of a layout, of the meaning of a field, or of [`Offsets`]; the
/// object carries it in each record, and user space refuses a record of another number.
pub const ABI: u16 = 3;

/// Length of the argv of the monitor's own execs, bytes: a nonce of 16 characters, a word of 8 that names the command, a
/// number of 8 digits, each with its NUL. The program scans the running processes after an exec with this argv.
pub const CANARY_ARGV: usize = 17 + 9 + 9;

/// Time during which a program that has woken user space does not wake it again, nanoseconds of the boot clock. After it was
/// woken, user space looks by itself until it has found nothing for longer than this. Nor is it woken before the time of the boot
/// clock that stands in the map `AWAKE`, some time after which it will look. Then every record wakes it.
pub const WAKE_INTERVAL_NS: u64 = 2_000_000;

/// Slots of the program array, through which the parts of the exec program call each other.
pub mod program {
    /// Continues a path walk that the first part could not finish.
    pub const WALK: u32 = 0;
    /// Reads the first part of argv and sends the head record.
    pub const EMIT: u32 = 1;
    /// Sends the rest of a long argv.
    pub const CHUNKS: u32 = 2;
    /// Counts an exec that could not be sent.
    pub const LOSS: u32 = 3;
    /// Goes on with a scan of the running processes.
    pub const SCAN: u32 = 4;
    /// Begins with an exec that the first attached program was not run for.
    pub const BEGIN: u32 = 5;
    /// Says that an argv could not be sent whole.
    pub const CUT: u32 = 6;
    /// Number of slots.
    pub const COUNT: u32 = 7;
}
