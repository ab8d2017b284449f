//! Ansible, as it comes from `PyPI`, with `become_method: sudo` and `become_exe: jit-sudo`.

use std::time::Duration;

use jit_tests::Outcome;

use super::{BOTH, Person, guest};
use crate::PASSWORD;

/// The plays, and what they need beside them.
const FILES: [(&str, &str); 6] = [
    ("identity.yml", include_str!("plays/identity.yml")),
    ("site.yml", include_str!("plays/site.yml")),
    ("app.conf.j2", include_str!("plays/app.conf.j2")),
    ("app.sh", include_str!("plays/app.sh")),
    ("policy.yml", include_str!("plays/policy.yml")),
    ("own_rule.yml", include_str!("plays/own_rule.yml")),
];

/// One way to run plays.
#[derive(Clone, Copy)]
struct Way {
    program: &'static str,
    connection: &'static str,
    password: Option<&'static str>,
    pipelining: bool,
}

const PLAIN: Way = Way { program: "jit-sudo", connection: "local", password: None, pipelining: true };

impl Person {
    /// Runs a play against this host.
    fn plays(&self, play: &str, way: Way, variables: &serde_json::Value) -> Outcome {
        let mut all = serde_json::json!({
            "ansible_become_method": "sudo",
            "ansible_become_exe": way.program,
            "ansible_python_interpreter": "/usr/bin/python3",
        });
        if let Some(password) = way.password {
            all["ansible_become_password"] = password.into();
        }
        let folder = format!("/home/{}/plays", self.name);
        for (name, text) in FILES {
            guest()
                .sh_with_input(
                    &format!("mkdir -p {folder}; cat >{folder}/{name}"),
                    text.as_bytes(),
                    Duration::from_mins(1),
                )
                .success();
        }
        guest()
            .sh(&format!("install -o {0} -m 600 /root/.ssh/id_ed25519 /home/{0}/.ssh/", self.name))
            .success();
        guest().write(&format!("{folder}/all.json"), all.to_string().as_bytes());
        guest().write(&format!("{folder}/more.json"), variables.to_string().as_bytes());
        let script = format!(
            "{} ANSIBLE_PIPELINING={} ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_NOCOLOR=1 \
             python3 /opt/pypi/bin/ansible-playbook -i 127.0.0.1, -c {} -e @plays/all.json -e @plays/more.json plays/{play}.yml",
            super::PYTHON,
            way.pipelining,
            way.connection
        );
        self.login().within(Duration::from_mins(4)).run(&script)
    }
}

fn nothing() -> serde_json::Value {
    serde_json::json!({})
}

/// What it says at last.
fn message(outcome: &Outcome) -> String {
    let found = outcome.stdout.split("\"msg\": ").last().and_then(|rest| rest.split(['}', '\n']).next());
    // Each prompt has a key of its own.
    let mut parts = found.unwrap_or_default().split("key=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|char: char| char.is_ascii_lowercase()))
}

#[test]
fn a_task_runs_as_root_and_as_another_user_without_a_password() {
    let person = Person::trusted("anja");
    for (connection, pipelining) in [("local", true), ("local", false), ("ssh", true), ("ssh", false)] {
        let outcome = person.plays("identity", Way { connection, pipelining, ..PLAIN }, &nothing());
        outcome.success().shows("\"msg\": \"root daemon anja\"").shows("failed=0");
    }
}

#[test]
fn a_task_runs_as_root_and_as_another_user_with_a_password() {
    let person = Person::asked("antje");
    for (connection, pipelining) in [("local", true), ("local", false), ("ssh", true), ("ssh", false)] {
        let way = Way { connection, pipelining, password: Some(PASSWORD), ..PLAIN };
        let outcome = person.plays("identity", way, &nothing());
        outcome.success().shows("\"msg\": \"root daemon antje\"").never_shows(PASSWORD);
    }
    assert_eq!(guest().read("/root/antje"), "by antje");
}

#[test]
fn a_wrong_or_a_missing_password_fails_with_the_message_of_sudo() {
    let person = Person::asked("agnetha");
    for (connection, pipelining, password, text) in [
        ("ssh", true, Some("wrong"), "Incorrect sudo password"),
        ("ssh", false, Some("wrong"), "Incorrect sudo password"),
        ("local", false, Some("wrong"), "Duplicate become password prompt"),
        ("ssh", true, None, "Missing sudo password"),
    ] {
        let way = Way { connection, password, pipelining, ..PLAIN };
        let [theirs, ours] =
            BOTH.map(|program| person.plays("identity", Way { program, ..way }, &nothing()).exits(2));
        assert!(message(&theirs).contains(text), "{theirs}");
        assert_eq!(message(&ours), message(&theirs), "{ours}");
    }
}

#[test]
fn a_play_of_twenty_tasks_sets_a_service_up() {
    let person = Person::asked("aurora");
    let way = Way { connection: "ssh", password: Some(PASSWORD), ..PLAIN };
    person.plays("site", way, &nothing()).success().shows("failed=0").never_shows("junk");
    guest().sh("systemctl is-active app && cat /srv/app/script").success().prints("active\n2 root");
    guest().sh("stat -c '%U %a' /srv/app /srv/app/mine /srv/app/list").prints("app 750\napp 644\napp 640");
    guest().sh("systemctl disable --now app").success();
}

/// `validate:` keeps a file out that the agent would not take.
#[test]
fn a_policy_is_checked_before_it_is_pushed() {
    let person = Person::trusted("amelie");
    guest().add_user("alwin", Some(PASSWORD), &[]);
    let policy = |text: &str| serde_json::json!({ "policy": text });
    let good = crate::rule("pushed", "alwin", crate::NO_PASSWORD);
    person.plays("policy", PLAIN, &policy(&good)).success().shows("changed=2");
    guest().as_user("alwin").run("jit-sudo -n id -u").success().prints("0");
    let bad = person.plays("policy", PLAIN, &policy(&good.replace("users", "user")));
    bad.exits(2).shows("failed to validate").shows("unknown");
    assert_eq!(guest().read("/etc/jit-sudo/policy.d/pushed.toml").trim(), good.trim());
    guest().as_user("alwin").run("jit-sudo -n id -u").success().prints("0");
    guest().sh("rm /etc/jit-sudo/policy.d/pushed.toml; jitctl reload").success();
}

#[test]
fn a_play_that_edits_the_rule_it_runs_under_finishes() {
    let person = Person::trusted("adele");
    person.plays("own_rule", PLAIN, &nothing()).success().shows("still root 0077").shows("failed=0");
    let grants = guest().sh("jitctl grants --all --json").success();
    assert!(grants.stdout.contains("adele"), "{grants}");
}
