//! What the eBPF crate's build needs beside stable Rust: the right rustc, bpf-linker, and the standard library's source.
//!
//! All three are pinned together. bpf-linker uses the LLVM inside rustc, so another rustc gives another object even
//! when it works; and the library must be the one that belongs to that rustc.

use std::{
    env,
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{self, Command},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{cache, tools, workspace};

/// The only rustc release whose object may be checked in.
const RUST_VERSION: &str = "1.95.0";
/// Links against the LLVM 22 in rustc 1.95; later versions want a system LLVM.
const BPF_LINKER_VERSION: &str = "0.10.3";
/// Names a folder or a .tar.xz that holds the standard library's `library/`.
const LIBRARY_VARIABLE: &str = "CERT_RECON_RUST_LIBRARY";

/// All that is needed, found or installed.
pub(crate) struct Toolchain {
    /// Set as `RUSTUP_TOOLCHAIN` when the default rustc is another one.
    rustup_toolchain: Option<&'static str>,
    sysroot: PathBuf,
    pub(crate) bpf_linker: PathBuf,
    /// The folder that holds `core/`, `std/` and `Cargo.lock`.
    pub(crate) library: PathBuf,
}

impl Toolchain {
    /// Finds each part; installs what can be installed.
    pub(crate) fn find_or_install() -> Result<Self> {
        let rustup_toolchain = rustup_toolchain()?;
        let sysroot = PathBuf::from(tools::stdout_of(rustc(rustup_toolchain).args(["--print", "sysroot"]))?.trim());
        let library = rust_library(rustup_toolchain, &sysroot)?;
        let bpf_linker = bpf_linker(rustup_toolchain)?;
        Ok(Self {
            rustup_toolchain,
            sysroot,
            bpf_linker,
            library,
        })
    }

    /// The standard library's source alone, for what is no eBPF.
    pub(crate) fn library() -> Result<PathBuf> {
        let rustup_toolchain = rustup_toolchain()?;
        let sysroot = PathBuf::from(tools::stdout_of(rustc(rustup_toolchain).args(["--print", "sysroot"]))?.trim());
        rust_library(rustup_toolchain, &sysroot)
    }

    /// The folder with `ld.lld` that the pinned release brings along.
    pub(crate) fn linker() -> Result<PathBuf> {
        let mut rustc = rustc(rustup_toolchain()?);
        let libraries = PathBuf::from(tools::stdout_of(rustc.args(["--print", "target-libdir"]))?.trim());
        let folder = libraries.with_file_name("bin").join("gcc-ld");
        ensure!(
            folder.join("ld.lld").is_file(),
            "{} has no ld.lld: this Rust was built without its linker; one from rustup has it",
            folder.display()
        );
        Ok(folder)
    }

    /// Cargo of the pinned release, in the workspace's root; what it starts finds that release's LLVM first.
    pub(crate) fn cargo(&self) -> Result<Command> {
        // bpf-linker loads LLVM from here. rustup sets this for its default toolchain, others don't set it at all.
        const VARIABLE: &str = "LD_LIBRARY_PATH";
        let others = env::var_os(VARIABLE).unwrap_or_default();
        let paths = env::join_paths([self.sysroot.join("lib")].into_iter().chain(env::split_paths(&others)))
            .with_context(|| format!("{} can't be part of {VARIABLE}", self.sysroot.display()))?;
        let mut command = cargo(self.rustup_toolchain);
        command.env(VARIABLE, paths);
        Ok(command)
    }
}

/// Cargo of the pinned release, in the workspace's root.
pub(crate) fn pinned_cargo() -> Result<Command> {
    Ok(cargo(rustup_toolchain()?))
}

fn cargo(rustup_toolchain: Option<&str>) -> Command {
    match rustup_toolchain {
        None => workspace::cargo(),
        Some(name) => {
            let mut command = Command::new("cargo");
            command.current_dir(workspace::root()).env("RUSTUP_TOOLCHAIN", name);
            command
        }
    }
}

fn rustc(rustup_toolchain: Option<&str>) -> Command {
    let mut command = Command::new("rustc");
    command.current_dir(workspace::root());
    if let Some(name) = rustup_toolchain {
        command.env("RUSTUP_TOOLCHAIN", name);
    }
    command
}

fn release(rustup_toolchain: Option<&str>) -> Result<String> {
    let version = tools::stdout_of(rustc(rustup_toolchain).arg("-vV"))?;
    let release = version.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("`rustc -vV` printed no release")?.to_owned())
}

