//! The one event type: an exec, whatever source it came from.
//!
//! It borrows from its source (the ring buffer, a line of a log), so that an exec that matches nothing costs no copy.
//! Every fact is optional but the time and argv: what a source can't know is absent, never guessed.

use std::{borrow::Cow, iter, time::SystemTime};

use cert_recon_common::Imageless;

/// An exec.
#[derive(Clone, Debug)]
pub struct Exec<'a> {
    /// When it happened.
    pub time: SystemTime,
    /// The record has no time of its own, and `time` is the latest that it can have happened.
    pub time_is_limit: bool,
    /// Process (thread group) id.
    pub pid: Option<u32>,
    /// Process id of the parent.
    pub parent_pid: Option<u32>,
    /// Real user id of the new process.
    pub uid: Option<u32>,
    /// Effective user id of the new process.
    pub effective_uid: Option<u32>,
    /// Real group id of the new process.
    pub gid: Option<u32>,
    /// Effective group id of the new process.
    pub effective_gid: Option<u32>,
    /// Audit login uid: who logged in, before sudo or su.
    pub login_uid: Option<u32>,
    /// Audit session id.
    pub session_id: Option<u32>,
    /// The path given to exec.
    pub path: Option<&'a [u8]>,
    /// The interpreter's path, when the file that was given is a script.
    pub interpreter: Option<&'a [u8]>,
    /// Resolved path of the executable file.
    pub executable: Option<FilePath<'a>>,
    /// Size of the executable file, bytes.
    pub executable_size: Option<u64>,
    /// The executable has no name on disk (memfd, deleted).
    pub fileless: Option<bool>,
    /// The working directory.
    pub directory: Option<FilePath<'a>>,
    /// Path of the cgroup.
    pub cgroup: Option<FilePath<'a>>,
    /// Inode number of the executable file.
    pub executable_inode: Option<u64>,
    /// Device of the executable's file system, in the kernel's encoding: 12 bits of major, 20 bits of minor number.
    pub executable_device: Option<u32>,
    /// The image that it made and the processes above it; only the live source knows them.
    pub lineage: Option<Lineage<'a>>,
    /// The controlling terminal, as its source names it: the kernel says `pts0` for `/dev/pts/0`.
    pub tty: Option<&'a [u8]>,
    /// The arguments.
    pub argv: Argv<'a>,
}

/// Identity of a process image: the same for a process and its forks, another after every exec. A key only, never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageKey(pub u64);

/// Where an exec stands among the processes.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'a> {
    /// The image that this exec made.
    pub image: ImageKey,
    /// Start of the process, nanoseconds since boot: with the process id it names the process for good.
    pub start_boot_ns: u64,
    /// When the exec happened, nanoseconds since boot.
    pub boot_ns: u64,
    /// The processes above, nearest first.
    pub ancestors: Ancestors<'a>,
}

/// The processes above, as the kernel sent them.
#[derive(Clone, Copy, Debug)]
pub struct Ancestors<'a> {
    bytes: &'a [u8],
}

/// A process above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Its id.
    pub pid: u32,
    /// What it runs.
    pub runs: Runs,
}

/// What a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// An image.
    Image(ImageKey),
    /// Nothing that has an identity: a kernel thread, or a process that is exiting.
    Nothing {
        /// Its start, nanoseconds since boot.
        start_boot_ns: u64,
        /// Its command name, NUL-padded.
        comm: [u8; 16],
    },
}

impl<'a> Ancestors<'a> {
    /// `bytes` are what a [`HeadRecord`](cert_recon_common::HeadRecord) has of them.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The processes, nearest first.
    pub fn iter(self) -> impl Iterator<Item = Ancestor> + 'a {
        let mut rest = self.bytes;
        iter::from_fn(move || {
            let ancestor = cert_recon_common::Ancestor::decode(rest)?;
            rest = rest.get(cert_recon_common::Ancestor::SIZE..)?;
            let runs = if ancestor.image == 0 {
                let more = Imageless::decode(rest)?;
                rest = rest.get(Imageless::SIZE..)?;
                Runs::Nothing {
                    start_boot_ns: more.start_boot_ns,
                    comm: more.comm,
                }
            } else {
                Runs::Image(ImageKey(ancestor.image))
            };
            Some(Ancestor {
                pid: ancestor.pid,
                runs,
            })
        })
    }
}

