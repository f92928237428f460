//! `cargo xtask build-ebpf`: the eBPF object that the repository keeps.
//!
//! The object is checked in so that everyone else needs plain stable Rust only. That is safe because the same source
//! gives the same bytes anywhere: `--check` builds again and compares. What could differ is taken away here: paths (by
//! remapping), cargo's hashes of paths (by [`rustc_shim`]), the user's profile and flags (by
//! setting all of them), debug information (by [`strip`]).

use std::{env, ffi::OsString, fs, io, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use object::{Object as _, ObjectSection as _};

use crate::{
    rustc_shim, strip, tail_calls,
    toolchain::Toolchain,
    tools,
    workspace::{self, Metadata},
};

const PACKAGE: &str = "cert-recon-ebpf";
const TARGET: &str = "bpfel-unknown-none";
/// Relative to the checkout.
const CHECKED_IN: &str = "cert-recon-ebpf/cert-recon.bpf.o";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build and compare with the object in the repository; write nothing, fail if they differ
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let file = workspace::root().join(CHECKED_IN);
    let built = build()?;
    if args.check {
        let checked_in = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{CHECKED_IN} is missing: run `cargo xtask build-ebpf` and commit it")
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        if let Some(difference) = difference(&checked_in, &built) {
            bail!(
                "{CHECKED_IN} is not what the source gives: {difference}. If you changed the eBPF source or its \
                 dependencies, run `cargo xtask build-ebpf` and commit the new object with the change"
            );
        }
        println!("{CHECKED_IN} is what the source gives ({} bytes).", built.len());
    } else if fs::read(&file).is_ok_and(|bytes| bytes == built) {
        println!("{CHECKED_IN} is up to date ({} bytes).", built.len());
    } else {
        fs::write(&file, &built).with_context(|| format!("writing {}", file.display()))?;
        println!(
            "{CHECKED_IN} written ({} bytes): commit it with the source.",
            built.len()
        );
    }
    Ok(())
}

/// Clippy on the eBPF crate, for its real target.
pub(crate) fn clippy() -> Result<()> {
    let build = Build::prepare()?;
    tools::run(build.cargo("clippy")?.args(["--", "-D", "warnings"]))
}

fn build() -> Result<Vec<u8>> {
    let build = Build::prepare()?;
    tools::run(&mut build.cargo("build")?)?;
    let linked = build.target_dir.join(TARGET).join("release").join(PACKAGE);
    let bytes = fs::read(&linked).with_context(|| format!("reading {}", linked.display()))?;
    let stripped = strip::strip(&bytes)?;
    build.assert_no_local_path(&stripped)?;
    tail_calls::check(&stripped)?;
    Ok(stripped)
}

/// Everything that the two cargo commands have in common.
struct Build {
    toolchain: Toolchain,
    target_dir: PathBuf,
    /// A folder of this machine, and what the object may say instead. A later entry wins over an earlier one.
    remap: Vec<(PathBuf, &'static str)>,
}

impl Build {
    fn prepare() -> Result<Self> {
        let toolchain = Toolchain::find_or_install()?;
        let metadata = Metadata::load()?;
        let target_dir = metadata.target_directory()?.join("ebpf");
        // An absolute name that exists nowhere: LLVM copies source lines into BTF from files that it can find.
        let remap = metadata.remap(&metadata.workspace_root()?, &target_dir, &toolchain.library);
        Ok(Self {
            toolchain,
            target_dir,
            remap,
        })
    }

