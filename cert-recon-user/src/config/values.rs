//! Sizes and times, as they are written in the configuration and on the command line.

use std::time::Duration;

use bytesize::ByteSize;

use crate::sink::syslog;

/// A number of bytes.
///
/// # Errors
/// When it is none.
pub fn size(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|error| format!("{error}; write it as 16MiB"))
}

/// The bytes that a folder of recorded execs may hold.
///
/// # Errors
/// When it is no number of bytes, or less than a few files need.
pub fn record_budget(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < 16 << 20 {
        return Err("a record needs 16MiB at least".to_owned());
    }
    Ok(bytes)
}

/// The longest message that a syslog daemon takes, bytes.
///
/// # Errors
/// When it is no number of bytes, has no room for a record's principal fields, or is more than one datagram holds.
pub fn syslog_limit(text: &str) -> Result<usize, String> {
    let limit = usize::try_from(size(text)?).unwrap_or(usize::MAX);
    if (syslog::LEAST_LIMIT..=syslog::MOST_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err("a message may have 4096 bytes to 128KiB".to_owned())
}

/// The size of a ring buffer.
///
/// # Errors
/// When it is none that the kernel takes.
pub fn ring_size(text: &str) -> Result<u32, String> {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let bytes = size(text)?;
    if !bytes.is_power_of_two() || !(page..=1 << 30).contains(&bytes) {
        return Err(format!(
            "the ring buffer's size must be a power of two from {} to 1 GiB",
            ByteSize(page)
        ));
    }
    u32::try_from(bytes).map_err(|error| error.to_string())
}

/// A time between two of something, a second at least.
///
/// # Errors
/// When it is none, or too short.
pub fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_secs(1) {
        return Err("the shortest interval is 1s".to_owned());
    }
    Ok(interval)
}

/// The time within which findings are folded; `0` for not at all.
///
/// # Errors
/// When it is none, too short, or so long that what happened is told too late to matter.
pub fn fold_interval(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    match humantime::parse_duration(text).map_err(|error| error.to_string())? {
        Duration::ZERO => Ok(Duration::ZERO),
        interval if interval > Duration::from_secs(24 * 3600) => Err("the longest interval is 24h".to_owned()),
        _ => interval(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_buffer_has_a_power_of_two_of_at_least_a_page() {
        assert_eq!(ring_size("16MiB"), Ok(16 << 20));
        assert_eq!(ring_size("64KiB"), Ok(64 << 10));
        for bad in ["", "x", "0", "5MiB", "1", "2GiB", "-1", "16MB"] {
            assert!(ring_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn zero_folds_nothing_and_less_than_a_second_or_more_than_a_day_is_refused() {
        assert_eq!(fold_interval("0"), Ok(Duration::ZERO));
        assert_eq!(fold_interval("0s"), Ok(Duration::ZERO));
        assert_eq!(fold_interval("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "1", "10ms", "25h", "-1s", "soon"] {
            assert!(fold_interval(bad).is_err(), "{bad}");
        }
    }
}
