//! The machines that a release is made for: what Rust, Debian and `uname -m` call them, and what their C code is compiled with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{
    apt::{Apt, BOOKWORM, Mirrors},
    cache,
    tools::{self, Need},
};

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    X86_64,
    Arm64,
}

impl Platform {
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// As `uname -m` and RPM call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Rust's target, with a C library that can be linked in.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// gcc's driver for it on an x86_64 host.
    pub(super) fn gcc(self) -> &'static str {
        match self {
            Self::X86_64 => "gcc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    pub(super) fn ar(self) -> &'static str {
        match self {
            Self::X86_64 => "ar",
            Self::Arm64 => "aarch64-linux-gnu-ar",
        }
    }

    /// What runs its programs here, when this host can't.
    pub(super) fn runner(self) -> Option<&'static str> {
        match self {
            Self::X86_64 => None,
            Self::Arm64 => Some("qemu-aarch64"),
        }
    }

    pub(super) fn needs(self) -> &'static [Need] {
        match self {
            Self::X86_64 => &[
                Need {
                    command: "gcc",
                    package: "gcc",
                    reason: "compiles zstd's C code and links the program",
                },
                Need {
                    command: "/usr/lib/x86_64-linux-musl/rcrt1.o",
                    package: "musl-dev",
                    reason: "the C library that a static program is linked with",
                },
            ],
            Self::Arm64 => &[
                Need {
                    command: "aarch64-linux-gnu-gcc",
                    package: "gcc-aarch64-linux-gnu",
                    reason: "compiles zstd's C code and links the program for arm64",
                },
                Need {
                    command: "qemu-aarch64",
                    package: "qemu-user",
                    reason: "runs the program for arm64, to see that it works",
                },
            ],
        }
    }

    /// musl's headers and libraries.
    ///
    /// # Errors
    ///
    /// When they are not there and can't be fetched.
    pub(super) fn musl(self) -> Result<Musl> {
        let multiarch = format!("{}-linux-musl", self.name());
        let root = match self {
            Self::X86_64 => PathBuf::from("/"),
            Self::Arm64 => fetched(self)?,
        };
        let musl = Musl {
            headers: root.join("usr/include").join(&multiarch),
            libraries: root.join("usr/lib").join(&multiarch),
        };
        anyhow::ensure!(
            musl.libraries.join("rcrt1.o").is_file(),
            "musl's start files are not in {}: Debian's package musl-dev has them",
            musl.libraries.display()
        );
        Ok(musl)
    }
}

/// Folders of musl.
pub(super) struct Musl {
    pub(super) headers: PathBuf,
    pub(super) libraries: PathBuf,
}

/// Debian's package of another architecture: its files, for nothing of it can be installed beside the host's own.
fn fetched(platform: Platform) -> Result<PathBuf> {
    let debian = match platform {
        Platform::X86_64 => "amd64",
        Platform::Arm64 => "arm64",
    };
    let root = cache::dir()?.join(format!("musl-{}-{debian}", BOOKWORM.main));
    if root.is_dir() {
        return Ok(root);
    }
    eprintln!("xtask: fetching musl for {debian} from Debian's {}", BOOKWORM.main);
    let scratch = root.with_extension(format!("{}.new", std::process::id()));
    let apt = Apt::update(&scratch.join("apt"), &Mirrors::of_this_machine()?, &BOOKWORM, debian)?;
    apt.unpack(&["musl-dev"], &scratch.join("root"))?;
    std::fs::rename(scratch.join("root"), &root)
        .with_context(|| format!("renaming {} to {}", scratch.display(), root.display()))?;
    // Only a left-over: failing to remove it changes nothing.
    let _ = std::fs::remove_dir_all(&scratch);
    Ok(root)
}

/// The folder that gcc has this file of its own in.
pub(super) fn gcc_s_folder(gcc: &str, file: &str) -> Result<PathBuf> {
    let named = tools::stdout_of(std::process::Command::new(gcc).arg(format!("-print-file-name={file}")))?;
    let named = Path::new(named.trim());
    anyhow::ensure!(
        named.is_absolute(),
        "{gcc} does not know where its {file} is: is it installed whole?"
    );
    Ok(named.parent().context("a file has a folder")?.to_owned())
}
