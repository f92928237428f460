//! cert-recon's developer commands.
fn main() {}
