//! Many execs as fast as that goes, from processes whose ancestry is the same wherever the tests run.

use std::{
    ffi::{CString, c_char},
    io::Read as _,
    path::Path,
    ptr,
};

use super::sys;

/// Digits of an exec's number.
const DIGITS: usize = 8;

/// Execs the program `count` times from each of `threads` processes at a time, and waits for the end of all. The arguments
/// are the token, the number of the process and that of the exec.
///
/// The processes are nobody's children: below a chain of shells with long scripts (a CI's), each line about an exec would be
/// as long as all of them together, and a storm of such lines measures only how fast they are read.
#[track_caller]
pub(crate) fn storm(program: &Path, token: &str, threads: usize, count: usize) {
    let (read, write) = sys::pipe().expect("a pipe");
    for thread in 0..threads {
        let mut worker = Worker::new(program, token, thread);
        // SAFETY: the child only makes system calls and writes to memory that is its own.
        unsafe {
            let child = sys::check(libc::fork()).expect("a fork");
            if child == 0 {
                let done = sys::child_orphan().is_ok() && worker.run(count);
                let told = [u8::from(done)];
                sys::child_write_to(&write, &told);
                libc::_exit(0);
            }
            libc::waitpid(child, ptr::null_mut(), 0);
        }
    }
    drop(write);
    let mut told = Vec::new();
    std::fs::File::from(read)
        .read_to_end(&mut told)
        .expect("what the processes tell");
    assert_eq!(told, vec![1; threads], "each has made all of its execs");
}

/// A process that execs: everything it needs is there before it is forked.
struct Worker {
    /// Program, token, number of the process, number of the exec.
    words: [CString; 3],
    number: [u8; DIGITS + 1],
}

impl Worker {
    fn new(program: &Path, token: &str, thread: usize) -> Self {
        let word = |text: String| CString::new(text).expect("a word without NUL");
        Self {
            words: [sys::c_path(program), word(token.to_owned()), word(thread.to_string())],
            number: [0; DIGITS + 1],
        }
    }

    /// Whether all of them ended with status 0.
    fn run(&mut self, count: usize) -> bool {
        (0..count).all(|number| {
            let mut rest = number;
            for digit in self.number[..DIGITS].iter_mut().rev() {
                *digit = b"0123456789"[rest % 10];
                rest /= 10;
            }
            let [program, token, thread] = self.words.each_ref().map(|word| word.as_ptr().cast_mut());
            let argv: [*mut c_char; 5] = [program, token, thread, self.number.as_mut_ptr().cast(), ptr::null_mut()];
            let environment: [*mut c_char; 1] = [ptr::null_mut()];
            let (mut pid, mut status) = (0, -1);
            // SAFETY: NUL-terminated strings, NULL-terminated arrays, numbers of this function.
            unsafe {
                libc::posix_spawn(
                    &raw mut pid,
                    program,
                    ptr::null(),
                    ptr::null(),
                    argv.as_ptr(),
                    environment.as_ptr(),
                ) == 0
                    && libc::waitpid(pid, &raw mut status, 0) == pid
                    && status == 0
            }
        })
    }
}
