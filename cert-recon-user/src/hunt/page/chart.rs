//! Findings over time, as a drawing and as a table.
//!
//! Owns the drawing: one bar a bucket, high confidence at its foot. The three levels differ in pattern as well as in colour.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use super::{html, tables};
use crate::{
    hunt::{
        coverage::counted,
        summary::{Bucket, Summary, Timeline},
    },
    rules::Confidence,
    sink::json::timestamp,
};

/// Bars.
const MOST_BARS: usize = 72;

/// Size of the drawing and of its margins, in its own units: near to pixels on a wide screen.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// The widest bar.
const WIDEST: f64 = 48.0;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Distances of labels below the axis, seconds.
const STEPS: [u64; 25] = [
    1,
    5,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    182 * DAY,
    364 * DAY,
    3640 * DAY,
    36400 * DAY,
    364_000 * DAY,
];

/// Labels below the axis.
const MOST_LABELS: u64 = 7;

pub(super) fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let Some(timeline) = summary.histogram().timeline(MOST_BARS) else {
        return writeln!(out, "<p>No findings with a time.</p>");
    };
    let every = width(timeline.width);
    writeln!(
        out,
        "<figure><figcaption>Findings per {every} <span class=\"legend\">{}</span></figcaption>",
        legend()
    )?;
    drawing(out, &timeline)?;
    for (count, when) in [(timeline.before, "before"), (timeline.after, "after")] {
        if count > 0 {
            writeln!(
                out,
                "<p class=\"quiet\">{} long {when} all others {} not drawn.</p>",
                counted(count, "finding"),
                if count == 1 { "is" } else { "are" }
            )?;
        }
    }
    table(out, &timeline, every)?;
    writeln!(out, "</figure>")
}

fn legend() -> String {
    let levels = Confidence::ALL.iter().rev();
    levels
        .map(|level| {
            format!(
                "<span><svg width=\"16\" height=\"12\" aria-hidden=\"true\"><rect class=\"{level}\" x=\"1\" y=\"1\" \
                 width=\"14\" height=\"10\"/></svg> {level}</span> "
            )
        })
        .collect()
}

fn drawing(out: &mut impl Write, timeline: &Timeline) -> io::Result<()> {
    let count = timeline.buckets.len().max(1);
    let highest = timeline.buckets.iter().map(sum).max().unwrap_or_default().max(1);
    let step = nice_step(highest);
    let top = highest.div_ceil(step) * step;
    let (plot_width, plot_height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let y = |value: u64| TOP + plot_height * (1.0 - value as f64 / top as f64);
    let total: u64 = timeline.buckets.iter().map(sum).sum();
    writeln!(
        out,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Bar chart: {total} findings over \
         time; the table below has the numbers\">\n<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" \
         patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"paper\" width=\"6\" height=\"6\"/>\
         <rect class=\"ink\" width=\"3.4\" height=\"6\"/></pattern></defs>"
    )?;
    for value in (0..=top).step_by(usize::try_from(step).unwrap_or(1)) {
        let y = y(value);
        writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"y\" x=\"{}\" \
             y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.5,
            html::number(value)
        )?;
    }
    let slot = plot_width / count as f64;
    let bar = (slot * 0.82).min(WIDEST);
    for (index, bucket) in timeline.buckets.iter().enumerate() {
        let x = LEFT + slot * index as f64 + (slot - bar) / 2.0;
        let mut below = 0;
        for (level, &count) in Confidence::ALL.iter().zip(bucket).rev() {
            if count > 0 {
                let (upper, lower) = (y(below + count), y(below));
                writeln!(
                    out,
                    "<rect class=\"{level}\" x=\"{x:.1}\" y=\"{upper:.1}\" width=\"{bar:.1}\" height=\"{:.1}\"/>",
                    lower - upper
                )?;
                below += count;
            }
        }
    }
    labels(out, timeline, slot)?;
    writeln!(out, "</svg>")
}

