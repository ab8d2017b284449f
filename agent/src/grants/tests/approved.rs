//! Grants that somebody has approved: for what they said yes to.

use super::*;

/// For a command with this argument.
pub(super) fn binding(argument: &str) -> Binding {
    let person = |name: &str, uid| jit_protocol::binding::Person { name: name.to_owned(), uid };
    Binding {
        version: Binding::VERSION,
        host: "h".into(),
        rule: "deploy".into(),
        user: person("alice", 1000),
        target: person("root", 0),
        groups: vec![0],
        mode: None,
        program: "/usr/bin/id".into(),
        sha256: "ab".repeat(32),
        command: vec!["id".into(), argument.into()],
        environment: Vec::new(),
        folder: jit_protocol::binding::Folder { path: "/".into(), device: 1, inode: 2 },
        duration: None,
        uses: None,
        from: None,
    }
}

// "A grant that needed approval is bound to the digest of what was approved, … unless for = "rule""; also once the rule
// says so for no other reason than a new policy.
#[tokio::test]
async fn a_yes_serves_for_what_it_was_said_to() {
    let clock = clock();
    let (this, other) = (binding("-u"), binding("-g"));
    let approved = |binding: Option<&Binding>| {
        Some(Box::new(Approved { request: "q".into(), by: vec!["bob".into()], binding: binding.cloned() }))
    };
    let all = |any, rule, this_rule, this_one| {
        [
            (Serving::Any, any),
            (Serving::Approved(&other), rule),
            (Serving::Approved(&this), this_rule),
            (Serving::This(&this), this_one),
        ]
    };
    for (yes, serves) in [
        (None, all(true, false, false, false)),
        (approved(Some(&this)), all(true, false, true, true)),
        (approved(None), all(true, true, true, false)),
    ] {
        let mut host = Host::new();
        let grants = host.start(&clock).await;
        let grant = Grant { approved: yes, ..grant("a", &purpose(), None, clock.now()) };
        grants.add(grant.clone(), clock.now()).unwrap();
        assert!(grants.find(&purpose(), Serving::Any, clock.now()).is_none(), "not before it is shared");
        grants.share("a", clock.now());
        for (serving, serves) in serves {
            let found = grants.find(&purpose(), serving, clock.now());
            assert_eq!(found.is_some(), serves, "{serving:?} {:?}", grant.approved);
        }
    }
}

// A yes to whatever the rule permits is one for so long.
#[tokio::test]
async fn a_yes_to_a_rule_serves_for_a_longer_grant_only_if_that_was_asked_for() {
    let (mut host, clock) = (Host::new(), clock());
    let grants = host.start(&clock).await;
    let approved = Approved { request: "q".into(), by: vec!["bob".into()], binding: None };
    let yes = Grant { approved: Some(Box::new(approved)), ..grant("a", &purpose(), None, clock.now()) };
    grants.add(yes, clock.now()).unwrap();
    grants.share("a", clock.now());
    clock.pass(5 * MINUTE);
    let minute = 60;
    for (asked, serves) in [
        (None, true),
        (Some(10 * minute), true), // it has them left
        (Some(10 * minute + 1), false),
        (Some(15 * minute), true), // this is what it was asked for for
        (Some(60 * minute), false),
    ] {
        let binding = Binding { duration: asked, ..binding("-u") };
        let found = grants.find(&purpose(), Serving::Approved(&binding), clock.now());
        assert_eq!(found.is_some(), serves, "{asked:?}");
    }
}
