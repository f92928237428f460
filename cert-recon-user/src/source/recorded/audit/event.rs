//! The records of one event, put together to an exec.
//!
//! Owns what the fields of audit records mean. It keeps the bodies as they are and reads them once, when the event is whole.

use std::ops::Range;

use super::line::{Kind, Stamp, Value, fields, number};
use crate::{
    event::{Argv, Exec, FilePath},
    source::recorded::Place,
};

/// Bytes of records that are kept of one event. The longest argv is six megabytes; as hexadecimal digits it has twelve.
pub(super) const EVENT_BYTES: usize = 32 << 20;

/// The kernel keeps so many bytes of a process's title (`MAX_PROCTITLE_AUDIT_LEN` in `kernel/auditsc.c`).
const TITLE: usize = 128;

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
        self.is_cut = false;
    }

    pub(super) fn add(&mut self, kind: Kind, body: &[u8]) {
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

/// Whether the call is one that executed a program (`execve`, `execveat`, not failed), by its architecture (`AUDIT_ARCH_*` in
/// `include/uapi/linux/audit.h`) and number. Of an architecture that is not listed an exec is known by its EXECVE record.
pub(super) fn is_exec(body: &[u8]) -> bool {
    let (mut arch, mut call) = (&b""[..], &b""[..]);
    for (name, value) in fields(body).take(4) {
        match name {
            b"arch" => arch = value.raw(),
            b"syscall" => call = value.raw(),
            b"success" if value.raw() == b"no" => return false,
            _ => {}
        }
    }
    matches!(
        (arch, call),
        (b"c000003e", b"59" | b"322")
            | (b"40000003", b"11" | b"358")
            | (b"c00000b7" | b"c00000f3", b"221" | b"281")
            | (b"40000028", b"11" | b"387")
            | (b"c0000015" | b"80000015", b"11" | b"362")
            | (b"80000016", b"11" | b"354")
    )
}

impl<'a> Syscall<'a> {
    fn read(body: &'a [u8]) -> Self {
        let mut found = Self::default();
        let known = |text: &&[u8]| !matches!(*text, b"(none)" | b"(null)" | b"?" | b"unset" | b"unknown" | b"");
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
                b"AUID" => found.names.auid = Some(value.raw()).filter(known),
                b"UID" => found.names.uid = Some(value.raw()).filter(known),
                b"EUID" => found.names.euid = Some(value.raw()).filter(known),
                _ => {}
            }
        }
        found
    }
}

/// What is decoded of an event, kept to be used again.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The arguments, each ended by a NUL.
    argv: Vec<u8>,
    /// How many there are.
    args: usize,
    /// The first three of them.
    first: [Range<usize>; 3],
    /// As long as the arguments were, as far as is known.
    total: u64,
    path: Vec<u8>,
    interpreter: Vec<u8>,
    exe: Vec<u8>,
    /// `exe` has no name on disk ...
    is_gone: bool,
    /// ... and never had one: it is kept as the kernel's walk gives it.
    is_memory: bool,
    directory: Vec<u8>,
}

