//! Who started it: the processes above the one that runs exec, as they are at that moment.

use cert_recon_common::{ANCESTORS, Ancestor};

use crate::{
    kernel::{Members, SPAN, current, member_u64, number, offset},
    maps::{Scratch, TAIL},
};

/// Identity of a memory image: the same for a process and all its forks, another after every exec. Of two kernel facts that
/// exec sets and fork keeps: the open file of the executable, and the place of the stack, which is random. The first alone
/// would do as long as the image lives; its address is used again afterwards. `mm` was followed.
#[inline(always)]
fn image<const FOLLOW: bool>(buffer: &mut [u64; SPAN / 8], place: &mut u64, mm: u64) -> u64 {
    if mm == 0 {
        return 0;
    }
    let (exe_file, start_stack) = (offset!(mm_exe_file), offset!(mm_start_stack));
    let members = Members::<FOLLOW>::read(buffer, mm, [(exe_file, 8), (start_stack, 8)]);
    key(number(place, members.u64(exe_file)), members.u64(start_stack))
}

/// The identity of an image, of its two facts.
#[inline(always)]
pub(crate) fn key(file: u64, stack: u64) -> u64 {
    // 2^64 divided by the golden ratio: spreads the stack's bits over all of the number.
    file ^ stack.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Appends the ancestors, nearest first, up to the first process.
#[inline(always)]
pub(crate) fn append<const FOLLOW: bool>(s: &mut Scratch) {
    let mut task = member_u64::<FOLLOW>(current::<FOLLOW>(s.task), offset!(task_real_parent));
    s.head.ancestors = 0;
    for _ in 0..ANCESTORS {
        let Some(parent) = climb::<FOLLOW>(s, task) else { break };
        task = parent;
    }
}

/// Appends one process; its parent.
#[inline(always)]
fn climb<const FOLLOW: bool>(s: &mut Scratch, task: u64) -> Option<u64> {
    let links = [offset!(task_mm), offset!(task_real_parent), offset!(task_group_leader)];
    let [mm, real_parent, group_leader] = links;
    let tgid = offset!(task_tgid);
    let members = Members::<FOLLOW>::read(
        &mut s.members,
        task,
        [(tgid, 4), (mm, 8), (real_parent, 8), (group_leader, 8)],
    );
    let pid = members.u32(tgid);
    let (mm, mut parent, leader) = (members.u64(mm), members.u64(real_parent), members.u64(group_leader));
    // Volatile: the compiler would add it to an address before the comparison, which the verifier refuses.
    // SAFETY: a field of the scratch value.
    let pos = unsafe { core::ptr::read_volatile(&raw const s.pos) };
    if pid == 0 || pos > (TAIL - Ancestor::SIZE) as u64 {
        return None;
    }
    let (start_boottime, comm) = (offset!(task_start_boottime), offset!(task_comm));
    let members = Members::<FOLLOW>::read(&mut s.members, task, [(start_boottime, 8), (comm, 8), (comm + 8, 8)]);
    let mut start_boot_ns = members.u64(start_boottime);
    let comm = members.text(comm);
    if leader != task {
        start_boot_ns = member_u64::<FOLLOW>(leader, start_boottime);
        parent = member_u64::<FOLLOW>(leader, real_parent);
    }
    let image = image::<FOLLOW>(&mut s.members, &mut s.dentry, mm);
    // SAFETY: the bytes of an `Ancestor` from `pos` are within the tail, by the comparison above; written without regard to
    // alignment, since strings of any length stand before it.
    unsafe {
        let to = s.tail.as_mut_ptr().add(pos as usize);
        to.cast::<u64>().write_unaligned(start_boot_ns);
        to.add(8).cast::<u64>().write_unaligned(image);
        to.add(16).cast::<u64>().write_unaligned(u64::from(pid));
        to.add(24).cast::<u64>().write_unaligned(comm.0);
        to.add(32).cast::<u64>().write_unaligned(comm.1);
    }
    s.pos = pos + Ancestor::SIZE as u64;
    s.head.ancestors += 1;
    Some(parent)
}

const _: () = assert!(core::mem::offset_of!(Ancestor, image) == 8);
const _: () = assert!(core::mem::offset_of!(Ancestor, pid) == 16);
const _: () = assert!(core::mem::offset_of!(Ancestor, comm) == 24);
