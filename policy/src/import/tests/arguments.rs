//! sudo compares arguments as one text; ours are compared one by one, and never permit more.

use super::{import, may, told};
use crate::Sha256;
use crate::tests::support::Ask;

/// What alice may run by a line for `command`, and what not.
const PERMITTED: &[(&str, &[&str], &[&str])] = &[
    ("/usr/bin/id", &["/usr/bin/id", "/usr/bin/id -u x"], &["/usr/bin/i"]),
    ("/usr/bin/id \"\"", &["/usr/bin/id"], &["/usr/bin/id -u"]),
    ("/usr/bin/id -u", &["/usr/bin/id -u"], &["/usr/bin/id", "/usr/bin/id -u x", "/usr/bin/id -ux"]),
    ("/usr/bin/ls *", &["/usr/bin/ls", "/usr/bin/ls a b/c"], &["/usr/bin/lsx"]),
    (
        "/usr/bin/s restart *",
        &["/usr/bin/s restart x", "/usr/bin/s restart x y"],
        &["/usr/bin/s restart", "/usr/bin/s stop x"],
    ),
    (
        "/usr/bin/cat /var/log/*",
        &["/usr/bin/cat /var/log/a/b", "/usr/bin/cat /var/log/a /etc/x"],
        &["/usr/bin/cat /var/lo"],
    ),
    (
        "/usr/bin/m /dev/* /mnt",
        &["/usr/bin/m /dev/a/b /mnt"],
        &["/usr/bin/m /dev/a b /mnt", "/usr/bin/m /dev/a"],
    ),
    (
        "/usr/bin/k -[0-9] ?",
        &["/usr/bin/k -9 7", "/usr/bin/k -9 /"],
        &["/usr/bin/k -a 7", "/usr/bin/k -9 77"],
    ),
    ("/usr/bin/e a\\,b A\\=c \\*", &["/usr/bin/e a,b A=c *"], &["/usr/bin/e a,b A=c x"]),
    ("/usr/bin/e \"x y\"", &["/usr/bin/e \"x y\""], &["/usr/bin/e x y"]),
    (
        "/usr/bin/s ^(start|stop) [a-z]+$",
        &["/usr/bin/s stop nginx"],
        &["/usr/bin/s stop ng9", "/usr/bin/s stop a b"],
    ),
    ("/usr/bin/s ^(-u|-g)?$", &["/usr/bin/s", "/usr/bin/s -u"], &["/usr/bin/s -x"]),
    ("/usr/bin/s ^-n .*$", &["/usr/bin/s -n a/b", "/usr/bin/s -n a b"], &["/usr/bin/s -x", "/usr/bin/s -n"]),
    ("^/usr/(s?)bin/(a|b)$ -x", &["/usr/bin/a -x", "/usr/sbin/b -x"], &["/usr/bin/c -x", "/usr/bin/a"]),
    ("/opt/t/", &["/opt/t/a x", "/opt/t/.b"], &["/opt/t/a/b", "/opt/u"]),
    ("/opt/t/*", &["/opt/t/a x"], &["/opt/t/.b", "/opt/t/a/b"]),
    (
        "/opt/t/*.sh, /opt/[ab]?/x",
        &["/opt/t/x.sh", "/opt/aa/x"],
        &["/opt/t/.sh", "/opt/t/.x.sh", "/opt/a/x", "/opt/a/x/x"],
    ),
    ("/opt/t/*x", &["/opt/t/x", "/opt/t/ax"], &["/opt/t/.x"]),
    ("/usr//bin/./w", &["/usr/bin/w"], &[]),
];

#[test]
fn a_command_permits_what_sudo_does_in_our_words() {
    for (command, yes, no) in PERMITTED {
        let imported = import(&format!("alice ALL = {command}\n"));
        for asked in *yes {
            assert!(may(&imported, asked), "{command}: {asked}\n{}", imported.text);
        }
        for asked in *no {
            assert!(!may(&imported, asked), "{command}: {asked}\n{}", imported.text);
        }
    }
}

