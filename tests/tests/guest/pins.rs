//! Rules that pin what is in a program, for a program of root's and for one of the user's own.

use jit_tests::Guest;
use jit_tests::guest::Policy;

/// A user, a copy of a program of the system's as `/home/USER/tool`, and a rule that pins it, and `/usr/bin/id`.
fn pinned(user: &str) -> (&'static Guest, Policy<'static>) {
    let guest = Guest::shared();
    guest.add_user(user, None, &[]);
    guest.as_user(user).run("cp /usr/bin/readlink tool").success();
    let digest = |path: &str| {
        let outcome = guest.sh(&format!("sha256sum {path}")).success();
        outcome.stdout.split(' ').next().unwrap().to_owned()
    };
    let entry = |path: &str| {
        let digest = digest(path);
        format!("{{ path = \"{path}\", args = [\"**\"], sha256 = \"{digest}\" }}")
    };
    let rule = format!(
        "schema = 1\n[[rule]]\nid = \"{user}\"\nusers = [\"{user}\"]\nrequire.authentication = \"none\"\ncommands = [{}, {}]\n",
        entry("/usr/bin/id"),
        entry(&format!("/home/{user}/tool"))
    );
    let policy = guest.policy(user, &rule);
    (guest, policy)
}

#[test]
fn a_pinned_program_of_roots_runs_and_its_digest_is_in_the_log() {
    let (guest, _policy) = pinned("pinna");
    guest.as_user("pinna").run("jit-sudo -n id -u").success().prints("0");
    let digest = guest.sh("sha256sum /usr/bin/id | cut -c1-64").success().stdout;
    assert_eq!(guest.audit(&["session.started", "\"pinna\"", digest.trim()]).len(), 1);
    guest.as_user("pinna").run("jit-sudo -n /usr/bin/whoami").exits(1);
}

#[test]
fn a_pinned_program_of_the_users_own_runs_from_memory_until_it_is_another() {
    let (guest, _policy) = pinned("pavel");
    let run = |script: &str| guest.as_user("pavel").run(script);
    run("jit-sudo -n ./tool /proc/self/exe").success().prints("/memfd:tool (deleted)");
    // Live, the grant is none for another file.
    run("cp tool kept; cp /usr/bin/whoami tool; jit-sudo -n ./tool")
        .exits(1)
        .complains("not one that policy pins");
    run("printf '#!/bin/sh\\nid\\n' >tool; jit-sudo -n ./tool").exits(1).silent().complains("it is a script");
    run("rm tool; mkfifo tool; chmod 755 tool; timeout 20 jit-sudo -n ./tool; echo $?").prints("1");
    run("rm tool; cp kept tool; jit-sudo -n ./tool /proc/self/exe").success().prints("/memfd:tool (deleted)");
    assert_eq!(guest.audit(&["request.denied", "which is not pinned by pavel"]).len(), 1);
}

// CVE-2015-8239; "run 10k swaps, 0 executions of the wrong inode"
#[test]
fn a_user_who_swaps_the_file_all_the_while_runs_nothing_else() {
    let (guest, _policy) = pinned("pippa");
    let swap = "while [ ! -e over ]; do cp /usr/bin/touch next; mv next tool; cat good >tool; cp good next; mv next tool; cat bad >tool; done";
    let script = format!(
        "cp tool good; cp /usr/bin/touch bad; ({swap}) >/dev/null 2>&1 & \
         for i in $(seq 200); do jit-sudo -n ./tool /home/pippa/mark >/dev/null 2>&1; done; touch over; wait; \
         test ! -e mark && cp good tool && jit-sudo -n ./tool /proc/self/exe"
    );
    guest.as_user("pippa").run(&script).success().prints("/memfd:tool (deleted)");
}
