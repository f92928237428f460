//! What the monitor counts, as metrics for Prometheus: `--metrics-file` ([`mod@file`]) and `--metrics-listen` ([`listen`]).
//!
//! [`render`] is pure and the only place that knows names and meanings; `docs/outputs.md` describes them. The [`Board`] holds the
//! latest [`Facts`], which the monitor puts there and the two take from: nobody waits for anybody.

pub mod file;
pub mod listen;
mod text;

use std::{
    borrow::Cow,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use self::text::{Exposition, Kind, Number};
use crate::{
    record::{Health, OutputState},
    rules::Confidence,
};

/// Label of findings that were counted and whose report was dropped before its category could be.
const UNKNOWN: &str = "unknown";
/// Label of what no suppression is the reason of: below the confidence asked for, or beyond the count.
const NOT_ASKED_FOR: &str = "(not asked for)";

/// Findings of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Their `ToolCategory`.
    pub category: String,
    /// Their confidence.
    pub confidence: Confidence,
    /// How many were reported.
    pub count: u64,
}

/// What waits inside of the monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Records that wait for names and hashes.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that wait to be hashed.
    pub files: u64,
}

/// What the kernel measured of a program's work, while `kernel.bpf_stats_enabled` is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// The program.
    pub program: &'static str,
    /// Time that it ran, nanoseconds.
    pub nanoseconds: u64,
    /// How often.
    pub count: u64,
}

/// Everything that the metrics are made of, as it was at one moment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The state of the monitor, as its health records tell it.
    pub health: Health,
    /// When the monitor started.
    pub started: SystemTime,
    /// It has not ended.
    pub is_up: bool,
    /// Its own exec did not come back through the kernel.
    pub is_blind: bool,
    /// Findings that were reported; with those that were not counted here they are `health.sums.findings`.
    pub findings: Vec<Findings>,
    /// What waits.
    pub waiting: Waiting,
    /// What the kernel measured; empty when it does not.
    pub runs: Vec<Runs>,
    /// Writes of the metrics file that failed.
    pub file_failures: u64,
}

/// The metrics as text.
#[must_use]
pub fn render(facts: &Facts) -> String {
    use Kind::{Counter, Gauge};
    let mut text = Exposition::default();
    let Facts { health, waiting, .. } = facts;
    let (totals, sums, hashing) = (&health.totals, &health.sums, &health.hashing);
    let version = vec![("version", Cow::Borrowed(env!("CARGO_PKG_VERSION")))];
    text.family(
        "cert_recon_build_info",
        Gauge,
        "1, with the version of the monitor.",
        [(version, 1)],
    );
    text.one(
        "cert_recon_up",
        Gauge,
        "1 while the monitor runs, 0 in what it leaves behind.",
        facts.is_up,
    );
    text.one(
        "cert_recon_start_time_seconds",
        Gauge,
        "When the monitor started, seconds since 1970.",
        seconds(facts.started),
    );
    text.one(
        "cert_recon_sensor_blind",
        Gauge,
        "1 when the monitor's own exec did not come back through the kernel.",
        facts.is_blind,
    );
    text.family(
        "cert_recon_last_canary_timestamp_seconds",
        Gauge,
        "When the monitor's own exec came back last, seconds since 1970.",
        health.last_canary.map(|time| (Vec::new(), seconds(time))),
    );
    text.one(
        "cert_recon_problems",
        Gauge,
        "Things that are not as they should be; the SensorHealth record says which.",
        health.problems.len() as u64,
    );
    for (name, help, number) in [
        ("execs", "Execs that the kernel saw: delivered + lost.", totals.execs),
        (
            "delivered",
            "Execs that were judged: findings + suppressed + folded + clean.",
            sums.delivered,
        ),
        ("lost", "Execs that could not be delivered.", totals.lost),
        ("folded", "Findings folded into one that was the same.", sums.folded),
        ("clean", "Execs that no rule matched.", sums.clean),
        (
            "own_execs",
            "The monitor's own execs to test itself, which are among the clean.",
            sums.own,
        ),
        (
            "arguments_truncated",
            "Execs delivered with an incomplete argv.",
            totals.argv_cut,
        ),
        (
            "paths_truncated",
            "Paths that were not walked to the root.",
            totals.path_cut,
        ),
        (
            "images_forgotten",
            "Process images forgotten to stay within the memory limit.",
            health.images_forgotten,
        ),
        (
            "metrics_file_failures",
            "Times that the metrics file could not be written.",
            facts.file_failures,
        ),
    ] {
        text.one(&format!("cert_recon_{name}_total"), Counter, help, number);
    }
    findings(&mut text, facts);
    suppressed(&mut text, health);
    let results = [
        ("hashed", hashing.hashed),
        ("cached", hashing.cached),
        ("too_large", hashing.too_large),
        ("too_busy", hashing.too_busy),
        ("unavailable", hashing.unavailable),
    ];
    text.family(
        "cert_recon_hash_results_total",
        Counter,
        "What became of requests for the hash of an executable.",
        results.map(|(result, count)| (vec![("result", Cow::Borrowed(result))], count)),
    );
    for (name, help, number) in [
        (
            "stage_records",
            "Records that wait for names and hashes.",
            waiting.records,
        ),
        (
            "stage_bytes",
            "Bytes of the records that wait for names and hashes.",
            waiting.bytes,
        ),
        ("hash_queue_files", "Files that wait to be hashed.", waiting.files),
        ("images", "Process images that are known.", health.images),
        ("ring_buffer_bytes", "Size of the ring buffer.", health.ring_bytes),
        ("resident_memory_bytes", "Memory of the monitor.", health.resident_bytes),
    ] {
        text.one(&format!("cert_recon_{name}"), Gauge, help, number);
    }
    outputs(&mut text, &health.outputs);
    let program = |runs: &Runs| vec![("program", Cow::Borrowed(runs.program))];
    text.family(
        "cert_recon_bpf_run_seconds_total",
        Counter,
        "Time that the kernel ran the eBPF programs, while kernel.bpf_stats_enabled is on.",
        facts.runs.iter().map(|runs| {
            (
                program(runs),
                Number::Seconds(Duration::from_nanos(runs.nanoseconds).as_secs_f64()),
            )
        }),
    );
    text.family(
        "cert_recon_bpf_runs_total",
        Counter,
        "Times that the kernel ran the eBPF programs, while kernel.bpf_stats_enabled is on.",
        facts.runs.iter().map(|runs| (program(runs), runs.count)),
    );
    text.into_text()
}