/// Times below the axis; the date below the first, and where it changes.
fn labels(out: &mut impl Write, timeline: &Timeline, slot: f64) -> io::Result<()> {
    let width = timeline.width.as_secs().max(1);
    let start = seconds(timeline.start);
    let end = start + width * timeline.buckets.len() as u64;
    let step = STEPS
        .into_iter()
        .find(|step| *step >= width && (end - start).div_ceil(*step) <= MOST_LABELS)
        .unwrap_or(364_000 * DAY);
    let mut date_before = String::new();
    let mut at = start.next_multiple_of(step);
    while at < end {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
        let x = LEFT + slot * (at - start) as f64 / width as f64;
        let axis = HEIGHT - BOTTOM;
        write!(
            out,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{axis}\" y2=\"{}\"/>",
            axis + 5.0
        )?;
        let written = timestamp(time);
        let date = written.get(..10).unwrap_or_default().to_owned();
        let clock = match step {
            ..MINUTE => written.get(11..19),
            MINUTE..DAY => written.get(11..16),
            DAY.. => None,
        };
        let (first, second) = (axis + 20.0, axis + 37.0);
        if let Some(clock) = clock {
            write!(out, "<text class=\"x\" x=\"{x:.1}\" y=\"{first}\">{clock}</text>")?;
        }
        if date != date_before {
            let y = if clock.is_some() { second } else { first };
            write!(out, "<text class=\"x\" x=\"{x:.1}\" y=\"{y}\">{date}</text>")?;
        }
        writeln!(out)?;
        date_before = date;
        at += step;
    }
    Ok(())
}

/// The same for those who can't see the drawing, or need its numbers.
fn table(out: &mut impl Write, timeline: &Timeline, every: String) -> io::Result<()> {
    writeln!(
        out,
        "<details class=\"numbers\"><summary>The same as a table</summary><table><thead><tr>\
         <th scope=\"col\">{every} from</th><th scope=\"col\" class=\"n\">High</th><th scope=\"col\" class=\"n\">Medium</th>\
         <th scope=\"col\" class=\"n\">Low</th></tr></thead><tbody>"
    )?;
    for (index, bucket) in (0_u32..).zip(&timeline.buckets) {
        let [low, medium, high] = bucket;
        if sum(bucket) > 0 {
            let start = timeline
                .width
                .checked_mul(index)
                .and_then(|since| timeline.start.checked_add(since));
            writeln!(
                out,
                "<tr><td>{}</td><td class=\"n\">{high}</td><td class=\"n\">{medium}</td><td class=\"n\">{low}</td></tr>",
                tables::time(start)
            )?;
        }
    }
    writeln!(out, "</tbody></table></details>")
}

fn sum(bucket: &Bucket) -> u64 {
    bucket.iter().sum()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// 1, 2 or 5 times a power of ten, so that there are four lines or so.
fn nice_step(highest: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if highest.div_ceil(step) <= 5 {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// `hour`, `15 minutes`.
fn width(width: Duration) -> String {
    let seconds = width.as_secs();
    let (count, unit) = match seconds {
        DAY.. => (seconds / DAY, "day"),
        HOUR.. => (seconds / HOUR, "hour"),
        MINUTE.. => (seconds / MINUTE, "minute"),
        _ => (seconds, "second"),
    };
    match count {
        1 => unit.to_owned(),
        count => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::summary::tests::finding;

    fn drawn(times: impl IntoIterator<Item = u64>) -> String {
        let mut summary = Summary::default();
        times.into_iter().for_each(|time| summary.add(&finding(time), "here"));
        let mut out = Vec::new();
        write(&mut out, &summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_axis_has_round_numbers() {
        for (highest, step) in [
            (1, 1),
            (5, 1),
            (6, 2),
            (10, 2),
            (11, 5),
            (26, 10),
            (1000, 200),
            (u64::MAX, 5_000_000_000_000_000_000),
        ] {
            assert_eq!(nice_step(highest), step, "{highest}");
        }
    }

    #[test]
    fn one_finding_is_one_bar_and_one_row() {
        let chart = drawn([1_700_000_000]);
        assert_eq!(chart.matches("<rect class=\"high\"").count() - 1, 1, "{chart}");
        assert_eq!(chart.matches("<tr><td>").count(), 1);
        assert!(chart.contains("Findings per second"));
    }

    #[test]
    fn labels_are_few_whatever_the_times() {
        for span in [1, 59, 3600, 86_400, 700_000, 40_000_000, 1_700_000_000, 200_000_000_000] {
            let chart = drawn([0, span / 3, span]);
            let labels = chart.matches("class=\"tick\"").count();
            assert!((1..=8).contains(&labels), "{span}: {labels}");
            assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
        }
    }

    #[test]
    fn no_finding_with_a_time_is_said() {
        assert!(drawn([]).contains("No findings with a time."));
    }
}
