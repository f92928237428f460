//! How long a finding takes from its exec to the reader of the monitor's output, on an idle host and under a storm.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{
    monitor::{CERT_RECON, Monitor, Output},
    workload::{Programs, Workload},
};

/// Between two execs that make findings. Odd, so that they do not keep step with anything.
const PAUSE: Duration = Duration::from_micros(7_300);
const PATIENCE: Duration = Duration::from_secs(10);

/// Times from before the exec (its spawn included) until the finding's line was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latency {
    pub(super) samples: usize,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

/// Makes `samples` findings, or as many as come while `storm` runs.
pub(super) fn measure(
    program: &Path,
    programs: &Programs,
    folder: &Path,
    samples: usize,
    storm: Option<&Workload>,
) -> Result<Latency> {
    let curl = folder.join("curl");
    fs::copy(&programs.tiny, &curl).with_context(|| format!("making {}", curl.display()))?;
    let monitor = Monitor::cert_recon(CERT_RECON, program, &["--fold-interval", "0"]);
    let mut running = monitor.start(folder, Output::Pipe)?;
    let pipe = running.pipe().context("no pipe from the monitor")?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let now = Instant::now();
            let number = line.split("q=n").nth(1).and_then(|rest| rest.split('.').next());
            if let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) {
                let _ = tell.send((number, now));
            }
        }
    });
    let mut begun = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let storm = storm.map(|storm| scope.spawn(|| storm.run()));
        while storm
            .as_ref()
            .map_or(begun.len() < samples, |storm| !storm.is_finished())
        {
            let url = format!("https://crt.sh/?q=n{}.example.com", begun.len());
            let mut command = Command::new(&curl);
            command.args(["-s", &url]).stdin(Stdio::null());
            begun.push(Instant::now());
            command
                .status()
                .with_context(|| format!("starting {}", curl.display()))?;
            thread::sleep(PAUSE);
        }
        if let Some(storm) = storm {
            storm
                .join()
                .map_err(|_| anyhow::anyhow!("the storm's thread panicked"))??;
        }
        Ok(())
    })?;
    let mut times = BTreeMap::new();
    while times.len() < begun.len() {
        let Ok((number, at)) = told.recv_timeout(PATIENCE) else {
            break;
        };
        if let Some(begun) = begun.get(number) {
            times.entry(number).or_insert(at.duration_since(*begun));
        }
    }
    running.stop()?;
    ensure!(
        times.len() == begun.len(),
        "{} of {} findings arrived",
        times.len(),
        begun.len()
    );
    let mut times: Vec<Duration> = times.into_values().collect();
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    match (at(50), at(99), times.last()) {
        (Some(&p50), Some(&p99), Some(&max)) => Ok(Latency {
            samples: times.len(),
            p50,
            p99,
            max,
        }),
        _ => anyhow::bail!("no findings were made"),
    }
}