fn findings(text: &mut Exposition, facts: &Facts) {
    let labels = |category, confidence| vec![("category", category), ("confidence", Cow::Borrowed(confidence))];
    let known: u64 = facts.findings.iter().map(|found| found.count).sum();
    let rest = facts.health.sums.findings.saturating_sub(known);
    let known = facts.findings.iter().map(|found| {
        let category = Cow::Borrowed(found.category.as_str());
        (labels(category, found.confidence.as_str()), found.count)
    });
    let rest = (rest > 0).then(|| (labels(Cow::Borrowed(UNKNOWN), UNKNOWN), rest));
    text.family(
        "cert_recon_findings_total",
        Kind::Counter,
        "Findings reported. unknown: their reports were dropped before the outputs.",
        known.chain(rest),
    );
}

fn suppressed(text: &mut Exposition, health: &Health) {
    let label = |name| vec![("suppression", Cow::Borrowed(name))];
    let known: u64 = health.suppressions.iter().map(|state| state.count).sum();
    let rest = health.sums.suppressed.saturating_sub(known);
    let known = health
        .suppressions
        .iter()
        .map(|state| (label(state.name.as_str()), state.count));
    text.family(
        "cert_recon_suppressed_total",
        Kind::Counter,
        "Findings suppressed. (not asked for): by --min-confidence or --count.",
        known.chain([(label(NOT_ASKED_FOR), rest)]),
    );
    text.family(
        "cert_recon_suppression_expired",
        Kind::Gauge,
        "1 when the suppression has expired and no longer works.",
        health
            .suppressions
            .iter()
            .map(|state| (label(state.name.as_str()), u64::from(state.expired))),
    );
}

/// What is told of an output: the name, its kind, its help, and where it comes from.
type OutputFamily = (&'static str, Kind, &'static str, fn(&OutputState) -> Option<u64>);

fn outputs(text: &mut Exposition, states: &[OutputState]) {
    use Kind::{Counter, Gauge};
    let families: [OutputFamily; 6] = [
        ("lines_total", Counter, "Records written.", |state| Some(state.lines)),
        ("dropped_total", Counter, "Records dropped.", |state| {
            Some(state.dropped)
        }),
        ("queued_bytes", Gauge, "Bytes that wait.", |state| {
            Some(state.queued_bytes)
        }),
        ("failing", Gauge, "1 when the last write failed.", |state| {
            Some(u64::from(state.failing))
        }),
        (
            "removed_files_total",
            Counter,
            "Old files removed to stay within the budget.",
            |state| Some(state.removed?.files),
        ),
        (
            "removed_bytes_total",
            Counter,
            "Bytes of old files removed to stay within the budget.",
            |state| Some(state.removed?.bytes),
        ),
    ];
    for (name, kind, help, number) in families {
        let samples = states.iter().filter_map(|state| {
            let label = vec![("output", Cow::Borrowed(state.name.as_str()))];
            Some((label, number(state)?))
        });
        text.family(&format!("cert_recon_output_{name}"), kind, help, samples);
    }
}

