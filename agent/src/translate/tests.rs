use jit_policy::{AsWritten, Source};

use super::*;

fn subject() -> Subject {
    let account =
        |uid, name: &str| Account { uid, gid: uid, names: vec![name.to_owned()], groups: vec![uid, 27] };
    Subject {
        user: account(1000, "alice"),
        target: account(0, "root"),
        group: Some(Group { gid: 33, name: "www".to_owned() }),
        host: "web-1".to_owned(),
        path: b"/usr/bin/id\xff".to_vec(),
        leads_to: Some(b"/usr/bin/coreutils".to_vec()),
        trusted: true,
        sha256: None,
        arguments: vec![b"-u".to_vec(), b"\xfe".to_vec(), b"".to_vec()],
        edits: false,
        nested: false,
        cwd: None,
        cwd_is_callers: false,
        preserve_groups: false,
        timeout: Some(Duration::from_secs(5)),
        duration: None,
        assignments: vec![b"A".to_vec()],
        rule: Some("one".to_owned()),
        non_interactive: false,
        login_id: None,
        login: LoginSession::default(),
    }
}

fn policy(rule: &str) -> Policy {
    let text =
        format!("schema = 1\n[[rule]]\nid = \"one\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n{rule}");
    Policy::load(&[Source { name: "a.toml".into(), path: "a.toml".into(), text }], &AsWritten).unwrap()
}

struct NoNames;

impl Directory for NoNames {
    fn gid_of(&self, _group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(None)
    }

    fn uid_of(&self, _user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(None)
    }
}

const MINUTE: u64 = 60_000_000_000;
const NOW: Moment = Moment { boottime_ns: 1_000, realtime_ns: 2_000 };

#[test]
fn a_subject_survives_the_store_whatever_bytes_it_is_made_of() {
    let json = serde_json::to_string(&subject()).unwrap();
    assert!(json.contains("/usr/bin/coreutils"), "text stays text: {json}");
    assert_eq!(serde_json::from_str::<Subject>(&json).unwrap(), subject());
    let pinned = Subject { sha256: Some(Sha256::new([0xa5; 32])), ..subject() };
    let json = serde_json::to_string(&pinned).unwrap();
    assert!(json.contains(&"a5".repeat(32)), "{json}");
    assert_eq!(serde_json::from_str::<Subject>(&json).unwrap(), pinned);
    assert!(serde_json::from_str::<Subject>(&json.replace("a5a5", "a5")).is_err());
    let less = Subject { group: None, leads_to: None, rule: None, ..subject() };
    assert_eq!(serde_json::from_str::<Subject>(&serde_json::to_string(&less).unwrap()).unwrap(), less);
}

#[test]
fn every_fact_of_a_subject_reaches_the_policy() {
    let permits = |subject: &Subject, rule: &str, tags: &[String]| {
        let policy = policy(rule);
        let files = Files { under: &|_| None, sha256: &|| subject.known_digest() };
        let decision =
            subject.decide(&policy, tags, &NoNames, NOW.timestamp(), &jit_policy::NoZones, files).unwrap();
        matches!(decision, Decision::Permit(_))
    };
    let plain = Subject { group: None, assignments: Vec::new(), ..subject() };
    let cases: [(&str, &str, Subject); 9] = [
        (
            "",
            "another user",
            Subject { user: Account { uid: 7, names: vec!["x".into()], ..subject().user }, ..plain.clone() },
        ),
        (
            "",
            "another target",
            Subject { target: Account { uid: 7, names: Vec::new(), ..subject().target }, ..plain.clone() },
        ),
        ("run_as_groups = [\"#4\"]", "a group", subject()),
        ("hosts = [\"web-1\"]", "another host", Subject { host: "db".into(), ..plain.clone() }),
        ("nested = false", "nested", Subject { nested: true, ..plain.clone() }),
        ("", "-D", Subject { cwd: Some(b"/".to_vec()), ..plain.clone() }),
        ("restrict.timeout = \"4s\"", "-T", plain.clone()),
        ("", "--for", Subject { duration: Some(Duration::from_hours(1)), ..plain.clone() }),
        ("", "--rule", Subject { rule: Some("two".into()), ..plain.clone() }),
    ];
    for (rule, what, other) in cases {
        assert!(!permits(&other, rule, &[]), "{what}");
        if rule.is_empty() || rule.starts_with("hosts") {
            assert!(permits(&plain, rule, &[]), "without: {what}");
        }
    }
    assert!(!permits(&Subject { path: b"/a/../b".to_vec(), ..plain.clone() }, "", &[]));
    assert!(!permits(&plain, "hosts = [\"tag:web\"]", &[]));
    assert!(permits(&plain, "hosts = [\"tag:web\"]", &["web".to_owned()]));
}

