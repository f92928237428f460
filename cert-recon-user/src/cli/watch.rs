//! `cert-recon watch`.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use bytesize::ByteSize;
use tokio::signal::unix::{SignalKind, signal};

use super::{Format, RuleArgs, Status, parse_confidence};
use crate::{
    enrich::{hash::HashLimits, processes::Limits},
    host,
    pipeline::Selection,
    rules::Confidence,
    source::live::Options,
    watch::{self, Config, Form, Request, canary},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Form of the results on standard output.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Append each result as a line of JSON to this file (mode 0600, never through a symbolic link, opened anew on SIGHUP).
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Report findings of at least this confidence.
    #[arg(long, value_name = "low|medium|high", default_value = "low", value_parser = parse_confidence)]
    min_confidence: Confidence,
    #[command(flatten)]
    rules: RuleArgs,
    /// Report every exec, not only findings.
    #[arg(long)]
    all_execs: bool,
    /// End after this long (30s, 5m, 1h 30m).
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// End after so many results.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Size of the ring buffer between kernel and user space: a power of two, 4KiB to 1GiB.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = ring_size)]
    ring_size: u32,
    /// Executables larger than this are not hashed.
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    hash_limit: ByteSize,
    /// Bytes of executables hashed per second at most.
    #[arg(long, value_name = "SIZE", default_value = "200MiB")]
    hash_rate: ByteSize,
    /// The monitor execs a program of its own so often that it notices within this time when it sees nothing any more.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = interval)]
    canary_interval: Duration,
    /// How often it reports on itself (and on SIGUSR1).
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = interval)]
    health_interval: Duration,
    /// The kernel's type information.
    #[arg(long, value_name = "FILE", default_value = Options::BTF, hide = true)]
    btf: PathBuf,
}

fn ring_size(text: &str) -> Result<u32, String> {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let size: ByteSize = text.parse().map_err(|error| format!("{error}; write it as 16MiB"))?;
    let bytes = size.as_u64();
    if !bytes.is_power_of_two() || !(page..=1 << 30).contains(&bytes) {
        return Err(format!(
            "the ring buffer's size must be a power of two from {} to 1 GiB",
            ByteSize(page)
        ));
    }
    u32::try_from(bytes).map_err(|error| error.to_string())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_secs(1) {
        return Err("the shortest interval is 1s".to_owned());
    }
    Ok(interval)
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    let engine = args.rules.engine()?;
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
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return,
                    _ = terminate.recv() => return,
                    () = &mut time => return,
                    // Those that wait already stand for this one as well.
                    _ = hangup.recv() => drop(request.try_send(Request::Reopen)),
                    _ = tell_health.recv() => drop(request.try_send(Request::Health)),
                }
            }
        };
        let ring = ByteSize(u64::from(args.ring_size));
        let packs = args.rules.rules.join(", ");
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
                ring_size: args.ring_size,
                btf: args.btf,
                nonce: canary::nonce().context("asking the kernel for random bytes")?,
            },
            engine,
            selection: Selection {
                min_confidence: args.min_confidence,
                all_execs: args.all_execs,
                count: args.count,
            },
            form: match args.format {
                Format::Text => Form::Text,
                Format::Json => Form::Json,
            },
            output: args.output,
            device,
            hashing: HashLimits {
                max_file: args.hash_limit.as_u64(),
                bytes_per_second: args.hash_rate.as_u64(),
                ..HashLimits::default()
            },
            processes: Limits::default(),
            canary_interval: args.canary_interval,
            health_interval: args.health_interval,
        };
        let closing = watch::run(config, ready, requests, end).await?;
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
    fn a_ring_buffer_has_a_power_of_two_of_at_least_a_page() {
        assert_eq!(ring_size("16MiB"), Ok(16 << 20));
        assert_eq!(ring_size("64KiB"), Ok(64 << 10));
        for bad in ["", "x", "0", "5MiB", "1", "2GiB", "-1", "16MB"] {
            assert!(ring_size(bad).is_err(), "{bad}");
        }
    }
}
