//! System calls that the standard library has no word for. Those named `child_` may be called between fork and exec: they
//! allocate nothing and take no lock.

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString},
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    sync::atomic::AtomicU32,
};

/// The path as the C library takes it.
pub(crate) fn c_path(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).expect("a path without NUL")
}

/// What a system call that gives -1 and errno came to.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn owned(result: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call just gave this descriptor, and nobody else has it.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal to one process.
pub(crate) fn kill(pid: u32, signal: libc::c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    assert!(pid > 1, "only single processes are sent signals");
    // SAFETY: takes numbers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Waits until a child of this process has been stopped by a signal.
pub(crate) fn wait_stopped(pid: u32) -> io::Result<()> {
    let mut status = 0;
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: `status` is writable.
    check(unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) })?;
    if libc::WIFSTOPPED(status) {
        Ok(())
    } else {
        Err(io::Error::other("it ended instead"))
    }
}

/// A file in memory with these contents. Not inherited by programs.
pub(crate) fn memfd(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let name = CString::new(name).map_err(io::Error::other)?;
    // SAFETY: the name ends in NUL.
    let fd = owned(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) })?;
    io::Write::write_all(&mut std::fs::File::from(fd.try_clone()?), bytes)?;
    Ok(fd)
}

/// Whether somebody has this file open for writing: then it can't be executed. That may be a child of another thread between its fork
/// and its exec. The kernel gives no lease for reading then.
pub(crate) fn is_open_for_writing(file: &std::fs::File) -> bool {
    let lease = |kind: libc::c_int| {
        // SAFETY: takes numbers; the descriptor is open.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) })
    };
    match lease(libc::F_RDLCK) {
        Ok(_) => {
            lease(libc::F_UNLCK).expect("giving the lease back");
            false
        }
        // What else a file system says of leases tells nothing.
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Opens a file for nothing but exec and fchdir.
pub(crate) fn open_path(path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    open_at(libc::AT_FDCWD, &c_path(path))
}

/// As [`open_path`], relative to a folder.
pub(crate) fn open_at(folder: RawFd, name: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name ends in NUL.
    owned(unsafe { libc::openat(folder, name.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) })
}

/// Makes a folder relative to another.
pub(crate) fn make_folder_at(folder: RawFd, name: &CStr) -> io::Result<()> {
    // SAFETY: the name ends in NUL.
    check(unsafe { libc::mkdirat(folder, name.as_ptr(), 0o755) }).map(drop)
}

/// Writes a new executable file relative to a folder.
pub(crate) fn make_executable_at(folder: RawFd, name: &CStr, bytes: &[u8]) -> io::Result<()> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    // SAFETY: the name ends in NUL.
    let fd = owned(unsafe { libc::openat(folder, name.as_ptr(), flags, 0o755) })?;
    io::Write::write_all(&mut std::fs::File::from(fd), bytes)
}

/// An executable file that has no name, for nothing but exec.
pub(crate) fn unnamed_executable(folder: &Path, bytes: &[u8]) -> io::Result<OwnedFd> {
    let folder = c_path(folder);
    // SAFETY: the path ends in NUL.
    let writable =
        owned(unsafe { libc::open(folder.as_ptr(), libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC, 0o755) })?;
    let mut file = std::fs::File::from(writable);
    io::Write::write_all(&mut file, bytes)?;
    // A file that is open for writing can't be executed.
    open_path(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Removes a name relative to a folder.
pub(crate) fn remove_at(folder: RawFd, name: &CStr, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: the name ends in NUL.
    check(unsafe { libc::unlinkat(folder, name.as_ptr(), flags) }).map(drop)
}

/// CPUs that this process may run on.
pub(crate) fn allowed_cpus() -> Vec<usize> {
    // SAFETY: all zeroes is an empty set; the kernel fills it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(
            libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set),
            0,
            "asking for the CPUs"
        );
        set
    };
    let most = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: the number is below CPU_SETSIZE.
    (0..most).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Runs on this CPU only from now on.
pub(crate) fn child_pin(cpu: usize) -> io::Result<()> {
    // SAFETY: all zeroes is an empty set, and the number came from [`allowed_cpus`].
    check(unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    })
    .map(drop)
}

/// Lets the stack, and with it argv, be as large as the kernel allows.
pub(crate) fn child_unlimited_stack() -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the limit is readable.
    check(unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raw const limit) }).map(drop)
}

