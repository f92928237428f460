//! Who started a program is right, however the processes above it came about: every row is compared with what `/proc`
//! shows while nothing moves, or with what the test itself made.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    actor::{Chain, Reported, Stage, counter, teller},
    elf::Program,
    eventually,
    exec::Exec,
    find_program, in_vm,
    kernel::misses,
    skip,
    sys::{self, SharedNumber},
    temp::Temp,
    token,
    trees::{Leaf, Player, nothing, start, wait_for_end},
    truth::{Process, above, assert_above, parent_of},
    watch::{Row, Watch, path_text},
};

/// Ancestors that a report has at most.
const ANCESTORS: usize = 16;

/// Everything here compares numbers of processes.
fn numbers_differ() -> bool {
    let differ = !common::kernel::in_initial_pid_namespace();
    if differ {
        skip("the numbers of processes that this process sees are not the kernel's");
    }
    differ
}

/// Waits for the row of the exec with exactly this command line.
#[track_caller]
fn row_of_line(watch: &Watch, line: &str) -> Arc<Row> {
    watch.wait_for(&format!("the exec of {line}"), |row| {
        row.text("ProcessCommandLine") == Some(line)
    })
}

/// The command line of this process.
fn my_line() -> String {
    Process::of(std::process::id()).line.expect("this is no kernel thread")
}

/// What was seen of an actor while it was held.
struct Seen {
    row: Arc<Row>,
    who: Reported,
    above: Vec<Process>,
}

impl Seen {
    /// The command line of the process so many levels above.
    #[track_caller]
    fn line(&self, level: usize) -> &str {
        self.above[level].line.as_deref().expect("no kernel thread")
    }
}

/// Looks at the one actor that reports and then waits: the row of its exec and the truth agree. It goes on after that.
#[track_caller]
fn look(watch: &Watch, stage: &Stage, chain: &Chain) -> Seen {
    let who = stage.reported();
    let above = above(who.pid);
    let row = row_of_line(watch, &chain.leaf());
    stage.release(1);
    wait_for_end(who.pid);
    row.assert_pid(who.pid);
    assert_above(&row, &above);
    assert_eq!(above[0].pid, who.parent, "the truth agrees with the process itself");
    Seen { row, who, above }
}

