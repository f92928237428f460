//! cert-recon's eBPF program: on every exec it reads, in the kernel and at that moment, everything that the kernel knows
//! about it, and sends it through one ring buffer.
//!
//! Programs that call each other by tail calls, so that the loops of one are not multiplied by the paths of another
//! when the verifier walks them: [`sched_process_exec`] (attached; since Linux 7.0 with the chances behind it, which go on in
//! [`begin_again`]) reads the fixed facts and walks the paths, [`walk_paths`] goes on with deep ones, [`send_head`] adds the
//! first part of argv and sends the head record, [`send_chunks`] sends the rest of a long argv, [`note_loss`] counts an exec
//! that could not be sent, [`scan_tasks`] scans the running processes when user space asks. What changes
//! in a loop lives in the per-CPU scratch value and not in a register, so that the verifier's states converge.
//!
//! Of those that read many members there are two: one that follows pointers, and with `_probed` in its name one that
//! reads them by helper functions, for kernels that do not let programs follow. The loader takes all of one kind.
//!
//! Everything is inlined in the programs that make tail calls: kernels before 5.10 (on arm64 before 6.0) refuse those from
//! programs with functions of their own, which messages to the log are. So only the last programs of the chain log (for
//! developers, `watch --verbose`; without that the verifier removes the code).
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(
    missing_docs,
    unreachable_pub,
    reason = "the program macros make public items without documentation"
)]

mod ancestry;
mod argv;
mod cgroup;
mod emit;
mod kernel;
mod maps;
mod note;
mod path;
mod scan;
mod task;

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use cert_recon_common::{CUT_NO_SPACE, CUT_TOO_LONG, flags, program};

use crate::{
    argv::Sent,
    maps::{PROGRAMS, Scratch, is_taken, resume, scratch},
};

/// Turns of each path walk that the first program makes (a mount that is crossed, or names below one), and names in a turn. Nearly
/// every executable and working directory need fewer.
const FIRST: (u32, u32) = (6, 12);
/// The same behind pointers that were followed up to the root of a mount.
const ABOVE: (u32, u32) = (6, 4);
/// The same in each call of [`walk_paths`].
const MORE: (u32, u32) = (8, 22);

/// `include/trace/events/sched.h`, `TRACE_EVENT(sched_process_exec)`: (task, old pid, binprm), called by `exec_binprm()` in
/// `fs/exec.c` after the new image is complete: `mm`, credentials and argv are the new program's.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn sched_process_exec(ctx: RawTracePointContext) -> i32 {
    first::<true>(&ctx)
}

/// See [`sched_process_exec`].
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn sched_process_exec_probed(ctx: RawTracePointContext) -> i32 {
    first::<false>(&ctx)
}

#[inline(always)]
fn first<const FOLLOW: bool>(ctx: &RawTracePointContext) -> i32 {
    let Some(s) = scratch(0) else { return 0 };
    s.lane = 0;
    begin::<FOLLOW>(ctx, s)
}

/// Reads the fixed facts and walks the paths.
#[inline(always)]
fn begin<const FOLLOW: bool>(ctx: &RawTracePointContext, s: &mut Scratch) -> i32 {
    let exe = task::begin::<FOLLOW>(s, ctx.arg::<u64>(0), ctx.arg::<u64>(2));
    path::follow::<FOLLOW>(s, exe);
    let (turns, names) = if FOLLOW { ABOVE } else { FIRST };
    let mut is_done = path::finish::<true>(s, turns, names);
    if is_done {
        path::begin_cwd::<FOLLOW>(s);
        is_done = path::finish::<true>(s, turns, names);
    }
    go_on(ctx, s, if is_done { program::EMIT } else { program::WALK });
    0
}

/// Attached behind the first program, like the two after it, where that can be needed. Kernels since 7.0 may preempt a program
/// on a tracepoint, and run no program for an exec on a CPU where that same program is at work for another: such an exec is the
/// next program's. It knows them by what those before it have noted last on this CPU. When another exec came between two
/// programs, it takes one that another had: user space knows that by the image.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn second_chance(ctx: RawTracePointContext) -> i32 {
    chance(&ctx, 1)
}

/// See [`second_chance`].
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn third_chance(ctx: RawTracePointContext) -> i32 {
    chance(&ctx, 2)
}

/// See [`second_chance`].
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn fourth_chance(ctx: RawTracePointContext) -> i32 {
    chance(&ctx, 3)
}

#[inline(always)]
fn chance(ctx: &RawTracePointContext, lane: u32) -> i32 {
    let task = ctx.arg::<u64>(0);
    let mm = task::image_of(task);
    if is_taken(lane, mm) {
        return 0;
    }
    let Some(s) = scratch(lane) else { return 0 };
    // By which the program after this one knows whose it is.
    s.task = task;
    s.lane = lane;
    s.head.flags = flags::SECOND;
    go_on(ctx, s, program::BEGIN);
    0
}

