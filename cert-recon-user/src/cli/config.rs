//! `cert-recon config`: whether a configuration can be used, and what it comes to with flags and defaults.

use std::{fmt::Write as _, path::Path, time::Duration};

use super::{Status, print, rule_args::RuleArgs, settings, watch};
use crate::{
    config::{Config, DEFAULT_RULES_DIR},
    metrics::listen::Address,
    rules::{Confidence, Engine, Pack},
    sink::{form::Schema, otlp, syslog},
    text::for_terminal,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Read the configuration and the rules as `watch` would, and say what is wrong with them. Status 2 when they can't be used.
    Check(RuleArgs),
    /// Show every setting of `watch`, with flags as given here, and where it comes from: a file, a flag, or the default. The output
    /// is a configuration itself.
    Show(Box<watch::Args>),
}

pub(super) fn run(command: &Command) -> anyhow::Result<Status> {
    match command {
        Command::Check(rules) => check(rules),
        Command::Show(args) => {
            let config = args.rules.config()?;
            print(show(args, &config).as_bytes())?;
            Ok(Status::Clean)
        }
    }
}

fn check(rules: &RuleArgs) -> anyhow::Result<Status> {
    let config = rules.config()?;
    let loaded = rules.packs(&config)?;
    let origins: Vec<String> = loaded
        .iter()
        .map(|loaded| format!("{} ({})", loaded.pack.name, loaded.origin))
        .collect();
    let packs: Vec<Pack> = loaded.into_iter().map(|loaded| loaded.pack).collect();
    Engine::new(&packs)?;
    settings::warn_of_strays(&config.suppressions, &packs);
    let now = std::time::SystemTime::now();
    for suppression in config
        .suppressions
        .iter()
        .filter(|suppression| suppression.is_expired(now))
    {
        log::warn!(
            "suppression {} has expired: what it held back is reported",
            suppression.name
        );
    }
    let file = match &config.file {
        Some(file) => file.display().to_string(),
        None => "no configuration file: the defaults".to_owned(),
    };
    let text = format!(
        "ok: {file}; suppressions: {}; rule packs: {}\n",
        config.suppressions.len(),
        origins.join(", ")
    );
    print(shown(&text).as_bytes())?;
    Ok(Status::Clean)
}

/// Line by line, so that nothing foreign reaches the terminal raw.
fn shown(text: &str) -> String {
    text.lines()
        .map(|line| for_terminal(line.as_bytes()).into_owned() + "\n")
        .collect()
}

/// Where settings come from, and the lines about them.
struct Listing<'a> {
    config: &'a Config,
    text: String,
}

impl Listing<'_> {
    /// A setting: of the flag, else of the file, else the default; `show` writes it as TOML does.
    fn add<T>(
        &mut self,
        key: &str,
        flag: Option<&T>,
        file: Option<&T>,
        default: Option<&T>,
        show: impl Fn(&T) -> String,
    ) {
        let line = self
            .config
            .lines
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, line)| *line);
        let (value, origin) = match (flag, file, default) {
            (Some(value), ..) => (Some(value), format!("--{}", key.replace('_', "-"))),
            (None, Some(value), _) => (Some(value), self.place(line)),
            (None, None, Some(value)) => (Some(value), "default".to_owned()),
            (None, None, None) => (None, "not set".to_owned()),
        };
        // Writing to a String can't fail.
        let _ = match value {
            Some(value) => writeln!(self.text, "{key} = {}  # {origin}", show(value)),
            None => writeln!(self.text, "#{key} =  # {origin}"),
        };
    }

    fn place(&self, line: Option<usize>) -> String {
        let file = self.config.file.as_deref().unwrap_or(Path::new("the configuration"));
        match line {
            Some(line) => format!("{}:{line}", file.display()),
            None => file.display().to_string(),
        }
    }
}