impl Decoded {
    /// Reads an event.
    pub(super) fn read<'e>(&mut self, event: &'e Event) -> Syscall<'e> {
        let syscall = event.of(Kind::Syscall).next().map(Syscall::read).unwrap_or_default();
        for text in [
            &mut self.argv,
            &mut self.path,
            &mut self.interpreter,
            &mut self.exe,
            &mut self.directory,
        ] {
            text.clear();
        }
        (self.args, self.total, self.first) = (0, 0, Default::default());
        if event.of(Kind::Execve).next().is_some() {
            self.execve(event);
        } else if !self.title(event) {
            // That it happened is known, and what ran; the arguments are missing.
            self.total = 1;
        }
        (self.is_gone, self.is_memory) = (false, false);
        if let Some(exe) = syscall.exe {
            exe.append_to(&mut self.exe);
            self.executable();
        }
        for body in event.of(Kind::Cwd) {
            let cwd = fields(body).find(|(name, _)| *name == b"cwd");
            if let Some((_, value)) = cwd.filter(|(_, value)| value.raw() != b"(null)") {
                self.directory.clear();
                value.append_to(&mut self.directory);
            }
        }
        self.paths(event);
        syscall
    }

    /// The arguments, of one or more records: `a0="ls"`, `a1=2D6C`, and a long one in parts: `a2_len=9000 a2[0]=... a2[1]=...`.
    fn execve(&mut self, event: &Event) {
        let mut argc = None;
        // The argument that is being read, and its next part.
        let mut place: Option<(usize, usize)> = None;
        let mut missing = event.is_cut;
        'records: for body in event.of(Kind::Execve) {
            for (name, value) in fields(body) {
                if name == b"argc" {
                    argc = argc.or(number(value.raw()).and_then(|count| usize::try_from(count).ok()));
                    continue;
                }
                let Some((arg, part)) = argument(name) else { continue };
                let (next_arg, next_part) = match place {
                    None => (0, 0),
                    Some((arg, 0)) => (arg + 1, 0),
                    Some(place) => place,
                };
                match part {
                    // A part of the argument that is being read, or the first of the next.
                    Some(part) if (arg, part) == (next_arg, next_part) => place = Some((arg, part + 1)),
                    Some(0) if next_part > 0 && arg == next_arg + 1 => {
                        self.end();
                        place = Some((arg, 1));
                    }
                    None if next_part > 0 && arg == next_arg + 1 => {
                        self.end();
                        place = Some((arg, 0));
                    }
                    None if (arg, 0) == (next_arg, next_part) => place = Some((arg, 0)),
                    // It was there before: a line stands twice.
                    _ if place.is_some_and(|(at, next)| arg < at || arg == at && part.unwrap_or(0) < next.max(1)) => {
                        continue;
                    }
                    // One before it is missing. What is behind would be taken for what it is not.
                    _ => {
                        missing = true;
                        break 'records;
                    }
                }
                value.append_to(&mut self.argv);
                if part.is_none() {
                    self.end();
                }
            }
        }
        if matches!(place, Some((_, part)) if part > 0) && !missing {
            self.end();
        }
        self.total = self.argv.len() as u64;
        let lacking = argc.map_or(0, |argc| argc.saturating_sub(self.args));
        if missing || lacking > 0 {
            // How long those were is not known: each has its NUL at least.
            self.total += lacking.max(1) as u64;
        }
    }

    /// Ends an argument.
    fn end(&mut self) {
        let start = self.first.iter().map(|range| range.end).max().unwrap_or(0);
        if let Some(first) = self.first.get_mut(self.args) {
            *first = start..self.argv.len() + 1;
        }
        self.argv.push(0);
        self.args += 1;
    }

    /// The last resort: the first bytes of the process's title. Whether that is all is known by its length.
    fn title(&mut self, event: &Event) -> bool {
        let title = event
            .of(Kind::Proctitle)
            .find_map(|body| fields(body).find(|(name, _)| *name == b"proctitle"));
        let Some((_, title)) = title.filter(|(_, title)| title.raw() != b"(null)") else {
            return false;
        };
        title.append_to(&mut self.argv);
        if self.argv.is_empty() {
            return false;
        }
        let is_cut = self.argv.len() >= TITLE;
        if !is_cut && self.argv.last() != Some(&0) {
            self.argv.push(0);
        }
        self.total = self.argv.len() as u64 + u64::from(is_cut);
        true
    }

    /// How the kernel marks a file without a name (`d_path()` in `fs/d_path.c`).
    fn executable(&mut self) {
        const GONE: &[u8] = b" (deleted)";
        self.is_gone = self.exe.ends_with(GONE);
        if self.is_gone {
            self.exe.truncate(self.exe.len() - GONE.len());
        }
        if self.is_gone && self.exe.starts_with(b"/memfd:") {
            self.exe.remove(0);
            self.exe.push(b'/');
            self.is_memory = true;
        }
    }

    /// What was given to exec, and the interpreter when that is a script: the kernel names the file first, then its
    /// interpreter, which is also the first argument; the script is then one of the next two.
    fn paths(&mut self, event: &Event) {
        let mut second = Vec::new();
        for body in event.of(Kind::Path) {
            let (mut item, mut path) = (None, None);
            for (name, value) in fields(body) {
                match name {
                    b"item" => item = number(value.raw()),
                    b"name" => path = Some(value).filter(|value| value.raw() != b"(null)"),
                    _ => {}
                }
            }
            match (item, path) {
                (Some(0), Some(path)) if self.path.is_empty() => path.append_to(&mut self.path),
                (Some(1), Some(path)) if second.is_empty() => path.append_to(&mut second),
                _ => {}
            }
        }
        let arg = |at: usize| {
            let range = self.first.get(at)?.clone();
            self.argv.get(range)?.strip_suffix(b"\0")
        };
        let is_script = !second.is_empty()
            && arg(0) == Some(&second)
            && !self.path.is_empty()
            && [1, 2].into_iter().any(|at| arg(at) == Some(&self.path));
        if is_script {
            self.interpreter = second;
        }
    }

    /// The exec.
    pub(super) fn exec<'a>(&'a self, event: &Event, syscall: &Syscall<'a>) -> Option<Exec<'a>> {
        let time = event.stamp?.time()?;
        let mut exec = Exec::new(time, Argv::new(&self.argv, self.total));
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

fn non_empty(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}

/// `a12` is argument 12, `a12[3]` the fourth part of it. Other names are none.
fn argument(name: &[u8]) -> Option<(usize, Option<usize>)> {
    let digits = name.strip_prefix(b"a")?;
    let as_number = |digits: &[u8]| number(digits).and_then(|number| usize::try_from(number).ok());
    match digits.strip_suffix(b"]") {
        None => Some((as_number(digits)?, None)),
        Some(digits) => {
            let open = memchr::memchr(b'[', digits)?;
            Some((as_number(&digits[..open])?, Some(as_number(digits.get(open + 1..)?)?)))
        }
    }
}
