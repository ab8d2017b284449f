//! What may be edited: files, in no order, each named by the rule.

use super::support::{Ask, allow, deny, file, policy};
use crate::{Policy, Surroundings};

fn edit(files: &str) -> Ask {
    Ask::to_run(&format!("sudoedit {files}"))
}

// "each file the request names must match one of the rule's"
#[test]
fn a_rule_permits_an_edit_if_it_names_each_file() {
    for (commands, files, permitted) in [
        (r#""sudoedit /etc/motd""#, "/etc/motd", true),
        (r#""sudoedit /etc/motd""#, "/etc/shadow", false),
        (r#""sudoedit /etc/motd""#, "/etc/motd /etc/shadow", false),
        (r#""sudoedit /etc/motd /etc/issue""#, "/etc/issue", true),
        (r#""sudoedit /etc/motd /etc/issue""#, "/etc/issue /etc/motd /etc/issue", true),
        (r#""sudoedit /etc/motd", "sudoedit /etc/issue""#, "/etc/issue /etc/motd", true),
        (r#""sudoedit /etc/motd", "@some""#, "/etc/hosts /etc/motd", true),
        (r#""sudoedit /etc/nginx/*.conf""#, "/etc/nginx/a.conf", true),
        (r#""sudoedit /etc/nginx/*.conf""#, "/etc/nginx/sites/a.conf", false),
        (r#""sudoedit /etc/{motd,issue}""#, "/etc/issue", true),
        (r#""sudoedit '/etc/*'""#, "/etc/motd", false),
        (r#""sudoedit **""#, "/any/file /of/all", true),
        (r#"{ edit = ["**"] }"#, "/any/file", true),
        (r#"{ edit = ["/etc/motd", { under = "/srv/x" }] }"#, "/srv/x/a/b /etc/motd", true),
        (r#"{ edit = [{ under = "/srv/x" }] }"#, "/srv/x", false),
        (r#"{ edit = [{ under = "/srv/x" }] }"#, "/srv/xy/a", false),
        (r#"{ edit = [{ regex = "/etc/(motd|issue)" }] }"#, "/etc/issue", true),
        (r#"{ edit = [{ regex = "/etc/(motd|issue)" }] }"#, "/etc/issue.d", false),
        (r#""ALL""#, "/etc/shadow /etc/motd", true),
    ] {
        let text = format!("commands = [{commands}]\n[sets.commands]\nsome = [\"sudoedit /etc/hosts\"]");
        assert_eq!(edit(files).is_permitted(&allow(&text)), permitted, "{commands}: {files}");
    }
}

// CVE-2015-5602 and kin: the program and the edit are told apart by the policy, never by a name.
#[test]
fn a_rule_for_a_program_permits_no_edit_and_one_for_an_edit_no_program() {
    for commands in [
        r#""/usr/bin/sudoedit **""#,
        r#""/usr/bin/* **""#,
        r#""/* **""#,
        r#"{ path = "/usr/bin/vi", args = ["/etc/motd"] }"#,
        r#"{ path = "/*", args = ["**"] }"#,
    ] {
        assert!(!edit("/etc/motd").is_permitted(&allow(&format!("commands = [{commands}]"))), "{commands}");
    }
    let any = allow("commands = [\"sudoedit **\"]");
    for command in
        ["/usr/bin/sudoedit /etc/motd", "/etc/motd", "/usr/bin/vi /etc/motd", "/sudoedit /etc/motd"]
    {
        assert!(!Ask::to_run(command).is_permitted(&any), "{command}");
    }
    assert!(edit("/etc/motd").is_permitted(&any));
}

// "in a deny any file that matches is enough"
#[test]
fn one_file_is_enough_for_a_deny() {
    for (keys, files, permitted) in [
        ("commands = [\"sudoedit /etc/shadow\"]", "/etc/motd", true),
        ("commands = [\"sudoedit /etc/shadow\"]", "/etc/motd /etc/shadow", false),
        ("commands = [{ edit = [{ under = \"/etc\" }] }]", "/srv/x /etc/a/b", false),
        ("commands = [\"sudoedit **\"]", "/srv/x", false),
        ("commands = [\"ALL\"]", "/srv/x", false),
        ("commands = [\"/usr/bin/sudoedit **\"]", "/srv/x", true),
        ("commands = [\"sudoedit **\"]\nexcept_commands = [\"sudoedit /etc/motd\"]", "/etc/motd", true),
        (
            "commands = [\"sudoedit **\"]\nexcept_commands = [\"sudoedit /etc/motd\"]",
            "/etc/motd /etc/x",
            false,
        ),
    ] {
        assert_eq!(edit(files).is_permitted(&deny(keys)), permitted, "{keys}: {files}");
    }
    let all_but = allow("commands = [\"ALL\"]\nexcept_commands = [\"sudoedit /etc/shadow\"]");
    assert!(edit("/etc/motd").is_permitted(&all_but));
    assert!(!edit("/etc/motd /etc/shadow").is_permitted(&all_but));
}

#[test]
fn a_file_that_is_not_resolved_is_never_permitted() {
    let all = allow("");
    for files in ["etc/motd", "/etc/../etc/motd", "/etc//motd", "/etc/motd/", "/", "/etc/motd x"] {
        assert!(!edit(files).is_permitted(&all), "{files}");
    }
    assert!(!Ask::to_run("sudoedit").is_permitted(&all), "no file");
}

struct Usr;

impl Surroundings for Usr {
    fn canonical_folder(&self, folder: &str) -> Option<String> {
        folder.strip_prefix("/srv/www").map(|rest| format!("/data/www{rest}"))
    }
}

#[test]
fn the_folder_of_a_file_is_resolved_as_that_of_a_program() {
    let rule = "[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"sudoedit /srv/www/*.html\"]";
    let policy = Policy::load(&[file("a.toml", rule)], &Usr).unwrap();
    assert!(edit("/data/www/a.html").is_permitted(&policy));
    assert!(!edit("/srv/www/a.html").is_permitted(&policy));
}

#[test]
fn a_check_is_words_in_which_nothing_is_a_wildcard() {
    let check = |keys: &str| {
        policy(&format!("[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\n{keys}"))
            .rule("r")
            .unwrap()
            .restrict
            .edit_check
            .clone()
    };
    let rule = "commands = [\"@files\"]\nrestrict.edit_check = \"/usr/sbin/nginx -t '-c={}' *\"\n[sets.commands]\nfiles = [\"sudoedit /etc/x\"]";
    assert_eq!(check(rule).unwrap(), ["/usr/sbin/nginx", "-t", "-c={}", "*"]);
    assert_eq!(check("commands = [\"sudoedit /etc/x\"]"), None);
    // A default is not a rule's own mistake.
    assert!(
        check("commands = [\"/usr/bin/id\"]\n[defaults]\nrestrict.edit_check = \"/usr/bin/true {}\"")
            .is_some()
    );
}

#[test]
fn why_an_edit_is_not_permitted_is_explained_and_rules_say_what_may_be_edited() {
    let policy = allow("commands = [\"sudoedit /etc/motd\", { edit = [\"/etc/x\"] }]");
    let ask = edit("/etc/shadow");
    let explanation = ask.with(|request| policy.explain(request, &ask.directory)).unwrap();
    assert_eq!(explanation.near[0].failed[0].why, "file 1 is not among the files to edit");
    let rule = policy.rule("r").unwrap();
    assert_eq!(policy.text_of(rule).commands, ["sudoedit /etc/motd", "{ edit = [\"/etc/x\"] }"]);
}

// The editor is the person's own, and runs as nobody else.
#[test]
fn a_file_to_edit_is_no_editor_to_lint() {
    let source = |command: &str| {
        let text = format!("[[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [\"{command}\"]");
        file("10-test.toml", &text)
    };
    for (command, is_one) in [("sudoedit /etc/motd", false), ("/usr/bin/sudoedit /etc/motd", true)] {
        let sources = [source(command)];
        let policy = Policy::load(&sources, &crate::AsWritten).unwrap();
        let found = policy.lint(&sources, None, "2026-06-01T12:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(found.iter().any(|one| one.message.contains("editor")), is_one, "{command}: {found:?}");
    }
}

#[test]
fn a_test_of_the_policy_may_be_about_an_edit() {
    let text = |command: &str, expect: &str| {
        format!(
            "[[rule]]\nid = \"r\"\nusers = [\"alice\"]\ncommands = [\"sudoedit /etc/motd\"]\n[[test]]\nuser = \"alice\"\ncommand = {command}\nexpect = \"{expect}\"\n"
        )
    };
    for (command, expect) in [
        ("[\"sudoedit\", \"/etc/motd\"]", "allow"),
        ("[\"sudoedit\", \"/etc/motd\", \"/etc/shadow\"]", "deny"),
        ("[\"/usr/bin/sudoedit\", \"/etc/motd\"]", "deny"),
    ] {
        let policy = policy(&text(command, expect));
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let result = policy.run(&policy.tests()[0], now, &crate::tests::support::Walls::default());
        assert_eq!(result.failure, None, "{command}");
    }
    for command in ["[\"sudoedit\"]", "[\"sudoedit\", \"etc/motd\"]", "[\"sudoedit\", \"/etc/\"]"] {
        assert!(crate::tests::support::load(&text(command, "deny")).is_err(), "{command}");
    }
}
