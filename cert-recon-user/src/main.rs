//! The `cert-recon` program: parses the command line and calls the library.

use std::process::ExitCode;

/// Of the static program: musl's own asks the kernel for memory and gives it back all the time, which was half of the start.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    cert_recon::cli::main()
}
