//! A program that makes process trees as its arguments say: small enough that nothing happens in it but what the test
//! asked for, and part of no package.
//!
//! Its first argument is a word of letters, each a step; the first other byte ends them:
//!
//! | letter | step |
//! |---|---|
//! | `f` | forks; the child goes on, the parent waits for all of its children and ends |
//! | `o` | forks; the parent ends at once, the child goes on when it has got another parent |
//! | `s` | takes the orphans below it (`PR_SET_CHILD_SUBREAPER`) |
//! | `p` | writes its number and its parent's to [`REPORT`] |
//! | `r` | waits for a byte from [`GATE`] |
//! | `w` | waits for a byte from [`HOLD`] |
//!
//! Then it execs the rest of its arguments in place, with the environment it has; without more arguments it ends with
//! status 0.

use std::{
    arch::global_asm,
    io::{self, Read as _, Write as _},
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{LIMIT, elf::elf_of, sys, temp::Temp, token};

/// Where actors report who they are.
const REPORT: RawFd = 103;
/// What holds actors until the test has looked at them.
const HOLD: RawFd = 104;
/// What lets actors go on when the test is ready.
const GATE: RawFd = 105;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .rodata",
    // The actor.
    "cert_recon_actor:",
    "mov r12, [rsp + 16]",
    "1: movzx eax, byte ptr [r12]",
    "inc r12",
    "cmp al, 'f'",
    "je 20f",
    "cmp al, 'o'",
    "je 30f",
    "cmp al, 'r'",
    "je 40f",
    "cmp al, 'w'",
    "je 41f",
    "cmp al, 'p'",
    "je 50f",
    "cmp al, 's'",
    "je 60f",
    // execve(argv[2], &argv[2], environment)
    "mov rdi, [rsp + 24]",
    "test rdi, rdi",
    "jz 11f",
    "lea rsi, [rsp + 24]",
    "mov rax, [rsp]",
    "lea rdx, [rsp + rax * 8 + 16]",
    "mov eax, 59",
    "syscall",
    "mov edi, 126",
    "jmp 12f",
    "11: xor edi, edi",
    "12: mov eax, 60",
    "syscall",
    // fork(), then wait4(-1) until there is no child.
    "20: mov eax, 57",
    "syscall",
    "test eax, eax",
    "jz 1b",
    "21: mov rdi, -1",
    "lea rsi, [rsp - 16]",
    "xor edx, edx",
    "xor r10d, r10d",
    "mov eax, 61",
    "syscall",
    "test eax, eax",
    "jg 21b",
    "movzx edi, byte ptr [rsp - 15]",
    "jmp 12b",
    // getpid(), fork(), then sched_yield() until getppid() gives another.
    "30: mov eax, 39",
    "syscall",
    "mov r13d, eax",
    "mov eax, 57",
    "syscall",
    "test eax, eax",
    "jnz 11b",
    "31: mov eax, 24",
    "syscall",
    "mov eax, 110",
    "syscall",
    "cmp eax, r13d",
    "je 31b",
    "jmp 1b",
    // read(GATE or HOLD, a byte)
    "40: mov edi, {gate}",
    "jmp 42f",
    "41: mov edi, {hold}",
    "42: lea rsi, [rsp - 16]",
    "mov edx, 1",
    "xor eax, eax",
    "syscall",
    "jmp 1b",
    // write(REPORT, getpid() and getppid())
    "50: mov eax, 39",
    "syscall",
    "mov [rsp - 16], eax",
    "mov eax, 110",
    "syscall",
    "mov [rsp - 12], eax",
    "mov edi, {report}",
    "lea rsi, [rsp - 16]",
    "mov edx, 8",
    "mov eax, 1",
    "syscall",
    "jmp 1b",
    // prctl(PR_SET_CHILD_SUBREAPER, 1)
    "60: mov edi, 36",
    "mov esi, 1",
    "mov eax, 157",
    "syscall",
    "jmp 1b",
    "cert_recon_actor_end:",
    // The counter.
    "cert_recon_counter:",
    "mov r12, [rsp + 16]",
    "mov eax, 57",
    "syscall",
    "test eax, eax",
    "jnz 1f",
    // execve(argv[2], [argv[2], argv[1], argv[3]], no environment)
    "mov rdi, [rsp + 24]",
    "mov r13, [rsp + 32]",
    "push 0",
    "push r13",
    "push r12",
    "push rdi",
    "mov rsi, rsp",
    "jmp 4f",
    "1: mov rdi, -1",
    "xor esi, esi",
    "xor edx, edx",
    "xor r10d, r10d",
    "mov eax, 61",
    "syscall",
    "test eax, eax",
    "jg 1b",
    // argv[1] + 1
    "mov ecx, 7",
    "2: mov al, [r12 + rcx]",
    "inc al",
    "mov [r12 + rcx], al",
    "cmp al, '9'",
    "jbe 3f",
    "mov byte ptr [r12 + rcx], '0'",
    "dec ecx",
    "jns 2b",
    // execve(argv[0], argv, no environment)
    "3: mov rdi, [rsp + 8]",
    "lea rsi, [rsp + 8]",
    "4: xor edx, edx",
    "mov eax, 59",
    "syscall",
    "mov edi, 126",
    "mov eax, 60",
    "syscall",
    "cert_recon_counter_end:",
    // The teller.
    "cert_recon_teller:",
    "mov eax, 2",
    "mov rdi, [rsp + 16]",
    "mov esi, 1",
    "syscall",
    "mov ebx, eax",
    "mov eax, 39",
    "syscall",
    "mov [rsp - 16], eax",
    "mov eax, 110",
    "syscall",
    "mov [rsp - 12], eax",
    "mov edi, ebx",
    "lea rsi, [rsp - 16]",
    "mov edx, 8",
    "mov eax, 1",
    "syscall",
    "xor edi, edi",
    "mov eax, 60",
    "syscall",
    "cert_recon_teller_end:",
    ".popsection",
    report = const REPORT,
    hold = const HOLD,
    gate = const GATE,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .rodata",
    ".balign 4",
    // The actor.
    "cert_recon_actor:",
    "ldr x20, [sp, #16]",
    "1: ldrb w9, [x20], #1",
    "cmp w9, #'f'",
    "b.eq 20f",
    "cmp w9, #'o'",
    "b.eq 30f",
    "cmp w9, #'r'",
    "b.eq 40f",
    "cmp w9, #'w'",
    "b.eq 41f",
    "cmp w9, #'p'",
    "b.eq 50f",
    "cmp w9, #'s'",
    "b.eq 60f",
    // execve(argv[2], &argv[2], environment)
    "ldr x0, [sp, #24]",
    "cbz x0, 11f",
    "add x1, sp, #24",
    "ldr x9, [sp]",
    "add x2, sp, #16",
    "add x2, x2, x9, lsl #3",
    "mov x8, #221",
    "svc #0",
    "mov x0, #126",
    "b 12f",
    "11: mov x0, #0",
    "12: mov x8, #93",
    "svc #0",
    // clone(SIGCHLD), then wait4(-1) until there is no child.
    "20: mov x0, #17",
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x4, #0",
    "mov x8, #220",
    "svc #0",
    "cbz x0, 1b",
    "21: mov x0, #-1",
    "sub x1, sp, #16",
    "mov x2, #0",
    "mov x3, #0",
    "mov x8, #260",
    "svc #0",
    "cmp x0, #0",
    "b.gt 21b",
    "ldurb w0, [sp, #-15]",
    "b 12b",
    // getpid(), clone(SIGCHLD), then sched_yield() until getppid() gives another.
    "30: mov x8, #172",
    "svc #0",
    "mov x21, x0",
    "mov x0, #17",
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x4, #0",
    "mov x8, #220",
    "svc #0",
    "cbnz x0, 11b",
    "31: mov x8, #124",
    "svc #0",
    "mov x8, #173",
    "svc #0",
    "cmp x0, x21",
    "b.eq 31b",
    "b 1b",
    // read(GATE or HOLD, a byte)
    "40: mov x0, #{gate}",
    "b 42f",
    "41: mov x0, #{hold}",
    "42: sub x1, sp, #16",
    "mov x2, #1",
    "mov x8, #63",
    "svc #0",
    "b 1b",
    // write(REPORT, getpid() and getppid())
    "50: mov x8, #172",
    "svc #0",
    "stur w0, [sp, #-16]",
    "mov x8, #173",
    "svc #0",
    "stur w0, [sp, #-12]",
    "mov x0, #{report}",
    "sub x1, sp, #16",
    "mov x2, #8",
    "mov x8, #64",
    "svc #0",
    "b 1b",
    // prctl(PR_SET_CHILD_SUBREAPER, 1)
    "60: mov x0, #36",
    "mov x1, #1",
    "mov x8, #167",
    "svc #0",
    "b 1b",
    "cert_recon_actor_end:",
    // The counter.
    "cert_recon_counter:",
    "ldr x20, [sp, #16]",
    "mov x0, #17",
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x4, #0",
    "mov x8, #220",
    "svc #0",
    "cbnz x0, 1f",
    // execve(argv[2], [argv[2], argv[1], argv[3]], no environment)
    "ldr x0, [sp, #24]",
    "ldr x9, [sp, #32]",
    "stp x9, xzr, [sp, #-16]!",
    "stp x0, x20, [sp, #-16]!",
    "mov x1, sp",
    "b 4f",
    "1: mov x0, #-1",
    "mov x1, #0",
    "mov x2, #0",
    "mov x3, #0",
    "mov x8, #260",
    "svc #0",
    "cmp x0, #0",
    "b.gt 1b",
    // argv[1] + 1
    "mov x9, #7",
    "2: ldrb w10, [x20, x9]",
    "add w10, w10, #1",
    "strb w10, [x20, x9]",
    "cmp w10, #'9'",
    "b.ls 3f",
    "mov w10, #'0'",
    "strb w10, [x20, x9]",
    "subs x9, x9, #1",
    "b.pl 2b",
    // execve(argv[0], argv, no environment)
    "3: ldr x0, [sp, #8]",
    "add x1, sp, #8",
    "4: mov x2, #0",
    "mov x8, #221",
    "svc #0",
    "mov x0, #126",
    "mov x8, #93",
    "svc #0",
    "cert_recon_counter_end:",
    // The teller.
    "cert_recon_teller:",
    "ldr x1, [sp, #16]",
    "mov x0, #-100",
    "mov x2, #1",
    "mov x3, #0",
    "mov x8, #56",
    "svc #0",
    "mov x19, x0",
    "mov x8, #172",
    "svc #0",
    "stur w0, [sp, #-16]",
    "mov x8, #173",
    "svc #0",
    "stur w0, [sp, #-12]",
    "mov x0, x19",
    "sub x1, sp, #16",
    "mov x2, #8",
    "mov x8, #64",
    "svc #0",
    "mov x0, #0",
    "mov x8, #93",
    "svc #0",
    "cert_recon_teller_end:",
    ".popsection",
    report = const REPORT,
    hold = const HOLD,
    gate = const GATE,
);

