//! `cargo xtask test [FILTER]`: all tests, those that need root and a kernel included, with one sum at the end.
//!
//! Tests in binaries whose name starts with `live_` load the eBPF program: they run as root, one at a time. They are
//! marked `#[ignore]` so that a plain `cargo test` passes anywhere; here nothing is left out. A test that can't run is
//! a failure: a skipped test would look like a passed one.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    room,
    tools::{self, Need, Root},
    workspace,
};

/// What the tests start. `cargo xtask test` installs it; a new test that needs more adds a line.
const NEEDS: &[Need] = &[
    Need {
        command: "curl",
        package: "curl",
        reason: "the client that the certificate-transparency rules look for",
    },
    Need {
        command: "wget",
        package: "wget",
        reason: "another such client, which names its hosts in another way",
    },
    Need {
        command: "openssl",
        package: "openssl",
        reason: "s_client and x509, which rules tell apart",
    },
    Need {
        command: "python3",
        package: "python3",
        reason: "scripts: their exec has an interpreter and a script path",
    },
    Need {
        command: "runc",
        package: "runc",
        reason: "a container runtime: what runs in a container is told with its id",
    },
    Need {
        command: "pip3",
        package: "python3-pip",
        reason: "fetches pySigma, by which the exported Sigma rules are read",
    },
    Need {
        command: "chromium",
        package: "chromium",
        reason: "shows and prints the page of a hunt, and must not run anything that records bring into it",
    },
    Need {
        command: "pdftotext",
        package: "poppler-utils",
        reason: "reads what Chromium prints",
    },
    Need {
        command: "auditd",
        package: "auditd",
        reason: "writes audit logs, whose execs must be found as they are live",
    },
    Need {
        command: "journalctl",
        package: "systemd",
        reason: "journald of the tests' own, whose journal must have what was sent",
    },
    Need {
        command: "/usr/lib/systemd/systemd-journal-remote",
        package: "systemd-journal-remote",
        reason: "sends a journal to another host's and receives it, as contrib/journal says",
    },
    Need {
        command: "rsyslogd",
        package: "rsyslog",
        reason: "a syslog daemon of the tests' own, which must understand what it is sent",
    },
    Need {
        command: "zsh",
        package: "zsh",
        reason: "must accept the completion that is made for it",
    },
    Need {
        command: "fish",
        package: "fish",
        reason: "must accept the completion that is made for it",
    },
    Need {
        command: "groff",
        package: "groff",
        reason: "formats the manual pages, without warnings",
    },
    Need {
        command: "mandoc",
        package: "mandoc",
        reason: "checks the manual pages more strictly",
    },
    Need {
        command: "/usr/lib/python3/dist-packages/prometheus_client/parser.py",
        package: "python3-prometheus-client",
        reason: "Prometheus' own reader of metrics, which must understand ours",
    },
    Need {
        command: "logrotate",
        package: "logrotate",
        reason: "rotates the output file while lines are written to it",
    },
    Need {
        command: "systemd-analyze",
        package: "systemd",
        reason: "reads the unit file and says how far it is shut",
    },
    Need {
        command: "gcc",
        package: "gcc",
        reason: "links test programs that make unusual execs",
    },
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the tests whose name contains this
    filter: Option<String>,
}

/// Success only if tests ran, all of them passed and none was skipped.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    room::tell_if_short(room::FOR_TESTS);
    tools::install_missing(NEEDS)?;
    let binaries = build()?;
    let mut tally = Tally::default();
    let root = if binaries.iter().any(Binary::is_live) {
        Some(root()?)
    } else {
        None
    };
    for binary in &binaries {
        let mut command = match &root {
            Some(root) if binary.is_live() => {
                let mut command = root.command(&binary.executable, &binary.env);
                command.arg("--test-threads=1");
                command
            }
            _ => Root::Already.command(&binary.executable, &binary.env),
        };
        command
            .current_dir(&binary.package_dir)
            .arg("--include-ignored")
            .args(&args.filter);
        // What passes may say that it does not apply to this host. The tests of this program show libtest's own words.
        if !binary.name.starts_with("xtask ") {
            command.arg("--show-output");
        }
        println!("\n{}: {}", binary.name, tools::shown(&command));
        tally.run(&binary.name, &mut command)?;
    }

    let mut doc_tests = workspace::cargo();
    doc_tests
        .args(["test", "--locked", "--doc", "--", "--include-ignored"])
        .args(&args.filter);
    println!("\ndoc tests: {}", tools::shown(&doc_tests));
    tally.run("doc tests", &mut doc_tests)?;
    Ok(tally.close())
}

/// A way to root that works now, asked for once, before the first test.
fn root() -> Result<Root> {
    let root = Root::find("load eBPF programs, as the live tests do")?;
    if let Root::Sudo(sudo) = &root {
        tools::run(Command::new(sudo).arg("--validate"))
            .context("the live tests load eBPF programs, which only root may, and sudo does not let this user")?;
    }
    Ok(root)
}

