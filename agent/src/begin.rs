//! When something that is asked for ahead is to begin.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use jit_policy::Zones;

use crate::refusal::Refusal;
use crate::zones::HostZones;

/// How far ahead: what is decided now is looked at again by each reload and at each use, but who agreed knew no more than today's
/// facts.
const FARTHEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `2026-12-24T18:00:00+01:00`, or `22:00`: the next time that this host's clock shows that. In whole seconds.
///
/// # Errors
/// If it is none, over, or more than seven days ahead.
pub fn of(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    parse(text, now, HostZones.local())
}

fn parse(text: &str, now: Timestamp, zone: Option<TimeZone>) -> Result<Timestamp, Refusal> {
    let begin = match clock_time(text) {
        Some((hour, minute)) => next(hour, minute, now, zone)?,
        None => text.parse::<Timestamp>().map_err(|_| no_time())?,
    };
    let begin = Timestamp::from_second(begin.as_second()).unwrap_or(begin);
    if begin.as_second() < now.as_second() {
        return Err(Refusal::new("that time is over", "ask for a later one"));
    }
    if begin.duration_since(now) > FARTHEST {
        return Err(Refusal::new("that is more than 7 days ahead", "ask for an earlier time"));
    }
    Ok(begin)
}

fn no_time() -> Refusal {
    Refusal::new("the time is none", "write it as 22:00 or 2026-12-24T18:00:00+01:00")
}

fn clock_time(text: &str) -> Option<(i8, i8)> {
    let two = |digits: &str| {
        let is_two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<i8>().ok().filter(|_| is_two)
    };
    let (hour, minute) = text.split_once(':')?;
    Some((two(hour)?, two(minute)?))
}

/// The next time that a clock in this zone shows it. Of an hour that comes twice each counts; one that is left out has none.
fn next(hour: i8, minute: i8, now: Timestamp, zone: Option<TimeZone>) -> Result<Timestamp, Refusal> {
    let hint = "write it as 2026-12-24T18:00:00+01:00";
    let zone = zone.ok_or_else(|| Refusal::new("the time zone of this host is not known", hint))?;
    let today = now.to_zoned(zone.clone()).date();
    let tomorrow = today.checked_add(1.day()).map_err(|_| no_time())?;
    for day in [today, tomorrow] {
        let time = jiff::civil::Time::new(hour, minute, 0, 0).map_err(|_| no_time())?;
        let shown = DateTime::from_parts(day, time);
        let ambiguous = zone.to_ambiguous_timestamp(shown);
        if matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
            if day == today && shown < now.to_zoned(zone.clone()).datetime() {
                continue;
            }
            let what = format!("the clock of this host does not show {hour:02}:{minute:02} on that day");
            return Err(Refusal::new(what, hint));
        }
        for time in [ambiguous.earlier(), ambiguous.later()] {
            let time = time.map_err(|_| no_time())?;
            if time >= now {
                return Ok(time);
            }
        }
    }
    Err(no_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Berlin's: on 2026-03-29 02:00 to 03:00 is left out, on 2026-10-25 it comes twice.
    fn berlin() -> Option<TimeZone> {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").ok()
    }

    // "Daylight saving hour twice and never, time zone change"
    #[test]
    fn a_time_on_the_clock_is_the_next_one_that_the_hosts_clock_shows() {
        for (now, text, begins) in [
            ("2026-06-01T12:00:00Z", "22:00", Ok("2026-06-01T20:00:00Z")),
            ("2026-06-01T12:00:00Z", "14:00", Ok("2026-06-01T12:00:00Z")), // now
            ("2026-06-01T12:00:01Z", "14:00", Ok("2026-06-02T12:00:00Z")),
            ("2026-06-01T12:00:00Z", "00:00", Ok("2026-06-01T22:00:00Z")),
            // The zone's offset of then, not of now.
            ("2026-03-28T12:00:00Z", "12:30", Ok("2026-03-29T10:30:00Z")),
            ("2026-10-24T12:00:00Z", "12:30", Ok("2026-10-25T11:30:00Z")),
            // Twice: the first, then the second, then the next day's.
            ("2026-10-24T22:00:00Z", "02:30", Ok("2026-10-25T00:30:00Z")),
            ("2026-10-25T00:31:00Z", "02:30", Ok("2026-10-25T01:30:00Z")),
            ("2026-10-25T01:31:00Z", "02:30", Ok("2026-10-26T01:30:00Z")),
            // Never: on that day; the day after there is one.
            ("2026-03-28T12:00:00Z", "02:30", Err("does not show 02:30")),
            ("2026-03-29T00:59:00Z", "02:30", Err("does not show 02:30")),
            ("2026-03-29T01:00:00Z", "02:30", Ok("2026-03-30T00:30:00Z")),
            ("2026-06-01T12:00:00Z", "24:00", Err("none")),
            ("2026-06-01T12:00:00Z", "12:60", Err("none")),
        ] {
            let parsed = parse(text, now.parse().unwrap(), berlin());
            match begins {
                Ok(begins) => assert_eq!(parsed.unwrap().to_string(), begins, "{now} {text}"),
                Err(says) => assert!(parsed.unwrap_err().what.contains(says), "{now} {text}"),
            }
        }
    }

    #[test]
    fn a_time_has_an_offset_is_not_over_and_not_far_ahead() {
        let now = "2026-06-01T12:00:00.5Z".parse().unwrap();
        for (text, begins) in [
            ("2026-06-01T20:00:00+02:00", Ok("2026-06-01T18:00:00Z")),
            ("2026-06-01T12:00:00Z", Ok("2026-06-01T12:00:00Z")),
            ("2026-06-08T12:00:00.9Z", Ok("2026-06-08T12:00:00Z")),
            ("2026-06-01T11:59:59Z", Err("over")),
            ("2025-06-01T12:00:00Z", Err("over")),
            ("2026-06-08T12:00:01Z", Err("7 days")),
            ("9999-12-30T00:00:00Z", Err("7 days")),
            ("2026-06-01T20:00:00", Err("none")),
            ("2026-06-02", Err("none")),
            ("9:00", Err("none")),
            ("+9:00", Err("none")),
            ("22", Err("none")),
            ("tomorrow", Err("none")),
            ("", Err("none")),
        ] {
            match (parse(text, now, berlin()), begins) {
                (Ok(parsed), Ok(begins)) => assert_eq!(parsed.to_string(), begins, "{text}"),
                (Err(refusal), Err(says)) => assert!(refusal.what.contains(says), "{text}: {}", refusal.what),
                (parsed, _) => panic!("{text}: {parsed:?}"),
            }
        }
        assert!(parse("22:00", now, None).unwrap_err().what.contains("zone of this host is not known"));
    }
}
