//! The report to the host: whole lines, written one at a time and waited for, so that a kernel that dies in the next
//! instant has still delivered all that was said before.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::termios;

/// Longest piece of a test's output line that is passed on: an assertion may print a command line of megabytes, and
/// the serial line is slow.
const LINE_LIMIT: usize = 8 << 10;

/// The way to the host. Shared by the thread that passes on a test's output.
pub(crate) struct Report(Mutex<File>);

impl Report {
    /// Opens `/dev/DEVICE`; the console when that can't be had.
    pub(crate) fn open(device: &str) -> Self {
        let open = |name: &str| OpenOptions::new().write(true).open(format!("/dev/{name}"));
        let file = open(device)
            .or_else(|_| open("console"))
            .expect("a guest has a console");
        Self(Mutex::new(file))
    }

    pub(crate) fn boot(&self, release: &str) {
        self.line(format!("boot {release}").as_bytes());
    }

    pub(crate) fn note(&self, text: &str) {
        self.line(format!("note {text}").as_bytes());
    }

    /// A binary that can't even list its tests.
    pub(crate) fn broken(&self, binary: &str, why: &str) {
        self.line(format!("broken {binary} {why}").as_bytes());
    }

    pub(crate) fn planned(&self, test: &str) {
        self.line(format!("plan {test}").as_bytes());
    }

    pub(crate) fn begin(&self, test: &str) {
        self.line(format!("begin {test}").as_bytes());
    }

    /// A line that a test wrote.
    pub(crate) fn output(&self, line: &[u8]) {
        let mut text = b"| ".to_vec();
        text.extend_from_slice(&line[..line.len().min(LINE_LIMIT)]);
        if line.len() > LINE_LIMIT {
            text.extend_from_slice(format!("... ({} bytes more)", line.len() - LINE_LIMIT).as_bytes());
        }
        self.line(&text);
    }

    /// A record of the kernel's log.
    pub(crate) fn kernel(&self, text: &str) {
        self.line(format!("kernel {text}").as_bytes());
    }

    pub(crate) fn end(&self, test: &str, how: &str, took: Duration) {
        self.line(format!("end {test} {how} {}", took.as_millis()).as_bytes());
    }

    pub(crate) fn done(&self) {
        self.line(b"done");
    }

    fn line(&self, text: &[u8]) {
        let mut line = b"@vm ".to_vec();
        // What a process is called may have line ends in it.
        line.extend(text.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }));
        line.push(b'\n');
        let mut file = self.0.lock().expect("no thread panics while it reports");
        // Nobody is left to tell when the way to the host is broken; the host misses `done` and says so.
        let _ = file.write_all(&line);
        let _ = termios::tcdrain(&*file);
    }
}
