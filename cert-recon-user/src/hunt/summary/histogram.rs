//! Findings over time, within bounded memory, whatever the times.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::rules::Confidence;

/// Findings of each confidence, lowest first.
pub type Bucket = [u64; Confidence::ALL.len()];

/// Widths of a bucket, seconds: each divides the next.
const WIDTHS: [u64; 16] = [
    1,
    5,
    15,
    60,
    5 * 60,
    15 * 60,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    7 * DAY,
    28 * DAY,
    364 * DAY,
    3640 * DAY,
    36400 * DAY,
];
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Buckets that are kept: when there are more, they become wider.
const MOST_BUCKETS: usize = 4096;

/// How many times shorter a time line must become for the few findings far from all others to be left out of it.
const WORTH_IT: u64 = 20;

/// Of fewer findings than this none is far from the others.
const FEW: u64 = 10;

/// Counts findings in buckets of time that are not empty.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Which of [`WIDTHS`].
    width: usize,
    /// By number: time since 1970 divided by width.
    buckets: BTreeMap<u64, Bucket>,
}

/// A piece of time, in buckets of one width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Width of a bucket.
    pub width: Duration,
    /// When the first begins.
    pub start: SystemTime,
    /// The buckets, empty ones among them.
    pub buckets: Vec<Bucket>,
    /// Findings before it: few, and long before.
    pub before: u64,
    /// Findings after it: few, and long after.
    pub after: u64,
}

impl Histogram {
    /// Counts a finding.
    pub fn add(&mut self, time: SystemTime, confidence: Confidence) {
        let seconds = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let bucket = self.buckets.entry(seconds / width(self.width)).or_default();
        if let Some(count) = bucket.get_mut(confidence as usize) {
            *count += 1;
        }
        while self.buckets.len() > MOST_BUCKETS && self.width + 1 < WIDTHS.len() {
            let factor = width(self.width + 1) / width(self.width);
            self.width += 1;
            let narrow = std::mem::take(&mut self.buckets);
            for (number, bucket) in narrow {
                add(self.buckets.entry(number / factor).or_default(), &bucket);
            }
        }
    }

    /// At most `most` buckets that show where the findings are; none when there are none.
    #[must_use]
    pub fn timeline(&self, most: usize) -> Option<Timeline> {
        let (first, last, before, after) = self.middle()?;
        let fits = |index: &usize| {
            let factor = width(*index) / width(self.width);
            last / factor - first / factor < most.max(1) as u64
        };
        let chosen = (self.width..WIDTHS.len()).find(fits).unwrap_or(WIDTHS.len() - 1);
        let factor = width(chosen) / width(self.width);
        let start = first / factor;
        let count = usize::try_from(last / factor - start + 1).ok()?.min(most.max(1));
        let mut buckets = vec![Bucket::default(); count];
        for (number, bucket) in self.buckets.range(first..=last) {
            // Where even the widest buckets are too many, the last one takes the rest.
            let index = usize::try_from(number / factor - start).map_or(count - 1, |index| index.min(count - 1));
            if let Some(sum) = buckets.get_mut(index) {
                add(sum, bucket);
            }
        }
        Some(Timeline {
            width: Duration::from_secs(width(chosen)),
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(start * width(chosen)),
            buckets,
            before,
            after,
        })
    }

    /// The first and the last bucket without the few findings (one in a hundred at each end, or one) that are so far from
    /// the others that these could not be told apart, and how many those are: clocks go wrong.
    fn middle(&self) -> Option<(u64, u64, u64, u64)> {
        let count = |bucket: &Bucket| bucket.iter().sum::<u64>();
        let all: u64 = self.buckets.values().map(count).sum();
        let few = if all < FEW { 0 } else { (all / 100).max(1) };
        let inner = |buckets: &mut dyn Iterator<Item = (&u64, &Bucket)>| {
            let mut outside = 0;
            for (number, bucket) in buckets {
                if outside + count(bucket) > few {
                    return Some((*number, outside));
                }
                outside += count(bucket);
            }
            None
        };
        let (&first, &last) = (self.buckets.keys().next()?, self.buckets.keys().next_back()?);
        let span = last - first;
        let whole = (first, last, 0, 0);
        let (Some((low, before)), Some((high, after))) =
            (inner(&mut self.buckets.iter()), inner(&mut self.buckets.iter().rev()))
        else {
            return Some(whole);
        };
        let is_worth_it = |low: u64, high: u64| low <= high && (high - low + 1) * WORTH_IT <= span;
        [
            (low, last, before, 0),
            (first, high, 0, after),
            (low, high, before, after),
        ]
        .into_iter()
        .find(|&(low, high, ..)| is_worth_it(low, high))
        .or(Some(whole))
    }
}

fn width(index: usize) -> u64 {
    WIDTHS.get(index).copied().unwrap_or(1)
}

fn add(sum: &mut Bucket, bucket: &Bucket) {
    sum.iter_mut().zip(bucket).for_each(|(sum, count)| *sum += count);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, proptest};

    use super::*;

    fn histogram(times: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        for seconds in times {
            histogram.add(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), Confidence::High);
        }
        histogram
    }

    fn sum(timeline: &Timeline) -> u64 {
        timeline.buckets.iter().flatten().sum()
    }

    #[test]
    fn widths_divide_each_other() {
        assert!(WIDTHS.windows(2).all(|pair| pair[1] % pair[0] == 0));
    }

    #[test]
    fn a_day_of_findings_becomes_quarters_of_an_hour() {
        let day = 1_700_000_000 / DAY * DAY;
        let timeline = histogram((0..96).map(|n| day + n * 900)).timeline(100).unwrap();
        assert_eq!(timeline.width, Duration::from_secs(900));
        assert_eq!(timeline.start, SystemTime::UNIX_EPOCH + Duration::from_secs(day));
        assert_eq!(timeline.buckets, [[0, 0, 1]; 96]);
        assert!(histogram([]).timeline(100).is_none());
    }

    #[test]
    fn a_finding_far_from_all_others_is_counted_and_does_not_hide_them() {
        let timeline = histogram([0].into_iter().chain((0..20).map(|n| 1_700_000_000 + n * 60)))
            .timeline(100)
            .unwrap();
        assert_eq!((timeline.before, timeline.after, sum(&timeline)), (1, 0, 20));
        assert!(timeline.width <= Duration::from_secs(15));
        // Two alone are both shown.
        let timeline = histogram([0, 1_700_000_000]).timeline(100).unwrap();
        assert_eq!((timeline.before, timeline.after, sum(&timeline)), (0, 0, 2));
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_lost() {
        let histogram = histogram((0..50_000).map(|n| n * 7));
        assert!(histogram.buckets.len() <= MOST_BUCKETS);
        assert_eq!(sum(&histogram.timeline(100).unwrap()), 50_000);
    }

    proptest! {
        #[test]
        fn every_finding_is_in_the_time_line_or_counted_beside_it(times in vec(any::<u64>(), 1..300), most in 1..200_usize) {
            let histogram = histogram(times.iter().map(|time| time % (1 << 36)));
            let timeline = histogram.timeline(most).unwrap();
            assert!(timeline.buckets.len() <= most);
            assert_eq!(sum(&timeline) + timeline.before + timeline.after, times.len() as u64);
        }
    }
}
