//! The fixed facts of an exec: who runs it, where from, with which rights.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, generated};
use cert_recon_common::{ABSENT, LANE_SHIFT, Prefix, flags, kind};

use crate::{
    ancestry,
    kernel::{copy, copy_str, offset, read_u32, read_u64},
    maps::{Scratch, TAIL, count},
    path,
};

/// `PATH_MAX` in `include/uapi/linux/limits.h`.
const PATH_MAX: u32 = 4096;
/// Size of `tty_struct.name`.
const TTY_NAME: u32 = 64;

/// `TASK_COMM_LEN` in `include/linux/sched.h`.
const COMM: usize = 16;

/// Sets the fields one by one. Volatile: the compiler would make one call of memset of neighbouring zeros, and a program that
/// makes tail calls may have no functions.
macro_rules! fill {
    ($to:ident, { $($field:ident $(: $value:expr)?,)* }) => {$({
        let value = fill!(@ $field $($value)?);
        // SAFETY: a field of the structure that the pointer was taken from.
        unsafe { (&raw mut (*$to).$field).write_volatile(value) };
    })*};
    (@ $field:ident $value:expr) => { $value };
    (@ $field:ident) => { $field };
}

/// The memory image of a task (`mm_struct`).
#[inline(always)]
pub(crate) fn image_of(task: u64) -> u64 {
    read_u64(task, offset!(task_mm))
}

/// Starts the record of an exec and its path walks. `task` is the `task_struct`, `bprm` the `linux_binprm`.
#[inline(always)]
pub(crate) fn begin(s: &mut Scratch, lane: u32, task: u64, bprm: u64) {
    s.task = task;
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

    let mm = image_of(task);
    let cred = read_u64(task, offset!(task_cred));
    let parent = read_u64(task, offset!(task_real_parent));
    let exe_file = read_u64(mm, offset!(mm_exe_file));
    let exe_dentry = read_u64(exe_file, offset!(file_path_dentry));
    let inode = read_u64(exe_dentry, offset!(dentry_inode));
    let arg_start = read_u64(mm, offset!(mm_arg_start));
    let arg_end = read_u64(mm, offset!(mm_arg_end));
    let audit = offset!(task_loginuid) != ABSENT && offset!(task_sessionid) != ABSENT;

    s.mm = mm;
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
    let (cpu, boot_ns, cgroup_id) = unsafe {
        (
            bpf_get_smp_processor_id() as u32,
            generated::bpf_ktime_get_boot_ns(),
            generated::bpf_get_current_cgroup_id(),
        )
    };
    let head = &raw mut s.head;
    fill!(head, {
        prefix: Prefix { kind: kind::HEAD, abi: cert_recon_common::ABI, cpu: cpu | lane << LANE_SHIFT, seq },
        lost_before,
        boot_ns,
        start_boot_ns: read_u64(task, offset!(task_start_boottime)),
        image: ancestry::image(mm),
        cgroup_id,
        exe_inode: read_u64(inode, offset!(inode_ino)),
        exe_size: read_u64(inode, offset!(inode_size)),
        argv_len: arg_end.saturating_sub(arg_start),
        pid: read_u32(task, offset!(task_tgid)),
        ppid: read_u32(parent, offset!(task_tgid)),
        uid: read_u32(cred, offset!(cred_uid)),
        gid: read_u32(cred, offset!(cred_gid)),
        euid: read_u32(cred, offset!(cred_euid)),
        egid: read_u32(cred, offset!(cred_egid)),
        loginuid: read_u32(task, offset!(task_loginuid)),
        session: read_u32(task, offset!(task_sessionid)),
        exe_dev: read_u32(read_u64(inode, offset!(inode_sb)), offset!(super_dev)),
        exe_nlink: read_u32(inode, offset!(inode_nlink)),
        argc: read_u32(bprm, offset!(binprm_argc)),
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
    let comm = task + u64::from(offset!(task_comm));
    // SAFETY: the field has this size.
    unsafe { copy(s.head.comm.as_mut_ptr(), COMM as u64, comm) };

    let filename = read_u64(bprm, offset!(binprm_filename));
    match append_str::<PATH_MAX>(s, filename) {
        Some(len) => s.head.filename_len = len,
        None => s.head.flags |= flags::FILENAME_FAULT,
    }
    let interp = read_u64(bprm, offset!(binprm_interp));
    if interp != filename {
        s.head.interp_len = append_str::<PATH_MAX>(s, interp).unwrap_or(0);
    }
    let tty = read_u64(read_u64(task, offset!(task_signal)), offset!(signal_tty));
    if tty != 0 && offset!(tty_name) != ABSENT {
        s.head.tty_len = append_str::<TTY_NAME>(s, tty + u64::from(offset!(tty_name))).unwrap_or(0);
        s.head.flags |= flags::TTY;
    }
    path::begin_exe(s, exe_file);
}

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