/// Runs actors of which the last one reports and waits, from a process that makes these steps before.
#[track_caller]
fn play(
    watch: &Watch,
    stage: &Stage,
    steps: &[&str],
    before: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) -> (Seen, Chain, u32) {
    let chain = stage.chain(steps);
    let mut child = start(stage, &chain, before);
    let seen = look(watch, stage, &chain);
    let pid = child.id();
    assert!(child.wait().expect("its end").success());
    (seen, chain, pid)
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_parent_that_was_executed_itself_is_known_by_what_it_executed() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    let (seen, chain, first) = play(&watch, &stage, &["f", "f", "pw"], nothing);
    let lines = chain.lines();
    assert_eq!([seen.line(0), seen.line(1)], [lines[1].as_str(), &lines[0]]);
    assert_eq!(seen.line(2), my_line());
    assert_eq!(seen.above[1].pid, first);
    let name = stage.path().file_name().and_then(|name| name.to_str());
    assert_eq!(seen.row.text("InitiatingProcessFileName"), name);
    assert_eq!(seen.row.json["Ancestry"][1]["FileName"].as_str(), name);
    assert!(seen.row.json.get("PreviousFileName").is_none(), "{}", seen.row.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn forks_without_exec_are_processes_of_the_image_that_they_were_forked_from() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    for count in [1, 2, 5] {
        // Of an image that was executed before the monitor's eyes ...
        let (seen, chain, _) = play(&watch, &stage, &["f".repeat(count).as_str(), "pw"], nothing);
        for level in 0..count {
            assert_eq!(seen.line(level), chain.lines()[0]);
        }
        assert_eq!(seen.line(count), my_line());
        assert!(seen.row.json.get("PreviousFileName").is_none(), "{}", seen.row.line);

        // ... and of one that is older than the monitor.
        let pid = SharedNumber::new();
        let forks = u32::try_from(count).expect("a small number");
        let (seen, ..) = play(&watch, &stage, &["pw"], move || sys::child_forks(forks, pid));
        assert_eq!(seen.who.pid, pid.get());
        for level in 0..=count {
            assert_eq!(seen.line(level), my_line());
        }
        assert_eq!(seen.above[count].pid, std::process::id());
        assert!(seen.row.json.get("PreviousFileName").is_none(), "{}", seen.row.line);
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_a_shell_runs_has_the_shell_or_its_subshell_as_parent() {
    if numbers_differ() {
        return;
    }
    let Some(sh) = find_program("sh") else {
        return skip("no sh here");
    };
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    // `@` is an actor that is held. Those of a line are held at the same time.
    for (script, count) in [
        ("@; true", 1),
        ("( @; true ); true", 1),
        ("( ( @; true ); true ); true", 1),
        ("@ | @ | @; true", 3),
        ("( @; true ) | { @; true; } | @", 3),
        ("x=$(@; echo); true", 1),
        ("@ & @ & wait; true", 2),
        ("f() { @; }; f; true", 1),
        ("while true; do @; break; done | @; true", 2),
    ] {
        let actors: Vec<Chain> = (0..count).map(|_| stage.chain(&["pw"])).collect();
        let mut text = script.to_owned();
        for actor in &actors {
            text = text.replacen('@', &actor.leaf(), 1);
        }
        let mut shell = Exec::new(&sh)
            .args(["sh", "-c", &text])
            .before(stage.enter())
            .spawn(Stdio::null())
            .expect("a shell");
        let reported: Vec<Reported> = actors.iter().map(|_| stage.reported()).collect();
        for who in reported {
            let truth = above(who.pid);
            let line = Process::of(who.pid).line.expect("no kernel thread");
            let row = row_of_line(&watch, &line);
            row.assert_pid(who.pid);
            assert_above(&row, &truth);
            assert_eq!(truth[0].line, Some(format!("sh -c {text}")), "{script}");
            assert_eq!(row.text("InitiatingProcessFileName"), Some("sh"), "{script}");
            assert!(truth.iter().any(|process| process.pid == shell.id()), "{script}");
            assert!(row.json.get("PreviousFileName").is_none(), "{script}: {}", row.line);
        }
        stage.release(count);
        assert!(shell.wait().expect("its end").success(), "{script}");
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_exec_in_place_keeps_the_parent_and_tells_of_the_image_before() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    let me = Process::of(std::process::id());

    let (seen, chain, first) = play(&watch, &stage, &["", "", "", "pw"], nothing);
    let mut before: Option<String> = None;
    for line in chain.lines() {
        let row = row_of_line(&watch, &line);
        row.assert_pid(first);
        assert_eq!(row.text("PreviousCommandLine"), before.as_deref(), "{}", row.line);
        assert_eq!(row.number("InitiatingProcessId"), Some(u64::from(me.pid)));
        assert_eq!(row.text("InitiatingProcessCommandLine"), me.line.as_deref());
        before = Some(line);
    }
    assert_eq!(seen.who.pid, first);

    // A process that was forked from one that exec'd is another: it ran nothing before.
    let (seen, ..) = play(&watch, &stage, &["", "f", "pw"], nothing);
    assert!(seen.row.json.get("PreviousCommandLine").is_none(), "{}", seen.row.line);

    let (Some(env), Some(nice), Some(sh)) = (find_program("env"), find_program("nice"), find_program("sh")) else {
        return skip("no env, nice or sh here");
    };
    let chain = stage.chain(&["pw"]);
    let script = format!("exec {}", chain.leaf());
    let argv = ["env", "A=1", path_text(&nice), "-n", "3", path_text(&sh), "-c", &script];
    let mut child = Exec::new(&env)
        .args(argv)
        .before(stage.enter())
        .spawn(Stdio::null())
        .expect("env");
    let seen = look(&watch, &stage, &chain);
    assert!(child.wait().expect("its end").success());
    assert_eq!(seen.who.pid, child.id());
    assert_eq!(seen.above[0].pid, me.pid);
    let steps = [
        ("env", argv.join(" ")),
        ("nice", argv[2..].join(" ")),
        ("sh", argv[5..].join(" ")),
    ];
    let mut before: Option<&(&str, String)> = None;
    for step in &steps {
        let row = row_of_line(&watch, &step.1);
        row.assert_pid(child.id());
        assert_eq!(row.text("PreviousFileName"), before.map(|step| step.0), "{}", row.line);
        assert_eq!(row.text("PreviousCommandLine"), before.map(|step| step.1.as_str()));
        assert_eq!(row.number("InitiatingProcessId"), Some(u64::from(me.pid)));
        before = Some(step);
    }
    assert_eq!(seen.row.text("PreviousFileName"), Some("sh"));
    assert_eq!(seen.row.text("PreviousCommandLine"), Some(steps[2].1.as_str()));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_orphan_s_parent_is_the_process_that_took_it_over() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);

    // A double fork below a process that takes orphans: images that were executed ...
    let (seen, chain, first) = play(&watch, &stage, &["sf", "fo", "pw"], nothing);
    assert_eq!(seen.who.parent, first);
    assert_eq!(seen.line(0), chain.lines()[0]);
    assert_eq!(seen.line(1), my_line());
    assert!(seen.row.json.get("PreviousFileName").is_none(), "{}", seen.row.line);

    // ... and such that are older than the monitor. The orphan's own image is this test's.
    let (seen, _, first) = play(&watch, &stage, &["pw"], || {
        sys::child_fork_below_reaper()?;
        sys::child_orphan()
    });
    assert_eq!(seen.who.parent, first);
    assert_eq!([seen.line(0), seen.line(1)], [my_line(), my_line()]);

    // Without one: the first process takes it, or whoever takes orphans for everything here.
    let (seen, _, first) = play(&watch, &stage, &["o", "pw"], nothing);
    assert_ne!(seen.who.parent, first);
    let (seen, ..) = play(&watch, &stage, &["ooo", "f", "pw"], nothing);
    assert_ne!(seen.above[1].pid, first);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_parent_that_was_gone_before_the_exec_is_not_named() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    // The first one reports before it is an orphan, and after that; then it waits for its parent's end to be known.
    let chain = stage.chain(&["sf", "f", "pfopr", "pw"]);
    let mut child = start(&stage, &chain, nothing);
    let parent = stage.reported();
    let orphan = stage.reported();
    assert_eq!(orphan.parent, child.id());
    stage.open_gate(1);
    let seen = look(&watch, &stage, &chain);
    assert!(child.wait().expect("its end").success());
    assert_eq!(seen.who, orphan);
    assert_ne!(seen.who.parent, parent.pid);
    assert_eq!(seen.line(0), chain.lines()[0]);
    watch.stop();
}

/// Runs actors below a process that has the number of one that ended; none when there is no such way here.
#[track_caller]
fn play_as(stage: &Stage, steps: &[&str], pid: u32) -> Option<(Child, Chain)> {
    let chain = stage.chain(steps);
    let child = Exec::new(stage.path())
        .args(chain.argv())
        .before(stage.enter())
        .before(move || sys::child_fork_as(pid))
        .spawn(Stdio::null());
    match child {
        Ok(child) => Some((child, chain)),
        Err(error) => {
            let why = match error.raw_os_error() {
                Some(libc::EEXIST) => "something else got the number meanwhile",
                Some(libc::ENOSYS | libc::EINVAL | libc::E2BIG) => "this kernel gives no number that is asked for",
                _ => panic!("a process with the number {pid}: {error}"),
            };
            skip(why);
            None
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_number_that_is_used_again_is_another_process() {
    if numbers_differ() {
        return;
    }
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    // One that is older than the monitor.
    let older = stage.chain(&["pr"]);
    let mut old = Ended(start(&stage, &older, nothing));
    assert_eq!(stage.reported().pid, old.0.id());
    let watch = Watch::all_execs();

    // One that executed something, and again in place.
    let (_, _, used) = play(&watch, &stage, &["", "pw"], nothing);
    // The number's next process executes: it ran nothing before.
    let Some((mut child, chain)) = play_as(&stage, &["pw"], used) else {
        return;
    };
    let seen = look(&watch, &stage, &chain);
    assert!(child.wait().expect("its end").success());
    assert_eq!(seen.who.pid, used);
    assert!(seen.row.json.get("PreviousFileName").is_none(), "{}", seen.row.line);

    // The next one is a parent, and executed nothing: it is a fork of this test.
    let chain = stage.chain(&["pw"]);
    let pid = SharedNumber::new();
    let child = Exec::new(stage.path())
        .args(chain.argv())
        .before(stage.enter())
        .before(move || {
            sys::child_fork_as(used)?;
            sys::child_fork(pid)
        })
        .spawn(Stdio::null());
    match child {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => skip("something else got the number meanwhile"),
        child => {
            let mut child = child.expect("a process with that number");
            let seen = look(&watch, &stage, &chain);
            assert!(child.wait().expect("its end").success());
            assert_eq!(seen.who.parent, used);
            assert_eq!(seen.line(0), my_line());
        }
    }

    // And one with the number of a process that was there before the monitor.
    let used = old.0.id();
    stage.open_gate(1);
    assert!(old.0.wait().expect("its end").success());
    let Some((mut child, chain)) = play_as(&stage, &["f", "pw"], used) else {
        return;
    };
    let seen = look(&watch, &stage, &chain);
    assert!(child.wait().expect("its end").success());
    assert_eq!(seen.who.parent, used);
    assert_eq!(seen.line(0), chain.lines()[0]);
    let first = row_of_line(&watch, &chain.lines()[0]);
    assert!(first.json.get("PreviousFileName").is_none(), "{}", first.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn threads_count_as_their_process() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    let threaded = |exec: fn(Exec) -> Exec| {
        let chain = stage.chain(&["pw"]);
        let child = exec(Exec::new(stage.path()).args(chain.argv()).before(stage.enter()))
            .spawn(Stdio::null())
            .expect("an actor");
        (chain, child)
    };

    // The exec of a second thread.
    let (chain, mut child) = threaded(Exec::by_second_thread);
    let seen = look(&watch, &stage, &chain);
    assert!(child.wait().expect("its end").success());
    assert_eq!((seen.who.pid, seen.above[0].pid), (child.id(), std::process::id()));

    // A child that a second thread forked.
    let (chain, mut child) = threaded(|exec| exec.by_child_of_second_thread(false));
    let seen = look(&watch, &stage, &chain);
    assert!(child.wait().expect("its end").success());
    assert_eq!(seen.who.parent, child.id());
    assert_eq!(seen.line(0), my_line());

    // The same when the parent's first thread has ended: `/proc` shows nothing of such a process but its number.
    let (chain, mut child) = threaded(|exec| exec.by_child_of_second_thread(true));
    let who = stage.reported();
    let row = row_of_line(&watch, &chain.leaf());
    assert_eq!(parent_of(who.pid), child.id());
    stage.release(1);
    assert!(child.wait().expect("its end").success());
    row.assert_pid(who.pid);
    assert_eq!(row.number("InitiatingProcessId"), Some(u64::from(child.id())));
    assert_eq!(
        row.text("InitiatingProcessCommandLine"),
        Some(my_line().as_str()),
        "{}",
        row.line
    );
    assert_eq!(
        row.json["Ancestry"][1]["ProcessId"].as_u64(),
        Some(u64::from(std::process::id()))
    );
    watch.stop();
}

/// A setting of the kernel, as it was when this is dropped.
struct Setting {
    path: &'static str,
    was: String,
}

impl Setting {
    fn change(path: &'static str, value: &str) -> io::Result<Self> {
        let was = fs::read_to_string(path)?;
        let setting = Self { path, was };
        fs::write(path, value)?;
        Ok(setting)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = fs::write(self.path, &self.was) {
            eprintln!("{} stays changed: {error}", self.path);
        }
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_that_the_kernel_starts_has_a_kernel_thread_as_parent() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let fifo = temp.join("told");
    sys::fifo(&fifo).expect("a FIFO");
    let told = sys::open_both_ways(&fifo).expect("opening the FIFO");
    let handler = temp.executable("handler", &teller());
    // What the kernel runs for each process that dumps core.
    let pattern = format!("|{} {}", handler.display(), fifo.display());
    let setting = match Setting::change("/proc/sys/kernel/core_pattern", &pattern) {
        Ok(setting) => setting,
        Err(error) => return skip(format!("the kernel's handler of core dumps can't be set: {error}")),
    };
    let mut child = Exec::new(temp.program("waits", Program::ExitAfterRead))
        .before(sys::child_no_core_limit)
        .spawn(Stdio::piped())
        .expect("a program that waits");
    // Not one that is ignored where a shell has put all this into the background.
    sys::kill(child.id(), libc::SIGABRT).expect("a signal");
    let status = child.wait().expect("its end");
    if !std::os::unix::process::ExitStatusExt::core_dumped(&status) {
        return skip(format!("this kernel runs no handler of core dumps: {status}"));
    }
    drop(setting);
    assert!(
        sys::readable(&told, common::LIMIT).expect("waiting for the handler"),
        "the handler runs"
    );
    let mut bytes = [0; 8];
    io::Read::read_exact(&mut fs::File::from(told), &mut bytes).expect("what the handler says");
    let who = Reported::decode(bytes);
    let row = watch.wait_for("the handler's exec", |row| {
        row.text("FolderPath") == Some(path_text(&handler))
    });
    row.assert_pid(who.pid);
    // Kernel threads stay; one that does not is not found here.
    let name = fs::read_to_string(format!("/proc/{}/comm", who.parent)).expect("its name");
    assert_eq!(row.number("InitiatingProcessId"), Some(u64::from(who.parent)));
    assert_eq!(
        row.text("InitiatingProcessFileName"),
        Some(name.trim_end()),
        "{}",
        row.line
    );
    assert!(row.json.get("InitiatingProcessFolderPath").is_none(), "{}", row.line);
    assert!(row.json.get("InitiatingProcessCommandLine").is_none(), "{}", row.line);
    let ids: Vec<u64> = row.json["Ancestry"]
        .as_array()
        .expect("ancestors")
        .iter()
        .filter_map(|process| process["ProcessId"].as_u64())
        .collect();
    let mut truth = vec![u64::from(who.parent)];
    truth.extend(above(who.parent).iter().map(|process| u64::from(process.pid)));
    assert_eq!(ids, truth, "{}", row.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn parents_that_are_older_than_the_monitor_are_known() {
    if numbers_differ() {
        return;
    }
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    // Forked before its start, and after; by a program whose file is there, and by one whose file is not.
    let before = stage.chain(&["ffpr", "pw"]);
    let after = stage.chain(&["f", "prff", "pw"]);
    let in_place = stage.chain(&["pr", "pw"]);
    let gone = Stage::new(&temp);
    let of_gone = gone.chain(&["prf", "", "pw"]);
    let mut children = Vec::new();
    for chain in [&before, &after, &in_place] {
        children.push(start(&stage, chain, nothing));
        stage.reported();
    }
    children.push(start(&gone, &of_gone, nothing));
    gone.reported();
    fs::remove_file(gone.path()).expect("removing the program");

    let watch = Watch::all_execs();
    stage.open_gate(3);
    let found: HashMap<u32, Process> = (0..3)
        .map(|_| stage.reported().pid)
        .map(|pid| (pid, Process::of(pid)))
        .collect();
    for (chain, forks) in [(&before, 2), (&after, 2), (&in_place, 0)] {
        let row = row_of_line(&watch, &chain.leaf());
        let (&pid, _) = found
            .iter()
            .find(|(_, process)| process.line == Some(chain.leaf()))
            .expect("it reported");
        let truth = above(pid);
        row.assert_pid(pid);
        assert_above(&row, &truth);
        let lines = chain.lines();
        for parent in &truth[..forks] {
            assert_eq!(parent.line.as_ref(), Some(&lines[lines.len() - 2]));
        }
        // It ran the actor before, but nobody saw it exec that.
        if forks > 0 {
            assert!(row.json.get("PreviousFileName").is_none(), "{}", row.line);
        }
    }
    stage.release(3);

    // The file is needed for the execs that follow: another one, where the old one was.
    temp.executable(gone.path(), &common::actor::actor());
    gone.open_gate(1);
    let seen = look(&watch, &gone, &of_gone);
    assert_eq!(seen.line(0), of_gone.lines()[0]);
    assert_eq!(
        seen.row.text("PreviousCommandLine"),
        Some(of_gone.lines()[1].as_str()),
        "{}",
        seen.row.line
    );
    for mut child in children {
        assert!(child.wait().expect("its end").success());
    }
    watch.stop();
}

/// Kills and waits for a process when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // When it has ended by itself these fail, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_parent_that_executes_while_the_monitor_starts_is_never_taken_for_what_it_was() {
    let temp = Temp::new();
    let asked = token();
    // A finding, so that it is reported without everything else.
    let leaf = temp.program("sslyze", Program::Exit);
    let path = temp.executable("counter", &counter());
    let counting = Exec::new(&path)
        .args([path_text(&path), "00000000", path_text(&leaf), &asked])
        .spawn(Stdio::null())
        .expect("a counter");
    let counting = Ended(counting);
    // The counter's own command line has the name in it, too.
    let of_leaf = |row: &Row| row.is(&asked) && row.text("FolderPath") == Some(path_text(&leaf));
    let mut known = 0;
    let mut seen = 0;
    // Each start takes seconds on an emulated processor.
    for _ in 0..if in_vm() { 2 } else { 6 } {
        let watch = Watch::findings(&[]);
        let from = seen;
        let mut first = None;
        let far = |row: &Row| {
            row.json["ProcessArguments"][1]
                .as_str()
                .and_then(|n| n.parse::<u64>().ok())
        };
        watch.wait_for("some numbers", |row| {
            let number = of_leaf(row).then(|| far(row)).flatten();
            first = first.or(number);
            number.zip(first).is_some_and(|(number, first)| number >= first + 20)
        });
        for (at, row) in watch.rows_so_far(of_leaf).iter().enumerate() {
            seen += 1;
            let number = row.json["ProcessArguments"][1].as_str().expect("a number");
            if common::kernel::in_initial_pid_namespace() {
                assert_eq!(row.number("InitiatingProcessId"), Some(u64::from(counting.0.id())));
            }
            let line = format!("{} {number} {} {asked}", path.display(), leaf.display());
            match row.text("InitiatingProcessCommandLine") {
                // Executed before the hook was there, and gone on to the next number before the kernel was asked what runs:
                // nobody can know it.
                None => assert_eq!(at, 0, "only the first may be unknown: {}", row.line),
                Some(shown) => {
                    assert_eq!(shown, line, "{}", row.line);
                    known += 1;
                }
            }
        }
        assert!(seen > from);
        watch.stop();
    }
    println!("{known} parents of {seen} are known, none is wrong");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn ancestors_are_shown_up_to_the_first_process_and_sixteen_at_most() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    let depth = above(std::process::id()).len() + 1;
    let (seen, ..) = play(&watch, &stage, &["pw"], nothing);
    let shown = seen.row.json["Ancestry"].as_array().expect("ancestors").len();
    assert_eq!(shown, depth.min(ANCESTORS));
    if depth <= ANCESTORS {
        assert_eq!(seen.above.last().map(|process| process.pid), Some(1));
    }
    // To exactly as many, to one more, and to far more.
    for total in [ANCESTORS - 1, ANCESTORS, ANCESTORS + 1, ANCESTORS + 4, 3 * ANCESTORS] {
        let Some(forks) = total.checked_sub(depth) else {
            continue;
        };
        let (seen, ..) = play(&watch, &stage, &["f".repeat(forks).as_str(), "pw"], nothing);
        assert_eq!(seen.above.len(), total);
        let shown = seen.row.json["Ancestry"].as_array().expect("ancestors").len();
        assert_eq!(shown, total.min(ANCESTORS));
    }
    // All of them different programs.
    let steps = [["f"; 20].as_slice(), &["pw"]].concat();
    let (seen, chain, _) = play(&watch, &stage, &steps, nothing);
    for (shown, line) in seen.row.json["Ancestry"]
        .as_array()
        .expect("ancestors")
        .iter()
        .zip(chain.lines().iter().rev().skip(1))
    {
        assert_eq!(shown["CommandLine"].as_str(), Some(line.as_str()));
    }
    watch.stop();
}

/// Execs of the storm that are checked. An emulated processor needs half a minute for a thousand.
fn storm() -> usize {
    if in_vm() { 250 } else { 1_000 }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn of_execs_in_random_trees_no_ancestor_is_wrong() {
    if numbers_differ() {
        return;
    }
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let seed = u64::from(std::process::id()) << 32 | 0x5eed;
    println!("seed {seed:#x}");
    let next = AtomicUsize::new(0);
    let execs = AtomicUsize::new(0);
    let begun = Instant::now();
    let storm = storm();
    let player = |number: u64| {
        let mut player = Player::new(&temp, "actor", seed, number);
        let mut leaves = Vec::new();
        while next.fetch_add(1, Ordering::Relaxed) < storm {
            leaves.push(player.leaf());
        }
        execs.fetch_add(player.execs(), Ordering::Relaxed);
        leaves
    };
    let leaves: Vec<Leaf> = thread::scope(|scope| {
        let players: Vec<_> = (0..4).map(|number| scope.spawn(move || player(number))).collect();
        players
            .into_iter()
            .flat_map(|player| player.join().expect("a player"))
            .collect()
    });
    println!(
        "{} execs, {} of them checked, made in {:?}",
        execs.load(Ordering::Relaxed),
        leaves.len(),
        begun.elapsed()
    );
    let rows: HashMap<String, Arc<Row>> = watch
        .rows_so_far(|row| row.is(path_text(temp.path())))
        .into_iter()
        .filter_map(|row| Some((row.text("ProcessCommandLine")?.to_owned(), row)))
        .collect();
    let mut wrong = Vec::new();
    let mut absent = 0;
    for leaf in &leaves {
        let line = leaf.chain.leaf();
        let Some(row) = rows.get(&line) else {
            absent += 1;
            continue;
        };
        // Each exec in place above it is of a process that has these ancestors as well.
        if let Some(difference) = leaf.check(row) {
            if difference.contains("line: None, path: None } and is") {
                absent += 1;
                continue;
            }
            wrong.push(format!("{difference}\n{}\n{:#?}", row.line, leaf.above));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong, the first: {}",
        wrong.len(),
        leaves.len(),
        wrong[0]
    );
    let misses = misses(watch.pid());
    let closing = watch.stop();
    // What is not known of an ancestor is absent only when the exec that would have told it was lost, which an emulated processor
    // may do under a kernel that withholds execs (see `live_storm`); then it is counted.
    let withheld = if in_vm() { misses } else { 0 };
    assert!(closing.lost <= withheld, "{closing:?}");
    assert!(
        absent == 0 || closing.lost > 0,
        "{absent} are absent and nothing was lost: {closing:?}"
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_chain_of_forks_and_execs_is_right_when_the_monitor_looks_only_later() {
    if numbers_differ() {
        return;
    }
    // What is reported was read at the exec: nothing of it is there any more when the monitor looks.
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let stage = Stage::new(&temp);
    watch.hold();
    let chain = stage.chain(&["ff", "", "f", "pw"]);
    let mut child = start(&stage, &chain, nothing);
    let who = stage.reported();
    let truth = above(who.pid);
    stage.release(1);
    assert!(child.wait().expect("its end").success());
    assert!(stage.is_silent(Duration::ZERO));
    assert!(!Path::new(&format!("/proc/{}", who.pid)).exists());
    watch.go_on();
    let row = row_of_line(&watch, &chain.leaf());
    row.assert_pid(who.pid);
    assert_above(&row, &truth);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_started_by_the_standard_library_has_this_process_as_parent() {
    if numbers_differ() {
        return;
    }
    // posix_spawn, which shares the memory of this process until the exec.
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    let path = temp.program("spawned", Program::Exit);
    assert!(Command::new(&path).arg(&asked).status().expect("starting it").success());
    let row = watch.row_of(&asked);
    let mut truth = vec![Process::of(std::process::id())];
    truth.extend(above(std::process::id()));
    assert_above(&row, &truth);
    watch.stop();
}

/// Of the harness: a program that a child of another thread still has open for writing can't be started.
#[test]
fn a_program_that_somebody_writes_to_is_told_from_one_that_can_be_started() {
    let temp = Temp::new();
    let path = temp.program("written", Program::Exit);
    let reading = fs::File::open(&path).expect("the program");
    let writing = fs::OpenOptions::new().write(true).open(&path).expect("the program");
    assert!(sys::is_open_for_writing(&reading));
    assert_eq!(
        Command::new(&path).status().unwrap_err().kind(),
        io::ErrorKind::ExecutableFileBusy
    );
    drop(writing);
    assert!(eventually(|| !sys::is_open_for_writing(&reading)));
    assert!(Command::new(&path).status().expect("starting it").success());
}