fn rustup_toolchain() -> Result<Option<&'static str>> {
    let default = release(None)?;
    if default == RUST_VERSION {
        return Ok(None);
    }
    // Asked through `rustup run`, which never installs anything by itself.
    let installed = tools::find("rustup").is_some()
        && tools::stdout_of(Command::new("rustup").args(["run", RUST_VERSION, "rustc", "-V"])).is_ok();
    if installed {
        return Ok(Some(RUST_VERSION));
    }
    bail!(
        "the eBPF object is made with rustc {RUST_VERSION}, and this is {default} (another LLVM gives other bytes). \
         Install it beside yours: rustup toolchain install {RUST_VERSION} --profile minimal --component clippy,rust-src"
    )
}

/// bpf-linker of exactly the pinned version: from PATH, from the cache, or installed there.
fn bpf_linker(rustup_toolchain: Option<&str>) -> Result<PathBuf> {
    let wanted = format!("bpf-linker {BPF_LINKER_VERSION}");
    let is_right = |file: &Path| {
        tools::stdout_of(Command::new(file).arg("--version")).is_ok_and(|version| version.trim() == wanted)
    };
    let root = cache::dir()?.join(format!("bpf-linker-{BPF_LINKER_VERSION}-rust-{RUST_VERSION}"));
    let cached = root.join("bin/bpf-linker");
    if let Some(found) = tools::find("bpf-linker")
        .into_iter()
        .chain([cached.clone()])
        .find(|file| is_right(file))
    {
        return Ok(found);
    }
    eprintln!("xtask: installing {wanted} into {} (about a minute)", root.display());
    let mut install = cargo(rustup_toolchain);
    install.args([
        "install",
        "bpf-linker",
        "--version",
        BPF_LINKER_VERSION,
        "--locked",
        "--force",
        "--root",
    ]);
    // Not the workspace's: a program for the developer has nothing to do with its settings or its target folder.
    install
        .arg(&root)
        .current_dir(cache::dir()?)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET");
    tools::run(&mut install).context("bpf-linker links the eBPF program; it needs a C compiler and crates to build")?;
    if !is_right(&cached) {
        bail!(
            "{} was installed but does not answer `--version` with '{wanted}'",
            cached.display()
        );
    }
    Ok(cached)
}

/// The standard library's source: the folder that holds `core/`.
fn rust_library(rustup_toolchain: Option<&str>, sysroot: &Path) -> Result<PathBuf> {
    let in_sysroot = sysroot.join("lib/rustlib/src/rust/library");
    if let Some(named) = env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()) {
        return named_library(named);
    }
    if is_library(&in_sysroot) {
        return Ok(in_sysroot);
    }
    let from_debian = cache::dir()?.join(format!("rust-library-{RUST_VERSION}-debian"));
    if is_library(&from_debian.join("library")) {
        return Ok(from_debian.join("library"));
    }

    let mut tried = format!("{} is not there", in_sysroot.display());
    match rustup_component(rustup_toolchain) {
        Ok(()) if is_library(&in_sysroot) => return Ok(in_sysroot),
        Ok(()) => tried.push_str("; rustup added rust-src, but not there"),
        Err(error) => tried.push_str(&format!("; {error:#}")),
    }
    match debian_library(&from_debian) {
        Ok(()) => return Ok(from_debian.join("library")),
        Err(error) => tried.push_str(&format!("; {error:#}")),
    }
    bail!(
        "the eBPF crate's `core` is compiled from the standard library's source, and it was not found: {tried}. \
         Do one of: `rustup component add rust-src`; install Debian's package rust-src {RUST_VERSION}; or set \
         {LIBRARY_VARIABLE} to a folder or .tar.xz with rustc {RUST_VERSION}'s `library/` in it"
    )
}

