//! `cargo xtask ci`: every check except the tests, each with its time, all of them even after a failure.

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    build_ebpf, licences, room, tools, tree, vm,
    workspace::{self, Metadata},
};

/// In the order of running: what fails fast comes first.
const STEPS: &[Step] = &[
    ("Cargo.lock is current", || done(Metadata::load())),
    ("format", || {
        done(tools::run(workspace::cargo().args(["fmt", "--all", "--check"])))
    }),
    ("no machine's paths or hosts", || {
        Ok(Outcome::Passed(format!("{} files", tree::check_content()?)))
    }),
    ("shell scripts", || Ok(Outcome::Passed(tree::check_scripts()?))),
    ("licences", || {
        Ok(Outcome::Passed(format!("{} packages", licences::check()?)))
    }),
    ("advisories", advisories),
    ("clippy", || {
        done(tools::run(workspace::cargo().args([
            "clippy",
            "--locked",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])))
    }),
    ("clippy, eBPF", || done(build_ebpf::clippy())),
    ("documentation", || {
        done(tools::run(
            workspace::cargo()
                .args(["doc", "--locked", "--no-deps"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        ))
    }),
    // The README's first command, for a shorter time; what a release build makes of it, the kernel matrix shows.
    ("cargo xtask run", || {
        done(tools::run(workspace::cargo().args([
            "xtask",
            "run",
            "--debug",
            "--",
            "--duration",
            "1s",
        ])))
    }),
    ("eBPF object", || {
        done(build_ebpf::run(&build_ebpf::Args { check: true }))
    }),
    // Last: it takes longest.
    ("kernel matrix", || done(vm::run_all())),
];

const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";
const CARGO_AUDIT_VERSION: &str = "0.22.2";

/// A name that the table shows, and what to do.
type Step = (&'static str, fn() -> Result<Outcome>);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the steps whose name contains this
    step: Option<String>,
}

enum Outcome {
    /// With a remark for the table, or an empty one.
    Passed(String),
    /// For a reason that is not the project's; shown, so that it is never taken for passed.
    NotChecked(String),
    Failed,
}

fn done<T>(result: Result<T>) -> Result<Outcome> {
    result.map(|_| Outcome::Passed(String::new()))
}

/// Success only if no step failed.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let wanted = |name: &str| args.step.as_ref().is_none_or(|step| name.contains(step.as_str()));
    room::tell_if_short(room::FOR_CHECKS);
    let mut results = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| wanted(name)) {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = step().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Outcome::Failed
        });
        results.push((*name, outcome, start.elapsed()));
    }
    if results.is_empty() {
        let names: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
        bail!("no step has that in its name; the steps are: {}", names.join(", "));
    }
    println!("\n{}", table(&results));
    let failed = results.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed));
    if failed {
        room::tell_if_short(room::NONE_LEFT);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(results: &[(&str, Outcome, Duration)]) -> String {
    let width = results.iter().map(|(name, _, _)| name.len()).max().unwrap_or(0);
    let rows: Vec<String> = results
        .iter()
        .map(|(name, outcome, time)| {
            let (word, remark) = match outcome {
                Outcome::Passed(remark) => ("passed", remark.as_str()),
                Outcome::NotChecked(why) => ("NOT CHECKED", why.as_str()),
                Outcome::Failed => ("FAILED", "see above"),
            };
            format!("{name:width$}  {:>7.1} s  {word:11}  {remark}", time.as_secs_f64())
                .trim_end()
                .to_owned()
        })
        .collect();
    rows.join("\n")
}

/// Known vulnerabilities in dependencies. The database is fetched, so this depends on the network.
fn advisories() -> Result<Outcome> {
    let reachable = tools::stdout_of(
        // `timeout`: a network that swallows packets must not hold up everything else.
        Command::new("timeout")
            .args(["30", "git", "ls-remote", ADVISORIES, "HEAD"])
            .env("GIT_TERMINAL_PROMPT", "0"),
    );
    if let Err(error) = reachable {
        eprintln!("NOT CHECKED: the advisory database can't be reached: {error:#}");
        return Ok(Outcome::NotChecked(format!("{ADVISORIES} not reachable: not checked")));
    }
    let program = tools::from_crates(
        "cargo-audit",
        CARGO_AUDIT_VERSION,
        "cargo-audit compares Cargo.lock with the advisory database",
    )?;
    done(tools::run(
        Command::new(program).arg("audit").current_dir(workspace::root()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_each_outcome() {
        let results = [
            ("format", Outcome::Passed(String::new()), Duration::from_millis(1240)),
            (
                "advisories",
                Outcome::NotChecked("not reachable: not checked".to_owned()),
                Duration::ZERO,
            ),
            ("clippy", Outcome::Failed, Duration::from_secs(61)),
        ];
        assert_eq!(
            table(&results),
            "format          1.2 s  passed\n\
             advisories      0.0 s  NOT CHECKED  not reachable: not checked\n\
             clippy         61.0 s  FAILED       see above"
        );
    }
}