/// A test binary that cargo built.
struct Binary {
    /// Package and target, for messages.
    name: String,
    target: String,
    executable: PathBuf,
    package_dir: PathBuf,
    /// What cargo itself would set for it.
    env: Vec<(String, OsString)>,
}

impl Binary {
    fn is_live(&self) -> bool {
        self.target.starts_with("live_")
    }
}

/// What cargo makes for the tests. The guests of `cargo xtask vm` have the same, so that it is made once.
pub(crate) fn artifacts() -> Result<Vec<Value>> {
    workspace::artifacts(workspace::cargo().args(["test", "--locked", "--no-run"]))
}

fn build() -> Result<Vec<Binary>> {
    let artifacts = artifacts()?;
    let programs: Vec<(String, OsString)> = artifacts
        .iter()
        .filter(|artifact| artifact["profile"]["test"] == false && artifact["target"]["kind"][0] == "bin")
        .filter_map(|artifact| {
            let name = artifact["target"]["name"].as_str()?;
            Some((format!("CARGO_BIN_EXE_{name}"), artifact["executable"].as_str()?.into()))
        })
        .collect();
    artifacts
        .iter()
        .filter(|artifact| artifact["profile"]["test"] == true)
        .map(|artifact| binary(artifact, &programs).context("reading cargo's description of a test binary"))
        .collect()
}

fn binary(artifact: &Value, programs: &[(String, OsString)]) -> Result<Binary> {
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no text: {value}"))
    };
    let target = text(&artifact["target"]["name"])?;
    let manifest = PathBuf::from(text(&artifact["manifest_path"])?);
    let package_dir = manifest.parent().context("the manifest has no folder")?.to_owned();
    let package = package_dir.file_name().unwrap_or_default().to_string_lossy();
    let kind = text(&artifact["target"]["kind"][0])?;
    let mut env = vec![("CARGO_MANIFEST_DIR".to_owned(), package_dir.clone().into())];
    env.extend(programs.iter().cloned());
    Ok(Binary {
        name: format!("{package} {kind} {target}"),
        target,
        executable: text(&artifact["executable"])?.into(),
        package_dir,
        env,
    })
}

/// Characters of a failed test's message that are shown at the end.
const MESSAGE: usize = 600;

/// The sum over all binaries, from what libtest prints.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Lines for the end: what failed or was skipped, in which binary, and what it said when it failed.
    remarks: Vec<String>,
    /// Passed to libtest, but said that they do not apply to this host.
    not_here: u64,
    /// The test whose output libtest shows, and whether its next line is the message of a panic.
    shown: Option<(String, bool)>,
}

impl Tally {
    /// Runs a test binary and adds its result; its output is passed on while it runs.
    fn run(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let shown = tools::shown(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting `{shown}`"))?;
        let stdout = child.stdout.take().context("the test's output was not piped")?;
        let own = self
            .read(name, stdout)
            .with_context(|| format!("reading what `{shown}` prints"));
        let status = child.wait().with_context(|| format!("waiting for `{shown}`"))?;
        let own = own?;
        self.judge(name, &own, status);
        self.add(own);
        Ok(())
    }

    fn read(&self, name: &str, stdout: impl Read) -> io::Result<Self> {
        let mut own = Self::default();
        let mut results = 0;
        let mut reader = BufReader::new(stdout);
        // By bytes: a failing test may print anything.
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            print!("{text}");
            results += u32::from(own.line(name, text.trim_end()));
            line.clear();
        }
        if results == 0 {
            own.failed += 1;
            own.remarks.push(format!(
                "failed: {name}: it ended without libtest's line `test result: ...`"
            ));
        }
        Ok(own)
    }

    /// A crash after the last test, or an exit status that contradicts the printed result, is a failure too.
    fn judge(&mut self, name: &str, own: &Self, status: ExitStatus) {
        if !status.success() && own.failed == 0 {
            self.failed += 1;
            self.remarks
                .push(format!("failed: {name}: no test failed, but it ended with {status}"));
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.not_here += other.not_here;
        self.remarks.extend(other.remarks);
    }

    /// Takes in one line of output; true if it was a binary's result line.
    fn line(&mut self, name: &str, line: &str) -> bool {
        if let Some((passed, failed, ignored)) = result_line(line) {
            self.passed += passed;
            self.failed += failed;
            self.skipped += ignored;
            return true;
        }
        if let Some((test, result)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            if result == "FAILED" {
                self.remarks.push(format!("failed: {name}: {test}"));
            } else if result.starts_with("ignored") {
                self.remarks.push(format!("skipped: {name}: {test}"));
            }
        } else if let Some(test) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.shown = Some((test.to_owned(), false));
        } else if let Some((test, is_message)) = &mut self.shown {
            if let Some(reason) = line.strip_prefix("SKIP: ") {
                // It has passed, to libtest.
                self.remarks.push(format!("skipped: {name}: {test}: {reason}"));
                self.not_here += 1;
                self.shown = None;
            } else if *is_message {
                let failed = format!("failed: {name}: {test}");
                if let Some(remark) = self.remarks.iter_mut().find(|remark| **remark == failed) {
                    let message: String = line.chars().take(MESSAGE).collect();
                    remark.push_str(&format!(": {message}"));
                }
                self.shown = None;
            } else {
                *is_message = line.contains("panicked at ");
            }
        }
        false
    }

