//! Policy files that should not be read: a clear error, and the good policy stays.

use crate::{NO_PASSWORD, PASSWORD, eligible, rule};
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

/// Made, signed and installed with the commands of docs/operations.md; and then changed.
#[test]
fn a_host_that_wants_signed_policy_takes_a_signed_folder_alone() {
    let guest = Guest::shared();
    guest.add_user("signe", Some(PASSWORD), &[]);
    let signed = "set -e; cd /root; rm -rf push key*; ssh-keygen -q -t ed25519 -N '' -f key
        echo \"ops namespaces=\\\"jit-policy@jit-sudo\\\" $(cat key.pub)\" >/etc/jit-sudo/allowed_signers
        echo policy.require_signed = true >/etc/jit-sudo/agent.toml
        cp -r /etc/jit-sudo/policy.d before; cp -r before push; cd /etc/jit-sudo; rm -r policy.d; cp -r /root/before policy.d";
    guest.sh(signed).success();
    guest.write("/root/push/signe.toml", rule("signe", "signe", NO_PASSWORD).as_bytes());
    let push = |number: u32| {
        guest.sh(&format!(
            "cd /root; jitctl policy bundle push --number {number} >push/BUNDLE; rm -f push/BUNDLE.sig
             ssh-keygen -Y sign -q -n jit-policy@jit-sudo -f key push/BUNDLE && jitctl policy install push"
        ))
    };
    let run = || guest.as_user("signe").run("jit-sudo -n id -u");
    guest.sh("systemctl restart jit-agentd; jitctl status").exits(1).shows("BUNDLE");
    run().exits(1);
    push(7).success().shows(" in force, digest ");
    run().success().prints("0");
    guest.sh("jitctl status").success().shows("bundle 7, signed by ops (SHA256:");
    let loaded = guest.audit(&["\"policy.loaded\"", "bundle 7, signed by ops"]);
    assert!(!loaded.is_empty());
    // What one host is given, another file beside it and an older one are refused, and taken back.
    guest
        .sh("echo '# changed' >>/etc/jit-sudo/policy.d/signe.toml; jitctl reload")
        .exits(1)
        .complains("signe.toml is not the file that was signed");
    run().success().prints("0");
    push(8).success();
    push(7).exits(1).complains("bundle 7 is older than 8");
    guest.sh("grep -c 'number 8' /etc/jit-sudo/policy.d/BUNDLE; jitctl reload").success();
    guest
        .sh("cd /etc/jit-sudo; rm -r agent.toml allowed_signers policy.d; mv /root/before policy.d
             rm -rf /root/push /root/key* /var/lib/jit-sudo/bundle.json; systemctl restart jit-agentd; jitctl status")
        .success();
    run().exits(1);
}

/// What a large policy took goes back to the system with it: not only when the next one is as large.
#[test]
fn the_memory_of_a_large_policy_goes_with_it() {
    let guest = Guest::shared();
    let kilobytes = || -> u64 {
        let read = "jitctl reload >/dev/null && awk '/^RssAnon/ { print $2 }' /proc/$(systemctl show -P MainPID jit-agentd)/status";
        guest.sh(read).success().stdout.trim().parse().unwrap()
    };
    let before = kilobytes();
    let rule = |number: u32| {
        format!(
            "[[rule]]\nid = \"many-{number}\"\nusers = [\"nobody\"]\ncommands = [\"/usr/bin/env {number}\"]\n"
        )
    };
    let many: String = (0..50_000).map(rule).collect();
    guest.write("/etc/jit-sudo/policy.d/many.toml", format!("schema = 1\n{many}").as_bytes());
    let large = kilobytes();
    guest.sh("rm /etc/jit-sudo/policy.d/many.toml").success();
    let after = kilobytes();
    assert!(large > before + 16 * 1024, "no large policy: {before}, {large} kB");
    assert!(after < before + (large - before) / 4, "{before}, {large}, then {after} kB");
}

/// As configuration management calls it, with its own stand-in for the file (docs/operations.md).
#[test]
fn a_file_is_checked_as_configuration_management_asks() {
    let guest = Guest::shared();
    let operations = include_str!("../../../docs/operations.md");
    let ask = |text: &str, command: &str| {
        guest.write("/tmp/.ansible_tmp123", text.as_bytes());
        guest.sh(command)
    };
    let good = rule("pushed-by-hand", "root", "");
    for (tool, stand_in) in [("validate: ", "%s"), ("validate_cmd => '/usr/bin/", "%"), ("check_cmd: ", "")] {
        let line = operations.lines().find_map(|line| line.trim().split_once(tool)).unwrap().1;
        let line = line.trim_end_matches([',', '\'']);
        let command = match stand_in {
            "" => format!("{line} /tmp/.ansible_tmp123"),
            stand_in => line.replacen(stand_in, "/tmp/.ansible_tmp123", 1),
        };
        ask(&good, &command).success().shows("the policy is valid");
        ask(&good.replace("users", "user"), &command).exits(1).complains("user");
    }
    guest.sh("rm /tmp/.ansible_tmp123").success();
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
    guest.add_user("webadmin", Some(PASSWORD), &["jit-admin"]);
    let mut terminal = guest.as_user("webadmin").terminal("jit-sudo --reason 'ticket 42' id");
    terminal.expect("assword").type_line(PASSWORD).expect("uid=0(root)");
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
