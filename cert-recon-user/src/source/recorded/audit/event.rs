//! The records of one event, put together to an exec.
//!
//! Owns what the fields of audit records mean. It keeps the bodies as they are and reads them once, when the event is whole.

use std::ops::Range;

use super::{
    argv::Arguments,
    line::{Kind, Stamp, Value, fields, number},
};
use crate::{
    event::{Argv, Exec, FilePath, base_name},
    source::recorded::Place,
};

/// Bytes of records that are kept of one event. The longest argv is six megabytes; as hexadecimal digits it has twelve.
pub(super) const EVENT_BYTES: usize = 32 << 20;

/// An event in the making.
#[derive(Debug, Default)]
pub(super) struct Event {
    /// The number of the host that the log names.
    pub(super) node: usize,
    pub(super) stamp: Option<Stamp>,
    pub(super) place: Place,
    /// The bodies, one after the other.
    bytes: Vec<u8>,
    records: Vec<(Kind, Range<usize>)>,
    /// Records did not fit.
    pub(super) is_cut: bool,
    /// Its system call is one that executes a program; of an architecture that is not known, only an EXECVE record says that.
    is_call: bool,
    has_syscall: bool,
    has_arguments: bool,
}

impl Event {
    /// Begins anew, with the memory that is there.
    pub(super) fn begin(&mut self, node: usize, stamp: Stamp, place: Place) {
        self.node = node;
        self.stamp = Some(stamp);
        self.place = place;
        self.bytes.clear();
        // One long argv is no reason to keep its memory for ever.
        self.bytes.shrink_to(64 << 10);
        self.records.clear();
        (self.is_cut, self.is_call) = (false, false);
        (self.has_syscall, self.has_arguments) = (false, false);
    }

    /// Its system call is known to be one that executes a program.
    pub(super) fn set_call(&mut self) {
        self.is_call = true;
    }

    /// Whether a program was executed, as far as its records go.
    pub(super) fn is_exec(&self) -> bool {
        self.is_call || self.has_arguments
    }

    /// Whether the records are there that say what was executed, and by whom.
    pub(super) fn is_complete(&self) -> bool {
        self.has_syscall && self.has_arguments
    }

    pub(super) fn add(&mut self, kind: Kind, body: &[u8]) {
        self.has_syscall |= kind == Kind::Syscall;
        self.has_arguments |= kind == Kind::Execve;
        if self.bytes.len() + body.len() > EVENT_BYTES {
            self.is_cut = true;
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.records.push((kind, start..self.bytes.len()));
    }

    /// Bytes that it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The key of the audit rule that asked for the event.
    pub(super) fn key(&self) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        self.of(Kind::Syscall)
            .find_map(|body| value(body, b"key"))?
            .append_to(&mut key);
        (!key.is_empty()).then_some(key)
    }

    fn of(&self, wanted: Kind) -> impl Iterator<Item = &[u8]> {
        let records = self.records.iter().filter(move |(kind, _)| *kind == wanted);
        records.filter_map(|(_, range)| self.bytes.get(range.clone()))
    }
}

/// The facts of a SYSCALL record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Syscall<'a> {
    pub(super) pid: Option<u32>,
    pub(super) ppid: Option<u32>,
    pub(super) auid: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) euid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) egid: Option<u32>,
    pub(super) ses: Option<u32>,
    pub(super) tty: Option<&'a [u8]>,
    pub(super) exe: Option<Value<'a>>,
    /// What auditd made of the ids.
    pub(super) names: Names<'a>,
}

/// Names of accounts, of the enriched part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names<'a> {
    pub(super) auid: Option<&'a [u8]>,
    pub(super) uid: Option<&'a [u8]>,
    pub(super) euid: Option<&'a [u8]>,
}

/// What a SYSCALL record says of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// A program was executed.
    Exec,
    /// One would have been.
    Failed,
    /// Of an architecture whose numbers are not known.
    Unknown,
    /// Another one.
    Other,
}

