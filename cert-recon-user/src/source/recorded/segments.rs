//! The names of `--record` files: when each begins, and so which of them a span of time needs.
//!
//! Pure. Whoever writes them keeps the promise that [`holds`] states.

use std::{
    ffi::OsStr,
    path::Path,
    time::{Duration, SystemTime},
};

/// From the time in its name on, a file has execs of this span.
pub const SPAN: Duration = Duration::from_secs(3600);

/// Execs may be so much older than the time in the name: they waited for names and hashes.
const MARGIN: Duration = Duration::from_secs(60);

const BEGIN: &str = "execs-";
const END: &str = ".ndjson.zst";

/// Whether a file that begins at `started` may have an exec of `time`.
#[must_use]
pub fn holds(started: SystemTime, time: SystemTime) -> bool {
    time + MARGIN >= started && time < started + SPAN
}

/// The name of a file: `execs-20261125T173339.123456Z-PID.ndjson.zst`. Names sort by time.
#[must_use]
pub fn name(started: SystemTime, pid: u32, number: u32) -> String {
    let time = humantime::format_rfc3339_micros(started)
        .to_string()
        .replace(['-', ':'], "");
    let number = if number == 0 {
        String::new()
    } else {
        format!("-{number}")
    };
    format!("{BEGIN}{time}-{pid}{number}{END}")
}

/// When a file of that name begins; none when it is no name of such a file.
#[must_use]
pub fn started(path: &Path) -> Option<SystemTime> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let (time, rest) = name.strip_prefix(BEGIN)?.strip_suffix(END)?.split_once('-')?;
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !rest.split('-').all(are_digits) || time.len() != "20261125T173339.123456Z".len() || !time.is_ascii() {
        return None;
    }
    let (date, clock) = time.split_once('T')?;
    if !are_digits(date) || date.len() != 8 {
        return None;
    }
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, rest) = (clock.get(..2)?, clock.get(2..4)?, clock.get(4..)?);
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{rest}")).ok()
}

/// Whether a file may have execs of the span; a file of another name may have any.
#[must_use]
pub fn may_be_within(path: &Path, since: Option<SystemTime>, until: Option<SystemTime>) -> bool {
    let Some(started) = started(path) else { return true };
    since.is_none_or(|since| started + SPAN > since) && until.is_none_or(|until| started <= until + MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_name_says_when_its_file_begins_and_other_names_say_nothing() {
        let time = at(1_795_628_019) + Duration::from_micros(123_456);
        for number in [0, 7] {
            let name = name(time, 42, number);
            assert_eq!(started(Path::new(&name)), Some(time), "{name}");
        }
        assert_eq!(name(time, 42, 0), "execs-20261125T173339.123456Z-42.ndjson.zst");
        for other in [
            "",
            "execs-.ndjson.zst",
            "execs-old.ndjson.zst",
            "execs-20261125T173339.123456Z.ndjson.zst",
            "execs-20261125T173339.123456Z-x.ndjson.zst",
            "execs-20261125T173339.123456Z-42.ndjson",
            "execs-20261325T173339.123456Z-42.ndjson.zst",
            "execs-2026é125T173339.12345Z-42.ndjson.zst",
            "my-execs-20261125T173339.123456Z-42.ndjson.zst",
        ] {
            assert_eq!(started(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn only_files_that_lie_wholly_outside_of_a_span_are_left_out() {
        let begins = at(100_000);
        let file = name(begins, 1, 0);
        let within =
            |since: Option<u64>, until: Option<u64>| may_be_within(Path::new(&file), since.map(at), until.map(at));
        assert!(within(None, None));
        assert!(within(Some(100_000), Some(100_000)));
        // Whatever may be in the file, a span that has its time needs it.
        for time in 99_000..105_000 {
            assert!(!holds(begins, at(time)) || within(Some(time), Some(time)), "{time}");
        }
        assert!(!within(Some(103_700), None) && !within(None, Some(99_000)));
        assert!(may_be_within(Path::new("other.zst"), Some(at(1)), Some(at(2))));
    }
}
