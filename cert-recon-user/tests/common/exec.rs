//! Execs of every kind, made in a forked child that calls the kernel itself: what is asked for is what happens, byte for
//! byte.

use std::{
    ffi::{CString, c_char, c_void},
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::SystemTime,
};

use super::sys;

/// How the program is started.
#[derive(Debug)]
enum How {
    /// `execve(path)`.
    Path(CString),
    /// `execveat(fd, "", AT_EMPTY_PATH)`.
    Descriptor(OwnedFd),
    /// `execveat(folder, name)`.
    Relative(OwnedFd, CString),
    /// `execve(path)` by a second thread.
    Thread(CString),
    /// `execve(path)` by a child that a second thread forked. The first thread waits, or ends before.
    ThreadFork(CString, bool),
}

type Step = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// An exec to be made.
pub(crate) struct Exec {
    how: How,
    argv: Vec<CString>,
    env: Vec<CString>,
    steps: Vec<Step>,
}

/// An exec that was made, of a process that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// The process.
    pub(crate) pid: u32,
    /// A time before the exec.
    pub(crate) from: SystemTime,
    /// A time after it.
    pub(crate) to: SystemTime,
    /// How the process ended.
    pub(crate) status: ExitStatus,
}

/// NULL-terminated array of pointers into strings that live as long.
struct Pointers(Vec<*const c_char>);

// SAFETY: the strings that are pointed to are never changed, and outlive it (both are moved into the same closure).
unsafe impl Send for Pointers {}
// SAFETY: as above.
unsafe impl Sync for Pointers {}

impl Pointers {
    fn new(strings: &[CString]) -> Self {
        Self(strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect())
    }

    fn get(&self) -> *const *const c_char {
        self.0.as_ptr()
    }
}

struct Call {
    path: *const c_char,
    argv: *const *const c_char,
    env: *const *const c_char,
    /// The first thread ends before.
    alone: bool,
}

extern "C" fn exec_in_thread(call: *mut c_void) -> *mut c_void {
    // SAFETY: the pointer is to the `Call` of the thread that waits for this one, and what it points to is whole.
    unsafe {
        let call = &*call.cast::<Call>();
        libc::execve(call.path, call.argv, call.env);
        libc::_exit(126)
    }
}

extern "C" fn fork_in_thread(call: *mut c_void) -> *mut c_void {
    // SAFETY: as above; the child calls nothing but exec.
    unsafe {
        let call = &*call.cast::<Call>();
        if call.alone {
            // The first thread is a zombie then, which the process waits for no less.
            while !sys::child_first_thread_has_ended() {
                libc::sched_yield();
            }
        }
        let child = libc::fork();
        if child == 0 {
            libc::execve(call.path, call.argv, call.env);
            libc::_exit(126);
        }
        sys::child_close_all();
        let mut status = 0;
        libc::waitpid(child, &raw mut status, 0);
        libc::_exit(libc::WEXITSTATUS(status))
    }
}

