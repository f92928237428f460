use std::{fs, os::unix::fs::symlink, process, time::Instant};

use super::*;
use crate::{
    source::recorded::{collect::Collected, judging::command_line},
    testing::Folder,
};

struct Tree(Folder);

impl Tree {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        folder.file("stat", b"cpu 1 2 3\nbtime 1700000000\nprocesses 1\n");
        Self(folder)
    }

    fn process(&self, pid: u32, parent: u32, start: u64, flags: u32, argv: &[u8], exe: Option<&str>) -> PathOf<'_> {
        let name = pid.to_string();
        let folder = self.0.0.join(&name);
        fs::create_dir_all(&folder).unwrap();
        let stat = format!("{pid} (a) b) S {parent} 1 1 34817 -1 {flags} 1 2 3 4 5 6 7 8 20 0 1 0 {start} 1 2 3\n");
        let path = PathOf { tree: self, name };
        path.file("stat", stat.as_bytes());
        path.file("cmdline", argv);
        if let Some(exe) = exe {
            symlink(exe, folder.join("exe")).unwrap();
        }
        path
    }

    fn scan(&self) -> Collected {
        let mut collected = Collected::default();
        scan(&self.0.0, &mut collected).unwrap();
        collected
    }
}

struct PathOf<'a> {
    tree: &'a Tree,
    name: String,
}

impl PathOf<'_> {
    fn file(&self, name: &str, bytes: &[u8]) -> &Self {
        self.tree.0.file(&format!("{}/{name}", self.name), bytes);
        self
    }
}

#[test]
fn a_process_is_told_with_everything_that_it_shows() {
    let tree = Tree::new("proc-all");
    tree.process(1, 0, 5, 0, b"/sbin/init\0", Some("/usr/lib/systemd/systemd"));
    let curl = tree.process(70, 1, 250, 0, b"curl\0\0https://crt.sh\0", Some("/usr/bin/curl"));
    curl.file("status", b"Name:\tcurl\nUid:\t1000\t0\t0\t0\nGid:\t1001\t1002\t0\t0\n")
        .file("loginuid", b"1000")
        .file("sessionid", b"3\n")
        .file(
            "cgroup",
            b"1:name=systemd:/x\n0::/user.slice/user-1000.slice/session-3.scope\n",
        );
    symlink("/home/alice", tree.0.0.join("70/cwd")).unwrap();
    tree.0.file("version", b"x");
    let collected = tree.scan();
    assert!(collected.bad.is_empty(), "{:?}", collected.bad);
    let [init, curl] = &collected.reports[..] else {
        panic!("{:?}", collected.reports);
    };
    assert_eq!((init.parent_pid, init.uid, init.login_uid), (None, None, None));
    assert_eq!(curl.argv, b"curl\0\0https://crt.sh\0");
    assert_eq!(
        curl.time,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_002_500)
    );
    assert_eq!((curl.pid, curl.parent_pid), (Some(70), Some(1)));
    assert_eq!((curl.uid, curl.effective_uid), (Some(1000), Some(0)));
    assert_eq!((curl.login_uid, curl.session_id), (Some(1000), Some(3)));
    assert_eq!(curl.folder_path.as_deref(), Some(&b"/usr/bin/curl"[..]));
    assert_eq!(curl.directory.as_deref(), Some(&b"/home/alice"[..]));
    assert_eq!(curl.tty.as_deref(), Some(&b"pts/1"[..]));
    assert_eq!((curl.fileless, curl.account.as_deref()), (Some(false), None));
    assert_eq!(curl.systemd_unit.as_deref(), Some("session-3.scope"));
    assert_eq!(curl.ancestry.len(), 1);
    assert_eq!(curl.ancestry[0].image.file_name.as_deref(), Some(&b"systemd"[..]));
}

