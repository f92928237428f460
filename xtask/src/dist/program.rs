//! The static program.
//!
//! The standard library is compiled with it, from the same source that the eBPF object's `core` is from: so no target has to be
//! installed, and a path of whoever built the library is in it no more than one of ours. What comes from elsewhere is musl's C
//! library and start files, and the unwinder of gcc.
//!
//! Every machine has a target folder of its own, so that the programs can be built at the same time.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::platform::{Musl, Platform, gcc_s_folder};
use crate::{
    rustc_shim,
    toolchain::{self, Toolchain},
    tools,
    workspace::Metadata,
};

/// What was built.
pub(super) struct Release {
    pub(super) platform: Platform,
    /// Where cargo puts it.
    pub(super) folder: PathBuf,
    pub(super) program: PathBuf,
}

impl Release {
    /// The target folder that it was built in.
    pub(super) fn target(&self) -> &Path {
        self.folder.ancestors().nth(2).unwrap_or(&self.folder)
    }

    /// What goes into packages beside it.
    pub(super) fn package(&self) -> PathBuf {
        self.folder.join("package")
    }
}

/// Builds the program of a checkout.
///
/// # Errors
///
/// When it can't be built, or is not what it should be: without paths of this machine, static, able to unwind its stack.
pub(super) fn build(root: &Path, target: &Path, platform: Platform) -> Result<Release> {
    tools::install_missing(platform.needs())?;
    let library = Toolchain::library()?;
    let parts = Parts::find(platform, &Toolchain::linker()?)?;
    let support = target.join("musl");
    parts.write(&support)?;
    let triple = platform.target();
    let variable = triple.replace('-', "_");
    let remap = Metadata::load_of(root)?.remap(root, target, &library);
    let mut flags: Vec<OsString> = vec![
        // rustc would bring start files of its own, which a library that is built here does not have.
        "-Clink-self-contained=no".into(),
        join("-Lnative=", &support),
        join("-Lnative=", &parts.musl.libraries),
    ];
    let mut c_flags = OsString::new();
    for (from, to) in &remap {
        let pair = join_with(from, to);
        flags.push(join("--remap-path-prefix=", &pair));
        c_flags.push("-ffile-prefix-map=");
        c_flags.push(&pair);
        c_flags.push(" ");
    }
    c_flags.push(SMALL_C);
    if platform == Platform::Arm64 {
        // These ask glibc what the processor can do.
        c_flags.push(" -mno-outline-atomics");
    }
    let mut cargo = toolchain::pinned_cargo()?;
    cargo
        .current_dir(root)
        .args([
            "build",
            "--locked",
            "--release",
            "-Z",
            "build-std=std,panic_unwind",
            "-Z",
        ])
        // A backtrace has addresses: there are no symbols in the program to make names of them.
        .arg("build-std-features=panic-unwind,backtrace,backtrace-trace-only,optimize_for_size")
        .args([
            "--target",
            triple,
            "-p",
            "cert-recon-user",
            "--bin",
            "cert-recon",
            "--target-dir",
        ])
        .arg(target)
        .args(profile())
        // -Z build-std on stable: unstable for cargo's users, but the compiler and the library are pinned here.
        .env("RUSTC_BOOTSTRAP", "1")
        // Cargo's own tests use this to name another standard library than the sysroot's.
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", &library)
        .env(
            format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()),
            support.join(LINKER),
        )
        .env(format!("CC_{variable}"), support.join(COMPILER))
        .env(format!("AR_{variable}"), platform.ar())
        .env(format!("CFLAGS_{variable}"), c_flags)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join(&OsString::from("\x1f")))
        .env_remove("RUSTFLAGS")
        .env("CARGO_INCREMENTAL", "0")
        .env(
            "RUSTC_WRAPPER",
            env::current_exe().context("asking for this program's path")?,
        )
        .env(rustc_shim::WANTED, "1");
    tools::run(&mut cargo)?;
    let folder = target.join(triple).join("release");
    let program = folder.join("cert-recon");
    check(&program, &remap)?;
    assert_unwinds(&program, platform)?;
    Ok(Release {
        platform,
        folder,
        program,
    })
}

/// Crates whose loops are most of the work: reading, searching, hashing. (zstd, which is C, has its own in assembly.)
const HOT: [&str; 4] = ["aho-corasick", "memchr", "miniz_oxide", "sha2"];

