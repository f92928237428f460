//! `/etc/cert-recon/config.toml`: settings and suppressions that people keep.
//!
//! Owns the format of the file, what makes a file trustworthy, and reading both. What the settings do is the matter of those
//! who use them; [`suppress`](crate::suppress) says what a suppression is.
//!
//! # Format
//!
//! ```toml
//! min_confidence = "medium"         # low, medium, high
//! rules = ["kql"]                   # the packs to use
//! rules_dir = "/etc/cert-recon/rules.d"
//!
//! [watch]
//! output = "/var/log/cert-recon.ndjson"
//! schema = "defender"               # names in JSON: defender, ecs, ocsf
//! journald = true                   # or the path of its socket
//! syslog = true                     # or the path of its socket
//! syslog_limit = "8096"
//! metrics_file = "/var/lib/prometheus/node-exporter/cert-recon.prom"
//! metrics_listen = "127.0.0.1:9469" # or "unix:/run/cert-recon/metrics.sock"
//! otlp = "http://127.0.0.1:4318"    # or "grpc://127.0.0.1:4317"
//! otlp_headers = { Authorization = "Bearer ..." }
//! otlp_queue = "/var/lib/cert-recon/otlp"
//! otlp_budget = "256MiB"
//! record = "/var/lib/cert-recon/record"
//! record_budget = "2GiB"
//! ring_size = "16MiB"
//! hash_limit = "256MiB"
//! hash_rate = "200MiB"
//! canary_interval = "60s"
//! health_interval = "5m"
//! fold_interval = "60s"             # "0" folds nothing
//!
//! [[suppress]]
//! name = "cert-inventory"           # else "#1", "#2", ... by its place
//! reason = "CI asks crt.sh about our own domains"
//! owner = "platform team"
//! expires = 2030-12-31              # works through that day, UTC; or a time: 2030-12-31T18:00:00Z
//! account = "ci-runner"
//! target = ["*.corp.example"]
//! ```
//!
//! Every key may be absent. Unknown keys are errors. `docs/tuning.md` describes each.

mod expiry;
mod file;
mod problem;
mod suppressions;
mod values;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::{
    file::{FileError, MOST_FILE_BYTES, read, read_folder},
    problem::{ConfigError, ConfigProblem},
    suppressions::MOST_SUPPRESSIONS,
    values::{fold_interval, interval, record_budget, ring_size, size, syslog_limit},
};
use crate::{
    document,
    metrics::listen::Address,
    rules::{BUILTIN_PACKS, Confidence},
    sink::{form::Schema, otlp, output},
    suppress::Suppression,
};

/// The file that is read when no other is named and it exists.
pub const DEFAULT_FILE: &str = "/etc/cert-recon/config.toml";
/// The folder of rule files that is read when no other is named and it exists.
pub const DEFAULT_RULES_DIR: &str = "/etc/cert-recon/rules.d";

type Source<'s> = document::Source<'s, ConfigProblem>;
type Table<'t> = document::Table<'t, ConfigProblem>;
type Value<'t> = document::Value<'t, ConfigProblem>;

const KEYS: &[&str] = &["min_confidence", "rules", "rules_dir", "watch", "suppress"];
const WATCH_KEYS: &[&str] = &[
    "output",
    "schema",
    "journald",
    "syslog",
    "syslog_limit",
    "otlp",
    "otlp_headers",
    "otlp_queue",
    "otlp_budget",
    "metrics_file",
    "metrics_listen",
    "record",
    "record_budget",
    "ring_size",
    "hash_limit",
    "hash_rate",
    "canary_interval",
    "health_interval",
    "fold_interval",
];

/// What a configuration says. Absent is what it does not say.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Findings of at least this confidence.
    pub min_confidence: Option<Confidence>,
    /// Names of built-in rule packs.
    pub rules: Option<Vec<String>>,
    /// Folder of the user's rule files.
    pub rules_dir: Option<PathBuf>,
    /// Of `watch`.
    pub watch: Watch,
    /// In the order of the file.
    pub suppressions: Vec<Suppression>,
    /// The file that it was read from; none when there was none.
    pub file: Option<PathBuf>,
    /// The line of each key that it sets.
    pub lines: Vec<(&'static str, usize)>,
}

