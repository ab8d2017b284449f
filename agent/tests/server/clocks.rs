//! One table: what lives after the clocks did something. Both stand where a test puts them: nothing here waits.

use std::time::Duration;

use jit_agent::clock::{Clock, rfc3339};
use jit_protocol::frame::Kind;
use jit_protocol::request::{Elevate, Request, Wish};
use jit_protocol::response::{RequestState, Response};

use crate::ahead::{ask, later};
use crate::duties::grants;
use crate::stage::{Stage, order, refusal, rule, us};
use crate::tokens::{self, sign, wish};
use crate::wire::{Wire, command, id};

const MINUTE: u64 = 60_000_000_000;

/// What happens to the clocks, in minutes.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    /// The host sleeps, and its wall clock with it.
    Sleep(u64),
    /// Somebody sets the wall clock, by so much.
    Set(i64),
    /// Another agent, in the same boot.
    Restart,
    /// Off for so long; the wall clock is set by so much meanwhile.
    Reboot(u64, i64),
}
use Step::{Pass, Reboot, Restart, Set, Sleep};

/// What lives: a grant for ten minutes; a request that waits for thirty; a grant that was asked for ahead and a token, from ten
/// minutes on, for ten; what a window from eight to six permits.
#[derive(Debug, PartialEq, Eq)]
struct Lives {
    grant: bool,
    request: bool,
    ahead: bool,
    token: bool,
    window: bool,
}

const TABLE: &[(&[Step], [u8; 5])] = &[
    (&[], [1, 1, 0, 0, 1]),
    (&[Pass(9)], [1, 1, 0, 0, 1]),
    (&[Pass(10)], [0, 1, 1, 1, 1]),
    (&[Pass(19)], [0, 1, 1, 1, 1]),
    (&[Pass(20)], [0, 1, 0, 0, 1]),
    (&[Pass(30)], [0, 0, 0, 0, 1]),
    // Sleep counts for whatever has a length, and does not make it later.
    (&[Sleep(9)], [1, 1, 0, 0, 1]),
    (&[Sleep(10)], [0, 1, 0, 0, 1]),
    (&[Sleep(5), Pass(10)], [0, 1, 1, 1, 1]),
    (&[Sleep(10), Pass(10)], [0, 1, 0, 1, 1]),
    // A clock that leaps forward ends, and begins.
    (&[Set(9)], [1, 1, 0, 0, 1]),
    (&[Set(10)], [0, 1, 1, 1, 1]),
    (&[Set(20)], [0, 1, 0, 0, 1]),
    (&[Set(360)], [0, 0, 0, 0, 0]),
    // One that is set back prolongs nothing, and begins nothing.
    (&[Set(-10), Pass(9)], [1, 1, 0, 0, 1]),
    (&[Set(-10), Pass(10)], [0, 1, 0, 0, 1]),
    (&[Set(-5), Pass(15)], [0, 1, 1, 1, 1]),
    (&[Set(-10), Pass(20)], [0, 1, 0, 1, 1]),
    (&[Set(-720), Pass(29)], [0, 1, 0, 0, 0]),
    (&[Set(-720), Pass(30)], [0, 0, 0, 0, 0]),
    (&[Set(-720), Pass(730)], [0, 0, 0, 1, 1]),
    // Nor is it otherwise for an agent that is started meanwhile,
    (&[Restart], [1, 1, 0, 0, 1]),
    (&[Set(-10), Restart, Pass(9)], [1, 1, 0, 0, 1]),
    (&[Set(-10), Restart, Pass(10)], [0, 1, 0, 0, 1]),
    (&[Pass(10), Restart], [0, 1, 1, 1, 1]),
    (&[Sleep(10), Restart], [0, 1, 0, 0, 1]),
    // or in another boot, where the wall clock decides,
    (&[Reboot(9, 0)], [1, 1, 0, 0, 1]),
    (&[Reboot(10, 0)], [0, 1, 1, 1, 1]),
    (&[Reboot(20, 0)], [0, 1, 0, 0, 1]),
    (&[Reboot(0, 10)], [0, 1, 1, 1, 1]),
    // but never gives more than was left,
    (&[Reboot(10, -5), Pass(4)], [1, 1, 0, 0, 1]),
    (&[Reboot(10, -5), Pass(5)], [0, 1, 1, 1, 1]),
    // and nothing if it is earlier than it was.
    (&[Reboot(1, -2)], [0, 0, 0, 0, 1]),
    (&[Reboot(1, -30_000_000)], [0, 0, 0, 0, 0]),
];

// "Daylight saving hour twice and never, time zone change, leap of the clock: a table with an injected clock."
#[test]
fn whatever_happens_to_the_clocks_nothing_is_longer_for_it() {
    for (steps, [grant, request, ahead, token, window]) in TABLE {
        let expected = Lives {
            grant: *grant == 1,
            request: *request == 1,
            ahead: *ahead == 1,
            token: *token == 1,
            window: *window == 1,
        };
        assert_eq!(after(steps), expected, "{steps:?}");
    }
}

