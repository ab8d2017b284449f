//! Logins.

use super::support::{Groups, account, policy};
use crate::{Account, Host, LoginDecision, Policy};

const HOST: Host<'static> = Host { name: "web-1.example.com", tags: &[] };

fn decide(policy: &Policy, user: &Account, service: &str) -> String {
    let mut directory = Groups::default();
    directory.gids.insert("dba".into(), 50);
    directory.broken.insert("broken".into());
    match policy.login(user, service, HOST, &directory) {
        Ok(LoginDecision::NotNamed) => "not named".into(),
        Ok(LoginDecision::Allowed(rule)) => format!("allowed by {}", rule.id),
        Ok(LoginDecision::Denied { rule, why }) => format!("denied by {}: {why}", rule.id),
        Err(failed) => failed.to_string(),
    }
}

fn login(id: &str, users: &str, access: &str, more: &str) -> String {
    format!("[[login]]\nid = \"{id}\"\nusers = [{users}]\naccess = \"{access}\"\n{more}\n")
}

// "deny wins; an account named nowhere is not touched"
#[test]
fn a_deny_wins_and_who_is_named_nowhere_is_not_touched() {
    let policy = policy(
        &(login("a", "\"alice\", \"%dba\"", "allow", "")
            + &login("d", "\"mallory\"", "deny", "")
            + &login("e", "\"%dba\"", "deny", "services = [\"login\"]")
            + &login("g", "\"bob\", \"alice\"", "grant", "")
            + &login("h", "\"carol\"", "deny", "hosts = [\"db-*\"]")),
    );
    for (name, gid, service, expected) in [
        ("alice", 1, "sshd", "allowed by a"),
        ("x", 50, "sshd", "allowed by a"),
        ("mallory", 50, "SSHD", "denied by d: the policy denies this login"),
        ("x", 50, "login", "denied by e: the policy denies this login"),
        ("mallory", 50, "gdm-password", "denied by d: the policy denies this login"),
        ("bob", 1, "sshd", "denied by g: needs a grant; not built yet"),
        ("x", 1, "sshd", "not named"),
        ("alice", 1, "cron", "not named"),
        ("carol", 1, "sshd", "not named"),
    ] {
        assert_eq!(
            decide(&policy, &account(1000, gid, &[name], &[]), service),
            expected,
            "{name} {gid} {service}"
        );
    }
}

// "`ALL` does not include uid 0 unless `root` is written"
#[test]
fn all_does_not_include_root_unless_it_is_named() {
    let root = account(0, 0, &["root"], &[0]);
    let user = account(5, 5, &["u"], &[]);
    let all = policy(&(login("a", "\"@everyone\"", "deny", "") + "[sets.users]\neveryone = [\"ALL\"]"));
    assert_eq!(decide(&all, &root, "sshd"), "not named");
    assert!(decide(&all, &user, "sshd").starts_with("denied"));
    for users in ["\"ALL\", \"root\"", "\"#0\""] {
        assert!(
            decide(&policy(&login("a", users, "deny", "")), &root, "sshd").starts_with("denied"),
            "{users}"
        );
    }
}

#[test]
fn a_failed_look_up_is_the_answer_unless_a_deny_matches() {
    let user = account(5, 5, &["u"], &[]);
    let failed = "the look-up of group \"broken\" failed: no answer";
    let broken = login("a", "\"%broken\"", "deny", "");
    assert_eq!(decide(&policy(&broken), &user, "sshd"), failed);
    assert_eq!(decide(&policy(&(broken.clone() + &login("b", "\"u\"", "allow", ""))), &user, "sshd"), failed);
    assert!(
        decide(&policy(&(broken + &login("b", "\"u\"", "deny", ""))), &user, "sshd")
            .starts_with("denied by b")
    );
}

#[test]
fn defaults_of_logins_fill_what_a_login_leaves_out() {
    let policy = policy(
        "[login_defaults]\naccess = \"deny\"\nservices = [\"x\"]\n[[login]]\nid = \"a\"\nusers = [\"u\"]",
    );
    let user = account(5, 5, &["u"], &[]);
    assert!(decide(&policy, &user, "x").starts_with("denied by a"));
    assert_eq!(decide(&policy, &user, "sshd"), "not named");
}

// "who is named in `[[login]]` for which services"
#[test]
fn the_gated_file_names_everyone_on_this_host() {
    let policy = policy(
        &(login("a", "\"alice\", \"#7\", \"%dba\", \"%#8\", \"@s\"", "allow", "services = [\"sshd\"]")
            + &login("b", "\"ALL\"", "deny", "services = [\"login\"]")
            + &login("c", "\"carol\"", "deny", "hosts = [\"db-*\"]")
            + "[sets.users]\ns = [\"a b\", \"alice\"]"),
    );
    let expected = "# jit-sudo gated 1\nlogin ALL\nsshd #7\nsshd %#8\nsshd %dba\nsshd a b\nsshd alice\n";
    assert_eq!(policy.gated(HOST).to_string(), expected);
}