/// Leaves a kind of namespace.
pub(crate) fn child_unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes a number.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// Mounts.
pub(crate) fn child_mount(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the strings end in NUL; there is no data.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) }).map(drop)
}

/// Mounts a file system without a device, for everyone.
pub(crate) fn mount(target: &Path, kind: &CStr, data: &CStr) -> io::Result<()> {
    let target = c_path(target);
    // SAFETY: the strings end in NUL.
    check(unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, data.as_ptr().cast()) }).map(drop)
}

/// Undoes [`mount`].
pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    let target = c_path(target);
    // SAFETY: the path ends in NUL.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// Sets the host's clock.
pub(crate) fn set_clock(time: std::time::SystemTime) -> io::Result<()> {
    let since = time
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_err(io::Error::other)?;
    // SAFETY: a timespec of zeros is valid; its fields are of other widths on other machines.
    let mut spec: libc::timespec = unsafe { std::mem::zeroed() };
    spec.tv_sec = libc::time_t::try_from(since.as_secs()).map_err(io::Error::other)?;
    spec.tv_nsec = libc::c_long::from(since.subsec_nanos().cast_signed());
    // SAFETY: the timespec is whole.
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const spec) }).map(drop)
}

/// Leaves the mount namespace; what is mounted from now on is seen by this process alone.
pub(crate) fn child_private_mounts() -> io::Result<()> {
    child_unshare(libc::CLONE_NEWNS)?;
    child_mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE)
}

/// Writes a new executable file.
pub(crate) fn child_write_executable(path: &CStr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends in NUL, the bytes are readable, and the descriptor is closed once.
    unsafe {
        let fd = check(libc::open(
            path.as_ptr(),
            libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC,
            0o755,
        ))?;
        let written = libc::write(fd, bytes.as_ptr().cast(), bytes.len());
        let error = io::Error::last_os_error();
        check(libc::close(fd))?;
        if usize::try_from(written) == Ok(bytes.len()) {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// Changes the working directory.
pub(crate) fn child_chdir(folder: &OwnedFd) -> io::Result<()> {
    // SAFETY: takes a number.
    check(unsafe { libc::fchdir(folder.as_raw_fd()) }).map(drop)
}

/// As [`child_chdir`], by path.
pub(crate) fn child_chdir_path(folder: &CStr) -> io::Result<()> {
    // SAFETY: the path ends in NUL.
    check(unsafe { libc::chdir(folder.as_ptr()) }).map(drop)
}

/// Makes a folder.
pub(crate) fn child_make_folder(path: &CStr) -> io::Result<()> {
    make_folder_at(libc::AT_FDCWD, path)
}

/// Changes the root directory, and the working directory to it.
pub(crate) fn child_chroot(path: &CStr) -> io::Result<()> {
    // SAFETY: the strings end in NUL.
    unsafe {
        check(libc::chroot(path.as_ptr()))?;
        check(libc::chdir(c"/".as_ptr())).map(drop)
    }
}

/// Becomes another user for good.
pub(crate) fn child_become(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: takes numbers; an empty list has no elements to read.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setgid(gid))?;
        check(libc::setuid(uid)).map(drop)
    }
}

/// Changes the effective user alone.
pub(crate) fn child_effective(uid: u32) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::setresuid(libc::uid_t::MAX, uid, libc::uid_t::MAX) }).map(drop)
}

/// Executes an open file with these two arguments and no environment; the error when it can't.
pub(crate) fn child_execute(program: &OwnedFd, argv: [&CStr; 2]) -> io::Error {
    let argv = [argv[0].as_ptr(), argv[1].as_ptr(), std::ptr::null()];
    let env = [std::ptr::null::<libc::c_char>()];
    // SAFETY: the strings end in NUL, the arrays in NULL.
    unsafe {
        let (fd, path) = (program.as_raw_fd(), c"".as_ptr());
        libc::syscall(
            libc::SYS_execveat,
            fd,
            path,
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Starts a session without a controlling terminal.
pub(crate) fn child_new_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() }).map(drop)
}

/// Starts a session that the terminal at `path` controls.
pub(crate) fn child_session_on(path: &CStr) -> io::Result<()> {
    child_new_session()?;
    // SAFETY: the path ends in NUL; the call takes a number.
    unsafe {
        let fd = check(libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC))?;
        check(libc::ioctl(fd, libc::TIOCSCTTY, 0)).map(drop)
    }
}