/// A path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePath<'a> {
    /// As usual.
    Plain(&'a [u8]),
    /// Of a Windows host: `\` and `/` separate components.
    Windows(&'a [u8]),
    /// As walked in the kernel: components from the leaf to the root, each followed by `/`.
    LeafFirst {
        /// The components.
        components: &'a [u8],
        /// Components nearest the root are missing.
        cut: bool,
        /// It ends in a tree that is not mounted anywhere.
        detached: bool,
    },
}

impl<'a> FilePath<'a> {
    /// The last component; empty for the root.
    #[must_use]
    pub fn base_name(self) -> &'a [u8] {
        match self {
            Self::Plain(path) => base_name(path),
            Self::Windows(path) => path.rsplit(|b| b"\\/".contains(b)).next().unwrap_or_default(),
            Self::LeafFirst { components, .. } => components.split(|&b| b == b'/').next().unwrap_or_default(),
        }
    }

    /// The path as usual. A path that was cut begins with `.../` instead of `/`, so that it can't be taken for a whole one.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        let mut path = Vec::with_capacity(self.len());
        self.append_to(&mut path);
        path
    }

    /// Appends the path, as [`to_vec`](Self::to_vec) gives it.
    pub fn append_to(self, path: &mut Vec<u8>) {
        match self {
            Self::Plain(plain) | Self::Windows(plain) => path.extend_from_slice(plain),
            Self::LeafFirst { components, cut, .. } => {
                if cut {
                    path.extend_from_slice(b"...");
                }
                let components = components.strip_suffix(b"/").unwrap_or(components);
                for component in components.rsplit(|&b| b == b'/') {
                    path.push(b'/');
                    path.extend_from_slice(component);
                }
            }
        }
    }

    /// Bytes of the path.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Plain(path) | Self::Windows(path) => path.len(),
            // The slash behind each component becomes the one before it.
            Self::LeafFirst { components, cut, .. } => components.len().max(1) + if cut { 3 } else { 0 },
        }
    }
}

/// The last component of a path; empty when it ends in `/`.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

/// Arguments as the kernel keeps them: one after the other, each ended by a NUL. Of some records only their text is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argv<'a> {
    bytes: &'a [u8],
    /// Length in the process's memory, bytes.
    total: u64,
    is_text: bool,
}

impl<'a> Argv<'a> {
    /// `bytes` are the first of `total` bytes of arguments, each ended by a NUL.
    #[must_use]
    pub fn new(bytes: &'a [u8], total: u64) -> Self {
        Self {
            bytes,
            total,
            is_text: false,
        }
    }

    /// A command line of which a record keeps only the text: where one argument ends is not known. A NUL in it ends the text
    /// for whoever reads it as arguments, so sources put a space in its place.
    #[must_use]
    pub fn text(line: &'a [u8]) -> Self {
        Self {
            bytes: line,
            total: line.len() as u64,
            is_text: true,
        }
    }

    /// The same, of which there was more, as the record itself says.
    #[must_use]
    pub fn cut_text(line: &'a [u8]) -> Self {
        Self {
            total: line.len() as u64 + 1,
            ..Self::text(line)
        }
    }

    /// Whether only the text is known.
    #[must_use]
    pub fn is_text(self) -> bool {
        self.is_text
    }

    /// All of the arguments.
    #[must_use]
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self::new(bytes, bytes.len() as u64)
    }

    /// The arguments in order, empty ones kept. The last may be cut when argv [is](Self::is_cut). A text has none that are
    /// known.
    pub fn args(self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = if self.is_text { b"" } else { self.bytes };
        let ended = bytes.strip_suffix(b"\0");
        let bytes = ended.unwrap_or(bytes);
        // No bytes at all are no argument; a lone NUL is one empty argument.
        let mut rest = (ended.is_some() || !bytes.is_empty()).then_some(bytes);
        iter::from_fn(move || {
            let bytes = rest?;
            let end = memchr::memchr(0, bytes);
            rest = end.and_then(|end| bytes.get(end + 1..));
            bytes.get(..end.unwrap_or(bytes.len()))
        })
    }

    /// The bytes captured, each argument ended by a NUL but for one that was cut.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes captured without the last NUL: the command line with NULs for spaces.
    #[must_use]
    pub fn line(self) -> &'a [u8] {
        self.bytes.strip_suffix(b"\0").unwrap_or(self.bytes)
    }

    /// Length in the process's memory, bytes, NULs included; of a text, more than there is when it was cut.
    #[must_use]
    pub fn total(self) -> u64 {
        self.total
    }

    /// Whether less was captured than there was.
    #[must_use]
    pub fn is_cut(self) -> bool {
        (self.bytes.len() as u64) < self.total
    }
}

