//! Approval by a signature: what is made to be signed, who may sign it, and what becomes of each token that is not as it should
//! be. With real keys of ssh-keygen; with two people: `tests/tests/guest/tokens.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use jit_agent::clock::Clock;
use jit_protocol::link::ToMonitor;
use jit_protocol::request::{Elevate, Request, Wish};
use jit_protocol::response::Response;
use jit_protocol::token::{Covers, Signed, Token};

use crate::stage::{NOTHING, Stage, needs_root, order, refusal, rule, us};
use crate::wire::{Wire, command, id};

const SECOND: u64 = 1_000_000_000;
pub const SIGNER: &str =
    "require = { authentication = \"none\", approval = { approvers = [\"signer:bob@example.com\"] } }";
const NAMESPACE: &str = "jit-grant@jit-sudo";

/// An agent whose `allowed_signers` has these lines: principal, options, name of a key that is made.
fn stage(policy: &str, lines: &[(&str, &str, &str)]) -> Stage {
    let mut stage = prepared(policy, lines);
    stage.start();
    stage
}

/// Before it starts.
fn prepared(policy: &str, lines: &[(&str, &str, &str)]) -> Stage {
    let stage = Stage::without_agent();
    stage.write_policy("50-test.toml", policy);
    let keys = stage.root().join("keys");
    fs::create_dir(&keys).unwrap();
    let mut text = String::new();
    for (who, options, name) in lines {
        if !keys.join(name).exists() {
            keygen(&stage, &["-q", "-t", "ed25519", "-N", "", "-f", name]);
        }
        let public = fs::read_to_string(keys.join(format!("{name}.pub"))).unwrap();
        text = format!("{text}{who} namespaces=\"{NAMESPACE}\"{options} {public}");
    }
    write(&stage.paths.allowed_signers, &text);
    stage
}

/// With bob's key in it, and a wall clock that shows this.
pub fn with_bob_at(policy: &str, realtime_ns: i64) -> Stage {
    let mut stage = prepared(policy, &[("bob@example.com", "", "bob")]);
    stage.clock.set_wall(realtime_ns);
    stage.start();
    stage
}

fn write(path: &std::path::Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
}

/// With bob's key in it.
fn with_bob(policy: &str) -> Stage {
    stage(policy, &[("bob@example.com", "", "bob")])
}

fn keygen(stage: &Stage, arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    let quiet = command.current_dir(stage.root().join("keys")).args(arguments);
    let status = quiet.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("ssh-keygen, of openssh-client").success(), "{arguments:?}");
}

fn sign_as(stage: &Stage, key: &str, namespace: &str, text: &str) -> String {
    let keys = stage.root().join("keys");
    fs::write(keys.join("text"), text).unwrap();
    let _ = fs::remove_file(keys.join("text.sig"));
    keygen(stage, &["-Y", "sign", "-q", "-f", key, "-n", namespace, "text"]);
    fs::read_to_string(keys.join("text.sig")).unwrap()
}

/// The text of a token that these have signed.
pub fn sign(stage: &Stage, token: &Token, keys: &[&str]) -> String {
    let text = token.text();
    let signatures = keys.iter().map(|key| sign_as(stage, key, NAMESPACE, &text)).collect();
    Signed { token: token.clone(), signatures }.text()
}

pub fn wish(stage: &Stage, wish: Wish) -> Result<Token, String> {
    match stage.connect().ask(Request::Token(Box::new(wish))) {
        Response::Token { text } => Ok(Signed::parse(&text).unwrap().token),
        Response::Refused { what, .. } => Err(what),
        other => panic!("{other:?}"),
    }
}

fn ask(stage: &Stage, asked: Elevate) -> Token {
    wish(stage, Wish { asked, not_before: None, valid: None }).unwrap()
}

fn with(token: &str, asked: Elevate) -> Elevate {
    Elevate { token: Some(token.to_owned()), ..asked }
}

/// It counts for nothing, for this reason, which is what the person is told and the log has.
fn rejected(stage: &Stage, asked: Elevate, why: &str) {
    let before = stage.audit().iter().filter(|line| line["event"] == "token.rejected").count();
    let told = refusal(stage, asked);
    assert!(told.contains(why), "{told}, not {why}");
    let record = stage.await_events("token.rejected", before + 1).pop().unwrap();
    assert_eq!(record["result"], told);
    assert!(record["session"].is_null() && record["grant"].is_null(), "{record}");
}

