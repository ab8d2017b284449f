//! doas.conf in, our policy out.

use proptest::prelude::*;

use super::{Imported, InMemory, may, options, policy, told};
use crate::diagnostics::Diagnostics;
use crate::import::import_doas;
use crate::tests::support::{Ask, account};

fn import_bytes(text: &[u8]) -> Result<Imported, Diagnostics> {
    let files = InMemory([("/etc/doas.conf".to_owned(), text.to_vec())].into());
    import_doas("/etc/doas.conf", &files, &options())
}

fn import(text: &str) -> Imported {
    import_bytes(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"))
}

/// Lines, what alice may run then as root, and what not. She is in the group web.
const LINES: &[(&str, &[&str], &[&str])] = &[
    ("permit alice", &["/b/x", "/b/x y"], &[]),
    ("permit :web", &["/b/x"], &[]),
    ("permit 1000", &["/b/x"], &[]),
    ("permit :33", &["/b/x"], &[]),
    ("permit bob", &[], &["/b/x"]),
    ("permit alice as root cmd /b/x", &["/b/x", "/b/x y"], &["/b/y"]),
    ("permit alice as bob cmd /b/x", &[], &["/b/x"]),
    ("permit alice cmd /b/x args", &["/b/x"], &["/b/x y"]),
    ("permit alice cmd /b/x args a '*'", &["/b/x a '*'"], &["/b/x a", "/b/x a b"]),
    ("permit alice cmd id", &["/bin/id"], &["/usr/bin/id", "/usr/local/bin/id", "/opt/id"]),
    ("permit alice\ndeny alice cmd su", &["/b/x"], &["/usr/bin/su", "/bin/su -"]),
    ("deny alice cmd /b/x\npermit alice", &["/b/x"], &[]),
    ("permit :web\ndeny alice", &[], &["/b/x"]),
    ("permit :web # all\ndeny alice cmd /b/x args \"a b\"", &["/b/x a b", "/b/x"], &[]),
    ("permit nopass keepenv setenv { A=b -C D=$E F } \\\n alice", &["/b/x"], &[]),
    ("permit \"alice\"", &["/b/x"], &[]),
];

#[test]
fn lines_count_as_they_do_for_doas() {
    for (lines, yes, no) in LINES {
        let imported = import(&format!("# a comment\n{lines}\n"));
        for asked in *yes {
            assert!(may(&imported, asked), "{lines}: {asked}\n{}", imported.text);
        }
        for asked in *no {
            assert!(!may(&imported, asked), "{lines}: {asked}\n{}", imported.text);
        }
    }
    let one_argument = Ask { args: vec![b"a b".to_vec()], ..Ask::to_run("/b/x") };
    assert!(!one_argument.is_permitted(&policy(&import("permit :web\ndeny alice cmd /b/x args \"a b\"\n"))));
    let as_bob = Ask { target: account(1001, 1001, &["bob"], &[]), ..Ask::to_run("/b/x") };
    assert!(as_bob.is_permitted(&policy(&import("permit alice\n"))), "without `as` any user is meant");
}

#[test]
fn options_are_carried_over_or_told() {
    let imported = import(
        "permit nopass setenv { PAGER=cat EDITOR -X Y=$Z } alice\npermit persist nolog :web\npermit keepenv bob\n",
    );
    for expected in [
        "require.authentication_timeout = \"0\"\n",
        "require.authentication = \"none\"",
        "restrict.env_set = { PAGER = \"cat\" }",
        "restrict.env_keep = [\"EDITOR\"]",
        "require.authentication_timeout = \"5m\"",
        "restrict.env_keep = [\"*\"]",
        "# /etc/doas.conf:3: permit keepenv bob",
        "id = \"doas-bob-all\"",
    ] {
        assert!(imported.text.contains(expected), "{expected}:\n{}", imported.text);
    }
    let told = told(&imported);
    for expected in ["`setenv -X`", "`setenv Y=$Z`", "`nolog`", "`keepenv`"] {
        assert!(told.iter().any(|one| one.contains(expected)), "{expected}: {told:?}");
    }
}

// Without `persist` a password is asked for each time, and a later line that asks for more counts.
#[test]
fn a_later_line_without_nopass_asks_again() {
    let imported = import("permit nopass alice\npermit alice cmd /b/x\n");
    let rule =
        imported.text.split("[[rule]]").find(|rule| rule.contains("authentication = \"none\"")).unwrap();
    assert!(rule.contains("except_commands = [\"/b/x **\"]"), "{}", imported.text);
}

#[test]
fn a_mistake_is_shown_with_its_line() {
    for (line, expected) in [
        ("allow alice", "begins with `permit` or `deny`"),
        ("\"permit\" alice", "begins with `permit` or `deny`"),
        ("permit", "names no user"),
        ("permit nopass persist alice", "exclude each other"),
        ("permit setenv A alice", "`{` is expected"),
        ("permit setenv { A", "`}` is expected"),
        ("permit alice as", "after `as`"),
        ("permit alice cmd", "after `cmd`"),
        ("permit alice id", "more than a rule has"),
        ("permit alice cmd /b/x y", "more than a rule has"),
        ("permit \"alice", "does not end"),
    ] {
        let found = import_bytes(format!("permit bob\n{line}\n").as_bytes()).unwrap_err().render();
        assert!(found.contains(expected) && found.contains("/etc/doas.conf:2:"), "{line}: {found}");
    }
    assert_eq!(import_bytes(b"x\npermit alice\ny\n").unwrap_err().len(), 2);
}

// Found beside the real doas, which takes no such file, or takes another word from it: what is imported would permit more.
#[test]
fn what_doas_does_not_take_is_a_mistake() {
    for line in [
        "permit alice\r\n",
        "permit alice cmd /b/x args -u\r\n",
        "permit \r alice\n",
        "deny nopass alice\n",
        "permit as\n",
        "permit alice as cmd\n",
        "permit alice \"as\" bob\n",
        "permit alice cmd permit\n",
        "permit alice cmd /b/x args as\n",
        "permit alice cmd /b/x \"args\"\n",
        "permit setenv { as } alice\n",
        "permit alice \\\n cmd /b/x\n",
        "permit alice",
        "permit alice # bob",
        "permit alice \\\n",
        &format!("permit alice cmd /b/x args {}\n", "x".repeat(1024)),
    ] {
        assert!(import_bytes(format!("permit bob\n{line}").as_bytes()).is_err(), "{line:?}");
    }
    for line in [
        "permit \"as\"\n",
        "permit alice cmd /b/x args \"as\" \\\nb\n",
        "permit alice cmd /b/x args a\\\\\n",
        "permit alice\n# bob",
        &format!("permit alice cmd /b/x args {}\n", "x".repeat(1023)),
    ] {
        assert!(import_bytes(line.as_bytes()).is_ok(), "{line:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_as_a_policy(
        words in proptest::collection::vec(prop_oneof![
            Just("permit "), Just("deny "), Just("nopass "), Just("setenv { A=b C } "), Just("alice "), Just(":web "), Just("as "),
            Just("cmd "), Just("/b/x "), Just("id "), Just("args "), Just("* "), Just("\"a b\" "), Just("\\"), Just("\n"), Just("{"), Just("#"),
            Just("ä'\u{202e} "), Just("../x "),
        ], 0..30)
    ) {
        if let Ok(imported) = import_bytes((words.concat() + "\n").as_bytes()) {
            policy(&imported);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(imported) = import_bytes(&bytes) {
            policy(&imported);
        }
    }
}