impl Call {
    /// By the architecture (`AUDIT_ARCH_*` in `include/uapi/linux/audit.h`) and its numbers of `execve` and `execveat`, or by
    /// the name that auditd made of them. It is asked of every system call in a log: only as many fields are read as it takes.
    pub(super) fn of(body: &[u8]) -> Self {
        let (mut arch, mut call, mut failed) = (&b""[..], &b""[..], false);
        for (name, value) in fields(body).take(3) {
            match name {
                b"arch" => arch = value.raw(),
                b"syscall" => call = value.raw(),
                b"success" => failed = value.raw() == b"no",
                _ => {}
            }
        }
        let numbers: &[&[u8]] = match arch {
            // The last two are x32's.
            b"c000003e" => &[b"59", b"322", b"1073742344", b"1073742369"],
            b"40000003" => &[b"11", b"358"],
            b"c00000b7" | b"c00000f3" | b"c0000102" => &[b"221", b"281"],
            b"40000028" => &[b"11", b"387"],
            b"c0000015" | b"80000015" | b"14" => &[b"11", b"362"],
            b"80000016" | b"16" => &[b"11", b"354"],
            _ => match fields(body).find(|(name, _)| *name == b"SYSCALL") {
                Some((_, name)) if matches!(name.raw(), b"execve" | b"execveat") => &[call],
                Some((_, name)) if !name.raw().starts_with(b"unknown") => &[],
                _ if failed => &[],
                _ => return Self::Unknown,
            },
        };
        match numbers.contains(&call) {
            false => Self::Other,
            true if failed => Self::Failed,
            true => Self::Exec,
        }
    }
}

impl<'a> Syscall<'a> {
    fn read(body: &'a [u8]) -> Self {
        let mut found = Self::default();
        let known = |text: &&[u8]| !matches!(*text, b"(none)" | b"(null)" | b"?" | b"");
        // What auditd writes for an id that has no name, or is none.
        let account = |text: &&[u8]| known(text) && *text != b"unset" && !text.starts_with(b"unknown(");
        for (name, value) in fields(body) {
            match name {
                b"pid" => found.pid = value.id(),
                b"ppid" => found.ppid = value.id(),
                b"auid" => found.auid = value.id(),
                b"uid" => found.uid = value.id(),
                b"euid" => found.euid = value.id(),
                b"gid" => found.gid = value.id(),
                b"egid" => found.egid = value.id(),
                b"ses" => found.ses = value.id(),
                b"tty" => found.tty = Some(value.raw()).filter(known),
                b"exe" => found.exe = Some(value).filter(|value| known(&value.raw())),
                b"AUID" => found.names.auid = Some(value.raw()).filter(account),
                b"UID" => found.names.uid = Some(value.raw()).filter(account),
                b"EUID" => found.names.euid = Some(value.raw()).filter(account),
                _ => {}
            }
        }
        found
    }
}

/// What is decoded of an event, kept to be used again.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    arguments: Arguments,
    path: Vec<u8>,
    interpreter: Vec<u8>,
    exe: Vec<u8>,
    /// `exe` has no name on disk ...
    is_gone: bool,
    /// ... and never had one: it is kept as the kernel's walk gives it.
    is_memory: bool,
    /// The inode and device of the file that runs.
    file: (Option<u64>, Option<u32>),
    directory: Vec<u8>,
    /// A name that is compared.
    name: Vec<u8>,
}

