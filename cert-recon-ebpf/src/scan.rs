//! A scan of the running processes: which image each has, so that children of processes older than the monitor are known to
//! be theirs. Made in the kernel, since only there images have identities; sent through the ring buffer, so that its place
//! among the execs is exact.

use aya_ebpf::helpers::generated;
use cert_recon_common::{ABI, Prefix, Scan, Task, kind};

use crate::{
    ancestry, emit,
    kernel::{offset, read_u32, read_u64},
    maps::{SCAN, ScanState},
};

/// Processes in each program. With the kernel's limit of 32 tail calls: about 7,900 processes.
pub(crate) const STEPS: u32 = 256;

/// Bit of [`ScanState::counts`]: a process could not be sent.
const FAILED: u64 = 1 << 32;

/// What a step came to.
pub(crate) enum Progress {
    /// More processes.
    More,
    /// All have been sent.
    Done,
}

/// The state of the scan on this CPU.
#[inline(always)]
pub(crate) fn state() -> Option<&'static mut ScanState> {
    // SAFETY: as for the scratch value: this CPU's, and one exec at a time.
    SCAN.get_ptr_mut(0).map(|s| unsafe { &mut *s })
}

/// Begins a scan at `task`, which is any process.
#[inline(always)]
pub(crate) fn begin(s: &mut ScanState, task: u64) {
    s.first = task;
    s.task = task;
    s.counts = 0;
}

/// Sends one process. The list is the kernel's (`for_each_process()` in `include/linux/sched/signal.h`), walked under RCU,
/// which a tracepoint program runs in.
#[inline(always)]
pub(crate) fn step(s: &mut ScanState) -> Progress {
    let task = s.task;
    let mm = read_u64(task, offset!(task_mm));
    if mm != 0 {
        let mut record = Task {
            prefix: Prefix {
                kind: kind::TASK,
                abi: ABI,
                cpu: 0,
                seq: 0,
            },
            start_boot_ns: read_u64(task, offset!(task_start_boottime)),
            image: ancestry::key(
                read_u64(mm, offset!(mm_exe_file)),
                read_u64(mm, offset!(mm_start_stack)),
            ),
            pid: read_u32(task, offset!(task_tgid)),
            reserved: 0,
        };
        // SAFETY: the structure's own bytes; it has no padding.
        if unsafe { emit::output((&raw mut record).cast(), Task::SIZE as u64, emit::wake_if_filling()) } {
            s.counts += 1;
        } else {
            s.counts |= FAILED;
        }
    }
    let list = u64::from(offset!(task_tasks));
    let next = read_u64(task, offset!(task_tasks)).wrapping_sub(list);
    s.task = next;
    if next == s.first || next == 0u64.wrapping_sub(list) {
        Progress::Done
    } else {
        Progress::More
    }
}

/// Says that the scan is over. It is not complete when a process could not be sent or the list was longer than the programs
/// go.
#[inline(always)]
pub(crate) fn end(s: &mut ScanState) {
    let complete = s.counts & FAILED == 0 && s.task == s.first;
    let mut record = Scan {
        prefix: Prefix {
            kind: kind::SCAN,
            abi: ABI,
            cpu: 0,
            seq: 0,
        },
        // SAFETY: a helper without arguments.
        boot_ns: unsafe { generated::bpf_ktime_get_boot_ns() },
        sent: s.counts as u32,
        complete: u32::from(complete),
    };
    s.first = 0;
    // SAFETY: the structure's own bytes; it has no padding.
    unsafe { emit::output((&raw mut record).cast(), Scan::SIZE as u64, emit::WAKE) };
}