/// Settings of `watch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// A file that gets every record as JSON.
    pub output: Option<PathBuf>,
    /// Names of the fields in JSON.
    pub schema: Option<Schema>,
    /// The socket of the journald that gets every record.
    pub journald: Option<PathBuf>,
    /// The socket of the syslog daemon that gets every record.
    pub syslog: Option<PathBuf>,
    /// Bytes of a message that it takes.
    pub syslog_limit: Option<usize>,
    /// The collector that gets every record.
    pub otlp: Option<otlp::Endpoint>,
    /// What it is told with every request.
    pub otlp_headers: otlp::Headers,
    /// The folder where records wait for it.
    pub otlp_queue: Option<PathBuf>,
    /// Bytes that it may hold.
    pub otlp_budget: Option<u64>,
    /// A file that gets the monitor's metrics.
    pub metrics_file: Option<PathBuf>,
    /// Where they can be asked for.
    pub metrics_listen: Option<Address>,
    /// A folder that gets every exec, compressed.
    pub record: Option<PathBuf>,
    /// Bytes that it may hold.
    pub record_budget: Option<u64>,
    /// Size of the ring buffer, bytes.
    pub ring_size: Option<u32>,
    /// Largest executable that is hashed, bytes.
    pub hash_limit: Option<u64>,
    /// Bytes hashed per second at most.
    pub hash_rate: Option<u64>,
    /// Time between two canaries.
    pub canary_interval: Option<Duration>,
    /// Time between two health records.
    pub health_interval: Option<Duration>,
    /// Time within which findings that are the same are folded; zero folds none.
    pub fold_interval: Option<Duration>,
}

impl Config {
    /// Every key that a file may have, but for those of suppressions.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        KEYS.iter().chain(WATCH_KEYS).copied()
    }

    /// Reads a configuration. `file` is what errors call it.
    ///
    /// # Errors
    /// The first fault in the text, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let source = Source::new(file, text);
        let document = source.parse()?;
        let top = Table::new(source, "the configuration", 0..0, document.get_ref(), KEYS)?;
        let confidences = Confidence::ALL.map(|level| (level.as_str(), level));
        let watch = top
            .optional("watch")
            .map(|watch| watch.table("[watch]", WATCH_KEYS))
            .transpose()?;
        let line = |table: &Table<'_>, key: &'static str| table.optional(key).map(|value| (key, value.line()));
        let mut lines: Vec<_> = KEYS.iter().filter_map(|key| line(&top, key)).collect();
        if let Some(table) = &watch {
            lines.extend(WATCH_KEYS.iter().filter_map(|key| line(table, key)));
        }
        let watch = watch.map(|table| read_watch(&table)).transpose()?.unwrap_or_default();
        Ok(Self {
            min_confidence: top
                .optional("min_confidence")
                .map(|value| value.choice("min_confidence", &confidences))
                .transpose()?,
            rules: top.optional("rules").map(|value| read_packs(&value)).transpose()?,
            rules_dir: read_path(&top, "rules_dir")?,
            watch,
            suppressions: suppressions::read(&top)?,
            file: None,
            lines,
        })
    }

    /// Reads the configuration in a file that only its owner can change: root, or the user of this process.
    ///
    /// # Errors
    /// When the file can't be read, could be changed by others, or has a fault.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Ok(Self {
            file: Some(path.to_owned()),
            ..Self::parse(&path.display().to_string(), &read(path)?)?
        })
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// What is in it.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

fn read_watch(table: &Table<'_>) -> Result<Watch, ConfigError> {
    Ok(Watch {
        output: read_path(table, "output")?,
        schema: table
            .optional("schema")
            .map(|value| value.choice("schema", &Schema::ALL.map(|schema| (schema.as_str(), schema))))
            .transpose()?,
        journald: read_socket(table, "journald", output::JOURNAL)?,
        syslog: read_socket(table, "syslog", output::SYSLOG)?,
        syslog_limit: read_value(table, "syslog_limit", syslog_limit)?,
        otlp: read_value(table, "otlp", str::parse)?,
        otlp_headers: read_headers(table)?,
        otlp_queue: read_path(table, "otlp_queue")?,
        otlp_budget: read_value(table, "otlp_budget", record_budget)?,
        metrics_file: read_path(table, "metrics_file")?,
        metrics_listen: read_value(table, "metrics_listen", str::parse)?,
        record: read_path(table, "record")?,
        record_budget: read_value(table, "record_budget", record_budget)?,
        ring_size: read_value(table, "ring_size", ring_size)?,
        hash_limit: read_value(table, "hash_limit", size)?,
        hash_rate: read_value(table, "hash_rate", size)?,
        canary_interval: read_value(table, "canary_interval", interval)?,
        health_interval: read_value(table, "health_interval", interval)?,
        fold_interval: read_value(table, "fold_interval", fold_interval)?,
    })
}