impl<'a> Exec<'a> {
    /// An exec of which only the time and the arguments are known.
    #[must_use]
    pub fn new(time: SystemTime, argv: Argv<'a>) -> Self {
        Self {
            time,
            time_is_limit: false,
            pid: None,
            parent_pid: None,
            uid: None,
            effective_uid: None,
            gid: None,
            effective_gid: None,
            login_uid: None,
            session_id: None,
            path: None,
            interpreter: None,
            executable: None,
            executable_size: None,
            fileless: None,
            directory: None,
            tty: None,
            cgroup: None,
            executable_inode: None,
            executable_device: None,
            lineage: None,
            argv,
        }
    }

    /// Base name of the program: of the path given to exec, for a script that of its interpreter. An exec of a file
    /// descriptor (fexecve) was given no name: there it is the file's own.
    #[must_use]
    pub fn file_name(&self) -> Option<&'a [u8]> {
        if let Some(interpreter) = self.interpreter {
            return non_empty(base_name(interpreter));
        }
        match self.path {
            Some(path) if !is_descriptor(path) => non_empty(base_name(path)),
            _ => self.executable_name(),
        }
    }

    /// Base name of the resolved executable. The kernel's own prefix of a memfd's name is not part of it.
    #[must_use]
    pub fn executable_name(&self) -> Option<&'a [u8]> {
        let executable = self.executable?;
        let name = executable.base_name();
        let name = match executable {
            FilePath::LeafFirst { detached: true, .. } => name.strip_prefix(b"memfd:").unwrap_or(name),
            _ => name,
        };
        non_empty(name)
    }

    /// The controlling terminal's path below `/dev`. The kernel puts its driver's name and the number together
    /// (`tty_line_name()` in `drivers/tty/tty_io.c`), which for a pseudo-terminal is no path.
    #[must_use]
    pub fn terminal(&self) -> Option<Cow<'a, [u8]>> {
        let name = self.tty?;
        match name.strip_prefix(b"pts") {
            Some(number) if !number.is_empty() && number.iter().all(u8::is_ascii_digit) => {
                Some(Cow::Owned([b"pts/", number].concat()))
            }
            _ => Some(Cow::Borrowed(name)),
        }
    }

    /// The script, when a `#!` line (or a registered format) chose the program.
    #[must_use]
    pub fn script(&self) -> Option<&'a [u8]> {
        self.interpreter.and(self.path)
    }

    /// Every name that rules may know the program by: of the path given to exec (for a script: the interpreter's), of the
    /// resolved executable, of the script. Fills `names` and returns how many.
    pub fn file_names(&self, names: &mut [&'a [u8]; 3]) -> usize {
        let script = self.script().map(base_name).and_then(non_empty);
        let mut count = 0;
        for name in [self.file_name(), self.executable_name(), script].into_iter().flatten() {
            if !names.iter().take(count).any(|known| *known == name)
                && let Some(slot) = names.get_mut(count)
            {
                *slot = name;
                count += 1;
            }
        }
        count
    }
}

fn non_empty(name: &[u8]) -> Option<&[u8]> {
    (!name.is_empty()).then_some(name)
}

