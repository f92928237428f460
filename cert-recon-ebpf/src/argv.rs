//! argv: one contiguous range of the new process's memory (`mm->arg_start .. arg_end`), NUL-terminated arguments one after
//! the other. It was copied there by exec itself, so its writer can no longer change it, and it is in memory.

use core::ptr::read_volatile;

use cert_recon_common::{CANARY_ARGV, CHUNK_DATA, CUT_FAULT, CUT_NO_SPACE, Chunk, INLINE_ARGV, Prefix, flags, kind};

use crate::{
    emit,
    kernel::copy_user,
    maps::{CANARY, EVENTS, Scratch, TAIL},
};

/// Full chunks that one program sends: 2 MiB. Four programs send what the kernel allows an argv, three quarters of 8 MiB
/// (`bprm_stack_limits()` in `fs/exec.c`).
const CHUNKS: u32 = 128;

/// How much of an argv has been sent.
pub(crate) enum Sent {
    /// All of it.
    All,
    /// As much as one program sends.
    Part,
}

/// Appends the first part of argv to the head record.
#[inline(always)]
pub(crate) fn read_inline(s: &mut Scratch) {
    s.argv_sent = 0;
    let pos = s.pos;
    let mut len = s.head.argv_len;
    if len > INLINE_ARGV as u64 {
        len = INLINE_ARGV as u64;
    }
    if pos > (TAIL - INLINE_ARGV) as u64 {
        s.head.flags |= flags::ARGV_FAULT;
        return;
    }
    // SAFETY: `INLINE_ARGV` bytes from `pos` are within the tail, by the comparison above.
    if len != 0 && !unsafe { copy_user(s.tail.as_mut_ptr().add(pos as usize), len, s.arg_start) } {
        s.head.flags |= flags::ARGV_FAULT;
        return;
    }
    s.head.inline_len = len as u32;
    s.argv_sent = len;
    s.pos = pos + len;
}

/// Whether this is an exec of the monitor's own, by the length of its argv and its first argument.
#[inline(always)]
pub(crate) fn is_canary(s: &Scratch) -> bool {
    let start = s.pos.wrapping_sub(CANARY_ARGV as u64);
    if s.head.argv_len != CANARY_ARGV as u64 || start > (TAIL - CANARY_ARGV) as u64 {
        return false;
    }
    // SAFETY: the bytes are within the tail, by the comparison above; the global is a static of this program.
    unsafe {
        let argv = s.tail.as_ptr().add(start as usize).cast::<u64>();
        argv.read_unaligned() == read_volatile(&raw const CANARY[0])
            && argv.add(1).read_unaligned() == read_volatile(&raw const CANARY[1])
    }
}

/// Sends the argv bytes after `argv_sent`, as many as one program sends.
#[inline(always)]
pub(crate) fn send_chunks(s: &mut Scratch) -> Result<Sent, u32> {
    if s.head.flags & flags::ARGV_FAULT != 0 {
        return Err(CUT_FAULT);
    }
    for _ in 0..CHUNKS {
        if s.head.argv_len - s.argv_sent < CHUNK_DATA as u64 {
            break;
        }
        send_full(s)?;
        s.argv_sent += CHUNK_DATA as u64;
    }
    let left = s.head.argv_len - s.argv_sent;
    if left == 0 {
        return Ok(Sent::All);
    }
    if left >= CHUNK_DATA as u64 {
        return Ok(Sent::Part);
    }
    send_last(s, left)?;
    Ok(Sent::All)
}

#[inline(always)]
fn chunk(s: &Scratch, len: u64) -> Chunk {
    Chunk {
        prefix: Prefix {
            kind: kind::CHUNK,
            abi: cert_recon_common::ABI,
            cpu: s.head.prefix.cpu,
            seq: s.head.prefix.seq,
        },
        offset: s.argv_sent,
        len,
    }
}

/// A chunk of constant size is read straight into the ring buffer.
#[inline(always)]
fn send_full(s: &mut Scratch) -> Result<(), u32> {
    #[repr(C)]
    struct Full {
        chunk: Chunk,
        data: [u8; CHUNK_DATA],
    }
    let Some(mut entry) = EVENTS.reserve::<Full>(0) else {
        return Err(CUT_NO_SPACE);
    };
    let full = entry.as_mut_ptr();
    // SAFETY: the reserved entry has the size of `Full`; every byte of it is written before it is submitted.
    let read = unsafe {
        (&raw mut (*full).chunk).write(chunk(s, CHUNK_DATA as u64));
        copy_user(
            (&raw mut (*full).data).cast(),
            CHUNK_DATA as u64,
            s.arg_start + s.argv_sent,
        )
    };
    if !read {
        entry.discard(0);
        return Err(CUT_FAULT);
    }
    let flags = emit::wake_when_full(s, size_of::<Full>() as u64);
    entry.submit(flags);
    Ok(())
}

/// The last chunk has any length, so it goes through the scratch value, whose strings have been sent.
#[inline(always)]
fn send_last(s: &mut Scratch, left: u64) -> Result<(), u32> {
    let left = left & (CHUNK_DATA as u64 - 1);
    let fixed = chunk(s, left);
    let from = s.arg_start + s.argv_sent;
    let flags = emit::wake_when_full(s, Chunk::SIZE as u64 + left);
    let to = s.tail.as_mut_ptr();
    // SAFETY: the tail is longer than a chunk with its fixed part; it is aligned to 8 bytes.
    let read = unsafe {
        to.cast::<Chunk>().write(fixed);
        copy_user(to.add(Chunk::SIZE), left, from)
    };
    if !read {
        return Err(CUT_FAULT);
    }
    // SAFETY: the bytes were just written.
    let sent = unsafe { emit::output(to, Chunk::SIZE as u64 + left, flags) };
    if !sent {
        return Err(CUT_NO_SPACE);
    }
    s.argv_sent += left;
    Ok(())
}

const _: () = assert!(CHUNK_DATA.is_power_of_two() && Chunk::SIZE + CHUNK_DATA <= TAIL);
