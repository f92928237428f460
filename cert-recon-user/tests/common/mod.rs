//! What the live tests share: they run the real program against the running kernel, make execs of every kind, and look at
//! what it reports.
//!
//! The rules of the house: each exec carries a token of its own, so other activity on the host does not matter; nothing
//! waits for a fixed time, only for a condition with a limit; whatever is started is ended also when a test fails, by its
//! pid and no other way. No compiler, interpreter or package is needed where these tests run: the programs that they exec
//! are a few bytes of machine code ([`elf`]).

pub(crate) mod actor;
pub(crate) mod argv;
pub(crate) mod cgroup;
pub(crate) mod deep;
pub(crate) mod elf;
pub(crate) mod exec;
pub(crate) mod journald;
pub(crate) mod kernel;
pub(crate) mod meddle;
pub(crate) mod mount;
pub(crate) mod rsyslogd;
pub(crate) mod schema;
pub(crate) mod storm;
pub(crate) mod sys;
pub(crate) mod temp;
pub(crate) mod trees;
pub(crate) mod truth;
pub(crate) mod watch;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

/// How long a condition may take to come true. Far more than it ever needs: the host may be slow, emulated or busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// Whether this is a guest of `cargo xtask vm`, whose processor is emulated: some ten times as slow. There the kernel may withhold
/// execs from a program that is preempted (since Linux 7.0), even from all four; they are counted as lost.
pub(crate) fn in_vm() -> bool {
    std::env::var_os("CERT_RECON_VM").is_some()
}

/// Begins every token of this run.
pub(crate) static RUN: LazyLock<String> = LazyLock::new(|| {
    let nanos = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.subsec_nanos());
    format!("crl{:08x}{nanos:08x}", std::process::id())
});

/// A word that occurs nowhere else on this host. All have the same length, so none is the beginning of another.
pub(crate) fn token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{:08x}", *RUN, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until `condition` holds; false when it does not within [`LIMIT`]. For conditions that nothing announces.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + LIMIT;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Says why a test does not apply to this host. The test returns after it.
pub(crate) fn skip(reason: impl std::fmt::Display) {
    println!("SKIP: {reason}");
}

/// A program of this host, found along the usual folders: the file itself, not a shell script that stands for it.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|folder| folder.join(name))
        .find(|file| {
            fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
                && fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
        })
}