impl Decoded {
    /// Reads an event.
    pub(super) fn read<'e>(&mut self, event: &'e Event) -> Syscall<'e> {
        let syscall = event.of(Kind::Syscall).next().map(Syscall::read).unwrap_or_default();
        for text in [
            &mut self.path,
            &mut self.interpreter,
            &mut self.exe,
            &mut self.directory,
        ] {
            text.clear();
        }
        self.arguments.clear();
        if event.has_arguments {
            self.arguments.execve(event.of(Kind::Execve), event.is_cut);
        } else if let Some(title) = event.of(Kind::Proctitle).find_map(|body| value(body, b"proctitle")) {
            self.arguments.title(title);
        }
        if let Some(cwd) = event.of(Kind::Cwd).find_map(|body| value(body, b"cwd")) {
            cwd.append_to(&mut self.directory);
        }
        if let Some(exe) = syscall.exe {
            exe.append_to(&mut self.exe);
        }
        self.paths(event);
        self.executable();
        syscall
    }

    /// How the kernel marks a file without a name (`d_path()` in `fs/d_path.c`).
    fn executable(&mut self) {
        const GONE: &[u8] = b" (deleted)";
        // A name may end like that, too.
        self.is_gone = self.exe.ends_with(GONE) && !self.path.ends_with(GONE);
        self.is_memory = self.is_gone && self.exe.starts_with(b"/memfd:");
        if self.is_gone {
            self.exe.truncate(self.exe.len() - GONE.len());
        }
        if self.is_memory {
            self.exe.remove(0);
            self.exe.push(b'/');
        }
    }

    /// What was given to exec, and the interpreter when that is a script. The kernel names the file first (item 0), then
    /// each that it leads to: a script's interpreter, and that one's loader. Of a script, the interpreter's name is also the
    /// first argument, and the script's one of the next.
    fn paths(&mut self, event: &Event) {
        self.file = (None, None);
        let Some(given) = event
            .of(Kind::Path)
            .map(PathItem::read)
            .find(|path| path.item == Some(0))
        else {
            return;
        };
        self.file = (given.inode, given.device);
        if let Some(name) = given.name {
            name.append_to(&mut self.path);
        }
        if self.exe == self.path {
            return;
        }
        // A script may be the interpreter of a script; the kernel goes on four times, each adding two arguments at most.
        let mut args = Argv::new(&self.arguments.bytes, self.arguments.total).args().take(11);
        let first = args.next().unwrap_or_default();
        if self.path.is_empty() || first.is_empty() {
            return;
        }
        // A program may be told that it is called like its loader; it is none for that.
        let is_loader = |path: &[u8]| base_name(path).starts_with(b"ld-") || base_name(path).starts_with(b"ld.");
        if is_loader(first) && !is_loader(&self.exe) {
            return;
        }
        let name = &mut self.name;
        let mut interpreters = event
            .of(Kind::Path)
            .map(PathItem::read)
            .filter(|path| path.item != Some(0));
        let interpreter = interpreters.find(|path| {
            name.clear();
            if let Some(value) = path.name {
                value.append_to(name);
            }
            name == first
        });
        if let Some(interpreter) = interpreter
            && args.any(|arg| arg == self.path)
        {
            self.interpreter.extend_from_slice(first);
            self.file = (interpreter.inode, interpreter.device);
        }
    }

    /// The exec.
    pub(super) fn exec<'a>(&'a self, event: &Event, syscall: &Syscall<'a>) -> Option<Exec<'a>> {
        let time = event.stamp?.time()?;
        let mut exec = Exec::new(time, Argv::new(&self.arguments.bytes, self.arguments.total));
        exec.pid = syscall.pid;
        exec.parent_pid = syscall.ppid;
        exec.uid = syscall.uid;
        exec.effective_uid = syscall.euid;
        exec.gid = syscall.gid;
        exec.effective_gid = syscall.egid;
        exec.login_uid = syscall.auid;
        exec.session_id = syscall.ses;
        exec.tty = syscall.tty;
        exec.path = non_empty(&self.path);
        exec.interpreter = non_empty(&self.interpreter);
        exec.directory = non_empty(&self.directory).map(FilePath::Plain);
        (exec.executable_inode, exec.executable_device) = self.file;
        if let Some(exe) = non_empty(&self.exe) {
            exec.fileless = Some(self.is_gone);
            exec.executable = Some(if self.is_memory {
                FilePath::LeafFirst {
                    components: exe,
                    cut: false,
                    detached: true,
                }
            } else {
                FilePath::Plain(exe)
            });
        }
        if exec.path.is_none() && exec.executable.is_none() {
            // Of records that were cut: better the name that the program is called by than none.
            exec.path = exec.argv.args().next().and_then(non_empty);
        }
        Some(exec)
    }
}

/// What a PATH record says of a file.
#[derive(Default)]
struct PathItem<'a> {
    item: Option<u64>,
    name: Option<Value<'a>>,
    inode: Option<u64>,
    device: Option<u32>,
}

impl<'a> PathItem<'a> {
    fn read(body: &'a [u8]) -> Self {
        let mut found = Self::default();
        for (name, value) in fields(body) {
            match name {
                b"item" => found.item = number(value.raw()),
                b"name" => found.name = Some(value).filter(|value| value.raw() != b"(null)"),
                b"inode" => found.inode = number(value.raw()),
                b"dev" => {
                    found.device = device(value.raw());
                    // What follows is not asked for.
                    break;
                }
                _ => {}
            }
        }
        found
    }
}

/// `fe:00`, in the kernel's encoding.
fn device(text: &[u8]) -> Option<u32> {
    let (major, minor) = std::str::from_utf8(text).ok()?.split_once(':')?;
    let [major, minor] = [major, minor].map(|digits| u32::from_str_radix(digits, 16).ok());
    let (major, minor) = (major?, minor?);
    (major < 1 << 12 && minor < 1 << 20).then_some((major << 20) | minor)
}

/// The value of a field, unless there is none.
fn value<'a>(body: &'a [u8], wanted: &[u8]) -> Option<Value<'a>> {
    let (_, value) = fields(body).find(|(name, _)| *name == wanted)?;
    (value.raw() != b"(null)").then_some(value)
}

fn non_empty(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}