/// Closes what this process has open but the standard streams. A process that forked instead of executing something keeps what
/// is to be closed by exec; the one who started it waits for that.
pub(crate) fn child_close_all() {
    // SAFETY: takes numbers; the process uses no descriptor any more.
    (3..1024).for_each(|fd| unsafe {
        libc::close(fd);
    });
}

/// Forks once more: the child goes on, its parent waits for it and exits as it did. `pid` gets the child's number.
pub(crate) fn child_fork(pid: SharedNumber) -> io::Result<()> {
    // SAFETY: the process has one thread, as a child between fork and exec has.
    unsafe {
        let before = pid.get();
        let child = check(libc::fork())?;
        if child == 0 {
            // Its number is that which its parent sees. It has to be told before this one tells that of its own child.
            while pid.get() == before {
                libc::sched_yield();
            }
            return Ok(());
        }
        pid.set(child.unsigned_abs());
        child_close_all();
        let mut status = 0;
        libc::waitpid(child, &raw mut status, 0);
        libc::_exit(if libc::WIFEXITED(status) {
            libc::WEXITSTATUS(status)
        } else {
            127
        });
    }
}

/// Forks this many times: each time the child goes on, its parent waits for it and exits as it did.
pub(crate) fn child_forks(count: u32, pid: SharedNumber) -> io::Result<()> {
    (0..count).try_for_each(|_| child_fork(pid))
}

/// Forks; the parent exits at once, the child goes on when it has got another parent.
pub(crate) fn child_orphan() -> io::Result<()> {
    // SAFETY: the process has one thread, as a child between fork and exec has.
    unsafe {
        let parent = libc::getpid();
        if check(libc::fork())? != 0 {
            libc::_exit(0);
        }
        while libc::getppid() == parent {
            libc::sched_yield();
        }
    }
    Ok(())
}

/// Takes the orphans below, and forks: the child goes on, its parent waits for all that are below it.
pub(crate) fn child_fork_below_reaper() -> io::Result<()> {
    // SAFETY: the process has one thread, as a child between fork and exec has.
    unsafe {
        check(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))?;
        if check(libc::fork())? != 0 {
            child_close_all();
            while libc::waitpid(-1, std::ptr::null_mut(), 0) > 0 {}
            libc::_exit(0);
        }
    }
    Ok(())
}

/// `struct clone_args` of `include/uapi/linux/sched.h`.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks; the child gets this number, which must be free, and goes on; its parent waits for it and exits as it did.
pub(crate) fn child_fork_as(pid: u32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let args = CloneArgs {
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        set_tid: (&raw const pid).addr() as u64,
        set_tid_size: 1,
        ..CloneArgs::default()
    };
    // SAFETY: the arguments are a whole structure; without a stack it is a fork, in a process of one thread.
    unsafe {
        let child = libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>());
        match child {
            0 => Ok(()),
            -1 => Err(io::Error::last_os_error()),
            _ => {
                child_close_all();
                let mut status = 0;
                libc::waitpid(pid, &raw mut status, 0);
                libc::_exit(if libc::WIFEXITED(status) {
                    libc::WEXITSTATUS(status)
                } else {
                    127
                });
            }
        }
    }
}

/// Has a descriptor under another number as well, which programs inherit.
pub(crate) fn child_dup(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::dup2(from, to) }).map(drop)
}

/// Writes a few bytes to a pipe; when that fails, its reader sees that they are missing.
pub(crate) fn child_write_to(pipe: &OwnedFd, bytes: &[u8]) {
    // SAFETY: the bytes are there for the call.
    unsafe { libc::write(pipe.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
}

/// A pipe: the end to read from, the end to write to. Not inherited by programs.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: there is room for two descriptors, which nobody else has.
    unsafe {
        check(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC))?;
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

/// Makes a FIFO.
pub(crate) fn fifo(path: &Path) -> io::Result<()> {
    let path = c_path(path);
    // SAFETY: the path ends in NUL.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }).map(drop)
}

/// Opens a FIFO for both reading and writing, which waits for nobody.
pub(crate) fn open_both_ways(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path);
    // SAFETY: the path ends in NUL.
    owned(unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) })
}

/// Lets core dumps be of any size.
pub(crate) fn child_no_core_limit() -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the limit is readable.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) }).map(drop)
}

/// Waits until something can be read; false when nothing can within that time.
pub(crate) fn readable(fd: &OwnedFd, limit: std::time::Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let limit = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: one element.
    Ok(check(unsafe { libc::poll(&raw mut poll, 1, limit) })? > 0)
}

