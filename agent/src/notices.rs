//! What the person at a terminal is told of the end of a session while it runs.

use std::time::Duration;

use jit_policy::{OnExpiry, Rule};
use jit_protocol::link::{Deadline, Go, Notice};

use crate::clock::Moment;
use crate::grants::Grant;
use crate::translate::nanoseconds;
use crate::zones;

/// How long before its end a session on a terminal is told of it, and how.
const AHEAD: [(Duration, &str); 2] = [
    (Duration::from_mins(5), "the session ends in 5 minutes"),
    (Duration::from_mins(1), "the session ends in 1 minute"),
];

/// What the person is told of the end of a session that starts now. With `on_expiry = "warn"` that the grant has expired.
/// On a terminal that the session is about to end, as far ahead as it is long: whoever reads the errors of a script is not
/// told what nobody can heed.
pub fn notices(rule: &Rule, go: &Go, on_terminal: bool, now: Moment) -> Vec<Notice> {
    let ahead = |(before, text): (Duration, &str)| {
        let end = go.deadline.filter(|end| on_terminal && now.until(*end) > nanoseconds(before))?;
        Some(Notice { at: end.before(before), text: text.to_owned() })
    };
    let expired = (rule.grant.on_expiry == OnExpiry::Warn).then(|| Notice {
        at: go.begin_before,
        text: "the grant has expired; the running command may end".to_owned(),
    });
    let mut notices: Vec<Notice> = AHEAD.into_iter().filter_map(ahead).chain(expired).collect();
    notices.sort_by_key(|notice| (notice.at.boottime_ns, notice.at.realtime_ns));
    notices
}

/// What a person who asked for a grant (`--for`) is told at once: until when it lives, which may be less than was asked for.
pub fn until(grant: &Grant, now: Moment) -> Notice {
    let end = zones::on_the_wall(grant.expires.realtime_ns);
    let at = Deadline { boottime_ns: now.boottime_ns, realtime_ns: now.realtime_ns };
    Notice { at, text: format!("the grant lives until {end}") }
}

#[cfg(test)]
mod tests {
    use jit_policy::{AsWritten, Policy, Source};

    use super::*;
    use crate::translate::go;

    const NOW: Moment = Moment { boottime_ns: 1_000_000_000_000, realtime_ns: 1_700_000_000_000_000_000 };
    const MINUTE: u64 = 60_000_000_000;

    fn policy(rule: &str) -> Policy {
        let text =
            format!("schema = 1\n[[rule]]\nid = \"one\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n{rule}");
        Policy::load(&[Source { name: "a".into(), path: "a".into(), text }], &AsWritten).unwrap()
    }

    // "with warning lines on the terminal 5 minutes and 1 minute before"
    #[test]
    fn the_end_is_told_five_minutes_and_one_before_on_a_terminal() {
        let told = |rule: &str, minutes: u64, on_terminal| -> Vec<(u64, String)> {
            let policy = policy(rule);
            let rule = policy.rule("one").unwrap();
            let go = go(rule, "id", NOW.after(minutes * MINUTE), None, NOW);
            let notices = notices(rule, &go, on_terminal, NOW);
            notices.into_iter().map(|notice| (NOW.until(notice.at) / MINUTE, notice.text)).collect()
        };
        let line = |minute, end: &str| (minute, format!("the session ends in {end}"));
        assert_eq!(told("", 15, true), [line(10, "5 minutes"), line(14, "1 minute")]);
        assert_eq!(told("", 5, true), [line(4, "1 minute")], "no longer than five minutes");
        assert_eq!(told("", 1, true), []);
        assert_eq!(told("", 15, false), [], "nobody reads it");
        let limit = "restrict.timeout = \"6m\"";
        assert_eq!(
            told(limit, 15, true),
            [line(1, "5 minutes"), line(5, "1 minute")],
            "it ends by another limit"
        );
        assert_eq!(told("grant.on_expiry = \"finish\"", 15, true), []);
        let expired = (15, "the grant has expired; the running command may end".to_owned());
        let warn = format!("grant.on_expiry = \"warn\"\n{}", "restrict.timeout = \"1h\"");
        assert_eq!(told(&warn, 15, true), [expired, line(55, "5 minutes"), line(59, "1 minute")]);
    }
}
