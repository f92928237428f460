//! The results as tables for people and as JSON.

use std::{fmt::Write as _, fs, time::Duration};

use serde_json::{Value, json};

use super::{
    Cell, Latency, Measured, Pair, Results, Round,
    monitor::{NOTHING, NOTHING_AGAIN},
};

/// The figures of a workload under a monitor, medians of the rounds; times in microseconds.
struct Figures {
    /// Wall time against that without a monitor in the same round: median, least, most.
    slowdown: Option<[f64; 3]>,
    /// Processor time that each exec of the workload took more.
    added: Option<f64>,
    /// The monitor's own processor time for each exec.
    monitor: Option<f64>,
    /// Time in eBPF programs for each exec.
    kernel: Option<f64>,
    rate: Option<f64>,
    resident: f64,
    maps: f64,
    ready: f64,
    lost: Option<u64>,
    cut: Option<u64>,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn float(value: u64) -> f64 {
    value as f64
}

/// Execs in a workload: those that it is made of, or those that a monitor counted.
fn execs(measured: &Measured) -> Option<f64> {
    measured.workload.execs.map(float).or_else(|| {
        let counted = measured
            .cells
            .iter()
            .find(|cell| cell.rounds.iter().any(|round| round.sums.is_some()))?;
        median(
            counted
                .rounds
                .iter()
                .filter_map(|round| Some(float(round.sums?.execs)))
                .collect(),
        )
    })
}

/// What a value of a monitor is told against, round by round: the mean of the two runs without a monitor; of these the second is
/// told against the first.
fn without(monitor: &str, first: &[Round], second: &[Round], value: &dyn Fn(&Round) -> f64) -> Vec<f64> {
    let pairs = first.iter().map(value).zip(second.iter().map(value));
    match monitor {
        NOTHING | NOTHING_AGAIN => pairs.map(|(first, _)| first).collect(),
        _ => pairs.map(|(first, second)| f64::midpoint(first, second)).collect(),
    }
}

fn figures(measured: &Measured, cell: &Cell) -> Figures {
    let execs = execs(measured);
    let rounds_of = |name: &str| -> &[Round] {
        let cell = measured.cells.iter().find(|cell| cell.monitor == name);
        cell.map_or(&[], |cell| &cell.rounds)
    };
    let without =
        |value: &dyn Fn(&Round) -> f64| without(cell.monitor, rounds_of(NOTHING), rounds_of(NOTHING_AGAIN), value);
    let ratios: Vec<f64> = cell
        .rounds
        .iter()
        .zip(without(&|round| micros(round.cost.wall)))
        .map(|(round, without)| micros(round.cost.wall) / without)
        .collect();
    let of = |value: &dyn Fn(&Round) -> f64| median(cell.rounds.iter().map(value).collect());
    let per_exec = |value: Option<f64>| Some(value? / execs?);
    let is_monitor = cell.rounds.iter().any(|round| round.monitor_cpu > 0);
    let most = |value: &dyn Fn(&Round) -> u64| cell.rounds.iter().map(value).max().map_or(0.0, float);
    let sum = |value: &dyn Fn(&Round) -> Option<u64>| cell.rounds.iter().map(value).sum::<Option<u64>>();
    Figures {
        slowdown: median(ratios.clone()).map(|middle| {
            let (least, most) = ratios.iter().fold((f64::MAX, f64::MIN), |(least, most), &ratio| {
                (least.min(ratio), most.max(ratio))
            });
            [middle, least, most]
        }),
        added: per_exec(median(
            cell.rounds
                .iter()
                .zip(without(&|round| micros(round.cost.cpu)))
                .map(|(round, without)| micros(round.cost.cpu) - without)
                .collect(),
        ))
        .filter(|_| cell.monitor != NOTHING),
        monitor: per_exec(of(&|round| float(round.monitor_cpu) / 1000.0)).filter(|_| is_monitor),
        kernel: median(cell.kernel.clone()).map(|nanoseconds| nanoseconds / 1000.0),
        rate: of(&|round| execs.unwrap_or(0.0) / round.cost.wall.as_secs_f64()),
        resident: most(&|round| round.memory.resident) / 1e6,
        maps: most(&|round| round.memory.maps) / 1e6,
        ready: of(&|round| micros(round.ready_after) / 1000.0).unwrap_or(0.0),
        lost: sum(&|round| Some(round.sums?.lost)),
        cut: sum(&|round| Some(round.sums?.cut)),
    }
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("processor unknown");
    let load = read("/proc/loadavg");
    format!(
        "{model}, {cpus} processors, Linux {}, load {} when the report was made",
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

/// A number, or a dash.
fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

pub(super) fn markdown(results: &Results) -> String {
    let mut text = format!(
        "{}. {} rounds, every other one in the opposite order; medians, in brackets the least and the most. What a monitor costs is \
         told against the mean of the two runs without one in its round, the second of these against the first. Times in \
         microseconds an exec.\n",
        machine(),
        results.runs
    );
    for measured in &results.measured {
        let _ = write!(
            text,
            "\n### {}: {}\n\n\
             | monitor | wall, times none's | CPU added to the exec | monitor's CPU | in eBPF programs | execs/s | \
             lost | argv whole |\n|---|---|---|---|---|---|---|---|\n",
            measured.workload.name, measured.workload.about
        );
        for row in &measured.cells {
            let f = figures(measured, row);
            let slowdown = f.slowdown.map_or_else(String::new, |[middle, least, most]| {
                format!("{middle:.3} ({least:.2}-{most:.2})")
            });
            let whole = row.complete.zip(measured.workload.storm).map_or_else(
                || "–".to_owned(),
                |(complete, storm)| {
                    let whole = format!("{} of {}", complete.whole, storm.workers * storm.count);
                    match complete.unwritten {
                        0 => whole,
                        unwritten => format!("{whole} ({unwritten} seen, not written)"),
                    }
                },
            );
            // Others do not say; what they have not written was lost on their way.
            let lost = f.lost.or_else(|| {
                let (complete, storm) = row.complete.zip(measured.workload.storm)?;
                Some((storm.workers * storm.count).saturating_sub(complete.seen))
            });
            let lost = lost.map_or_else(|| "–".to_owned(), |lost| lost.to_string());
            let _ = writeln!(
                text,
                "| {} | {slowdown} | {} | {} | {} | {} | {lost} | {whole} |",
                row.monitor,
                cell(f.added, 1),
                cell(f.monitor, 2),
                cell(f.kernel, 2),
                cell(f.rate, 0),
            );
        }
    }
    text.push_str(
        "\n### Memory and start\n\n| monitor | MB resident at most | MB of eBPF maps | ms until it watches |\n|---|---|---|---|\n",
    );
    let monitors = results.measured.first().map_or(&[][..], |measured| &measured.cells);
    for (index, row) in monitors.iter().enumerate() {
        let all: Vec<Figures> = results
            .measured
            .iter()
            .filter_map(|measured| Some(figures(measured, measured.cells.get(index)?)))
            .collect();
        let most = |value: &dyn Fn(&Figures) -> f64| all.iter().map(value).fold(0.0, f64::max);
        let (resident, maps) = (most(&|f| f.resident), most(&|f| f.maps));
        if resident > 0.0 {
            let ready = median(all.iter().map(|f| f.ready).collect()).unwrap_or(0.0);
            let _ = writeln!(text, "| {} | {resident:.1} | {maps:.1} | {ready:.0} |", row.monitor);
        }
    }
    for (name, latency) in [("idle", results.idle), ("under a storm of 4 workers", results.storm)] {
        if let Some(Latency { samples, p50, p99, max }) = latency {
            let _ = writeln!(
                text,
                "\nFrom exec to finding, {name}: p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms ({samples} findings).",
                micros(p50) / 1000.0,
                micros(p99) / 1000.0,
                micros(max) / 1000.0
            );
        }
    }
    if !results.losses.is_empty() {
        text.push_str("\n### The first loss\n\n| ring buffer, KiB | execs/s | execs | lost |\n|---|---|---|---|\n");
    }
    for loss in &results.losses {
        let still = if loss.is_stopped { ", the monitor stopped" } else { "" };
        let _ = writeln!(
            text,
            "| {}{still} | {:.0} | {} | {} |",
            loss.ring >> 10,
            loss.rate(),
            loss.execs,
            loss.lost
        );
        if let Some(standstill) = loss.standstill() {
            let _ = writeln!(
                text,
                "\nAt that rate the monitor may stand still for {:.2} seconds before it loses the first exec.",
                standstill.as_secs_f64()
            );
        }
    }
    if let Some(Pair { before, after }) = &results.pair
        && let (Some(first), Some(second)) = (median(before.clone()), median(after.clone()))
    {
        let _ = writeln!(
            text,
            "\nTime in eBPF programs against that of the build before, both at once on the same execs: {:.3} ({first:.3} attached \
             first, {second:.3} second; medians of {} storms each).",
            (first * second).sqrt(),
            before.len()
        );
    }
    for missing in &results.missing {
        let _ = writeln!(text, "\nMissing: {missing}.");
    }
    text
}

pub(super) fn json(results: &Results) -> Value {
    let latency = |latency: Option<Latency>| {
        latency.map(|Latency { samples, p50, p99, max }| {
            json!({"samples": samples, "p50_us": micros(p50), "p99_us": micros(p99), "max_us": micros(max)})
        })
    };
    let monitor = |measured: &Measured, row: &Cell| {
        let f = figures(measured, row);
        json!({
            "monitor": row.monitor,
            "slowdown": f.slowdown.map(|[median, least, most]| json!({"median": median, "least": least, "most": most})),
            "cpu_added_us_per_exec": f.added,
            "monitor_cpu_us_per_exec": f.monitor,
            "kernel_us_per_exec": f.kernel,
            "execs_per_second": f.rate,
            "resident_mb": f.resident,
            "maps_mb": f.maps,
            "ready_ms": f.ready,
            "lost": f.lost,
            "argv_cut": f.cut,
            "seen": row.complete.map(|complete| complete.seen),
            "argv_whole": row.complete.map(|complete| complete.whole),
            "seen_and_not_written": row.complete.map(|complete| complete.unwritten),
            "wall_us": row.rounds.iter().map(|round| micros(round.cost.wall)).collect::<Vec<_>>(),
            "cpu_us": row.rounds.iter().map(|round| micros(round.cost.cpu)).collect::<Vec<_>>(),
            "kernel_us": row.kernel.iter().map(|nanoseconds| nanoseconds / 1000.0).collect::<Vec<_>>(),
        })
    };
    let workloads: Vec<Value> = results
        .measured
        .iter()
        .map(|measured| {
            json!({
                "name": measured.workload.name,
                "about": measured.workload.about,
                "execs": execs(measured),
                "monitors": measured.cells.iter().map(|row| monitor(measured, row)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "machine": machine(),
        "rounds": results.runs,
        "workloads": workloads,
        "latency": {"idle": latency(results.idle), "storm": latency(results.storm)},
        "losses": results.losses.iter().map(|loss| json!({
            "ring_bytes": loss.ring,
            "monitor_stopped": loss.is_stopped,
            "execs": loss.execs,
            "lost": loss.lost,
            "execs_per_second": loss.rate(),
            "standstill_seconds": loss.standstill().map(|standstill| standstill.as_secs_f64()),
        })).collect::<Vec<_>>(),
        "kernel_against_before": results.pair.as_ref().map(|pair| json!({"first": pair.before, "second": pair.after})),
        "missing": results.missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::exec::{measure::Memory, monitor::CERT_RECON, workload::Cost};

    fn round(wall: u64) -> Round {
        Round {
            cost: Cost {
                wall: Duration::from_micros(wall),
                cpu: Duration::from_micros(wall),
            },
            monitor_cpu: 0,
            memory: Memory::default(),
            ready_after: Duration::ZERO,
            sums: None,
        }
    }

    #[test]
    fn a_drift_within_a_round_is_not_told_as_a_cost() {
        let (first, second) = ([round(100), round(200)], [round(120), round(180)]);
        let of = |monitor| without(monitor, &first, &second, &|round| micros(round.cost.wall));
        assert_eq!(of(CERT_RECON), [110.0, 190.0]);
        assert_eq!(of(NOTHING_AGAIN), [100.0, 200.0]);
    }
}
