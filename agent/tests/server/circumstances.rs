//! `-D`, `-T`, `-P` and `-b`: what only some rules serve, and what a monitor is told of it.

use std::os::unix::fs::symlink;

use jit_agent::clock::Clock;
use jit_protocol::order::{Cwd, Order};
use jit_protocol::request::{Elevate, Shell};

use crate::stage::{NOTHING, Stage, needs_root, refusal, rule};
use crate::wire::id;

fn asked(change: impl FnOnce(&mut Elevate)) -> Elevate {
    let mut asked = id();
    asked.cwd = "/var".into();
    change(&mut asked);
    asked
}

fn free(more: &str) -> String {
    rule("r", &format!("require.authentication = \"none\"\n{more}"))
}

fn ordered(stage: &Stage, asked: Elevate) -> Order {
    stage.connect().elevate(asked);
    let monitor = stage.monitor();
    let order = monitor.order.clone();
    monitor.run(0);
    order
}

const NO_SUCH_OPTIONS: &str = "no rule lets you run this with these options";

fn folder(path: &str) -> Elevate {
    asked(|asked| asked.folder = Some(path.into()))
}

// interface.md: "cwd = "caller" or a path; allow_cwd = […] for -D"; features.md: "-D $(pwd) is always fine".
#[test]
fn a_folder_is_entered_where_the_rule_allows_it_resolved() {
    let stage = Stage::without_agent();
    let link = stage.root().join("link");
    symlink("/usr/lib", &link).unwrap();
    let mut stage = stage;
    stage.write_policy("50-test.toml", &free("restrict.allow_cwd = [\"/usr/lib\", \"/srv/no/such\"]"));
    stage.start();
    for (path, entered) in [
        ("/var", Cwd::Caller),
        ("/usr/lib", Cwd::Asked("/usr/lib".into())),
        ("/usr/bin/../lib/.", Cwd::Asked("/usr/lib".into())),
        (link.to_str().unwrap(), Cwd::Asked("/usr/lib".into())),
        ("/srv/no/such", Cwd::Asked("/srv/no/such".into())),
    ] {
        assert_eq!(ordered(&stage, folder(path)).restrictions.cwd, entered, "{path}");
    }
    let log = stage.await_events("session.started", 5);
    let logged: Vec<_> = log.iter().map(|record| record["cwd"].as_str().unwrap()).collect();
    assert_eq!(logged, ["/var", "/usr/lib", "/usr/lib", "/usr/lib", "/srv/no/such"]);
    // Whether there is a folder is not told: it is the same answer.
    for path in ["/usr", "/usr/lib/..", "/no/such", "/usr/bin/id", "/srv/no/../no/such", "relative", ""] {
        assert_eq!(refusal(&stage, folder(path)), NO_SUCH_OPTIONS, "{path}");
    }
    let mut login = folder("/usr/lib");
    (login.shell, login.path, login.command) = (Some(Shell::Login), None, Vec::new());
    assert_eq!(refusal(&stage, login), "no rule lets you run this");
}

#[test]
fn the_folder_of_a_rule_is_nobody_elses_choice() {
    let stage = Stage::with(&free("restrict.cwd = \"/srv\""));
    assert_eq!(refusal(&stage, folder("/var")), NO_SUCH_OPTIONS);
    assert_eq!(ordered(&stage, id()).restrictions.cwd, Cwd::Path("/srv".into()));
}

#[test]
fn a_folder_that_is_asked_for_goes_before_home() {
    let everything = free("restrict.allow_cwd = [\"ALL\"]").replace("\"/usr/bin/id **\"", "\"ALL\"");
    let stage = Stage::with(&everything);
    let mut login = folder("/usr/lib");
    (login.shell, login.path, login.command) = (Some(Shell::Login), None, Vec::new());
    assert_eq!(ordered(&stage, login).restrictions.cwd, Cwd::Asked("/usr/lib".into()));
}

// sudo(8), -T; interface.md: "Rules that can't serve the request's options drop out".
#[test]
fn a_timeout_ends_the_command_before_its_grant_and_never_after() {
    const SECOND: u64 = 1_000_000_000;
    let stage = Stage::with(&free("restrict.timeout = \"1h\"\ngrant.duration = \"30m\""));
    let left = |seconds| {
        stage.connect().elevate(asked(|asked| asked.timeout = seconds));
        let now = stage.clock.now();
        (stage.monitor().run(0).deadline.unwrap().boottime_ns - now.boottime_ns) / SECOND
    };
    assert_eq!(left(Some(60)), 60);
    assert_eq!(left(None), 1800);
    assert_eq!(left(Some(3600)), 1800, "the grant's end comes first");
    for seconds in [3601, u64::MAX] {
        assert_eq!(refusal(&stage, asked(|asked| asked.timeout = Some(seconds))), NO_SUCH_OPTIONS);
    }
    assert_eq!(refusal(&stage, asked(|asked| asked.timeout = Some(0))), NO_SUCH_OPTIONS);
}

// sudo(8), -P: "Preserve the invoking user's group vector unaltered. … The real and effective group IDs, however, are still
// set to match the target user."
#[test]
fn groups_are_kept_where_the_rule_names_them() {
    needs_root();
    let daemon = |groups: &str| {
        let text = free(&format!("run_as = [\"daemon\"]\nrun_as_groups = {groups}"));
        let stage = Stage::with(&text);
        let wanted = asked(|asked| {
            asked.preserve_groups = true;
            asked.user = Some("daemon".into());
        });
        (stage, wanted)
    };
    let (stage, wanted) = daemon("[\"ALL\"]");
    let order = ordered(&stage, wanted);
    let own = jit_sys::account::by_uid(0).unwrap().unwrap().groups;
    assert!(own.iter().all(|gid| order.target.groups.contains(gid)) && order.target.groups.contains(&1));
    assert_eq!((order.target.gid, order.target.groups.len()), (1, own.len() + 1));
    let (stage, wanted) = daemon("[]");
    assert_eq!(refusal(&stage, wanted.clone()), "no rule lets you run this");
    assert!(stage.monitor_within(NOTHING).is_none());
    let mut without = wanted;
    without.preserve_groups = false;
    assert!(!ordered(&stage, without).target.groups.contains(&0));
}

#[test]
fn a_command_in_the_background_is_ordered_as_such() {
    let stage = Stage::with(&free(""));
    assert!(!ordered(&stage, id()).background);
    assert!(ordered(&stage, asked(|asked| asked.background = true)).background);
}