fn is_library(dir: &Path) -> bool {
    dir.join("core/src/lib.rs").is_file() && dir.join("Cargo.lock").is_file()
}

fn named_library(named: OsString) -> Result<PathBuf> {
    let named = fs::canonicalize(&named)
        .with_context(|| format!("{LIBRARY_VARIABLE} names {}, which can't be read", named.display()))?;
    let dir = if named.is_dir() {
        named.clone()
    } else {
        unpacked(&named)?
    };
    [dir.join("library"), dir]
        .into_iter()
        .find(|dir| is_library(dir))
        .with_context(|| {
            format!(
                "{LIBRARY_VARIABLE}={} holds no `library/` with core in it",
                named.display()
            )
        })
}

/// The archive's content in the cache, under a name that changes with the content.
fn unpacked(archive: &Path) -> Result<PathBuf> {
    let bytes = fs::read(archive).with_context(|| format!("reading {}", archive.display()))?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let dir = cache::dir()?.join(format!("rust-library-{:016x}", hasher.finish()));
    if !dir.is_dir() {
        into_place(&dir, |scratch| {
            tools::run(Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(scratch))
                .context("unpacking the standard library's source (needs tar and xz)")
        })?;
    }
    Ok(dir)
}

/// Fills a scratch folder and renames it, so that a half-made folder is never taken for a whole one.
fn into_place(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let scratch = dir.with_extension(format!("{}.tmp", process::id()));
    fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    let done = fill(&scratch).and_then(|()| match fs::rename(&scratch, dir) {
        // Another process was faster; its result is as good.
        Err(_) if dir.is_dir() => Ok(()),
        other => other.with_context(|| format!("renaming {} to {}", scratch.display(), dir.display())),
    });
    if scratch.exists() {
        // Only a left-over: failing to remove it changes nothing.
        let _ = fs::remove_dir_all(&scratch);
    }
    done
}

fn rustup_component(rustup_toolchain: Option<&str>) -> Result<()> {
    if tools::find("rustup").is_none() {
        bail!("there is no rustup");
    }
    let mut add = Command::new("rustup");
    add.args(["component", "add", "rust-src"])
        .current_dir(workspace::root());
    if let Some(name) = rustup_toolchain {
        add.env("RUSTUP_TOOLCHAIN", name);
    }
    eprintln!("xtask: {}", tools::shown(&add));
    tools::stdout_of(&mut add).map(drop)
}

/// Debian's package is a plain archive: downloaded by apt from the configured sources, unpacked, never installed.
fn debian_library(dir: &Path) -> Result<()> {
    if tools::find("apt-get").is_none() {
        bail!("this is not a Debian system");
    }
    let versions = tools::stdout_of(Command::new("apt-cache").args(["madison", "rust-src"]))?;
    let version = versions
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|version| version.starts_with(RUST_VERSION))
        .with_context(|| format!("apt's sources offer no rust-src {RUST_VERSION} (trixie-backports has it)"))?;
    into_place(dir, |scratch| {
        let package = format!("rust-src={version}");
        tools::stdout_of(
            Command::new("apt-get")
                .args(["download", &package])
                .current_dir(scratch),
        )?;
        let deb = fs::read_dir(scratch)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt-get download left no package")?;
        tools::stdout_of(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(scratch.join("root")))?;
        let library = scratch.join(format!("root/usr/src/rustc-{RUST_VERSION}/library"));
        fs::rename(&library, scratch.join("library"))
            .with_context(|| format!("the package {package} has no {}", library.display()))?;
        fs::remove_dir_all(scratch.join("root"))?;
        fs::remove_file(deb)?;
        Ok(())
    })
}
