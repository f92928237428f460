//! `cargo xtask bench exec`: what watching costs, side by side with other exec monitors and with none.
//!
//! In each round every workload runs under every monitor in turn, each monitor started anew, and in every other round in the
//! opposite order (A B C C B A ...), so that a busy machine is as busy for each. "no monitor" is the first and the last of a
//! round: what a monitor costs is told against the mean of the two, medians of the rounds, and the ratio of the two shows the
//! noise. The kernel's measurement of eBPF programs costs time itself and has runs of its own.

mod complete;
mod latency;
mod loss;
mod measure;
mod monitor;
mod pair;
mod report;
mod workload;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use self::{
    complete::Complete,
    latency::Latency,
    loss::Loss,
    measure::{Memory, Stats, spent},
    monitor::{CERT_RECON, Monitor, NOTHING, NOTHING_AGAIN, Output, PEERS},
    pair::Pair,
    workload::{Cost, Programs, Storm, Workload},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rounds: runs of each workload under each monitor
    #[arg(long, default_value_t = 11)]
    runs: usize,
    /// Three rounds of less work each: for a first look, not for the record
    #[arg(long)]
    quick: bool,
    /// Monitors beside none and cert-recon, separated by commas (execsnoop, execsnoop.bt, auditd, sysdig; empty for none)
    #[arg(long, value_delimiter = ',', default_values = PEERS)]
    peers: Vec<String>,
    /// Workloads, separated by commas (one, four, 4k, 128k, many, build, script) [default: all]
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Measure this cert-recon, and do not build one
    #[arg(long)]
    program: Option<PathBuf>,
    /// Another cert-recon to measure in the same run, for example one built before a change, and at once with the first one
    #[arg(long)]
    before: Option<PathBuf>,
    /// Do not measure the time from exec to finding
    #[arg(long)]
    no_latency: bool,
    /// Do not look for the ring buffer that is too small
    #[arg(long)]
    no_loss: bool,
    /// Write the report to this file, in Markdown
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Write the report to this file, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

const BEFORE: &str = "cert-recon, before";

/// A workload under a monitor, all rounds.
struct Cell {
    monitor: &'static str,
    rounds: Vec<Round>,
    /// Nanoseconds in eBPF programs for each exec, a value for each run with the kernel's measurement on.
    kernel: Vec<f64>,
    complete: Option<Complete>,
}

/// One run.
#[derive(Clone, Copy)]
struct Round {
    cost: Cost,
    monitor_cpu: u64,
    memory: Memory,
    ready_after: Duration,
    /// What cert-recon says of itself.
    sums: Option<Sums>,
}

#[derive(Clone, Copy)]
struct Sums {
    execs: u64,
    lost: u64,
    cut: u64,
    /// Lines that no output took, because they came faster than they were written.
    unwritten: u64,
}

struct Measured {
    workload: Workload,
    cells: Vec<Cell>,
}

/// What was found.
struct Results {
    runs: usize,
    measured: Vec<Measured>,
    missing: Vec<String>,
    idle: Option<Latency>,
    storm: Option<Latency>,
    losses: Vec<Loss>,
    /// Time in eBPF programs against that of the build before.
    pair: Option<Pair>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "only root may load eBPF programs: run this as root"
    );
    let program = match &args.program {
        Some(program) => fs::canonicalize(program).with_context(|| format!("looking for {}", program.display()))?,
        None => super::built()?,
    };
    let folder = super::folder()?.join("exec");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let programs = Programs::build(&folder)?;
    let workloads = workloads(&programs, args)?;
    let mut missing = Vec::new();
    let mut monitors = vec![
        Monitor::nothing(NOTHING),
        Monitor::cert_recon(CERT_RECON, &program, &[]),
    ];
    if let Some(before) = &args.before {
        monitors.push(Monitor::cert_recon(BEFORE, before, &[]));
    }
    for peer in args.peers.iter().filter(|peer| !peer.is_empty()) {
        let Some(&name) = PEERS.iter().find(|name| *name == peer) else {
            bail!("no monitor is called {peer:?} here: there are {}", PEERS.join(", "));
        };
        match Monitor::peer(name) {
            Some(monitor) => match monitor.start(&folder, Output::File) {
                Ok(_) => monitors.push(monitor),
                Err(error) => missing.push(format!("{name}: {error:#}")),
            },
            None => missing.push(format!("{name}: not installed")),
        }
    }
    monitors.push(Monitor::nothing(NOTHING_AGAIN));

