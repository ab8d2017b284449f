//! Programs that are told of events: as whom, with what, and that nothing of theirs stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jit_protocol::telling::Telling;

use crate::Test;
use crate::stage::{Stage, count_processes, until};

pub(crate) const HOOKS: &[Test] = &[
    ("a_hook_reads_the_event_as_a_user_without_rights", reads_the_event),
    ("each_hook_that_fails_is_named_and_the_others_run", failures_are_named),
    ("what_a_hook_leaves_running_is_ended", nothing_stays),
    ("no_hook_runs_as_root_or_as_nobody_known", no_rights),
];

/// A new folder of hooks, and one that anybody can write.
fn folders(stage: &Stage, name: &str) -> (String, String) {
    let [hooks, open] = ["hooks", "open"].map(|kind| stage.path(&format!("{kind}-{name}")));
    for (folder, mode) in [(&hooks, 0o755), (&open, 0o777)] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, PermissionsExt::from_mode(mode)).unwrap();
    }
    (hooks, open)
}

fn hook(folder: &str, name: &str, script: &str, mode: u32) {
    let path = format!("{folder}/{name}");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
}

fn telling(folder: &str, user: &str) -> Telling {
    Telling {
        folder: folder.to_owned(),
        user: user.to_owned(),
        event: r#"{"event":"approval.requested"}"#.to_owned(),
    }
}

fn reads_the_event(stage: &Stage) {
    let (hooks, open) = folders(stage, "reads");
    for name in ["one", "two"] {
        let script = format!(
            "#!/bin/sh\ncat >{open}/{name}.in; id -u >{open}/{name}.id; id -G >>{open}/{name}.id; pwd >>{open}/{name}.id\n\
             grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status >{open}/{name}.caps; env >{open}/{name}.env; ls /proc/self/fd >{open}/{name}.fds\n"
        );
        hook(&hooks, name, &script, 0o755);
    }
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    assert_eq!(stage.tell(&telling(&hooks, "nobody")), Vec::<String>::new());
    for name in ["one", "two"] {
        let read = |kind: &str| fs::read_to_string(format!("{open}/{name}.{kind}")).unwrap();
        assert_eq!(read("in"), "{\"event\":\"approval.requested\"}\n");
        assert_eq!(read("id"), format!("{}\n{}\n/\n", nobody.uid, nobody.gid));
        let capabilities = read("caps");
        assert_eq!(capabilities.lines().count(), 3);
        assert!(capabilities.lines().all(|line| line.ends_with("\t0000000000000000")), "{capabilities}");
        let environment = read("env");
        let mut names: Vec<&str> =
            environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        names.retain(|name| !matches!(*name, "PWD" | "OLDPWD" | "SHLVL" | "_")); // the shell's own
        assert_eq!(names, ["HOME", "LANG", "LOGNAME", "PATH", "USER"]);
        // Its three, and the one that ls has of the folder.
        assert_eq!(read("fds").split_whitespace().count(), 4, "{}", read("fds"));
    }
}

fn failures_are_named(stage: &Stage) {
    let (hooks, open) = folders(stage, "fails");
    hook(&hooks, "1-status", "#!/bin/sh\nexit 3\n", 0o755);
    hook(&hooks, "2-signal", "#!/bin/sh\nkill -9 $$\n", 0o755);
    hook(&hooks, "3-nonsense", "nonsense", 0o755);
    hook(&hooks, "4-others", &format!("#!/bin/sh\n: >{open}/others\n"), 0o757);
    hook(&hooks, "5-good", &format!("#!/bin/sh\n: >{open}/good\n"), 0o755);
    let mut failures = stage.tell(&telling(&hooks, "nobody"));
    failures.sort();
    let expected =
        ["1-status: ended with status 3", "2-signal: died of SIGKILL", "3-nonsense: could not be started"];
    assert_eq!(failures, expected);
    assert!(fs::exists(format!("{open}/good")).unwrap());
    assert!(!fs::exists(format!("{open}/others")).unwrap(), "others can write it");
}

fn nothing_stays(stage: &Stage) {
    let (hooks, _) = folders(stage, "stays");
    hook(&hooks, "daemon", "#!/bin/sh\nsetsid sleep 7654321 </dev/null >/dev/null 2>&1 &\n", 0o755);
    assert_eq!(stage.tell(&telling(&hooks, "nobody")), Vec::<String>::new());
    until("it is gone", || count_processes("7654321") == 0);
}

fn no_rights(stage: &Stage) {
    let (hooks, open) = folders(stage, "rights");
    hook(&hooks, "any", &format!("#!/bin/sh\n: >{open}/ran\n"), 0o755);
    for user in ["root", "nobody-of-that-name"] {
        assert_eq!(stage.tell(&telling(&hooks, user)), [format!("there is no user {user} without rights")]);
    }
    assert!(!fs::exists(format!("{open}/ran")).unwrap());
    let absent = telling(&format!("{open}/absent"), "nobody");
    let refused = stage.tell(&absent);
    assert!(refused[0].contains("can be written by others"), "its parent is not root's alone: {refused:?}");
    assert_eq!(stage.tell(&telling(&format!("{hooks}/absent"), "nobody")), Vec::<String>::new());
}
