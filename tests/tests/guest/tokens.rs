//! Approval by a signature: who asks, on the guest; who approves, with a key that the guest does not have; from the request to the audit
//! log, with real ssh-keygen.

use std::fs;
use std::process::Command;

use jit_tests::guest::Policy;
use jit_tests::{Guest, Outcome};

use crate::eligible;

/// Somebody elsewhere: a folder of this machine, with a key of their own.
struct Approver {
    name: &'static str,
    folder: tempfile::TempDir,
}

impl Approver {
    fn new(name: &'static str) -> Self {
        let approver = Self { name, folder: tempfile::tempdir().unwrap() };
        approver.keygen(&["-q", "-t", "ed25519", "-N", "", "-f", "key"]);
        approver
    }

    fn keygen(&self, arguments: &[&str]) {
        let done = Command::new("ssh-keygen").current_dir(&self.folder).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// A line of `allowed_signers`.
    fn line(&self) -> String {
        let key = fs::read_to_string(self.folder.path().join("key.pub")).unwrap();
        format!("{}@example.com namespaces=\"jit-grant@jit-sudo\" {key}", self.name)
    }

    /// The token, signed with nothing but ssh-keygen.
    fn sign(&self, asked: &str) -> String {
        let path = self.folder.path().join("asked");
        fs::write(&path, asked).unwrap();
        let _ = fs::remove_file(path.with_extension("sig"));
        self.keygen(&["-Y", "sign", "-q", "-n", "jit-grant@jit-sudo", "-f", "key", "asked"]);
        asked.to_owned() + &fs::read_to_string(path.with_extension("sig")).unwrap()
    }
}

/// Who asks under a rule that wants this signature.
fn asker(user: &str, approver: &Approver, more: &str) -> (&'static Guest, Policy<'static>) {
    let keys = format!(
        "require = {{ authentication = \"none\", approval = {{ approvers = [\"signer:{}@example.com\"] }} }}\n{more}",
        approver.name
    );
    let (guest, policy) = eligible(user, &keys);
    let line = approver.line();
    guest.sh(&format!("umask 022; printf '%s' '{line}' >>/etc/jit-sudo/allowed_signers")).success();
    (guest, policy)
}

fn spend(guest: &Guest, user: &str, token: &str, command: &str) -> Outcome {
    guest.as_user(user).input(token).run(&format!("cd /tmp; jit-sudo -n --token - {command}"))
}

#[test]
fn a_token_is_asked_for_signed_elsewhere_and_spent_once() {
    let approver = Approver::new("tessa");
    let (guest, _policy) = asker("tilo", &approver, "grant.uses = 1");
    guest
        .as_user("tilo")
        .run("jit-sudo -n id -un")
        .exits(1)
        .complains("needs a token that is signed by signer:tessa@example.com");
    let asked =
        guest.as_user("tilo").run("cd /tmp; jitctl token request --reason INC-7 -- id -un").success().stdout;
    let token = approver.sign(&asked);
    fs::write(approver.folder.path().join("token"), &token).unwrap();
    guest
        .as_user("tilo")
        .input(&token)
        .run("jitctl token show")
        .success()
        .shows("argument: 1. '-un'")
        .shows("1 signature");
    guest
        .as_user("tilo")
        .input(&token)
        .run("jitctl token verify")
        .success()
        .shows("signed by tessa@example.com");
    guest
        .as_user("tilo")
        .input(&asked)
        .run("cd /tmp; jit-sudo -n --token - id -un")
        .exits(1)
        .complains("not signed");
    // What else was typed, from elsewhere, changed since, or another's.
    spend(guest, "tilo", &token, "id -u").exits(1).complains("it differs in the arguments");
    guest
        .as_user("tilo")
        .input(&token)
        .run("cd /; jit-sudo -n --token - id -un")
        .exits(1)
        .complains("the working folder");
    spend(guest, "tilo", &token.replace("INC-7", "INC-8"), "id -un")
        .exits(1)
        .complains("what was signed is another text");
    spend(guest, "tilo", &token, "id -un").success().prints("root");
    spend(guest, "tilo", &token, "id -un").exits(1).complains("spent already");
    guest.sh("systemctl restart jit-agentd").success();
    spend(guest, "tilo", &token, "id -un").exits(1).complains("spent already");
    let accepted = guest.audit(&["\"token.accepted\"", "\"tilo\""]);
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    for says in ["\"approver\":\"signer:tessa@example.com\"", "\"reason\":\"INC-7\"", "signed with SHA256:"] {
        assert!(accepted[0].contains(says), "{says} is not in {accepted:?}");
    }
    assert_eq!(guest.audit(&["\"token.rejected\"", "\"tilo\"", "spent already"]).len(), 2);
    assert_eq!(guest.audit(&["\"session.started\"", "\"tilo\"", "signer:tessa@example.com"]).len(), 1);
    guest.sh("jitctl audit verify").success();
}

#[test]
fn a_program_that_is_exchanged_after_the_signature_does_not_run() {
    let approver = Approver::new("tara");
    let (guest, _policy) = asker("timo", &approver, "");
    guest
        .sh("printf '#!/bin/sh\\necho good\\n' >/usr/local/bin/timos && chmod 755 /usr/local/bin/timos")
        .success();
    let asked = guest.as_user("timo").run("cd /tmp; jitctl token request -- timos").success().stdout;
    let token = approver.sign(&asked);
    guest.sh("sed -i s/good/evil/ /usr/local/bin/timos").success();
    spend(guest, "timo", &token, "timos").exits(1).complains("it differs in the file /usr/local/bin/timos");
    guest.sh("sed -i s/evil/good/ /usr/local/bin/timos").success();
    spend(guest, "timo", &token, "timos").success().prints("good");
}

#[test]
fn a_token_is_its_askers_and_no_other_hosts() {
    let approver = Approver::new("thea");
    let (guest, policy) = asker("toni", &approver, "");
    let (_, _other) = eligible("tom", "");
    let asked = guest.as_user("toni").run("cd /tmp; jitctl token request -- id -un").success().stdout;
    let token = approver.sign(&asked);
    let rule = crate::rule(
        "toni",
        "tom",
        "require = { authentication = \"none\", approval = { approvers = [\"signer:thea@example.com\"] } }",
    );
    drop(policy);
    let _policy = guest.policy("toni", &rule.replace("[\"tom\"]", "[\"toni\", \"tom\"]"));
    spend(guest, "tom", &token, "id -un").exits(1).complains("it differs in the invoking user");
    let foreign = approver.sign(&asked.replacen(
        &asked[asked.find("\"host\": \"").unwrap()..][..20],
        "\"host\": \"00000000000",
        1,
    ));
    spend(guest, "toni", &foreign, "id -un").exits(1).complains("made on another host");
    spend(guest, "toni", &token, "id -un").success().prints("root");
}