/// Does for an exec that another program was not run for what [`sched_process_exec`] does.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn begin_again(ctx: RawTracePointContext) -> i32 {
    let Some(s) = resume() else { return 0 };
    begin::<true>(&ctx, s)
}

/// See [`begin_again`].
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn begin_again_probed(ctx: RawTracePointContext) -> i32 {
    let Some(s) = resume() else { return 0 };
    begin::<false>(&ctx, s)
}

/// Goes on with path walks that need more steps than the program before had.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn walk_paths(ctx: RawTracePointContext) -> i32 {
    let Some(s) = resume() else { return 0 };
    path::next_pass(s);
    let next = path::go_on(s, MORE.0, MORE.1);
    go_on(&ctx, s, next);
    0
}

/// Goes on in another program. A tail call returns only when it failed: then the exec is lost.
#[inline(always)]
fn go_on(ctx: &RawTracePointContext, s: &mut Scratch, slot: u32) {
    // SAFETY: every program in the array is of this type and takes this context.
    unsafe { PROGRAMS.tail_call(ctx, slot) };
    emit::lose(s);
}

/// Adds cgroup, ancestors and the first part of argv to the record and sends it.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn send_head(ctx: RawTracePointContext) -> i32 {
    send::<true>(&ctx)
}

/// See [`send_head`].
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn send_head_probed(ctx: RawTracePointContext) -> i32 {
    send::<false>(&ctx)
}

#[inline(always)]
fn send<const FOLLOW: bool>(ctx: &RawTracePointContext) -> i32 {
    let Some(s) = resume() else { return 0 };
    cgroup::append::<FOLLOW>(s);
    ancestry::append::<FOLLOW>(s);
    argv::read_inline(s);
    if !emit::head(s) {
        go_on(ctx, s, program::LOSS);
    } else if s.argv_sent < s.head.argv_len {
        // SAFETY: as in `go_on`.
        unsafe { PROGRAMS.tail_call(ctx, program::CHUNKS) };
        emit::cut(s, CUT_NO_SPACE);
        emit::done(s);
    } else if argv::is_canary(s) {
        emit::sent_at_once(s);
        emit::done(s);
        // SAFETY: as in `go_on`. When it fails there is no scan, which user space sees.
        unsafe { PROGRAMS.tail_call(ctx, program::SCAN) };
    } else {
        emit::sent_at_once(s);
        emit::done(s);
    }
    0
}

/// Sends the rest of a long argv, or a part of it and goes on in itself.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn send_chunks(ctx: RawTracePointContext) -> i32 {
    let Some(s) = resume() else { return 0 };
    match argv::send_chunks(s) {
        Ok(Sent::All) => {
            emit::sent(s);
            emit::done(s);
            return 0;
        }
        // SAFETY: as in `go_on`.
        Ok(Sent::Part) => unsafe { PROGRAMS.tail_call(&ctx, program::CHUNKS) },
        Err(reason) => s.outcome = u64::from(reason),
    }
    // SAFETY: as in `go_on`.
    unsafe { PROGRAMS.tail_call(&ctx, program::CUT) };
    emit::cut(s, CUT_TOO_LONG);
    emit::done(s);
    0
}

/// Says that an argv could not be sent whole.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn note_cut(ctx: RawTracePointContext) -> i32 {
    let Some(s) = resume() else { return 0 };
    let reason = s.outcome as u32;
    emit::cut(s, reason);
    note::cut(&ctx, s, reason);
    emit::done(s);
    0
}

/// Counts an exec for whose head record the ring buffer had no room.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn note_loss(ctx: RawTracePointContext) -> i32 {
    let Some(s) = resume() else { return 0 };
    emit::lose(s);
    note::loss(&ctx, s);
    0
}

/// After the record of the monitor's own exec: the images of the running processes.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn scan_tasks(ctx: RawTracePointContext) -> i32 {
    let Some(s) = scan::state() else { return 0 };
    if s.first == 0 {
        scan::begin(s, ctx.arg::<u64>(0));
    }
    let places = scan::Places::read();
    for _ in 0..scan::STEPS {
        if let scan::Progress::Done = scan::step(s, &places) {
            scan::end(s);
            return 0;
        }
    }
    // SAFETY: as in `go_on`.
    unsafe { PROGRAMS.tail_call(&ctx, program::SCAN) };
    // More processes than tail calls.
    scan::end(s);
    0
}

/// The helpers that read kernel memory may be used by GPL-compatible programs only.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // No code path of this program panics (indices are checked by comparison); the verifier would refuse this loop.
    loop {}
}
