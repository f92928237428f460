//! The workspace as cargo sees it: its root, its target folder, its packages; and cargo itself.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::tools;

/// The cargo that started this program, so that one toolchain does everything.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    command
}

/// The checkout's folder. The variable is set by `cargo run`, so a moved or copied checkout is still found.
pub(crate) fn root() -> PathBuf {
    let manifest_dir =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest_dir
        .parent()
        .map_or_else(|| manifest_dir.clone(), Path::to_path_buf)
}

/// Runs a cargo command that builds, and returns what it made: cargo's `compiler-artifact` messages.
///
/// The compiler's own messages go to stderr as usual.
pub(crate) fn artifacts(command: &mut Command) -> Result<Vec<Value>> {
    command.arg("--message-format=json-render-diagnostics");
    let shown = tools::shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` failed ({}): see its messages above", output.status);
    }
    let mut artifacts = Vec::new();
    for line in output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let message: Value = serde_json::from_slice(line).with_context(|| format!("reading what `{shown}` printed"))?;
        if message["reason"] == "compiler-artifact" {
            artifacts.push(message);
        }
    }
    Ok(artifacts)
}

/// What `cargo metadata` says. `--locked`: a `Cargo.lock` that lags behind is an error, never a silent change.
pub(crate) struct Metadata(Value);

impl Metadata {
    /// Asks cargo; downloads the sources of dependencies that are not here yet.
    pub(crate) fn load() -> Result<Self> {
        Self::load_of(&root())
    }

    /// Of another checkout.
    pub(crate) fn load_of(root: &Path) -> Result<Self> {
        let output = cargo()
            .current_dir(root)
            .args(["metadata", "--format-version", "1", "--locked"])
            .stderr(Stdio::inherit())
            .output()
            .context("starting `cargo metadata`")?;
        if !output.status.success() {
            bail!(
                "`cargo metadata --locked` failed ({}): see its message above; if it is about Cargo.lock, run any \
                 cargo command without --locked and commit the new Cargo.lock",
                output.status
            );
        }
        Ok(Self(
            serde_json::from_slice(&output.stdout).context("reading what `cargo metadata` printed")?,
        ))
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        self.0[key]
            .as_str()
            .map(PathBuf::from)
            .with_context(|| format!("`cargo metadata` printed no {key}"))
    }

    pub(crate) fn target_directory(&self) -> Result<PathBuf> {
        self.path("target_directory")
    }

    pub(crate) fn workspace_root(&self) -> Result<PathBuf> {
        self.path("workspace_root")
    }

    /// Every package that any target or feature could use, as cargo describes it.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Value> {
        self.0["packages"].as_array().into_iter().flatten()
    }

    /// Folders of this machine, and what a build may say instead, for each a name that exists nowhere. A later entry wins over an
    /// earlier one.
    pub(crate) fn remap(&self, root: &Path, target: &Path, library: &Path) -> Vec<(PathBuf, &'static str)> {
        // Where the dependencies are: cargo's registry, or a vendor folder. The folder's own name has a host in it.
        let dependencies: BTreeSet<_> = self
            .packages()
            .filter(|package| !package["source"].is_null())
            .filter_map(|package| {
                Some(
                    Path::new(package["manifest_path"].as_str()?)
                        .parent()?
                        .parent()?
                        .to_owned(),
                )
            })
            .collect();
        let mut remap = vec![(root.to_owned(), "/cert-recon"), (target.to_owned(), "/target")];
        remap.extend(dependencies.into_iter().map(|dir| (dir, "/crates")));
        remap.push((library.to_owned(), "/rust/library"));
        remap
    }
}