fn show(args: &watch::Args, config: &Config) -> String {
    let mut listing = Listing {
        config,
        text: String::new(),
    };
    let file = &config.watch;
    let names = |names: &Vec<String>| {
        let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
        format!("[{}]", names.join(", "))
    };
    let confidence = |level: &Confidence| quoted(level.as_str());
    let path = |path: &std::path::PathBuf| quoted(&path.display().to_string());
    let size = |bytes: &u64| quoted(&size_text(*bytes));
    let time = |time: &Duration| quoted(&time_text(*time));
    let schema = |schema: &Schema| quoted(schema.as_str());
    let usual = crate::rules::DEFAULT_PACKS
        .iter()
        .map(|&name| name.to_owned())
        .collect();
    let rules_dir = Path::new(DEFAULT_RULES_DIR).is_dir().then(|| DEFAULT_RULES_DIR.into());
    let wide = |bytes: Option<u32>| bytes.map(u64::from);
    let long = |bytes: Option<usize>| bytes.map(|bytes| bytes as u64);
    listing.add(
        "min_confidence",
        args.min_confidence.as_ref(),
        config.min_confidence.as_ref(),
        Some(&Confidence::Low),
        confidence,
    );
    listing.add(
        "rules",
        args.rules.rules.as_ref(),
        config.rules.as_ref(),
        Some(&usual),
        names,
    );
    listing.add(
        "rules_dir",
        args.rules.rules_dir.as_ref(),
        config.rules_dir.as_ref(),
        rules_dir.as_ref(),
        path,
    );
    listing.text.push_str("\n[watch]\n");
    let outputs = &args.outputs;
    listing.add("output", outputs.output.as_ref(), file.output.as_ref(), None, path);
    listing.add(
        "schema",
        outputs.schema.as_ref(),
        file.schema.as_ref(),
        Some(&Schema::default()),
        schema,
    );
    listing.add(
        "journald",
        outputs.journald.as_ref(),
        file.journald.as_ref(),
        None,
        path,
    );
    listing.add("syslog", outputs.syslog.as_ref(), file.syslog.as_ref(), None, path);
    let limits = (long(outputs.syslog_limit), long(file.syslog_limit));
    listing.add(
        "syslog_limit",
        limits.0.as_ref(),
        limits.1.as_ref(),
        Some(&(syslog::USUAL_LIMIT as u64)),
        size,
    );
    let url = |url: &otlp::Endpoint| quoted(&url.to_string());
    listing.add("otlp", outputs.otlp.as_ref(), file.otlp.as_ref(), None, url);
    // They have secrets in them.
    let line = config.lines.iter().find(|(key, _)| *key == "otlp_headers");
    let origin = line.map_or_else(
        || "not set".to_owned(),
        |(_, line)| listing.place(Some(*line)) + ", not shown",
    );
    // Writing to a String can't fail.
    let _ = writeln!(listing.text, "#otlp_headers =  # {origin}");
    let queue = otlp::usual_queue();
    listing.add(
        "otlp_queue",
        outputs.otlp_queue.as_ref(),
        file.otlp_queue.as_ref(),
        Some(&queue),
        path,
    );
    listing.add(
        "otlp_budget",
        outputs.otlp_budget.as_ref(),
        file.otlp_budget.as_ref(),
        Some(&otlp::BUDGET),
        size,
    );
    let metrics = &args.metrics;
    listing.add(
        "metrics_file",
        metrics.metrics_file.as_ref(),
        file.metrics_file.as_ref(),
        None,
        path,
    );
    let address = |address: &Address| quoted(&address.to_string());
    listing.add(
        "metrics_listen",
        metrics.metrics_listen.as_ref(),
        file.metrics_listen.as_ref(),
        None,
        address,
    );
    listing.add("record", args.record.as_ref(), file.record.as_ref(), None, path);
    listing.add(
        "record_budget",
        args.record_budget.as_ref(),
        file.record_budget.as_ref(),
        Some(&watch::RECORD_BUDGET),
        size,
    );
    let rings = (wide(args.ring_size), wide(file.ring_size));
    listing.add(
        "ring_size",
        rings.0.as_ref(),
        rings.1.as_ref(),
        Some(&watch::RING_SIZE.into()),
        size,
    );
    listing.add(
        "hash_limit",
        args.hash_limit.as_ref(),
        file.hash_limit.as_ref(),
        Some(&watch::HASH_LIMIT),
        size,
    );
    listing.add(
        "hash_rate",
        args.hash_rate.as_ref(),
        file.hash_rate.as_ref(),
        Some(&watch::HASH_RATE),
        size,
    );
    for (key, flag, set, default) in [
        (
            "canary_interval",
            args.canary_interval,
            file.canary_interval,
            watch::CANARY_INTERVAL,
        ),
        (
            "health_interval",
            args.health_interval,
            file.health_interval,
            watch::HEALTH_INTERVAL,
        ),
        (
            "fold_interval",
            args.fold_interval,
            file.fold_interval,
            settings::FOLD_INTERVAL,
        ),
    ] {
        listing.add(key, flag.as_ref(), set.as_ref(), Some(&default), time);
    }
    let mut text = listing.text;
    if !config.suppressions.is_empty() {
        let file = config.file.as_deref().unwrap_or(Path::new("the configuration"));
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "\n# {} suppressions, of {}:",
            config.suppressions.len(),
            file.display()
        );
        for suppression in &config.suppressions {
            let expires = suppression
                .expires
                .map(|time| format!(", until {}", humantime::format_rfc3339_seconds(time)));
            let _ = writeln!(
                text,
                "#   {}: {}{}",
                suppression.name,
                suppression.reason,
                expires.unwrap_or_default()
            );
        }
    }
    shown(&text)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// In the largest unit that leaves nothing over.
