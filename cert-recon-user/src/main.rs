//! The `cert-recon` program: parses the command line and calls the library.

use std::process::ExitCode;

#[cfg(target_env = "musl")]
mod allocator;

fn main() -> ExitCode {
    cert_recon::cli::main()
}
