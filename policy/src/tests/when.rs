//! `when.time`: what a clock on a wall of the host, or of a named zone, shows.

use jiff::Timestamp;

use super::support::{Ask, Walls, allow, asked, deny, policy};
use crate::{Candidate, Decision, Policy};

fn at(time: &str) -> Ask {
    asked(|ask| ask.now = time.parse().unwrap())
}

fn only(window: &str) -> Policy {
    allow(&format!("when.time = [\"{window}\"]"))
}

/// When the first candidate's permission ends.
fn until(ask: &Ask, policy: &Policy) -> Option<Timestamp> {
    ask.with(|request| match policy.evaluate(request, &ask.directory).unwrap() {
        Decision::Permit(candidates) => candidates.first().and_then(|Candidate { until, .. }| *until),
        Decision::Deny(denial) => panic!("{denial:?}"),
    })
}

// The host is in Berlin; 2026-06-01 is a Monday. Its clocks are set forward on 2026-03-29 at 01:00Z, back on 2026-10-25
// at 01:00Z.
#[test]
fn a_window_is_open_while_a_clock_on_the_wall_shows_its_time() {
    for (window, time, open) in [
        ("Mon..Fri 08:00..18:00", "2026-06-01T06:00:00Z", true),
        ("Mon..Fri 08:00..18:00", "2026-06-01T05:59:59.999999999Z", false),
        ("Mon..Fri 08:00..18:00", "2026-06-01T15:59:59.999999999Z", true),
        ("Mon..Fri 08:00..18:00", "2026-06-01T16:00:00Z", false),
        ("Mon..Fri 08:00..18:00", "2026-06-05T12:00:00Z", true),
        ("Mon..Fri 08:00..18:00", "2026-06-06T12:00:00Z", false),
        ("Mon..Fri 08:00..18:00", "2026-12-01T06:59:59Z", false),
        ("Mon..Fri 08:00..18:00", "2026-12-01T07:00:00Z", true),
        // Lists, ranges through the end of the week, days alone, hours alone, blanks.
        ("Mon,Wed 08:00..18:00", "2026-06-02T12:00:00Z", false),
        ("Mon,Wed 08:00..18:00", "2026-06-03T12:00:00Z", true),
        ("Fri..Mon", "2026-06-01T12:00:00Z", true),
        ("Fri..Mon", "2026-06-02T12:00:00Z", false),
        ("Fri..Mon", "2026-06-06T12:00:00Z", true),
        ("Mon..Tue,Thu,Sat..Sun", "2026-06-03T12:00:00Z", false),
        ("Mon..Tue,Thu,Sat..Sun", "2026-06-07T12:00:00Z", true),
        ("Tue", "2026-06-01T21:59:59Z", false),
        ("Tue", "2026-06-01T22:00:00Z", true),
        ("  Mon   08:00..18:00  ", "2026-06-01T12:00:00Z", true),
        ("13:00..15:00", "2026-06-07T12:00:00Z", true),
        ("00:00..24:00", "2026-06-07T22:00:00Z", true),
        // Past midnight: it belongs to the day that it begins on.
        ("Fri 22:00..06:00", "2026-06-05T20:00:00Z", true),
        ("Fri 22:00..06:00", "2026-06-06T03:59:59Z", true),
        ("Fri 22:00..06:00", "2026-06-06T04:00:00Z", false),
        ("Fri 22:00..06:00", "2026-06-05T03:00:00Z", false),
        ("Sun 22:00..06:00", "2026-06-01T03:00:00Z", true),
        ("Sun 22:00..00:00", "2026-06-07T21:59:59Z", true),
        ("Sun 22:00..00:00", "2026-06-07T22:00:00Z", false),
        ("Sun 22:00..24:00", "2026-06-07T22:00:00Z", false),
        // Named zones.
        ("Mon 08:00..18:00 America/New_York", "2026-06-01T12:00:00Z", true),
        ("Mon 08:00..18:00 America/New_York", "2026-06-01T11:59:59Z", false),
        ("Mon 08:00..18:00 UTC", "2026-06-01T07:59:59Z", false),
        ("Tue 00:00..00:01 Asia/Kathmandu", "2026-06-01T18:15:00Z", true),
        ("Tue 00:00..00:01 Asia/Kathmandu", "2026-06-01T18:14:59Z", false),
        // The hour that is left out is in no window: at 02:00 the clock shows 03:00.
        ("02:00..03:00", "2026-03-29T00:59:59Z", false),
        ("02:00..03:00", "2026-03-29T01:00:00Z", false),
        ("02:00..03:01", "2026-03-29T01:00:00Z", true),
        ("01:00..02:30", "2026-03-29T00:59:59Z", true),
        ("01:00..02:30", "2026-03-29T01:00:00Z", false),
        ("02:30..04:00", "2026-03-29T01:00:00Z", true),
        // The hour that comes twice is twice in its window.
        ("02:00..03:00", "2026-10-25T00:30:00Z", true),
        ("02:00..03:00", "2026-10-25T01:30:00Z", true),
        ("02:00..03:00", "2026-10-25T02:00:00Z", false),
        ("01:00..02:30", "2026-10-25T00:29:59Z", true),
        ("01:00..02:30", "2026-10-25T00:30:00Z", false),
        ("01:00..02:30", "2026-10-25T01:00:00Z", true),
        ("01:00..02:30", "2026-10-25T01:30:00Z", false),
        // Where clocks are changed at midnight, the day itself comes back: Sunday, Saturday 24:00 was.
        ("Sun America/Havana", "2026-03-08T05:00:00Z", true),
        ("Sun 00:30..01:30 America/Havana", "2026-03-08T05:00:00Z", true),
        ("Sun 00:00..01:00 America/Havana", "2026-03-08T05:00:00Z", false),
        ("Sun 00:00..00:30 America/Havana", "2026-11-01T04:00:00Z", true),
        ("Sun 00:00..00:30 America/Havana", "2026-11-01T04:30:00Z", false),
        ("Sun 00:00..00:30 America/Havana", "2026-11-01T05:00:00Z", true),
        // Half an hour of summer time.
        ("01:30..02:00 Australia/Lord_Howe", "2026-04-04T14:45:00Z", true),
        ("01:30..02:00 Australia/Lord_Howe", "2026-04-04T15:15:00Z", true),
        ("01:30..02:00 Australia/Lord_Howe", "2026-04-04T15:30:00Z", false),
    ] {
        let ask = at(time);
        assert_eq!(ask.is_permitted(&only(window)), open, "{window} at {time}");
        assert_eq!(
            ask.is_permitted(&deny(&format!("when.time = [\"{window}\"]"))),
            !open,
            "deny {window} at {time}"
        );
    }
}

