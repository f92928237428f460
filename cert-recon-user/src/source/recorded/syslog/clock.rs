//! Times as logs write them, many of them without year and zone.
//!
//! Owns what is taken for the missing parts. Without a zone, a time is in the zone that the reader was given: that of the
//! machine it runs on, as nothing in the log says another. Without a year, it is the latest year with which the time is not
//! after the last change of the file. Reads no clock.

use std::time::{Duration, SystemTime};

use jiff::{Timestamp, civil, tz::TimeZone};

/// A time as it stands in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp<'a> {
    /// `Nov 25 17:33:39`.
    Traditional {
        /// From 1.
        month: i8,
        /// From 1.
        day: i8,
        /// Hour, minute, second.
        clock: [i8; 3],
        /// The year, where there is one.
        year: Option<i16>,
    },
    /// `2026-11-25T17:33:39.123456+01:00`.
    Rfc3339(&'a [u8]),
}

impl<'a> Stamp<'a> {
    /// The time that a line begins with, and what follows the space behind it.
    pub(crate) fn split(line: &'a [u8]) -> Option<(Self, &'a [u8])> {
        match line.first()? {
            b'0'..=b'9' => {
                let end = memchr::memchr(b' ', line)?;
                let (stamp, rest) = line.split_at_checked(end)?;
                let shape = stamp.len() >= 19
                    && stamp.get(4) == Some(&b'-')
                    && stamp.get(7) == Some(&b'-')
                    && stamp.get(10) == Some(&b'T')
                    && stamp.get(13) == Some(&b':');
                shape.then(|| (Self::Rfc3339(stamp), rest.get(1..).unwrap_or_default()))
            }
            b'A'..=b'S' => Self::traditional(line),
            _ => None,
        }
    }

    fn traditional(line: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const MONTHS: [&[u8; 3]; 12] = [
            b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
        ];
        let (name, rest) = line.split_first_chunk::<3>()?;
        let month = MONTHS.iter().position(|month| *month == name)? + 1;
        let (day, rest) = rest.split_first_chunk::<3>()?;
        let day = match day {
            [b' ', b' ', digit] => two(b'0', *digit)?,
            [b' ', tens, digit] => two(*tens, *digit)?,
            _ => return None,
        };
        let (clock, rest) = rest.split_first_chunk::<9>()?;
        let [b' ', h, i, b':', m, n, b':', s, t] = *clock else {
            return None;
        };
        let clock = [two(h, i)?, two(m, n)?, two(s, t)?];
        let [hour, minute, second] = clock;
        if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        // `log_year` of sudo puts a year behind it, and some daemons a fraction of the second.
        let rest = match rest.strip_prefix(b".") {
            Some(fraction) => {
                let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
                fraction.get(digits..)?
            }
            None => rest,
        };
        let mut rest = rest.strip_prefix(b" ")?;
        let mut year = None;
        if let Some((&[a, b, c, d, b' '], behind)) = rest.split_first_chunk::<5>()
            && let (Some(century), Some(years)) = (two(a, b), two(c, d))
        {
            year = Some(i16::from(century) * 100 + i16::from(years));
            rest = behind;
        }
        let month = i8::try_from(month).ok()?;
        let stamp = Self::Traditional {
            month,
            day,
            clock,
            year,
        };
        Some((stamp, rest))
    }
}

fn two(tens: u8, ones: u8) -> Option<i8> {
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    i8::try_from((tens - b'0') * 10 + (ones - b'0')).ok()
}

/// Turns the times of one log into moments.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    latest: SystemTime,
    /// The latest moment that was given a year here.
    last: Option<SystemTime>,
    /// Times seemed to go back by months.
    went_back: bool,
}

/// How far a time may lie after the file's last change: clocks are set, and zones guessed.
const LATE: Duration = Duration::from_secs(86_400);
/// A log that goes back by so much was given a year too many before.
const BACK: Duration = Duration::from_secs(90 * 86_400);

impl Clock {
    /// For times in `zone`, none of them after `latest`.
    pub(crate) fn new(zone: TimeZone, latest: SystemTime) -> Self {
        Self {
            zone,
            latest,
            last: None,
            went_back: false,
        }
    }

    /// From now on, times are of a file that was last changed then.
    pub(crate) fn set_latest(&mut self, latest: SystemTime) {
        self.latest = latest;
    }

