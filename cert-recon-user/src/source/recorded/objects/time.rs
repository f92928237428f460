//! The forms of time that exports use. What names no zone is in UTC, as the portals show it by default.

use std::time::{Duration, SystemTime};

use jiff::{civil::DateTime, tz::TimeZone};

use crate::source::recorded::time_of;

/// Forms of the portals' tables: `Nov 25, 2026 5:33:39.123 PM`, `11/25/2026, 5:33:39.123 PM`, `11/25/2026 5:33:39 PM`.
const FORMS: [&str; 3] = [
    "%b %d, %Y %I:%M:%S%.f %p",
    "%m/%d/%Y, %I:%M:%S%.f %p",
    "%m/%d/%Y %I:%M:%S%.f %p",
];

/// A time; none when it is in no form that is known.
pub(in crate::source::recorded) fn when(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Some(number) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        return epoch(number);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return epoch(text);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return time_of(time);
    }
    let civil = text
        .parse::<DateTime>()
        .ok()
        .or_else(|| FORMS.iter().find_map(|form| DateTime::strptime(form, text).ok()))?;
    time_of(TimeZone::UTC.to_timestamp(civil).ok()?)
}

/// Seconds since 1970 with or without decimals, or milliseconds: no exec that was recorded is of before 1973, when there were as
/// many milliseconds as there will be seconds in 5138.
fn epoch(number: &str) -> Option<SystemTime> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let since = if whole < 100_000_000_000 {
        let nanos = format!("{decimals:0<9}");
        Duration::new(whole, nanos.get(..9)?.parse().ok()?)
    } else {
        Duration::from_millis(whole)
    };
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time_is_the_same_time() {
        let millis = 1_795_628_019_123;
        for (text, millis) in [
            ("2026-11-25T17:33:39.123Z", millis),
            ("2026-11-25T17:33:39.1230000Z", millis),
            ("2026-11-25T18:33:39.123+01:00", millis),
            ("2026-11-25T17:33:39.123", millis),
            ("2026-11-25 17:33:39.123", millis),
            ("Nov 25, 2026 5:33:39.123 PM", millis),
            ("Nov 25, 2026 5:33:39 PM", 1_795_628_019_000),
            ("11/25/2026, 5:33:39.123 PM", millis),
            ("11/25/2026 5:33:39 PM", 1_795_628_019_000),
            ("/Date(1795628019123)/", millis),
            ("1795628019123", millis),
            ("1795628019.123", millis),
            (" 1795628019 ", 1_795_628_019_000),
        ] {
            let expected = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(when(text.as_bytes()), Some(expected), "{text}");
        }
        for bad in [
            "",
            ".",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "1.2.3",
            "99999999999999999999",
            "\u{661}",
            "/Date(x)/",
        ] {
            assert_eq!(when(bad.as_bytes()), None, "{bad}");
        }
    }
}
