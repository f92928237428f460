//! `cargo xtask vm`: the live tests on real kernels.
//!
//! Distribution kernels boot in QEMU, in software, with a root file system in memory that holds nothing but init
//! (`xtask/init`), `cert-recon`, the `live_*` test binaries and the programs that tests run. Nothing is installed into
//! the guest, nothing of it is kept, and the host's kernel isn't involved: what passes here passes anywhere.

mod cpio;
mod document;
mod guest;
mod kernels;
mod machine;
mod qemu;
mod report;
pub(crate) mod rootfs;
mod systemd;
mod table;
mod tools;
mod userland;
mod verifier;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use kernels::{Cache, Image, KERNELS, Kernel};
use machine::Machine;
use report::{BOOT, Outcome, Verdict};
use table::Column;

/// The kernel that has the tests of CI for which one is enough.
const ONCE: &str = "6.1";

/// What is outside of the kernel is the same on every kernel, and takes minutes on each: failing outputs, daemons, collectors, the
/// service manager, terminals, the memory of user space. `cargo xtask test` runs it; here it is run by name.
const OUTSIDE: [&str; 7] = [
    "live_faults",
    "live_metrics",
    "live_million",
    "live_otlp",
    "live_outputs",
    "live_service",
    "live_terminal",
];

/// How many lines of what a failed test wrote are shown; the log has them all.
const SHOWN_LINES: usize = 60;

/// Runs the live tests on real kernels in QEMU.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernels to test on: 5.10, 6.1, 6.12, newest, 6.1-arm64, 6.12-arm64, and on odd hosts 5.10-hybrid, 6.1-odd, 6.12-locked,
    /// 6.12-selinux
    /// [default: all; with --test, all that are not odd]
    #[arg(long = "kernel", value_name = "NAME", value_delimiter = ',')]
    kernels: Vec<String>,
    /// Only tests whose `binary::test` contains this [default: all that depend on the kernel]
    #[arg(long = "test", value_name = "TEXT", value_delimiter = ',')]
    tests: Vec<String>,
    /// Test binaries to leave out, by their whole name
    #[arg(long = "skip", value_name = "NAME", value_delimiter = ',')]
    skip: Vec<String>,
    /// Test binaries that one kernel is enough for, by their whole name
    #[arg(skip)]
    once: Vec<String>,
    /// A shell in the guest, no tests
    #[arg(long)]
    shell: bool,
    /// Installs the Debian package under a real systemd, no tests; on 6.1 unless kernels are named
    #[arg(long, conflicts_with_all = ["shell", "tests", "list"])]
    systemd: bool,
    /// Lists kernels and tests, runs nothing
    #[arg(long, conflicts_with = "shell")]
    list: bool,
    /// Tests the static program of `cargo xtask dist`, as users get it (default: a build with debug assertions)
    #[arg(long, conflicts_with = "systemd")]
    artefact: bool,
    /// Looks for newer kernels than those in the cache
    #[arg(long)]
    refresh: bool,
    /// Guests at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Writes what the verifiers walked into the repository's table, instead of comparing with it
    #[arg(long, conflicts_with_all = ["shell", "systemd", "list"])]
    record_verifier: bool,
    /// Puts the verdicts into the table of this file, beside those on kernels that are not tested now
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shell", "systemd", "list"])]
    table: Option<PathBuf>,
    /// Seconds that one test may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    test_timeout: u64,
    /// Seconds that a guest may take to boot
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    boot_timeout: u64,
}

impl Args {
    /// Whether tests of this binary may be asked for on a kernel.
    fn wants_binary(&self, kernel: &Kernel, name: &str) -> bool {
        if self.skip.iter().any(|skipped| skipped == name) || self.is_elsewhere(kernel, name) {
            return false;
        }
        let filters = self.named(kernel);
        if filters.is_empty() {
            return self.shell || !OUTSIDE.contains(&name);
        }
        filters.iter().any(|text| {
            // `binary::test`: what is before the colons ends the name of a binary.
            text.split_once("::").is_none_or(|(binary, _)| name.ends_with(binary))
        })
    }

    /// Whether it is enough that another kernel runs it.
    fn is_elsewhere(&self, kernel: &Kernel, name: &str) -> bool {
        kernel.odd.is_none() && kernel.name != ONCE && self.once.iter().any(|once| once == name)
    }

    /// The tests that are asked for; otherwise, on an odd host, those that it is for.
    fn named(&self, kernel: &Kernel) -> Vec<&str> {
        match &kernel.odd {
            Some(odd) if self.tests.is_empty() => odd.tests.to_vec(),
            _ => self.tests.iter().map(String::as_str).collect(),
        }
    }