    /// The moment; none when there is no such day or hour.
    pub(crate) fn moment(&mut self, stamp: Stamp<'_>) -> Option<SystemTime> {
        match stamp {
            Stamp::Rfc3339(text) => {
                let timestamp: Timestamp = std::str::from_utf8(text).ok()?.parse().ok()?;
                timestamp.try_into().ok()
            }
            Stamp::Traditional {
                month,
                day,
                clock,
                year: Some(year),
            } => self.civil(year, month, day, clock),
            Stamp::Traditional { month, day, clock, .. } => self.without_year(month, day, clock),
        }
    }

    /// Whether, since it was asked last, times without a year went back by months: then a log spans more than a year, and the
    /// years given before may be too late.
    pub(crate) fn take_went_back(&mut self) -> bool {
        std::mem::take(&mut self.went_back)
    }

    fn civil(&self, year: i16, month: i8, day: i8, [hour, minute, second]: [i8; 3]) -> Option<SystemTime> {
        // A leap second is the last one of its minute.
        let date = civil::DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
        self.zone.to_timestamp(date).ok()?.try_into().ok()
    }

    fn without_year(&mut self, month: i8, day: i8, clock: [i8; 3]) -> Option<SystemTime> {
        let limit = self.latest.checked_add(LATE)?;
        let newest = self.zone.to_datetime(Timestamp::try_from(limit).ok()?).year();
        // The 29th of February may be eight years back.
        let moment = (0..9)
            .filter_map(|back| self.civil(newest.checked_sub(back)?, month, day, clock))
            .find(|moment| *moment <= limit)?;
        if let Some(last) = self.last
            && last.duration_since(moment).is_ok_and(|back| back > BACK)
        {
            self.went_back = true;
        }
        self.last = Some(moment);
        Some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().unwrap().try_into().unwrap()
    }

    fn clock(latest: &str) -> Clock {
        Clock::new(TimeZone::fixed(jiff::tz::offset(1)), at(latest))
    }

    fn moment(clock: &mut Clock, line: &str) -> Option<SystemTime> {
        let (stamp, rest) = Stamp::split(line.as_bytes())?;
        assert_eq!(rest, b"x");
        clock.moment(stamp)
    }

    #[test]
    fn a_time_without_a_year_is_the_latest_that_is_not_after_the_file() {
        for (latest, line, expected) in [
            ("2026-11-25T16:33:39Z", "Nov 25 17:33:39 x", "2026-11-25T16:33:39Z"),
            ("2026-11-25T16:33:39Z", "Nov 28 17:33:39 x", "2025-11-28T16:33:39Z"),
            ("2026-01-02T00:00:00Z", "Dec 31 23:59:59 x", "2025-12-31T22:59:59Z"),
            ("2025-12-31T23:30:00Z", "Jan  1 00:10:00 x", "2025-12-31T23:10:00Z"),
            ("2026-11-25T16:33:39Z", "Feb 29 00:00:00 x", "2024-02-28T23:00:00Z"),
            ("2026-11-25T16:33:39Z", "Nov 25 17:33:39 2019 x", "2019-11-25T16:33:39Z"),
            ("2026-11-25T16:33:39Z", "Nov 25 17:33:39.5 x", "2026-11-25T16:33:39Z"),
            ("2026-11-25T16:33:39Z", "Nov 25 17:33:60 x", "2026-11-25T16:33:59Z"),
            (
                "2026-11-25T16:33:39Z",
                "2019-01-01T00:00:00+0100 x",
                "2018-12-31T23:00:00Z",
            ),
            (
                "2026-11-25T16:33:39Z",
                "2019-01-01T00:00:00.25+05:30 x",
                "2018-12-31T18:30:00.25Z",
            ),
        ] {
            assert_eq!(moment(&mut clock(latest), line), Some(at(expected)), "{line}");
        }
        for line in [
            "Nov 31 00:00:00 x",
            "Feb 30 00:00:00 x",
            "2026-13-01T00:00:00Z x",
            "2026-01-01T00:00:00 x",
        ] {
            assert_eq!(moment(&mut clock("2026-11-25T16:33:39Z"), line), None, "{line}");
        }
    }

    #[test]
    fn a_log_that_spans_more_than_a_year_is_noticed_where_its_times_go_back() {
        let mut clock = clock("2026-11-25T16:33:39Z");
        for line in ["Oct  1 00:00:00 x", "Nov 20 00:00:00 x", "Nov 19 00:00:00 x"] {
            assert!(moment(&mut clock, line).is_some());
            assert!(!clock.take_went_back());
        }
        assert!(moment(&mut clock, "Dec 20 00:00:00 x").is_some());
        assert!(clock.take_went_back());
        assert!(moment(&mut clock, "Jan 20 00:00:00 x").is_some());
        assert!(!clock.take_went_back());
    }
}
