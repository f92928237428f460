//! `--otlp URL`: records as OpenTelemetry log records, to a collector.
//!
//! A record is first a line of the queue on disk ([`queue`]): a collector that is away costs nothing but disk, and neither a
//! restart nor a kill loses what is there. A thread of its own (`sender`) takes lines from it, makes messages of them
//! ([`convert`]) and sends them ([`client`]); only what the collector has answered for leaves the queue. What it had taken when its
//! answer was lost is sent again, with the same `EventId`.

pub mod client;
pub mod convert;
pub mod endpoint;
mod http2;
pub mod queue;
pub(super) mod sender;

use std::path::{Path, PathBuf};

pub use self::endpoint::{Endpoint, Headers};

/// Bytes that a queue may have when nothing else is said.
pub const BUDGET: u64 = 256 << 20;

/// Where to send, and what to keep until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The collector.
    pub endpoint: Endpoint,
    /// What it is told with every request.
    pub headers: Headers,
    /// The folder of the queue.
    pub queue: PathBuf,
    /// Bytes that it may have.
    pub budget: u64,
}

/// The folder of the queue when nothing else is said: in the one that systemd gives a unit with `StateDirectory=`, else in
/// that which it would give.
#[must_use]
pub fn usual_queue() -> PathBuf {
    let state = std::env::var_os("STATE_DIRECTORY").unwrap_or_default();
    let first = std::env::split_paths(&state).find(|path| path.is_absolute());
    first
        .unwrap_or_else(|| Path::new("/var/lib/cert-recon").to_owned())
        .join("otlp")
}