    let runs = if args.quick { 3 } else { args.runs };
    let mut measured: Vec<Measured> = workloads
        .into_iter()
        .map(|workload| Measured {
            workload,
            cells: monitors.iter().map(|monitor| Cell::new(monitor.name)).collect(),
        })
        .collect();
    for round in 0..runs {
        for Measured { workload, cells } in &mut measured {
            eprintln!("xtask: round {} of {runs}: {}", round + 1, workload.name);
            // What the first run of a workload brings into memory, it brings for all.
            if round == 0 {
                workload.run()?;
            }
            let mut turns: Vec<_> = monitors.iter().zip(cells).collect();
            if round % 2 == 1 {
                turns.reverse();
            }
            for (monitor, cell) in turns {
                cell.rounds.push(measure_round(monitor, workload, &folder)?);
            }
        }
    }
    measure_kernel(&mut measured, &monitors, runs, &folder)?;
    let all = Monitor::cert_recon(CERT_RECON, &program, &["--all-execs"]);
    for Measured { workload, cells } in &mut measured {
        let Some(storm) = workload.storm else { continue };
        eprintln!("xtask: completeness: {}", workload.name);
        for (monitor, cell) in monitors.iter().zip(cells) {
            if monitor.is_nothing() || monitor.name == BEFORE {
                continue;
            }
            let monitor = if monitor.name == CERT_RECON { &all } else { monitor };
            let running = monitor.start(&folder, Output::File)?;
            running.settle();
            workload.run()?;
            running.settle();
            let output = running.stop()?.0;
            cell.complete = Some(Complete {
                unwritten: sums(&output).map_or(0, |sums| sums.unwritten),
                ..complete::examine(&output, storm)
            });
        }
    }
    let (mut idle, mut under_storm) = (None, None);
    if !args.no_latency {
        eprintln!("xtask: time from exec to finding");
        let count = if args.quick { 20_000 } else { 60_000 };
        let storm = programs.storm("four", short(4, count));
        idle = Some(latency::measure(&program, &programs, &folder, 1000, None)?);
        under_storm = Some(latency::measure(&program, &programs, &folder, 0, Some(&storm))?);
    }
    let losses = if args.no_loss {
        Vec::new()
    } else {
        eprintln!("xtask: the first loss");
        let count = if args.quick { 10_000 } else { 20_000 };
        loss::measure(&program, &programs.storm("four", short(4, count)), &folder)?
    };
    let pair = match &args.before {
        Some(before) => {
            eprintln!("xtask: kernel time, both at once");
            let [new, old] = [&program, before].map(|program| Monitor::cert_recon(CERT_RECON, program, &[]));
            let storm = programs.storm("one", short(1, 1000));
            Some(pair::measure(&new, &old, &storm, runs.div_ceil(2), &folder)?)
        }
        None => None,
    };
    let results = Results {
        runs,
        measured,
        missing,
        idle,
        storm: under_storm,
        losses,
        pair,
    };
    let markdown = report::markdown(&results);
    println!("{markdown}");
    let write = |file: &Option<PathBuf>, text: &str| match file {
        Some(file) => fs::write(file, text).with_context(|| format!("writing {}", file.display())),
        None => Ok(()),
    };
    write(&args.markdown, &markdown)?;
    write(&args.json, &format!("{:#}\n", report::json(&results)))
}

impl Cell {
    fn new(monitor: &'static str) -> Self {
        Self {
            monitor,
            rounds: Vec::new(),
            kernel: Vec::new(),
            complete: None,
        }
    }
}

/// Three arguments of a few bytes, the id among them.
fn short(workers: u64, count: u64) -> Storm {
    Storm {
        workers,
        count,
        arguments: 2,
        length: 8,
    }
}

fn workloads(programs: &Programs, args: &Args) -> Result<Vec<Workload>> {
    let less = if args.quick { 2 } else { 1 };
    let storm = |workers, count: u64, arguments, length| Storm {
        workers,
        count: count / less,
        arguments,
        length,
    };
    let mut all = vec![
        programs.storm("one", short(1, 8_000 / less)),
        programs.storm("four", short(4, 4_000 / less)),
        programs.storm("4k", storm(1, 4_000, 1, 4_000)),
        programs.storm("128k", storm(1, 1_000, 1, 131_071)),
        programs.storm("many", storm(1, 100, 15_000, 100)),
        programs.build_project(if args.quick { 10 } else { 40 })?,
        programs.script(if args.quick { 50 } else { 200 })?,
    ];
    for name in &args.workloads {
        if !all.iter().any(|workload| workload.name == name) {
            let names: Vec<_> = all.iter().map(|workload| workload.name).collect();
            bail!("no workload is called {name:?}: there are {}", names.join(", "));
        }
    }
    all.retain(|workload| args.workloads.is_empty() || args.workloads.iter().any(|name| name == workload.name));
    Ok(all)
}

fn measure_round(monitor: &Monitor, workload: &Workload, folder: &Path) -> Result<Round> {
    let running = monitor.start(folder, Output::File)?;
    running.settle();
    let process = running.process();
    let before = process.map_or(0, |process| process.cpu());
    let cost = workload.run()?;
    running.settle();
    let monitor_cpu = process.map_or(0, |process| process.cpu()).saturating_sub(before);
    let memory = process.map_or_else(Memory::default, |process| process.memory());
    let ready_after = running.ready_after;
    let output = running.stop()?.0;
    Ok(Round {
        cost,
        monitor_cpu,
        memory,
        ready_after,
        sums: sums(&output),
    })
}

/// The sums in the last of cert-recon's records.
fn sums(output: &[u8]) -> Option<Sums> {
    let last = output
        .rsplit(|&byte| byte == b'\n')
        .find(|line| line.starts_with(b"{"))?;
    let record: serde_json::Value = serde_json::from_slice(last).ok()?;
    Some(Sums {
        execs: record["Execs"].as_u64()?,
        lost: record["Lost"].as_u64()?,
        cut: record["ArgumentsTruncatedCount"].as_u64()?,
        unwritten: record["Outputs"]
            .as_array()?
            .iter()
            .map(|output| output["Dropped"].as_u64())
            .sum::<Option<u64>>()?,
    })
}

fn measure_kernel(measured: &mut [Measured], monitors: &[Monitor], runs: usize, folder: &Path) -> Result<()> {
    let _stats = Stats::on()?;
    for round in 0..runs {
        eprintln!("xtask: kernel time, round {} of {runs}", round + 1);
        for Measured { workload, cells } in &mut *measured {
            // Only where the number of execs is known.
            let Some(execs) = workload.execs else { continue };
            for (monitor, cell) in monitors.iter().zip(cells) {
                let running = monitor.start(folder, Output::File)?;
                running.settle();
                let Some(process) = running.process() else { continue };
                let before = process.programs();
                if before.is_empty() {
                    continue;
                }
                workload.run()?;
                let nanoseconds = spent(&before, &process.programs());
                #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
                cell.kernel.push(nanoseconds / execs as f64);
            }
        }
    }
    Ok(())
}
