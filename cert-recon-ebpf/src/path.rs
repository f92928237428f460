//! Paths walked in the kernel, from the leaf to the root of the mount namespace, so that they are right in every
//! namespace and chroot, for files that were deleted since, and for processes that have already exited when user space
//! reads the record.
//!
//! Components are written leaf first, each followed by `/`: the record stays one piece that only grows, and what does not
//! fit is missing at the root's end, not at the name's.

use cert_recon_common::{flags, program};

use crate::{
    kernel::{Members, SHORT, Span, can_cast, copy, copy_short, current, member, number},
    maps::{Scratch, TAIL, count},
};

/// Bytes of one path at most, separators included (`PATH_MAX`).
const PATH_MAX: u64 = 4096;
/// `NAME_MAX` in `include/uapi/linux/limits.h`.
const NAME_MAX: u32 = 255;
/// Programs that may walk one path before one more ends it, so that both walks, the head and the chunks stay below the
/// kernel's limit of 32 tail calls. Enough for 2,112 names, which is more than `PATH_MAX` has room for; each mount on the way takes
/// the room of 22 to 43 of them.
const MAX_PASSES: u32 = 12;

/// Components that are walked by following pointers, of each path.
const FOLLOWED: u32 = 24;

/// Addresses from here on are error numbers (`IS_ERR_VALUE()` in `include/linux/err.h`).
const ERRORS: u64 = u64::MAX - 4094;

/// Where a dentry's name and parent are: found out once for a walk.
struct Links(Span);

impl Links {
    #[inline(always)]
    fn read() -> Self {
        let (parent, len, name) = (member!(dentry_parent), member!(dentry_name_len), member!(dentry_name));
        Self(Span::of([(parent.offset(), 8), (len.offset(), 4), (name.offset(), 8)]))
    }

    /// The parent, the length of the name and where that is.
    #[inline(always)]
    fn of<const FOLLOW: bool>(&self, s: &mut Scratch, dentry: u64) -> (u64, u32, u64) {
        let members = Members::<FOLLOW>::read_span(&mut s.members, dentry, &self.0);
        (
            members.u64(member!(dentry_parent)),
            members.u32(member!(dentry_name_len)),
            members.u64(member!(dentry_name)),
        )
    }
}

/// Begins the walk of the executable's path. `file` is the `struct file` of the image, which was followed; so is the dentry
/// that comes back.
#[inline(always)]
pub(crate) fn begin_exe<const FOLLOW: bool>(s: &mut Scratch, file: u64) -> u64 {
    let (mnt, dentry) = (member!(file_path_mnt), member!(file_path_dentry));
    let members = Members::<FOLLOW>::read(&mut s.members, file, [(mnt.offset(), 8), (dentry.offset(), 8)]);
    let (mnt, dentry) = (members.u64(mnt), members.u64(dentry));
    let root = member!(vfsmount_root).u64_of::<FOLLOW>(mnt);
    begin(s, 0, mnt, root, dentry);
    dentry
}

/// Begins the walk of the working directory's path and follows it as far as pointers lead.
#[inline(always)]
pub(crate) fn begin_cwd<const FOLLOW: bool>(s: &mut Scratch) {
    let fs = member!(task_fs).u64_of::<FOLLOW>(current::<FOLLOW>(s.task));
    let (mnt, dentry) = (member!(fs_pwd_mnt), member!(fs_pwd_dentry));
    let members = Members::<FOLLOW>::read(&mut s.members, fs, [(mnt.offset(), 8), (dentry.offset(), 8)]);
    let (mnt, dentry) = (members.u64(mnt), members.u64(dentry));
    let root = member!(vfsmount_root).u64_of::<FOLLOW>(mnt);
    begin(s, 1, mnt, root, dentry);
    follow::<FOLLOW>(s, dentry);
}

/// `mnt` is a `struct vfsmount`, which is embedded in the `struct mount` that knows its place in the tree
/// (`real_mount()` in `fs/mount.h`).
#[inline(always)]
fn begin(s: &mut Scratch, which: u32, mnt: u64, root: u64, dentry: u64) {
    s.which = which;
    s.passes = 0;
    s.path_start = s.pos;
    s.dentry = dentry;
    s.mount = number(&mut s.outcome, mnt).wrapping_sub(member!(mount_mnt).offset());
    s.mount_root = root;
}

/// Goes ahead by following pointers, where that can be: to the root of the mount, or to something out of the ordinary. [`finish`]
/// goes on from there. `dentry` is where the walk begins.
#[inline(always)]
pub(crate) fn follow<const FOLLOW: bool>(s: &mut Scratch, mut dentry: u64) {
    if !FOLLOW {
        return;
    }
    let root = s.mount_root;
    let links = Links::read();
    for _ in 0..FOLLOWED {
        if dentry == root {
            break;
        }
        let (parent, len, name) = links.of::<FOLLOW>(s, dentry);
        if parent == dentry || !append_name::<true>(s, len, name) {
            break;
        }
        dentry = parent;
    }
    s.dentry = dentry;
}

/// Notes that another program goes on with the walk; a path that took too many is left as it is.
#[inline(always)]
pub(crate) fn next_pass(s: &mut Scratch) {
    s.passes += 1;
    if s.passes > MAX_PASSES {
        // A dentry of 0 ends the walk at the next step.
        s.dentry = 0;
    }
}