    /// What the guest is told to run. All guests of a machine have the same binaries, and what only some run has to be kept from
    /// the others.
    fn filters(&self, kernel: &Kernel, binaries: &[(String, PathBuf)]) -> Vec<String> {
        let named = self.named(kernel);
        if named.is_empty() && binaries.iter().any(|(name, _)| !self.wants_binary(kernel, name)) {
            let wanted = binaries.iter().filter(|(name, _)| self.wants_binary(kernel, name));
            return wanted.map(|(name, _)| format!("{name}::")).collect();
        }
        named.into_iter().map(str::to_owned).collect()
    }
}

/// Every test that depends on the kernel on every x86_64 kernel, with the program that users get, on the odd hosts what differs
/// there, and on an arm64 kernel what differs between machines.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_all() -> Result<()> {
    #[derive(clap::Parser)]
    struct Defaults {
        #[command(flatten)]
        args: Args,
    }
    let kernels = KERNELS.iter().filter(|kernel| kernel.machine == Machine::X86_64);
    let words = kernels.flat_map(|kernel| ["--kernel", kernel.name]);
    let words = ["vm", "--artefact"].into_iter().chain(words);
    let parse = |words: Vec<&str>| <Defaults as clap::Parser>::parse_from(words).args;
    let mut args = parse(words.collect());
    // What user space makes of execs: each kernel tells of them in the same way, which other tests show.
    args.once = [
        "live_findings",
        "live_hosts",
        "live_record",
        "live_renamed",
        "live_tuning",
    ]
    .map(str::to_owned)
    .to_vec();
    // Its tests are built for it alone, which is most of what it takes.
    let tests = "live_start::,live_doctor::,live_argv::every_byte";
    let arm64 = parse(vec!["vm", "--artefact", "--kernel", "6.12-arm64", "--test", tests]);
    crate::dist::programs()?;
    // One says nothing about the other.
    [run(&args), run(&arm64)].into_iter().collect()
}

/// Does what the arguments ask for.
///
/// # Errors
///
/// When a test fails, a kernel can't be had, or the machine lacks what it takes.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut chosen = choose(&args.kernels)?;
    if args.kernels.is_empty() && !args.tests.is_empty() {
        chosen.retain(|kernel| kernel.odd.is_none());
    }
    ensure!(
        args.tests
            .iter()
            .all(|text| !text.is_empty() && !text.contains(char::is_whitespace)),
        "the name of a test has no spaces and isn't empty"
    );
    if args.list {
        return list(args);
    }
    let binaries = guest::live_tests_here()?;
    for name in &args.skip {
        ensure!(
            binaries.contains(name),
            "--skip {name}: there is no test binary of that name"
        );
        println!("vm: {name} is left out");
    }
    if args.tests.is_empty() && !args.shell && !args.systemd {
        println!(
            "vm: not on each kernel, but by name or in `cargo xtask test`: {}",
            OUTSIDE.join(", ")
        );
    }
    if args.systemd {
        let names: &[String] = if args.kernels.is_empty() {
            &["6.1".to_owned()]
        } else {
            &args.kernels
        };
        tools::require(&[Machine::X86_64.emulator()])?;
        return under_systemd(&choose(names)?, args.refresh);
    }

    let mut columns = Vec::new();
    for machine in Machine::ALL {
        let kernels = chosen.iter().copied().filter(|kernel| kernel.machine == machine);
        let kernels: Vec<_> = kernels.collect();
        if !kernels.is_empty() {
            columns.extend(on_machine(args, machine, kernels)?);
        }
    }
    if args.shell {
        return Ok(());
    }
    columns.sort_by_key(|column| KERNELS.iter().position(|kernel| column.kernel == kernel.name));
    println!("\n{}", table::render(&columns));
    let (_, failed, _) = table::count(&columns);
    if let Some(file) = &args.table {
        document::write(file, &columns)?;
    }
    if args.record_verifier {
        verifier::record(&columns)?;
    }
    let rises = verifier::compare(&columns)?;
    for rise in &rises {
        println!("FAILED: {rise}");
    }
    if failed > 0 {
        bail!("{failed} failed; all that the guests said is in the folders of the builds, in `boots`");
    }
    ensure!(
        rises.is_empty(),
        "the verifier has more to walk: make it less, or record it with `cargo xtask vm --test live_start --record-verifier`"
    );
    let ran = columns
        .iter()
        .flat_map(|column| &column.outcomes)
        .any(|outcome| outcome.test != BOOT);
    ensure!(
        ran || args.tests.is_empty(),
        "no test has {} in its name; see --list",
        args.tests.join(" or ")
    );
    Ok(())
}

