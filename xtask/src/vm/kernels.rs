//! The kernels that are tested: which, where they come from, and the cache that keeps them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::machine::Machine;
use super::tools::{Tool, require};
use crate::apt::{Apt, Mirrors, Suite};

/// A kernel to test on.
#[derive(Debug)]
pub(super) struct Kernel {
    /// What `--kernel` calls it.
    pub(super) name: &'static str,
    pub(super) machine: Machine,
    suite: Suite,
    pub(super) why: &'static str,
    /// What is odd about the host around it.
    pub(super) odd: Option<Odd>,
}

/// A kernel of the others on a host that is not as usual.
#[derive(Debug)]
pub(super) struct Odd {
    /// Whose image it is.
    image: &'static str,
    /// More of the kernel's command line; init's own words are in `xtask/init/src/main.rs`.
    pub(super) command_line: &'static str,
    /// What a security module enforces there.
    pub(super) policy: Option<Policy>,
    /// Processors, as QEMU is told.
    pub(super) processors: &'static str,
    /// The tests that this is about, and all that are run on it.
    pub(super) tests: &'static [&'static str],
}

/// Debian's cloud kernels: they have everything that a virtual machine needs built in, and nothing else.
pub(super) const KERNELS: [Kernel; 10] = [
    Kernel {
        name: "5.10",
        machine: Machine::X86_64,
        suite: Suite {
            main: "bullseye",
            security: Some("bullseye-security"),
        },
        why: "the oldest that cert-recon supports; locked memory is still limited by RLIMIT_MEMLOCK",
        odd: None,
    },
    Kernel {
        name: "6.1",
        machine: Machine::X86_64,
        suite: Suite {
            main: "bookworm",
            security: Some("bookworm-security"),
        },
        why: "Debian 12",
        odd: None,
    },
    Kernel {
        name: "6.12",
        machine: Machine::X86_64,
        suite: Suite {
            main: "trixie",
            security: Some("trixie-security"),
        },
        why: "Debian 13",
        odd: None,
    },
    Kernel {
        name: "newest",
        machine: Machine::X86_64,
        suite: Suite {
            main: "trixie-backports",
            security: None,
        },
        why: "what distributions ship next",
        odd: None,
    },
    Kernel {
        name: "5.10-hybrid",
        machine: Machine::X86_64,
        suite: Suite {
            main: "bullseye",
            security: Some("bullseye-security"),
        },
        why: "cgroups of both versions at once; AppArmor holds cert-recon to its profile",
        odd: Some(Odd {
            image: "5.10",
            command_line: "vm.cgroup=hybrid vm.policy=apparmor",
            policy: Some(Policy::AppArmor),
            processors: "1",
            tests: &["live_confined::", "live_context::containers", "live_doctor::"],
        }),
    },
    Kernel {
        name: "6.12-selinux",
        machine: Machine::X86_64,
        suite: Suite {
            main: "trixie",
            security: Some("trixie-security"),
        },
        why: "SELinux enforces a policy",
        odd: Some(Odd {
            image: "6.12",
            command_line: "security=selinux enforcing=1 vm.policy=selinux",
            policy: Some(Policy::SeLinux),
            processors: "1",
            tests: &["live_confined::", "live_doctor::"],
        }),
    },
    Kernel {
        name: "6.1-odd",
        machine: Machine::X86_64,
        suite: Suite {
            main: "bookworm",
            security: Some("bookworm-security"),
        },
        why: "locked down (integrity), cgroups of version 1, no tracefs, 128 possible processors",
        odd: Some(Odd {
            image: "6.1",
            command_line: "lockdown=integrity vm.cgroup=1 vm.tracefs=no",
            policy: None,
            processors: "1,maxcpus=128",
            tests: &["live_context::", "live_doctor::", "live_hosts::"],
        }),
    },
    Kernel {
        name: "6.12-locked",
        machine: Machine::X86_64,
        suite: Suite {
            main: "trixie",
            security: Some("trixie-security"),
        },
        why: "locked down (confidentiality): nothing can be watched, which has to be said",
        odd: Some(Odd {
            image: "6.12",
            command_line: "lockdown=confidentiality",
            policy: None,
            processors: "1",
            tests: &["live_doctor::"],
        }),
    },
    Kernel {
        name: "6.1-arm64",
        machine: Machine::Arm64,
        suite: Suite {
            main: "bookworm",
            security: Some("bookworm-security"),
        },
        why: "Debian 12",
        odd: None,
    },
    Kernel {
        name: "6.12-arm64",
        machine: Machine::Arm64,
        suite: Suite {
            main: "trixie",
            security: Some("trixie-security"),
        },
        why: "Debian 13",
        odd: None,
    },
];

/// What a security module of the guest enforces, from its first process on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// The profile in `contrib/apparmor`.
    AppArmor,
    /// A policy of the tests' own, `policy/selinux.conf`.
    SeLinux,
}

impl Kernel {
    /// The name of its image in the cache.
    fn image(&self) -> &'static str {
        self.odd.as_ref().map_or(self.name, |odd| odd.image)
    }
}

