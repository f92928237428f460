//! Who started it: the processes above the one that runs exec, as they are at that moment.

use cert_recon_common::{ANCESTORS, Ancestor};

use crate::{
    kernel::{Members, SPAN, Span, current, member, number},
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
    let (exe_file, start_stack) = (member!(mm_exe_file), member!(mm_start_stack));
    let members = Members::<FOLLOW>::read(buffer, mm, [(exe_file.offset(), 8), (start_stack.offset(), 8)]);
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
    let mut task = member!(task_real_parent).u64_of::<FOLLOW>(current::<FOLLOW>(s.task));
    s.head.ancestors = 0;
    let places = Places::read();
    for _ in 0..ANCESTORS {
        let Some(parent) = climb::<FOLLOW>(s, task, &places) else {
            break;
        };
        task = parent;
    }
}

/// Where in a task are what is read of an ancestor: found out once for all of them.
struct Places {
    links: Span,
    rest: Span,
}

impl Places {
    #[inline(always)]
    fn read() -> Self {
        let (tgid, mm) = (member!(task_tgid).offset(), member!(task_mm).offset());
        let (real_parent, leader) = (member!(task_real_parent).offset(), member!(task_group_leader).offset());
        let (start_boottime, comm) = (member!(task_start_boottime).offset(), member!(task_comm).offset());
        Self {
            links: Span::of([(tgid, 4), (mm, 8), (real_parent, 8), (leader, 8)]),
            rest: Span::of([(start_boottime, 8), (comm, 16)]),
        }
    }
}

/// Appends one process; its parent.
#[inline(always)]
fn climb<const FOLLOW: bool>(s: &mut Scratch, task: u64, at: &Places) -> Option<u64> {
    let members = Members::<FOLLOW>::read_span(&mut s.members, task, &at.links);
    let pid = members.u32(member!(task_tgid));
    let mm = members.u64(member!(task_mm));
    let leader = members.u64(member!(task_group_leader));
    let mut parent = if FOLLOW {
        0
    } else {
        members.u64(member!(task_real_parent))
    };
    // Volatile: the compiler would add it to an address before the comparison, which the verifier refuses.
    // SAFETY: a field of the scratch value.
    let pos = unsafe { core::ptr::read_volatile(&raw const s.pos) };
    if pid == 0 || pos > (TAIL - Ancestor::SIZE) as u64 {
        return None;
    }
    let members = Members::<FOLLOW>::read_span(&mut s.members, task, &at.rest);
    let mut start_boot_ns = if FOLLOW {
        0
    } else {
        members.u64(member!(task_start_boottime))
    };
    let comm = members.text(member!(task_comm));
    // Without a look at whether it is the same where that costs as much, and the verifier would walk both ways.
    if FOLLOW || leader != task {
        start_boot_ns = member!(task_start_boottime).u64_of::<FOLLOW>(leader);
        parent = member!(task_real_parent).u64_of::<FOLLOW>(leader);
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
