//! What a report says of the program, the process and its surroundings is right, however it was started.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::BTreeSet,
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, SystemTime},
};

use common::{
    deep::Deep,
    elf::{Program, elf, elf_i386},
    exec::Exec,
    find_program, skip,
    sys::{self, SharedNumber},
    temp::Temp,
    token,
    watch::{Row, Watch, path_text},
};

/// A user and a group that no host has.
const NOBODY: u32 = 54_321;
const NO_GROUP: u32 = 54_322;

/// Longest path whose every component is reported (PATH_MAX).
const LONGEST_PATH: usize = 4096;

/// What begins a path whose components nearest the root are missing.
const CUT: &str = ".../";

/// curl, or a program that stands for it: its bytes.
fn curl() -> Vec<u8> {
    match find_program("curl") {
        Some(path) => fs::read(path).expect("reading curl"),
        None => elf(Program::Exit),
    }
}

#[track_caller]
fn assert_path(row: &Row, field: &str, path: impl AsRef<Path>) {
    assert_eq!(row.text(field), Some(path_text(path.as_ref())), "{field}: {}", row.line);
}

/// Asserts that the row shows the end of the path, and that it is not all of it.
#[track_caller]
fn assert_cut(row: &Row, field: &str, whole: &str) {
    let shown = row.text(field).expect(field);
    let rest = shown
        .strip_prefix(CUT)
        .unwrap_or_else(|| panic!("{field} is marked as cut: {shown}"));
    assert!(
        whole.ends_with(&format!("/{rest}")),
        "{field} ends as the path does: {shown}"
    );
    let least = LONGEST_PATH - 256;
    assert!(
        rest.len() >= least,
        "{field}: {} bytes is less than could be shown",
        rest.len()
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_in_memory_is_fileless_and_known_by_its_name() {
    let watch = Watch::all_execs();
    let memory = || match sys::memfd("curl", &curl()) {
        Ok(fd) => fd,
        Err(error) => panic!("a file in memory: {error}"),
    };

    // execveat(fd, "", AT_EMPTY_PATH), as fexecve() does it.
    let asked = token();
    let ran = Exec::descriptor(memory()).args(["x", "--version", &asked]).attempt();
    if ran.as_ref().err().and_then(io::Error::raw_os_error) == Some(libc::EACCES) {
        return skip("this kernel executes no files in memory (vm.memfd_noexec)");
    }
    let ran = ran.expect("exec of a file in memory");
    let row = watch.row_of(&asked);
    assert_eq!(row.truth("Fileless"), Some(true), "{}", row.line);
    assert_eq!(row.text("FileName"), Some("curl"));
    assert_eq!(row.text("FolderPath"), Some("/memfd:curl"));
    assert_eq!(row.number("FileSize"), Some(curl().len() as u64));
    row.assert_pid(ran.pid);

    // The same through /proc, as fexecve() did it before there was execveat(), asking a service: a finding, by the name
    // that the file has in the kernel.
    let asked = token();
    let fd = memory();
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let url = format!("https://crt.sh/?q={asked}");
    Exec::new(path)
        .args(["x", "--disable", "-m1", &url])
        .env("https_proxy=http://127.0.0.1:9")
        .before(move || {
            let _ = &fd;
            Ok(())
        })
        .run_any();
    let row = watch.row_of(&asked);
    assert_eq!(row.truth("Fileless"), Some(true), "{}", row.line);
    assert_eq!(row.text("FolderPath"), Some("/memfd:curl"));
    assert_eq!(row.text("ToolCategory"), Some("CTLogQuery"));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_deleted_program_is_fileless_and_keeps_the_path_that_it_had() {
    let watch = Watch::all_execs();
    let temp = Temp::new();

    let asked = token();
    let path = temp.program("deleted", Program::Exit);
    let fd = sys::open_path(&path).expect("opening it");
    fs::remove_file(&path).expect("deleting it");
    Exec::descriptor(fd).args(["x", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.truth("Fileless"), Some(true), "{}", row.line);
    assert_eq!(row.text("FileName"), Some("deleted"));
    assert_path(&row, "FolderPath", &path);

    // One that is still there is not.
    let asked = token();
    let path = temp.program("kept", Program::Exit);
    Exec::descriptor(sys::open_path(&path).expect("opening it"))
        .args(["x", &asked])
        .run();
    let row = watch.row_of(&asked);
    assert_eq!(row.truth("Fileless"), Some(false), "{}", row.line);
    assert_eq!(row.text("FileName"), Some("kept"));
    assert_path(&row, "FolderPath", &path);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_found_in_an_open_folder_has_the_name_that_was_asked_for() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    let path = temp.program(&asked, Program::Exit);
    let folder = sys::open_path(temp.path()).expect("opening the folder");
    Exec::relative(folder, &asked).args(["x"]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FileName"), Some(asked.as_str()));
    assert_path(&row, "FolderPath", path);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_link_gives_the_name_and_the_file_behind_it_the_path() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let target = find_program("curl").unwrap_or_else(|| temp.program("curl", Program::Exit));
    let link = temp.join("fetcher");
    symlink(&target, temp.join("step")).expect("a link");
    symlink("step", &link).expect("a link to a link");
    let asked = token();
    Exec::new(&link).args(["fetcher", "--version", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FileName"), Some("fetcher"));
    assert_path(&row, "FolderPath", fs::canonicalize(&target).expect("the real path"));
    assert_eq!(row.truth("Fileless"), Some(false));
    assert!(row.text("ScriptPath").is_none());
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_exec_by_another_thread_is_one_of_the_process() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    let path = temp.program("threaded", Program::Exit);
    let ran = Exec::new(&path).args(["a", "", &asked]).by_second_thread().run();
    let row = watch.row_of(&asked);
    row.assert_pid(ran.pid);
    assert_eq!(row.json["ProcessArguments"], serde_json::json!(["a", "", asked]));
    assert_path(&row, "FolderPath", path);
    assert_parent(&row);
    watch.stop();
}

#[track_caller]
fn assert_parent(row: &Row) {
    if common::kernel::in_initial_pid_namespace() {
        assert_eq!(
            row.number("InitiatingProcessId"),
            Some(u64::from(std::process::id())),
            "{}",
            row.line
        );
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_32_bit_program_is_seen_like_any_other() {
    if !cfg!(target_arch = "x86_64") {
        return skip("the 32-bit program of these tests is one for x86");
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    let path = temp.executable("small", &elf_i386());
    match Exec::new(&path).args(["a", "", "b c", &asked]).attempt() {
        Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
            return skip("this kernel executes no 32-bit programs (CONFIG_IA32_EMULATION)");
        }
        ran => assert!(ran.expect("exec of a 32-bit program").status.success()),
    }
    let row = watch.row_of(&asked);
    assert_eq!(row.json["ProcessArguments"], serde_json::json!(["a", "", "b c", asked]));
    assert_path(&row, "FolderPath", path);
    assert_eq!(row.text("FileName"), Some("small"));
    assert_eq!(row.truth("ArgumentsTruncated"), Some(false));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn paths_in_another_mount_namespace_are_those_of_that_namespace() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let real = temp.folder("real");
    fs::write(real.join("p"), elf(Program::Exit)).expect("a program");
    fs::set_permissions(real.join("p"), fs::Permissions::from_mode(0o755)).expect("its mode");

    // A folder bound over another.
    let bound = temp.folder("bound");
    let asked = token();
    let (from, to) = (sys::c_path(&real), sys::c_path(&bound));
    let folder = bound.clone();
    Exec::new(bound.join("p"))
        .args(["p", &asked])
        .before(move || {
            sys::child_private_mounts()?;
            sys::child_mount(&from, &to, c"none", libc::MS_BIND)?;
            sys::child_chdir_path(&to)
        })
        .run();
    let row = watch.row_of(&asked);
    assert_path(&row, "FolderPath", bound.join("p"));
    assert_path(&row, "CurrentDirectory", folder);

    // A file system of its own, in one of its own: two mounts on the way to the root.
    let mount = temp.folder("mount");
    let asked = token();
    let outer = sys::c_path(&mount);
    let inner = sys::c_path(mount.join("inner"));
    let program = sys::c_path(mount.join("inner/p"));
    let bytes = elf(Program::Exit);
    Exec::new(mount.join("inner/p"))
        .args(["p", &asked])
        .before(move || {
            sys::child_private_mounts()?;
            sys::child_mount(c"none", &outer, c"tmpfs", 0)?;
            sys::child_make_folder(&inner)?;
            sys::child_mount(c"none", &inner, c"tmpfs", 0)?;
            sys::child_write_executable(&program, &bytes)
        })
        .run();
    let row = watch.row_of(&asked);
    assert_path(&row, "FolderPath", mount.join("inner/p"));
    assert_eq!(row.truth("Fileless"), Some(false));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_process_in_another_pid_namespace_has_its_number_in_the_first() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    let pid = SharedNumber::new();
    Exec::new(temp.program("first", Program::Exit))
        .args(["first", &asked])
        .before(move || {
            sys::child_unshare(libc::CLONE_NEWPID)?;
            sys::child_fork(pid)
        })
        .run();
    let row = watch.row_of(&asked);
    assert!(pid.get() > 1, "the number as its parent sees it");
    row.assert_pid(pid.get());
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn paths_in_a_changed_root_are_whole() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    let root = temp.folder("root");
    temp.program("root/p", Program::Exit);
    let c_root = sys::c_path(&root);
    Exec::new("/p")
        .args(["p", &asked])
        .before(move || sys::child_chroot(&c_root))
        .run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FileName"), Some("p"));
    assert_path(&row, "FolderPath", root.join("p"));
    assert_path(&row, "CurrentDirectory", root);
    watch.stop();
}

/// Names of the fields that a row has.
/// The fields that the kernel fills. The hash is read from the file afterwards, or why not.
fn fields(row: &Row) -> BTreeSet<&String> {
    let fields = row.json.as_object().expect("a row is an object").keys();
    fields.filter(|field| !field.starts_with("SHA256")).collect()
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_process_that_is_gone_at_once_is_described_as_well_as_one_that_stays() {
    let watch = Watch::all_execs();
    let temp = Temp::new();

    // Held while the process lives and dies, cert-recon can't have looked at it. The file stays: that it is there is no
    // fact of the process.
    let short = token();
    let path = temp.program("short", Program::Exit);
    watch.hold();
    let ran = Exec::new(&path).args(["short", &short]).run();
    watch.go_on();
    let short = watch.row_of(&short);

    let long = token();
    let mut child = Exec::new(temp.program("long", Program::ExitAfterRead))
        .args(["long", &long])
        .spawn(Stdio::piped())
        .expect("a program that waits");
    let long = watch.row_of(&long);
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());

    assert_eq!(fields(&short), fields(&long));
    for field in [
        "Timestamp",
        "DeviceName",
        "ActionType",
        "AccountName",
        "AccountUid",
        "FileName",
        "FolderPath",
        "FileSize",
        "ProcessId",
        "ProcessCommandLine",
        "ProcessArguments",
        "ArgumentBytes",
        "ArgumentBytesCaptured",
        "ArgumentsTruncated",
        "CurrentDirectory",
        "InitiatingProcessId",
        "Fileless",
        "EventId",
        "EventsLostSinceLast",
    ] {
        assert!(short.json.get(field).is_some(), "{field}: {}", short.line);
    }
    assert_eq!(short.text("ActionType"), Some("ProcessCreated"));
    assert_eq!(short.text("FileName"), Some("short"));
    assert_path(&short, "FolderPath", &path);
    assert_eq!(short.number("FileSize"), Some(elf(Program::Exit).len() as u64));
    assert_eq!(short.number("AccountUid"), Some(0));
    assert_path(
        &short,
        "CurrentDirectory",
        std::env::current_dir().expect("the working directory"),
    );
    short.assert_pid(ran.pid);
    assert_parent(&short);
    assert_eq!(
        [&short, &long].map(|row| row.text("EventId").map(str::len)),
        [Some(32); 2],
        "each has an id"
    );
    assert_ne!(short.text("EventId"), long.text("EventId"));
    watch.stop();
}

/// Execs the program at `path` with the working directory `folder`.
#[track_caller]
fn run_in(watch: &Watch, folder: OwnedFd, path: &Path) -> Arc<Row> {
    let asked = token();
    Exec::new(path)
        .args(["x", &asked])
        .before(move || sys::child_chdir(&folder))
        .run();
    watch.row_of(&asked)
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_working_directory_is_whole_up_to_the_longest_path_and_marked_beyond() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    for name_len in [1, 100, 255] {
        for len in [LONGEST_PATH - 300, LONGEST_PATH - 1, LONGEST_PATH] {
            let deep = Deep::with_path_of(&temp, len, name_len);
            let row = run_in(&watch, deep.leaf(), &program);
            assert_eq!(
                row.text("CurrentDirectory"),
                Some(deep.path()),
                "{len} bytes of {name_len}-byte names"
            );
            assert_path(&row, "FolderPath", &program);
        }
        for len in [LONGEST_PATH + 1, LONGEST_PATH + 300, 3 * LONGEST_PATH] {
            let deep = Deep::with_path_of(&temp, len, name_len);
            let row = run_in(&watch, deep.leaf(), &program);
            assert_cut(&row, "CurrentDirectory", deep.path());
            assert_path(&row, "FolderPath", &program);
        }
    }
    let closing = watch.stop();
    assert!(closing.paths_cut >= 9, "each is counted: {closing:?}");
    assert_eq!(closing.lost, 0);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_s_path_is_whole_up_to_the_longest_path_and_marked_beyond() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    for name_len in [1, 255] {
        for len in [LONGEST_PATH - 3, LONGEST_PATH - 2, LONGEST_PATH - 1, 2 * LONGEST_PATH] {
            let mut deep = Deep::with_path_of(&temp, len, name_len);
            deep.executable("p", &elf(Program::Exit));
            // The program and the working directory are both that deep.
            let row = run_in(&watch, deep.leaf(), Path::new("./p"));
            let whole = format!("{}/p", deep.path());
            assert_eq!(row.text("FileName"), Some("p"));
            if whole.len() <= LONGEST_PATH {
                assert_eq!(row.text("FolderPath"), Some(whole.as_str()));
            } else {
                assert_cut(&row, "FolderPath", &whole);
            }
            if deep.path().len() <= LONGEST_PATH {
                assert_eq!(row.text("CurrentDirectory"), Some(deep.path()));
            } else {
                assert_cut(&row, "CurrentDirectory", deep.path());
            }
        }
    }
    let closing = watch.stop();
    assert_eq!(closing.lost, 0);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_root_that_is_the_working_directory_is_a_slash() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let root = sys::open_path("/").expect("the root");
    let row = run_in(&watch, root, &temp.program("p", Program::Exit));
    assert_eq!(row.text("CurrentDirectory"), Some("/"));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_longest_name_and_one_of_any_bytes_are_shown() {
    use std::os::unix::ffi::OsStrExt as _;
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let longest = "n".repeat(255);
    let path = temp.program(&longest, Program::Exit);
    let asked = token();
    Exec::new(&path).args(["x", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FileName"), Some(longest.as_str()));
    assert_path(&row, "FolderPath", &path);

    let odd = std::ffi::OsStr::from_bytes(b"a \xff\x1b[2J\n\\");
    let path = temp.program(odd, Program::Exit);
    let asked = token();
    Exec::new(&path).args(["x", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FileName"), Some("a \\xff\x1b[2J\n\\"));
    watch.stop();
}

/// Names, and paths of which they are the end: both are read by eight bytes up to some length, the path up to its NUL, for which
/// bytes of the highest or the lowest bit alone must not be taken.
#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn names_and_paths_of_every_length_are_shown() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    for letters in ["\u{80}", "\u{101}", "\u{1}", "n"] {
        let width = letters.len();
        let runs = (width..=160).step_by(width).map(|len| {
            let name = letters.repeat(len / width);
            let path = temp.join(&name);
            fs::hard_link(&program, &path).expect("another name of the program");
            let asked = token();
            Exec::new(&path).args(["x", &asked]).run();
            (name, path, asked)
        });
        let ran: Vec<_> = runs.collect();
        for (name, path, asked) in &ran {
            let row = watch.row_of(asked);
            assert_eq!(row.text("FileName"), Some(name.as_str()), "{}", row.line);
            assert_path(&row, "FolderPath", path);
        }
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_script_is_named_beside_its_interpreter() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let interpreter = temp.program("interpreter", Program::Exit);
    let script = temp.executable(
        "script.x",
        format!("#!{} one option\n", interpreter.display()).as_bytes(),
    );
    let asked = token();
    Exec::new(&script).args(["told", "", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FileName"), Some("interpreter"));
    assert_path(&row, "FolderPath", &interpreter);
    assert_path(&row, "ScriptPath", &script);
    let script_text = path_text(&script);
    assert_eq!(
        row.json["ProcessArguments"],
        serde_json::json!([path_text(&interpreter), "one option", script_text, "", asked])
    );

    // A script that another script interprets.
    let outer = temp.executable("outer.x", format!("#!{script_text}\n").as_bytes());
    let asked = token();
    Exec::new(&outer).args(["told", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("FileName"), Some("interpreter"));
    assert_path(&row, "FolderPath", &interpreter);
    assert_path(&row, "ScriptPath", &outer);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn env_in_a_script_s_first_line_is_two_execs() {
    if !Path::new("/usr/bin/env").exists() || find_program("sh").is_none() {
        return skip("no /usr/bin/env or no sh here");
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    let script = temp.executable("script.sh", b"#!/usr/bin/env sh\nexit 0\n");
    let ran = Exec::new(&script)
        .args(["told", &asked])
        .env("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        .run();
    let rows = watch.rows_so_far(|row| row.is(&asked));
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert_eq!(rows[0].text("FileName"), Some("env"));
    assert_path(&rows[0], "ScriptPath", &script);
    assert_eq!(rows[1].text("FileName"), Some("sh"));
    assert!(rows[1].text("ScriptPath").is_none(), "{}", rows[1].line);
    for row in &rows {
        row.assert_pid(ran.pid);
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_user_is_the_real_one_of_the_new_process() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let plain = temp.program("plain", Program::ExitWithEuid);
    let low_byte = |uid: u32| i32::try_from(uid & 0xff).ok();

    let asked = token();
    let ran = Exec::new(&plain)
        .args(["plain", &asked])
        .before(|| sys::child_become(NOBODY, NO_GROUP))
        .run_any();
    assert_eq!(ran.status.code(), low_byte(NOBODY), "it ran as the other user");
    let row = watch.row_of(&asked);
    assert_eq!(row.number("AccountUid"), Some(u64::from(NOBODY)));
    assert_eq!(
        row.text("AccountName"),
        Some(NOBODY.to_string().as_str()),
        "a number without a name is its own"
    );

    // Another user's rights do not make it another user's process.
    let asked = token();
    let ran = Exec::new(&plain)
        .args(["plain", &asked])
        .before(|| sys::child_effective(NOBODY))
        .run_any();
    assert_eq!(
        ran.status.code(),
        low_byte(NOBODY),
        "it ran with the other user's rights"
    );
    let row = watch.row_of(&asked);
    assert_eq!(row.number("AccountUid"), Some(0));
    assert_eq!(row.text("AccountName"), Some("root"));

    // Nor does a program that gives root's rights make it root's.
    let asked = token();
    let set_uid = temp.program("set-uid", Program::ExitWithEuid);
    fs::set_permissions(&set_uid, fs::Permissions::from_mode(0o4755)).expect("its mode");
    let ran = Exec::new(&set_uid)
        .args(["set-uid", &asked])
        .before(|| sys::child_become(NOBODY, NO_GROUP))
        .run_any();
    let row = watch.row_of(&asked);
    assert_eq!(row.number("AccountUid"), Some(u64::from(NOBODY)));
    if ran.status.code() != Some(0) {
        skip("set-uid programs give no rights in the folder for temporary files (nosuid)");
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_terminal_is_named_and_absent_when_there_is_none() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);

    let asked = token();
    Exec::new(&program)
        .args(["p", &asked])
        .before(sys::child_new_session)
        .run();
    assert!(watch.row_of(&asked).json.get("Tty").is_none());

    let (_control, terminal) = match sys::pty() {
        Ok(pty) => pty,
        Err(error) => return skip(format!("no pseudo-terminal can be had: {error}")),
    };
    let name = terminal
        .to_str()
        .expect("a path of ASCII")
        .strip_prefix("/dev/")
        .expect("a path of a device")
        .to_owned();
    assert!(name.starts_with("pts/"), "{name}");
    let asked = token();
    Exec::new(&program)
        .args(["p", &asked])
        .before(move || sys::child_session_on(&terminal))
        .run();
    assert_eq!(watch.row_of(&asked).text("Tty"), Some(name.as_str()));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn who_logged_in_is_known_and_absent_when_nobody_did() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    let Ok(mine) = fs::read_to_string("/proc/self/loginuid") else {
        return skip("this kernel does not know who logged in (CONFIG_AUDIT)");
    };
    let mine = mine
        .trim()
        .parse::<u64>()
        .ok()
        .filter(|&uid| uid != u64::from(u32::MAX));
    let asked = token();
    Exec::new(&program).args(["p", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.number("LogonUid"), mine, "{}", row.line);
    assert_eq!(row.json.get("LogonAccountName").is_some(), mine.is_some());
    assert_eq!(row.json.get("LogonId").is_some(), mine.is_some());

    let asked = token();
    let session = SharedNumber::new();
    let text = NOBODY.to_string();
    let ran = Exec::new(&program)
        .args(["p", &asked])
        .before(move || {
            sys::child_write(c"/proc/self/loginuid", text.as_bytes())?;
            session.set(sys::child_read_number(c"/proc/self/sessionid")?);
            Ok(())
        })
        .attempt();
    if let Err(error) = ran {
        return skip(format!("the kernel lets nobody change who logged in: {error}"));
    }
    let row = watch.row_of(&asked);
    assert_eq!(row.number("LogonUid"), Some(u64::from(NOBODY)));
    assert_eq!(row.text("LogonAccountName"), Some(NOBODY.to_string().as_str()));
    assert_eq!(row.number("LogonId"), Some(u64::from(session.get())));
    assert_eq!(row.number("AccountUid"), Some(0));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_time_is_that_of_the_exec_and_not_of_the_reading() {
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    let asked = token();
    watch.hold();
    let ran = Exec::new(&program).args(["p", &asked]).run();
    // Time passes before it can be read.
    let later = ran.to + Duration::from_millis(50);
    assert!(common::eventually(|| SystemTime::now() > later));
    watch.go_on();
    let row = watch.row_of(&asked);
    // What is shown is cut to microseconds, and the two clocks are read one after the other.
    let slack = Duration::from_millis(2);
    let time = row.time();
    assert!(
        time + slack >= ran.from && time <= ran.to + slack,
        "{:?} {time:?} {:?}",
        ran.from,
        ran.to
    );
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_that_never_had_a_name_is_fileless() {
    let watch = Watch::all_execs();
    // A file without a name (O_TMPFILE), executed through /proc.
    let temp = Temp::new();
    let folder: PathBuf = temp.folder("unnamed");
    let Ok(file) = sys::unnamed_executable(&folder, &elf(Program::Exit)) else {
        return skip("the file system of the folder for temporary files has no unnamed files");
    };
    let asked = token();
    Exec::descriptor(file).args(["x", &asked]).run();
    let row = watch.row_of(&asked);
    assert_eq!(row.truth("Fileless"), Some(true), "{}", row.line);
    let path = row.text("FolderPath").expect("a path");
    assert!(path.starts_with(path_text(&folder)), "{path}");
    watch.stop();
}
