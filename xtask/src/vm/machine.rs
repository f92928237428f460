//! The machines that are emulated: their names in Debian and Rust, and what QEMU has to be told of each.

use super::tools::Tool;
use crate::dist::platform::Platform;

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Arm64,
}

impl Machine {
    /// In the order in which they are tested.
    pub(super) const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// What Debian calls it.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// What releases for it are made for.
    pub(super) fn platform(self) -> Platform {
        match self {
            Self::X86_64 => Platform::X86_64,
            Self::Arm64 => Platform::Arm64,
        }
    }

    /// Rust's name of it when it is another machine than this host, for which tests are built on their own.
    pub(super) fn foreign_target(self) -> Option<&'static str> {
        match self {
            Self::X86_64 => None,
            Self::Arm64 => Some("aarch64-unknown-linux-gnu"),
        }
    }

    /// The emulator.
    pub(super) fn emulator(self) -> Tool {
        match self {
            Self::X86_64 => Tool {
                program: "qemu-system-x86_64",
                package: "qemu-system-x86",
            },
            Self::Arm64 => Tool {
                program: "qemu-system-aarch64",
                package: "qemu-system-arm",
            },
        }
    }

    /// The emulator's words for it. On arm64, signed pointers cost half of the time when they are signed as hardware does.
    pub(super) fn hardware(self) -> &'static [&'static str] {
        match self {
            // What later ones have more takes a quarter more time to emulate: vectors of 32 bytes, guards around user memory.
            Self::X86_64 => &["-cpu", "Nehalem-v1"],
            Self::Arm64 => &["-M", "virt", "-cpu", "max,pauth-impdef=on"],
        }
    }

    /// The device of the kernel's console, the emulator's first serial line.
    pub(super) fn console(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }

    /// The device that init reports to.
    pub(super) fn report(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS1",
            Self::Arm64 => "ttyS0",
        }
    }

    /// What makes the emulator have that device, for the character device `report`. The arm64 board has one serial line only.
    pub(super) fn report_line(self) -> [&'static str; 2] {
        match self {
            Self::X86_64 => ["-serial", "chardev:report"],
            Self::Arm64 => ["-device", "pci-serial,chardev=report"],
        }
    }

    /// What a build on x86_64 needs beside the compiler: the linker, and a library that no program stands for.
    pub(super) fn cross_tools(self) -> &'static [Tool] {
        match self {
            Self::X86_64 => &[],
            Self::Arm64 => &[
                Tool {
                    program: "aarch64-linux-gnu-gcc",
                    package: "gcc-aarch64-linux-gnu",
                },
                Tool {
                    program: "/usr/aarch64-linux-gnu/lib/libc.a",
                    package: "libc6-dev-arm64-cross",
                },
            ],
        }
    }
}
