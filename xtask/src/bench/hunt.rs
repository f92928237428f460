//! `cargo xtask bench hunt`: the time that a hunt takes, side by side with what people use instead.
//!
//! All commands read the same generated log, in turn (A B C A B C ...), so that a busy machine is as busy for each; medians are
//! told, and ratios to the hunt. A peer that is not installed is told as missing, never left out in silence.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use wait4::Wait4 as _;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Megabytes of log to generate
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// Counted runs of each command, after one that is not counted
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

/// Findings in the generated log.
const FINDINGS: u64 = 20;

/// What grep looks for: names of services and tools that the findings have.
const NEEDLES: &str = "crt.sh\ncensys.io\ncertspotter.com\nsslyze\nsslscan\ntestssl\ntlsx\nzgrab\nctfr\ns_client\n";

pub(crate) fn run(args: &Args) -> Result<()> {
    let Args { megabytes, runs } = *args;
    let program = super::built()?;
    let folder = super::folder()?;
    let log = folder.join(format!("audit-3-{megabytes}.log"));
    generate(&log, megabytes << 20)?;
    let needles = folder.join("needles");
    fs::write(&needles, NEEDLES).with_context(|| format!("writing {}", needles.display()))?;
    let bytes = fs::metadata(&log)?.len();
    let [log, needles] = [&log, &needles].map(|path| path.display().to_string());
    let laurel = folder.join("laurel.toml");
    let text = format!(
        "directory = \"{}\"\n[auditlog]\nfile = \"laurel.log\"\nsize = 10000000000\n",
        folder.display()
    );
    fs::write(&laurel, text).with_context(|| format!("writing {}", laurel.display()))?;
    let laurel = laurel.display().to_string();
    let one = "--jobs=1";
    let mut peers = vec![
        Peer::new(
            "cert-recon hunt",
            &[&program.display().to_string(), "hunt", "--format=json", one, &log],
        ),
        Peer::new("grep -F -f", &["grep", "-F", "-f", &needles, &log]),
        Peer::new(
            "ausearch --raw",
            &["ausearch", "--input", &log, "--raw", "-m", "EXECVE"],
        ),
        Peer::new("ausearch -i", &["ausearch", "--input", &log, "-i", "-m", "EXECVE"]),
        Peer::new("aureport -x", &["aureport", "--input", &log, "-x", "--summary"]),
        // Reads records from standard input, and needs a folder to write to.
        Peer::new("laurel", &["laurel", "--config", &laurel]).reading(&log),
    ];
    let output = folder.join("output");
    for round in 0..=runs {
        for peer in &mut peers {
            peer.run(&output, round > 0)?;
        }
    }
    fs::remove_file(&output).with_context(|| format!("removing {}", output.display()))?;
    let found = Command::new(&program).args(["hunt", "--format=json", &log]).output()?;
    let found = found.stdout.iter().filter(|byte| **byte == b'\n').count() as u64;
    ensure!(found == FINDINGS, "the hunt found {found} of {FINDINGS} findings");
    println!("\nAn audit log of {bytes} bytes with {FINDINGS} findings, {runs} runs in turn, medians:\n");
    println!("| command | seconds | MB/s | processor seconds | MB resident | time, times the hunt's |");
    println!("|---|---|---|---|---|---|");
    let base = peers.first().and_then(|peer| peer.median(|run| run.wall));
    for peer in &peers {
        println!("{}", peer.row(bytes, base));
    }
    Ok(())
}

struct Peer {
    name: &'static str,
    words: Vec<String>,
    /// What it reads from standard input.
    input: Option<PathBuf>,
    runs: Vec<Measured>,
    missing: bool,
}

#[derive(Clone, Copy)]
struct Measured {
    wall: Duration,
    processor: Duration,
    resident: u64,
}

impl Peer {
    fn new(name: &'static str, words: &[&str]) -> Self {
        Self {
            name,
            words: words.iter().map(|&word| word.to_owned()).collect(),
            input: None,
            runs: Vec::new(),
            missing: false,
        }
    }

