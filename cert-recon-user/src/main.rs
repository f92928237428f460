//! The `cert-recon` program.
fn main() {}