#[test]
fn a_signed_token_runs_its_command_and_makes_a_grant() {
    let stage = with_bob(&rule("id", SIGNER));
    assert_eq!(refusal(&stage, id()), "this needs a token that is signed by signer:bob@example.com");
    let token = ask(&stage, Elevate { reason: Some("INC-1".to_owned()), cwd: "/usr".into(), ..id() });
    assert_eq!(
        (token.covers, token.duration, token.reason.as_deref()),
        (Covers::Command, 900, Some("INC-1"))
    );
    assert_eq!((token.host.len(), token.nonce.len()), (32, 32));
    assert_eq!(token.binding.command, ["id".into(), "-u".into()]);
    assert!(stage.monitor_within(NOTHING).is_none());
    let asked = || Elevate { cwd: "/usr".into(), ..id() };
    let monitor = order(&stage, with(&sign(&stage, &token, &["bob"]), asked()));
    assert_eq!(monitor.order.program.as_ref().unwrap().pin.as_ref().unwrap().sha256, token.binding.sha256);
    let grant = monitor.run(0).grant;
    let record = stage.await_event("session.started");
    for (key, expected) in [
        ("approver", "signer:bob@example.com"),
        ("request", &token.nonce),
        ("reason", "INC-1"),
        ("grant", &grant),
    ] {
        assert_eq!(record[key], expected, "{record}");
    }
    let accepted = stage.await_event("token.accepted");
    assert!(accepted["result"].as_str().unwrap().starts_with("signed with SHA256:"), "{accepted}");
    assert_eq!(accepted["request"], token.nonce);
    // The grant lives, for this very command.
    assert_eq!(order(&stage, asked()).run(0).grant, grant);
    assert!(refusal(&stage, command(&["id", "-g"])).contains("needs a token"));
    stage.verify_audit();
}

type Alter = fn(&mut Token);

// "Altered …: refused, each with its own audit reason; a table test alters every field."
#[test]
fn each_altered_field_is_told_and_so_is_each_that_was_signed_otherwise() {
    let altered = "what was signed is another text";
    let differs = |what: &str| format!("it differs in {what}");
    let table: [(&str, Alter, String); 24] = [
        ("host", |it| it.host = "0".repeat(32), "made on another host".to_owned()),
        ("nonce", |it| it.nonce = "A".repeat(32), "written anew".to_owned()),
        ("not_before", |it| it.not_before.replace_range(0..4, "2020"), "more than 24 hours".to_owned()),
        ("not_after", |it| it.not_after = it.not_before.clone(), "expired at".to_owned()),
        (
            "not_after's form",
            |it| it.not_after = it.not_after.replace('Z', "+00:00"),
            "written anew".to_owned(),
        ),
        ("duration", |it| it.duration = 1_000_000, String::new()),
        ("covers", |it| it.covers = Covers::Rule, String::new()),
        ("reason", |it| it.reason = Some("other".to_owned()), String::new()),
        ("version", |it| it.binding.version = 2, differs("the version")),
        ("host's name", |it| it.binding.host.push('x'), differs("the host's name")),
        ("rule", |it| it.binding.rule.push('x'), "lets nobody approve this by a signature".to_owned()),
        ("user", |it| it.binding.user.name.push('x'), differs("the invoking user")),
        ("uid", |it| it.binding.user.uid += 1, differs("the invoking user")),
        ("target", |it| it.binding.target.uid = 1, differs("the target user")),
        ("groups", |it| it.binding.groups.push(4), differs("the groups")),
        ("mode", |it| it.binding.mode = Some("shell".to_owned()), differs("the way it is run")),
        ("program", |it| it.binding.program = "/usr/bin/ie".into(), differs("the program")),
        ("sha256", |it| it.binding.sha256 = "ab".repeat(32), differs("the file /usr/bin/id")),
        ("command", |it| it.binding.command.push("-g".into()), differs("the arguments")),
        (
            "environment",
            |it| it.binding.environment.push(("A".into(), "1".into())),
            differs("the environment"),
        ),
        ("folder", |it| it.binding.folder.inode += 1, differs("the working folder")),
        ("--for", |it| it.binding.duration = Some(1), String::new()),
        ("uses", |it| it.binding.uses = Some(1), differs("the number of uses")),
        ("from", |it| it.binding.from = Some(it.not_before.clone()), differs("the time that it begins at")),
    ];
    // No more for one agent than it records one by one.
    for rows in table.chunks(9) {
        let stage = with_bob(&rule("id", SIGNER));
        let token = ask(&stage, id());
        let good = Signed::parse(&sign(&stage, &token, &["bob"])).unwrap();
        for (field, alter, when_signed) in rows {
            let mut other = good.clone();
            alter(&mut other.token);
            assert_ne!(other, good, "{field}");
            rejected(&stage, with(&other.text(), id()), altered);
            // Empty: an approver may say so.
            if !when_signed.is_empty() {
                rejected(&stage, with(&sign(&stage, &other.token, &["bob"]), id()), when_signed);
            }
        }
        // After all that it is still good, once.
        order(&stage, with(&good.text(), id())).run(0);
        rejected(&stage, with(&good.text(), id()), "spent already");
    }
}

