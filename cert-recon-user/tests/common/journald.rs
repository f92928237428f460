//! A journald of the test's own: another instance beside the host's, with its own socket and its own journal, in memory.

use std::{
    fs,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use cert_recon::sink::journal::{self, Entry};

use super::{eventually, sys, token};

/// Where distributions put it.
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald"];

/// The running journald. It and its journal are gone when this is dropped.
pub(crate) struct Journald {
    name: String,
    program: &'static str,
    /// Held over its restarts, as the service manager does it.
    socket: Option<UnixDatagram>,
    child: Option<Child>,
}

impl Journald {
    /// Not running yet, and without a socket; none where this host has no journald.
    pub(crate) fn prepare() -> Option<Self> {
        let program = PROGRAMS.into_iter().find(|program| Path::new(program).exists())?;
        let journald = Self {
            name: token(),
            program,
            socket: None,
            child: None,
        };
        fs::create_dir_all("/run/systemd").expect("/run/systemd");
        let config = "[Journal]\nStorage=volatile\nRateLimitBurst=0\nRuntimeMaxUse=512M\nRuntimeKeepFree=1M\n";
        fs::create_dir_all(journald.config()).expect("the folder of its configuration");
        fs::write(journald.config().join("test.conf"), config).expect("its configuration");
        fs::create_dir_all(journald.folder()).expect("its folder");
        Some(journald)
    }

    /// Running. Its socket outlives it.
    pub(crate) fn start_held() -> Option<Self> {
        let mut journald = Self::prepare()?;
        journald.socket = Some(UnixDatagram::bind(journald.path()).expect("its socket"));
        journald.start();
        Some(journald)
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        let mut command = Command::new("/bin/sh");
        if let Some(socket) = &self.socket {
            // Inherited descriptors begin at 3.
            let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$1\"";
            let socket = OwnedFd::from(socket.try_clone().expect("its socket again"));
            command.args(["-c", script]).stdin(Stdio::from(socket));
        } else {
            command.args(["-c", "exec \"$0\" \"$1\""]).stdin(Stdio::null());
        }
        command.args([self.program, &self.name]);
        command.stderr(Stdio::null()).env_remove("NOTIFY_SOCKET");
        self.child = Some(command.spawn().expect("starting journald"));
        let stdout = self.folder().join("stdout");
        assert!(eventually(|| stdout.exists() && self.path().exists()), "journald runs");
    }

    /// Ends it as the service manager does, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        sys::kill(child.id(), libc::SIGTERM).expect("a signal to journald");
        child.wait().expect("its end");
        let _ = fs::remove_file(self.folder().join("stdout"));
        if self.socket.is_none() {
            fs::remove_file(self.path()).expect("its socket");
        }
    }

    /// Its socket.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join("socket")
    }

    fn folder(&self) -> PathBuf {
        format!("/run/systemd/journal.{}", self.name).into()
    }

    fn config(&self) -> PathBuf {
        format!("/run/systemd/journald@{}.conf.d", self.name).into()
    }

    fn journals(&self) -> Vec<PathBuf> {
        let suffix = format!(".{}", self.name);
        let folders = fs::read_dir("/run/log/journal").into_iter().flatten().flatten();
        folders
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with(&suffix))
            .collect()
    }

    /// Entries of cert-recon in its journal, in order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.journals().iter().flat_map(|folder| entries_in(folder)).collect()
    }

    /// The folder of its journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.journals().pop().expect("its journal")
    }
}

/// Entries of cert-recon in the journals of a folder, in order.
pub(crate) fn entries_in(folder: &Path) -> Vec<Entry> {
    let output = Command::new("journalctl")
        .args(["--output", "export", "--quiet", "--no-pager", "--all", "-D"])
        .arg(folder)
        .arg("SYSLOG_IDENTIFIER=cert-recon")
        .output()
        .expect("journalctl");
    // Without any entry it says so by its status.
    split(&output.stdout)
}

/// Entries are separated by an empty line.
fn split(mut export: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while !export.is_empty() {
        let (fields, rest) = journal::decode_first(export).expect("the export format");
        entries.push(fields);
        export = rest;
    }
    entries
}

impl Drop for Journald {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        for folder in self.journals() {
            let _ = fs::remove_dir_all(folder);
        }
        let _ = fs::remove_dir_all(self.folder());
        let _ = fs::remove_dir_all(self.config());
    }
}
