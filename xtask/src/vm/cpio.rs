//! Writes the archive that a kernel unpacks as its first root file system: cpio in its "newc" form
//! (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
//!
//! Paths go through the merged `/usr` that distributions have (`/bin` is a link to `usr/bin`), each path is written
//! once, and its folders come before it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Top-level folders that are links into `/usr`.
const MERGED: [&str; 5] = ["bin", "lib", "lib32", "lib64", "sbin"];

const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive in memory. Everything in it belongs to root and, unless it is dated, is as old as the epoch: same content,
/// same bytes.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    paths: BTreeSet<PathBuf>,
}

impl Archive {
    /// An archive that has the links of a merged `/usr`.
    pub(super) fn with_merged_usr() -> Self {
        let mut archive = Self::default();
        for name in MERGED {
            archive.folder(&Path::new("/usr").join(name), 0o755);
            archive.paths.insert(name.into());
            archive.entry(
                Path::new(name),
                LINK | 0o777,
                0,
                (0, 0),
                format!("usr/{name}").as_bytes(),
            );
        }
        archive
    }

    /// Whether the path is there already, by any of its spellings.
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.paths.contains(&canonical(path))
    }

    /// A folder, with those above it.
    pub(super) fn folder(&mut self, path: &Path, mode: u32) {
        let path = canonical(path);
        if path.as_os_str().is_empty() || self.paths.contains(&path) {
            return;
        }
        self.parents(&path);
        self.paths.insert(path.clone());
        self.entry(&path, FOLDER | mode, 0, (0, 0), &[]);
    }

    /// A file; nothing happens when the path is there already.
    pub(super) fn file(&mut self, path: &Path, mode: u32, content: &[u8]) {
        self.dated_file(path, mode, 0, content);
    }

    /// A file with its time of modification, in seconds since the epoch: Python looks whether what it compiled is as
    /// old as the source.
    pub(super) fn dated_file(&mut self, path: &Path, mode: u32, modified: i64, content: &[u8]) {
        let modified = u32::try_from(modified).unwrap_or_default();
        self.add(path, REGULAR | mode, modified, (0, 0), content);
    }

    /// A symbolic link; nothing happens when the path is there already.
    pub(super) fn link(&mut self, path: &Path, target: &Path) {
        self.add(path, LINK | 0o777, 0, (0, 0), target.as_os_str().as_encoded_bytes());
    }

    /// A character device; nothing happens when the path is there already.
    pub(super) fn device(&mut self, path: &Path, mode: u32, number: (u32, u32)) {
        self.add(path, CHARACTER_DEVICE | mode, 0, number, &[]);
    }

    /// The finished archive. Several of them one after the other are one archive to the kernel.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(Path::new("TRAILER!!!"), 0, 0, (0, 0), &[]);
        self.bytes
    }

    fn add(&mut self, path: &Path, mode: u32, modified: u32, device: (u32, u32), content: &[u8]) {
        let path = canonical(path);
        if self.paths.contains(&path) {
            return;
        }
        self.parents(&path);
        self.paths.insert(path.clone());
        self.entry(&path, mode, modified, device, content);
    }

    fn parents(&mut self, path: &Path) {
        if let Some(parent) = path.parent() {
            self.folder(parent, 0o755);
        }
    }

    fn entry(&mut self, path: &Path, mode: u32, modified: u32, device: (u32, u32), content: &[u8]) {
        let name = path.as_os_str().as_encoded_bytes();
        let size = |length: usize| u32::try_from(length).expect("what a guest needs is smaller than 4 GiB");
        let number = u32::try_from(self.paths.len()).expect("fewer than 2^32 paths");
        let links = if mode & KIND == FOLDER { 2 } else { 1 };
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        let fields = [
            number,
            mode,
            0,
            0,
            links,
            modified,
            size(content.len()),
            0,
            0,
            device.0,
            device.1,
            size(name.len() + 1),
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Header and content each start at a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The path without its leading `/`, without `.` and `..`, and with a merged `/usr`.
fn canonical(path: &Path) -> PathBuf {
    let mut canonical = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                if canonical.as_os_str().is_empty() && MERGED.iter().any(|merged| name == *merged) {
                    canonical.push("usr");
                }
                canonical.push(name);
            }
            Component::ParentDir => _ = canonical.pop(),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    canonical
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::{Archive, Path};

    fn names(archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let number = |at: usize| u32::from_str_radix(str::from_utf8(&archive[at..at + 8]).unwrap(), 16).unwrap();
        let mut found = Vec::new();
        let mut at = 0;
        while at < archive.len() {
            assert_eq!(&archive[at..at + 6], b"070701");
            let (mode, size, name_size) = (number(at + 14), number(at + 54) as usize, number(at + 94) as usize);
            let name = str::from_utf8(&archive[at + 110..at + 110 + name_size - 1])
                .unwrap()
                .to_owned();
            let content = (at + 110 + name_size).next_multiple_of(4);
            found.push((name, mode, archive[content..content + size].to_vec()));
            at = (content + size).next_multiple_of(4);
        }
        found
    }

    #[test]
    fn folders_come_before_what_is_in_them_and_only_once() {
        let mut archive = Archive::default();
        archive.file(Path::new("/etc/ssl/openssl.cnf"), 0o644, b"abc");
        archive.file(Path::new("/etc/hosts"), 0o600, b"");
        let found = names(&archive.finish());
        let found: Vec<_> = found
            .iter()
            .map(|(name, mode, content)| (name.as_str(), *mode, content.as_slice()))
            .collect();
        assert_eq!(
            found,
            [
                ("etc", 0o040_755, b"".as_slice()),
                ("etc/ssl", 0o040_755, b""),
                ("etc/ssl/openssl.cnf", 0o100_644, b"abc"),
                ("etc/hosts", 0o100_600, b""),
                ("TRAILER!!!", 0, b""),
            ]
        );
    }

    #[test]
    fn a_path_is_one_path_in_all_its_spellings() {
        let mut archive = Archive::with_merged_usr();
        archive.file(Path::new("/bin/sh"), 0o755, b"first");
        archive.file(Path::new("/usr/bin/sh"), 0o755, b"second");
        archive.file(Path::new("/usr/lib/../bin/./sh"), 0o755, b"third");
        assert!(archive.contains(Path::new("/bin/sh")));
        let found = names(&archive.finish());
        let shells: Vec<_> = found.iter().filter(|(name, ..)| name.ends_with("sh")).collect();
        assert_eq!(shells, [&("usr/bin/sh".to_owned(), 0o100_755, b"first".to_vec())]);
        assert!(found.contains(&("bin".to_owned(), 0o120_777, b"usr/bin".to_vec())));
    }

    #[test]
    fn the_system_s_own_cpio_reads_it() {
        let mut archive = Archive::with_merged_usr();
        archive.file(Path::new("/etc/odd"), 0o640, b"12345");
        archive.link(Path::new("/etc/link"), Path::new("odd"));
        let bytes = archive.finish();
        let lister = ["cpio", "busybox"].into_iter().find_map(|program| {
            let mut command = Command::new(program);
            if program == "busybox" {
                command.arg("cpio");
            }
            let command = command
                .arg("-tv")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            command.spawn().ok()
        });
        let Some(mut lister) = lister else {
            eprintln!("neither cpio nor busybox is installed: nothing to compare with");
            return;
        };
        lister.stdin.take().unwrap().write_all(&bytes).unwrap();
        let done = lister.wait_with_output().unwrap();
        let listing = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success(), "{listing}");
        for line in ["-rw-r-----", "etc/odd", "etc/link -> odd", "bin -> usr/bin"] {
            assert!(listing.contains(line), "{line} is missing in:\n{listing}");
        }
    }

    #[test]
    fn same_content_same_bytes() {
        let make = || {
            let mut archive = Archive::with_merged_usr();
            archive.device(Path::new("/dev/console"), 0o600, (5, 1));
            archive.file(Path::new("/init"), 0o755, &fs::read("/proc/version").unwrap());
            archive.finish()
        };
        assert_eq!(make(), make());
    }
}
