//! A scan of the running processes: which image each has, so that children of processes older than the monitor are known to
//! be theirs. Made in the kernel, since only there images have identities; sent through the ring buffer, so that its place
//! among the execs is exact.

use aya_ebpf::helpers::generated;
use cert_recon_common::{ABI, Prefix, Scan, Task, kind};

use crate::{
    ancestry, emit,
    kernel::{Members, Span, member},
    maps::{SCAN, ScanState, fill},
};

/// Processes in each program. With the kernel's limit of 32 tail calls: about 7,900 processes.
pub(crate) const STEPS: u32 = 256;

/// What a step came to.
pub(crate) enum Progress {
    /// More processes.
    More,
    /// All have been sent.
    Done,
}

/// Where is what is read of each process: found out once for all of them.
pub(crate) struct Places {
    task: Span,
    image: Span,
}

impl Places {
    #[inline(always)]
    pub(crate) fn read() -> Self {
        let (tasks, mm) = (member!(task_tasks).offset(), member!(task_mm).offset());
        let (tgid, start_boottime) = (member!(task_tgid).offset(), member!(task_start_boottime).offset());
        let (exe_file, start_stack) = (member!(mm_exe_file).offset(), member!(mm_start_stack).offset());
        Self {
            task: Span::of([(tasks, 8), (mm, 8), (tgid, 4), (start_boottime, 8)]),
            image: Span::of([(exe_file, 8), (start_stack, 8)]),
        }
    }
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
    fill!(s, {
        first: task,
        task,
        sent: 0,
        failed: 0,
    });
    let record = &raw mut s.record;
    fill!(record, {
        prefix: Prefix { kind: kind::TASK, abi: ABI, cpu: 0, seq: 0 },
        reserved: 0,
    });
}

/// Sends a process, a thread of the kernel's own as well, which has no image: without branches, each of which the verifier would
/// walk in every turn. The list is the kernel's (`for_each_process()` in `include/linux/sched/signal.h`), walked under RCU, which
/// a tracepoint program runs in.
#[inline(always)]
pub(crate) fn step(s: &mut ScanState, at: &Places) -> Progress {
    let members = Members::<false>::copy_span(&mut s.members, s.task, &at.task);
    let (mm, next) = (
        members.u64(member!(task_mm)),
        members
            .u64(member!(task_tasks))
            .wrapping_sub(member!(task_tasks).offset()),
    );
    s.record.pid = members.u32(member!(task_tgid));
    s.record.start_boot_ns = members.u64(member!(task_start_boottime));
    let members = Members::<false>::copy_span(&mut s.members, mm, &at.image);
    s.record.image = ancestry::key(members.u64(member!(mm_exe_file)), members.u64(member!(mm_start_stack)));
    s.task = next;
    s.sent += 1;
    // SAFETY: the structure's own bytes; it has no padding. The answer is 0 or an error number.
    s.failed |= unsafe { emit::answer((&raw mut s.record).cast(), Task::SIZE as u64, emit::WAKE_IF_EMPTIED) };
    if next == s.first || next == 0u64.wrapping_sub(member!(task_tasks).offset()) {
        Progress::Done
    } else {
        Progress::More
    }
}

/// Says that the scan is over. It is not complete when a process could not be sent or the list was longer than the programs
/// go.
#[inline(always)]
pub(crate) fn end(s: &mut ScanState) {
    let complete = s.failed == 0 && s.task == s.first;
    let mut record = Scan {
        prefix: Prefix {
            kind: kind::SCAN,
            abi: ABI,
            cpu: 0,
            seq: 0,
        },
        // SAFETY: a helper without arguments.
        boot_ns: unsafe { generated::bpf_ktime_get_boot_ns() },
        sent: s.sent as u32,
        complete: u32::from(complete),
    };
    s.first = 0;
    // SAFETY: the structure's own bytes; it has no padding.
    unsafe { emit::output((&raw mut record).cast(), Scan::SIZE as u64, emit::WAKE) };
}
