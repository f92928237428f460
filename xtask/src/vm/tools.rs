//! The host's programs that this command runs.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// A program that must be there, and the Debian package that has it.
pub(super) struct Tool {
    pub(super) program: &'static str,
    pub(super) package: &'static str,
}

/// Where programs are looked for that go into the guest or are run: what the distribution installed, never what a
/// developer has in a folder of their own.
pub(super) const FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// The path of a program that the distribution installed.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
}

/// Makes sure that the tools are there: installs them when run by root, and says how otherwise.
pub(super) fn require(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| find(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let install = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    let mut wanted = String::from("not installed:");
    for tool in &missing {
        let _ = write!(wanted, " {}", tool.program);
    }
    ensure!(
        find("apt-get").is_some(),
        "{wanted}; install what your distribution calls {}",
        packages.join(", ")
    );
    ensure!(is_root(), "{wanted}; run: sudo {install}");
    eprintln!("vm: {wanted}; running: {install}");
    let installed = Command::new("apt-get")
        .args(["install", "--quiet", "--yes", "--no-install-recommends"])
        .args(&packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("running apt-get")?;
    ensure!(
        installed.success(),
        "{install}: {installed}; `apt-get update` may be needed first"
    );
    Ok(())
}

fn is_root() -> bool {
    // The owner of /proc/self is the effective user.
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|metadata| metadata.uid() == 0)
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
///
/// When it can't be started or fails; with all that it wrote.
pub(super) fn output_of(command: &mut Command) -> Result<String> {
    let what = format!("{command:?}");
    let done = command.output().with_context(|| format!("running {what}"))?;
    if !done.status.success() {
        bail!(
            "{what}: {}\n{}{}",
            done.status,
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