#[test]
fn programs_without_a_name_on_disk_are_known_and_kernel_threads_and_ended_processes_are_none() {
    let tree = Tree::new("proc-kinds");
    tree.process(2, 0, 1, 0x0020_0000, b"", None);
    tree.process(3, 2, 1, 0, b"", None);
    tree.process(10, 1, 1, 0, b"x\0", Some("/memfd:sslscan (deleted)"));
    tree.process(11, 1, 1, 0, b"y\0", Some("/tmp/y (deleted)"));
    let gone = tree.process(12, 1, 1, 0, b"z\0", Some("/z"));
    gone.file("stat", b"12 (z) Z 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 1 1 2 3\n");
    fs::create_dir_all(tree.0.0.join("13")).unwrap();
    let unset = tree.process(14, 1, 1, 0, b"w\0", Some("/w"));
    unset.file("loginuid", b"4294967295").file("sessionid", b"4294967295");
    let reports = tree.scan().reports;
    let pids: Vec<_> = reports.iter().filter_map(|report| report.pid).collect();
    assert_eq!(pids, [10, 11, 14]);
    assert_eq!(reports[0].file_name.as_deref(), Some(&b"sslscan"[..]));
    assert_eq!(reports[1].folder_path.as_deref(), Some(&b"/tmp/y"[..]));
    assert_eq!((reports[0].fileless, reports[1].fileless), (Some(true), Some(true)));
    assert_eq!((reports[2].login_uid, reports[2].session_id), (None, None));
}

#[test]
fn long_arguments_are_whole_and_rings_of_parents_end() {
    let tree = Tree::new("proc-long");
    let long = [&vec![b'x'; KEPT * 3][..], b"\0end\0"].concat();
    tree.process(20, 21, 1, 0, &long, Some("/x"));
    tree.process(21, 20, 1, 0, b"y\0", Some("/y"));
    let reports = tree.scan().reports;
    assert_eq!(reports[0].argv, long);
    assert_eq!(reports[1].ancestry.len(), ANCESTRY);
    let parent = reports[1].ancestry[0].image.arguments().unwrap();
    assert!(parent.is_cut());
}

#[test]
fn a_process_of_this_host_is_found() {
    let mut child = process::Command::new("sleep").arg("1000").spawn().unwrap();
    // `spawn` returns when the child has given up this program's memory, a moment before its own arguments are there.
    let arguments = format!("/proc/{}/cmdline", child.id());
    let end = Instant::now() + Duration::from_secs(60);
    while fs::read(&arguments).unwrap().is_empty() {
        assert!(Instant::now() < end, "the child executes its program");
        std::thread::yield_now();
    }
    let mut collected = Collected::default();
    scan(Path::new("/proc"), &mut collected).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let found = collected.reports.iter().find(|report| report.pid == Some(child.id()));
    let found = found.expect("the child");
    assert_eq!(command_line(found), "sleep 1000");
    assert_eq!(found.parent_pid, Some(process::id()));
    let age = SystemTime::now().duration_since(found.time).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

#[test]
fn the_cgroup_is_the_unified_one_unless_only_another_says_something() {
    let id = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d";
    for (groups, expected) in [
        ("0::/system.slice/cron.service\n", "/system.slice/cron.service"),
        ("0::/\n", "/"),
        (
            "11:pids:/system.slice/cron.service\n1:name=systemd:/system.slice\n0::/\n",
            "/system.slice/cron.service",
        ),
        (
            "3:cpu,cpuacct:/slow\n1:name=systemd:/system.slice/cron.service\n",
            "/system.slice/cron.service",
        ),
        ("3:cpu,cpuacct:/slow\n", "/slow"),
        (
            "11:pids:/docker/{id}\n0::/system.slice/docker.service\n",
            "/docker/{id}",
        ),
        (
            "11:pids:/docker/{id}\n0::/system.slice/docker-{id}.scope\n",
            "/system.slice/docker-{id}.scope",
        ),
        ("11:pids:/system.slice/a:b.service\n", "/system.slice/a:b.service"),
    ] {
        let groups = groups.replace("{id}", id);
        let found = cgroup(groups.as_bytes()).map(String::from_utf8_lossy);
        assert_eq!(
            found.as_deref(),
            Some(expected.replace("{id}", id).as_str()),
            "{groups}"
        );
    }
    assert_eq!(cgroup(b""), None);
    assert_eq!(cgroup(b"what is this\n"), None);
}
