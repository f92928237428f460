//! The fixed facts of an exec: who runs it, where from, with which rights.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, generated};
use cert_recon_common::{Head, LANE_SHIFT, Prefix, flags, kind};

use crate::{
    ancestry,
    kernel::{MIDDLING, Members, Span, copy_middling_str, copy_str, current, member, number},
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
    member!(task_mm).u64_of::<false>(task)
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

    let (mm, real_parent, tgid) = (member!(task_mm), member!(task_real_parent), member!(task_tgid));
    let members = Members::<FOLLOW>::read(
        &mut s.members,
        task,
        [(mm.offset(), 8), (real_parent.offset(), 8), (tgid.offset(), 4)],
    );
    let (mm, parent, pid) = (members.u64(mm), members.u64(real_parent), members.u32(tgid));
    s.mm = mm;

    let (start_boottime, cred, comm, signal) = (
        member!(task_start_boottime),
        member!(task_cred),
        member!(task_comm),
        member!(task_signal),
    );
    let audit = member!(task_loginuid).is_there();
    let usual = [
        (start_boottime.offset(), 8),
        (cred.offset(), 8),
        (comm.offset(), 16),
        (signal.offset(), 8),
    ];
    let span = if audit {
        let [a, b, c, d] = usual;
        let login = (member!(task_loginuid).offset(), 4);
        Span::of([a, b, c, d, login, (member!(task_sessionid).offset(), 4)])
    } else {
        Span::of(usual)
    };
    let members = Members::<FOLLOW>::read_span(&mut s.members, task, &span);
    let (start_boot_ns, cred, signal) = (members.u64(start_boottime), members.u64(cred), members.u64(signal));
    let (loginuid, session) = if audit {
        (
            members.u32(member!(task_loginuid)),
            members.u32(member!(task_sessionid)),
        )
    } else {
        (0, 0)
    };
    let comm = members.text(comm);
    // SAFETY: the field has 16 bytes at a multiple of 8 (checked below).
    unsafe {
        let to = (&raw mut s.head.comm).cast::<u64>();
        to.write_volatile(comm.0);
        to.add(1).write_volatile(comm.1);
    }

    let ids = (
        member!(cred_uid),
        member!(cred_gid),
        member!(cred_euid),
        member!(cred_egid),
    );
    let members = Members::<FOLLOW>::read(
        &mut s.members,
        cred,
        [
            (ids.0.offset(), 4),
            (ids.1.offset(), 4),
            (ids.2.offset(), 4),
            (ids.3.offset(), 4),
        ],
    );
    let (uid, gid, euid, egid) = (
        members.u32(ids.0),
        members.u32(ids.1),
        members.u32(ids.2),
        members.u32(ids.3),
    );

    let (arg_start, arg_end, file, stack) = (
        member!(mm_arg_start),
        member!(mm_arg_end),
        member!(mm_exe_file),
        member!(mm_start_stack),
    );
    let members = Members::<FOLLOW>::read(
        &mut s.members,
        mm,
        [
            (arg_start.offset(), 8),
            (arg_end.offset(), 8),
            (file.offset(), 8),
            (stack.offset(), 8),
        ],
    );
    let (arg_start, arg_end) = (members.u64(arg_start), members.u64(arg_end));
    let (exe_file, stack) = (members.u64(file), members.u64(stack));
    let image = if mm == 0 {
        0
    } else {
        ancestry::key(number(&mut s.outcome, exe_file), stack)
    };

    let dentry = path::begin_exe::<FOLLOW>(s, exe_file);
    let inode = member!(dentry_inode).u64_of::<FOLLOW>(dentry);
    let (sb, ino, nlink, size) = (
        member!(inode_sb),
        member!(inode_ino),
        member!(inode_nlink),
        member!(inode_size),
    );
    let members = Members::<FOLLOW>::read(
        &mut s.members,
        inode,
        [
            (sb.offset(), 8),
            (ino.offset(), 8),
            (nlink.offset(), 4),
            (size.offset(), 8),
        ],
    );
    let (exe_inode, exe_size, exe_nlink) = (members.u64(ino), members.u64(size), members.u32(nlink));
    let exe_dev = member!(super_dev).u32_of::<FOLLOW>(members.u64(sb));

    let (argc, filename, interp) = (member!(binprm_argc), member!(binprm_filename), member!(binprm_interp));
    let members = Members::<false>::read(
        &mut s.members,
        bprm,
        [(argc.offset(), 4), (filename.offset(), 8), (interp.offset(), 8)],
    );
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
        ppid: member!(task_tgid).u32_of::<FOLLOW>(parent),
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
        ancestors_len: 0,
        inline_len: 0,
    });
    match append_str::<FOLLOW, PATH_MAX>(s, filename) {
        Some(len) => s.head.filename_len = len,
        None => s.head.flags |= flags::FILENAME_FAULT,
    }
    if interp != filename {
        s.head.interp_len = append_str::<FOLLOW, PATH_MAX>(s, interp).unwrap_or(0);
    }
    let tty = if !member!(tty_name).is_there() {
        0
    } else {
        member!(signal_tty).u64_of::<FOLLOW>(signal)
    };
    if tty != 0 {
        s.head.tty_len = append_str::<FOLLOW, TTY_NAME>(s, tty + member!(tty_name).offset()).unwrap_or(0);
        s.head.flags |= flags::TTY;
    }
    // The walk begins behind the strings.
    s.path_start = s.pos;
    dentry
}

const _: () = assert!(core::mem::offset_of!(Head, comm) % 8 == 0);

/// Appends a kernel string of at most `MAX` bytes, without its NUL; its length, or `None` when it can't be read.
#[inline(always)]
fn append_str<const FOLLOW: bool, const MAX: u32>(s: &mut Scratch, from: u64) -> Option<u32> {
    let pos = s.pos;
    if pos > (TAIL - PATH_MAX as usize) as u64 {
        return None;
    }
    if FOLLOW && MAX as usize >= MIDDLING {
        // SAFETY: `MAX` bytes from `pos` are within the tail, by the comparison above.
        let short = unsafe { copy_middling_str(s.tail.as_mut_ptr().add(pos as usize), from) };
        // Through memory, so that the verifier goes on from here once and not once for each length.
        let short = number(&mut s.outcome, short);
        if short != 0 {
            s.pos = pos + short;
            return Some(short as u32);
        }
    }
    // SAFETY: as above.
    let len = unsafe { copy_str(s.tail.as_mut_ptr().add(pos as usize), MAX, from) };
    if len < 1 || len > i64::from(MAX) {
        return None;
    }
    s.pos = pos + (len as u64 - 1);
    Some((len - 1) as u32)
}