unsafe extern "C" {
    static cert_recon_actor: u8;
    static cert_recon_actor_end: u8;
    static cert_recon_counter: u8;
    static cert_recon_counter_end: u8;
    static cert_recon_teller: u8;
    static cert_recon_teller_end: u8;
}

/// The program between two labels.
fn program(start: *const u8, end: *const u8) -> Vec<u8> {
    let len = end.addr() - start.addr();
    // SAFETY: the callers' labels are in one section, in this order.
    elf_of(MACHINE, unsafe { std::slice::from_raw_parts(start, len) })
}

/// The actor, as described above.
pub(crate) fn actor() -> Vec<u8> {
    program(&raw const cert_recon_actor, &raw const cert_recon_actor_end)
}

/// A program that execs itself in place again and again. Its arguments are a number of eight digits, a program, and
/// anything. Each time it runs that program in a child, with the number and the last argument as arguments, then goes on
/// with the next number.
pub(crate) fn counter() -> Vec<u8> {
    program(&raw const cert_recon_counter, &raw const cert_recon_counter_end)
}

/// A program that writes its number and its parent's to the file that its first argument names.
pub(crate) fn teller() -> Vec<u8> {
    program(&raw const cert_recon_teller, &raw const cert_recon_teller_end)
}

/// What an actor says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
}