// "what runs in it ends when the window closes": a permission ends with the window, and not before.
#[test]
fn a_permission_lasts_until_the_window_closes() {
    let week = "[rule.grant]\nduration = \"7d\"";
    for (windows, time, end) in [
        ("\"08:00..18:00\"", "2026-06-01T12:00:00.5Z", Some("2026-06-01T16:00:00Z")),
        ("\"Mon 08:00..24:00\", \"Tue 00:00..06:00\"", "2026-06-01T12:00:00Z", Some("2026-06-02T04:00:00Z")),
        ("\"Mon..Tue\"", "2026-06-01T12:00:00Z", Some("2026-06-02T22:00:00Z")),
        ("\"22:00..06:00\"", "2026-06-01T21:00:00Z", Some("2026-06-02T04:00:00Z")),
        ("\"08:00..18:00\", \"12:00..20:00 UTC\"", "2026-06-01T13:00:00Z", Some("2026-06-01T20:00:00Z")),
        ("\"00:00..24:00\"", "2026-06-01T12:00:00Z", None),
        // An hour less, an hour more, and closed by a change of the clock itself.
        ("\"00:00..06:00\"", "2026-03-28T23:30:00Z", Some("2026-03-29T04:00:00Z")),
        ("\"00:00..06:00\"", "2026-10-24T22:30:00Z", Some("2026-10-25T05:00:00Z")),
        ("\"01:00..02:30\"", "2026-03-29T00:30:00Z", Some("2026-03-29T01:00:00Z")),
        ("\"02:00..03:00\"", "2026-10-25T00:30:00Z", Some("2026-10-25T02:00:00Z")),
        ("\"01:00..02:30\"", "2026-10-25T00:10:00Z", Some("2026-10-25T00:30:00Z")),
    ] {
        let policy = allow(&format!("when.time = [{windows}]\n{week}"));
        assert_eq!(until(&at(time), &policy), end.map(|end| end.parse().unwrap()), "{windows} at {time}");
    }
    // Beyond what a grant may last it does not matter.
    assert_eq!(until(&at("2026-06-01T12:00:00Z"), &only("08:00..18:00")), None);
    let ends = allow("not_after = 2026-06-01T13:00:00Z\nwhen.time = [\"08:00..18:00\"]");
    assert_eq!(until(&at("2026-06-01T12:50:00Z"), &ends), "2026-06-01T13:00:00Z".parse().ok());
}