/// What is taken away from everything by a line for `command`: at least this; and what stays.
const TAKEN_AWAY: &[(&str, &[&str], &[&str])] = &[
    ("/usr/bin/id -u", &["/usr/bin/id -u"], &["/usr/bin/id", "/usr/bin/id -u x"]),
    ("/usr/bin/id \"\"", &["/usr/bin/id"], &["/usr/bin/id -u"]),
    (
        "/usr/bin/p *root*",
        &["/usr/bin/p root", "/usr/bin/p xrootx", "/usr/bin/p a root b"],
        &["/usr/bin/p alice", "/usr/bin/p"],
    ),
    ("/usr/bin/p -x * y", &["/usr/bin/p -x a y", "/usr/bin/p -x a b y"], &["/usr/bin/p -y"]),
    ("/usr/bin/p [a-z]*", &["/usr/bin/p x", "/usr/bin/p x y"], &["/usr/bin/p 1"]),
    ("/usr/bin/p ^(a|b)$", &["/usr/bin/p a"], &["/usr/bin/q a"]),
    ("/opt/t/*", &["/opt/t/x", "/opt/t/.x"], &["/opt/t/x/y"]),
];

#[test]
fn what_is_taken_away_is_at_least_what_sudo_takes_away() {
    for (command, gone, stays) in TAKEN_AWAY {
        let imported = import(&format!("alice ALL = ALL, !{command}\n"));
        for asked in *gone {
            assert!(!may(&imported, asked), "{command}: {asked}\n{}", imported.text);
        }
        for asked in *stays {
            assert!(may(&imported, asked), "{command}: {asked}\n{}", imported.text);
        }
    }
}

// To sudo, `passwd "-l root"` and `passwd -l root` are the same text.
#[test]
fn one_argument_with_a_blank_does_not_slip_by() {
    let imported = import("alice ALL = ALL, !/usr/bin/p -l root x\n");
    for args in [&["-l root x"][..], &["-l root", "x"], &["-l", "root x"], &["-l", "root", "x"]] {
        let args = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let ask = Ask { args, ..Ask::to_run("/usr/bin/p") };
        assert!(!ask.is_permitted(&super::policy(&imported)), "{ask:?}\n{}", imported.text);
    }
    assert!(may(&imported, "/usr/bin/p -l"));
}

#[test]
fn what_can_not_be_said_is_left_out_and_told() {
    for (line, expected) in [
        ("alice ALL = ^/usr/bin/[a-z]+$", "a regex for a path stands only where it means a few paths"),
        ("alice ALL = /usr/bin/x ^(a)\\1$", "its regex is not understood"),
        ("alice ALL = /usr/../bin/x", "its path is not in its plain form"),
        ("alice ALL = /opt/*/", "a folder with wildcards"),
        ("alice ALL = MISSING", "there is no such alias"),
        ("alice ALL = list", "listing"),
        (
            "alice ALL = sha224:118187da8364d490b4a7debbf483004e8f3e053ec954309de2c41a25 /usr/bin/x",
            "a checksum that is not SHA-256",
        ),
        (
            "alice ALL = sha256:d7910e1967342b4605cb73a550944044c631d3514c0ffd2bbba8dd4e07e1ba17 ALL",
            "a checksum stands only before the path of a program",
        ),
        ("+net ALL = /usr/bin/x", "the netgroup `+net`"),
        ("%:x ALL = /usr/bin/x", "a group of a plugin's"),
        ("alice 10.0.0.0/8 = /usr/bin/x", "the address `10.0.0.0/8`"),
        ("alice ALL = (%ops) /usr/bin/x", "the group `%ops` of targets"),
        ("alice ALL = (root : !web) /usr/bin/x", "a group that is negated"),
    ] {
        let imported = import(&format!("{line}\n"));
        assert_eq!(imported.rules, 0, "{line}: {}", imported.text);
        let told = told(&imported);
        assert!(
            told.iter().any(|one| one.starts_with("/etc/sudoers:1: left out: ") && one.contains(expected)),
            "{line}: {told:?}"
        );
    }
}

// A deny that can't be said takes everything away: to permit less is safe.
#[test]
fn an_exception_that_can_not_be_said_takes_all_away() {
    let imported = import("alice ALL = ALL, !^/usr/bin/[a-z]+$\n");
    assert_eq!(imported.rules, 0, "{}", imported.text);
    assert_eq!(told(&imported).len(), 2, "{:?}", told(&imported));
    let missing = import("alice ALL = ALL, !MISSING\n");
    assert!(may(&missing, "/usr/bin/id"), "what is nothing takes nothing away");
}

