//! Where an exec came from and which file ran is right: who logged in, users, containers, units, hashes.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{
    actor::Stage,
    cgroup::{Cgroup, Hierarchies},
    elf::{Program, elf},
    exec::Exec,
    find_program, skip,
    sys::{self, SharedNumber},
    temp::Temp,
    token,
    truth::Process,
    watch::{Row, Watch, path_text},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A user and a group that no host has, and another user.
const NOBODY: u32 = 54_321;
const NO_GROUP: u32 = 54_322;
const OTHER: u32 = 54_323;

const MIB: u64 = 1 << 20;

/// How long the hash of a large file may take.
const PATIENCE: Duration = Duration::from_secs(75);

/// A container's id as every engine makes them: 64 hexadecimal digits, none twice on this host.
fn container_id() -> String {
    hex(&Sha256::digest(token()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sets who logged in, as a login does.
fn log_in(uid: u32) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
    let text = uid.to_string();
    move || sys::child_write(c"/proc/self/loginuid", text.as_bytes())
}

/// Whether this kernel lets root say who logged in.
fn can_log_in(temp: &Temp) -> bool {
    let tried = Exec::new(temp.program("tried", Program::Exit))
        .before(log_in(NOBODY))
        .attempt();
    if let Err(error) = &tried {
        skip(format!("this kernel can't be told who logged in: {error}"));
    }
    tried.is_ok()
}

#[track_caller]
fn assert_user(row: &Row, uid: u32, name: &str) {
    assert_eq!(row.number("AccountUid"), Some(u64::from(uid)), "{}", row.line);
    assert_eq!(row.text("AccountName"), Some(name), "{}", row.line);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn who_logged_in_stays_known_through_changes_of_user() {
    let temp = Temp::new();
    if !can_log_in(&temp) {
        return;
    }
    let watch = Watch::findings(&[]);
    let leaf = temp.program("sslyze", Program::Exit);

    // Logged in as one user, working as another, as root, and with root's rights through a set-uid program.
    for (uid, name) in [(OTHER, OTHER.to_string()), (0, "root".to_owned())] {
        let asked = token();
        Exec::new(&leaf)
            .args(["sslyze", &asked])
            .before(log_in(NOBODY))
            .before(move || sys::child_become(uid, NO_GROUP))
            .run();
        let row = watch.row_of(&asked);
        assert_user(&row, uid, &name);
        assert_eq!(row.number("LogonUid"), Some(u64::from(NOBODY)), "{}", row.line);
        assert_eq!(
            row.text("LogonAccountName"),
            Some(NOBODY.to_string().as_str()),
            "{}",
            row.line
        );
        assert!(row.number("LogonId").is_some(), "{}", row.line);
        assert!(row.json.get("EffectiveUid").is_none(), "{}", row.line);
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_sudo_runs_is_a_finding_with_sudo_and_the_one_who_logged_in() {
    let Some(sudo) = find_program("sudo") else {
        return skip("no sudo here");
    };
    let temp = Temp::new();
    if !can_log_in(&temp) {
        return;
    }
    let watch = Watch::findings(&[]);
    let leaf = temp.program("sslyze", Program::Exit);
    let asked = token();
    let ran = Exec::new(&sudo)
        .args(["sudo", "-n", path_text(&leaf), &asked])
        .env("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        .before(log_in(NOBODY))
        .run_any();
    if !ran.status.success() {
        return skip(format!("sudo runs nothing here: {}", ran.status));
    }
    let row = watch.wait_for("what sudo ran", |row| {
        row.is(&asked) && row.text("FolderPath") == Some(path_text(&leaf))
    });
    assert_user(&row, 0, "root");
    assert_eq!(row.number("LogonUid"), Some(u64::from(NOBODY)), "{}", row.line);
    // In place, or in a child of its own, as its configuration has it.
    let line = format!("sudo -n {} {asked}", leaf.display());
    let in_place = row.text("PreviousCommandLine") == Some(&line);
    let ancestors = row.json["Ancestry"].as_array().map(Vec::as_slice).unwrap_or_default();
    let above = ancestors
        .iter()
        .any(|process| process["CommandLine"].as_str() == Some(&line));
    assert!(in_place || above, "{}", row.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_set_uid_program_has_the_user_who_ran_it_and_the_rights_of_its_owner() {
    let watch = Watch::findings(&[]);
    let temp = Temp::new();
    let leaf = temp.program("sslyze", Program::ExitWithEuid);
    let low_byte = |uid: u32| i32::try_from(uid & 0xff).ok();
    for owner in [0, OTHER] {
        std::os::unix::fs::chown(&leaf, Some(owner), None).expect("its owner");
        fs::set_permissions(&leaf, fs::Permissions::from_mode(0o4755)).expect("its mode");
        let asked = token();
        let ran = Exec::new(&leaf)
            .args(["sslyze", &asked])
            .before(|| sys::child_become(NOBODY, NO_GROUP))
            .run_any();
        let row = watch.row_of(&asked);
        assert_user(&row, NOBODY, &NOBODY.to_string());
        if ran.status.code() == low_byte(NOBODY) {
            return skip("set-uid programs give no rights in the folder for temporary files (nosuid)");
        }
        assert_eq!(ran.status.code(), low_byte(owner), "it ran with its owner's rights");
        assert_eq!(row.number("EffectiveUid"), Some(u64::from(owner)), "{}", row.line);
        let name = if owner == 0 {
            "root".to_owned()
        } else {
            owner.to_string()
        };
        assert_eq!(row.text("EffectiveAccountName"), Some(name.as_str()), "{}", row.line);
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_job_without_a_login_has_its_user_and_no_terminal() {
    let Some(sh) = find_program("sh") else {
        return skip("no sh here");
    };
    let temp = Temp::new();
    let logs_in = can_log_in(&temp);
    let watch = Watch::findings(&[]);
    let leaf = temp.program("sslyze", Program::Exit);
    let asked = token();
    // As cron does: a session of its own, another user, the shell.
    let script = format!("{} {asked}; true", leaf.display());
    Exec::new(&sh)
        .args(["/bin/sh", "-c", &script])
        .before(sys::child_new_session)
        .before(|| sys::child_chdir_path(c"/"))
        .before(|| sys::child_become(NOBODY, NO_GROUP))
        .run();
    let row = watch.wait_for("what the job ran", |row| {
        row.is(&asked) && row.text("FolderPath") == Some(path_text(&leaf))
    });
    assert_user(&row, NOBODY, &NOBODY.to_string());
    assert!(row.json.get("Tty").is_none(), "{}", row.line);
    assert_eq!(row.text("CurrentDirectory"), Some("/"));
    assert_eq!(
        row.text("InitiatingProcessCommandLine"),
        Some(format!("/bin/sh -c {script}").as_str())
    );
    if logs_in && fs::read_to_string("/proc/self/loginuid").is_ok_and(|uid| uid.trim() == u32::MAX.to_string()) {
        assert!(row.json.get("LogonUid").is_none(), "{}", row.line);
    }
    watch.stop();
}

/// Where the runtimes and systemd put processes: path, container, unit, user's unit; `-` is absent.
const PLACES: &[[&str; 4]] = &[
    ["/docker/{id}", "{id}", "-", "-"],
    ["/system.slice/docker-{id}.scope", "{id}", "docker-{id}.scope", "-"],
    [
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda5c1f8d5_1919_434d_add7_4afaafdaef89.slice/\
         cri-containerd-{id}.scope",
        "{id}",
        "cri-containerd-{id}.scope",
        "-",
    ],
    [
        "/kubepods/burstable/pod58662905-8ccc-11e7-a695-c85b76cda386/{id}",
        "{id}",
        "-",
        "-",
    ],
    [
        "/machine.slice/libpod-{id}.scope/container",
        "{id}",
        "libpod-{id}.scope",
        "-",
    ],
    [
        "/machine.slice/machine-box{name}.scope/payload",
        "box{name}",
        "machine-box{name}.scope",
        "-",
    ],
    ["/lxc.payload.box{name}", "box{name}", "-", "-"],
    [
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope/container",
        "{id}",
        "user@1000.service",
        "libpod-{id}.scope",
    ],
    ["/system.slice/probe{name}.service", "-", "probe{name}.service", "-"],
    [
        "/user.slice/user-1000.slice/user@1000.service/app.slice/probe{name}.service",
        "-",
        "user@1000.service",
        "probe{name}.service",
    ],
    [
        "/user.slice/user-1000.slice/session-{name}.scope",
        "-",
        "session-{name}.scope",
        "-",
    ],
    ["/made-up-{name}", "-", "-", "-"],
];

/// Runs a program in each of the places, in namespaces of its own as in a container; `first` is done before that.
#[track_caller]
fn run_in_places(watch: &Watch, root: &Path, first: impl Fn() -> Option<Cgroup>) {
    let temp = Temp::new();
    let leaf = temp.program("sslyze", Program::Exit);
    for place in PLACES {
        let (id, name) = (container_id(), token());
        let [path, rest @ ..] = place.map(|text| text.replace("{id}", &id).replace("{name}", &name));
        let cgroup = match Cgroup::make(root, &path) {
            Ok(cgroup) => cgroup,
            Err(error) => panic!("the cgroup {path} in {}: {error}", root.display()),
        };
        let asked = token();
        let pid = SharedNumber::new();
        let mut exec = Exec::new(&leaf).args(["sslyze", &asked]);
        if let Some(root) = first() {
            exec = exec.before(root.enter());
        }
        exec.before(cgroup.enter())
            .before(move || {
                let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP;
                sys::child_unshare(namespaces)?;
                sys::child_fork(pid)
            })
            .run();
        let row = watch.row_of(&asked);
        row.assert_pid(pid.get());
        assert_eq!(row.text("CgroupPath"), Some(path.as_str()), "{}", row.line);
        for (field, expected) in ["ContainerId", "SystemdUnit", "SystemdUserUnit"].iter().zip(rest) {
            let expected = (expected != "-").then_some(expected.as_str().to_owned());
            assert_eq!(row.text(field), expected.as_deref(), "{path}: {field}: {}", row.line);
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn containers_and_units_are_told_from_cgroups_of_version_2() {
    let found = Hierarchies::find();
    let Some(root) = &found.v2 else {
        return skip("no cgroups of version 2 here");
    };
    let watch = Watch::findings(&[]);
    run_in_places(&watch, root, || None);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn containers_and_units_are_told_from_cgroups_of_version_1_where_version_2_is_not_used() {
    let found = Hierarchies::find();
    let Some(root) = &found.v1 else {
        return skip("no cgroups of version 1 here, or none with the pids controller");
    };
    let watch = Watch::findings(&[]);
    let in_root = || {
        let v2 = found.v2.as_ref()?;
        Some(Cgroup::make(v2, "/").expect("the root is there"))
    };
    run_in_places(&watch, root, in_root);

    // A process in both is where version 2 has it.
    if let Some(v2) = &found.v2 {
        let temp = Temp::new();
        let name = token();
        let newer = Cgroup::make(v2, &format!("/newer{name}.service")).expect("a cgroup");
        let older = Cgroup::make(root, &format!("/older{name}.service")).expect("a cgroup");
        let asked = token();
        Exec::new(temp.program("sslyze", Program::Exit))
            .args(["sslyze", &asked])
            .before(newer.enter())
            .before(older.enter())
            .run();
        let row = watch.row_of(&asked);
        assert_eq!(
            row.text("SystemdUnit"),
            Some(format!("newer{name}.service").as_str()),
            "{}",
            row.line
        );

        // A runtime that knows version 1 only: there its container is, and in version 2 everything is the daemon's.
        let id = container_id();
        let inside = Cgroup::make(root, &format!("/{id}")).expect("a cgroup");
        let asked = token();
        Exec::new(temp.program("sslyze", Program::Exit))
            .args(["sslyze", &asked])
            .before(newer.enter())
            .before(inside.enter())
            .run();
        let row = watch.row_of(&asked);
        assert_eq!(row.text("ContainerId"), Some(id.as_str()), "{}", row.line);
        assert_eq!(row.text("CgroupPath"), Some(format!("/{id}").as_str()), "{}", row.line);
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_container_of_a_real_runtime_is_known() {
    // Which of them runs depends on the host's cgroups: crun wants version 2 or version 1, not both.
    let runtimes: Vec<_> = ["runc", "crun"].into_iter().filter_map(find_program).collect();
    if runtimes.is_empty() {
        return skip("neither runc nor crun here");
    }
    let temp = Temp::new();
    let bundle = temp.folder("bundle");
    let rootfs = temp.folder("bundle/rootfs");
    let leaf = temp.program("bundle/rootfs/sslyze", Program::Exit);
    let asked = token();
    let id = container_id();
    let config = serde_json::json!({
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/sslyze", asked], "cwd": "/"},
        "root": {"path": path_text(&rootfs)},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"cgroupsPath": format!("/{id}"), "namespaces": [{"type": "pid"}, {"type": "mount"}]},
    });
    fs::write(bundle.join("config.json"), config.to_string()).expect("the bundle");
    let watch = Watch::findings(&[]);
    let run = |runtime: &Path| {
        Exec::new(runtime)
            .args([
                path_text(runtime),
                "run",
                "--bundle",
                path_text(&bundle),
                &format!("box{asked}"),
            ])
            .env("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
            .run_any()
            .status
    };
    if !runtimes.iter().any(|runtime| run(runtime).success()) {
        return skip(format!("none of {runtimes:?} runs anything here"));
    }
    let row = watch.wait_for("what the container ran", |row| {
        row.is(&asked) && row.text("FileName") == Some("sslyze")
    });
    assert_eq!(row.text("ContainerId"), Some(id.as_str()), "{}", row.line);
    assert!(leaf.exists());
    watch.stop();
}

/// Asserts that the row has this hash and size.
#[track_caller]
fn assert_hash(row: &Row, bytes: &[u8]) {
    assert_eq!(
        row.text("SHA256"),
        Some(hex(&Sha256::digest(bytes)).as_str()),
        "{}",
        row.line
    );
    assert_eq!(row.number("FileSize"), Some(bytes.len() as u64), "{}", row.line);
    assert!(row.json.get("SHA256Absent").is_none(), "{}", row.line);
}

/// Waits until a file is older than the ticks of the clock that files get their times from. A program that ended before
/// anyone could look is hashed only when its file was not changed just before.
#[track_caller]
fn let_settle(path: &Path) {
    let changed = fs::metadata(path)
        .and_then(|file| file.modified())
        .expect("a file's time");
    let old = || changed.elapsed().is_ok_and(|age| age > Duration::from_millis(50));
    assert!(common::eventually(old), "time passes");
}

/// Ends a program that waits for its input.
#[track_caller]
fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_hash_is_that_of_the_file_that_ran() {
    let watch = Watch::findings(&[]);
    let temp = Temp::new();

    // The program that all this is about, or one that stands for it, and a copy by another name.
    let curl = find_program("curl").unwrap_or_else(|| temp.program("curl", Program::Exit));
    let bytes = fs::read(&curl).expect("reading it");
    for path in [curl, temp.executable("innocent", &bytes)] {
        let_settle(&path);
        let asked = token();
        Exec::new(path).args(["x", "--version", "sslyze", &asked]).run();
        assert_hash(&watch.row_of(&asked), &bytes);
    }

    // Each with bytes of its own, so that no hash is that of another.
    let waits = || [elf(Program::ExitAfterRead), token().into_bytes()].concat();
    let asked = token();
    let bytes = waits();
    let path = temp.executable("deleted", &bytes);
    let fd = sys::open_path(&path).expect("opening it");
    fs::remove_file(&path).expect("deleting it");
    let child = Exec::descriptor(fd)
        .args(["sslyze", &asked])
        .spawn(Stdio::piped())
        .expect("a deleted program");
    let row = watch.row_of(&asked);
    assert_hash(&row, &bytes);
    assert_eq!(row.truth("Fileless"), Some(true));
    end(child);

    let asked = token();
    let bytes = waits();
    let memory = sys::memfd("tool", &bytes).expect("a file in memory");
    match Exec::descriptor(memory).args(["sslyze", &asked]).spawn(Stdio::piped()) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            skip("this kernel executes no files in memory (vm.memfd_noexec)");
        }
        child => {
            let row = watch.row_of(&asked);
            assert_hash(&row, &bytes);
            assert_eq!(row.truth("Fileless"), Some(true));
            end(child.expect("a program in memory"));
        }
    }

    // In a file system that only that process sees.
    let asked = token();
    let bytes = waits();
    let folder = temp.folder("elsewhere");
    let (mount, program) = (sys::c_path(&folder), sys::c_path(folder.join("p")));
    let content = bytes.clone();
    let child = Exec::new(folder.join("p"))
        .args(["sslyze", &asked])
        .before(move || {
            sys::child_private_mounts()?;
            sys::child_mount(c"none", &mount, c"tmpfs", 0)?;
            sys::child_write_executable(&program, &content)
        })
        .spawn(Stdio::piped())
        .expect("a program elsewhere");
    let row = watch.row_of(&asked);
    assert!(!folder.join("p").exists(), "it is not to be seen from here");
    assert_hash(&row, &bytes);
    end(child);

    // Another file where the one that ran was: its hash is not taken for that of the one that ran.
    let asked = token();
    let path = temp.executable("replaced", &waits());
    watch.hold();
    let child = Exec::new(&path)
        .args(["sslyze", &asked])
        .spawn(Stdio::piped())
        .expect("a program that waits");
    end(child);
    fs::remove_file(&path).expect("deleting it");
    let other = waits();
    temp.executable("replaced", &other);
    watch.go_on();
    let row = watch.row_of(&asked);
    assert_ne!(
        row.text("SHA256"),
        Some(hex(&Sha256::digest(&other)).as_str()),
        "{}",
        row.line
    );
    assert!(row.text("SHA256Absent").is_some(), "{}", row.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_file_above_the_limit_is_not_hashed_and_the_limit_can_be_raised() {
    let temp = Temp::new();
    let path = temp.program("large", Program::ExitAfterRead);
    let file = fs::File::options().write(true).open(&path).expect("opening it");
    let size = 300 * MIB;
    file.set_len(size).expect("a file with a hole");
    drop(file);
    let run = |watch: &Watch| {
        let asked = token();
        let child = Exec::new(&path)
            .args(["sslyze", &asked])
            .spawn(Stdio::piped())
            .expect("a large program");
        let row = watch.row_of(&asked);
        end(child);
        assert_eq!(row.number("FileSize"), Some(size), "{}", row.line);
        row
    };

    let watch = Watch::findings(&[]);
    let row = run(&watch);
    assert!(row.text("SHA256").is_none(), "{}", row.line);
    let reason = row.text("SHA256Absent").expect("a reason");
    assert!(reason.contains("limit") && reason.contains("256"), "{reason}");
    watch.stop();

    let watch = Watch::findings(&["--hash-limit", "512MiB"]);
    let expected = thread::spawn(move || {
        let mut hash = Sha256::new();
        let start = elf(Program::ExitAfterRead);
        hash.update(&start);
        let zeros = vec![0; 1 << 20];
        let mut left = size - start.len() as u64;
        while left > 0 {
            let step = left.min(MIB);
            hash.update(&zeros[..usize::try_from(step).expect("a mebibyte")]);
            left -= step;
        }
        hex(&hash.finalize())
    });
    // A row waits two seconds for its hash, which is not enough for so much everywhere; what comes later is remembered.
    let begun = Instant::now();
    loop {
        let row = run(&watch);
        if let Some(found) = row.text("SHA256") {
            assert_eq!(found, expected.join().expect("the hash"), "{}", row.line);
            break;
        }
        let reason = row.text("SHA256Absent").expect("a reason");
        assert!(reason.contains("not ready"), "{reason}");
        if begun.elapsed() > PATIENCE {
            return skip(format!(
                "this machine takes more than {PATIENCE:?} to hash 300 MiB: {reason}"
            ));
        }
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_that_runs_often_is_hashed_once() {
    const TIMES: u64 = 50;
    let temp = Temp::new();
    let output = temp.join("output");
    let watch = Watch::findings(&["--output", path_text(&output)]);
    let leaf = temp.program("sslyze", Program::Exit);
    let_settle(&leaf);
    for _ in 0..TIMES {
        let asked = token();
        Exec::new(&leaf).args(["sslyze", &asked]).run();
        let row = watch.row_of(&asked);
        assert_hash(&row, &elf(Program::Exit));
    }
    watch.stop();
    let written = fs::read_to_string(&output).expect("reading the output");
    let records: Vec<Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let others = records
        .iter()
        .filter(|record| {
            record["ActionType"] == "ProcessCreated" && record["FolderPath"].as_str() != Some(path_text(&leaf))
        })
        .count() as u64;
    let health = records
        .iter()
        .rfind(|record| record["ActionType"] == "SensorHealth")
        .expect("a health record at the end");
    let count = |field: &str| health["Hashing"][field].as_u64().expect("a count");
    assert!((1..=1 + others).contains(&count("Hashed")), "{health}");
    assert!(
        (TIMES - 1..TIMES + others).contains(&count("Cached")),
        "{health}, {others} others"
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_finding_in_a_container_has_the_processes_outside_above_it() {
    if !common::kernel::in_initial_pid_namespace() {
        return skip("the numbers of processes that this process sees are not the kernel's");
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    let chain = stage.chain(&["f", "pw"]);
    let pid = SharedNumber::new();
    let mut child = Exec::new(stage.path())
        .args(chain.argv())
        .before(stage.enter())
        .before(move || {
            sys::child_unshare(libc::CLONE_NEWPID)?;
            sys::child_fork(pid)
        })
        .spawn(Stdio::null())
        .expect("a container");
    let who = stage.reported();
    let row = watch.wait_for("the exec in the container", |row| {
        row.text("ProcessCommandLine") == Some(&chain.leaf())
    });
    stage.release(1);
    assert!(child.wait().expect("its end").success());
    // There it is the second process, and its parent the first.
    assert_eq!((who.pid, who.parent), (2, 1));
    let ancestor = |at: usize, field: &str| row.json["Ancestry"][at][field].clone();
    assert_eq!(ancestor(0, "ProcessId").as_u64(), Some(u64::from(pid.get())));
    assert_eq!(ancestor(0, "CommandLine").as_str(), Some(chain.lines()[0].as_str()));
    assert_eq!(ancestor(1, "ProcessId").as_u64(), Some(u64::from(child.id())));
    let me = Process::of(std::process::id());
    assert_eq!(ancestor(1, "CommandLine").as_str(), me.line.as_deref());
    assert_eq!(ancestor(2, "ProcessId").as_u64(), Some(u64::from(me.pid)));
    watch.stop();
}
