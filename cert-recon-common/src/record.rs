//! Records in the ring buffer.
//!
//! An exec is one head record: the fixed [`Head`], then, without separators and in this order, the path given to exec, the
//! interpreter's path (scripts only), the tty's name, the executable's path, the working directory's and the cgroup's (each
//! leaf first), the [`Ancestor`]s, and the first bytes of argv. A longer argv follows in chunk records; when a part of it can't be sent, a cut record says
//! so. The records of one CPU and program are never interleaved with those of another exec: the program does not run
//! twice on one CPU at a time.

use crate::{ABI, layout::record};

/// Bytes of argv that a head record carries at most.
pub const INLINE_ARGV: usize = 8192;

/// Bytes of argv in a full chunk record.
pub const CHUNK_DATA: usize = 16384;

/// Ancestors in a head record at most.
pub const ANCESTORS: usize = 16;

/// Kinds of record, the first field of each.
pub mod kind {
    /// [`Head`](super::Head)
    pub const HEAD: u16 = 1;
    /// [`Chunk`](super::Chunk)
    pub const CHUNK: u16 = 2;
    /// [`Cut`](super::Cut)
    pub const CUT: u16 = 3;
    /// [`Task`](super::Task)
    pub const TASK: u16 = 4;
    /// [`Scan`](super::Scan)
    pub const SCAN: u16 = 5;
}

/// Bits of [`Head::flags`].
pub mod flags {
    /// The executable's path was too long or too deep: its components nearest the root are missing.
    pub const EXE_PATH_CUT: u32 = 1;
    /// The working directory's path was too long or too deep: its components nearest the root are missing.
    pub const CWD_PATH_CUT: u32 = 1 << 1;
    /// The executable's path ends in a tree that is not mounted anywhere (a memfd, a detached mount).
    pub const EXE_DETACHED: u32 = 1 << 2;
    /// The working directory's path ends in a tree that is not mounted anywhere.
    pub const CWD_DETACHED: u32 = 1 << 3;
    /// The path given to exec could not be read.
    pub const FILENAME_FAULT: u32 = 1 << 4;
    /// argv could not be read from the process's memory.
    pub const ARGV_FAULT: u32 = 1 << 5;
    /// The kernel names no login user ([`Head::loginuid`](super::Head) and session are meaningless).
    pub const NO_AUDIT: u32 = 1 << 6;
    /// The process has a controlling terminal, whose name is in the record.
    pub const TTY: u32 = 1 << 7;
    /// The cgroup's path (the last, when there are two) was too long or too deep: its components nearest the root are missing.
    pub const CGROUP_PATH_CUT: u32 = 1 << 8;
    /// The facts about the executable's inode (number, device, links, size) were read.
    pub const INODE: u32 = 1 << 9;
    /// The cgroup was read, in the hierarchy of version 2 and, on a host that has one as well, of version 1.
    pub const CGROUP: u32 = 1 << 10;
    /// Sent by one of the programs that take execs that the first was not run for. It may be told twice.
    pub const SECOND: u32 = 1 << 11;
}

/// [`Cut::reason`]: the ring buffer had no room.
pub const CUT_NO_SPACE: u32 = 1;
/// [`Cut::reason`]: the process's memory could not be read.
pub const CUT_FAULT: u32 = 2;
/// [`Cut::reason`]: argv is longer than the program's loop goes (8 MiB; the kernel's own limit is 6 MiB).
pub const CUT_TOO_LONG: u32 = 3;

/// Programs that are attached: the first, and those that take what the ones before were not run for.
pub const LANES: u32 = 4;

/// Where the number of the program stands in [`Prefix::cpu`].
pub const LANE_SHIFT: u32 = 28;

record! {
    /// The start of every record.
    pub struct Prefix {
        /// One of [`kind`].
        pub kind: u16,
        /// [`ABI`] of the program.
        pub abi: u16,
        /// CPU that the exec ran on and, from bit [`LANE_SHIFT`], the program: records of several may be interleaved.
        pub cpu: u32,
        /// Number of the exec on that CPU, from 1, without gaps but for lost ones. With `cpu` it identifies the exec.
        pub seq: u64,
    }
}

