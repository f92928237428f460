//! The fixed facts of an exec: who runs it, where from, with which rights.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, generated};
use cert_recon_common::{Head, LANE_SHIFT, Prefix, flags, kind};

use crate::{
    ancestry,
    kernel::{Members, NONE, copy_str, current, member_u32, member_u64, number, offset, read_u64},
    maps::{Scratch, TAIL, count, fill},
    path,
};

/// `PATH_MAX` in `include/uapi/linux/limits.h`.
const PATH_MAX: u32 = 4096;
/// Size of `tty_struct.name`.
const TTY_NAME: u32 = 64;

/// The memory image of a task (`mm_struct`).
#[inline(always)]
pub(crate) fn image_of(task: u64) -> u64 {
    read_u64(task, offset!(task_mm))
}

/// Starts the record of an exec and the walk of the executable's path. `task` is the `task_struct`, `bprm` the `linux_binprm`.
/// Gives the dentry where the walk begins, which can be followed.
#[inline(always)]
pub(crate) fn begin<const FOLLOW: bool>(s: &mut Scratch, task: u64, bprm: u64) -> u64 {
    s.task = task;
    let task = current::<FOLLOW>(task);
    let lane = s.lane;
    let mut seq = 0;
    let mut lost_before = 0;
    count(|c| {
        if lane == 0 {
            c.execs += 1;
            seq = c.execs;
            lost_before = c.lost;
        } else {
            c.second += 1;
            seq = c.second;
        }
    });

    let (mm, real_parent, tgid) = (offset!(task_mm), offset!(task_real_parent), offset!(task_tgid));
    let members = Members::<FOLLOW>::read(&mut s.members, task, [(mm, 8), (real_parent, 8), (tgid, 4)]);
    let (mm, parent, pid) = (members.u64(mm), members.u64(real_parent), members.u32(tgid));
    s.mm = mm;

    let (start_boottime, cred, comm, signal) = (
        offset!(task_start_boottime),
        offset!(task_cred),
        offset!(task_comm),
        offset!(task_signal),
    );
    let audit = offset!(task_loginuid) != NONE;
    // Of a kernel without audit, something else is read, and told to mean nothing.
    let (loginuid, session) = if audit {
        (offset!(task_loginuid), offset!(task_sessionid))
    } else {
        (start_boottime, start_boottime)
    };
    let members = Members::<FOLLOW>::read(
        &mut s.members,
        task,
        [
            (start_boottime, 8),
            (cred, 8),
            (comm, 8),
            (comm + 8, 8),
            (signal, 8),
            (loginuid, 4),
            (session, 4),
        ],
    );
    let (start_boot_ns, cred, signal) = (members.u64(start_boottime), members.u64(cred), members.u64(signal));
    let (loginuid, session) = (members.u32(loginuid), members.u32(session));
    let comm = members.text(comm);
    // SAFETY: the field has 16 bytes at a multiple of 8 (checked below).
    unsafe {
        let to = (&raw mut s.head.comm).cast::<u64>();
        to.write_volatile(comm.0);
        to.add(1).write_volatile(comm.1);
    }

    let ids = (
        offset!(cred_uid),
        offset!(cred_gid),
        offset!(cred_euid),
        offset!(cred_egid),
    );
    let members = Members::<FOLLOW>::read(&mut s.members, cred, [(ids.0, 4), (ids.1, 4), (ids.2, 4), (ids.3, 4)]);
    let (uid, gid, euid, egid) = (
        members.u32(ids.0),
        members.u32(ids.1),
        members.u32(ids.2),
        members.u32(ids.3),
    );

    let (arg_start, arg_end, file, stack) = (
        offset!(mm_arg_start),
        offset!(mm_arg_end),
        offset!(mm_exe_file),
        offset!(mm_start_stack),
    );
    let members = Members::<FOLLOW>::read(
        &mut s.members,
        mm,
        [(arg_start, 8), (arg_end, 8), (file, 8), (stack, 8)],
    );
    let (arg_start, arg_end) = (members.u64(arg_start), members.u64(arg_end));
    let (exe_file, stack) = (members.u64(file), members.u64(stack));
    let image = if mm == 0 {
        0
    } else {
        ancestry::key(number(&mut s.outcome, exe_file), stack)
    };

    let dentry = path::begin_exe::<FOLLOW>(s, exe_file);
    let inode = member_u64::<FOLLOW>(dentry, offset!(dentry_inode));
    let (sb, ino, nlink, size) = (
        offset!(inode_sb),
        offset!(inode_ino),
        offset!(inode_nlink),
        offset!(inode_size),
    );
    let members = Members::<FOLLOW>::read(&mut s.members, inode, [(sb, 8), (ino, 8), (nlink, 4), (size, 8)]);
    let (exe_inode, exe_size, exe_nlink) = (members.u64(ino), members.u64(size), members.u32(nlink));
    let exe_dev = member_u32::<FOLLOW>(members.u64(sb), offset!(super_dev));

    let (argc, filename, interp) = (offset!(binprm_argc), offset!(binprm_filename), offset!(binprm_interp));
    let members = Members::<false>::read(&mut s.members, bprm, [(argc, 4), (filename, 8), (interp, 8)]);
    let (argc, filename, interp) = (members.u32(argc), members.u64(filename), members.u64(interp));
    s.arg_start = arg_start;
    s.pos = 0;

    let mut bits = 0;
    if lane != 0 {
        bits |= flags::SECOND;
    }
    if !audit {
        bits |= flags::NO_AUDIT;
    }
    if inode != 0 {
        bits |= flags::INODE;
    }

    // SAFETY: helpers without arguments.
    let (cpu, boot_ns) = unsafe { (bpf_get_smp_processor_id() as u32, generated::bpf_ktime_get_boot_ns()) };
    let head = &raw mut s.head;
    fill!(head, {
        prefix: Prefix { kind: kind::HEAD, abi: cert_recon_common::ABI, cpu: cpu | lane << LANE_SHIFT, seq },
        lost_before,
        boot_ns,
        start_boot_ns,
        image,
        cgroup_id: 0,
        exe_inode,
        exe_size,
        argv_len: arg_end.saturating_sub(arg_start),
        pid,
        ppid: member_u32::<FOLLOW>(parent, offset!(task_tgid)),
        uid,
        gid,
        euid,
        egid,
        loginuid,
        session,
        exe_dev,
        exe_nlink,
        argc,
        flags: bits,
        filename_len: 0,
        interp_len: 0,
        tty_len: 0,
        exe_len: 0,
        cwd_len: 0,
        cgroup_len: 0,
        ancestors: 0,
        inline_len: 0,
    });
    match append_str::<PATH_MAX>(s, filename) {
        Some(len) => s.head.filename_len = len,
        None => s.head.flags |= flags::FILENAME_FAULT,
    }
    if interp != filename {
        s.head.interp_len = append_str::<PATH_MAX>(s, interp).unwrap_or(0);
    }
    let tty = if offset!(tty_name) == NONE {
        0
    } else {
        member_u64::<FOLLOW>(signal, offset!(signal_tty))
    };
    if tty != 0 {
        s.head.tty_len = append_str::<TTY_NAME>(s, tty + offset!(tty_name)).unwrap_or(0);
        s.head.flags |= flags::TTY;
    }
    // The walk begins behind the strings.
    s.path_start = s.pos;
    dentry
}

const _: () = assert!(core::mem::offset_of!(Head, comm) % 8 == 0);

/// Appends a kernel string of at most `MAX` bytes, without its NUL; its length, or `None` when it can't be read.
#[inline(always)]
fn append_str<const MAX: u32>(s: &mut Scratch, from: u64) -> Option<u32> {
    let pos = s.pos;
    if pos > (TAIL - PATH_MAX as usize) as u64 {
        return None;
    }
    // SAFETY: `MAX` bytes from `pos` are within the tail, by the comparison above.
    let len = unsafe { copy_str(s.tail.as_mut_ptr().add(pos as usize), MAX, from) };
    if len < 1 || len > i64::from(MAX) {
        return None;
    }
    s.pos = pos + (len as u64 - 1);
    Some((len - 1) as u32)
}
