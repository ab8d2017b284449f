//! Policy files that should not be read: a clear error, and the good policy stays.

use crate::{NO_PASSWORD, eligible, rule};
use jit_tests::Guest;

const BAD: &str = "/etc/jit-sudo/policy.d/zz-bad.toml";

/// What is done to the file; what the message must contain.
const MISTAKES: &[(&str, &str)] = &[
    ("cp $good /root/elsewhere.toml; ln -s /root/elsewhere.toml $bad", "zz-bad.toml"),
    ("mkfifo $bad", "zz-bad.toml"),
    ("mkdir $bad", "zz-bad.toml"),
    ("cp $good $bad; chmod 666 $bad", "zz-bad.toml"),
    ("cp $good $bad; chmod 664 $bad; chgrp users $bad", "zz-bad.toml"),
    ("cp $good $bad; chown daemon $bad", "zz-bad.toml"),
    ("head -c 60 $good >$bad", "zz-bad.toml"),
    ("printf 'schema = 1\\n# \\377\\376\\n' >$bad", "zz-bad.toml"),
    ("printf 'schema = 1\\n' >$bad; head -c 68157440 /dev/zero | tr '\\0' '#' >>$bad", "zz-bad.toml"),
    ("printf 'schema = 1\\nnonsense = true\\n' >$bad", "nonsense"),
    ("printf 'schema = 2\\n' >$bad", "schema"),
    ("cp $good $bad", "policy-user"),
];

#[test]
fn a_bad_policy_file_is_refused_with_its_name_and_the_good_policy_stays() {
    let (guest, _policy) = eligible("policy-user", NO_PASSWORD);
    for (mistake, told) in MISTAKES {
        let script =
            format!("good=/etc/jit-sudo/policy.d/policy-user.toml; bad={BAD}; rm -rf $bad; {mistake}");
        guest.sh(&script).success();
        guest.sh("jitctl reload").exits(1).complains(told);
        guest.sh("jitctl status").exits(1);
        guest.as_user("policy-user").run("jit-sudo -n id -u").success().prints("0");
        guest.sh(&format!("rm -rf {BAD}; jitctl reload")).success();
    }
}

#[test]
fn a_mistake_is_shown_with_line_and_caret() {
    let guest = Guest::shared();
    guest.write(
        "/root/check.toml",
        b"schema = 1\n[[rule]]\nid = \"x\"\nusers = [\"a\"]\ncommand = [\"ALL\"]\n",
    );
    let outcome = guest.sh("jitctl policy check --file /root/check.toml").exits(1);
    assert!(
        outcome.stderr.contains("command") && outcome.stderr.contains('5') && outcome.stderr.contains('^'),
        "{outcome}"
    );
}

/// Links to /dev/null switch a vendor's file off; a file of the same name replaces it.
#[test]
fn a_file_in_etc_masks_the_vendors() {
    let guest = Guest::shared();
    guest.sh("ln -s /dev/null /etc/jit-sudo/policy.d/10-root.toml && jitctl reload").success();
    let masked = guest.sh("jit-sudo -n id -u");
    guest.sh("rm /etc/jit-sudo/policy.d/10-root.toml && jitctl reload").success();
    masked.exits(1).silent();
    guest.sh("jit-sudo -n id -u").success().prints("0");
}

#[test]
fn a_deny_in_a_new_file_applies_even_beside_a_broken_one() {
    let (guest, _policy) = eligible("pauline", NO_PASSWORD);
    guest.write(BAD, b"schema = ");
    guest.write(
        "/etc/jit-sudo/policy.d/zz-deny.toml",
        b"schema = 1\n[[rule]]\nid = \"zz\"\neffect = \"deny\"\nusers = [\"pauline\"]\ncommands = [\"ALL\"]\n",
    );
    guest.sh("jitctl reload").exits(1);
    let refused = guest.as_user("pauline").run("jit-sudo -n id -u");
    guest.sh(&format!("rm -f {BAD} /etc/jit-sudo/policy.d/zz-deny.toml; jitctl reload")).success();
    refused.exits(1).silent();
    guest.as_user("pauline").run("jit-sudo -n id -u").success().prints("0");
}

/// The vendor's rule for administrators: password, reason, fifteen minutes.
#[test]
fn a_member_of_jit_admin_is_asked_for_password_and_reason() {
    let guest = Guest::shared();
    guest.add_user("webadmin", Some(crate::PASSWORD), &["jit-admin"]);
    let mut terminal = guest.as_user("webadmin").terminal("jit-sudo --reason 'ticket 42' id");
    terminal.expect("assword").type_line(crate::PASSWORD).expect("uid=0(root)");
    terminal.finish().success();
    assert!(!guest.audit(&["\"session.started\"", "\"webadmin\"", "ticket 42"]).is_empty());
    guest.as_user("webadmin").run("jit-sudo -n id").exits(1).silent();
}

#[test]
fn explain_prints_why_and_runs_nothing() {
    let (guest, _policy) = eligible("paula", NO_PASSWORD);
    guest.as_user("paula").run("jit-sudo --explain touch /root/explained").success();
    guest.sh("ls /root/explained").exits(2);
    guest.sh("jitctl policy explain --user paula -- /usr/bin/id").success().shows("paula");
    guest.sh("jitctl policy explain --user daemon -- /usr/bin/id").exits(1);
    let _other = guest.policy("paula-2", &rule("paula-2", "nosuchperson", NO_PASSWORD));
    guest.sh("jitctl policy explain --user nosuchperson -- /usr/bin/id").exits(1);
}

/// "Hosts: the kernel's node name": the one it has at the request, not the one it had when the agent started.
#[test]
fn a_rule_for_a_host_goes_by_the_name_that_the_host_has_now() {
    let (guest, _policy) = eligible("prudence", "hosts = [\"web-7\"]\nrequire.authentication = \"none\"");
    let prudence = || guest.as_user("prudence").run("jit-sudo -n id -u");
    prudence().exits(1).silent();
    let before = guest.read("/proc/sys/kernel/hostname");
    guest.sh("hostname web-7").success();
    let renamed = prudence();
    guest.sh(&format!("hostname {before}")).success();
    renamed.success().prints("0");
    prudence().exits(1).silent();
}
