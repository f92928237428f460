//! `cargo xtask fuzz [TARGET] --time 10m`: builds the fuzz targets with coverage and runs them.
//!
//! libFuzzer needs the compiler's coverage instrumentation, which stable Rust has as code generation options; address
//! sanitizers, which need nightly, would find little in code without `unsafe`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, bail};

use crate::{cache, tools, workspace};

const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Inputs longer than this find nothing that shorter ones do not, and cost time.
const LONGEST_INPUT: usize = 4096;
/// Seconds that one input may take: work is linear, so any hang is a finding.
const PATIENCE: u32 = 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the target of this name (default: all, one after the other on each CPU)
    target: Option<String>,
    /// How long each runs, seconds
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Runs at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let targets = build(args.target.as_deref())?;
    let queue = std::sync::Mutex::new(targets.into_iter());
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs.max(1))
            .map(|_| {
                scope.spawn(|| {
                    let mut results = Vec::new();
                    loop {
                        let next = queue.lock().ok().and_then(|mut queue| queue.next());
                        let Some(target) = next else { return results };
                        results.push(fuzz(&target, args.seconds));
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_default())
            .collect()
    });
    let failures: Vec<String> = results
        .into_iter()
        .filter_map(|result| result.err().map(|error| format!("{error:#}")))
        .collect();
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{}", failures.join("\n"))
}

fn build(only: Option<&str>) -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("cert-recon-user/fuzz");
    let host = tools::stdout_of(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let mut build = workspace::cargo();
    build
        .current_dir(&folder)
        .env("RUSTFLAGS", COVERAGE)
        // With a target the flags are not those of build scripts.
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            host.trim(),
            "--target-dir",
        ])
        .arg(workspace::Metadata::load()?.target_directory()?.join("fuzz"));
    if let Some(only) = only {
        build.args(["--bin", only]);
    }
    let programs = workspace::artifacts(&mut build)?
        .iter()
        .filter(|artifact| artifact["target"]["kind"][0] == "bin")
        .filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from))
        .collect::<Vec<_>>();
    if programs.is_empty() {
        bail!("cargo built no fuzz target");
    }
    Ok(programs)
}

fn fuzz(program: &Path, seconds: u32) -> Result<()> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // What was found interesting is kept for the next time, outside the tree.
    let corpus = cache::dir()?.join("fuzz").join(&name);
    fs::create_dir_all(&corpus).with_context(|| format!("making {}", corpus.display()))?;
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .arg(format!("-timeout={PATIENCE}"))
        .arg(format!(
            "-artifact_prefix={}/crash-",
            corpus.parent().unwrap_or(&corpus).display()
        ))
        .args(["-print_final_stats=1", "-verbosity=0"])
        .arg(&corpus)
        .current_dir(workspace::root());
    println!("fuzz {name}: {}", tools::shown(&command));
    tools::run(&mut command)
        .with_context(|| format!("the fuzz target {name} found something: see its last lines above"))?;
    println!("fuzz {name}: nothing found in {seconds} s");
    Ok(())
}