/// Of zstd's ways to search for repetitions, level 3, which `--record` uses, has the two that stay; of its ways to decompress, one of
/// each kind is enough (the others are for far larger windows, and for a few hundredths of the time). No panic passes through C.
const SMALL_C: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables -DZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR \
                       -DZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR \
                       -DZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR \
                       -DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR -DHUF_FORCE_DECOMPRESS_X1 \
                       -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT";

/// Crates that run at the start, at the end, or when a collector is sent to.
const COLD: [&str; 19] = [
    "addr2line",
    "anyhow",
    "aya",
    "aya-obj",
    "clap_builder",
    "clap_complete",
    "clap_mangen",
    "console",
    "gimli",
    "h2",
    "http",
    "hyper",
    "indicatif",
    "jiff",
    "regex-syntax",
    "tokio",
    "toml",
    "toml_parser",
    "tonic",
];

/// Small where it is not hot: optimised for speed alone, the program is half as large again, and it is copied to hosts by hand.
/// On the command line, where they win over Cargo.toml, the user's configuration and the environment.
fn profile() -> Vec<String> {
    let hot = HOT.map(|name| format!("package.{name}.opt-level=3"));
    let cold = COLD.map(|name| format!("package.{name}.opt-level='z'"));
    [
        "opt-level='s'",
        "lto='fat'",
        "codegen-units=1",
        "panic='unwind'",
        "strip='symbols'",
        "incremental=false",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(hot)
    .chain(cold)
    .flat_map(|setting| ["--config".to_owned(), format!("profile.release.{setting}")])
    .collect()
}

fn join(flag: &str, value: impl AsRef<std::ffi::OsStr>) -> OsString {
    let mut text = OsString::from(flag);
    text.push(value);
    text
}

fn join_with(from: &Path, to: &str) -> OsString {
    let mut text = from.as_os_str().to_owned();
    text.push("=");
    text.push(to);
    text
}

/// What gcc's unwinder calls without asking whether it is there: its references are weak, so that nothing brings these functions
/// in, and the calls would go to address 0.
const UNWINDER_NEEDS: [&str; 6] = [
    "pthread_getspecific",
    "pthread_key_create",
    "pthread_mutex_lock",
    "pthread_mutex_unlock",
    "pthread_once",
    "pthread_setspecific",
];

/// Where `start.c` begins, and what it is there for.
const PACKED: &str = "-Wl,--entry=packed_start,--pack-dyn-relocs=relr,--icf=all,-O2";

/// The script that links. rustc takes what ends in `gcc` for a compiler driver.
const LINKER: &str = "static-gcc";

/// rustc does not know that musl's programs for arm64 can be position-independent, and asks for others.
const PIE: &str = "for arg do\n  shift\n  case $arg in\n    -static|-no-pie) ;;\n    *) set -- \"$@\" \"$arg\" ;;\n  esac\ndone\n\
                   set -- -static-pie \"$@\"\n";

/// The script that compiles C code with musl's headers in the place of the host's.
const COMPILER: &str = "musl-gcc";

/// What is not compiled here.
struct Parts {
    platform: Platform,
    musl: Musl,
    /// gcc's start files and its unwinder.
    gcc: PathBuf,
    /// gcc's own headers.
    headers: PathBuf,
    /// The folder of Rust's own lld, which packs relocations and folds equal functions.
    lld: PathBuf,
}

impl Parts {
    fn find(platform: Platform, lld: &Path) -> Result<Self> {
        Ok(Self {
            platform,
            musl: platform.musl()?,
            gcc: gcc_s_folder(platform.gcc(), "crtbeginS.o")?,
            headers: gcc_s_folder(platform.gcc(), "include/stddef.h")?,
            lld: lld.to_owned(),
        })
    }

    /// A folder with the unwinder under the name by which the standard library asks for it, the compiler, and the linker: gcc,
    /// with musl's headers and start files in the place of its own. (Debian's musl-gcc can't link a position-independent static
    /// program, and there is none for another machine.)
    fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let driver = self.platform.gcc();
        let (musl, gcc, lld) = (self.musl.libraries.display(), self.gcc.display(), self.lld.display());
        script(
            &folder.join(COMPILER),
            &format!(
                "exec {driver} -nostdinc -isystem '{}' -isystem '{}' \"$@\"",
                self.musl.headers.display(),
                self.headers.display()
            ),
        )?;
        let unwinder = folder.join("libunwind.a");
        fs::copy(self.gcc.join("libgcc_eh.a"), &unwinder).context("copying gcc's unwinder")?;
        let object = compiled(folder, "find_object", include_str!("find_object.c"))?;
        tools::stdout_of(Command::new(self.platform.ar()).arg("rcD").arg(&unwinder).arg(&object))?;
        let start = compiled(folder, "start", include_str!("start.c"))?;
        let wanted = UNWINDER_NEEDS.map(|name| format!(" -Wl,--undefined={name}")).concat();
        let pie = match self.platform {
            Platform::X86_64 => "",
            Platform::Arm64 => PIE,
        };
        script(
            &folder.join(LINKER),
            &format!(
                "{pie}exec {driver} -fuse-ld=lld '-B{lld}' {PACKED} -nostartfiles -nostdlib{wanted} -L'{musl}' \\\n  \
                 '{}' '{musl}/rcrt1.o' '{musl}/crti.o' '{gcc}/crtbeginS.o' \"$@\" '{gcc}/libgcc.a' '{musl}/libc.a' '{gcc}/crtendS.o' \
                 '{musl}/crtn.o'",
                start.display()
            ),
        )
    }
}

