//! The `cert-recon` program: parses the command line and calls the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cert_recon::cli::main()
}
