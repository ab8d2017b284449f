//! Times as people say them: how long ago, how long from now.

use jiff::Timestamp;

/// How long ago this was (RFC 3339): `2 m 5 s ago`.
pub(crate) fn ago(time: &str, now: Timestamp) -> String {
    time.parse().map_or_else(|_| time.to_owned(), |then: Timestamp| format!("{} ago", between(then, now)))
}

/// How long it is until then (RFC 3339): `4 m 10 s`; `over` once it is past.
pub(crate) fn left(time: &str, now: Timestamp) -> String {
    match time.parse() {
        Ok(then) if then > now => between(now, then),
        Ok(_) => "over".to_owned(),
        Err(_) => time.to_owned(),
    }
}

/// How long until it begins (RFC 3339): `in 2 h 5 m`; `now` once that is past.
pub(crate) fn ahead(time: &str, now: Timestamp) -> String {
    match at(time) {
        Some(then) if then > now => format!("in {}", between(now, then)),
        Some(_) => "now".to_owned(),
        None => time.to_owned(),
    }
}

/// RFC 3339.
pub(crate) fn at(time: &str) -> Option<Timestamp> {
    time.parse().ok()
}

/// In the two largest units that say something; nothing if the second is before the first.
fn between(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_second() - from.as_second()).max(0);
    let in_units =
        [(seconds / 86400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = in_units.iter().position(|(count, _)| *count > 0).unwrap_or(in_units.len() - 1);
    let said =
        in_units.iter().skip(first).take(2).enumerate().filter(|(at, (count, _))| *at == 0 || *count > 0);
    said.map(|(_, (count, unit))| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_is_to_come_is_told_in_two_units() {
        for (time, said) in [
            ("2026-01-01T12:00:01Z", "1 s"),
            ("2026-01-01T12:04:00.9Z", "4 m"),
            ("2026-01-01T12:04:10Z", "4 m 10 s"),
            ("2026-01-01T13:00:59Z", "1 h"),
            ("2026-01-01T14:30:10Z", "2 h 30 m"),
            ("2026-01-04T14:00:00+02:00", "3 d"),
            ("2026-01-04T15:01:00Z", "3 d 3 h"),
            ("2026-01-01T12:00:00Z", "over"),
            ("2025-01-01T12:00:00Z", "over"),
            ("soon", "soon"),
        ] {
            assert_eq!(left(time, now()), said, "{time}");
        }
    }

    #[test]
    fn what_is_to_begin_says_when() {
        for (time, said) in [
            ("2026-01-01T14:30:10Z", "in 2 h 30 m"),
            ("2026-01-01T12:00:00Z", "now"),
            ("2025-01-01T12:00:00Z", "now"),
            ("soon", "soon"),
        ] {
            assert_eq!(ahead(time, now()), said, "{time}");
        }
    }

    #[test]
    fn what_was_is_told_so_and_a_clock_that_was_set_back_is_no_future() {
        for (time, said) in [
            ("2026-01-01T11:58:00Z", "2 m ago"),
            ("2026-01-01T12:00:00Z", "0 s ago"),
            ("2026-01-01T12:00:30Z", "0 s ago"),
            ("once", "once"),
        ] {
            assert_eq!(ago(time, now()), said, "{time}");
        }
    }
}