fn read_packs(value: &Value<'_>) -> Result<Vec<String>, ConfigError> {
    let known: Vec<_> = BUILTIN_PACKS.iter().map(|pack| (pack.name, pack.name)).collect();
    value
        .items()?
        .iter()
        .map(|item| item.choice("rules", &known).map(str::to_owned))
        .collect()
}

/// An absolute path: which folder a service was started in is nobody's business.
fn read_path(table: &Table<'_>, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
    let Some(value) = table.optional(key) else {
        return Ok(None);
    };
    let path = PathBuf::from(value.string()?);
    if path.is_absolute() {
        Ok(Some(path))
    } else {
        Err(value.error(ConfigProblem::BadValue {
            key,
            reason: "must be a path that begins with /".to_owned(),
        }))
    }
}

/// Names of headers and their values, which no message shows.
fn read_headers(table: &Table<'_>) -> Result<otlp::Headers, ConfigError> {
    const KEY: &str = "otlp_headers";
    let mut headers = otlp::Headers::default();
    let Some(value) = table.optional(KEY) else {
        return Ok(headers);
    };
    for (name, value) in value.entries()? {
        let pushed = headers.push(name, value.string()?);
        pushed.map_err(|reason| value.error(ConfigProblem::BadValue { key: KEY, reason }))?;
    }
    Ok(headers)
}

/// The path of a socket, or whether the usual one is meant.
fn read_socket(table: &Table<'_>, key: &'static str, usual: &str) -> Result<Option<PathBuf>, ConfigError> {
    match table.optional(key) {
        Some(value) if !value.is_string() => Ok(value.boolean()?.then(|| PathBuf::from(usual))),
        _ => read_path(table, key),
    }
}