// "a deny always wins", also once its window opens.
#[test]
fn a_permission_ends_where_a_deny_begins() {
    let at_noon = at("2026-06-01T12:00:00Z");
    for (keys, end) in [
        ("when.time = [\"18:00..08:00\"]", Some("2026-06-01T16:00:00Z")),
        ("when.time = [\"Sat,Sun\"]", Some("2026-06-05T22:00:00Z")),
        ("when.time = [\"Sun 02:15..02:45\"]", Some("2026-06-07T00:15:00Z")),
        ("when.time = [\"18:00..08:00\"]\ncommands = [\"/usr/bin/ls **\"]", None),
        ("when.time = [\"18:00..08:00\"]\nhosts = [\"db\"]", None),
        ("when.time = [\"18:00..08:00\"]\nexcept_users = [\"alice\"]", None),
    ] {
        assert_eq!(until(&at_noon, &deny(keys)), end.map(|end| end.parse().unwrap()), "{keys}");
    }
    let march = at("2026-03-28T12:00:00Z");
    let policy = deny("when.time = [\"Sun 02:15..02:45\"]");
    assert_eq!(until(&march, &policy), "2026-04-05T00:15:00Z".parse().ok(), "the 29th has no such time");
}

#[test]
fn what_is_permitted_at_some_time_of_the_week_is_found_at_any_other() {
    let sometime = |policy: &Policy| {
        let ask = at("2026-06-01T12:00:00Z");
        ask.with(|request| policy.permits_sometime(request, &ask.directory)).unwrap()
    };
    for (window, open) in
        [("Mon", true), ("Sat 03:00..03:01", true), ("Sun 02:15..02:45", true), ("Sat Mars/Olympus", false)]
    {
        assert_eq!(sometime(&only(window)), open, "{window}");
        assert!(sometime(&deny(&format!("when.time = [\"{window}\"]"))) == open, "deny {window}");
    }
    let allow_and_denies = |allow: &str, denies: &[&str]| {
        let rule = |id: &str, keys: &str| {
            let commands = if keys.contains("commands") { "" } else { "commands = [\"ALL\"]\n" };
            format!("[[rule]]\nid = \"{id}\"\nusers = [\"ALL\"]\nrun_as = [\"ALL\"]\n{commands}{keys}\n")
        };
        let deny =
            |(at, keys): (usize, &&str)| rule(&format!("d{at}"), &format!("effect = \"deny\"\n{keys}"));
        policy(&(rule("a", allow) + &denies.iter().enumerate().map(deny).collect::<String>()))
    };
    for (allow, denies, open) in [
        ("", &["when.time = [\"Mon..Fri\"]"][..], true),
        ("", &["when.time = [\"00:00..24:00\"]"], false),
        ("", &["when.time = [\"Mon..Sun\"]"], false),
        ("", &["when.time = [\"Mon..Fri\"]", "when.time = [\"Sat,Sun\"]"], false),
        ("", &["when.time = [\"06:00..24:00\"]", "when.time = [\"Sat..Thu 00:00..06:00\"]"], true),
        ("when.time = [\"Sat\"]", &["when.time = [\"Fri 20:00..24:00\", \"Sat,Sun\"]"], false),
        ("when.time = [\"Sat\"]", &["when.time = [\"Sat 00:00..23:59\"]"], true),
        ("when.time = [\"Sat\"]", &["commands = [\"/usr/bin/mv **\"]"], true),
        // Dates are not another time of the week.
        ("not_before = 2026-06-02T00:00:00Z", &[], false),
        ("not_after = 2026-06-06T12:00:00Z\nwhen.time = [\"Sat\"]", &[], true),
        ("not_after = 2026-06-02T12:00:00Z\nwhen.time = [\"Sat\"]", &[], false),
    ] {
        assert_eq!(sometime(&allow_and_denies(allow, denies)), open, "{allow} but {denies:?}");
    }
}

