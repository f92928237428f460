//! The monitors that are measured: how each is started, when it is ready, how it ends. One that is not installed is missing.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::measure::Process;
use crate::tools;

/// A monitor that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// eBPF tools that don't say so are ready when their programs have stayed the same for so long.
const STEADY: Duration = Duration::from_millis(400);

/// An exec monitor.
pub(super) struct Monitor {
    pub(super) name: &'static str,
    kind: Kind,
    program: PathBuf,
    args: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing is started.
    Nothing,
    /// Says READY as a service does.
    Service,
    /// Needs tracefs; ready when its eBPF programs are there.
    Tracing,
    /// auditd and a rule of the kernel's audit.
    Audit,
}

/// What `--monitors` may name, and the names in the report.
pub(super) const CERT_RECON: &str = "cert-recon";
pub(super) const NOTHING: &str = "no monitor";
pub(super) const NOTHING_AGAIN: &str = "no monitor, again";
pub(super) const PEERS: [&str; 4] = ["execsnoop", "execsnoop.bt", "auditd", "sysdig"];

impl Monitor {
    pub(super) fn nothing(name: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Nothing,
            program: PathBuf::new(),
            args: Vec::new(),
        }
    }

    /// cert-recon as it is installed, or with every exec in its output.
    pub(super) fn cert_recon(name: &'static str, program: &Path, args: &[&str]) -> Self {
        Self {
            name,
            kind: Kind::Service,
            program: program.to_owned(),
            args: ["watch", "--format=json"]
                .iter()
                .chain(args)
                .map(|&arg| arg.to_owned())
                .collect(),
        }
    }

    /// One of [`PEERS`]; `None` where it is not installed.
    pub(super) fn peer(name: &'static str) -> Option<Self> {
        let (kind, program, args): (_, _, &[&str]) = match name {
            "execsnoop" => (Kind::Tracing, "execsnoop", &[]),
            "execsnoop.bt" => (Kind::Tracing, "bpftrace", &["execsnoop.bt"]),
            "auditd" => (Kind::Audit, "auditd", &["-n", "-c"]),
            _ => (
                Kind::Tracing,
                "sysdig",
                &["--modern-bpf", "-p", "%proc.exeline", "evt.type in (execve,execveat)"],
            ),
        };
        let program = tools::find(program)?;
        let args = args.iter().map(|&arg| match arg {
            "execsnoop.bt" => tools::find(arg).map(|path| path.display().to_string()),
            other => Some(other.to_owned()),
        });
        Some(Self {
            name,
            kind,
            program,
            args: args.collect::<Option<_>>()?,
        })
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.kind == Kind::Nothing
    }

    /// Starts it and waits until it watches. Its output goes to a file in `folder`, or through a pipe.
    pub(super) fn start(&self, folder: &Path, output: Output) -> Result<Running> {
        let file = folder.join("output");
        let mut running = Running {
            child: None,
            output: file.clone(),
            errors: folder.join("errors"),
            audit: None,
            ready_after: Duration::ZERO,
        };
        let out = File::create(&file).with_context(|| format!("making {}", file.display()))?;
        let errors = File::create(&running.errors).with_context(|| format!("making {}", running.errors.display()))?;
        let socket = folder.join("notify");
        let _ = fs::remove_file(&socket);
        let mut command = match self.kind {
            Kind::Nothing => return Ok(running),
            Kind::Tracing => {
                // In a mount namespace of its own, so that nothing of this host changes.
                let mut command = Command::new("unshare");
                let script = "mount -t tracefs tracefs /sys/kernel/tracing; mount -t debugfs debugfs /sys/kernel/debug; \
                              exec \"$@\"";
                command.args(["--mount", "sh", "-c", script, "sh"]).arg(&self.program);
                command
            }
            Kind::Service | Kind::Audit => Command::new(&self.program),
        };
        command.args(&self.args).env("NOTIFY_SOCKET", &socket);
        let audit = (self.kind == Kind::Audit).then(|| Audit::prepare(folder)).transpose()?;
        if let Some(audit) = &audit {
            command.arg(folder);
            running.output.clone_from(&audit.log);
        }
        let notify = UnixDatagram::bind(&socket).with_context(|| format!("listening on {}", socket.display()))?;
        notify.set_read_timeout(Some(POLL))?;
        command.stdin(Stdio::null()).stderr(errors).stdout(match output {
            Output::File => Stdio::from(out),
            Output::Pipe => Stdio::piped(),
        });
        let start = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", tools::shown(&command)))?;
        running.child = Some(child);
        let mut seen = (Instant::now(), Vec::new());
        loop {
            let Some(process) = running.process() else {
                bail!("{}: no process", self.name)
            };
            let is_ready = match self.kind {
                Kind::Service => {
                    let mut message = [0; 4096];
                    let told = notify.recv(&mut message).unwrap_or(0);
                    message
                        .iter()
                        .take(told)
                        .copied()
                        .collect::<Vec<_>>()
                        .starts_with(b"READY=1")
                }
                Kind::Audit => audit.as_ref().is_some_and(|audit| audit.is_ready(process.0)),
                _ => {
                    let programs: Vec<u64> = process.programs().into_keys().collect();
                    if programs.is_empty() || programs != seen.1 {
                        seen = (Instant::now(), programs);
                    }
                    seen.0.elapsed() > STEADY
                }
            };
            if is_ready {
                running.ready_after = start.elapsed();
                break;
            }
            ensure!(
                process.is_running() && start.elapsed() < PATIENCE,
                "{} did not begin to watch: {}",
                self.name,
                running.errors().trim()
            );
            if self.kind != Kind::Service {
                thread::sleep(POLL);
            }
        }
        if let Some(audit) = audit {
            audit.add_rule()?;
            running.audit = Some(audit);
        }
        Ok(running)
    }
}

