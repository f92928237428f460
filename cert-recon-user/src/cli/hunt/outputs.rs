//! What a hunt has of its surroundings: standard output, the progress bar, the interrupt, the file of the page, and names of
//! this host's accounts for this host's own processes.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread,
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use super::Format;
use crate::{cli::Status, finding::Report, sink::csv, source::recorded::input::Progress};

/// Standard output. A reader that went away ends the writing, quietly.
pub(super) struct Standard {
    out: io::BufWriter<io::Stdout>,
    header: Option<Vec<u8>>,
    broken: bool,
}

impl Standard {
    pub(super) fn new(format: Format) -> Self {
        Self {
            out: io::BufWriter::with_capacity(64 << 10, io::stdout()),
            header: (format == Format::Csv).then(csv::header),
            broken: false,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let header = self.header.take().unwrap_or_default();
        let result = self.out.write_all(&header).and_then(|()| self.out.write_all(bytes));
        self.checked(result)
    }

    /// Writes what waits. A table without rows has its names.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.write(b"").context("writing to standard output")?;
        let result = if self.broken { Ok(()) } else { self.out.flush() };
        self.checked(result).context("writing to standard output")
    }

    fn checked(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.broken = true;
                Ok(())
            }
            result => result,
        }
    }
}

/// Names of this host's accounts, for this host's own processes.
#[derive(Default)]
pub(super) struct Accounts(HashMap<u32, String>);

impl Accounts {
    pub(super) fn complete(&mut self, report: &mut Report, device: &str) {
        if let Some(origin) = &mut report.origin {
            origin.device = Some(device.to_owned());
        }
        report.account = report.uid.map(|uid| self.name(uid));
        report.effective_account = report.effective_uid.map(|uid| self.name(uid));
        report.login_account = report.login_uid.map(|uid| self.name(uid));
    }

    fn name(&mut self, uid: u32) -> String {
        let name = self.0.entry(uid).or_insert_with(|| {
            let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid));
            user.ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
        });
        name.clone()
    }
}

/// On a terminal. Of what has no size (standard input, a program's output) only the bytes so far are shown.
pub(super) fn bar(bytes: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = if bytes > 0 {
        (
            ProgressBar::new(bytes),
            "{bar:40} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
        )
    } else {
        (ProgressBar::new_spinner(), "{spinner} {bytes}  {bytes_per_sec}")
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}

/// SIGINT ends the reading; what was found is shown. A second one ends the program.
pub(super) fn end_on_interrupt(progress: &Arc<Progress>) -> anyhow::Result<()> {
    let progress = Arc::clone(progress);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("listening for SIGINT")?;
    let mut interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt()).context("listening for SIGINT")?
    };
    thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                interrupts.recv().await;
                progress.stop.store(true, Ordering::Relaxed);
                log::warn!("ending early: what was found so far follows; interrupt again to end without it");
                interrupts.recv().await;
                std::process::exit(i32::from(Status::Incomplete as u8));
            });
        })
        .context("listening for SIGINT")?;
    Ok(())
}

/// A new file that only its owner can read: it tells of people.
pub(super) fn create_page(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("creating the page {} (it must not exist yet)", path.display()))
}
