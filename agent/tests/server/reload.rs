//! Requests while policy is loaded again and again: each is answered by one policy, whole.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use jit_protocol::order::Order;
use jit_protocol::request::{Elevate, Mode, Request};
use jit_protocol::response::Response;

use crate::stage::{Stage, needs_root};
use crate::wire::command;

const REQUESTS: usize = 10_000;
/// At least so often meanwhile; as a reload needs no request to go on, the test ends.
const RELOADS: usize = 20;

/// Two policies that have nothing in common but who may run `id -G`. Each is two files, which are nothing without each other,
/// and denies what the other one permits.
struct Side {
    name: &'static str,
    rule: &'static str,
    sets: &'static str,
    order: &'static str,
}

const SIDES: [Side; 2] = [
    Side {
        name: "one",
        rule: "require.authentication = \"none\"\nrestrict = { env_set = { WHICH = \"one\" }, umask = \"0027\", cwd = \"/usr\" }\n",
        sets: "what = [\"/usr/bin/id -u\", \"/usr/bin/id -n\", \"/usr/bin/id -G\"]\n[[rule]]\nid = \"not-in-one\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/id -n\"]\n",
        order: "WHICH=one Exactly(23) Path(\"/usr\") authenticate=false reason=false",
    },
    Side {
        name: "two",
        rule: "require = { authentication = \"password\", reason = true }\nrestrict = { env_set = { WHICH = \"two\" }, umask = \"0077\", cwd = \"/etc\" }\n",
        sets: "what = [\"/usr/bin/id -n\", \"/usr/bin/id -u\", \"/usr/bin/id -G\"]\n[[rule]]\nid = \"not-in-two\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/id -u\"]\n",
        order: "WHICH=two Exactly(63) Path(\"/etc\") authenticate=true reason=true",
    },
];

impl Side {
    fn write(&self, stage: &Stage) {
        let Self { name, rule, sets, .. } = self;
        let who = "users = [\"#0\"]\ncommands = [\"@what\"]";
        stage.write_policy("10-rule.toml", &format!("schema = 1\n[[rule]]\nid = \"{name}\"\n{who}\n{rule}"));
        stage.write_policy("20-sets.toml", &format!("schema = 1\n[sets.commands]\n{sets}"));
    }
}

/// All of an order that a rule has a say in.
fn ruled(order: &Order) -> String {
    let which = order.environment.iter().find(|(name, _)| name.as_slice() == b"WHICH");
    format!(
        "WHICH={} {:?} {:?} authenticate={} reason={}",
        which.map(|(_, value)| value.to_string_lossy()).unwrap_or_default(),
        order.restrictions.umask,
        order.restrictions.cwd,
        order.authenticate.is_some(),
        order.ask_reason,
    )
}

/// What a request is answered with.
fn answer(stage: &Stage, asked: Elevate) -> String {
    let wire = stage.connect();
    let explains = asked.mode == Mode::Explain;
    wire.elevate(asked);
    if explains {
        let text = wire.frame().first_text();
        return text.lines().next().unwrap_or_default().to_owned();
    }
    stage.order_or_refusal(&wire).map_or_else(|refusal| refusal, |monitor| ruled(&monitor.order))
}

// "Loading never blocks a decision; a reload loop during 10,000 requests gives each the answer of one of the two policies."
#[test]
fn each_of_many_requests_is_answered_by_one_policy_whole_while_policy_is_loaded_again_and_again() {
    needs_root();
    let mut stage = Stage::without_agent();
    SIDES[0].write(&stage);
    stage.start();
    let explain = |option: &str| Elevate { mode: Mode::Explain, ..command(&["/usr/bin/id", option]) };
    let asked = |number: usize| match number % 5 {
        0 => (command(&["/usr/bin/id", "-u"]), [SIDES[0].order, "denied by the rule not-in-two"]),
        1 => (command(&["/usr/bin/id", "-n"]), ["denied by the rule not-in-one", SIDES[1].order]),
        2 | 3 => (command(&["/usr/bin/id", "-G"]), SIDES.each_ref().map(|side| side.order)),
        _ => (
            explain("-G"),
            ["permitted by the rule `one`", "permitted by the rule `two`, once its duties are done"],
        ),
    };
    let (stop, reloads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut by = [0_usize; 2];
    thread::scope(|scope| {
        let reloading = scope.spawn(|| {
            for side in SIDES.iter().cycle().skip(1) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                side.write(&stage);
                let done = stage.connect().ask(Request::Reload { force: false });
                assert!(matches!(done, Response::Done { .. }), "{done:?}");
                reloads.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Also where an answer is wrong, the other thread ends.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut number = 0;
            let too_few = |by: [usize; 2]| reloads.load(Ordering::Relaxed) < RELOADS || by.contains(&0);
            while number < REQUESTS || (too_few(by) && !reloading.is_finished()) {
                let (request, expected) = asked(number);
                let said = answer(&stage, request.clone());
                let side = expected.iter().position(|answer| *answer == said);
                by[side.unwrap_or_else(|| panic!("{said} is of neither policy: {:?}", request.command))] += 1;
                number += 1;
            }
        }));
        stop.store(true, Ordering::Relaxed);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    println!("{by:?} answers of the two, {reloads:?} reloads");
}
