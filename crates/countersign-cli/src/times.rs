//! Readable times and durations.

use countersign::clock::{Clock, SystemClock};
use jiff::Timestamp;

use crate::exit::Failure;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The current time, in seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemClock.now().as_secs()).unwrap_or(i64::MAX)
}

/// `seconds` since 1970 as `2026-11-24T22:52:41Z`.
pub(crate) fn utc(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s since 1970"), |at| at.to_string())
}

/// The distance from `now` to `seconds`: `in 5 min`, `2 h ago`.
pub(crate) fn relative(seconds: i64, now: i64) -> String {
    let distance = seconds.saturating_sub(now);
    match distance {
        0 => "now".to_owned(),
        1.. => format!("in {}", span(distance)),
        _ => format!("{} ago", span(distance.saturating_neg())),
    }
}

/// A duration in its two largest units.
pub(crate) fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(DAY, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let first = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (size, name) in UNITS.iter().skip(first).take(2) {
        if rest / size > 0 || words.is_empty() {
            words.push(format!("{} {name}", rest / size));
        }
        rest %= size;
    }
    words.join(" ")
}

/// The seconds of a duration such as `90`, `90s`, `10m`, `2h`, `7d`.
pub(crate) fn length(text: &str) -> Result<u64, Failure> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m" | "min") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)).filter(|seconds| *seconds > 0);
    seconds
        .ok_or_else(|| Failure::usage(format!("{}: write a duration as 90s, 10m, 2h or 7d", crate::output::safe(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(relative(100, 400), "5 min ago");
        assert_eq!(relative(4_000, 100), "in 1 h 5 min");
        let lengths: Vec<Option<u64>> =
            ["90", "90s", "10m", "2h", "7d", "0", "x", "5y", "-1"].iter().map(|text| length(text).ok()).collect();
        assert_eq!(lengths, [Some(90), Some(90), Some(600), Some(7200), Some(604_800), None, None, None, None]);
    }
}