    fn cargo(&self, subcommand: &str) -> Result<Command> {
        let mut rustflags: Vec<OsString> = ["-Cdebuginfo=2", "-Clink-arg=--btf"].map(OsString::from).into();
        // The object is for every architecture; without this, aya-ebpf would take the bindings of the host's.
        rustflags.push("--cfg=bpf_target_arch=\"x86_64\"".into());
        for (from, to) in &self.remap {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(from);
            flag.push("=");
            flag.push(to);
            rustflags.push(flag);
        }

        let mut cargo = self.toolchain.cargo()?;
        cargo.args([
            subcommand,
            "--locked",
            "--release",
            "-p",
            PACKAGE,
            "--target",
            TARGET,
            "-Z",
            "build-std=core",
        ]);
        cargo.arg("--target-dir").arg(&self.target_dir);
        // On the command line, where they win over Cargo.toml, the user's configuration and the environment (but for one, below).
        for setting in [
            "opt-level=3",
            "lto='fat'",
            "panic='abort'",
            "codegen-units=1",
            "debug-assertions=false",
            "overflow-checks=false",
            "incremental=false",
            "strip='none'",
        ] {
            cargo.arg("--config").arg(format!("profile.release.{setting}"));
        }
        cargo
            // The one variable that wins over `incremental`.
            .env_remove("CARGO_INCREMENTAL")
            // -Z build-std on stable: unstable for cargo's users, but the compiler and the library are pinned here.
            .env("RUSTC_BOOTSTRAP", "1")
            // Cargo's own tests use this to name another standard library than the sysroot's.
            .env("__CARGO_TESTS_ONLY_SRC_ROOT", &self.toolchain.library)
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &self.toolchain.bpf_linker)
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags.join(&OsString::from("\x1f")))
            .env(
                "RUSTC_WRAPPER",
                env::current_exe().context("asking for this program's path")?,
            )
            .env(rustc_shim::WANTED, "1");
        Ok(cargo)
    }

    /// The proof that the remapping is complete, on each build.
    fn assert_no_local_path(&self, object: &[u8]) -> Result<()> {
        let home = env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.as_os_str().len() > 1);
        for dir in self.remap.iter().map(|(from, _)| from).chain(&home) {
            let name = dir.as_os_str().as_encoded_bytes();
            if let Some(at) = object.windows(name.len()).position(|bytes| bytes == name) {
                bail!(
                    "the object has this machine's path {} in it (at byte {at}): add what puts it there to the \
                     remapping in xtask/src/build_ebpf.rs",
                    dir.display()
                );
            }
        }
        Ok(())
    }
}

/// Where two objects differ first, in words; nothing if they are the same.
fn difference(checked_in: &[u8], built: &[u8]) -> Option<String> {
    if checked_in == built {
        return None;
    }
    let at = checked_in
        .iter()
        .zip(built)
        .position(|(a, b)| a != b)
        .unwrap_or(checked_in.len().min(built.len()));
    let place = section_at(built, at).map_or_else(String::new, |name| format!(" (in {name})"));
    let bytes = |object: &[u8]| {
        let shown: Vec<_> = object
            .iter()
            .skip(at)
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if shown.is_empty() {
            "its end".to_owned()
        } else {
            shown.join(" ")
        }
    };
    Some(format!(
        "it has {} bytes, the build {}; the first difference is at byte {at}{place}: {} in the repository, {} built",
        checked_in.len(),
        built.len(),
        bytes(checked_in),
        bytes(built)
    ))
}

fn section_at(object: &[u8], at: usize) -> Option<String> {
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(object).ok()?;
    let section = file.sections().find(|section| {
        section
            .file_range()
            .is_some_and(|(start, size)| (start..start + size).contains(&(at as u64)))
    })?;
    section.name().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn equal_objects_have_no_difference() {
        assert_eq!(difference(b"abc", b"abc"), None);
    }

    #[test]
    fn the_first_difference_is_named() {
        let text = difference(b"abXd", b"abYd").unwrap();
        assert!(
            text.contains("first difference is at byte 2: 58 64 in the repository, 59 64 built"),
            "{text}"
        );
        let text = difference(b"ab", b"abc").unwrap();
        assert!(
            text.contains("at byte 2: its end in the repository, 63 built"),
            "{text}"
        );
    }
}
