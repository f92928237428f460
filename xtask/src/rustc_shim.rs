//! Stands between cargo and rustc while the eBPF object or a release is built, so that neither depends on where.
//!
//! Cargo gives each crate `-C metadata=HASH`, and rustc puts a hash of that into every symbol. For crates outside the
//! workspace the hash covers the crate's path, and the standard library's source is such a crate: the same source in
//! two folders would give two objects. `--remap-path-prefix` does not reach this hash. So `RUSTC_WRAPPER` names this
//! program, which replaces the value by the crate's name and version and then becomes rustc.
//! Cargo's `-C extra-filename`, which keeps files apart, stays as it is.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

/// Set for the cargo that builds the eBPF crate, and so for what cargo starts.
pub(crate) const WANTED: &str = "CERT_RECON_RUSTC_SHIM";

/// How the targets end that releases are built for.
const RELEASE_TARGET: &str = "-unknown-linux-musl";

/// True when this process is to be rustc.
pub(crate) fn is_wanted() -> bool {
    env::var_os(WANTED).is_some()
}

/// Becomes rustc; returns only if that is impossible.
pub(crate) fn run() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(rustc) = args.next() else {
        eprintln!("error: {WANTED} is set, so this program stands for rustc, but cargo named no rustc: unset it");
        return ExitCode::FAILURE;
    };
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let args = stable_metadata(args.collect(), &package, &version);
    let error = Command::new(&rustc).args(args).exec();
    eprintln!("error: starting {}: {error}", rustc.display());
    ExitCode::FAILURE
}

/// The same arguments, with a `-C metadata` that depends on nothing but the crate.
fn stable_metadata(mut args: Vec<OsString>, package: &str, version: &str) -> Vec<OsString> {
    let is_release = args
        .iter()
        .any(|arg| arg.to_str().is_some_and(|arg| arg.ends_with(RELEASE_TARGET)));
    if !is_release && !args.iter().any(|arg| arg == "bpfel-unknown-none") {
        // Build scripts and procedural macros run on the host and leave nothing in the object.
        return args;
    }
    let value = |flag: &str| {
        let at = args.iter().position(|arg| arg == flag)?;
        args.get(at + 1)?.to_str()
    };
    let crate_name = value("--crate-name").unwrap_or("").to_owned();
    // A release has the standard library's crates and the program's own, which may be the same ones with other features.
    let variant = if is_release { variant(&args) } else { String::new() };
    // A release of cert-recon with the same eBPF source keeps its object; two versions of a dependency stay apart.
    let version = if package.starts_with("cert-recon") { "" } else { version };
    for arg in &mut args {
        if arg.to_str().is_some_and(|arg| arg.starts_with("metadata=")) {
            *arg = OsString::from(format!("metadata={package}-{crate_name}-{version}{variant}"));
        }
    }
    args
}

/// What tells two builds of a crate in one program apart: its kind, its features, and whether it is the standard library's.
fn variant(args: &[OsString]) -> String {
    let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let mut told: Vec<&str> = args
        .windows(2)
        .filter(|pair| pair[0] == "--crate-type" || pair[0] == "--cfg" && pair[1].starts_with("feature="))
        .map(|pair| pair[1])
        .collect();
    told.sort_unstable();
    told.extend(args.contains(&"force-unstable-if-unmarked").then_some("std"));
    told.iter().fold(String::new(), |text, part| text + "-" + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(args: &[&str], package: &str) -> Vec<OsString> {
        stable_metadata(args.iter().map(OsString::from).collect(), package, "1.2.3")
    }

    #[test]
    fn metadata_names_the_crate_and_nothing_else() {
        let args = [
            "--crate-name",
            "core",
            "-C",
            "metadata=0123",
            "--target",
            "bpfel-unknown-none",
            "-C",
            "lto",
        ];
        assert_eq!(
            changed(&args, "core"),
            [
                "--crate-name",
                "core",
                "-C",
                "metadata=core-core-1.2.3",
                "--target",
                "bpfel-unknown-none",
                "-C",
                "lto"
            ]
        );
        assert_eq!(
            changed(&args, "cert-recon-common")[3],
            "metadata=cert-recon-common-core-"
        );
    }

    #[test]
    fn in_a_release_the_kind_the_features_and_whose_it_is_tell_crates_apart() {
        let args = |more: &[&str]| {
            let all = [
                &[
                    "--crate-name",
                    "libc",
                    "-C",
                    "metadata=0123",
                    "--target",
                    "aarch64-unknown-linux-musl",
                ],
                more,
            ]
            .concat();
            changed(&all, "libc")[3].to_str().unwrap().to_owned()
        };
        assert_eq!(args(&["--crate-type", "lib"]), "metadata=libc-libc-1.2.3-lib");
        assert_eq!(
            args(&[
                "--crate-type",
                "lib",
                "--cfg",
                "feature=\"std\"",
                "-Z",
                "force-unstable-if-unmarked"
            ]),
            "metadata=libc-libc-1.2.3-feature=\"std\"-lib-std"
        );
    }

    #[test]
    fn host_crates_are_left_alone() {
        let args = ["--crate-name", "build_script_build", "-C", "metadata=0123"];
        assert_eq!(changed(&args, "core"), args);
    }
}