// "A condition that can't be determined does not hold in an allow and *does* hold in a deny."
#[test]
fn what_cannot_be_determined_holds_in_a_deny_alone() {
    for window in ["00:00..24:00 Mars/Olympus", "Sat 00:00..00:01 Mars/Olympus"] {
        let ask = Ask::default();
        assert_eq!(ask.decide(&only(window)), "deny: not at this time for r", "{window}");
        assert_eq!(ask.decide(&deny(&format!("when.time = [\"{window}\"]"))), "deny: by d", "{window}");
    }
    let lost = asked(|ask| ask.zones = Walls { local: "" });
    assert!(!lost.is_permitted(&only("00:00..24:00")));
    assert!(!lost.is_permitted(&deny("when.time = [\"Sat 00:00..00:01\"]")));
    assert!(lost.is_permitted(&only("00:00..24:00 UTC")));
    let either = allow("when.time = [\"00:00..24:00 Mars/Olympus\", \"08:00..18:00\"]");
    assert!(Ask::default().is_permitted(&either), "what is known to hold is enough");
    let one = deny("when.time = [\"00:00..24:00 Mars/Olympus\"]");
    let inert = one.inert(&Walls::default());
    assert_eq!((inert[0].0.id.as_str(), inert[0].1.as_str()), ("d", "time zone Mars/Olympus"));
    assert!(only("08:00..18:00").inert(&Walls::default()).is_empty());
}

#[test]
fn defaults_have_a_window_for_allows_alone() {
    let policy = policy(
        "[defaults]\nwhen.time = [\"Sat\"]\n[[rule]]\nid = \"a\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/id\"]\n[[rule]]\nid = \"b\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/id\"]\nwhen.time = [\"Mon\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/ls **\"]",
    );
    assert_eq!(Ask::default().decide(&policy), "permit b");
    assert_eq!(at("2026-06-06T12:00:00Z").decide(&policy), "permit a");
    assert_eq!(Ask::to_run("/usr/bin/ls").decide(&policy), "deny: by d");
    assert_eq!(policy.text_of(policy.rule("b").unwrap()).when, ["Mon"]);
}

// Whose rule is closed now is not one without rules: they are told when.
#[test]
fn a_closed_window_is_told_to_those_whom_the_rule_names() {
    let explained = |policy: &Policy| {
        let ask = at("2026-06-06T12:00:00Z");
        ask.with(|request| policy.explain(request, &ask.directory)).unwrap().for_user()
    };
    assert_eq!(
        explained(&only("Mon..Fri 08:00..18:00")),
        "denied: no rule permits this at this time\n  r: outside Mon..Fri 08:00..18:00\n"
    );
    let others = allow("users = [\"bob\"]\nwhen.time = [\"Mon\"]");
    assert_eq!(explained(&others), "you have no rule for this\n");
}

// What is said of an end is what is seen at it, through all clock changes of a year.
#[test]
fn a_permission_is_there_until_its_end_and_not_after() {
    for window in ["Mon..Fri 08:00..18:00", "Sun 00:00..02:00", "22:00..06:00 America/Havana"] {
        let (start, policy): (Timestamp, _) = (
            "2026-01-01T00:00:00Z".parse().unwrap(),
            allow(&format!("when.time = [\"{window}\"]\n[rule.grant]\nduration = \"30d\"")),
        );
        let instants = (0..24 * 365).map(|hour| start + jiff::SignedDuration::from_hours(hour));
        let mut end: Option<Timestamp> = None;
        for now in instants {
            let ask = asked(|ask| ask.now = now);
            let open = ask.is_permitted(&policy);
            if let Some(end) = end {
                assert_eq!(open, now < end, "{window} at {now}");
            }
            end = open.then(|| until(&ask, &policy).unwrap());
        }
    }
}
