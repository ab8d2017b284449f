//! `require.approval`: who is asked, and what it changes.

use std::time::Duration;

use super::support::{Ask, Groups, account, policy};
use crate::{Approval, Binding, Decision, Missing, Policy};

fn rule(keys: &str) -> Policy {
    policy(&format!(
        "[sets.users]\noncall = [\"dora\", \"#1005\"]\n[[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n{keys}\n"
    ))
}

fn approval(policy: &Policy) -> &Approval {
    policy.rule("r").unwrap().require.approval.as_deref().unwrap()
}

// "no approval (its timeout 30m, count 1, for digest)"
#[test]
fn what_is_not_written_has_a_default() {
    assert!(rule("").rule("r").unwrap().require.approval.is_none());
    let policy = rule("require.approval = { approvers = [\"%leads\"] }");
    let Approval { named, count, timeout, binding, .. } = approval(&policy);
    assert_eq!((named.len(), *count, *timeout), (1, 1, Duration::from_mins(30)));
    assert_eq!(*binding, Binding::Digest);
    let policy = rule(
        "require.approval = { approvers = [\"dora\", \"%leads\"], count = 2, timeout = \"5m\", for = \"rule\" }",
    );
    let Approval { count, timeout, binding, .. } = approval(&policy);
    assert_eq!((*count, *timeout, *binding), (2, Duration::from_mins(5), Binding::Rule));
    assert_eq!(approval(&policy).in_words(), "2 of %leads, dora");
}

// "false switches a default off"
#[test]
fn false_switches_a_default_off_and_a_table_replaces_it() {
    let rules = |first: &str| {
        format!(
            "[defaults]\nrequire.approval = {{ approvers = [\"%leads\"], count = 2 }}\n\
             [[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n{first}\n"
        )
    };
    assert_eq!(approval(&policy(&rules(""))).count, 2);
    assert!(policy(&rules("require.approval = false")).rule("r").unwrap().require.approval.is_none());
    assert_eq!(approval(&policy(&rules("require.approval = { approvers = [\"dora\"] }"))).count, 1);
}

#[test]
fn approvers_are_found_by_uid_name_group_and_set_and_a_broken_look_up_is_no_answer() {
    let policy = rule("require.approval = { approvers = [\"carol\", \"#1004\", \"%leads\", \"@oncall\"] }");
    let mut directory = Groups::default();
    directory.gids.insert("leads".to_owned(), 2000);
    let is_one = |uid, name: &str, groups: &[u32], directory: &Groups| {
        policy.is_approver(approval(&policy), &account(uid, uid, &[name], groups), directory)
    };
    for (uid, name, groups, expected) in [
        (1003, "carol", &[][..], true),
        (1004, "somebody", &[], true),
        (1005, "somebody", &[], true),
        (1006, "dora", &[], true),
        (1007, "eve", &[2000], true),
        (1007, "eve", &[2001], false),
        (1000, "alice", &[], false),
    ] {
        assert_eq!(is_one(uid, name, groups, &directory).unwrap(), expected, "{uid} {name}");
    }
    directory.broken.insert("leads".to_owned());
    assert!(is_one(1007, "eve", &[2000], &directory).is_err());
    assert!(is_one(1003, "carol", &[], &directory).unwrap(), "named, whatever the directory says");
}

// "the one with the fewest duties *missing* (approvals, then authentication, then reason)"
#[test]
fn of_two_rules_the_one_that_needs_nobody_else_is_taken() {
    let asks = "require = { authentication = \"none\", approval = { approvers = [\"%leads\"] } }";
    let text = |id: &str, keys: &str| {
        format!("[[rule]]\nid = \"{id}\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n{keys}\n")
    };
    let policy = policy(&(text("a", asks) + &text("b", "require.reason = true")));
    Ask::default().with(|request| {
        let Ok(Decision::Permit(candidates)) = policy.evaluate(request, &Groups::default()) else { panic!() };
        let (chosen, missing) = crate::choose(&candidates, |one| Missing::all(one.rule)).unwrap();
        assert_eq!((chosen.rule.id.as_str(), missing.approvals), ("b", 0));
    });
    assert_eq!(policy.rule("a").unwrap().duties(), ["approval"]);
}

// "`administrators` set: a policy that leaves none of them a way to root on this host is refused"
#[test]
fn what_somebody_else_has_to_approve_is_no_way_of_ones_own() {
    let sometime = |policy: &Policy| {
        Ask::default().with(|request| policy.permits_sometime(request, &Groups::default())).unwrap()
    };
    assert!(sometime(&rule("")));
    assert!(!sometime(&rule("require.approval = { approvers = [\"%leads\"] }")));
}

#[test]
fn another_approval_is_another_policy_and_the_name_of_a_set_is_not() {
    let lines = |old: &str, new: &str| {
        let differences = rule(old).diff(&rule(new));
        differences.iter().map(ToString::to_string).collect::<String>()
    };
    let asks = "require.approval = { approvers = [\"@oncall\"] }";
    let by_name = "require.approval = { approvers = [\"dora\", \"#1005\"] }";
    assert_eq!(lines(asks, by_name), "");
    for other in [
        "",
        "require.approval = { approvers = [\"dora\"] }",
        "require.approval = { approvers = [\"@oncall\"], count = 2 }",
        "require.approval = { approvers = [\"@oncall\"], timeout = \"1h\" }",
        "require.approval = { approvers = [\"@oncall\"], for = \"rule\" }",
    ] {
        let said = lines(asks, other);
        assert!(said.contains("require.approval"), "{other}: {said}");
    }
}

// interface.md: `approvers = ["%leads", "signer:bob@example.com"]`
#[test]
fn signers_are_told_from_users() {
    let policy = rule(
        "require.approval = { approvers = [\"signer:bob@example.com\", \"signer:bob@example.com\", \"dora\"] }",
    );
    let both = approval(&policy);
    assert_eq!(both.in_words(), "dora, signer:bob@example.com");
    assert_eq!(both.signers.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["bob@example.com"]);
    assert!(!both.is_for_signers_alone());
    let is_one =
        |name: &str| policy.is_approver(both, &account(7, 7, &[name], &[]), &Groups::default()).unwrap();
    assert!(is_one("dora") && !is_one("bob@example.com") && !is_one("signer:bob@example.com"));
    let alone = rule("require.approval = { approvers = [\"signer:bob@example.com\"] }");
    assert!(approval(&alone).is_for_signers_alone());
    assert!(!approval(&policy).says_the_same(approval(&alone)));
    let said: String = alone
        .diff(&rule("require.approval = { approvers = [\"signer:eve@example.com\"] }"))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(said.contains("signer:eve@example.com"), "{said}");
}

#[test]
fn a_signer_is_their_own_by_name_with_or_without_a_domain() {
    for (signer, own) in
        [("bob@example.com", true), ("bob", true), ("bobby@example.com", false), ("@bob", false)]
    {
        assert_eq!(crate::is_own(signer, "bob"), own, "{signer}");
    }
}
