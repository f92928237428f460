//! The cgroup's path, walked like a file's: leaf first.

use cert_recon_common::{ABSENT, flags};

use crate::{
    kernel::{Members, copy_str, current, member_u64, offset},
    maps::{Scratch, TAIL, count},
};

/// Components at most. Containers in pods have six or seven.
const DEPTH: u32 = 32;
/// `NAME_MAX` and the NUL.
const NAME: u32 = 256;

/// Appends the path. systemd and the container runtimes put every process into the hierarchy of version 2 where it is in
/// use; where it is not, the process is in its root, and the hierarchy of version 1 tells.
#[inline(always)]
pub(crate) fn append<const FOLLOW: bool>(s: &mut Scratch) {
    let set = member_u64::<FOLLOW>(current::<FOLLOW>(s.task), offset!(task_cgroups));
    if set == 0 {
        return;
    }
    s.path_start = s.pos;
    let mut node = node_of::<FOLLOW>(member_u64::<FOLLOW>(set, offset!(css_set_v2)));
    if offset!(css_set_v1) != ABSENT && member_u64::<FOLLOW>(node, offset!(kernfs_parent)) == 0 {
        let css = member_u64::<FOLLOW>(set, offset!(css_set_v1));
        let v1 = node_of::<FOLLOW>(member_u64::<FOLLOW>(css, offset!(css_cgroup)));
        if v1 != 0 {
            node = v1;
        }
    }
    s.head.flags |= flags::CGROUP;
    let mut is_whole = false;
    for _ in 0..DEPTH {
        let (parent, name) = (offset!(kernfs_parent), offset!(kernfs_name));
        let members = Members::<FOLLOW>::read(&mut s.members, node, [(parent, 8), (name, 8)]);
        let (parent, name) = (members.u64(parent), members.u64(name));
        if parent == 0 {
            // The root, whose name is empty.
            is_whole = true;
            break;
        }
        if !append_name(s, name) {
            break;
        }
        node = parent;
    }
    if !is_whole {
        s.head.flags |= flags::CGROUP_PATH_CUT;
        count(|c| c.path_cut += 1);
    }
    s.head.cgroup_len = (s.pos - s.path_start) as u32;
}

/// The place of a cgroup in its hierarchy: a `kernfs_node`.
#[inline(always)]
fn node_of<const FOLLOW: bool>(cgroup: u64) -> u64 {
    member_u64::<FOLLOW>(cgroup, offset!(cgroup_kn))
}

/// Appends a name; false without room.
#[inline(always)]
fn append_name(s: &mut Scratch, name: u64) -> bool {
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
    true
}