fn size_text(bytes: u64) -> String {
    for (unit, name) in [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

fn time_text(time: Duration) -> String {
    match time {
        Duration::ZERO => "0".to_owned(),
        time => humantime::format_duration(time).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Flags {
        #[command(flatten)]
        watch: watch::Args,
    }

    fn args(flags: &[&str]) -> watch::Args {
        Flags::parse_from([&["x"], flags].concat()).watch
    }

    #[test]
    fn each_setting_says_where_it_comes_from_and_flags_win() {
        let text = "min_confidence = 'high'\n\n[watch]\nring_size = '4MiB'\noutput = '/o'\nfold_interval = '0'\n\n[[suppress]]\nname = 'n'\nreason = 'r'\naccount = 'a'\n";
        let mut config = Config::parse("c", text).unwrap();
        config.file = Some("/c.toml".into());
        let shown = show(&args(&["--ring-size", "1MiB", "--health-interval", "90s"]), &config);
        for line in [
            "min_confidence = \"high\"  # /c.toml:1",
            "rules = [\"kql\", \"extended\"]  # default",
            "ring_size = \"1MiB\"  # --ring-size",
            "output = \"/o\"  # /c.toml:5",
            "health_interval = \"1m 30s\"  # --health-interval",
            "fold_interval = \"0\"  # /c.toml:6",
            "record_budget = \"2GiB\"  # default",
            "#record =  # not set",
            "#   n: r",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
    }

    #[test]
    fn what_is_shown_is_a_configuration_that_means_the_same() {
        let flags = [
            "--output",
            "/a \"b\"",
            "--record-budget",
            "17MiB",
            "--rules",
            "logscale",
            "--fold-interval",
            "2m",
            "--schema",
            "ecs",
        ];
        let shown = show(&args(&flags), &Config::default());
        let read = Config::parse("shown", &shown).unwrap();
        assert_eq!(read.watch.output, Some("/a \"b\"".into()));
        assert_eq!(read.watch.record_budget, Some(17 << 20));
        assert_eq!(read.rules, Some(vec!["logscale".to_owned()]));
        assert_eq!(read.watch.fold_interval, Some(Duration::from_secs(120)));
        assert_eq!(read.watch.schema, Some(Schema::Ecs));
        assert_eq!(
            show(&args(&[]), &read)
                .replace("  # the configuration", "")
                .lines()
                .count(),
            shown.lines().count()
        );
    }

    #[test]
    fn every_key_of_the_file_is_shown() {
        let shown = show(&args(&[]), &Config::default());
        for key in Config::keys().filter(|key| !matches!(*key, "watch" | "suppress")) {
            let is_key = |line: &str| line.trim_start_matches('#').split(' ').next() == Some(key);
            assert!(shown.lines().any(is_key), "{key}");
        }
    }
}