record! {
    /// The fixed part of a head record. Times are nanoseconds since boot (CLOCK_BOOTTIME); ids are those of the initial
    /// namespaces.
    pub struct Head {
        /// Kind and exec.
        pub prefix: Prefix,
        /// Execs of this CPU that were lost before this one.
        pub lost_before: u64,
        /// Time of the exec.
        pub boot_ns: u64,
        /// Start of the process (of its thread group leader).
        pub start_boot_ns: u64,
        /// Identity of the process's image: a key, kept by fork and changed by every exec. Never shown: a kernel address.
        pub image: u64,
        /// Id of the cgroup (v2 hierarchy).
        pub cgroup_id: u64,
        /// Inode number of the executable.
        pub exe_inode: u64,
        /// Size of the executable, bytes.
        pub exe_size: u64,
        /// Length of argv in the process's memory, bytes, each argument with its NUL.
        pub argv_len: u64,
        /// Process (thread group) id.
        pub pid: u32,
        /// Process id of the parent.
        pub ppid: u32,
        /// Real user id.
        pub uid: u32,
        /// Real group id.
        pub gid: u32,
        /// Effective user id.
        pub euid: u32,
        /// Effective group id.
        pub egid: u32,
        /// Audit login uid; `u32::MAX` when unset, 0 with [`flags::NO_AUDIT`].
        pub loginuid: u32,
        /// Audit session id; `u32::MAX` when unset, 0 with [`flags::NO_AUDIT`].
        pub session: u32,
        /// Device of the executable's file system, in the kernel's own encoding (20 bits of minor).
        pub exe_dev: u32,
        /// Links to the executable's inode; 0 for a memfd and for a deleted file.
        pub exe_nlink: u32,
        /// Number of arguments that the kernel counted.
        pub argc: u32,
        /// Bits of [`flags`].
        pub flags: u32,
        /// Length of the path given to exec.
        pub filename_len: u32,
        /// Length of the interpreter's path; 0 when the file that was given runs by itself.
        pub interp_len: u32,
        /// Length of the tty's name.
        pub tty_len: u32,
        /// Length of the executable's path, leaf first, each component followed by `/`.
        pub exe_len: u32,
        /// Length of the working directory's path, leaf first, each component followed by `/`.
        pub cwd_len: u32,
        /// Length of the cgroup's path, leaf first, each component followed by `/`; a NUL and the path in a hierarchy of version
        /// 1 follow on a host that has one.
        pub cgroup_len: u32,
        /// Length of the ancestors.
        pub ancestors_len: u32,
        /// Length of the argv bytes in this record.
        pub inline_len: u32,
        /// Command name of the task, NUL-padded.
        pub comm: [u8; 16],
    }
}

record! {
    /// A process above the one that runs exec, at that moment.
    pub struct Ancestor {
        /// Identity of its image; 0 when it has none (a kernel thread, or exiting): then [`Imageless`] follows.
        pub image: u64,
        /// Its process id.
        pub pid: u32,
        /// Zero.
        pub reserved: u32,
    }
}

record! {
    /// What else is told of a process without an image, right behind it. Of any other the image tells more, and that takes fewer looks
    /// into the kernel's memory.
    pub struct Imageless {
        /// Start of the process.
        pub start_boot_ns: u64,
        /// Command name, NUL-padded.
        pub comm: [u8; 16],
    }
}

record! {
    /// A running process, found by a scan.
    pub struct Task {
        /// Kind; no exec.
        pub prefix: Prefix,
        /// Start of the process.
        pub start_boot_ns: u64,
        /// Identity of its image; 0 of a thread of the kernel's own, which has none.
        pub image: u64,
        /// Its process id.
        pub pid: u32,
        /// Zero.
        pub reserved: u32,
    }
}

record! {
    /// The end of a scan: every running process has been sent, if it is complete.
    pub struct Scan {
        /// Kind; no exec.
        pub prefix: Prefix,
        /// When the scan was made, nanoseconds since boot.
        pub boot_ns: u64,
        /// Processes sent.
        pub sent: u32,
        /// 1 when that is all of them.
        pub complete: u32,
    }
}

record! {
    /// The fixed part of a chunk record; `len` bytes of argv follow.
    pub struct Chunk {
        /// Kind and exec.
        pub prefix: Prefix,
        /// Position of the bytes in argv.
        pub offset: u64,
        /// Number of bytes that follow.
        pub len: u64,
    }
}

record! {
    /// Says that an exec's argv ends before its length: the rest could not be sent.
    pub struct Cut {
        /// Kind and exec.
        pub prefix: Prefix,
        /// Bytes of argv that were sent.
        pub sent: u64,
        /// One of the `CUT_` constants.
        pub reason: u32,
        /// Zero.
        pub reserved: u32,
    }
}