    fn reading(self, file: &str) -> Self {
        Self {
            input: Some(file.into()),
            ..self
        }
    }

    /// What it prints goes to a file: grep looks no further than the first match when nobody reads what it prints.
    fn run(&mut self, output: &Path, counts: bool) -> Result<()> {
        let Some((program, args)) = self.words.split_first() else {
            return Ok(());
        };
        let start = Instant::now();
        let child = Command::new(program)
            .args(args)
            .env("LC_ALL", "C")
            .stdin(match &self.input {
                Some(path) => File::open(path)
                    .with_context(|| format!("reading {}", path.display()))?
                    .into(),
                None => Stdio::null(),
            })
            .stdout(File::create(output).with_context(|| format!("making {}", output.display()))?)
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            self.missing = true;
            return Ok(());
        };
        let usage = child
            .wait4()
            .with_context(|| format!("waiting for {}", self.name))?
            .rusage;
        if counts {
            self.runs.push(Measured {
                wall: start.elapsed(),
                processor: usage.utime + usage.stime,
                resident: usage.maxrss,
            });
        }
        Ok(())
    }

    fn median<T: Ord + Copy>(&self, of: impl Fn(&Measured) -> T) -> Option<T> {
        let mut values: Vec<T> = self.runs.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    }

    fn row(&self, bytes: u64, base: Option<Duration>) -> String {
        let medians = (
            self.median(|run| run.wall),
            self.median(|run| run.processor),
            self.median(|run| run.resident),
        );
        let (Some(wall), Some(processor), Some(resident)) = medians else {
            return format!(
                "| {} | {} |||||",
                self.name,
                if self.missing { "not installed" } else { "no run" }
            );
        };
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let (megabytes, resident) = (bytes as f64 / 1e6, resident as f64 / 1e6);
        let ratio = base.map_or(1.0, |base| wall.as_secs_f64() / base.as_secs_f64());
        format!(
            "| {} | {:.2} | {:.0} | {:.2} | {resident:.0} | {ratio:.2} |",
            self.name,
            wall.as_secs_f64(),
            megabytes / wall.as_secs_f64(),
            processor.as_secs_f64(),
        )
    }
}

/// A log like that of a busy build server: execs with their paths, and other events between them. Four of seven execs have
/// arguments of their own, the others are what is run all day. It is kept for the next time.
fn generate(path: &Path, bytes: u64) -> Result<()> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() >= bytes) {
        return Ok(());
    }
    let temporary: PathBuf = path.with_extension("new");
    let file = File::create(&temporary).with_context(|| format!("making {}", temporary.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let (mut written, mut serial, mut noise) = (0, 1_u64, 88_172_645_463_325_252_u64);
    let mut findings = 0;
    while written < bytes {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        serial += 1;
        let is_finding = findings < FINDINGS && written >= bytes / (FINDINGS + 1) * (findings + 1);
        findings += u64::from(is_finding);
        let event = if is_finding {
            exec(
                serial,
                "curl",
                &["curl", "-s", "https://crt.sh/?q=%25.example.com&output=json"],
                noise,
            )
        } else {
            match noise % 8 {
                0 => other(serial, noise),
                1 => exec(serial, "git", &["git", "rev-parse", "--short", "HEAD"], noise),
                2 => exec(
                    serial,
                    "sed",
                    &["sed", "-n", "s/^version = \\(.*\\)/\\1/p", "Cargo.toml"],
                    noise,
                ),
                3 => {
                    let line = format!("cd build/{noise:x} && make -s all | tee log");
                    exec(serial, "bash", &["/bin/bash", "-ec", &line], noise)
                }
                4 => {
                    let object = format!("build/{noise:x}.o");
                    let source = format!("src/{noise:x}.c");
                    let words = [
                        "gcc",
                        "-O2",
                        "-g",
                        "-Wall",
                        "-Iinclude",
                        "-Ithird_party/include",
                        "-DNDEBUG",
                        "-fPIC",
                        "-MMD",
                        "-c",
                        &source,
                        "-o",
                        &object,
                    ];
                    exec(serial, "gcc", &words, noise)
                }
                5 => exec(
                    serial,
                    "cat",
                    &["cat", &format!("/proc/{}/status", noise % 60_000)],
                    noise,
                ),
                6 => {
                    let folder = format!("/var/lib/build/cache/{noise:x}");
                    exec(serial, "ls", &["ls", "-la", "--color=never", &folder], noise)
                }
                _ => exec(
                    serial,
                    "python3.11",
                    &["python3", "-m", "pip", "install", "-r", "requirements.txt"],
                    noise,
                ),
            }
        };
        out.write_all(event.as_bytes())?;
        written += event.len() as u64;
    }
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    fs::rename(&temporary, path).with_context(|| format!("naming {}", path.display()))
}

fn stamp(serial: u64) -> String {
    let millis = 1_795_600_000_000 + serial * 7;
    format!("msg=audit({}.{:03}:{serial}):", millis / 1000, millis % 1000)
}

/// The kernel writes what has spaces or quotes as hexadecimal digits.
fn value(text: &str) -> String {
    match text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
        true => format!("\"{text}\""),
        false => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
    }
}

