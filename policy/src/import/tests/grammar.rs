//! Lines, blanks, quotes and files, as sudoers(5) describes them.

use super::{Ask, import, import_files, may, policy, told};

#[test]
fn lines_go_on_and_comments_end_them() {
    for text in [
        "alice ALL = /b/x",
        "\u{feff}alice ALL = /b/x\n",
        "alice\tALL=/b/x\r\n",
        "alice ALL = /b/x # and why\n",
        "alice \\\n  ALL \\\n = \\\n /b/x\n",
        "alice ALL = /b/y, \\\r\n /b/x\r\n",
        "# one\n\n   \n#two\nalice ALL = /b/x\n",
        "#1000 ALL = /b/x\n",
        "\"alice\" ALL = /b/x\n",
        "al\\ice ALL = /b/x\n",
        "al\\x69ce ALL = /b/x\n",
        "ALICE ALL = /b/x\n",
        "bob ALL = /b/y : db = /b/z\nalice ALL = /b/x\n",
        "bob db = /b/x\nalice db = /b/y : ALL = /b/x\n",
        "User_Alias A = alice : B = bob\nA ALL = /b/x\n",
        "%#33 ALL = /b/x\n",
        "alice ALL = ( root ) NOPASSWD : SETENV: /b/x\n",
        "alice ALL = !!/b/x\n",
        "!!alice ALL = /b/x\n",
        "Cmnd_Alias X = /b/x \\\n, /b/y\nalice ALL = X\n",
        "Cmd_Alias X = /b/x\nalice ALL = X\n",
        "alice fe80::1, ALL = /b/x\n",
        "alice ALL = CWD = \"/srv\" /b/x\n",
    ] {
        assert!(may(&import(text), "/b/x"), "{text:?}: {}", import(text).text);
    }
}

#[test]
fn arguments_end_where_sudo_ends_them() {
    for (arguments, expected) in [
        ("a  b\tc", "/b/x a b c"),
        ("a \\\n b", "/b/x a b"),
        ("a # comment", "/b/x a"),
        ("A=b", "/b/x A=b"),
        ("a=b=c", "/b/x a=b=c"),
        ("'a' $b {c} ~", "/b/x 'a' $b {c} ~"),
        ("\\#", "/b/x #"),
        ("!a", "/b/x !a"),
        ("(a)", "/b/x (a)"),
    ] {
        let imported = import(&format!("alice ALL = /b/x {arguments}\n"));
        assert!(may(&imported, expected), "{arguments}: {}", imported.text);
    }
}

#[test]
fn a_mistake_is_shown_with_line_and_caret() {
    for (line, expected) in [
        ("alice", "a host is expected here"),
        ("alice ALL", "`=` after the hosts"),
        ("alice ALL =", "a command is expected here"),
        ("alice ALL = id", "this is not a command"),
        ("alice ALL = /b/x,", "a command is expected here"),
        ("alice ALL = (root /b/x", "`)` is expected"),
        ("alice ALL = /", "this is not a command"),
        ("alice ALL = /b/x\\q", "a backslash can't stand here"),
        ("alice ALL = ALL ALL", "the end of the line"),
        ("\"alice ALL = ALL", "this text does not end"),
        ("\"\" ALL = ALL", "nothing stands between"),
        ("User_Alias alice = bob", "the name of an alias"),
        ("User_Alias A = bob : A = bob", "defined twice"),
        ("Defaults", "a blank after `Defaults`"),
        ("Defaults X", "the name of a setting"),
        ("Defaults:alice", "the name of a setting"),
        ("alice ALL = CWD=srv /b/x", "this is not a folder"),
        ("alice ALL = ^/b/x", "this regex does not end"),
        ("% ALL = ALL", "this group has no name"),
        ("\u{fffd} ALL = ALL", "not UTF-8"),
        ("alice ALL = sha256:abc /b/x", "a digest is expected"),
        ("@include", ""),
    ] {
        let found = import_files(&[("/etc/sudoers", format!("# one\n{line}\n").as_bytes())]).unwrap_err();
        let shown = found.render();
        assert!(shown.contains(expected) && shown.contains("/etc/sudoers:2:"), "{line}: {shown}");
    }
}

#[test]
fn all_mistakes_are_shown() {
    let found = import_files(&[("/etc/sudoers", b"alice\nbob ALL = ALL\ncarol ALL = x\n")]).unwrap_err();
    assert_eq!(found.len(), 2, "{found}");
}