#[test]
fn what_is_no_token_in_its_one_form_is_told_as_that() {
    let stage = with_bob(&rule("id", SIGNER));
    let token = ask(&stage, id());
    let text = sign(&stage, &token, &["bob"]);
    let cut = |end: usize| text[..end].to_owned();
    let unsigned = token.text();
    let rewrapped = {
        let (head, body) = text.split_at(unsigned.len() + "-----BEGIN SSH SIGNATURE-----\n".len());
        let (first, rest) = body.split_once('\n').unwrap();
        format!("{head}{}\n{}\n{rest}", &first[..60], &first[60..])
    };
    for (text, why) in [
        (cut(unsigned.len() - 40), "cut off"),
        (cut(text.len() - 10), "cut off"),
        (unsigned.clone(), "not signed"),
        (text.replacen("  \"host\"", " \"host\"", 1), "written anew"),
        (text.replacen("\"host\"", "\"h\\u006fst\"", 1), "written anew"),
        (rewrapped, "no signature of a form that is known"),
        (text.replacen("\"version\": 1", "\"version\": 2", 1), "version that is not known"),
        (text.replace('\n', "\r\n"), "no token"),
        (String::new(), "cut off"),
        ("no".to_owned(), "no token"),
        ("x".repeat(1024 * 1024 + 1), "too long"),
    ] {
        rejected(&stage, with(&text, id()), why);
    }
    order(&stage, with(&text, id())).run(0);
}

#[test]
fn only_keys_that_may_sign_this_now_count() {
    let policy = rule("id", SIGNER);
    let lines = [
        ("bob@example.com", "", "bob"),
        ("bob@example.com", ",valid-after=\"20990101Z\"", "later"),
        ("bob@example.com", ",valid-before=\"20200101Z\"", "before"),
        ("bob@example.com", "", "gone"),
        ("eve@example.com", "", "eve"),
    ];
    let stage = stage(&policy, &lines);
    let gone = fs::read_to_string(stage.root().join("keys/gone.pub")).unwrap();
    write(&stage.paths.revoked_keys, &gone);
    keygen(&stage, &["-q", "-t", "ed25519", "-N", "", "-f", "stranger"]);
    keygen(&stage, &["-q", "-t", "rsa", "-N", "", "-f", "rsa"]);
    let token = ask(&stage, id());
    for (key, why) in [
        ("later", "may not sign yet"),
        ("before", "may not sign any more"),
        ("gone", "its key is revoked"),
        ("stranger", "its key may not sign this"),
        ("rsa", "kind of key can't be checked"),
        ("eve", "0 of the 1 signatures"),
    ] {
        rejected(&stage, with(&sign(&stage, &token, &[key]), id()), why);
    }
    // One bad signature beside a good one is not looked over.
    rejected(&stage, with(&sign(&stage, &token, &["bob", "stranger"]), id()), "may not sign this");
    let signature = sign_as(&stage, "bob", "jit-policy@jit-sudo", &token.text());
    rejected(&stage, with(&(token.text() + &signature), id()), "another purpose");
    order(&stage, with(&sign(&stage, &token, &["bob"]), id())).run(0);
}