/// Where a monitor writes.
#[derive(Clone, Copy)]
pub(super) enum Output {
    File,
    Pipe,
}

/// A monitor at work. Stopped when it is dropped.
pub(super) struct Running {
    child: Option<Child>,
    output: PathBuf,
    errors: PathBuf,
    audit: Option<Audit>,
    /// From its start until it watched.
    pub(super) ready_after: Duration,
}

impl Running {
    pub(super) fn process(&self) -> Option<Process> {
        self.child.as_ref().map(|child| Process(child.id()))
    }

    pub(super) fn pipe(&mut self) -> Option<std::process::ChildStdout> {
        self.child.as_mut()?.stdout.take()
    }

    fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Waits until it has done what was left for it to do, or does not end with it.
    pub(super) fn settle(&self) {
        let Some(process) = self.process() else { return };
        let start = Instant::now();
        let mut before = process.cpu();
        while start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(60));
            let now = process.cpu();
            if now - before < 1_000_000 {
                break;
            }
            before = now;
        }
    }

    /// Ends it, and returns what it has written and what it said.
    pub(super) fn stop(mut self) -> Result<(Vec<u8>, String)> {
        self.end();
        let mut bytes = Vec::new();
        File::open(&self.output)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .with_context(|| format!("reading {}", self.output.display()))?;
        Ok((bytes, self.errors()))
    }

    fn end(&mut self) {
        let audit = self.audit.take();
        if let Some(audit) = &audit {
            audit.remove_rule();
        }
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // auditd tells the kernel that it ends only then.
            let _ = kill_process(pid, if audit.is_some() { Signal::TERM } else { Signal::INT });
            let start = Instant::now();
            while matches!(child.try_wait(), Ok(None)) {
                if start.elapsed() > PATIENCE {
                    let _ = child.kill();
                }
                thread::sleep(POLL);
            }
        }
        let _ = child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// The kernel's audit, told to tell of every exec. As it was before when it is dropped.
struct Audit {
    control: PathBuf,
    log: PathBuf,
    enabled: String,
}

const RULE: [&str; 7] = [
    "always,exit",
    "-F",
    "arch=b64",
    "-S",
    "execve,execveat",
    "-k",
    "cert-recon-bench",
];

impl Audit {
    fn prepare(folder: &Path) -> Result<Self> {
        let control = tools::find("auditctl").context("auditd is here, but no auditctl")?;
        let log = folder.join("audit.log");
        let _ = fs::remove_file(&log);
        let config = format!(
            "local_events = yes\nwrite_logs = yes\nlog_file = {}\nlog_format = RAW\nflush = INCREMENTAL_ASYNC\nfreq = 50\n\
             max_log_file = 2000\nnum_logs = 2\nname_format = NONE\nmax_log_file_action = KEEP_LOGS\nspace_left = 75\n\
             space_left_action = IGNORE\nadmin_space_left = 50\nadmin_space_left_action = IGNORE\n\
             disk_full_action = IGNORE\ndisk_error_action = IGNORE\nplugin_dir = {}\n",
            log.display(),
            folder.display()
        );
        let file = folder.join("auditd.conf");
        fs::write(&file, config)
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o640)))
            .with_context(|| format!("writing {}", file.display()))?;
        let mut audit = Self {
            control,
            log,
            enabled: "0".to_owned(),
        };
        let status = audit.told(&["-s"])?;
        // One that was killed is still named.
        let other = status.lines().find_map(|line| line.strip_prefix("pid ")?.parse().ok());
        ensure!(
            !other.is_some_and(|pid| pid != 0 && Process(pid).is_running()),
            "another auditd is at work on this host"
        );
        if let Some(enabled) = status.lines().find_map(|line| line.strip_prefix("enabled ")) {
            enabled.clone_into(&mut audit.enabled);
        }
        Ok(audit)
    }

    fn told(&self, args: &[&str]) -> Result<String> {
        tools::stdout_of(Command::new(&self.control).args(args))
    }

    fn is_ready(&self, pid: u32) -> bool {
        let line = format!("pid {pid}");
        self.told(&["-s"])
            .is_ok_and(|status| status.lines().any(|told| told == line))
    }

    fn remove_rule(&self) {
        let _ = self.told(&[&["-d"], &RULE[..]].concat());
    }

    fn add_rule(&self) -> Result<()> {
        self.told(&["-b", "16384"])?;
        self.told(&["-e", "1"])?;
        self.told(&[&["-a"], &RULE[..]].concat()).map(drop)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.remove_rule();
        let _ = self.told(&["-e", &self.enabled]);
    }
}