fn seconds(time: SystemTime) -> Number {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Number::Seconds(Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).as_secs_f64())
}

#[derive(Default)]
struct Latest {
    facts: Option<Arc<Facts>>,
    failures: u64,
    is_failing: bool,
    /// The last facts are there.
    is_over: bool,
}

/// Where the latest facts are.
#[derive(Default)]
pub struct Board {
    latest: Mutex<Latest>,
    changed: Condvar,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts newer facts in the place of those before.
    pub fn put(&self, facts: Facts) {
        let mut latest = self.lock();
        let is_first = latest.facts.is_none();
        latest.is_over |= !facts.is_up;
        let wake = is_first || latest.is_over;
        latest.facts = Some(Arc::new(facts));
        drop(latest);
        if wake {
            self.changed.notify_all();
        }
    }

    /// The latest facts as text; none while there are none.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let latest = self.lock();
        let (facts, failures) = (Arc::clone(latest.facts.as_ref()?), latest.failures);
        drop(latest);
        let mut facts = Arc::unwrap_or_clone(facts);
        facts.file_failures = failures;
        Some(render(&facts))
    }

    /// Whether the metrics file could not be written the last time.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.lock().is_failing
    }

    /// Notes what came of writing the file; whether that is news.
    fn note(&self, good: bool) -> bool {
        let mut latest = self.lock();
        latest.failures += u64::from(!good);
        std::mem::replace(&mut latest.is_failing, !good) == good
    }

    /// Waits for the first facts, then `pause`, or for the last. Whether there are more to come.
    fn wait(&self, pause: Duration) -> bool {
        let mut latest = self.lock();
        let first = latest.facts.is_none();
        let end = Instant::now() + pause;
        loop {
            if latest.is_over {
                return false;
            }
            let left = end.saturating_duration_since(Instant::now());
            if (first && latest.facts.is_some()) || (!first && left.is_zero()) {
                return true;
            }
            // Before the first facts nothing is written, however long that takes.
            let left = if first { pause } else { left };
            let waited = self.changed.wait_timeout(latest, left);
            latest = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, io::Write as _, process::Stdio};

    use super::*;
    use crate::{
        pipeline::Sums,
        record::{Hashing, Occasion, Removed, SuppressionState},
        source::live::Totals,
    };

    fn output(name: &str) -> OutputState {
        OutputState {
            name: name.to_owned(),
            lines: 11,
            dropped: 12,
            queued_bytes: 13,
            failing: true,
            removed: None,
        }
    }

    /// Facts in which every number is another, and every name is hostile.
    pub(super) fn facts() -> Facts {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        let mut record = output("a\"b\\c\nd{}=,\u{1b}[31m é");
        record.removed = Some(Removed { files: 14, bytes: 15 });
        Facts {
            health: Health {
                time,
                occasion: Occasion::Interval,
                problems: vec!["p".to_owned()],
                uptime_seconds: 1,
                totals: Totals {
                    execs: 103,
                    delivered: 100,
                    lost: 3,
                    argv_cut: 4,
                    path_cut: 5,
                },
                sums: Sums {
                    delivered: 100,
                    findings: 40,
                    suppressed: 30,
                    folded: 20,
                    clean: 10,
                    own: 6,
                    reports: 40,
                },
                last_canary: Some(time),
                resident_bytes: 7,
                ring_bytes: 8,
                images: 9,
                images_forgotten: 2,
                hashing: Hashing {
                    hashed: 21,
                    cached: 22,
                    too_large: 23,
                    too_busy: 24,
                    unavailable: 25,
                },
                suppressions: vec![SuppressionState {
                    name: "one".to_owned(),
                    count: 26,
                    expired: true,
                }],
                outputs: vec![output("standard output"), record],
                events_lost: 0,
            },
            started: time,
            is_up: true,
            is_blind: false,
            findings: vec![Findings {
                category: "Own \"category\"\n".to_owned(),
                confidence: Confidence::High,
                count: 38,
            }],
            waiting: Waiting {
                records: 31,
                bytes: 32,
                files: 33,
            },
            runs: vec![Runs {
                program: "sched_process_exec",
                nanoseconds: 1_500_000_000,
                count: 34,
            }],
            file_failures: 35,
        }
    }

    #[test]
    fn every_fact_has_its_sample_and_the_sums_hold() {
        let text = render(&facts());
        for line in [
            "cert_recon_up 1",
            "cert_recon_start_time_seconds 1700000000.25",
            "cert_recon_sensor_blind 0",
            "cert_recon_last_canary_timestamp_seconds 1700000000.25",
            "cert_recon_problems 1",
            "cert_recon_execs_total 103",
            "cert_recon_delivered_total 100",
            "cert_recon_lost_total 3",
            "cert_recon_folded_total 20",
            "cert_recon_clean_total 10",
            "cert_recon_own_execs_total 6",
            "cert_recon_arguments_truncated_total 4",
            "cert_recon_paths_truncated_total 5",
            "cert_recon_images_forgotten_total 2",
            "cert_recon_metrics_file_failures_total 35",
            "cert_recon_findings_total{category=\"Own \\\"category\\\"\\\\n\",confidence=\"high\"} 38",
            "cert_recon_findings_total{category=\"unknown\",confidence=\"unknown\"} 2",
            "cert_recon_suppressed_total{suppression=\"one\"} 26",
            "cert_recon_suppressed_total{suppression=\"(not asked for)\"} 4",
            "cert_recon_suppression_expired{suppression=\"one\"} 1",
            "cert_recon_hash_results_total{result=\"hashed\"} 21",
            "cert_recon_hash_results_total{result=\"cached\"} 22",
            "cert_recon_hash_results_total{result=\"too_large\"} 23",
            "cert_recon_hash_results_total{result=\"too_busy\"} 24",
            "cert_recon_hash_results_total{result=\"unavailable\"} 25",
            "cert_recon_stage_records 31",
            "cert_recon_stage_bytes 32",
            "cert_recon_hash_queue_files 33",
            "cert_recon_images 9",
            "cert_recon_ring_buffer_bytes 8",
            "cert_recon_resident_memory_bytes 7",
            "cert_recon_output_lines_total{output=\"standard output\"} 11",
            "cert_recon_output_dropped_total{output=\"standard output\"} 12",
            "cert_recon_output_queued_bytes{output=\"standard output\"} 13",
            "cert_recon_output_failing{output=\"standard output\"} 1",
            "cert_recon_output_removed_files_total{output=\"a\\\"b\\\\c\\\\nd{}=,\\\\x1b[31m é\"} 14",
            "cert_recon_output_removed_bytes_total{output=\"a\\\"b\\\\c\\\\nd{}=,\\\\x1b[31m é\"} 15",
            "cert_recon_bpf_run_seconds_total{program=\"sched_process_exec\"} 1.5",
            "cert_recon_bpf_runs_total{program=\"sched_process_exec\"} 34",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let version = concat!("cert_recon_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1");
        assert!(text.contains(version));
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let mut facts = facts();
        facts.health.last_canary = None;
        facts.runs.clear();
        facts.findings.clear();
        facts.health.sums.findings = 0;
        let text = render(&facts);
        for name in ["last_canary", "bpf_run", "findings_total"] {
            assert!(!text.contains(&format!("cert_recon_{name}")), "{name}");
        }
    }

    #[test]
    fn families_are_named_as_they_should_be_and_said_once() {
        let text = render(&facts());
        let mut names = HashSet::new();
        let mut samples = HashSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(names.insert(name.to_owned()), "{name} is there twice");
                assert!(name.starts_with("cert_recon_") && help.ends_with('.'), "{line}");
                family = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, family);
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            } else {
                let (sample, number) = line.rsplit_once(' ').unwrap();
                assert!(
                    sample
                        .strip_prefix(&family)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
                );
                assert!(samples.insert(sample.to_owned()), "{sample} is there twice");
                assert!(number.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(names.len() > 30);
    }

    /// The text is what a reader of others takes, label values and all. Without one on this host there is nothing to try.
    #[test]
    fn readers_of_others_take_it() {
        const READER: &str = "\
import sys, json
try:
    from prometheus_client.parser import text_string_to_metric_families as read
except ImportError:
    sys.exit(77)
print(json.dumps([[s.name, s.labels, s.value] for f in read(sys.stdin.read()) for s in f.samples]))";
        let text = render(&facts());
        let run = |program: &str, args: &[&str]| {
            let mut child = std::process::Command::new(program)
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .ok()?;
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            Some(child.wait_with_output().unwrap())
        };
        if let Some(output) = run("promtool", &["check", "metrics"]) {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && told.is_empty(), "{told}");
        }
        // The first may be one of the user's own, without the distribution's libraries.
        let output = ["python3", "/usr/bin/python3"]
            .into_iter()
            .filter_map(|python| run(python, &["-c", READER]))
            .find(|output| output.status.code() != Some(77));
        let Some(output) = output else {
            println!("SKIP: python3 has no prometheus_client");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let samples: Vec<(String, serde_json::Value, f64)> = serde_json::from_slice(&output.stdout).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(samples.len(), lines);
        let name = "a\"b\\c\\nd{}=,\\x1b[31m é";
        let found = |(sample, labels, number): &&(String, serde_json::Value, f64)| {
            sample == "cert_recon_output_removed_files_total" && labels["output"] == name && *number == 14.0
        };
        assert!(samples.iter().any(|sample| found(&sample)), "{samples:?}");
    }
}
