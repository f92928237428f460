//! The cgroup's path, walked like a file's: leaf first.

use cert_recon_common::flags;

use crate::{
    kernel::{Members, Span, copy_short_str, copy_str, current, member, number},
    maps::{Scratch, TAIL, count},
};

/// Components at most. Containers in pods have six or seven.
const DEPTH: u32 = 32;
/// `NAME_MAX` and the NUL.
const NAME: u32 = 256;

/// Appends the path in the hierarchy of version 2 and, where the host has one of version 1 as well, a NUL and the path in that.
///
/// systemd and the container runtimes put every process into version 2's where it is in use. Where it is not, the process is
/// in its root, and version 1 tells; and a runtime may know version 1 only on a host that has both.
#[inline(always)]
pub(crate) fn append<const FOLLOW: bool>(s: &mut Scratch) {
    if !member!(task_cgroups).is_there() {
        return;
    }
    let set = member!(task_cgroups).u64_of::<FOLLOW>(current::<FOLLOW>(s.task));
    if set == 0 {
        return;
    }
    s.path_start = s.pos;
    s.head.flags |= flags::CGROUP;
    let v2 = member!(css_set_v2).u64_of::<FOLLOW>(set);
    let node = member!(cgroup_kn).u64_of::<FOLLOW>(v2);
    s.head.cgroup_id = member!(kernfs_id).u64_of::<FOLLOW>(node);
    walk::<FOLLOW>(s, node);
    let v1 = v1_of::<FOLLOW>(set, v2);
    if v1 != 0 && s.head.flags & flags::CGROUP_PATH_CUT == 0 {
        append_byte(s, 0);
        walk::<FOLLOW>(s, v1);
    }
    if s.head.flags & flags::CGROUP_PATH_CUT != 0 {
        count(|c| c.path_cut += 1);
    }
    s.head.cgroup_len = (s.pos - s.path_start) as u32;
}

/// Appends the path of one hierarchy, or says that it is cut. `node` was followed.
#[inline(always)]
fn walk<const FOLLOW: bool>(s: &mut Scratch, mut node: u64) {
    let (parent_at, name_at) = (member!(kernfs_parent), member!(kernfs_name));
    let links = Span::of([(parent_at.offset(), 8), (name_at.offset(), 8)]);
    for _ in 0..DEPTH {
        let members = Members::<FOLLOW>::read_span(&mut s.members, node, &links);
        let (parent, name) = (members.u64(parent_at), members.u64(name_at));
        if parent == 0 {
            // The root, whose name is empty.
            return;
        }
        if !append_name::<FOLLOW>(s, name) {
            break;
        }
        node = parent;
    }
    s.head.flags |= flags::CGROUP_PATH_CUT;
}

/// The place of the process in a hierarchy of version 1: a `kernfs_node`; 0 when this host has none, and the controller is in
/// version 2's.
#[inline(always)]
fn v1_of<const FOLLOW: bool>(set: u64, v2: u64) -> u64 {
    if !member!(css_set_v1).is_there() {
        return 0;
    }
    let css = member!(css_set_v1).u64_of::<FOLLOW>(set);
    let cgroup = member!(css_cgroup).u64_of::<FOLLOW>(css);
    let root = member!(cgroup_root);
    if root.u64_of::<FOLLOW>(cgroup) == root.u64_of::<FOLLOW>(v2) {
        return 0;
    }
    member!(cgroup_kn).u64_of::<FOLLOW>(cgroup)
}

/// Appends a byte. There is room for many more.
#[inline(always)]
fn append_byte(s: &mut Scratch, byte: u8) {
    let pos = s.pos;
    if pos < TAIL as u64 {
        // SAFETY: within the tail, by the comparison above.
        unsafe { s.tail.as_mut_ptr().add(pos as usize).write(byte) };
        s.pos = pos + 1;
    }
}

/// Appends a name; false without room.
#[inline(always)]
fn append_name<const FOLLOW: bool>(s: &mut Scratch, name: u64) -> bool {
    // Volatile: the verifier would tell apart what it knows of the length before.
    // SAFETY: a field of the scratch value.
    let pos = unsafe { core::ptr::read_volatile(&raw const s.pos) };
    if pos > (TAIL - NAME as usize) as u64 || pos - s.path_start > 4096 {
        return false;
    }
    let mut len = 0;
    if FOLLOW {
        // SAFETY: `NAME` bytes from `pos` are within the tail, by the comparison above.
        let short = unsafe { copy_short_str(s.tail.as_mut_ptr().add(pos as usize), name) };
        // Through memory, so that the verifier goes on from here once and not once for each length.
        len = number(&mut s.outcome, short);
    }
    if len == 0 {
        // SAFETY: as above.
        let copied = unsafe { copy_str(s.tail.as_mut_ptr().add(pos as usize), NAME, name) };
        if copied < 1 || copied > i64::from(NAME) {
            return false;
        }
        len = copied as u64 - 1;
    }
    let end = pos + len;
    if end >= TAIL as u64 {
        return false;
    }
    // SAFETY: by the comparison above. The separator takes the NUL's place.
    unsafe { s.tail.as_mut_ptr().add(end as usize).write(b'/') };
    s.pos = end + 1;
    true
}
