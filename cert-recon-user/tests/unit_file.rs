//! The unit file is one that systemd reads without a remark, and it is shut as far as it says.

use std::{fs, path::Path, process::Command};

const UNIT: &str = include_str!("../../dist/cert-recon.service");
/// Of 10; what is open is what eBPF and the enrichment need.
const MOST_EXPOSURE: f64 = 2.0;

/// Runs systemd-analyze on this text as the unit; nothing when it is not installed.
fn analyze(args: &[&str], text: &str) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cert-recon.service");
    fs::write(&file, text).unwrap();
    let output = match Command::new("systemd-analyze").args(args).arg(&file).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIP: systemd-analyze is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// The unit, with the program where it is now.
fn unit() -> String {
    let program = env!("CARGO_BIN_EXE_cert-recon");
    assert!(Path::new(program).is_absolute());
    UNIT.replace("/usr/bin/cert-recon", program)
}

#[test]
fn systemd_has_nothing_to_say_against_it() {
    let Some((good, said)) = analyze(&["verify", "--man=no"], &unit()) else {
        return;
    };
    assert!(good && said.is_empty(), "{said}");
    // It would say so.
    let (_, said) = analyze(&["verify", "--man=no"], &unit().replace("RestartSec=", "RestartSecs=")).unwrap();
    assert!(said.contains("RestartSecs"), "{said}");
}

#[test]
fn its_exposure_is_low() {
    let Some((good, said)) = analyze(&["security", "--offline=true", "--no-pager"], UNIT) else {
        return;
    };
    let exposure = said
        .lines()
        .find_map(|line| line.split_once("Overall exposure level for ")?.1.split_once(": "))
        .and_then(|(_, rest)| rest.split(' ').next()?.parse::<f64>().ok());
    assert!(
        good && exposure.is_some_and(|exposure| exposure <= MOST_EXPOSURE),
        "{said}"
    );
}

#[test]
fn each_folder_that_it_writes_to_is_its_own() {
    for text in [
        "Type=notify\n",
        "NotifyAccess=main\n",
        "ExecStart=/usr/bin/cert-recon watch --journald --output /var/log/cert-recon/findings.ndjson\n",
        "LogsDirectory=cert-recon\n",
        "StateDirectory=cert-recon\n",
        "ProtectSystem=strict\n",
    ] {
        assert!(UNIT.contains(text), "{text}");
    }
    assert!(!UNIT.contains("ReadWritePaths"));
}
