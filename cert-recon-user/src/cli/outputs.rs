//! The flags of `watch` that say where results go, and in which form.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use super::Format;
use crate::{
    config,
    metrics::listen::Address,
    sink::{
        form::{Form, Schema},
        otlp,
        output::{self, Target},
        screen::Screen,
        syslog,
    },
    watch::Metrics,
};

#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// Form of the results on standard output.
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Append each result as a line of JSON to this file (mode 0600, never through a symbolic link, opened anew on SIGHUP).
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// In text on a terminal: whole lines, not cut to its width.
    #[arg(long)]
    pub(super) wide: bool,
    /// In text: the processes above each exec, below its line.
    #[arg(long)]
    pub(super) tree: bool,
    /// Show a live view instead of lines: counts by category, account, target and service, and the last findings. Needs a
    /// terminal; other outputs go on beside it.
    #[arg(long, conflicts_with_all = ["wide", "tree", "format"])]
    pub(super) top: bool,
    /// Names of the fields in JSON, on standard output and in --output. [default: defender]
    #[arg(long, value_name = "defender|ecs|ocsf")]
    pub(super) schema: Option<Schema>,
    /// Send each result to journald, a field of the entry for each field of the result.
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true, default_missing_value = output::JOURNAL)]
    pub(super) journald: Option<PathBuf>,
    /// Send each result to the syslog daemon of this host, as RFC 5424 with JSON.
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true, default_missing_value = output::SYSLOG)]
    pub(super) syslog: Option<PathBuf>,
    /// Longest message that it takes, 4096 bytes to 128KiB. [default: 8096, as rsyslog's]
    #[arg(long, value_name = "SIZE", value_parser = config::syslog_limit)]
    pub(super) syslog_limit: Option<usize>,
    /// Send each result to an OpenTelemetry collector: http://HOST:4318 (HTTP) or grpc://HOST:4317 (gRPC).
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<otlp::Endpoint>,
    /// Folder where results wait until the collector has taken them. [default: otlp in $STATE_DIRECTORY or /var/lib/cert-recon]
    #[arg(long, value_name = "DIR")]
    pub(super) otlp_queue: Option<PathBuf>,
    /// Bytes that it may hold; the oldest go first. [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = config::record_budget)]
    pub(super) otlp_budget: Option<u64>,
}

/// Where the monitor's own numbers go.
#[derive(Debug, clap::Args)]
pub(super) struct MetricsArgs {
    /// Keep the monitor's numbers in this file for node_exporter's textfile collector (NAME.prom, mode 0644).
    #[arg(long, value_name = "FILE")]
    pub(super) metrics_file: Option<PathBuf>,
    /// Answer GET /metrics for Prometheus, on this host only: `127.0.0.1:PORT`, `[::1]:PORT` or `unix:PATH`.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<Address>,
}

impl MetricsArgs {
    /// What flags and configuration come to together. Flags win.
    pub(super) fn metrics(self, fixed: &config::Watch) -> Metrics {
        Metrics {
            file: self.metrics_file.or_else(|| fixed.metrics_file.clone()),
            listen: self.metrics_listen.or_else(|| fixed.metrics_listen.clone()),
        }
    }
}

impl OutputArgs {
    /// What flags and configuration come to together. Flags win.
    pub(super) fn targets(self, fixed: &config::Watch) -> Vec<(Target, Form)> {
        let schema = self.schema.or(fixed.schema).unwrap_or_default();
        let form = match self.format {
            Format::Text => self.text(),
            Format::Json => Form::Json(schema),
        };
        let journal = self.journald.or_else(|| fixed.journald.clone());
        let twice = journal.is_some() && output::stdout_is_journal();
        if twice {
            log::info!("standard output is the journal, which gets each result once, with its fields");
        }
        let syslog = self.syslog.or_else(|| fixed.syslog.clone());
        let limit = self.syslog_limit.or(fixed.syslog_limit);
        let limit = limit.unwrap_or(syslog::USUAL_LIMIT);
        let otlp = self.otlp.or_else(|| fixed.otlp.clone()).map(|endpoint| {
            let queue = self.otlp_queue.or_else(|| fixed.otlp_queue.clone());
            Target::Otlp(Box::new(otlp::Config {
                endpoint,
                headers: fixed.otlp_headers.clone(),
                queue: queue.unwrap_or_else(otlp::usual_queue),
                budget: self.otlp_budget.or(fixed.otlp_budget).unwrap_or(otlp::BUDGET),
            }))
        });
        let stdout = (!twice && !self.top).then_some((Target::Stdout, form));
        let file = self.output.or_else(|| fixed.output.clone());
        stdout
            .into_iter()
            .chain(file.map(|path| (Target::File(path), Form::Json(schema))))
            .chain(journal.map(|path| (Target::Journal(path), Form::Journal)))
            .chain(syslog.map(|path| (Target::Syslog(path), Form::Syslog { limit })))
            .chain(otlp.map(|target| (target, Form::Otlp)))
            .collect()
    }

    /// The form of text: for a terminal, or for whatever else standard output is.
    fn text(&self) -> Form {
        let colour = output::colour();
        let is_cut = io::stdout().is_terminal() && !self.wide;
        if !is_cut && !self.tree {
            return Form::Text { colour };
        }
        Form::Screen(Screen {
            width: if is_cut {
                output::terminal_size().0
            } else {
                Screen::ENDLESS
            },
            colour,
            tree: self.tree,
        })
    }
}