/// Bytes of a head record at most: the fixed part, two paths and a tty name as given by the kernel, three walked paths, the
/// ancestors, argv.
pub const HEAD_MAX: usize = Head::SIZE + 2 * 4096 + 64 + 3 * (4096 + 256) + ANCESTORS * ANCESTOR_MAX + INLINE_ARGV;

/// Bytes of an ancestor at most.
pub const ANCESTOR_MAX: usize = Ancestor::SIZE + Imageless::SIZE;

impl Prefix {
    /// The prefix of a record of `kind`.
    #[must_use]
    pub fn of(kind: u16, cpu: u32, seq: u64) -> Self {
        Self {
            kind,
            abi: ABI,
            cpu,
            seq,
        }
    }
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Shorter than its fixed part or than the lengths in it say.
    Short {
        /// Bytes that the record should have.
        want: usize,
        /// Bytes that it has.
        have: usize,
    },
    /// Written by a program of another contract.
    Abi(u16),
    /// A kind that this contract does not know.
    Kind(u16),
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Short { want, have } => write!(f, "record of {have} bytes where {want} were expected"),
            Self::Abi(abi) => write!(f, "record of ABI {abi}, this program reads ABI {ABI}"),
            Self::Kind(kind) => write!(f, "record of unknown kind {kind}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A head record, borrowed from the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadRecord<'a> {
    /// The fixed part.
    pub head: Head,
    /// The path given to exec.
    pub filename: &'a [u8],
    /// The interpreter's path; empty when the file that was given runs by itself.
    pub interp: &'a [u8],
    /// The controlling terminal's name, without `/dev/`.
    pub tty: &'a [u8],
    /// The executable's path, leaf first, each component followed by `/`.
    pub exe: &'a [u8],
    /// The working directory's path, leaf first, each component followed by `/`.
    pub cwd: &'a [u8],
    /// The cgroup's path, leaf first, each component followed by `/`; a NUL and the path in a hierarchy of version 1 follow on a
    /// host that has one.
    pub cgroup: &'a [u8],
    /// [`Ancestor`]s, nearest first, each without an image followed by its [`Imageless`].
    pub ancestors: &'a [u8],
    /// The first bytes of argv.
    pub argv: &'a [u8],
}

/// Any record, borrowed from the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is a head, and none is stored"
)]
pub enum Record<'a> {
    /// An exec, whole unless its argv is longer than what the record carries.
    Head(HeadRecord<'a>),
    /// More of an exec's argv.
    Chunk {
        /// Kind and exec.
        prefix: Prefix,
        /// Position of the bytes in argv.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The end of an exec's argv before its length.
    Cut {
        /// Kind and exec.
        prefix: Prefix,
        /// Bytes of argv that were sent.
        sent: u64,
        /// One of the `CUT_` constants.
        reason: u32,
    },
    /// A running process.
    Task(Task),
    /// The end of a scan.
    Scan(Scan),
}

impl<'a> Record<'a> {
    /// Decodes the record in `bytes`. Bytes after it are ignored (a chunk that was reserved whole may be longer).
    ///
    /// # Errors
    /// When the bytes are no record of this contract.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let short = |want| DecodeError::Short {
            want,
            have: bytes.len(),
        };
        let prefix = Prefix::decode(bytes).ok_or(short(Prefix::SIZE))?;
        if prefix.abi != ABI {
            return Err(DecodeError::Abi(prefix.abi));
        }
        match prefix.kind {
            kind::HEAD => {
                let head = Head::decode(bytes).ok_or(short(Head::SIZE))?;
                let mut at = Head::SIZE;
                let mut take = |len: u32| {
                    let end = at.saturating_add(len as usize);
                    let part = bytes.get(at..end).ok_or(short(end));
                    at = end;
                    part
                };
                Ok(Self::Head(HeadRecord {
                    head,
                    filename: take(head.filename_len)?,
                    interp: take(head.interp_len)?,
                    tty: take(head.tty_len)?,
                    exe: take(head.exe_len)?,
                    cwd: take(head.cwd_len)?,
                    cgroup: take(head.cgroup_len)?,
                    ancestors: take(head.ancestors_len)?,
                    argv: take(head.inline_len)?,
                }))
            }
            kind::CHUNK => {
                let chunk = Chunk::decode(bytes).ok_or(short(Chunk::SIZE))?;
                let end = usize::try_from(chunk.len)
                    .unwrap_or(usize::MAX)
                    .saturating_add(Chunk::SIZE);
                let bytes = bytes.get(Chunk::SIZE..end).ok_or(short(end))?;
                Ok(Self::Chunk {
                    prefix,
                    offset: chunk.offset,
                    bytes,
                })
            }
            kind::CUT => {
                let cut = Cut::decode(bytes).ok_or(short(Cut::SIZE))?;
                Ok(Self::Cut {
                    prefix,
                    sent: cut.sent,
                    reason: cut.reason,
                })
            }
            kind::TASK => Task::decode(bytes).map(Self::Task).ok_or(short(Task::SIZE)),
            kind::SCAN => Scan::decode(bytes).map(Self::Scan).ok_or(short(Scan::SIZE)),
            other => Err(DecodeError::Kind(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn sample() -> Vec<u8> {
        let head = Head {
            prefix: Prefix::of(kind::HEAD, 3, 7),
            filename_len: 2,
            interp_len: 1,
            tty_len: 3,
            exe_len: 4,
            cwd_len: 5,
            cgroup_len: 2,
            ancestors_len: Ancestor::SIZE as u32,
            inline_len: 6,
            argv_len: 6,
            exe_dev: 0x1234_5678,
            ..Head::decode(&[0; Head::SIZE]).unwrap()
        };
        [
            &head.encode()[..],
            b"FFITTTEEEECCCCCGG",
            &[b'P'; Ancestor::SIZE],
            b"AAAAAA",
        ]
        .concat()
    }

    #[test]
    fn a_head_record_is_taken_apart_in_the_order_of_its_strings() {
        let bytes = sample();
        let Ok(Record::Head(r)) = Record::decode(&bytes) else {
            panic!("no head")
        };
        assert_eq!(
            (r.head.prefix.cpu, r.head.prefix.seq, r.head.exe_dev),
            (3, 7, 0x1234_5678)
        );
        assert_eq!((r.filename, r.interp, r.tty), (&b"FF"[..], &b"I"[..], &b"TTT"[..]));
        assert_eq!((r.exe, r.cwd, r.argv), (&b"EEEE"[..], &b"CCCCC"[..], &b"AAAAAA"[..]));
        assert_eq!((r.cgroup, r.ancestors), (&b"GG"[..], &[b'P'; Ancestor::SIZE][..]));
    }

    #[test]
    fn every_field_survives_encoding() {
        let mut bytes = [0; Head::SIZE];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = i as u8;
        }
        assert_eq!(Head::decode(&bytes).unwrap().encode(), bytes);
    }

    #[test]
    fn a_record_cut_anywhere_is_an_error_that_says_what_is_missing() {
        let bytes = sample();
        for len in 0..bytes.len() {
            let error = Record::decode(&bytes[..len]).unwrap_err();
            assert!(
                matches!(error, DecodeError::Short { want, have } if have == len && want > len),
                "{len}: {error}"
            );
        }
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        for at in [
            core::mem::offset_of!(Head, filename_len),
            core::mem::offset_of!(Head, inline_len),
        ] {
            let mut bytes = sample();
            bytes[at..at + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
            assert!(matches!(Record::decode(&bytes), Err(DecodeError::Short { .. })));
        }
        let chunk = Chunk {
            prefix: Prefix::of(kind::CHUNK, 0, 1),
            offset: 0,
            len: u64::MAX,
        };
        assert!(matches!(
            Record::decode(&chunk.encode()),
            Err(DecodeError::Short { .. })
        ));
    }

    #[test]
    fn other_contracts_and_kinds_are_named() {
        let mut prefix = Prefix::of(9, 0, 1);
        assert_eq!(Record::decode(&prefix.encode()), Err(DecodeError::Kind(9)));
        prefix.abi = ABI + 1;
        assert_eq!(Record::decode(&prefix.encode()), Err(DecodeError::Abi(ABI + 1)));
    }

    #[test]
    fn a_chunk_may_be_followed_by_bytes_that_do_not_belong_to_it() {
        let chunk = Chunk {
            prefix: Prefix::of(kind::CHUNK, 0, 1),
            offset: 5,
            len: 2,
        };
        let bytes = [&chunk.encode()[..], b"abXX"].concat();
        let Ok(Record::Chunk { offset: 5, bytes, .. }) = Record::decode(&bytes) else {
            panic!("no chunk")
        };
        assert_eq!(bytes, b"ab");
    }
}
