//! Room on disk: a build that runs out of it fails in the linker or the compiler, with messages about something else.

use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::statvfs;

use crate::workspace;

/// What `cargo xtask test` writes into an empty target folder, bytes, and some more.
pub(crate) const FOR_TESTS: u64 = 3 << 30;
/// The same of all other checks.
pub(crate) const FOR_CHECKS: u64 = 7 << 30;
/// Less than this, and what failed may have failed for that.
pub(crate) const NONE_LEFT: u64 = 256 << 20;

/// Says on standard error when the target folder's file system has less than `needed` bytes free, or why that is not known. Stops
/// nothing: the folder may hold most of it already.
pub(crate) fn tell_if_short(needed: u64) {
    match shortage_here(needed) {
        Ok(None) => {}
        Ok(Some(said)) => eprintln!("{said}"),
        Err(error) => eprintln!("warning: whether the disk has room enough is not known: {error:#}"),
    }
}

fn shortage_here(needed: u64) -> Result<Option<String>> {
    let target = workspace::Metadata::load()?.target_directory()?;
    // It may not be there yet.
    let there = target.ancestors().find(|folder| folder.exists()).unwrap_or(&target);
    let system = statvfs(there).with_context(|| format!("asking for the room on disk at {}", there.display()))?;
    Ok(shortage(
        &target,
        system.f_bavail.saturating_mul(system.f_frsize),
        needed,
    ))
}

fn shortage(target: &Path, free: u64, needed: u64) -> Option<String> {
    let gigabytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    (free < needed).then(|| {
        format!(
            "warning: {:.1} GiB are free on the disk of {}; from an empty folder this takes up to {:.1}. `cargo clean`, or another \
             folder in CARGO_TARGET_DIR, makes room",
            gigabytes(free),
            target.display(),
            gigabytes(needed)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_told_with_the_folder_and_both_sizes() {
        let target = Path::new("/build/target");
        assert_eq!(shortage(target, 5 << 30, 5 << 30), None);
        let said = shortage(target, 3 << 29, 5 << 30).unwrap();
        for part in ["1.5 GiB are free", "/build/target", "up to 5.0", "CARGO_TARGET_DIR"] {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }

    #[test]
    fn the_disk_of_this_checkout_can_be_asked() {
        assert_eq!(shortage_here(1).unwrap(), None);
    }
}
