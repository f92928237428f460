//! Programs of a few bytes, written by the tests themselves.

/// What a program does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// Exits with status 0.
    Exit,
    /// Exits with the number of its arguments as status.
    ExitWithArgc,
    /// Exits with the low byte of its effective user id as status.
    ExitWithEuid,
    /// Reads a byte from standard input, or its end, then exits with status 0.
    ExitAfterRead,
}

const BASE: u32 = 0x40_0000;
/// Segments are aligned to the largest page size of the architectures here.
const ALIGN: u32 = 0x1_0000;
const PT_LOAD: u32 = 1;
const PT_GNU_STACK: u32 = 0x6474_e551;
const READ_EXECUTE: u32 = 5;
const READ_WRITE: u32 = 6;

/// A static ELF executable for this machine.
pub(crate) fn elf(program: Program) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    let (machine, code): (u16, &[u8]) = (
        62,
        match program {
            // mov eax, SYS_exit; xor edi, edi; syscall
            Program::Exit => &[0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05],
            // pop rdi; mov eax, SYS_exit; syscall
            Program::ExitWithArgc => &[0x5f, 0xb8, 60, 0, 0, 0, 0x0f, 0x05],
            // mov eax, SYS_geteuid; syscall; mov edi, eax; mov eax, SYS_exit; syscall
            Program::ExitWithEuid => &[
                0xb8, 107, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05,
            ],
            // xor eax, eax (SYS_read); xor edi, edi; mov rsi, rsp; mov edx, 1; syscall; mov eax, SYS_exit; xor edi, edi; syscall
            Program::ExitAfterRead => &[
                0x31, 0xc0, 0x31, 0xff, 0x48, 0x89, 0xe6, 0xba, 1, 0, 0, 0, 0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff,
                0x0f, 0x05,
            ],
        },
    );
    #[cfg(target_arch = "aarch64")]
    let (machine, code): (u16, &[u8]) = (
        183,
        match program {
            // mov x8, SYS_exit; mov x0, 0; svc 0
            Program::Exit => &[0xa8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
            // ldr x0, [sp]; mov x8, SYS_exit; svc 0
            Program::ExitWithArgc => &[0xe0, 0x03, 0x40, 0xf9, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
            // mov x8, SYS_geteuid; svc 0; mov x8, SYS_exit; svc 0
            Program::ExitWithEuid => &[
                0xe8, 0x15, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
            ],
            // mov x8, SYS_read; mov x0, 0; mov x1, sp; mov x2, 1; svc 0; mov x8, SYS_exit; mov x0, 0; svc 0
            Program::ExitAfterRead => &[
                0xe8, 0x07, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0xe1, 0x03, 0x00, 0x91, 0x22, 0x00, 0x80, 0xd2, 0x01,
                0x00, 0x00, 0xd4, 0xa8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
            ],
        },
    );
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    compile_error!("the live tests know the machine code of x86_64 and aarch64 only");
    elf_of(machine, code)
}

/// A static ELF executable of this code, which must not depend on its place. Its first instruction is where it starts.
pub(crate) fn elf_of(machine: u16, code: &[u8]) -> Vec<u8> {
    let start = 64 + 2 * 56;
    let size = u64::from(start + code.len() as u32);
    let base = u64::from(BASE);
    let mut file = Bytes::default();
    file.add(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")
        .u16(2)
        .u16(machine)
        .u32(1);
    file.u64(base + u64::from(start))
        .u64(64)
        .u64(0)
        .u32(0)
        .u16(64)
        .u16(56)
        .u16(2)
        .u16(0)
        .u16(0)
        .u16(0);
    file.u32(PT_LOAD)
        .u32(READ_EXECUTE)
        .u64(0)
        .u64(base)
        .u64(base)
        .u64(size)
        .u64(size)
        .u64(u64::from(ALIGN));
    file.u32(PT_GNU_STACK)
        .u32(READ_WRITE)
        .u64(0)
        .u64(0)
        .u64(0)
        .u64(0)
        .u64(0)
        .u64(16);
    file.add(code);
    file.0
}

/// A 32-bit x86 executable that exits with status 0.
pub(crate) fn elf_i386() -> Vec<u8> {
    // mov eax, SYS_exit; xor ebx, ebx; int 0x80
    let code = [0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80];
    let start = 52 + 2 * 32;
    let size = start + code.len() as u32;
    let mut file = Bytes::default();
    file.add(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0").u16(2).u16(3).u32(1);
    file.u32(BASE + start)
        .u32(52)
        .u32(0)
        .u32(0)
        .u16(52)
        .u16(32)
        .u16(2)
        .u16(0)
        .u16(0)
        .u16(0);
    file.u32(PT_LOAD)
        .u32(0)
        .u32(BASE)
        .u32(BASE)
        .u32(size)
        .u32(size)
        .u32(READ_EXECUTE)
        .u32(ALIGN);
    file.u32(PT_GNU_STACK)
        .u32(0)
        .u32(0)
        .u32(0)
        .u32(0)
        .u32(0)
        .u32(READ_WRITE)
        .u32(16);
    file.add(&code);
    file.0
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn add(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn u16(&mut self, value: u16) -> &mut Self {
        self.add(&value.to_le_bytes())
    }
    fn u32(&mut self, value: u32) -> &mut Self {
        self.add(&value.to_le_bytes())
    }
    fn u64(&mut self, value: u64) -> &mut Self {
        self.add(&value.to_le_bytes())
    }
}
