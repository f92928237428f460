//! The command line: what each command takes, and the exit status.

mod check;
mod config;
mod doctor;
mod generated;
mod held;
mod hunt;
mod outputs;
mod rule_args;
mod rules;
mod settings;
mod watch;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

use crate::rules::Confidence;
use crate::watch::canary;

/// Exit status of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Nothing was found (`watch`: it ended as asked).
    Clean = 0,
    /// There are findings (`check`, `hunt`).
    Findings = 1,
    /// The command line or the configuration is wrong, or this host can't be watched.
    Usage = 2,
    /// Some input could not be read.
    Incomplete = 3,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Sees every exec on this host and reports reconnaissance through digital certificates (ATT&CK T1596.003).
#[derive(Debug, Parser)]
#[command(name = "cert-recon", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// Say more on standard error.
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch this host's execs live (root, or CAP_BPF and CAP_PERFMON).
    Watch(Box<watch::Args>),
    /// Look through what was recorded: audit logs, exports, histories, cert-recon's own records.
    Hunt(hunt::Args),
    /// Judge one command line and say why.
    Check(check::Args),
    /// What the rules are, whether they hold, and how other systems write them.
    #[command(subcommand)]
    Rules(rules::Command),
    /// Check a configuration, or show what it comes to with flags and defaults.
    #[command(subcommand)]
    Config(config::Command),
    /// Say what this host offers, what is missing, what that costs and how to mend it.
    Doctor,
    /// Print the completion of a shell.
    Completions(generated::CompletionsArgs),
    /// Print the manual page.
    Man(generated::ManArgs),
}

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

fn parse_confidence(text: &str) -> Result<Confidence, String> {
    text.parse()
        .map_err(|error: crate::rules::ParseLevelError| error.to_string())
}

/// Parses the command line, runs the command, gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    // The monitor's own exec: to be seen is all that it is for.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == canary::COMMAND)
    {
        return Status::Clean.into();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output and are no error; a broken pipe ends quietly.
            let _ = error.print();
            return if error.use_stderr() {
                Status::Usage
            } else {
                Status::Clean
            }
            .into();
        }
    };
    let level = if args.verbose {
        log::LevelFilter::Debug
    } else {
        log::LevelFilter::Info
    };
    env_logger::Builder::new()
        .filter_level(level)
        .format(|out, record| {
            let message = record.args().to_string();
            let line = format!("cert-recon: {}", crate::text::for_terminal(message.as_bytes()));
            if held::take(&line) {
                return Ok(());
            }
            writeln!(out, "{line}")
        })
        .init();
    let result = match args.command {
        Command::Watch(args) => watch::run(*args),
        Command::Hunt(args) => hunt::run(args),
        Command::Check(args) => check::run(&args),
        Command::Rules(command) => rules::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Doctor => doctor::run(),
        Command::Completions(args) => generated::completions(&args),
        Command::Man(args) => generated::man(&args),
    };
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            log::error!("{}", message(&error));
            Status::Usage.into()
        }
    }
}

/// What went wrong and why: every cause that the text does not name already.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !message.contains(&cause) {
            message.push_str(if message.is_empty() { "" } else { ": " });
            message.push_str(&cause);
        }
    }
    message
}

/// Writes results to standard output; a reader that went away is no error.
fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("writing to standard output"))
        }
        _ => Ok(()),
    }
}
