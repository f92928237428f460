//! Who started it: the processes above the one that runs exec, as they are at that moment.

use cert_recon_common::{ANCESTOR_MAX, ANCESTORS, Ancestor, Imageless};

use crate::{
    kernel::{Members, SPAN, Span, can_cast, current, member, number, store},
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
    if FOLLOW && can_cast() {
        // Numbers at once.
        return key(exe_file.u64_of::<false>(mm), start_stack.u64_of::<false>(mm));
    }
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
    let start = s.pos;
    let links = links();
    for _ in 0..ANCESTORS {
        let Some(parent) = climb::<FOLLOW>(s, task, &links) else {
            break;
        };
        task = parent;
    }
    s.head.ancestors_len = (s.pos - start) as u32;
}

/// Where in a task are what is read of every ancestor: found out once for all of them.
#[inline(always)]
fn links() -> Span {
    Span::of([
        (member!(task_tgid).offset(), 4),
        (member!(task_mm).offset(), 8),
        (member!(task_real_parent).offset(), 8),
    ])
}

/// Appends one process; its parent, which all of its threads have. Of a process that has an image no more is read: its members are in
/// no cache, and each waits for memory.
#[inline(always)]
fn climb<const FOLLOW: bool>(s: &mut Scratch, task: u64, links: &Span) -> Option<u64> {
    let members = Members::<FOLLOW>::read_span(&mut s.members, task, links);
    let pid = members.u32(member!(task_tgid));
    let mm = members.u64(member!(task_mm));
    let parent = members.u64(member!(task_real_parent));
    // Volatile: the compiler would add it to an address before the comparison, which the verifier refuses.
    // SAFETY: a field of the scratch value.
    let pos = unsafe { core::ptr::read_volatile(&raw const s.pos) };
    if pid == 0 || pos > (TAIL - ANCESTOR_MAX) as u64 {
        return None;
    }
    let image = image::<FOLLOW>(&mut s.members, &mut s.dentry, mm);
    // SAFETY: the bytes of an `Ancestor` from `pos` are within the tail, by the comparison above.
    let to = unsafe {
        let to = s.tail.as_mut_ptr().add(pos as usize);
        store(to, image);
        store(to.add(8), u64::from(pid));
        to
    };
    s.pos = pos + Ancestor::SIZE as u64;
    if image == 0 {
        let leader = member!(task_group_leader).u64_of::<FOLLOW>(task);
        let start_boot_ns = member!(task_start_boottime).u64_of::<FOLLOW>(leader);
        let comm = member!(task_comm);
        let comm = Members::<FOLLOW>::read(&mut s.members, task, [(comm.offset(), 16)]).text(comm);
        // SAFETY: so are those of the `Imageless` behind it.
        unsafe {
            store(to.add(16), start_boot_ns);
            store(to.add(24), comm.0);
            store(to.add(32), comm.1);
        }
        s.pos = pos + ANCESTOR_MAX as u64;
    }
    Some(parent)
}

const _: () = assert!(core::mem::offset_of!(Ancestor, pid) == 8 && Ancestor::SIZE == 16);
const _: () = assert!(core::mem::offset_of!(Imageless, comm) == 8 && ANCESTOR_MAX == 40);