impl Reported {
    pub(crate) fn decode(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            pid: u32::from_ne_bytes([a, b, c, d]),
            parent: u32::from_ne_bytes([e, f, g, h]),
        }
    }
}

/// Where actors act: the program, and the pipes that they and the test use to wait for each other. The test writes a byte
/// for each that may go on: closing the pipe would not do, since a process forked from the test's own has all of its pipes
/// as well.
pub(crate) struct Stage {
    path: PathBuf,
    report: (OwnedFd, OwnedFd),
    hold: (OwnedFd, OwnedFd),
    gate: (OwnedFd, OwnedFd),
}

impl Stage {
    pub(crate) fn new(temp: &Temp) -> Self {
        Self::named(temp, &format!("actor{}", &token()[16..]))
    }

    /// With another name for the program.
    pub(crate) fn named(temp: &Temp, name: &str) -> Self {
        let pipe = || sys::pipe().expect("a pipe");
        Self {
            path: temp.executable(name, &actor()),
            report: pipe(),
            hold: pipe(),
            gate: pipe(),
        }
    }

    /// The actor's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn text(&self) -> &str {
        self.path.to_str().expect("a path of ASCII")
    }

    /// What a process does first of all, so that those below it can reach the test.
    pub(crate) fn enter(&self) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
        let fds = [
            (self.report.1.as_raw_fd(), REPORT),
            (self.hold.0.as_raw_fd(), HOLD),
            (self.gate.0.as_raw_fd(), GATE),
        ];
        move || fds.iter().try_for_each(|&(from, to)| sys::child_dup(from, to))
    }

    /// Arguments of actors that exec one another, each with its steps and a token of its own.
    pub(crate) fn chain(&self, steps: &[&str]) -> Chain {
        let mut argv = Vec::new();
        for steps in steps {
            argv.push(self.text().to_owned());
            argv.push(format!("{steps}-{}", token()));
        }
        Chain { argv }
    }

    /// Waits until an actor reports.
    #[track_caller]
    pub(crate) fn reported(&self) -> Reported {
        assert!(
            sys::readable(&self.report.0, LIMIT).expect("waiting for a report"),
            "an actor reports"
        );
        let mut bytes = [0; 8];
        file(&self.report.0).read_exact(&mut bytes).expect("a whole report");
        Reported::decode(bytes)
    }

    /// Whether nobody reports within that time.
    pub(crate) fn is_silent(&self, time: Duration) -> bool {
        !sys::readable(&self.report.0, time).expect("waiting for a report")
    }

    /// Lets so many held actors go on.
    pub(crate) fn release(&self, count: usize) {
        file(&self.hold.1).write_all(&vec![0; count]).expect("a byte for each");
    }

    /// Lets so many actors at the gate go on.
    pub(crate) fn open_gate(&self, count: usize) {
        file(&self.gate.1).write_all(&vec![0; count]).expect("a byte for each");
    }
}

fn file(fd: &OwnedFd) -> std::fs::File {
    fd.try_clone().expect("a second descriptor").into()
}

/// Arguments of actors that exec one another.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    argv: Vec<String>,
}

impl Chain {
    /// All of the arguments: those of the first actor.
    pub(crate) fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The command line of each actor.
    pub(crate) fn lines(&self) -> Vec<String> {
        (0..self.argv.len() / 2).map(|i| self.argv[2 * i..].join(" ")).collect()
    }

    /// The command line of the last.
    pub(crate) fn leaf(&self) -> String {
        self.lines().pop().expect("an actor")
    }
}