impl Exec {
    /// Of the program at `path`; argv is the path until [`args`](Self::args) says otherwise.
    pub(crate) fn new(path: impl AsRef<Path>) -> Self {
        let path = sys::c_path(path);
        Self {
            argv: vec![path.clone()],
            how: How::Path(path),
            env: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Of an open file.
    pub(crate) fn descriptor(fd: OwnedFd) -> Self {
        Self {
            how: How::Descriptor(fd),
            argv: Vec::new(),
            env: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Of a name relative to an open folder.
    pub(crate) fn relative(folder: OwnedFd, name: &str) -> Self {
        let name = CString::new(name).expect("a name without NUL");
        Self {
            how: How::Relative(folder, name),
            argv: Vec::new(),
            env: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Made by a thread that is not the process's first.
    pub(crate) fn by_second_thread(mut self) -> Self {
        self.how = match self.how {
            How::Path(path) => How::Thread(path),
            other => other,
        };
        self
    }

    /// Made by a child that a second thread forked; the first thread has ended when `alone`.
    pub(crate) fn by_child_of_second_thread(mut self, alone: bool) -> Self {
        self.how = match self.how {
            How::Path(path) => How::ThreadFork(path, alone),
            other => other,
        };
        self
    }

    /// All arguments, the program's name included.
    pub(crate) fn args<A: AsRef<[u8]>>(mut self, argv: impl IntoIterator<Item = A>) -> Self {
        self.argv = argv
            .into_iter()
            .map(|arg| CString::new(arg.as_ref()).expect("an argument without NUL"))
            .collect();
        self
    }

    /// Adds to the environment, which is empty otherwise.
    pub(crate) fn env(mut self, entry: &str) -> Self {
        self.env.push(CString::new(entry).expect("an entry without NUL"));
        self
    }

    /// Something that the child does before the exec. It must not allocate.
    pub(crate) fn before(mut self, step: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.steps.push(Box::new(step));
        self
    }

    /// Starts the process; it reads from `stdin`.
    pub(crate) fn spawn(self, stdin: Stdio) -> io::Result<Child> {
        let Self {
            how,
            argv,
            env,
            mut steps,
        } = self;
        let argv_pointers = Pointers::new(&argv);
        let env_pointers = Pointers::new(&env);
        let run = move || {
            // The pointers are into these.
            let _ = (&argv, &env);
            for step in &mut steps {
                step()?;
            }
            let (args, environment) = (argv_pointers.get(), env_pointers.get());
            match &how {
                // SAFETY: NUL-terminated strings, NULL-terminated arrays.
                How::Path(path) => unsafe {
                    libc::execve(path.as_ptr(), args, environment);
                },
                How::Descriptor(fd) => execveat(fd, c"".as_ptr(), args, environment, libc::AT_EMPTY_PATH),
                How::Relative(folder, name) => execveat(folder, name.as_ptr(), args, environment, 0),
                How::Thread(path) | How::ThreadFork(path, _) => {
                    let alone = matches!(how, How::ThreadFork(_, true));
                    let start = match how {
                        How::Thread(_) => exec_in_thread,
                        _ => fork_in_thread,
                    };
                    let mut call = Call {
                        path: path.as_ptr(),
                        argv: args,
                        env: environment,
                        alone,
                    };
                    // SAFETY: `call` lives until the exec ends this thread, which waits for it and for nothing else.
                    unsafe {
                        let mut thread = std::mem::zeroed();
                        let error =
                            libc::pthread_create(&raw mut thread, std::ptr::null(), start, (&raw mut call).cast());
                        if error != 0 {
                            return Err(io::Error::from_raw_os_error(error));
                        }
                        if alone {
                            // This thread alone, and no destructors: the other one still reads `call`.
                            libc::syscall(libc::SYS_exit, 0);
                        }
                        loop {
                            libc::pause();
                        }
                    }
                }
            }
            Err(io::Error::last_os_error())
        };
        let mut command = Command::new("/exec-happens-before-this");
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: the closure and its steps only make system calls.
        unsafe { command.pre_exec(run) };
        command.spawn()
    }

    /// Makes the exec and waits for the process to end.
    pub(crate) fn attempt(self) -> io::Result<Ran> {
        let from = SystemTime::now();
        let mut child = self.spawn(Stdio::null())?;
        let pid = child.id();
        let status = child.wait()?;
        Ok(Ran {
            pid,
            from,
            to: SystemTime::now(),
            status,
        })
    }

    /// As [`attempt`](Self::attempt), of a program that must start, whatever it ends with.
    #[track_caller]
    pub(crate) fn run_any(self) -> Ran {
        let what = format!("{:?}", self.how);
        self.attempt().unwrap_or_else(|error| panic!("exec of {what}: {error}"))
    }

    /// As [`attempt`](Self::attempt), of a program that must end with status 0.
    #[track_caller]
    pub(crate) fn run(self) -> Ran {
        let what = format!("{:?}", self.how);
        let ran = self.attempt().unwrap_or_else(|error| panic!("exec of {what}: {error}"));
        assert!(ran.status.success(), "{what}: {}", ran.status);
        ran
    }
}

fn execveat(
    fd: &OwnedFd,
    path: *const c_char,
    argv: *const *const c_char,
    env: *const *const c_char,
    flags: libc::c_int,
) {
    // SAFETY: NUL-terminated strings, NULL-terminated arrays. The C library's wrapper is newer than some C libraries.
    unsafe { libc::syscall(libc::SYS_execveat, fd.as_raw_fd(), path, argv, env, flags) };
}