    /// Prints the sum, last of all, and turns it into an exit status.
    fn close(&self) -> ExitCode {
        println!();
        for remark in &self.remarks {
            println!("{remark}");
        }
        if self.passed + self.failed == 0 {
            println!("No test ran: that is a failure. Is the filter right?");
        }
        if self.skipped > 0 {
            println!("Here every test must run: one that is ignored is a failure.");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed.saturating_sub(self.not_here),
            self.failed,
            self.skipped + self.not_here
        );
        if self.is_good() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn is_good(&self) -> bool {
        self.passed > 0 && self.failed == 0 && self.skipped == 0
    }
}

/// Passed, failed and ignored of `test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; ...`.
fn result_line(line: &str) -> Option<(u64, u64, u64)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |what: &str| {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
    };
    Some((count(" passed")?, count(" failed")?, count(" ignored")?))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, path::Path};

    use super::*;

    const OUTPUT: &str = "
running 3 tests
test config::bad ... FAILED
test live ... ignored, needs root and eBPF: cargo xtask test runs it
test rules::good ... ok

failures:

---- config::bad stdout ----
seed 7

thread 'config::bad' (12) panicked at src/config.rs:3:5:
not so: the file is read
command: cert-recon

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s
";

    fn read(output: &str) -> Tally {
        Tally::default().read("user lib", output.as_bytes()).unwrap()
    }

    #[test]
    fn a_result_line_is_three_numbers() {
        let line = "test result: ok. 7 passed; 12 failed; 3 ignored; 0 measured; 2 filtered out; finished in 0.10s";
        assert_eq!(result_line(line), Some((7, 12, 3)));
        assert_eq!(result_line("test result: ok. many passed; 0 failed; 0 ignored"), None);
        assert_eq!(
            result_line("a log line that says test result: ok. 7 passed; 0 failed; 0 ignored"),
            None
        );
    }

    #[test]
    fn output_becomes_numbers_names_and_messages() {
        let tally = read(OUTPUT);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 1, 1));
        assert_eq!(
            tally.remarks,
            [
                "failed: user lib: config::bad: not so: the file is read",
                "skipped: user lib: live"
            ]
        );
        assert!(!tally.is_good());
    }

    #[test]
    fn a_test_that_does_not_apply_to_this_host_is_named_and_counted() {
        let tally = read(
            "test live ... ok\n\nsuccesses:\n\n---- live stdout ----\nseed 7\nSKIP: no sh here\n\n\nsuccesses:\n    live\n\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        assert_eq!(tally.remarks, ["skipped: user lib: live: no sh here"]);
        assert_eq!((tally.passed, tally.not_here), (1, 1));
        assert!(tally.is_good());
    }

    #[test]
    fn binaries_add_up() {
        let mut sum = read(OUTPUT);
        sum.add(read(
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ));
        assert_eq!((sum.passed, sum.failed, sum.skipped), (6, 1, 1));
    }

    #[test]
    fn a_binary_that_says_nothing_has_failed() {
        assert_eq!(read("running 3 tests\n").failed, 1);
        assert_eq!(read("\u{fffd} odd bytes").failed, 1);
    }

    #[test]
    fn a_crash_after_the_result_is_a_failure() {
        let own = read("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        let mut sum = Tally::default();
        sum.judge("user lib", &own, ExitStatus::from_raw(11));
        assert_eq!(sum.failed, 1);
        sum.judge("user lib", &own, ExitStatus::from_raw(0));
        assert_eq!(sum.failed, 1);
    }

    #[test]
    fn no_test_is_no_success() {
        let tally = read("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out");
        assert!(!tally.is_good());
    }

    #[test]
    fn live_binaries_are_known_by_their_name() {
        let artifact = serde_json::json!({
            "target": {"name": "live_watch", "kind": ["test"]},
            "manifest_path": "/checkout/cert-recon-user/Cargo.toml",
            "executable": "/checkout/target/debug/deps/live_watch-1",
        });
        let binary = binary(&artifact, &[]).unwrap();
        assert!(binary.is_live());
        assert_eq!(binary.name, "cert-recon-user test live_watch");
        assert_eq!(binary.package_dir, Path::new("/checkout/cert-recon-user"));
    }
}
