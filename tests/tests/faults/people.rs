//! What people do besides: alice asks for what bob has to approve, and spends what carol has signed; bob answers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jit_tests::Outcome;
use jit_tests::process::run;
use serde_json::Value;

use crate::stage::{AUDIT, MARKS, as_user, jitctl, shell};

/// The rule, for [`crate::stage::POLICY`].
pub(crate) const RULE: &str = r#"
[[rule]]
id = "let"
description = "Once, if somebody else has said yes to this very command"
users = ["alice"]
commands = ["/run/faults/let *"]
require = { authentication = "none", approval = { approvers = ["bob", "signer:carol@example.com"] } }
grant.duration = "1h"
grant.uses = 1
grant.leftover = "kill"
"#;

const COMMAND: &str = "/run/faults/let";
const KEY: &str = "/run/faults/carol";
const TOKEN: &str = "/run/faults/token";
/// How long any of it may take: more than an agent that waits for a disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// The command, bob's password and carol's key.
pub(crate) fn prepare() {
    // A small file, for what is approved is what is in it. It leaves a mark as `stage::leave_mark` does.
    let script = format!(
        "#!/bin/sh\n\
         records=$(grep -F '\"event\":\"session.started\"' {AUDIT} | grep -cF \"$1\")\n\
         echo \"$1 $JIT_GRANT_ID $records\" >>{MARKS}\n"
    );
    fs::write(COMMAND, script).unwrap();
    fs::set_permissions(COMMAND, fs::Permissions::from_mode(0o755)).unwrap();
    let keygen = format!("ssh-keygen -q -t ed25519 -N '' -f {KEY} && cat {KEY}.pub");
    let key = run(shell(&keygen), b"", PATIENCE).success().stdout;
    let line = format!("carol@example.com namespaces=\"jit-grant@jit-sudo\" {key}");
    fs::write("/etc/jit-sudo/allowed_signers", line).unwrap();
    run(shell("echo bob:demo | chpasswd --crypt-method SHA512 --sha-rounds 1000"), b"", PATIENCE).success();
    // Whoever started this is neither of them; where that can't be said nobody's yes counts, which is seen at once.
    let _ = fs::write("/proc/self/loginuid", u32::MAX.to_string());
}

fn as_person(name: &str, words: &[&str], input: &[u8]) -> Outcome {
    let mut command = as_user(name);
    command.args(words);
    run(command, input, PATIENCE)
}

/// Alice wants it run. It runs if that is approved; else she asks for that.
pub(crate) fn ask(name: &str) -> Outcome {
    as_person("alice", &["jit-sudo", "-n", COMMAND, name], b"")
}

/// The same, and she waits for the answer.
pub(crate) fn ask_and_wait(name: &str) -> JoinHandle<Outcome> {
    let name = name.to_owned();
    std::thread::spawn(move || as_person("alice", &["jit-sudo", "--wait", COMMAND, &name], b""))
}

/// The request that she was told of.
pub(crate) fn told(outcome: &Outcome) -> Option<String> {
    let (_, rest) = outcome.stderr.split_once(": request ")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

/// Bob says yes.
pub(crate) fn approve(request: &Value) -> Outcome {
    let [id, digest] = ["id", "digest"].map(|key| request[key].as_str().unwrap());
    as_person("bob", &["jit-sudo", "-S", "-p", "", "--approve", "--", id, digest], b"demo\n")
}

/// Bob says no.
pub(crate) fn deny(id: &str) -> Outcome {
    as_person("bob", &["jitctl", "deny", id], b"")
}

/// Alice takes it back.
pub(crate) fn take_back(id: &str) -> Outcome {
    as_person("alice", &["jitctl", "deny", id], b"")
}

/// A token for this that carol has signed: its nonce.
pub(crate) fn make_token(name: &str) -> String {
    let asked =
        as_person("alice", &["jitctl", "token", "request", "--", COMMAND, name], b"").success().stdout;
    fs::write(TOKEN, &asked).unwrap();
    let sign = format!("rm -f {TOKEN}.sig; ssh-keygen -q -Y sign -n jit-grant@jit-sudo -f {KEY} {TOKEN}");
    run(shell(&sign), b"", PATIENCE).success();
    fs::write(TOKEN, asked.clone() + &fs::read_to_string(format!("{TOKEN}.sig")).unwrap()).unwrap();
    let (_, rest) = asked.split_once("\"nonce\": \"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Alice spends it.
pub(crate) fn spend(name: &str) -> Outcome {
    as_person("alice", &["jit-sudo", "-n", "--token", TOKEN, COMMAND, name], b"")
}

/// All requests that the agent knows; one that was just started may not listen yet.
pub(crate) fn requests() -> Vec<Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        match jitctl(&["requests"]) {
            Some(Value::Array(all)) => return all,
            _ => assert!(Instant::now() < end, "the requests cannot be listed"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Those for this command.
pub(crate) fn requests_for(name: &str) -> Vec<Value> {
    requests().into_iter().filter(|request| request["binding"]["command"][1] == name).collect()
}

/// One of them that waits.
pub(crate) fn waiting_for(name: &str) -> Option<Value> {
    requests_for(name).into_iter().find(|request| request["state"] == "pending")
}