/// The kernel of this name.
pub(super) fn by_name(name: &str) -> Option<&'static Kernel> {
    KERNELS.iter().find(|kernel| kernel.name == name)
}

/// A kernel that is at hand.
#[derive(Debug)]
pub(super) struct Image {
    /// What QEMU boots.
    pub(super) file: PathBuf,
    /// `package version`
    pub(super) package: String,
    /// Everything that was unpacked with it, modules included.
    folder: PathBuf,
}

impl Image {
    /// The modules of these names that the kernel has as files (and not built in), uncompressed.
    pub(super) fn modules(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        for lib in ["lib/modules", "usr/lib/modules"] {
            find_files(&self.folder.join(lib), &mut |path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let Some((stem, compression)) = name.split_once(".ko") else {
                    return Ok(());
                };
                let Some(order) = names.iter().position(|wanted| *wanted == stem) else {
                    return Ok(());
                };
                let content = match compression {
                    "" => fs::read(path)?,
                    ".xz" => {
                        require(&[Tool {
                            program: "xz",
                            package: "xz-utils",
                        }])?;
                        let done = Command::new("xz").arg("-dc").arg(path).output()?;
                        ensure!(done.status.success(), "xz -dc {}: {}", path.display(), done.status);
                        done.stdout
                    }
                    other => bail!("{}: no way to decompress {other}", path.display()),
                };
                found.push((format!("{order:02}-{stem}.ko"), content));
                Ok(())
            })?;
        }
        Ok(found)
    }
}

/// The folder of unpacked kernels.
pub(super) struct Cache {
    folder: PathBuf,
    /// Held while this exists: two runs at once must not unpack into the same folder.
    _lock: File,
}

impl Cache {
    /// Opens `${XDG_CACHE_HOME:-$HOME/.cache}/cert-recon/kernels`, waiting for another run that fills it.
    pub(super) fn open() -> Result<Self> {
        let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
                .join(".cache"),
        };
        let folder = base.join("cert-recon/kernels");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock().with_context(|| format!("locking {}", folder.display()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The kernel, if an earlier run has fetched it.
    pub(super) fn get(&self, kernel: &Kernel) -> Option<Image> {
        let folder = self.folder.join(kernel.image());
        let package = fs::read_to_string(folder.join("package")).ok()?;
        let root = folder.join("root");
        let mut file = None;
        for place in ["boot", "usr/lib/modules", "lib/modules"] {
            let mut look = |path: &Path| {
                if path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
                {
                    file = Some(path.to_owned());
                }
                Ok(())
            };
            find_files(&root.join(place), &mut look).ok()?;
        }
        Some(Image {
            file: file?,
            package: package.trim().to_owned(),
            folder: root,
        })
    }

    /// The kernel, from the cache or, if it isn't there or `refresh` is asked for, from a Debian mirror.
    ///
    /// # Errors
    ///
    /// When it can't be had, with what was tried.
    pub(super) fn fetch(&self, kernel: &Kernel, refresh: bool) -> Result<Image> {
        if !refresh && let Some(image) = self.get(kernel) {
            return Ok(image);
        }
        require(&[
            Tool {
                program: "apt-get",
                package: "apt",
            },
            Tool {
                program: "dpkg",
                package: "dpkg",
            },
        ])?;
        eprintln!(
            "vm: fetching kernel {} from Debian's {}",
            kernel.image(),
            kernel.suite.main
        );
        let scratch = self.folder.join(format!("{}.new", kernel.image()));
        remove(&scratch)?;
        let mirrors = Mirrors::of_this_machine()?;
        let apt = Apt::update(&scratch.join("apt"), &mirrors, &kernel.suite, kernel.machine.debian())?;

        // The metapackage names the image; since 6.19 the image is a package that only names others.
        let meta = apt.package(&format!("linux-image-cloud-{}", kernel.machine.debian()))?;
        let named = |package: &crate::apt::Package, prefix: &str| {
            package.depends.iter().find(|name| name.starts_with(prefix)).cloned()
        };
        let image = named(&meta, "linux-image-").with_context(|| format!("{} names no image", meta.name))?;
        let image = apt.package(&image)?;
        let parts: Vec<String> = ["linux-binary-", "linux-modules-"]
            .iter()
            .filter_map(|part| named(&image, part))
            .collect();
        let packages: Vec<&str> = if parts.is_empty() {
            vec![&image.name]
        } else {
            parts.iter().map(String::as_str).collect()
        };
        apt.unpack(&packages, &scratch.join("root"))?;

        fs::write(scratch.join("package"), format!("{} {}\n", image.name, image.version))?;
        remove(&scratch.join("apt"))?;
        let place = self.folder.join(kernel.image());
        remove(&place)?;
        fs::rename(&scratch, &place)
            .with_context(|| format!("renaming {} to {}", scratch.display(), place.display()))?;
        self.get(kernel)
            .with_context(|| format!("there is no vmlinuz in {}", packages.join(", ")))
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Calls `visit` for every file below a folder, links not followed. A folder that isn't there has none.
fn find_files(folder: &Path, visit: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find_files(&entry.path(), visit)?;
        } else if kind.is_file() {
            visit(&entry.path())?;
        }
    }
    Ok(())
}
