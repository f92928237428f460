//! `cert-recon watch`.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use bytesize::ByteSize;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Status, held,
    outputs::{MetricsArgs, OutputArgs},
    parse_confidence,
    rule_args::RuleArgs,
    settings::Asked,
};
use crate::{
    config,
    enrich::{hash::HashLimits, processes::Limits},
    host,
    rules::Confidence,
    sink::terminal,
    source::live::Options,
    suppress::Wanted,
    watch::{self, Config, Request, canary, service::Service},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) outputs: OutputArgs,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    /// Record every exec in this folder, compressed, for `hunt DIR` (mode 0700; what others could write to is refused).
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,
    /// Bytes that the folder may hold; the oldest files go first. [default: 2GiB]
    #[arg(long, value_name = "SIZE", value_parser = config::record_budget)]
    pub(super) record_budget: Option<u64>,
    /// Report findings of at least this confidence. [default: low]
    #[arg(long, value_name = "low|medium|high", value_parser = parse_confidence)]
    pub(super) min_confidence: Option<Confidence>,
    #[command(flatten)]
    pub(super) rules: RuleArgs,
    /// Report every exec, not only findings.
    #[arg(long)]
    pub(super) all_execs: bool,
    /// Report findings that a suppression holds for too, marked.
    #[arg(long)]
    pub(super) show_suppressed: bool,
    /// Fold findings that are the same within this time into one; 0 folds none. [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = config::fold_interval)]
    pub(super) fold_interval: Option<Duration>,
    /// End after this long (30s, 5m, 1h 30m).
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) duration: Option<Duration>,
    /// End after so many results.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// Size of the ring buffer between kernel and user space: a power of two, 4KiB to 1GiB. [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = config::ring_size)]
    pub(super) ring_size: Option<u32>,
    /// Executables larger than this are not hashed. [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = config::size)]
    pub(super) hash_limit: Option<u64>,
    /// Bytes of findings' executables hashed per second at most, and half as many of other execs'. [default: 200MiB]
    #[arg(long, value_name = "SIZE", value_parser = config::size)]
    pub(super) hash_rate: Option<u64>,
    /// The monitor execs a program of its own so often that it notices within this time when it sees nothing any more.
    /// [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = config::interval)]
    pub(super) canary_interval: Option<Duration>,
    /// How often it reports on itself (and on SIGUSR1). [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = config::interval)]
    pub(super) health_interval: Option<Duration>,
    /// The type information (BTF) of exactly the running kernel, where the kernel itself has none.
    #[arg(long, value_name = "FILE", default_value = Options::BTF)]
    pub(super) btf: PathBuf,
}

pub(super) const RECORD_BUDGET: u64 = 2 << 30;
pub(super) const RING_SIZE: u32 = 16 << 20;
pub(super) const HASH_LIMIT: u64 = 256 << 20;
pub(super) const HASH_RATE: u64 = 200 << 20;
pub(super) const CANARY_INTERVAL: Duration = Duration::from_secs(60);
pub(super) const HEALTH_INTERVAL: Duration = Duration::from_secs(300);

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    let asked = Asked {
        rules: args.rules,
        min_confidence: args.min_confidence,
        fold_interval: args.fold_interval,
    };
    let file = asked.rules.config()?;
    let fixed = file.watch.clone();
    let packs = asked.rules.names(&file).join(", ");
    let settings = asked.draft(file)?;
    let top = args.outputs.top;
    anyhow::ensure!(
        !top || io::stdout().is_terminal(),
        "--top draws on a terminal, and standard output is none: leave it out, or use --format json"
    );
    let outputs = args.outputs.targets(&fixed);
    let metrics = args.metrics.metrics(&fixed);
    let ring_size = args.ring_size.or(fixed.ring_size).unwrap_or(RING_SIZE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the event loop")?;
    runtime.block_on(async move {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
        let mut tell_health = signal(SignalKind::user_defined1()).context("listening for SIGUSR1")?;
        let (request, requests) = tokio::sync::mpsc::channel(8);
        let duration = args.duration;
        let end = async move {
            let time = async {
                match duration {
                    Some(duration) => tokio::time::sleep(duration).await,
                    None => std::future::pending().await,
                }
            };
            tokio::pin!(time);
            let gone = terminal::gone();
            tokio::pin!(gone);
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return,
                    _ = terminate.recv() => return,
                    () = &mut time => return,
                    // As when the reader of a pipe goes away; whoever wants it to stay gives it no terminal.
                    () = &mut gone => return,
                    // Those that wait already stand for this one as well.
                    _ = hangup.recv() => drop(request.try_send(Request::Reload)),
                    _ = tell_health.recv() => drop(request.try_send(Request::Health)),
                }
            }
        };
        let ring = ByteSize(u64::from(ring_size));
        let device = host::name();
        let ready = {
            let device = device.clone();
            move || {
                log::info!(
                    "watching every exec on {device} (Linux {}, ring buffer {ring}, rules {packs})",
                    host::kernel_release()
                );
            }
        };
        let config = Config {
            live: Options {
                ring_size,
                btf: args.btf,
                nonce: canary::nonce().context("asking the kernel for random bytes")?,
            },
            settings,
            reload: asked.reload(fixed.clone()),
            wanted: Wanted {
                all_execs: args.all_execs,
                suppressed: args.show_suppressed,
                count: args.count,
            },
            outputs,
            view: top.then_some(held::newest),
            metrics,
            record: args.record.or(fixed.record).map(|folder| {
                let budget = args.record_budget.or(fixed.record_budget);
                (folder, budget.unwrap_or(RECORD_BUDGET))
            }),
            device,
            hashing: HashLimits {
                max_file: args.hash_limit.or(fixed.hash_limit).unwrap_or(HASH_LIMIT),
                bytes_per_second: args.hash_rate.or(fixed.hash_rate).unwrap_or(HASH_RATE),
                ..HashLimits::default()
            },
            processes: Limits::default(),
            canary_interval: args
                .canary_interval
                .or(fixed.canary_interval)
                .unwrap_or(CANARY_INTERVAL),
            health_interval: args
                .health_interval
                .or(fixed.health_interval)
                .unwrap_or(HEALTH_INTERVAL),
            service: Service::from_environment(),
        };
        let held = top.then(held::Held::begin);
        let closing = watch::run(config, ready, requests, end).await;
        drop(held);
        let closing = closing?;
        for line in closing.to_string().lines() {
            log::info!("{line}");
        }
        Ok(Status::Clean)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_configuration_shows_the_defaults() {
        let text = include_str!("../../../dist/config.toml");
        let shown = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("#{key} = ")));
            line.unwrap_or_else(|| panic!("no {key}")).trim_matches('"').to_owned()
        };
        let size = |key: &str| config::size(&shown(key)).unwrap();
        assert_eq!(size("record_budget"), RECORD_BUDGET);
        assert_eq!(size("ring_size"), u64::from(RING_SIZE));
        assert_eq!(size("hash_limit"), HASH_LIMIT);
        assert_eq!(size("hash_rate"), HASH_RATE);
        let interval = |key: &str| config::interval(&shown(key)).unwrap();
        assert_eq!(interval("canary_interval"), CANARY_INTERVAL);
        assert_eq!(interval("health_interval"), HEALTH_INTERVAL);
        assert_eq!(interval("fold_interval"), crate::cli::settings::FOLD_INTERVAL);
        assert_eq!(shown("min_confidence").parse(), Ok(Confidence::Low));
    }
}
