//! A whole Debian root file system with systemd, made by debootstrap once and kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::tools::{Tool, output_of, require};
use crate::apt::Mirrors;
use crate::cache;

const SUITE: &str = "bookworm";
/// Beside what every Debian has: the service manager, a client that the rules know, the rotation of logs, and what the steps use.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,curl,logrotate,procps,kmod";
/// What a test has no use for and takes half of the room.
const LEFT_OUT: [&str; 6] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
];

/// The folder; debootstrap makes it when it is not there. Needs root. Not to be changed by anybody.
///
/// # Errors
///
/// When it can't be made.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = cache::dir()?.join(format!("root-{SUITE}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    require(&[Tool {
        program: "debootstrap",
        package: "debootstrap",
    }])?;
    let scratch = folder.with_extension(format!("{}.new", std::process::id()));
    eprintln!(
        "xtask: making a Debian root file system in {} (some minutes)",
        folder.display()
    );
    let mirror = Mirrors::of_this_machine()?.debian().to_owned();
    let mut command = Command::new("debootstrap");
    command
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE])
        .arg(&scratch)
        .arg(&mirror);
    output_of(&mut command).context("making a Debian root file system, which takes root and a Debian mirror")?;
    for name in LEFT_OUT {
        remove(&scratch.join(name))?;
    }
    // Each boot is the first one otherwise.
    fs::write(scratch.join("etc/machine-id"), "5f0c3b1e6d1f4c0ab3b5a6e1d2c3f4a5\n")?;
    fs::write(scratch.join("etc/hostname"), "guest\n")?;
    fs::rename(&scratch, &folder).with_context(|| format!("renaming {} to {}", scratch.display(), folder.display()))?;
    Ok(folder)
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

/// All of it as one archive that a kernel unpacks.
///
/// # Errors
///
/// When it can't be read or written.
pub(super) fn archive(folder: &Path, file: &Path) -> Result<()> {
    require(&[Tool {
        program: "cpio",
        package: "cpio",
    }])?;
    let status = Command::new("sh")
        .args([
            "-c",
            "find . -xdev -print0 | LC_ALL=C sort -z | cpio --null --quiet -H newc -o >\"$1\"",
            "sh",
        ])
        .arg(file)
        .current_dir(folder)
        .status()
        .context("starting sh")?;
    ensure!(status.success(), "packing {}: {status}", folder.display());
    Ok(())
}
