//! `cargo xtask run -- ARGS`: builds cert-recon, in release mode unless told otherwise, and becomes `cert-recon watch ARGS`, as root.

use std::{ffi::OsString, os::unix::process::CommandExt, path::PathBuf};

use anyhow::{Context, Result};

use crate::{
    test,
    tools::{self, Root},
    workspace,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The program that the tests use: it is there sooner, and slower
    #[arg(long)]
    debug: bool,
    /// Passed on to `cert-recon watch`, for example `-- --duration 60s --format json`
    #[arg(last = true)]
    args: Vec<OsString>,
}

/// Returns only if cert-recon can't be built or started: otherwise this process becomes it, so that Ctrl-C and the
/// exit status are its own.
pub(crate) fn run(args: &Args) -> Result<()> {
    // Before the build: who can't become root should not wait for it.
    let root = Root::find("load an eBPF program")?;
    let built = if args.debug {
        test::artifacts()?
    } else {
        let mut build = workspace::cargo();
        build.args([
            "build",
            "--release",
            "--locked",
            "-p",
            "cert-recon-user",
            "--bin",
            "cert-recon",
        ]);
        workspace::artifacts(&mut build)?
    };
    let program = built
        .iter()
        .filter(|artifact| artifact["profile"]["test"] == false)
        .find(|artifact| artifact["target"]["name"] == "cert-recon")
        .and_then(|artifact| artifact["executable"].as_str())
        .map(PathBuf::from)
        .context("cargo built cert-recon but named no executable")?;
    let mut watch = root.command(&program, &[]);
    watch.arg("watch").args(&args.args);
    let shown = tools::shown(&watch);
    eprintln!("xtask: {shown}");
    Err(watch.exec()).with_context(|| format!("starting `{shown}`"))
}
