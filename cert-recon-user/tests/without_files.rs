//! A process that opens no files for a moment: in a test program of its own, because no other thread could open one either.

use std::fs::File;

use cert_recon::host::without_opening_files;

#[test]
fn no_file_is_opened_while_code_runs_that_must_not_and_any_is_afterwards() {
    let open = || File::open("/proc/self/status");
    let held = open().unwrap();
    let refused = without_opening_files(|| open().is_err());
    assert!(refused);
    assert!(open().is_ok());
    assert!(held.metadata().is_ok(), "what was open stays open");
}
