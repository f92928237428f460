//! Records of clean execs, as the kernel sends them.

use cert_recon_common::{Ancestor, Head, Prefix, flags, kind};

/// The image of the process above every exec.
const PARENT: u64 = 1;
/// As many images as the kernel has in turn.
const IMAGES: u32 = 200;

/// The record of the exec with this number: another process each time, and another command line.
pub(crate) fn record(number: u32) -> Vec<u8> {
    let argv = format!("cc1\0-quiet\0-o\0/tmp/build/object-{number}.s\0");
    let parts: [&[u8]; 4] = [
        b"/usr/lib/cc1",
        b"cc1/lib/usr/",
        b"build/tmp/",
        b"session.scope/user.slice/",
    ];
    let parent = Ancestor {
        image: PARENT,
        pid: 1,
        reserved: 0,
    };
    let head = Head {
        prefix: Prefix::of(kind::HEAD, number % 4, u64::from(number)),
        pid: 1000 + number,
        start_boot_ns: u64::from(number),
        image: 2 + u64::from(number % IMAGES),
        exe_size: 30_000_000,
        flags: flags::INODE | flags::CGROUP,
        argv_len: argv.len() as u64,
        inline_len: u32::try_from(argv.len()).unwrap(),
        filename_len: u32::try_from(parts[0].len()).unwrap(),
        exe_len: u32::try_from(parts[1].len()).unwrap(),
        cwd_len: u32::try_from(parts[2].len()).unwrap(),
        cgroup_len: u32::try_from(parts[3].len()).unwrap(),
        ancestors_len: u32::try_from(Ancestor::SIZE).unwrap(),
        ..Head::decode(&[0; Head::SIZE]).unwrap()
    };
    [
        &head.encode()[..],
        &parts.concat(),
        &parent.encode()[..],
        argv.as_bytes(),
    ]
    .concat()
}