/// `/dev/fd/N` is the path that the kernel makes up for an exec of descriptor N (`alloc_bprm()` in `fs/exec.c`).
fn is_descriptor(path: &[u8]) -> bool {
    path.strip_prefix(b"/dev/fd/")
        .is_some_and(|fd| !fd.is_empty() && fd.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(bytes: &[u8], total: u64) -> Vec<&[u8]> {
        Argv::new(bytes, total).args().collect()
    }

    #[test]
    fn a_pseudo_terminal_is_named_by_its_path_and_any_other_as_the_kernel_does() {
        let terminal = |tty: &'static [u8]| {
            let mut exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(b"x\0"));
            exec.tty = Some(tty);
            exec.terminal().unwrap().into_owned()
        };
        assert_eq!(terminal(b"pts12"), b"pts/12");
        for name in [&b"pts/12"[..], b"tty1", b"ttyS0", b"pts", b"ptsx"] {
            assert_eq!(terminal(name), name);
        }
    }

    #[test]
    fn of_ancestors_without_an_image_more_is_told_and_of_one_cut_short_nothing() {
        let (image, comm) = (ImageKey(7), *b"kthreadd\0\0\0\0\0\0\0\0");
        let raw = |image, pid| {
            let ancestor = cert_recon_common::Ancestor {
                image,
                pid,
                reserved: 0,
            };
            ancestor.encode()
        };
        let more = Imageless { start_boot_ns: 5, comm };
        let bytes = [&raw(7, 30)[..], &raw(0, 2), &more.encode(), &raw(7, 1)].concat();
        let runs = [
            (30, Runs::Image(image)),
            (2, Runs::Nothing { start_boot_ns: 5, comm }),
            (1, Runs::Image(image)),
        ];
        let ends = [16, 56, 72];
        for len in 0..=bytes.len() {
            let told: Vec<_> = Ancestors::new(&bytes[..len]).iter().map(|a| (a.pid, a.runs)).collect();
            let whole = ends.iter().filter(|&&end| end <= len).count();
            assert_eq!(told, runs[..whole], "of {len} bytes");
        }
    }

    #[test]
    fn arguments_are_split_at_every_nul_and_nowhere_else() {
        assert_eq!(args(b"a\0b c\0", 6), [&b"a"[..], b"b c"]);
        assert_eq!(args(b"\0\0a\0\0", 5), [&b""[..], b"", b"a", b""]);
        assert_eq!(args(b"\0", 1), [b""]);
        assert_eq!(args(b"", 0), [b""; 0]);
        assert_eq!(args(b"a\0bc", 9), [&b"a"[..], b"bc"], "the last one is cut");
    }

    #[test]
    fn a_path_walked_in_the_kernel_is_turned_around() {
        let path = |components, cut| FilePath::LeafFirst {
            components,
            cut,
            detached: false,
        };
        assert_eq!(path(b"curl/bin/usr/", false).to_vec(), b"/usr/bin/curl");
        assert_eq!(path(b"curl/bin/usr/", false).base_name(), b"curl");
        assert_eq!(path(b"", false).to_vec(), b"/");
        assert_eq!(path(b"d/c/", true).to_vec(), b".../c/d");
    }

    #[test]
    fn the_name_is_that_of_the_path_given_and_of_the_interpreter_for_a_script() {
        let mut exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(b"x\0"));
        exec.path = Some(b"/opt/fetch");
        exec.executable = Some(FilePath::Plain(b"/usr/bin/curl"));
        assert_eq!((exec.file_name(), exec.script()), (Some(&b"fetch"[..]), None));
        exec.path = Some(b"/opt/testssl.sh");
        exec.interpreter = Some(b"/bin/sh");
        exec.executable = Some(FilePath::Plain(b"/usr/bin/dash"));
        assert_eq!(
            (exec.file_name(), exec.script()),
            (Some(&b"sh"[..]), Some(&b"/opt/testssl.sh"[..]))
        );
        let mut names: [&[u8]; 3] = [b""; 3];
        assert_eq!(exec.file_names(&mut names), 3);
        assert_eq!(names, [&b"sh"[..], b"dash", b"testssl.sh"]);
    }

    #[test]
    fn a_descriptor_is_no_name() {
        let mut exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(b"x\0"));
        exec.path = Some(b"/dev/fd/3");
        exec.executable = Some(FilePath::LeafFirst {
            components: b"memfd:curl/",
            cut: false,
            detached: true,
        });
        assert_eq!(exec.file_name(), Some(&b"curl"[..]));
        let mut names: [&[u8]; 3] = [b""; 3];
        assert_eq!(exec.file_names(&mut names), 1, "one name, once");
        exec.path = Some(b"/dev/fd/3/tool");
        assert_eq!(exec.file_name(), Some(&b"tool"[..]));
    }
}