/// Runs what is asked for on the kernels of one machine. With `--shell` there are no columns.
fn on_machine(args: &Args, machine: Machine, kernels: Vec<&'static Kernel>) -> Result<Vec<Column>> {
    tools::require(&[machine.emulator()])?;
    let mut columns = Vec::new();
    let mut guests = Vec::new();
    {
        let cache = Cache::open()?;
        for kernel in kernels {
            match cache.fetch(kernel, args.refresh) {
                Ok(image) => guests.push((kernel, image)),
                Err(error) => {
                    eprintln!("vm: kernel {} can't be had: {error:#}", kernel.name);
                    columns.push(unavailable(kernel));
                }
            }
        }
    }
    let started = Instant::now();
    let wanted: Vec<_> = guests.iter().map(|(kernel, _)| *kernel).collect();
    let binaries = guest::build(machine, args.artefact, |name| {
        wanted.iter().any(|kernel| args.wants_binary(kernel, name))
    })?;
    let root = guest::root_file_system(machine, &binaries)?;
    eprintln!(
        "vm: guest of {} MiB with {} live test binaries, made in {:.1} s",
        root.len() >> 20,
        binaries.tests.len(),
        started.elapsed().as_secs_f64()
    );
    let folder = binaries.folder.join("boots");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().with_context(|| format!("locking {}", folder.display()))?;
    let work = Work {
        args,
        root,
        tests: binaries.tests.clone(),
        folder,
        _lock: lock,
    };
    if args.shell {
        let [(kernel, image)] = guests.as_slice() else {
            bail!("--shell takes one kernel: add --kernel NAME")
        };
        let root = work.initramfs(kernel, image)?;
        qemu::shell(&work.order(kernel, image, &root, None, Path::new("/dev/null")))?;
        return Ok(columns);
    }
    columns.extend(work.run_all(guests)?);
    Ok(columns)
}

fn choose(names: &[String]) -> Result<Vec<&'static Kernel>> {
    if names.is_empty() {
        return Ok(KERNELS.iter().collect());
    }
    let known = || KERNELS.iter().map(|kernel| kernel.name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|name| {
            kernels::by_name(name).with_context(|| format!("no kernel is called {name}; there are {}", known()))
        })
        .collect()
}

/// The package in a whole Debian, on each of these kernels.
fn under_systemd(kernels: &[&'static Kernel], refresh: bool) -> Result<()> {
    let [first, second] = crate::dist::two_versions()?;
    let folder = crate::cache::dir()?.join("systemd");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().with_context(|| format!("locking {}", folder.display()))?;
    let mut failed = Vec::new();
    for kernel in kernels {
        let image = Cache::open()?.fetch(kernel, refresh)?;
        if let Err(error) = systemd::run(kernel, &image, [&first, &second], &folder) {
            eprintln!("vm: {}: {error:#}", kernel.name);
            failed.push(kernel.name);
        }
    }
    ensure!(failed.is_empty(), "under systemd, on {}: failed", failed.join(", "));
    Ok(())
}

fn list(args: &Args) -> Result<()> {
    let cache = Cache::open()?;
    for kernel in &KERNELS {
        let state = cache
            .get(kernel)
            .map_or_else(|| "not fetched yet".to_owned(), |image| image.package);
        println!("{:10}  {state} ({})", kernel.name, kernel.why);
    }
    for (binary, file) in guest::build(Machine::X86_64, args.artefact, |name| {
        !args.skip.iter().any(|skipped| skipped == name)
    })?
    .tests
    {
        for line in tools::output_of(Command::new(file).args(["--list", "--format=terse"]))?.lines() {
            if let Some(test) = line.strip_suffix(": test") {
                println!("{binary}::{test}");
            }
        }
    }
    Ok(())
}

fn unavailable(kernel: &Kernel) -> Column {
    let verdict = Verdict::Failed("the kernel can't be had (see above)".to_owned());
    let outcome = Outcome {
        test: BOOT.to_owned(),
        verdict,
        took: Duration::ZERO,
        output: Vec::new(),
    };
    Column {
        kernel: kernel.name.to_owned(),
        outcomes: vec![outcome],
    }
}

/// What all guests of a run share.
struct Work<'a> {
    args: &'a Args,
    root: Vec<u8>,
    /// Name and file of each test binary in it.
    tests: Vec<(String, PathBuf)>,
    /// Archives and logs, beside the build.
    folder: PathBuf,
    /// Held while this exists: two runs at once would write to the same archives and logs.
    _lock: File,
}