/// Walks to the end of one path by turns: each a crossing from the root of a mount to where it is mounted (`prepend_path()` in
/// `fs/d_path.c`), or up to `names` components. False when there is more to walk than that.
///
/// Not a crossing or a name in each turn of one loop: the verifier would walk the crossing again for every name.
///
/// `SHORT_NAMES`: see [`append_name`].
#[inline(always)]
pub(crate) fn finish<const SHORT_NAMES: bool>(s: &mut Scratch, turns: u32, names: u32) -> bool {
    let links = Links::read();
    for _ in 0..turns {
        let outcome = if s.dentry == s.mount_root {
            cross(s)
        } else {
            climb::<SHORT_NAMES>(s, &links, names)
        };
        // Through memory, so that the verifier goes on from here once and not once for each way that led here.
        let outcome = number(&mut s.outcome, outcome);
        if outcome != GO_ON {
            end(s, outcome);
            return true;
        }
    }
    false
}

/// As [`finish`], for whichever path is being walked: what is to be done next, in another program.
#[inline(always)]
pub(crate) fn go_on(s: &mut Scratch, turns: u32, names: u32) -> u32 {
    if !finish::<false>(s, turns, names) {
        return program::WALK;
    }
    if s.which == 1 {
        return program::EMIT;
    }
    begin_cwd::<false>(s);
    program::WALK
}

/// There is more to walk. No flag has this value.
const GO_ON: u64 = u64::MAX;

/// Appends names and climbs, up to the root of a mount; [`GO_ON`], or the path's end: the executable's flag for what kind of end it
/// was.
#[inline(always)]
fn climb<const SHORT_NAMES: bool>(s: &mut Scratch, links: &Links, names: u32) -> u64 {
    for _ in 0..names {
        let dentry = s.dentry;
        if dentry == 0 {
            return u64::from(flags::EXE_PATH_CUT);
        }
        if dentry == s.mount_root {
            break;
        }
        let (parent, len, name) = links.of::<false>(s, dentry);
        if !append_name::<SHORT_NAMES>(s, len, name) {
            return u64::from(flags::EXE_PATH_CUT);
        }
        if parent == dentry {
            // A dentry that is its own parent and no mount's root: a memfd, or a tree that is not mounted.
            return u64::from(flags::EXE_DETACHED);
        }
        s.dentry = parent;
    }
    GO_ON
}

/// Goes on from the root of a mount where it is mounted; [`GO_ON`], or the path's end, 0 for the root of all.
#[inline(always)]
fn cross(s: &mut Scratch) -> u64 {
    if s.dentry == 0 {
        return u64::from(flags::EXE_PATH_CUT);
    }
    let mount = s.mount;
    let parent = member!(mount_parent).u64_of::<false>(mount);
    if parent == mount {
        // Nothing, or an error number (`MNT_NS_INTERNAL`), where a mount is in no namespace: it was detached, and what
        // was above it is not known.
        let namespace = member!(mount_ns).u64_of::<false>(mount);
        let attached = namespace != 0 && namespace < ERRORS;
        return if attached { 0 } else { u64::from(flags::EXE_PATH_CUT) };
    }
    s.dentry = member!(mount_mountpoint).u64_of::<false>(mount);
    s.mount = parent;
    s.mount_root = member!(vfsmount_root).u64_of::<false>(parent + member!(mount_mnt).offset());
    GO_ON
}

/// Appends a name; false without room. `SHORT_NAMES`: those that are not long are copied without a helper function, which is one more
/// way for the verifier.
#[inline(always)]
fn append_name<const SHORT_NAMES: bool>(s: &mut Scratch, len: u32, name: u64) -> bool {
    // Volatile: the verifier would tell apart what it knows of the names before.
    // SAFETY: a field of the scratch value.
    let pos = unsafe { core::ptr::read_volatile(&raw const s.pos) };
    if len > NAME_MAX || pos > (TAIL - 256) as u64 || pos + u64::from(len) + 1 > s.path_start + PATH_MAX {
        return false;
    }
    // Through memory: kernels before 5.12 forget what was compared where the compiler keeps it on the stack, so the mask must stay.
    let mut masked = len;
    // SAFETY: a local variable.
    let len = u64::from(
        unsafe {
            core::ptr::write_volatile(&raw mut masked, len);
            core::ptr::read_volatile(&raw const masked)
        } & NAME_MAX,
    );
    // SAFETY: 256 bytes from `pos` are within the tail, by the comparison above, and `len` is at most 255.
    unsafe {
        let to = s.tail.as_mut_ptr().add(pos as usize);
        if SHORT_NAMES && can_cast() {
            copy_short(to, name);
            if len > SHORT as u64 {
                // Without a look at the answer, which would be one more way for the verifier: zeros for what can't be read.
                copy(to, len, name);
            }
        } else if !copy(to, len, name) {
            return false;
        }
        to.add(len as usize).write(b'/');
    }
    s.pos = pos + len + 1;
    true
}

/// Ends the walk of one path. `flag` is the executable's flag; the working directory's is the bit above it.
#[inline(always)]
fn end(s: &mut Scratch, flag: u64) {
    let len = (s.pos - s.path_start) as u32;
    s.head.flags |= (flag as u32) << s.which;
    if flag == u64::from(flags::EXE_PATH_CUT) {
        count(|c| c.path_cut += 1);
    }
    if s.which == 0 {
        s.head.exe_len = len;
    } else {
        s.head.cwd_len = len;
    }
}
