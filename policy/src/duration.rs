//! Durations as the policy writes them: `90s`, `15m`, `1h30m`, `7d`.

use std::fmt;
use std::time::Duration;

/// The longest duration: ten years of 365 days.
pub const LONGEST: Duration = Duration::from_secs(3650 * DAY);

const DAY: u64 = 86_400;
/// Units from long to short; each may stand once, in this order.
const UNITS: [(char, u64); 4] = [('d', DAY), ('h', 3600), ('m', 60), ('s', 1)];

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidDuration {
    /// Not of the form `1h30m`.
    Form,
    /// Less than one second.
    TooShort,
    /// More than [`LONGEST`].
    TooLong,
}

impl fmt::Display for InvalidDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Form => "not a duration",
            Self::TooShort => "a duration is at least one second",
            Self::TooLong => "a duration is at most 3650d",
        })
    }
}

impl std::error::Error for InvalidDuration {}

/// Reads a duration of one second to [`LONGEST`]. Also what `--for`, `--wait` and `-T` should use.
///
/// # Errors
/// [`InvalidDuration`], with which of the three it is.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let mut seconds: u64 = 0;
    let mut units = UNITS.iter();
    let mut rest = text;
    if rest.is_empty() {
        return Err(InvalidDuration::Form);
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidDuration::Form)?;
        let (digits, after) = rest.split_at(end);
        let unit = after.chars().next().ok_or(InvalidDuration::Form)?;
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or(InvalidDuration::Form)?;
        if digits.is_empty() {
            return Err(InvalidDuration::Form);
        }
        let count: u64 = digits.parse().map_err(|_| InvalidDuration::TooLong)?;
        seconds = count
            .checked_mul(*length)
            .and_then(|part| seconds.checked_add(part))
            .ok_or(InvalidDuration::TooLong)?;
        rest = after.get(unit.len_utf8()..).unwrap_or_default();
    }
    match Duration::from_secs(seconds) {
        Duration::ZERO => Err(InvalidDuration::TooShort),
        duration if duration > LONGEST => Err(InvalidDuration::TooLong),
        duration => Ok(duration),
    }
}

/// Writes a duration as the policy does; parts of a second are dropped.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            text.push_str(&(rest / length).to_string());
            text.push(unit);
            rest %= length;
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    // "Durations: `90s 15m 1h30m 7d`, at least one second."
    #[test]
    fn durations_are_written_in_descending_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("7d", 604_800),
            ("1s", 1),
            ("1d1h1m1s", 90_061),
            ("0h1s", 1),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        use InvalidDuration::{Form, TooLong, TooShort};
        for (text, why) in [
            ("", Form),
            ("15", Form),
            ("m", Form),
            ("15 m", Form),
            (" 15m", Form),
            ("15m ", Form),
            ("15min", Form),
            ("1m1h", Form),
            ("1m1m", Form),
            ("-1s", Form),
            ("+1s", Form),
            ("1.5h", Form),
            ("15M", Form),
            ("1ms", Form),
            ("١s", Form),
            ("1µ", Form),
            ("0s", TooShort),
            ("0d0s", TooShort),
            ("3651d", TooLong),
            ("3650d1s", TooLong),
            ("18446744073709551615s", TooLong),
            ("18446744073709551616s", TooLong),
            ("18446744073709551615d", TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(why), "{text:?}");
        }
        assert_eq!(parse_duration("3650d"), Ok(LONGEST));
    }

    #[test]
    fn a_written_duration_reads_back() {
        for seconds in [1, 59, 60, 61, 3599, 3600, 5400, 86_399, 86_400, 315_360_000] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        assert_eq!(format_duration(Duration::ZERO), "0");
    }
}