fn exec(serial: u64, file: &str, argv: &[&str], noise: u64) -> String {
    let stamp = stamp(serial);
    let args: Vec<String> = argv
        .iter()
        .enumerate()
        .map(|(n, arg)| format!("a{n}={}", value(arg)))
        .collect();
    let title: String = argv
        .join("\0")
        .bytes()
        .take(128)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let pid = 1000 + noise % 60_000;
    format!(
        "type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 a0=55d0c8a4e6d0 a1=55d0c8a4d2b0 a2=55d0c8a3f010 \
         a3=8 items=2 ppid={} pid={pid} auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 \
         fsgid=1000 tty=pts0 ses=3 comm=\"{file}\" exe=\"/usr/bin/{file}\" subj=unconfined key=\"execs\"\n\
         type=EXECVE {stamp} argc={} {}\n\
         type=CWD {stamp} cwd=\"/srv/ci/workspace/project-{}\"\n\
         type=PATH {stamp} item=0 name=\"/usr/bin/{file}\" inode={} dev=fe:00 mode=0100755 ouid=0 ogid=0 rdev=00:00 \
         nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0\n\
         type=PATH {stamp} item=1 name=\"/lib64/ld-linux-x86-64.so.2\" inode=325843 dev=fe:00 mode=0100755 ouid=0 ogid=0 \
         rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0\n\
         type=PROCTITLE {stamp} proctitle={title}\n",
        1000 + noise % 251,
        argv.len(),
        args.join(" "),
        noise % 17,
        200_000 + noise % 90_000,
    )
}

fn other(serial: u64, noise: u64) -> String {
    let stamp = stamp(serial);
    format!(
        "type=SYSCALL {stamp} arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7ffd8a0d1e90 a2=80241 a3=1b6 items=1 \
         ppid=1 pid={} auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 \
         comm=\"sshd\" exe=\"/usr/sbin/sshd\" key=\"identity\"\n\
         type=CWD {stamp} cwd=\"/\"\n\
         type=PATH {stamp} item=0 name=\"/etc/passwd\" inode=131 dev=fe:00 mode=0100644 ouid=0 ogid=0 rdev=00:00 \
         nametype=NORMAL\n\
         type=PROCTITLE {stamp} proctitle=737368643A20\n\
         type=USER_ACCT {stamp} pid={} uid=0 auid=4294967295 ses=4294967295 msg='op=PAM:accounting acct=\"build\" \
         exe=\"/usr/sbin/sshd\" hostname=10.0.0.7 addr=10.0.0.7 terminal=ssh res=success'\n",
        500 + noise % 30_000,
        500 + noise % 30_000,
    )
}
