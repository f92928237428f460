//! A host that can't be watched, or type information that is not its own: a clear error, status 2, nothing attached, nothing
//! printed.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use common::{
    elf::Program,
    eventually,
    exec::Exec,
    sys,
    temp::Temp,
    token,
    watch::{Ended, Watch, binary, command, output_of, path_text},
};

use flate2::{Compression, write::DeflateEncoder};

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Asserts that it ended with status 2 and these words, said nothing else, and left nothing in the kernel.
#[track_caller]
fn assert_refused(command: &mut Command, words: &[&str]) -> Ended {
    let before = sys::loaded(sys::Loaded::Programs);
    let ended = output_of(command);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in {}", ended.stderr);
    }
    for word in ["watching every exec", "panicked"] {
        assert!(!ended.stderr.contains(word), "{word:?} is in {}", ended.stderr);
    }
    // The kernel lets go of a program a moment after its last user has.
    let gone = || {
        let now = sys::loaded(sys::Loaded::Programs);
        now.difference(&before).all(|id| is_held(*id))
    };
    assert!(eventually(gone), "programs are left in the kernel: {ended:?}");
    ended
}

/// Whether a process has this program: then it is not of the one that has ended.
fn is_held(id: u32) -> bool {
    let line = format!("prog_id:\t{id}");
    fs::read_dir("/proc").into_iter().flatten().flatten().any(|process| {
        let infos = fs::read_dir(process.path().join("fdinfo")).into_iter().flatten();
        infos
            .flatten()
            .any(|info| fs::read_to_string(info.path()).is_ok_and(|text| text.lines().any(|other| other == line)))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Kinds of types, as the type information numbers them.
const STRUCTURE: u32 = 4;
const FUNCTION: u32 = 12;

/// Whether the name at this place of the type information is `wanted`.
fn is(btf: &[u8], name: u32, wanted: &str) -> bool {
    let strings = u32_at(btf, 4) as usize + u32_at(btf, 16) as usize;
    let text = &btf[strings + name as usize..];
    text.starts_with(wanted.as_bytes()) && text.get(wanted.len()) == Some(&0)
}

/// Where the type information has types of this kind and name, and how many members each has.
fn places_of_types(btf: &[u8], wanted: u32, name: &str) -> Vec<(usize, usize)> {
    let types = u32_at(btf, 4) as usize + u32_at(btf, 8) as usize;
    let end = types + u32_at(btf, 12) as usize;
    let mut places = Vec::new();
    let mut at = types;
    while at < end {
        let info = u32_at(btf, at + 4);
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        if kind == wanted && is(btf, u32_at(btf, at), name) {
            places.push((at, count));
        }
        at += 12
            + match kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => 12 * count,
                6 | 13 => 8 * count,
                _ => 0,
            };
    }
    places
}

/// Where the type information has the offset (in bits) of a structure's member.
fn place_of(btf: &[u8], structure: &str, member: &str) -> usize {
    let structures = places_of_types(btf, STRUCTURE, structure);
    let mut members = structures
        .iter()
        .flat_map(|(at, count)| (0..*count).map(move |n| at + 12 + n * 12));
    let place = members.find(|place| is(btf, u32_at(btf, *place), member));
    place.unwrap_or_else(|| panic!("no {member} in {structure}")) + 8
}

/// The running kernel's type information with one member so many bytes from where another, or itself, is.
fn broken(temp: &Temp, structure: &str, member: &str, other: &str, bytes: i32) -> PathBuf {
    let mut btf = fs::read(BTF).expect("the kernel's type information");
    let place = place_of(&btf, structure, member);
    let moved = u32_at(&btf, place_of(&btf, structure, other)).wrapping_add_signed(bytes * 8);
    btf[place..place + 4].copy_from_slice(&moved.to_ne_bytes());
    let path = temp.join(format!("{structure}.{member}"));
    fs::write(&path, btf).expect("a file");
    path
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_offset_that_is_wrong_is_noticed_by_the_monitor_s_own_exec_before_anything_is_printed() {
    let temp = Temp::new();
    // One of each structure that every report is made from, moved to where something else is.
    for (structure, member, other, bytes) in [
        ("task_struct", "tgid", "tgid", 4),
        ("task_struct", "real_parent", "real_parent", 16),
        ("cred", "uid", "cap_permitted", 0),
        ("task_struct", "mm", "mm", -16),
        ("task_struct", "fs", "fs", 8),
        ("dentry", "d_parent", "d_parent", 8),
        ("inode", "i_size", "i_size", 8),
        ("linux_binprm", "filename", "filename", -8),
    ] {
        let path = broken(&temp, structure, member, other, bytes);
        let ended = assert_refused(
            &mut command(&["watch", "--all-execs", "--format", "json", "--btf", path_text(&path)]),
            &[
                "the monitor's own exec is wrong: ",
                path_text(&path),
                "--btf FILE",
                "uname -a",
            ],
        );
        println!("{structure}.{member}: {}", ended.stderr.trim_end());
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_kernel_s_own_type_information_may_be_named() {
    let temp = Temp::new();
    let copy = temp.join("btf");
    fs::copy(BTF, &copy).expect("a copy");
    let watch = Watch::start(&["watch", "--format", "json", "--btf", path_text(&copy)]);
    watch.barrier();
    watch.stop();
}

/// Type information in which a function that no program may call has the name of the one that makes addresses pointers.
#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_kernel_that_makes_no_pointers_of_addresses_is_watched_all_the_same() {
    let temp = Temp::new();
    let mut btf = fs::read(BTF).expect("the kernel's type information");
    let (strings, len) = (u32_at(&btf, 4) as usize + u32_at(&btf, 16) as usize, u32_at(&btf, 20));
    assert_eq!(strings + len as usize, btf.len(), "the names are the last of it");
    let function = "bpf_rdonly_cast";
    for (at, _) in places_of_types(&btf, FUNCTION, function) {
        btf[at..at + 4].fill(0);
    }
    let [(other, _), ..] = places_of_types(&btf, FUNCTION, "do_exit")[..] else {
        panic!("no do_exit in {BTF}");
    };
    btf[other..other + 4].copy_from_slice(&len.to_ne_bytes());
    btf.extend([function.as_bytes(), b"\0"].concat());
    let longer = len + u32::try_from(function.len() + 1).expect("a few bytes");
    btf[20..24].copy_from_slice(&longer.to_ne_bytes());
    let path = temp.join("btf");
    fs::write(&path, btf).expect("a file");

    let flags = [
        "watch",
        "--all-execs",
        "--format",
        "json",
        "--verbose",
        "--btf",
        path_text(&path),
    ];
    let watch = Watch::start(&flags);
    watch.wait_for_message("kernel memory is read by helper functions where no pointer can be followed, since: ");
    let program = temp.program("n".repeat(40), Program::Exit);
    let asked = token();
    Exec::new(&program).args(["x", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FolderPath"), Some(path_text(&program)), "{}", row.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_kernel_without_type_information_is_told_with_the_flag_that_helps() {
    let missing = Path::new("/nonexistent/vmlinux");
    assert_refused(
        &mut command(&["watch", "--btf", path_text(missing)]),
        &[path_text(missing), "CONFIG_DEBUG_INFO_BTF", "--btf FILE"],
    );
}

/// The program with another number in its calls of `bpf_ktime_get_boot_ns` (125), as on a kernel that has no such function.
#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_helper_function_that_the_kernel_lacks_is_told_with_the_kernel_s_release() {
    let mut program = fs::read(binary()).expect("cert-recon");
    let object: &[u8] = include_bytes!("../../cert-recon-ebpf/cert-recon.bpf.o");
    let packed: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cert-recon.bpf.o.deflate"));
    let at = program
        .windows(packed.len())
        .position(|bytes| bytes == packed)
        .expect("the object is in the program");
    let call = [0x85, 0, 0, 0, 125, 0, 0, 0];
    let mut changed = object.to_vec();
    let mut calls = 0;
    for instruction in changed.chunks_exact_mut(8).filter(|instruction| **instruction == call) {
        instruction[4..].copy_from_slice(&9999u32.to_le_bytes());
        calls += 1;
    }
    assert!(calls > 0, "no call of the helper");
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&changed).expect("memory");
    let changed = packer.finish().expect("memory");
    // What of the old one is left behind its end is not read.
    assert!(
        changed.len() <= packed.len(),
        "no room: {} of {}",
        changed.len(),
        packed.len()
    );
    program[at..at + changed.len()].copy_from_slice(&changed);
    let temp = Temp::new();
    let path = temp.executable("lacking", &program);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release");
    assert_refused(
        Command::new(&path).arg("watch"),
        &["helper function", "9999", release.trim(), "Linux 5.8"],
    );
}
