//! The terminal that standard output is, and its end: a session that was closed, a connection that was lost.

use std::{
    future,
    io::{self, IsTerminal as _},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{Interest, unix::AsyncFd};

/// Whether standard output was a terminal that nobody holds any more: writing to it fails for ever.
#[must_use]
pub fn is_gone() -> bool {
    let stdout = io::stdout();
    // What a pipe or a socket has lost, it says itself when it is written to.
    let is_other = || {
        rustix::fs::fstat(&stdout).is_ok_and(|stat| !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_char_device())
    };
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).is_ok() && fds[0].revents().contains(PollFlags::HUP) && !is_other()
}

/// Ready when the terminal that standard output is now has gone. Never, when it is none.
///
/// A signal (SIGHUP) tells of that only to some: not to a job in the background, and to a program behind sudo before its
/// terminal is gone.
pub async fn gone() {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return future::pending().await;
    }
    // SAFETY: nothing in this program closes standard output.
    let watched = match unsafe { AsyncFd::register_with_interest(stdout, Interest::READABLE) } {
        Ok(watched) => watched,
        Err(error) => {
            log::warn!("waiting for the end of the terminal: {error}; when it is closed, the monitor goes on");
            return future::pending().await;
        }
    };
    // What is typed wakes this as well, and is left for others to read.
    while !is_gone() {
        match watched.readable().await {
            Ok(mut typed) => typed.clear_ready(),
            Err(_) => return future::pending().await,
        }
    }
}