#[test]
fn every_fact_about_the_command_reaches_the_policy() {
    let text = "schema = 1\n[[rule]]\nid = \"one\"\nusers = [\"alice\"]\n\
                commands = [{ path = \"/usr/bin/less\", args = [\"-u\", { under = \"/srv\" }] }]\n\
                [[rule]]\nid = \"no\"\neffect = \"deny\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/sh **\"]\n";
    let policy =
        Policy::load(&[Source { name: "a".into(), path: "a".into(), text: text.into() }], &AsWritten)
            .unwrap();
    let plain = Subject {
        group: None,
        assignments: Vec::new(),
        rule: None,
        timeout: None,
        path: b"/usr/bin/less".to_vec(),
        arguments: vec![b"-u".to_vec(), b"/srv/a".to_vec()],
        ..subject()
    };
    let permits = |subject: &Subject, writable| {
        let under = |path: &[u8]| Some(Resolved { path: path.to_vec(), writable });
        let files = Files { under: &under, sha256: &|| subject.known_digest() };
        let decision =
            subject.decide(&policy, &[], &NoNames, NOW.timestamp(), &jit_policy::NoZones, files).unwrap();
        matches!(decision, Decision::Permit(_))
    };
    assert!(permits(&plain, false));
    assert!(!permits(&plain, true), "an argument that the user can write");
    for (what, other) in [
        ("VAR=value", Subject { assignments: vec![b"LD_X".to_vec()], ..plain.clone() }),
        ("trusted", Subject { trusted: false, ..plain.clone() }),
        ("path", Subject { path: b"/usr/bin/more".to_vec(), ..plain.clone() }),
        ("leads_to", Subject { leads_to: Some(b"/usr/bin/sh".to_vec()), ..plain.clone() }),
        ("arguments", Subject { arguments: vec![b"-u".to_vec(), b"/etc/a".to_vec()], ..plain.clone() }),
    ] {
        assert!(!permits(&other, false), "{what}");
    }
}

#[test]
fn minus_g_makes_the_group_the_primary_one_and_keeps_the_others() {
    let account = account::Account {
        name: "www".into(),
        uid: 33,
        gid: 33,
        groups: vec![33, 50],
        home: b"/var/www".to_vec(),
        shell: b"/bin/sh".to_vec(),
    };
    let plain = order_account(&account, None);
    assert_eq!((plain.uid, plain.gid, plain.groups), (33, 33, vec![33, 50]));
    let asked = order_account(&account, Some(40));
    assert_eq!((asked.gid, asked.groups), (40, vec![33, 40, 50]));
    assert_eq!(order_account(&account, Some(50)).groups, [33, 50]);
    assert_eq!(policy_account(&account, vec!["web".into()]).names, ["www", "web"]);
}

