//! Where the programs come from that tests run in a guest: the host's own, or, for another machine, Debian's packages of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::{Dyn as _, ElfFile64, FileHeader as _, ProgramHeader as _};

use super::cpio::Archive;
use super::machine::Machine;
use super::tools::{self, Tool};
use crate::apt::{Apt, BOOKWORM, Mirrors};
use crate::cache;

/// A root file system to copy from.
pub(super) struct Userland {
    /// `/` for the host's own.
    root: PathBuf,
}

impl Userland {
    /// What this machine's guests get; fetched or installed when it is not there.
    ///
    /// # Errors
    ///
    /// When it can't be had.
    pub(super) fn of(machine: Machine, programs: &[Tool]) -> Result<Self> {
        if machine == Machine::X86_64 {
            tools::require(programs)?;
            return Ok(Self { root: "/".into() });
        }
        let root = cache::dir()?.join(format!("programs-{}-{}", BOOKWORM.main, machine.debian()));
        let userland = Self { root };
        if programs.iter().all(|tool| userland.find(tool.program).is_some()) {
            return Ok(userland);
        }
        eprintln!(
            "vm: fetching programs for {} from Debian's {}",
            machine.debian(),
            BOOKWORM.main
        );
        let scratch = userland.root.with_extension(format!("{}.new", std::process::id()));
        let apt = Apt::update(
            &scratch.join("apt"),
            &Mirrors::of_this_machine()?,
            &BOOKWORM,
            machine.debian(),
        )?;
        let mut packages: Vec<&str> = programs.iter().map(|tool| tool.package).collect();
        packages.sort_unstable();
        packages.dedup();
        apt.unpack_with_dependencies(&packages, &scratch.join("root"))?;
        if userland.root.exists() {
            // It lacks a program that has come to the list.
            fs::remove_dir_all(&userland.root)?;
        }
        fs::rename(scratch.join("root"), &userland.root)
            .with_context(|| format!("renaming {} to {}", scratch.display(), userland.root.display()))?;
        fs::remove_dir_all(&scratch)?;
        for tool in programs {
            ensure!(
                userland.find(tool.program).is_some(),
                "Debian's {} has no {}",
                tool.package,
                tool.program
            );
        }
        Ok(userland)
    }

    /// Whether these are the host's own programs, which can be run.
    pub(super) fn is_the_host_s(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The path, in the guest, of a program.
    pub(super) fn find(&self, program: &str) -> Option<PathBuf> {
        tools::FOLDERS
            .iter()
            .map(|folder| Path::new(folder).join(program))
            .find(|path| self.outside(path).symlink_metadata().is_ok())
    }

    /// Copies a file to the same place in the guest, with what its links lead to and the libraries that it needs. A folder is
    /// copied whole.
    ///
    /// # Errors
    ///
    /// When it, or one of those, can't be read.
    pub(super) fn copy(&self, archive: &mut Archive, path: &Path) -> Result<()> {
        if archive.contains(path) {
            return Ok(());
        }
        let about = || format!("copying {} into the guest", path.display());
        let outside = self.outside(path);
        let metadata = outside.symlink_metadata().with_context(about)?;
        if metadata.is_symlink() {
            let target = fs::read_link(&outside).with_context(about)?;
            archive.link(path, &target);
            return self.copy(archive, &path.parent().unwrap_or(Path::new("/")).join(target));
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(&outside).with_context(about)? {
                self.copy(archive, &path.join(entry?.file_name()))?;
            }
            return Ok(());
        }
        let content = fs::read(&outside).with_context(about)?;
        archive.dated_file(path, metadata.permissions().mode() & 0o7777, metadata.mtime(), &content);
        if content.starts_with(b"\x7fELF") {
            for library in self.libraries(path, &content)? {
                self.copy(archive, &library)?;
            }
        }
        Ok(())
    }

    /// Copies a program of ours to a place in the guest, with the libraries that it needs.
    ///
    /// # Errors
    ///
    /// As [`Userland::copy`].
    pub(super) fn bring(&self, archive: &mut Archive, file: &Path, place: &Path) -> Result<()> {
        let content = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        archive.file(place, 0o755, &content);
        for library in self.libraries(file, &content)? {
            self.copy(archive, &library)?;
        }
        Ok(())
    }

    /// Where a path of the guest is on the host. A link in a folder's name that begins with `/` would lead out; Debian's packages
    /// have none in the folders that programs are in.
    pub(super) fn outside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The shared libraries of an executable, its loader included.
    fn libraries(&self, path: &Path, content: &[u8]) -> Result<Vec<PathBuf>> {
        if self.is_the_host_s() {
            return ldd(path);
        }
        let Linked { loader, needed } = linked(content).with_context(|| format!("reading {}", path.display()))?;
        let mut libraries: Vec<PathBuf> = loader.into_iter().collect();
        for name in needed {
            libraries.push(
                self.library(&name)
                    .with_context(|| format!("{} needs {name}, which no package has brought", path.display()))?,
            );
        }
        Ok(libraries)
    }

    fn library(&self, name: &str) -> Option<PathBuf> {
        let folders = ["/lib", "/usr/lib"].into_iter().flat_map(|folder| {
            let below = fs::read_dir(self.outside(Path::new(folder))).into_iter().flatten();
            let multiarch = below.flatten().filter_map(move |entry| {
                let name = entry.file_name();
                name.to_str()
                    .is_some_and(|name| name.ends_with("-linux-gnu"))
                    .then(|| Path::new(folder).join(name))
            });
            multiarch.chain([PathBuf::from(folder)]).collect::<Vec<_>>()
        });
        folders
            .map(|folder| folder.join(name))
            .find(|path| self.outside(path).symlink_metadata().is_ok())
    }
}

/// What an executable or library is linked with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Linked {
    loader: Option<PathBuf>,
    needed: Vec<String>,
}

