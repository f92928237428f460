//! `cargo xtask bench`: cert-recon measured side by side with what people use instead.

mod exec;
mod hunt;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::{cache, tools, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// What watching costs: slowdown, kernel time, CPU, memory, latency, completeness, beside other exec monitors (root)
    Exec(exec::Args),
    /// A hunt in an audit log, beside grep, ausearch and aureport
    Hunt(hunt::Args),
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Exec(args) => exec::run(args),
        What::Hunt(args) => hunt::run(args),
    }
}

/// cert-recon in release mode, built if need be.
fn built() -> Result<PathBuf> {
    tools::run(workspace::cargo().args(["build", "--release", "--locked", "--package", "cert-recon-user"]))?;
    Ok(workspace::Metadata::load()?
        .target_directory()?
        .join("release/cert-recon"))
}

/// Where generated inputs are kept.
fn folder() -> Result<PathBuf> {
    let folder = cache::dir()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}