fn after(steps: &[Step]) -> Lives {
    let one = |id: &str, option: &str, more: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nusers = [\"#{}\"]\ncommands = [\"/usr/bin/id {option}\"]\n{more}\n",
            us()
        )
    };
    let ten = "grant = { duration = \"10m\", scope = \"user\" }";
    let policy = [
        "schema = 1\n".to_owned(),
        one("grant", "-u", &format!("require.authentication = \"none\"\n{ten}")),
        one(
            "request",
            "-g",
            "require = { authentication = \"none\", approval = { approvers = [\"daemon\"] } }",
        ),
        one("ahead", "-G", &format!("require = {{ authentication = \"none\", reason = true }}\n{ten}")),
        one("token", "-n", tokens::SIGNER),
        one("window", "-r", "require.authentication = \"none\"\nwhen.time = [\"08:00..18:00 UTC\"]"),
    ];
    let mut stage = tokens::with_bob_at(&policy.concat(), noon());
    let grant = order(&stage, id()).run(0).grant;
    let wire = stage.connect();
    wire.elevate(command(&["id", "-g"]));
    assert_eq!(wire.frame().kind, Kind::Pending);
    let because = Elevate { reason: Some("INC-1".to_owned()), ..command(&["id", "-G"]) };
    ask(&stage, because, Some(&later(&stage, 10 * MINUTE))).unwrap();
    let ahead = grants(&stage).into_iter().find(|it| it.begins.is_some()).unwrap().id;
    let asked = command(&["id", "-n"]);
    let not_before = Some(later(&stage, 10 * MINUTE));
    let wished = Wish { asked: asked.clone(), not_before, valid: Some(600) };
    let token = sign(&stage, &wish(&stage, wished).unwrap(), &["bob"]);

    for step in steps {
        let minutes = |count: i64| count * 60_000_000_000;
        match *step {
            Pass(count) => stage.clock.pass(count * MINUTE),
            Sleep(count) => stage.clock.suspend(count * MINUTE),
            Set(count) => stage.clock.set_wall(stage.clock.now().realtime_ns + minutes(count)),
            Restart => {
                stage.crash();
                stage.start();
            }
            Reboot(off, set) => stage.reboot(Duration::from_mins(off), minutes(set)),
        }
    }

    let live = grants(&stage);
    let serves = |id: &str| live.iter().any(|it| it.id == id && it.begins.is_none());
    let Response::Requests(requests) = stage.connect().ask(Request::Requests) else { panic!() };
    let waits = |it: &jit_protocol::response::RequestView| it.binding.rule == "request";
    let request = requests.iter().find(|it| waits(it)).is_some_and(|it| it.state == RequestState::Pending);
    let runs = |asked: Elevate| {
        let wire: Wire = stage.connect();
        wire.elevate(asked);
        stage.order_or_refusal(&wire).is_ok()
    };
    let window = runs(command(&["id", "-r"]));
    let token = runs(Elevate { token: Some(token), ..asked });
    Lives { grant: serves(&grant), request, ahead: serves(&ahead), token, window }
}

fn noon() -> i64 {
    at("2026-06-01T12:00:00Z")
}

fn at(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().unwrap().as_nanosecond().try_into().unwrap()
}

// An hour that comes twice is twice in its window, one that is left out is in none: for what runs, and for what is asked for
// ahead.
#[test]
fn a_window_is_open_whenever_the_clock_of_its_zone_shows_it() {
    let more = "require.authentication = \"none\"\ngrant = { duration = \"2h\", scope = \"user\" }\n\
                when.time = [\"02:15..02:45 Europe/Berlin\"]";
    for (time, end) in [
        // Twice.
        ("2026-10-25T00:14:59Z", None),
        ("2026-10-25T00:20:00Z", Some("2026-10-25T00:45:00Z")),
        ("2026-10-25T00:45:00Z", None),
        ("2026-10-25T01:20:00Z", Some("2026-10-25T01:45:00Z")),
        ("2026-10-25T01:45:00Z", None),
        ("2026-10-26T01:20:00Z", Some("2026-10-26T01:45:00Z")),
        // Never: 01:59:59 is followed by 03:00:00.
        ("2026-03-28T01:20:00Z", Some("2026-03-28T01:45:00Z")),
        ("2026-03-29T00:20:00Z", None),
        ("2026-03-29T00:59:59Z", None),
        ("2026-03-29T01:00:00Z", None),
        ("2026-03-29T01:20:00Z", None),
        ("2026-03-30T00:20:00Z", Some("2026-03-30T00:45:00Z")),
    ] {
        let stage = Stage::with(&rule("id", more));
        stage.clock.set_wall(at(time) - 60 * 60_000_000_000);
        let asked = ask(&stage, id(), Some(time));
        stage.clock.set_wall(at(time));
        match end {
            None => {
                assert_eq!(asked.unwrap_err(), "no rule lets you run this at this time", "{time}");
                assert_eq!(refusal(&stage, id()), "no rule lets you run this at this time", "{time}");
            }
            Some(end) => {
                let ahead = grants(&stage).pop().unwrap();
                assert_eq!((asked.is_ok(), ahead.expires), (true, rfc3339(at(end))), "{time}");
                let go = order(&stage, Elevate { duration: Some(7200), ..id() }).go();
                assert_eq!(go.deadline.unwrap().realtime_ns, at(end), "{time}");
            }
        }
    }
}