/// Writes to a file that exists.
pub(crate) fn child_write(path: &CStr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends in NUL, the bytes are readable, and the descriptor is closed once.
    unsafe {
        let fd = check(libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
        let written = libc::write(fd, bytes.as_ptr().cast(), bytes.len());
        let error = io::Error::last_os_error();
        libc::close(fd);
        if usize::try_from(written) == Ok(bytes.len()) {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// The decimal number that a file begins with.
pub(crate) fn child_read_number(path: &CStr) -> io::Result<u32> {
    let mut bytes = [0u8; 16];
    // SAFETY: the path ends in NUL, the bytes are writable, and the descriptor is closed once.
    let read = unsafe {
        let fd = check(libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC))?;
        let read = libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len());
        libc::close(fd);
        read
    };
    let digits = bytes
        .iter()
        .take(usize::try_from(read).unwrap_or(0))
        .take_while(|b| b.is_ascii_digit());
    Ok(digits.fold(0u32, |number, b| {
        number.wrapping_mul(10).wrapping_add(u32::from(b - b'0'))
    }))
}

/// Whether the thread that this process began with has ended, and others have not.
pub(crate) fn child_first_thread_has_ended() -> bool {
    let mut bytes = [0u8; 512];
    // SAFETY: the path ends in NUL, the bytes are writable, and the descriptor is closed once.
    let read = unsafe {
        let fd = libc::open(c"/proc/self/stat".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let read = libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len());
        libc::close(fd);
        read
    };
    let stat = bytes.get(..usize::try_from(read).unwrap_or(0)).unwrap_or_default();
    let end = stat.iter().rposition(|&b| b == b')').unwrap_or(0);
    stat.get(end + 2) == Some(&b'Z')
}

/// A number that a forked child can tell its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedNumber(&'static AtomicU32);

impl SharedNumber {
    /// A new one. It lives as long as the process.
    pub(crate) fn new() -> Self {
        // SAFETY: a new anonymous page, zeroed, aligned, never unmapped.
        unsafe {
            let page = libc::mmap(
                std::ptr::null_mut(),
                size_of::<AtomicU32>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(page, libc::MAP_FAILED, "a page of shared memory");
            Self(&*page.cast())
        }
    }

    pub(crate) fn set(self, value: u32) {
        self.0.store(value, std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) fn get(self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// A new pseudo-terminal: its controlling side and the path of the other.
pub(crate) fn pty() -> io::Result<(OwnedFd, CString)> {
    let mut name = [0u8; 64];
    // SAFETY: the descriptor is open, the name is writable for its length.
    unsafe {
        let control = owned(libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC))?;
        check(libc::grantpt(control.as_raw_fd()))?;
        check(libc::unlockpt(control.as_raw_fd()))?;
        let error = libc::ptsname_r(control.as_raw_fd(), name.as_mut_ptr().cast(), name.len());
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let path = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?;
        Ok((control, path.to_owned()))
    }
}

/// What the kernel numbers: the commands of bpf(2) that list it (`include/uapi/linux/bpf.h`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loaded {
    Programs = 11,
    Maps = 12,
}

/// Ids of all that is loaded on this host.
///
/// Only ids are asked for. Opening the objects, as libraries do to list them, would disturb what is observed: a map of
/// programs that is opened and closed while its owner exits is never freed (`prog_array_map_clear()` in
/// `kernel/bpf/arraymap.c` takes a reference for each of two calls and schedules one work).
pub(crate) fn loaded(what: Loaded) -> BTreeSet<u32> {
    /// The part of `union bpf_attr` that these commands take.
    #[repr(C)]
    struct Attr {
        start_id: u32,
        next_id: u32,
        open_flags: u32,
    }
    let mut ids = BTreeSet::new();
    let mut attr = Attr {
        start_id: 0,
        next_id: 0,
        open_flags: 0,
    };
    // SAFETY: the attributes are writable for their size.
    while unsafe { libc::syscall(libc::SYS_bpf, what as libc::c_int, &raw mut attr, size_of::<Attr>()) } == 0 {
        ids.insert(attr.next_id);
        attr.start_id = attr.next_id;
    }
    let error = io::Error::last_os_error();
    assert_eq!(
        error.raw_os_error(),
        Some(libc::ENOENT),
        "listing {what:?} to the end: {error}"
    );
    ids
}
