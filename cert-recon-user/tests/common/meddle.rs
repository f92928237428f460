//! System calls that another process is made to make, without its doing.

use std::{ffi::c_void, fs, io};

use super::sys::{check, wait_stopped};

#[cfg(target_arch = "x86_64")]
mod arch {
    /// `syscall`.
    pub(super) const INSTRUCTION: &[u8] = &[0x0f, 0x05];
    pub(super) const DUP3: u64 = 292;

    pub(super) fn at(registers: &libc::user_regs_struct) -> u64 {
        registers.rip
    }

    pub(super) fn call(registers: &mut libc::user_regs_struct, at: u64, number: u64, args: [u64; 3]) {
        registers.rip = at;
        registers.rax = number;
        // No call that was interrupted is to be made again.
        registers.orig_rax = u64::MAX;
        [registers.rdi, registers.rsi, registers.rdx] = args;
    }

    pub(super) fn result(registers: &libc::user_regs_struct) -> i64 {
        registers.rax.cast_signed()
    }
}

#[cfg(target_arch = "aarch64")]
mod arch {
    /// `svc 0`.
    pub(super) const INSTRUCTION: &[u8] = &[0x01, 0x00, 0x00, 0xd4];
    pub(super) const DUP3: u64 = 24;

    pub(super) fn at(registers: &libc::user_regs_struct) -> u64 {
        registers.pc
    }

    pub(super) fn call(registers: &mut libc::user_regs_struct, at: u64, number: u64, args: [u64; 3]) {
        registers.pc = at;
        registers.regs[8] = number;
        [registers.regs[0], registers.regs[1], registers.regs[2]] = args;
    }

    pub(super) fn result(registers: &libc::user_regs_struct) -> i64 {
        registers.regs[0].cast_signed()
    }
}

/// The descriptor of the process's link to a raw tracepoint of this name (`bpf_raw_tp_link_show_fdinfo()` in
/// `kernel/bpf/syscall.c`).
pub(crate) fn link_of(pid: u32, tracepoint: &str) -> Option<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?;
    entries.flatten().find_map(|entry| {
        let info = fs::read_to_string(entry.path()).ok()?;
        let named = info.lines().any(|line| {
            line.strip_prefix("tp_name:")
                .is_some_and(|name| name.trim() == tracepoint)
        });
        named.then(|| entry.file_name().to_str()?.parse().ok()).flatten()
    })
}

/// Makes a child of this process put its standard input in the place of a descriptor, which closes what that was.
///
/// The child's first thread must be waiting in a system call, as it does when nothing happens.
pub(crate) fn overwrite_descriptor(pid: u32, descriptor: u32) -> io::Result<()> {
    let pid_t = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    request(libc::PTRACE_ATTACH, pid_t, std::ptr::null_mut(), std::ptr::null_mut())?;
    let result = wait_stopped(pid).and_then(|()| {
        let close_on_exec = libc::O_CLOEXEC.unsigned_abs().into();
        call(pid, pid_t, arch::DUP3, [0, descriptor.into(), close_on_exec])
    });
    request(libc::PTRACE_DETACH, pid_t, std::ptr::null_mut(), std::ptr::null_mut())?;
    if result? == i64::from(descriptor) {
        Ok(())
    } else {
        Err(io::Error::other("the call failed"))
    }
}

/// Makes a stopped process make one system call, then restores its registers.
fn call(pid: u32, pid_t: libc::pid_t, number: u64, args: [u64; 3]) -> io::Result<i64> {
    let before = registers(pid_t, None)?;
    // The instruction that it waits in.
    let at = arch::at(&before) - arch::INSTRUCTION.len() as u64;
    let mut code = vec![0; arch::INSTRUCTION.len()];
    let memory = fs::File::open(format!("/proc/{pid}/mem"))?;
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut code, at)?;
    if code != arch::INSTRUCTION {
        return Err(io::Error::other("it does not wait in a system call"));
    }
    let mut during = before;
    arch::call(&mut during, at, number, args);
    registers(pid_t, Some(during))?;
    request(
        libc::PTRACE_SINGLESTEP,
        pid_t,
        std::ptr::null_mut(),
        std::ptr::null_mut(),
    )?;
    wait_stopped(pid)?;
    let result = arch::result(&registers(pid_t, None)?);
    registers(pid_t, Some(before))?;
    Ok(result)
}

/// Gives the registers, or sets them.
fn registers(pid: libc::pid_t, to: Option<libc::user_regs_struct>) -> io::Result<libc::user_regs_struct> {
    let kind = std::ptr::without_provenance_mut::<c_void>(usize::try_from(libc::NT_PRSTATUS).unwrap_or(1));
    // SAFETY: all zeroes are registers.
    let mut registers = to.unwrap_or_else(|| unsafe { std::mem::zeroed() });
    let mut vector = libc::iovec {
        iov_base: (&raw mut registers).cast(),
        iov_len: size_of_val(&registers),
    };
    let command = if to.is_some() {
        libc::PTRACE_SETREGSET
    } else {
        libc::PTRACE_GETREGSET
    };
    request(command, pid, kind, (&raw mut vector).cast())?;
    Ok(registers)
}

fn request(command: libc::c_uint, pid: libc::pid_t, address: *mut c_void, data: *mut c_void) -> io::Result<()> {
    // SAFETY: for the commands above, `data` is null or a vector that describes writable memory.
    let result = unsafe { libc::ptrace(command, pid, address, data) };
    check(libc::c_int::try_from(result).unwrap_or(0)).map(drop)
}