#[test]
fn a_grant_ends_with_its_duration_or_with_the_permission() {
    let policy = policy("grant.max_duration = \"1h\"");
    let minutes = |asked, until| expiry(policy.rule("one").unwrap(), asked, until, NOW);
    assert_eq!(minutes(None, None), NOW.after(15 * MINUTE), "the default");
    assert_eq!(minutes(Some(Duration::from_mins(20)), None), NOW.after(20 * MINUTE), "--for");
    assert_eq!(
        minutes(Some(Duration::from_hours(9)), None),
        NOW.after(60 * MINUTE),
        "never more than the rule"
    );
    let ended = minutes(None, Timestamp::from_second(60).ok());
    assert_eq!((ended.boottime_ns, ended.realtime_ns), (NOW.after(15 * MINUTE).boottime_ns, 60_000_000_000));
    assert_eq!(minutes(None, Timestamp::from_second(9_000_000_000).ok()), NOW.after(15 * MINUTE));
}

#[test]
fn what_the_end_of_a_grant_means_for_what_runs_is_the_rules_choice() {
    let expires = NOW.after(15 * MINUTE);
    let told = |rule: &str, asked| {
        let policy = policy(rule);
        let go = go(policy.rule("one").unwrap(), "id", expires, asked, NOW);
        let notices = crate::notices::notices(policy.rule("one").unwrap(), &go, false, NOW);
        (go.deadline, notices.first().map(|notice| notice.at))
    };
    let timeout = |minutes| Some(NOW.after(minutes * MINUTE));
    let (finish, warn) = ("grant.on_expiry = \"finish\"\n", "grant.on_expiry = \"warn\"\n");
    let limit = "restrict.timeout = \"2h\"";
    assert_eq!(told("", None), (Some(expires), None));
    assert_eq!(told(limit, None), (Some(expires), None), "the grant ends first");
    assert_eq!(told("", Some(Duration::from_mins(2))), (timeout(2), None), "-T ends first");
    assert_eq!(told(finish, None), (None, None));
    assert_eq!(told(&format!("{finish}{limit}"), None), (timeout(120), None));
    assert_eq!(told(warn, None), (None, Some(expires)));
    assert_eq!(told(&format!("{warn}{limit}"), Some(Duration::from_mins(3))), (timeout(3), Some(expires)));

    let policy = policy("grant.leftover = \"kill\"\ngrant.grace = \"3s\"");
    let go = go(policy.rule("one").unwrap(), "id", expires, None, NOW);
    assert_eq!((go.grant.as_str(), go.grace_ms, go.kill_leftover), ("id", 3_000, true));
}

// "a grant for a pinned command is for that digest"
#[test]
fn what_was_decided_for_a_digest_is_decided_again_for_the_same() {
    let (one, other) = ("1".repeat(64), "2".repeat(64));
    let decides = |rule: &str, sha256: Option<&str>| {
        let text = format!("schema = 1\n[[rule]]\nid = \"all\"\nusers = [\"alice\"]\n{rule}");
        let source = Source { name: "a".into(), path: "a".into(), text };
        let policy = Policy::load(&[source], &AsWritten).unwrap();
        let subject = Subject {
            path: b"/usr/bin/less".to_vec(),
            arguments: Vec::new(),
            assignments: Vec::new(),
            group: None,
            rule: None,
            timeout: None,
            sha256: sha256.and_then(Sha256::parse),
            ..subject()
        };
        let files = Files { under: &|_| None, sha256: &|| subject.known_digest() };
        match subject.decide(&policy, &[], &NoNames, NOW.timestamp(), &jit_policy::NoZones, files).unwrap() {
            Decision::Permit(candidates) => candidates.first().map(|one| one.sha256),
            Decision::Deny(_) => None,
        }
    };
    let pinned =
        format!("commands = [{{ path = \"/usr/bin/less\", args = [\"**\"], sha256 = \"{one}\" }}]\n");
    assert_eq!(decides(&pinned, Some(&one)), Some(Sha256::parse(&one)));
    assert_eq!(decides(&pinned, Some(&other)), None);
    assert_eq!(decides(&pinned, None), None, "it was run whatever was in it");
    assert_eq!(decides("commands = [\"/usr/bin/less **\"]\n", None), Some(None));
}
