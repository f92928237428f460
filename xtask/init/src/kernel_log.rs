//! The kernel's log, read by init itself: on the console its lines come late (newer kernels print from a thread) or not
//! at all (`quiet`), and could not be told which test they belong to.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use crate::report::Report;

/// A place in the kernel's log.
pub(crate) struct KernelLog(Option<File>);

impl KernelLog {
    /// Levels up to warnings.
    pub(crate) const WARNING: u32 = 4;
    /// Every level.
    pub(crate) const ALL: u32 = 7;

    /// The log from its beginning.
    pub(crate) fn open(report: &Report) -> Self {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open("/dev/kmsg");
        Self(
            file.inspect_err(|error| report.note(&format!("opening /dev/kmsg: {error}")))
                .ok(),
        )
    }

    /// Tells the host what the kernel has said since the last time, as far as its level is at most this.
    pub(crate) fn tell(&mut self, report: &Report, level: u32) {
        let Some(file) = &mut self.0 else { return };
        // One read, one record (Documentation/ABI/testing/dev-kmsg).
        let mut record = [0; 8192];
        loop {
            match file.read(&mut record) {
                Ok(0) => return,
                Ok(length) => {
                    if let Some((of_record, text)) = parse(&String::from_utf8_lossy(&record[..length]))
                        && of_record <= level
                    {
                        report.kernel(text);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Records were overwritten before they were read; the next read goes on after them.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => report.note("the kernel's log has a gap"),
                // WouldBlock: that was all.
                Err(_) => return,
            }
        }
    }
}

/// Level and text of `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT`, further lines (`KEY=value`) left out.
fn parse(record: &str) -> Option<(u32, &str)> {
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    // The rest of the priority is the facility.
    Some((priority & 7, text.lines().next().unwrap_or_default()))
}

#[cfg(test)]
mod unit {
    use super::parse;

    #[test]
    fn level_and_text_of_a_record() {
        assert_eq!(
            parse("6,339,5140900,-;NET: a;b\n SUBSYSTEM=acpi\n"),
            Some((6, "NET: a;b"))
        );
        assert_eq!(parse("12,1,2,-;written by a user\n"), Some((4, "written by a user")));
        assert_eq!(parse("nonsense"), None);
    }
}