// Rule 13: "its owner and mode checked"
#[test]
fn an_allowed_signers_that_others_can_write_or_that_is_not_understood_lets_nobody_sign() {
    let stage = with_bob(&rule("id", SIGNER));
    let text = sign(&stage, &ask(&stage, id()), &["bob"]);
    let path = &stage.paths.allowed_signers;
    fs::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
    let told = refusal(&stage, with(&text, id()));
    assert_eq!(told, "the token cannot be checked on this host");
    assert!(stage.await_event("token.rejected")["result"].as_str().unwrap().contains("allowed_signers"));
    let good = fs::read_to_string(path).unwrap();
    write(path, &format!("{good}bob cert-authority ssh-ed25519 AAAA\n"));
    assert_eq!(refusal(&stage, with(&text, id())), told);
    // Who can write its folder can take the list of revoked keys away.
    write(path, &good);
    let folder = path.parent().unwrap();
    fs::set_permissions(folder, PermissionsExt::from_mode(0o775)).unwrap();
    assert_eq!(refusal(&stage, with(&text, id())), told);
    fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    fs::remove_file(path).unwrap();
    rejected(&stage, with(&text, id()), "may not sign this");
    write(path, &good);
    order(&stage, with(&text, id())).run(0);
}

#[test]
fn it_is_good_in_its_time_alone() {
    let stage = with_bob(&rule("id", SIGNER));
    let later = jiff::Timestamp::from_nanosecond(i128::from(stage.clock.now().realtime_ns)).unwrap()
        + Duration::from_hours(2);
    let asked = |not_before: Option<String>, valid| Wish { asked: id(), not_before, valid };
    let token = wish(&stage, asked(Some(later.to_string()), Some(3600))).unwrap();
    let text = sign(&stage, &token, &["bob"]);
    rejected(&stage, with(&text, id()), "not good before");
    stage.clock.pass(2 * 3600 * SECOND + SECOND);
    let now = || stage.clock.now().realtime_ns;
    let inside = now();
    stage.clock.pass(3600 * SECOND);
    rejected(&stage, with(&text, id()), "expired at");
    stage.clock.set_wall(inside);
    order(&stage, with(&text, id())).run(0);
    for (wish_for, why) in [
        (asked(None, Some(86_401)), "24 hours at most"),
        (asked(Some("2020-01-01T00:00:00Z".to_owned()), None), "over already"),
        (asked(Some("soon".to_owned()), None), "the time is none"),
    ] {
        assert!(wish(&stage, wish_for).unwrap_err().contains(why));
    }
}

// "The nonce is burnt, durably, before exec"
#[test]
fn a_burnt_nonce_stays_burnt_over_a_crash_a_reboot_and_a_clock_that_is_set_back() {
    let mut stage = with_bob(&rule("id", &format!("{SIGNER}\ngrant.duration = \"1s\"")));
    let first = stage.clock.now().realtime_ns;
    let text = sign(&stage, &ask(&stage, id()), &["bob"]);
    drop(order(&stage, with(&text, id())).go());
    stage.crash();
    stage.start();
    rejected(&stage, with(&text, id()), "spent already");
    stage.reboot(Duration::from_mins(1), 0);
    rejected(&stage, with(&text, id()), "spent already");
    // The nonce is forgotten once its token is over; then nobody may set the clock back to use it again.
    stage.clock.pass(3600 * SECOND);
    let end = std::time::Instant::now() + crate::stage::SOON;
    while !refusal(&stage, with(&text, id())).contains("expired at") {
        assert!(std::time::Instant::now() < end, "it is forgotten");
        std::thread::sleep(Duration::from_millis(20));
    }
    stage.clock.set_wall(first + 1_000_000_000);
    rejected(&stage, with(&text, id()), "expired at");
    stage.verify_audit();
}

