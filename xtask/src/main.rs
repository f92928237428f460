//! cert-recon's developer commands: `cargo xtask COMMAND`.
//!
//! Everything that CI does is one of these commands, so a developer can do it too. This file only parses the command
//! line; each command has its module, and what several of them need is in [`workspace`], [`cache`], [`tools`] and
//! [`toolchain`].

mod apt;
mod bench;
mod build_ebpf;
mod cache;
mod ci;
mod dist;
mod fuzz;
mod licences;
mod room;
mod run;
mod rustc_shim;
mod strip;
mod tail_calls;
mod test;
mod toolchain;
mod tools;
mod tree;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "cert-recon's developer commands"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile the eBPF program on stable Rust and write the object that the repository keeps
    BuildEbpf(build_ebpf::Args),
    /// Build cert-recon and run `cert-recon watch` as root
    Run(run::Args),
    /// Run all tests, those that need root included; installs what they need
    Test(test::Args),
    /// Run every other check: format, lints, documentation, licences, advisories, the eBPF object
    Ci(ci::Args),
    /// Measure cert-recon side by side with what people use instead
    Bench(bench::Args),
    /// Run the fuzz targets: hostile rule files, shell texts, URLs, argv
    Fuzz(fuzz::Args),
    /// Build what is given away: a static program, packages for Debian and Fedora, an archive, checksums
    Dist(dist::Args),
    /// Boot real kernels in QEMU and run the live tests in them
    Vm(vm::Args),
}

fn main() -> ExitCode {
    // Cargo starts this same program in rustc's place while it builds the eBPF crate: see the module for why.
    if rustc_shim::is_wanted() {
        return rustc_shim::run();
    }
    let result = match Cli::parse().command {
        Command::BuildEbpf(args) => build_ebpf::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Test(args) => test::run(&args),
        Command::Ci(args) => ci::run(&args),
        Command::Bench(args) => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Fuzz(args) => fuzz::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Dist(args) => dist::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Vm(args) => vm::run(&args).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