// Sudo compares files to edit with a `*` that does not match a slash.
#[test]
fn files_to_edit_are_carried_over() {
    let edits = |imported: &crate::import::Imported, file: &str| {
        let ask = Ask { args: vec![file.as_bytes().to_vec()], path: b"sudoedit".to_vec(), ..Ask::default() };
        ask.is_permitted(&super::policy(imported))
    };
    for (commands, yes, no) in [
        ("sudoedit /etc/hosts", &["/etc/hosts"][..], &["/etc/host"][..]),
        ("sudoedit /srv/*/x.[ch]", &["/srv/a/x.c", "/srv/.a/x.h"], &["/srv/a/b/x.c", "/srv/a/x.o"]),
        ("sudoedit ^/etc/[a-z]+$", &["/etc/hosts"], &["/etc/a/b"]),
        ("sudoedit", &["/etc/hosts"], &[]),
        ("ALL", &["/etc/hosts"], &[]),
        ("ALL, !sudoedit", &[], &["/etc/hosts"]),
        ("ALL, !sudoedit /etc/sh*", &["/etc/hosts"], &["/etc/shadow"]),
        ("ALL, !sudoedit /etc/a /etc/b", &["/etc/hosts"], &["/etc/a", "/etc/b"]),
        ("ALL, !sudoedit *", &[], &["/etc/hosts"]),
        ("/usr/local/bin/sudoedit /etc/hosts", &["/etc/hosts"], &["/etc/x"]),
        ("/usr/bin/vi /etc/hosts", &[], &["/etc/hosts"]),
    ] {
        let imported = import(&format!("alice ALL = {commands}\n"));
        for file in yes {
            assert!(edits(&imported, file), "{commands}: {file}\n{}", imported.text);
        }
        for file in no {
            assert!(!edits(&imported, file), "{commands}: {file}\n{}", imported.text);
        }
        assert_eq!(may(&imported, "/usr/bin/id"), commands.starts_with("ALL"), "{commands}");
    }
    for commands in ["sudoedit /a /b", "sudoedit *", "sudoedit hosts"] {
        let imported = import(&format!("alice ALL = {commands}\n"));
        assert!(imported.rules == 0 && told(&imported).len() == 1, "{commands}: {}", imported.text);
    }
}

// A checksum in sudoers, in hex or base64; any of several.
#[test]
fn checksums_are_carried_over() {
    const ONE: &str = "d7910e1967342b4605cb73a550944044c631d3514c0ffd2bbba8dd4e07e1ba17";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let runs = |imported: &crate::import::Imported, command: &str, digest: Option<&str>| {
        let ask = Ask { sha256: digest.map(|hex| Sha256::parse(hex).unwrap()), ..Ask::to_run(command) };
        ask.is_permitted(&super::policy(imported))
    };
    let imported = import(&format!(
        "alice ALL = sha256:{ONE}, sha256 : 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= /usr/bin/x a *, /usr/bin/y\n"
    ));
    for (digest, permitted) in
        [(Some(ONE), true), (Some(EMPTY), true), (Some(&*"1".repeat(64)), false), (None, false)]
    {
        assert_eq!(runs(&imported, "/usr/bin/x a b", digest), permitted, "{digest:?}\n{}", imported.text);
    }
    assert!(!runs(&imported, "/usr/bin/x b", Some(ONE)));
    assert!(runs(&imported, "/usr/bin/y", None), "a checksum is for one command alone");
    let mixed = import(&format!("alice ALL = sha224:{}, sha256:{ONE} /usr/bin/x\n", "1".repeat(56)));
    assert!(runs(&mixed, "/usr/bin/x", Some(ONE)) && !runs(&mixed, "/usr/bin/x", Some(EMPTY)));
    assert!(told(&mixed).iter().any(|one| one.contains("only those that are SHA-256")), "{:?}", told(&mixed));
    // What a checksum takes away is taken away for any file.
    let negated = import(&format!("alice ALL = /usr/bin/x, sha256:{ONE} !/usr/bin/x\n"));
    assert!(!runs(&negated, "/usr/bin/x", Some(EMPTY)));
    // Neither of the two stands for the other.
    for order in
        [format!("sha256:{ONE} /usr/bin/x, /usr/bin/x"), format!("/usr/bin/x, sha256:{ONE} /usr/bin/x")]
    {
        let both = import(&format!("alice ALL = {order}\n"));
        assert!(
            runs(&both, "/usr/bin/x", Some(EMPTY)) && runs(&both, "/usr/bin/x", Some(ONE)),
            "{}",
            both.text
        );
    }
}
