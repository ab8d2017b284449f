//! Durations as `--for` takes them: `90s`, `15m`, `1h30m`, `7d`.

/// Units from long to short, in seconds; each may stand once, in this order.
const UNITS: [(u8, u64); 4] = [(b'd', 86_400), (b'h', 3600), (b'm', 60), (b's', 1)];
/// The longest that policy knows: ten years of 365 days.
const LONGEST: u64 = 3650 * 86_400;

/// Seconds, from one to ten years. `None`: not such a duration.
pub(crate) fn parse(mut text: &[u8]) -> Option<u64> {
    let mut units = UNITS.iter();
    let mut seconds: u64 = 0;
    while !text.is_empty() {
        let digits = text.iter().position(|byte| !byte.is_ascii_digit()).filter(|length| *length > 0)?;
        let (number, rest) = text.split_at(digits);
        let (unit, rest) = rest.split_first()?;
        let (_, length) = units.find(|(letter, _)| letter == unit)?;
        let number: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
        seconds = number.checked_mul(*length)?.checked_add(seconds)?;
        text = rest;
    }
    (1..=LONGEST).contains(&seconds).then_some(seconds)
}

/// As sudo's `-T` has it: also plain seconds, and 0, which is no limit. `None`: not such a time.
pub(crate) fn parse_timeout(text: &[u8]) -> Option<u64> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if is_plain && text.iter().all(|digit| *digit == b'0') {
        return Some(0);
    }
    if is_plain { parse(&[text, b"s"].concat()) } else { parse(&text.to_ascii_lowercase()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // interface.md: "Durations: `90s 15m 1h30m 7d`, at least one second."
    #[test]
    fn durations_are_read_as_policy_writes_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("7d", 604_800),
            ("1d1h1m1s", 90_061),
            ("3650d", LONGEST),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(seconds), "{text}");
        }
    }

    // sudo(8), -T: "[d][h][m][s] … If no unit, seconds".
    #[test]
    fn a_commands_timeout_may_be_plain_seconds() {
        for (text, seconds) in [("5", 5), ("0", 0), ("00", 0), ("90S", 90), ("1H30m", 5400)] {
            assert_eq!(parse_timeout(text.as_bytes()), Some(seconds), "{text}");
        }
        for text in ["", "abc", "-1", "5 ", "0s", "315360001"] {
            assert_eq!(parse_timeout(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        let bad = [
            "", "15", "m", "15 m", "15min", "1m1h", "1m1m", "-1s", "+1s", "1.5h", "15M", "0s", "3651d", "1ms",
        ];
        for text in
            bad.into_iter().chain(["18446744073709551616s", "18446744073709551615d", "1s\0", "\u{661}s"])
        {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
