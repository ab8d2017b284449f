//! What may be run: programs and arguments.

use super::support::{Ask, allow, deny, file};
use crate::{Decision, Policy, Resolved, Surroundings};

// "`\"/usr/bin/less\"` means *no* arguments"; "a final `**` is zero or more further arguments"; "`\"\"` is one empty argument"
#[test]
fn arguments_match_one_by_one() {
    for (commands, request, permitted) in [
        (r#""/usr/bin/less""#, "/usr/bin/less", true),
        (r#""/usr/bin/less""#, "/usr/bin/less x", false),
        (r#""/usr/bin/less""#, "/usr/bin/less ", false),
        (r#""/usr/bin/less ''""#, "/usr/bin/less ", true),
        (r#""/usr/bin/less ''""#, "/usr/bin/less", false),
        (r#""/usr/bin/less **""#, "/usr/bin/less", true),
        (r#""/usr/bin/less **""#, "/usr/bin/less a b", true),
        (r#""/usr/bin/less -R **""#, "/usr/bin/less", false),
        (r#""/usr/bin/less -R **""#, "/usr/bin/less -R", true),
        (r#""/usr/bin/less -R **""#, "/usr/bin/less x -R", false),
        (r#""/usr/bin/less '**'""#, "/usr/bin/less a b", false),
        (r#""/usr/bin/less *""#, "/usr/bin/less a", true),
        (r#""/usr/bin/less *""#, "/usr/bin/less a b", false),
        (r#""/usr/bin/less *""#, "/usr/bin/less a/b", false),
        (r#""/b/sys {start,stop} nginx""#, "/b/sys stop nginx", true),
        (r#""/b/sys {start,stop} nginx""#, "/b/sys kill nginx", false),
        (r#""/b/{x,y} a""#, "/b/y a", true),
        (r#""/b/{x,y} a""#, "/b/z a", false),
        (r#""/opt/tools/*""#, "/opt/tools/x", true),
        (r#""/opt/tools/*""#, "/opt/tools/x/y", false),
        (r#""/opt/*/bin/run **""#, "/opt/a/bin/run 1", true),
        (r#""/opt/*/bin/run **""#, "/opt/a/b/bin/run", false),
        (r#""/*""#, "/x", true),
        (r#"{ path = "/b/x" }"#, "/b/x", true),
        (r#"{ path = "/b/x" }"#, "/b/x a", false),
        (r#"{ path = "/b/x", args = [] }"#, "/b/x", true),
        (r#"{ path = "/b/x", args = ["a", "**"] }"#, "/b/x a b", true),
        (r#"{ path = "/b/x", args = ["a", { regex = "p|s/t" }] }"#, "/b/x a s/t", true),
        (r#"{ path = "/b/x", args = [{ regex = "p|st" }] }"#, "/b/x pst", false),
        (r#"{ path = "/b/x", args = [{ regex = "p" }] }"#, "/b/x xp", false),
        (r#""/b/x", "ALL""#, "/anything at all", true),
        (r#""@none", "@some""#, "/b/some", true),
        (r#""@none""#, "/b/some", false),
    ] {
        let text = format!(
            "commands = [{commands}]\n[sets.commands]\nnone = []\nsome = [\"/b/some\", \"/b/other\"]"
        );
        assert_eq!(Ask::to_run(request).is_permitted(&allow(&text)), permitted, "{commands}: {request}");
    }
}

// "Word for argument, argument for word, on the argument vector": CVE-like joins do not fool it
#[test]
fn an_argument_with_blanks_is_one_argument() {
    let policy = allow("commands = [\"/bin/cat /var/log/* x\"]");
    let ask = |args: &[&str]| Ask {
        args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        ..Ask::to_run("/bin/cat")
    };
    assert!(ask(&["/var/log/syslog", "x"]).is_permitted(&policy));
    assert!(ask(&["/var/log/a b", "x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/syslog x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/", "/etc/shadow", "x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/../../etc/shadow", "x"]).is_permitted(&policy));
    assert!(!ask(&["/var/log/a", "x", ""]).is_permitted(&policy));
}

// "`{ under }` matches an absolute path below that folder once `.`, `..` and links are resolved, only if no
// component can be written by the invoking user; the resolved path replaces the argument."
#[test]
fn an_argument_under_a_folder_is_resolved_and_replaced() {
    let rule = r#"commands = [{ path = "/b/x", args = ["-v", { under = "/srv/releases" }, "**"] }]"#;
    let to = |path: &str, writable| Resolved { path: path.into(), writable };
    let ask = |argument: &str| {
        let mut ask = Ask::to_run(&format!("/b/x -v {argument} z"));
        for (from, resolved) in [
            ("/srv/releases/1", to("/srv/releases/1", false)),
            ("/srv/link", to("/srv/releases/2", false)),
            ("/srv/releases/out", to("/etc/shadow", false)),
            ("/srv/releases/mine", to("/srv/releases/mine", true)),
            ("/srv/releases", to("/srv/releases", false)),
            ("rel", to("/srv/releases/1", false)),
            ("/srv/releases/odd", to("/srv/releases/../x", false)),
        ] {
            ask.resolved.insert(from.into(), resolved);
        }
        ask
    };
    let policy = allow(rule);
    for (argument, permitted) in [
        ("/srv/releases/1", true),
        ("/srv/link", true),
        ("/srv/releases/out", false),
        ("/srv/releases/mine", false),
        ("/srv/releases", false),
        ("rel", false),
        ("/srv/releases/unknown", false),
        ("/srv/releases/odd", false),
    ] {
        assert_eq!(ask(argument).is_permitted(&policy), permitted, "{argument}");
    }
    let link = ask("/srv/link");
    link.with(|request| {
        let Ok(Decision::Permit(candidates)) = policy.evaluate(request, &link.directory) else { panic!() };
        let replaced: Vec<Vec<u8>> = [&b"-v"[..], b"/srv/releases/2", b"z"].map(<[u8]>::to_vec).into();
        assert_eq!(candidates[0].arguments, Some(replaced));
    });
    // In a deny what is not known to lead elsewhere is denied.
    let denied = deny(rule);
    for (argument, permitted) in [
        ("/srv/releases/1", false),
        ("/srv/link", false),
        ("/srv/releases/mine", false),
        ("rel", false),
        ("/srv/releases/unknown", false),
        ("/srv/releases/out", true),
    ] {
        assert_eq!(ask(argument).is_permitted(&denied), permitted, "deny {argument}");
    }
}

struct Usr;

impl Surroundings for Usr {
    fn canonical_folder(&self, folder: &str) -> Option<String> {
        folder.strip_prefix("/bin").map(|rest| format!("/usr/bin{rest}"))
    }
}

// "its folder resolved (so `/bin/sh` is `/usr/bin/sh`), its last component **not** …; the pattern's path is
// treated the same way. A deny matches if the name *or* the file it leads to does."
#[test]
fn a_program_is_the_name_that_was_asked_for_and_in_a_deny_also_the_file() {
    let load = |text: &str| Policy::load(&[file("a.toml", text)], &Usr).unwrap();
    let rule = |effect: &str, command: &str| {
        load(&format!(
            "[[rule]]\nid = \"r\"\neffect = \"{effect}\"\nusers = [\"ALL\"]\ncommands = [\"{command} **\"]\n[[rule]]\nid = \"z\"\nusers = [\"ALL\"]\ncommands = [\"/usr/bin/vi\"]"
        ))
    };
    let vi = Ask { leads_to: Some(b"/usr/bin/vim.basic".to_vec()), ..Ask::to_run("/usr/bin/vi") };
    assert_eq!(vi.decide(&rule("allow", "/bin/vi")), "permit r, z");
    assert_eq!(vi.decide(&rule("allow", "/bin/v*")), "permit r, z");
    assert_eq!(vi.decide(&rule("allow", "/bin/vim.basic")), "permit z");
    for command in ["/bin/vi", "/usr/bin/vim.basic", "/bin/vim.basic", "/bin/*.basic", "/bin/{vi,ls}"] {
        assert_eq!(vi.decide(&rule("deny", command)), "deny: by r", "{command}");
    }
    let except = |command: &str| {
        load(&format!(
            "[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\nexcept_commands = [\"{command} **\"]"
        ))
    };
    assert!(!vi.is_permitted(&except("/bin/vim.basic")));
    assert!(!vi.is_permitted(&except("/bin/vi")));
    assert!(vi.is_permitted(&except("/bin/view")));
}

// What is what on a Debian host: by the alternatives, by systemd, by busybox, by a hard link, by a user.
const NAMES: [(&str, &str, bool); 10] = [
    ("/usr/bin/sh", "/usr/bin/dash", true),
    ("/usr/bin/dash", "/usr/bin/dash", true),
    ("/usr/bin/vi", "/usr/bin/vim.basic", true),
    ("/usr/bin/rview", "/usr/bin/vim.basic", true),
    ("/usr/sbin/reboot", "/usr/bin/systemctl", true),
    ("/usr/bin/systemctl", "/usr/bin/systemctl", true),
    ("/usr/bin/wget", "/usr/bin/busybox", true),
    // Two names of one file.
    ("/usr/bin/perl", "/usr/bin/perl", true),
    ("/usr/bin/perl5.40", "/usr/bin/perl5.40", true),
    ("/home/alice/bin/id", "/usr/bin/dash", false),
];

#[test]
fn a_program_with_many_names_is_allowed_by_one_and_denied_by_any() {
    for (command, allowed, denied) in [
        ("/usr/bin/sh", &["/usr/bin/sh"][..], &["/usr/bin/sh"][..]),
        ("/usr/bin/dash", &["/usr/bin/dash"], &["/usr/bin/dash", "/usr/bin/sh", "/home/alice/bin/id"]),
        ("/usr/bin/vi", &["/usr/bin/vi"], &["/usr/bin/vi"]),
        ("/usr/bin/rview", &["/usr/bin/rview"], &["/usr/bin/rview"]),
        ("/usr/bin/vim.basic", &[], &["/usr/bin/vi", "/usr/bin/rview"]),
        ("/usr/sbin/reboot", &["/usr/sbin/reboot"], &["/usr/sbin/reboot"]),
        ("/usr/bin/systemctl", &["/usr/bin/systemctl"], &["/usr/bin/systemctl", "/usr/sbin/reboot"]),
        ("/usr/bin/busybox", &[], &["/usr/bin/wget"]),
        ("/usr/bin/wget", &["/usr/bin/wget"], &["/usr/bin/wget"]),
        // No name leads from one hard link to the other.
        ("/usr/bin/perl", &["/usr/bin/perl"], &["/usr/bin/perl"]),
        ("/usr/bin/perl*", &["/usr/bin/perl", "/usr/bin/perl5.40"], &["/usr/bin/perl", "/usr/bin/perl5.40"]),
        // Only root may be able to write the path of what a rule names.
        ("/home/alice/bin/id", &[], &["/home/alice/bin/id"]),
        ("/usr/bin/id", &[], &[]),
    ] {
        let (allow, deny) = (
            allow(&format!("commands = [\"{command} **\"]")),
            deny(&format!("commands = [\"{command} **\"]")),
        );
        for (name, leads_to, trusted) in NAMES {
            let ask = Ask { leads_to: Some(leads_to.into()), trusted, ..Ask::to_run(name) };
            assert_eq!(ask.is_permitted(&allow), allowed.contains(&name), "allow {command}: {name}");
            assert_eq!(!ask.is_permitted(&deny), denied.contains(&name), "deny {command}: {name}");
        }
    }
}

#[test]
fn a_path_that_is_not_resolved_is_never_permitted() {
    for path in ["usr/bin/id", "", "/", "/usr/bin/../bin/id", "/usr//bin/id", "/usr/bin/"] {
        let permitted = Ask { path: path.into(), ..Ask::default() }.is_permitted(&allow(""));
        assert_eq!(permitted, path == "/", "{path:?}");
    }
}
