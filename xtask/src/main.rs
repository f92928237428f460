//! cert-recon's developer commands.

mod vm;

use clap::Parser;

/// cert-recon's developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Command {
    Vm(vm::Args),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Vm(args) => vm::run(&args),
    }
}
