//! When a suppression ends.

use std::time::{Duration, SystemTime};

use toml::value::{Datetime, Offset};

use super::ConfigProblem;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The moment from which on it no longer works: the time that is given; of a date, the end of that day in UTC.
pub(super) fn end(written: Datetime) -> Result<SystemTime, ConfigProblem> {
    let date = written.date.ok_or(ConfigProblem::NoDate)?;
    let midnight = humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).map_err(|_| ConfigProblem::NoDate)?;
    let Some(time) = written.time else {
        return Ok(midnight + DAY);
    };
    let offset = match written.offset.ok_or(ConfigProblem::NoOffset)? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds =
        u64::from(time.hour) * 3600 + u64::from(time.minute) * 60 + u64::from(time.second.unwrap_or_default());
    let local = midnight + Duration::from_secs(seconds);
    let shift = Duration::from_secs(offset.unsigned_abs() * 60);
    // East of Greenwich the clock shows more than UTC.
    let end = if offset >= 0 {
        local.checked_sub(shift)
    } else {
        local.checked_add(shift)
    };
    end.ok_or(ConfigProblem::NoDate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_works_through_its_last_second_and_a_time_up_to_it() {
        for (written, expected) in [
            ("2030-12-31", Ok("2031-01-01T00:00:00Z")),
            ("2028-02-29", Ok("2028-03-01T00:00:00Z")),
            ("2030-12-31T18:00:00Z", Ok("2030-12-31T18:00:00Z")),
            ("2030-12-31 18:00:00z", Ok("2030-12-31T18:00:00Z")),
            ("2030-12-31T18:00:00.5Z", Ok("2030-12-31T18:00:00Z")),
            ("2030-12-31T18:00:00+01:30", Ok("2030-12-31T16:30:00Z")),
            ("2030-12-31T23:00:00-02:00", Ok("2031-01-01T01:00:00Z")),
            ("2030-12-31T18:00:00", Err(ConfigProblem::NoOffset)),
            ("18:00:00", Err(ConfigProblem::NoDate)),
            ("1969-12-31", Err(ConfigProblem::NoDate)),
        ] {
            let end = end(written.parse().unwrap());
            let expected = expected.map(|text| humantime::parse_rfc3339(text).unwrap());
            assert_eq!(end, expected, "{written}");
        }
    }
}
