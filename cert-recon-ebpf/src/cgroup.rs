//! The cgroup's path, walked like a file's: leaf first.

use cert_recon_common::{ABSENT, flags};

use crate::{
    kernel::{Members, copy_str, offset, read_u64},
    maps::{Scratch, TAIL, count},
};

/// Components at most. Containers in pods have six or seven.
const DEPTH: u32 = 32;
/// `NAME_MAX` and the NUL.
const NAME: u32 = 256;

/// Appends the path. systemd and the container runtimes put every process into the hierarchy of version 2 where it is in
/// use; where it is not, the process is in its root, and the hierarchy of version 1 tells.
#[inline(always)]
pub(crate) fn append(s: &mut Scratch) {
    let set = read_u64(s.task, offset!(task_cgroups));
    if set == 0 {
        return;
    }
    s.path_start = s.pos;
    s.dentry = node(read_u64(set, offset!(css_set_v2)));
    if offset!(css_set_v1) != ABSENT && read_u64(s.dentry, offset!(kernfs_parent)) == 0 {
        let css = read_u64(set, offset!(css_set_v1));
        let v1 = node(read_u64(css, offset!(css_cgroup)));
        if v1 != 0 {
            s.dentry = v1;
        }
    }
    s.head.flags |= flags::CGROUP;
    for _ in 0..DEPTH {
        if !climb(s) {
            break;
        }
    }
    if s.dentry != 0 {
        s.head.flags |= flags::CGROUP_PATH_CUT;
        count(|c| c.path_cut += 1);
    }
    s.head.cgroup_len = (s.pos - s.path_start) as u32;
}

#[inline(always)]
fn node(cgroup: u64) -> u64 {
    read_u64(cgroup, offset!(cgroup_kn))
}

/// Appends the name of a `kernfs_node` and goes to its parent; false at the root, whose name is empty, or without room.
#[inline(always)]
fn climb(s: &mut Scratch) -> bool {
    let node = s.dentry;
    let (parent, name) = (offset!(kernfs_parent), offset!(kernfs_name));
    let members = Members::read(&mut s.members, node, [(parent, 8), (name, 8)]);
    let (parent, name) = (members.u64(parent), members.u64(name));
    if parent == 0 {
        s.dentry = 0;
        return false;
    }
    let pos = s.pos;
    if pos > (TAIL - NAME as usize) as u64 || pos - s.path_start > 4096 {
        return false;
    }
    // SAFETY: `NAME` bytes from `pos` are within the tail, by the comparison above.
    let len = unsafe { copy_str(s.tail.as_mut_ptr().add(pos as usize), NAME, name) };
    if len < 1 || len > i64::from(NAME) {
        return false;
    }
    let end = pos + (len as u64 - 1);
    if end >= TAIL as u64 {
        return false;
    }
    // SAFETY: by the comparison above. The separator takes the NUL's place.
    unsafe { s.tail.as_mut_ptr().add(end as usize).write(b'/') };
    s.pos = end + 1;
    s.dentry = parent;
    true
}
