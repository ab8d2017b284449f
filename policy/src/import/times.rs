//! `NOTBEFORE` and `NOTAFTER`: `20270131180000Z`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// Reads a time; one without an offset is in this zone.
pub(super) fn time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let number = |from: usize, to: usize| -> Option<i16> {
        if digits.len() <= from { Some(0) } else { digits.get(from..to)?.parse().ok() }
    };
    if !matches!(digits.len(), 10 | 12 | 14) {
        return None;
    }
    let part = |from: usize| number(from, from + 2).and_then(|part| i8::try_from(part).ok());
    let civil = DateTime::new(number(0, 4)?, part(4)?, part(6)?, part(8)?, part(10)?, part(12)?, 0).ok()?;
    let zone = match rest {
        "" => zone.clone(),
        "Z" => TimeZone::UTC,
        offset => {
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let digits = offset.strip_prefix(['+', '-']).filter(|digits| digits.len() == 4)?;
            let hours: i32 = digits.get(..2)?.parse().ok()?;
            let minutes: i32 = digits.get(2..)?.parse().ok()?;
            TimeZone::fixed(Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()?)
        }
    };
    Some(zone.to_zoned(civil).ok()?.timestamp())
}

/// Whether sudo reads a time here, be it one of no calendar. It passes over a line with anything else.
pub(super) fn is_time(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (_, rest) = text.split_at(digits);
    let is_digit = |char: char| char.is_ascii_digit();
    let zone = rest.strip_prefix(['.', ',']).and_then(|rest| rest.strip_prefix(is_digit)).unwrap_or(rest);
    matches!(digits, 10 | 12 | 14)
        && match zone {
            "" | "Z" => true,
            offset => offset
                .strip_prefix(['+', '-'])
                .is_some_and(|digits| matches!(digits.len(), 2 | 4) && digits.chars().all(is_digit)),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_their_lengths() {
        let berlin = TimeZone::fixed(Offset::constant(1));
        for (text, expected) in [
            ("20270131180000Z", Some("2027-01-31T18:00:00Z")),
            ("202701311800Z", Some("2027-01-31T18:00:00Z")),
            ("2027013118+0200", Some("2027-01-31T16:00:00Z")),
            ("20270131180000-0130", Some("2027-01-31T19:30:00Z")),
            ("20270131180000", Some("2027-01-31T17:00:00Z")),
            ("20270231180000Z", None),
            ("20270131", None),
            ("soon", None),
            ("20270131180000X", None),
        ] {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(time(text, &berlin), expected, "{text}");
        }
    }
}