fn script(file: &Path, command: &str) -> Result<()> {
    fs::write(file, format!("#!/bin/sh\n{command}\n"))
        .and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("writing {}", file.display()))
}

/// An object file of this C source.
fn compiled(folder: &Path, name: &str, source: &str) -> Result<PathBuf> {
    let (file, object) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.o")));
    fs::write(&file, source).with_context(|| format!("writing {}", file.display()))?;
    let mut compile = Command::new(folder.join(COMPILER));
    compile.args([
        "-O2",
        "-fPIE",
        "-fexceptions",
        "-fno-stack-protector",
        "-Wall",
        "-Werror",
        "-c",
        "-o",
    ]);
    // No path in it, and so the same bytes everywhere.
    compile.arg(&object).arg(format!("{name}.c")).current_dir(folder);
    tools::stdout_of(&mut compile)?;
    Ok(object)
}

/// The program, started on this host.
pub(super) fn started(program: &Path, platform: Platform) -> Command {
    match platform.runner() {
        None => Command::new(program),
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(program);
            command
        }
    }
}

/// A program whose stack can't be unwound would end at its first panic without its last words: so that is tried. An error with a
/// backtrace unwinds as a panic does.
fn assert_unwinds(program: &Path, platform: Platform) -> Result<()> {
    let missing = "/nonexistent/config.toml";
    let mut command = started(program, platform);
    command
        .args(["rules", "list", "--config", missing])
        .env("RUST_BACKTRACE", "1");
    let output = command
        .output()
        .with_context(|| format!("starting `{}`", tools::shown(&command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(2) || !said.contains(missing) {
        bail!(
            "with RUST_BACKTRACE=1 `{}` should say that there is no such file and end with status 2, but: {}, {said:?}: the \
             unwinder does not work with this musl",
            tools::shown(&command),
            output.status
        );
    }
    Ok(())
}

/// The program needs no other file, and names none of this machine's folders.
fn check(program: &Path, remap: &[(PathBuf, &str)]) -> Result<()> {
    let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    // A home may be called /root, which is also the name of a file in /proc/PID.
    let home = env::var_os("HOME").map(PathBuf::from);
    let of_home = home
        .iter()
        .flat_map(|home| [".cargo", ".rustup", ".cache"].map(|name| home.join(name)));
    for dir in remap.iter().map(|(from, _)| from.clone()).chain(of_home) {
        let name = dir.as_os_str().as_encoded_bytes();
        if let Some(at) = memmem(&bytes, name) {
            bail!(
                "the program has this machine's path {} in it (at byte {at}): add what puts it there to the remapping in \
                 xtask/src/dist/program.rs",
                dir.display()
            );
        }
    }
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes).context("reading the program")?;
    let endian = file.endian();
    let interpreter = file
        .elf_program_headers()
        .iter()
        .any(|header| header.p_type.get(endian) == object::elf::PT_INTERP);
    if interpreter {
        bail!("the program asks for a dynamic linker: it is not static");
    }
    Ok(())
}

fn memmem(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