impl Work<'_> {
    /// Runs the tests on all kernels, some at a time.
    fn run_all(&self, mut guests: Vec<(&'static Kernel, Image)>) -> Result<Vec<Column>> {
        // Those that take longest first: few tests run on odd hosts, and newer kernels have more to do.
        guests.reverse();
        guests.sort_by_key(|(kernel, _)| kernel.odd.is_some());
        let queue = Mutex::new(VecDeque::from(guests));
        let next = || queue.lock().expect("no thread panics here").pop_front();
        let worker = || -> Result<Vec<Column>> {
            let mut columns = Vec::new();
            while let Some((kernel, image)) = next() {
                columns.push(
                    self.run_on(kernel, &image)
                        .with_context(|| format!("kernel {}", kernel.name))?,
                );
            }
            Ok(columns)
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.args.jobs).map(|_| scope.spawn(worker)).collect();
            let mut columns = Vec::new();
            for worker in workers {
                columns.extend(worker.join().expect("a worker doesn't panic")?);
            }
            Ok(columns)
        })
    }

    /// Runs the tests on one kernel. A guest that dies in a test is booted again for the tests after it.
    fn run_on(&self, kernel: &Kernel, image: &Image) -> Result<Column> {
        let root = self.initramfs(kernel, image)?;
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut after: Option<String> = None;
        for boot in 1.. {
            let log = self.folder.join(format!("{}-{boot}.log", kernel.name));
            let order = self.order(kernel, image, &root, after.as_deref(), &log);
            let boot = qemu::run(&order, &mut |outcome| show(kernel, outcome, &log))?;
            println!(
                "{:10}  {} ({}): booted in {:.1} s, {:.1} s in all",
                kernel.name,
                boot.release.as_deref().unwrap_or("no kernel"),
                image.package,
                boot.booted.unwrap_or_default().as_secs_f64(),
                boot.total.as_secs_f64()
            );
            for outcome in boot.closed.outcomes {
                let again = outcome.test == BOOT && outcomes.iter().any(|outcome| outcome.test == BOOT);
                if !again || matches!(outcome.verdict, Verdict::Failed(_)) {
                    outcomes.push(outcome);
                }
            }
            after = boot.closed.resume_after;
            if after.is_none() {
                break;
            }
        }
        Ok(Column {
            kernel: kernel.name.to_owned(),
            outcomes,
        })
    }

    fn initramfs(&self, kernel: &Kernel, image: &Image) -> Result<PathBuf> {
        let file = self.folder.join(format!("{}.cpio", kernel.name));
        let mut content = self.root.clone();
        content.extend(guest::modules_of(image)?);
        if let Some(policy) = kernel.odd.as_ref().and_then(|odd| odd.policy) {
            let scratch = self.folder.join(kernel.name);
            fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
            content.extend(guest::policy_of(policy, &scratch)?);
        }
        fs::write(&file, content).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    }

    fn order<'b>(
        &'b self,
        kernel: &'b Kernel,
        image: &'b Image,
        root: &'b Path,
        after: Option<&'b str>,
        log: &'b Path,
    ) -> qemu::Order<'b> {
        qemu::Order {
            machine: kernel.machine,
            odd: kernel.odd.as_ref(),
            image,
            root,
            filters: self.args.filters(kernel, &self.tests),
            after,
            test_timeout: Duration::from_secs(self.args.test_timeout),
            boot_timeout: Duration::from_secs(self.args.boot_timeout),
            log,
        }
    }
}

/// Says what came of a test, and if it failed, all that led to it.
fn show(kernel: &Kernel, outcome: &Outcome, log: &Path) {
    if outcome.test == BOOT && outcome.verdict == Verdict::Passed {
        // Its times are printed when the guest is gone.
        return;
    }
    let seconds = outcome.took.as_secs_f64();
    let mut text = format!("{:10}  {} ... ", kernel.name, outcome.test);
    match &outcome.verdict {
        Verdict::Passed => text.push_str(&format!("ok ({seconds:.1} s)")),
        Verdict::Skipped(reason) => text.push_str(&format!("skipped: {reason}")),
        Verdict::Failed(reason) => {
            text.push_str(&format!("FAILED: {reason}"));
            let hidden = outcome.output.len().saturating_sub(SHOWN_LINES);
            if hidden > 0 {
                text.push_str(&format!(
                    "\n    | ({hidden} lines before these are in {})",
                    log.display()
                ));
            }
            for line in &outcome.output[hidden..] {
                text.push_str(&format!("\n    | {line}"));
            }
        }
    }
    println!("{text}");
}