fn linked(content: &[u8]) -> Result<Linked> {
    let file = ElfFile64::<object::Endianness>::parse(content)?;
    let (endian, header) = (file.endian(), file.elf_header());
    let segments = header.program_headers(endian, content)?;
    let mut linked = Linked::default();
    for segment in segments {
        if let Some(loader) = segment.interpreter(endian, content)? {
            linked.loader = Some(PathBuf::from(os(loader)));
        }
    }
    let sections = header.sections(endian, content)?;
    if let Some((entries, strings)) = sections.dynamic(endian, content)? {
        let strings = sections.strings(endian, content, strings)?;
        for entry in entries {
            if entry.tag(endian) == object::elf::DT_NEEDED {
                let name = entry.string(endian, strings)?;
                linked.needed.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(linked)
}

fn os(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

fn ldd(path: &Path) -> Result<Vec<PathBuf>> {
    let done = Command::new("ldd")
        .arg(path)
        .env("LC_ALL", "C")
        .output()
        .context("running ldd")?;
    // ldd fails on a static executable, and says so.
    let text = String::from_utf8_lossy(&done.stdout);
    parse_ldd(&text).with_context(|| format!("ldd {}:\n{text}", path.display()))
}

fn parse_ldd(text: &str) -> Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for line in text.lines().map(str::trim) {
        let place = line.split_once(" => ").map_or(line, |(_, place)| place);
        if place == "not found" {
            bail!("a library is missing: {line}");
        }
        // The vDSO has no path, a static executable no libraries.
        if place.starts_with('/') {
            libraries.push(PathBuf::from(place.split(" (0x").next().unwrap_or(place)));
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::{Linked, PathBuf, linked, parse_ldd};

    #[test]
    fn libraries_and_the_loader_but_not_the_vdso() {
        let text = "\tlinux-vdso.so.1 (0x00007f9d1444c000)\n\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f9d14327000)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f9d1444e000)\n";
        let expected = ["/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_ldd(text).unwrap(), expected);
    }

    #[test]
    fn a_static_executable_has_none_and_a_missing_one_is_an_error() {
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
        assert!(parse_ldd("\tlibfoo.so.1 => not found\n").is_err());
    }

    #[test]
    fn what_a_program_is_linked_with_is_in_the_program() {
        // This test itself: whatever it is linked with, the C library is among it, or it is static.
        let content = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let found = linked(&content).unwrap();
        assert!(
            found == Linked::default()
                || found.loader.is_some() && found.needed.iter().any(|name| name.contains("libc")),
            "{found:?}"
        );
        assert!(linked(b"\x7fELF").is_err());
    }
}