/// A value that is written as on the command line.
fn read_value<T>(
    table: &Table<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let read = |value: Value<'_>| {
        parse(value.string()?).map_err(|reason| value.error(ConfigProblem::BadValue { key, reason }))
    };
    table.optional(key).map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_read_and_none_is_needed() {
        let nothing = Config::parse("c", "").unwrap();
        assert!(nothing.min_confidence.is_none() && nothing.rules.is_none() && nothing.rules_dir.is_none());
        assert!(nothing.watch == Watch::default() && nothing.suppressions.is_empty());
        let config = Config::parse(
            "c",
            "min_confidence = 'medium'\nrules = ['kql']\nrules_dir = '/r'\n\n[watch]\noutput = '/o'\nschema = 'ecs'\njournald = true\nsyslog = '/s'\nsyslog_limit = '64KiB'\notlp = 'grpc://a'\notlp_headers = { X = 'y' }\notlp_queue = '/q'\notlp_budget = '16MiB'\nmetrics_file = '/m.prom'\nmetrics_listen = '[::1]:9'\nrecord = '/d'\nrecord_budget = '16MiB'\nring_size = '1MiB'\n\
             hash_limit = '2MiB'\nhash_rate = '3MiB'\ncanary_interval = '4s'\nhealth_interval = '5m'\nfold_interval = '0'\n",
        )
        .unwrap();
        assert_eq!(config.min_confidence, Some(Confidence::Medium));
        assert_eq!(config.rules, Some(vec!["kql".to_owned()]));
        assert_eq!(config.rules_dir, Some(PathBuf::from("/r")));
        let mut headers = otlp::Headers::default();
        headers.push("x", "y").unwrap();
        let watch = Watch {
            output: Some(PathBuf::from("/o")),
            schema: Some(Schema::Ecs),
            journald: Some(PathBuf::from(output::JOURNAL)),
            syslog: Some(PathBuf::from("/s")),
            syslog_limit: Some(64 << 10),
            otlp: Some("grpc://a:4317".parse().unwrap()),
            otlp_headers: headers,
            otlp_queue: Some(PathBuf::from("/q")),
            otlp_budget: Some(16 << 20),
            metrics_file: Some(PathBuf::from("/m.prom")),
            metrics_listen: Some(Address::Port("[::1]:9".parse().unwrap())),
            record: Some(PathBuf::from("/d")),
            record_budget: Some(16 << 20),
            ring_size: Some(1 << 20),
            hash_limit: Some(2 << 20),
            hash_rate: Some(3 << 20),
            canary_interval: Some(Duration::from_secs(4)),
            health_interval: Some(Duration::from_secs(300)),
            fold_interval: Some(Duration::ZERO),
        };
        assert_eq!(config.watch, watch);
    }

    #[test]
    fn a_fault_is_told_with_file_line_and_what_to_write_instead() {
        let suppress = |rest: &str| format!("[[suppress]]\nreason = 'r'\naccount = 'a'\n{rest}");
        for (text, expected) in [
            ("a = ".to_owned(), "c:1: not valid TOML"),
            (
                "\nmin_confidance = 'low'".to_owned(),
                "c:2: unknown key `min_confidance` in the configuration; did you mean `min_confidence`?",
            ),
            (
                "[watch]\nfold = '1s'".to_owned(),
                "c:2: unknown key `fold` in [watch]; it may have: output, ",
            ),
            (
                "min_confidence = 'hihg'".to_owned(),
                "c:1: `min_confidence` cannot be \"hihg\"; did you mean \"high\"?",
            ),
            (
                "rules = ['kqll']".to_owned(),
                "c:1: `rules` cannot be \"kqll\"; did you mean \"kql\"?",
            ),
            (
                "rules = 'kql'".to_owned(),
                "c:1: `rules` must be an array, found string",
            ),
            ("watch = 1".to_owned(), "c:1: `watch` must be a table"),
            (
                "[watch]\n\nring_size = '3MiB'".to_owned(),
                "c:3: `ring_size`: the ring buffer's size must be a power of two",
            ),
            (
                "[watch]\nring_size = 4096".to_owned(),
                "c:2: `ring_size` must be a string, found integer",
            ),
            (
                "[watch]\noutput = 'out'".to_owned(),
                "c:2: `output`: must be a path that begins with /",
            ),
            (
                "[watch]\nschema = 'ocfs'".to_owned(),
                "c:2: `schema` cannot be \"ocfs\"; did you mean \"ocsf\"?",
            ),
            (
                "[watch]\njournald = 1".to_owned(),
                "c:2: `journald` must be true or false, found integer",
            ),
            (
                "[watch]\nsyslog_limit = '1KiB'".to_owned(),
                "c:2: `syslog_limit`: a message may have 4096 bytes to 128KiB",
            ),
            (
                "[watch]\notlp_headers = { 'a b' = 'hidden' }".to_owned(),
                "c:2: `otlp_headers`: \"a b\" can't be the name of a header",
            ),
            (
                "[watch]\notlp = 'https://a'".to_owned(),
                "c:2: `otlp`: cert-recon has no TLS",
            ),
            (
                "[watch]\nmetrics_listen = '0.0.0.0:9'".to_owned(),
                "c:2: `metrics_listen`: 0.0.0.0 is not the loopback interface",
            ),
            (
                "[watch]\njournald = 'socket'".to_owned(),
                "c:2: `journald`: must be a path that begins with /",
            ),
            (
                "[watch]\nhealth_interval = '10ms'".to_owned(),
                "c:2: `health_interval`: the shortest interval is 1s",
            ),
            (
                "[[suppress]]\naccount = 'a'".to_owned(),
                "c:1: a [[suppress]] needs the key `reason`",
            ),
            (
                "[[suppress]]\naccount = 'a'\nreason = ' '".to_owned(),
                "c:3: `reason` must not be empty",
            ),
            (
                "[[suppress]]\nreason = 'r'".to_owned(),
                "c:1: a [[suppress]] without a condition would hide every finding",
            ),
            (
                suppress("acount = 'b'"),
                "c:4: unknown key `acount` in a [[suppress]]; did you mean `account`?",
            ),
            (suppress("unit = []"), "c:4: `unit` is an empty array"),
            (
                suppress("unit = ['a', '**']"),
                "c:4: `unit`: the pattern \"**\" matches everything",
            ),
            (
                suppress("unit = ['a', 1]"),
                "c:4: an item of `unit` must be a string, found integer",
            ),
            (
                suppress("target = '10.*'"),
                "c:4: `target`: the pattern \"10.*\" could also match a host name",
            ),
            (
                suppress("name = 'a b'"),
                "c:4: the name of a suppression \"a b\" may hold only",
            ),
            (suppress("name = '(removed)'"), "c:4: the name of a suppression"),
            (suppress("owner = ''"), "c:4: `owner` must not be empty"),
            (
                suppress("expires = 'soon'"),
                "c:4: `expires` must be a date (2030-12-31)",
            ),
            (
                suppress("expires = 2030-12-31T18:00:00"),
                "c:4: `expires` with a time of day needs an offset",
            ),
            (suppress("expires = 18:00:00"), "c:4: `expires` needs a date"),
            (
                suppress("name = 'x'\n") + &suppress("name = 'x'"),
                "c:5: there is already a [[suppress]] with the name `x`",
            ),
        ] {
            let error = Config::parse("c", &text).map(drop).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn there_is_an_end_to_suppressions_and_patterns() {
        let entry = "[[suppress]]\nreason = 'r'\naccount = 'a'\n";
        assert_eq!(
            Config::parse("c", &entry.repeat(1000)).unwrap().suppressions.len(),
            1000
        );
        assert!(Config::parse("c", &entry.repeat(1001)).is_err());
        let patterns = "'a',".repeat(1001);
        assert!(Config::parse("c", &format!("{entry}unit = [{patterns}]")).is_err());
    }

    /// The configuration that the packages install, with its examples put to work.
    fn installed() -> String {
        let begins_with_a_key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        include_str!("../../../dist/config.toml")
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if begins_with_a_key(rest) => rest,
                _ => line,
            })
            .fold(String::new(), |text, line| text + line + "\n")
    }

    #[test]
    fn the_installed_file_says_nothing_until_it_is_changed_and_all_of_it_can_be_used() {
        let nothing = Config::parse("c", include_str!("../../../dist/config.toml")).unwrap();
        assert!(nothing.min_confidence.is_none() && nothing.rules.is_none() && nothing.rules_dir.is_none());
        assert!(nothing.watch == Watch::default() && nothing.suppressions.is_empty());
        let all = Config::parse("c", &installed()).unwrap();
        assert_eq!(all.suppressions.len(), 1);
        assert_eq!(all.rules_dir, Some(PathBuf::from(DEFAULT_RULES_DIR)));
        assert_eq!(all.rules.unwrap(), crate::rules::DEFAULT_PACKS);
    }

    #[test]
    fn the_installed_file_names_every_key_there_is() {
        let text = installed();
        let keys: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(" = "))
            .map(|(key, _)| key)
            .collect();
        for key in [KEYS, WATCH_KEYS, suppressions::KEYS].concat() {
            let is_there = keys.contains(&key)
                || text.contains(&format!("\n[{key}]\n"))
                || text.contains(&format!("\n[[{key}]]\n"));
            assert!(is_there, "dist/config.toml does not name `{key}`");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(?s).{0,200}", cut in 0_usize..400) {
            let _ = Config::parse("c", &text);
            let good = include_str!("../../../contrib/suppressions/authorised-test.toml");
            let half: String = good.chars().skip(cut).chain(text.chars()).collect();
            let _ = Config::parse("c", &half);
        }

        #[test]
        fn no_value_is_a_panic(
            key in proptest::sample::select([KEYS, WATCH_KEYS, &["account", "target", "expires", "name"][..]].concat()),
            value in "[0-9a-zA-Z:+./*?'\"\\[\\]{}=-]{0,30}",
        ) {
            for text in [format!("{key} = {value}"), format!("[watch]\n{key} = '{value}'"), format!("[[suppress]]\nreason='r'\n{key} = {value}")] {
                let _ = Config::parse("c", &text);
            }
        }
    }
}