// "of many racers exactly one wins"
#[test]
fn of_many_racers_with_one_token_exactly_one_runs() {
    let stage = with_bob(&rule("id", SIGNER));
    let text = sign(&stage, &ask(&stage, id()), &["bob"]);
    let wires: Vec<Wire> = (0..8).map(|_| stage.connect()).collect();
    for wire in &wires {
        wire.elevate(with(&text, id()));
    }
    // All of them are let that far; their people type their passwords; all are done at once.
    let monitors: Vec<_> = wires.iter().map(|_| stage.monitor()).collect();
    for monitor in &monitors {
        monitor.say(&jit_protocol::link::FromMonitor::Fulfilled { authenticated: false, reason: None });
        monitor.say(&jit_protocol::link::FromMonitor::Accepted);
    }
    let mut went = 0;
    for monitor in &monitors {
        match monitor.hear() {
            ToMonitor::Go(_) => went += 1,
            ToMonitor::Refuse { what, .. } => assert!(what.contains("spent already"), "{what}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(went, 1);
    assert_eq!(stage.await_events("token.rejected", 7).len(), 7);
    assert_eq!(stage.events().iter().filter(|event| *event == "session.started").count(), 1);
    stage.verify_audit();
}

#[test]
fn it_is_looked_at_again_after_the_password() {
    let password = SIGNER.replace("authentication = \"none\", ", "");
    let stage = with_bob(&rule("id", &password));
    let token = ask(&stage, id());
    let text = sign(&stage, &token, &["bob"]);
    let monitor = order(&stage, with(&text, id()));
    assert!(monitor.order.authenticate.is_some(), "the authentication duty stays");
    let key = fs::read_to_string(stage.root().join("keys/bob.pub")).unwrap();
    write(&stage.paths.revoked_keys, &key);
    assert!(matches!(monitor.fulfil(), ToMonitor::Refuse { what, .. } if what.contains("revoked")));
    stage.await_event("token.rejected");
    fs::remove_file(&stage.paths.revoked_keys).unwrap();
    assert!(matches!(order(&stage, with(&text, id())).fulfil(), ToMonitor::Go(_)), "it was not burnt");
}

#[test]
fn a_token_for_a_rule_covers_what_that_permits() {
    let for_rule = SIGNER.replace("\"] }", "\"], for = \"rule\" }");
    let stage = with_bob(&rule("id", &for_rule));
    let token = ask(&stage, id());
    assert_eq!(token.covers, Covers::Rule);
    let text = sign(&stage, &token, &["bob"]);
    let grant = order(&stage, with(&text, command(&["id", "-g"]))).run(0).grant;
    assert_eq!(order(&stage, command(&["id", "-G"])).run(0).grant, grant);
    // One for a command stays one, whatever the rule says by now.
    let other = Token { covers: Covers::Command, ..ask(&stage, id()) };
    rejected(&stage, with(&sign(&stage, &other, &["bob"]), command(&["id", "-n"])), "the arguments");
}

#[test]
fn two_signatures_are_two_people() {
    let two = SIGNER.replace(
        "\"signer:bob@example.com\"]",
        "\"signer:bob@example.com\", \"signer:carol@example.com\", \"daemon\"], count = 2",
    );
    let lines = [
        ("bob@example.com", "", "bob"),
        ("bob@example.com", "", "bob2"),
        ("carol@example.com", "", "carol"),
        ("bob@example.com,carol@example.com", "", "both"),
    ];
    let stage = stage(&rule("id", &two), &lines);
    let token = ask(&stage, id());
    for keys in [&["bob"][..], &["bob", "bob"], &["bob", "bob2"], &["both"], &["both", "carol"]] {
        rejected(&stage, with(&sign(&stage, &token, keys), id()), "1 of the 2 signatures");
    }
    order(&stage, with(&sign(&stage, &token, &["bob", "carol"]), id())).run(0);
    assert_eq!(
        stage.await_event("grant.issued")["approver"],
        "signer:bob@example.com, signer:carol@example.com"
    );
    // A rule that has users too is asked for as ever.
    let wire = stage.connect();
    wire.elevate(command(&["id", "-g"]));
    assert_eq!(wire.frame().kind, jit_protocol::frame::Kind::Pending);
}

// "Nobody approves for themselves"
#[test]
fn who_asks_does_not_sign_for_themselves() {
    needs_root();
    let own = SIGNER.replace("bob@", "root@");
    let stage = stage(&rule("id", &own), &[("root@example.com", "", "root")]);
    assert_eq!(us(), 0);
    let text = sign(&stage, &ask(&stage, id()), &["root"]);
    rejected(&stage, with(&text, id()), "0 of the 1 signatures");
}

// … nor under another name of theirs.
#[test]
fn a_key_that_has_a_name_of_the_askers_as_well_is_the_askers() {
    needs_root();
    let lines = [
        ("root@example.com,bob@example.com", "", "own"),
        ("root", "", "two-lines"),
        ("bob@example.com", "", "two-lines"),
        ("bob@example.com,robot@example.com", "", "bob"),
    ];
    let stage = stage(&rule("id", SIGNER), &lines);
    let token = ask(&stage, id());
    for key in ["own", "two-lines"] {
        rejected(&stage, with(&sign(&stage, &token, &[key]), id()), "0 of the 1 signatures");
    }
    order(&stage, with(&sign(&stage, &token, &["bob"]), id())).run(0);
}

// It is shown to others, and stands in the log, as one that was typed.
#[test]
fn a_reason_that_nobody_could_have_typed_counts_for_nothing_though_it_was_signed() {
    let stage = with_bob(&rule("id", SIGNER));
    let token = ask(&stage, id());
    for reason in ["", " INC-1", "INC-1\nrule: other", "\u{202e}INC-1", &"x".repeat(513)] {
        let other = Token { reason: Some(reason.to_owned()), ..token.clone() };
        rejected(&stage, with(&sign(&stage, &other, &["bob"]), id()), "written anew");
    }
    let other = Token { reason: Some("x".repeat(512)), ..token };
    order(&stage, with(&sign(&stage, &other, &["bob"]), id())).run(0);
}

#[test]
fn a_token_is_for_rules_that_let_signers_approve() {
    let stage = with_bob(&rule("id", SIGNER));
    let text = sign(&stage, &ask(&stage, id()), &["bob"]);
    let without = rule("id", "require.authentication = \"none\"");
    stage.write_policy("50-test.toml", &without);
    assert!(matches!(stage.connect().ask(Request::Reload { force: true }), Response::Done { .. }));
    rejected(&stage, with(&text, id()), "lets nobody approve this by a signature");
    let wanted = wish(&stage, Wish { asked: id(), not_before: None, valid: None });
    assert!(wanted.unwrap_err().contains("without a token"));
}

#[test]
fn options_that_differ_from_the_tokens_are_told() {
    let stage = with_bob(
        &(rule("id", &format!("{SIGNER}\ngrant.max_duration = \"1h\""))
            + &rule("other", SIGNER).replace("schema = 1\n", "")),
    );
    let asked = Elevate {
        duration: Some(1800),
        reason: Some("INC-1".to_owned()),
        rule: Some("other".to_owned()),
        ..id()
    };
    assert!(
        wish(&stage, Wish { asked: asked.clone(), not_before: None, valid: None }).is_err(),
        "longer than that rule lets"
    );
    let token = ask(&stage, Elevate { rule: Some("id".to_owned()), ..asked });
    assert_eq!((token.duration, token.binding.duration), (1800, Some(1800)));
    let text = sign(&stage, &token, &["bob"]);
    for (asked, what) in [
        (Elevate { rule: Some("other".to_owned()), ..id() }, "the rule"),
        (Elevate { reason: Some("INC-2".to_owned()), ..id() }, "the reason"),
        (Elevate { duration: Some(60), ..id() }, "--for"),
        (Elevate { cwd: "/usr".into(), ..id() }, "the working folder"),
    ] {
        rejected(&stage, with(&text, asked), what);
    }
    order(&stage, with(&text, id())).run(0);
}

#[test]
fn a_store_that_was_copied_back_voids_the_tokens_of_before() {
    let mut stage = with_bob(&rule("id", SIGNER));
    let text = sign(&stage, &ask(&stage, id()), &["bob"]);
    stage.crash();
    let store = stage.paths.state.join("state.redb");
    let copy = stage.root().join("copy.redb");
    fs::copy(&store, &copy).unwrap();
    stage.start();
    order(&stage, with(&text, id())).run(0);
    stage.await_event("session.ended");
    stage.crash();
    fs::copy(&copy, &store).unwrap();
    stage.start();
    rejected(&stage, with(&text, id()), "made on another host");
}