#[test]
fn bytes_that_are_not_utf_8_may_stand_in_comments_only() {
    assert!(import_files(&[("/etc/sudoers", b"# caf\xe9\nalice ALL = ALL # \xff\n")]).is_ok());
    for text in [
        &b"caf\xe9 ALL = ALL\n"[..],
        b"alice ALL = /b/\xff\n",
        b"alice ALL = /b/x \xff\n",
        b"alice\0 ALL = ALL\n",
    ] {
        assert!(import_files(&[("/etc/sudoers", text)]).is_err(), "{text:?}");
    }
}

#[test]
fn files_name_files() {
    let files: &[(&str, &[u8])] = &[
        ("/etc/sudoers", b"#include /etc/a\n@include \"/etc/b c\"\n@includedir sudoers.d\n#includedir /etc/none\n@include /etc/host-%h\n"),
        ("/etc/a", b"alice ALL = /b/a"),
        ("/etc/b c", b"@include a2\nalice ALL = /b/b\n"),
        ("/etc/a2", b"alice ALL = /b/a2\n"),
        ("/etc/sudoers.d/10-x", b"alice ALL = /b/10\n"),
        ("/etc/sudoers.d/20-x", b"alice ALL = !/b/10\n"),
        ("/etc/sudoers.d/x.bak", b"alice ALL = /b/bak\n"),
        ("/etc/sudoers.d/x~", b"alice ALL = /b/tilde\n"),
        ("/etc/sudoers.d/README", b"# nothing\n"),
        ("/etc/host-web-1", b"alice ALL = /b/host\n"),
    ];
    let imported = import_files(files).unwrap();
    for (command, permitted) in [
        ("/b/a", true),
        ("/b/a2", true),
        ("/b/b", true),
        ("/b/10", false),
        ("/b/bak", false),
        ("/b/tilde", false),
        ("/b/host", true),
    ] {
        assert_eq!(may(&imported, command), permitted, "{command}: {}", imported.text);
    }
    assert!(imported.text.contains("# /etc/a2:1: alice"), "{}", imported.text);
    assert_eq!(imported.files[..3], ["/etc/sudoers", "/etc/a", "/etc/b c"]);
    assert!(told(&imported).is_empty(), "{:?}", told(&imported));
}

#[test]
fn a_file_that_is_missing_or_names_itself_is_told() {
    let imported =
        import_files(&[("/etc/sudoers", b"alice ALL = /b/x\n@include /etc/gone\n@include /etc/sudoers\n")]);
    let imported = imported.unwrap();
    assert!(may(&imported, "/b/x"));
    let told = told(&imported);
    assert!(told.iter().any(|one| one.contains(":2: left out: `/etc/gone` can't be read")), "{told:?}");
    assert!(told.iter().any(|one| one.contains("files name files too often")), "{told:?}");
}

#[test]
fn aliases_that_go_round_or_explode_are_mistakes() {
    use std::fmt::Write as _;
    let mut bomb = "User_Alias A0 = alice, bob\n".to_owned();
    for number in 1..64 {
        let _ = writeln!(bomb, "User_Alias A{number} = A{before}, A{before}", before = number - 1);
    }
    let round = "User_Alias A = B\nUser_Alias B = A\nA ALL = ALL\n".to_owned();
    for text in [bomb + "A63 ALL = ALL\n", round] {
        let found = import_files(&[("/etc/sudoers", text.as_bytes())]).unwrap_err();
        assert!(found.render().contains("aliases of this line"), "{found}");
    }
}

#[test]
fn hosts_are_known_by_their_first_label_or_their_whole_name() {
    for (host, permitted) in [
        ("web-1", true),
        ("WEB-1", true),
        ("web-*", true),
        ("web-?", true),
        ("web[\\!a-z][0-9]", true),
        ("web-1.example.com", true),
        ("*.example.com", true),
        ("web-2", false),
        ("*example*", false),
        ("example.com", false),
        ("ALL, !web-1", false),
        ("!web-1, ALL", true),
        ("ALL, !10.0.0.0/8", false),
    ] {
        let imported = import(&format!("alice {host} = /b/x\n"));
        assert_eq!(
            Ask::to_run("/b/x").is_permitted(&policy(&imported)),
            permitted,
            "{host}: {}",
            imported.text
        );
    }
}
