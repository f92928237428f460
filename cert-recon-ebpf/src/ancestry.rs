//! Who started it: the processes above the one that runs exec, as they are at that moment.

use cert_recon_common::{ANCESTORS, Ancestor};

use crate::{
    kernel::{copy, offset, read_u32, read_u64},
    maps::{Scratch, TAIL},
};

/// Identity of a memory image: the same for a process and all its forks, another after every exec. Of two kernel facts that
/// exec sets and fork keeps: the open file of the executable, and the place of the stack, which is random. The first alone
/// would do as long as the image lives; its address is used again afterwards.
#[inline(always)]
pub(crate) fn image(mm: u64) -> u64 {
    if mm == 0 {
        return 0;
    }
    let file = read_u64(mm, offset!(mm_exe_file));
    let stack = read_u64(mm, offset!(mm_start_stack));
    // 2^64 divided by the golden ratio: spreads the stack's bits over all of the number.
    file ^ stack.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Appends the ancestors, nearest first, up to the first process.
#[inline(always)]
pub(crate) fn append(s: &mut Scratch) {
    // The walk's place, for the same reason as in the path walks.
    s.dentry = read_u64(s.task, offset!(task_real_parent));
    s.head.ancestors = 0;
    for _ in 0..ANCESTORS {
        if !climb(s) {
            break;
        }
    }
}

#[inline(always)]
fn climb(s: &mut Scratch) -> bool {
    let task = s.dentry;
    let pid = read_u32(task, offset!(task_tgid));
    let pos = s.pos;
    if pid == 0 || pos > (TAIL - Ancestor::SIZE) as u64 {
        return false;
    }
    let leader = read_u64(task, offset!(task_group_leader));
    let image = image(read_u64(task, offset!(task_mm)));
    let start_boot_ns = read_u64(leader, offset!(task_start_boottime));
    let comm = task + u64::from(offset!(task_comm));
    // SAFETY: the bytes of an `Ancestor` from `pos` are within the tail, by the comparison above; written without regard to
    // alignment, since strings of any length stand before it.
    unsafe {
        let to = s.tail.as_mut_ptr().add(pos as usize);
        to.cast::<u64>().write_unaligned(start_boot_ns);
        to.add(8).cast::<u64>().write_unaligned(image);
        to.add(16).cast::<u64>().write_unaligned(u64::from(pid));
        copy(to.add(24), 16, comm);
    }
    s.pos = pos + Ancestor::SIZE as u64;
    s.head.ancestors += 1;
    s.dentry = read_u64(leader, offset!(task_real_parent));
    true
}

const _: () = assert!(core::mem::offset_of!(Ancestor, image) == 8);
const _: () = assert!(core::mem::offset_of!(Ancestor, pid) == 16);
const _: () = assert!(core::mem::offset_of!(Ancestor, comm) == 24);
