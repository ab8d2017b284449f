//! Texts that are strange as a whole: each is refused with a message that shows where, or loaded as it is meant.

use super::support::{Ask, account, load_whole};
use crate::unseen::is_unseen;

const RULE: &str = "[[rule]]\nid = \"a\"\nusers = [\"alice\"]\ncommands = [\"/b/x\"]\n";

fn is_permitted(text: &str, user: &str) -> bool {
    let policy = load_whole(text).unwrap_or_else(|found| panic!("{found}"));
    Ask { user: account(1000, 1000, &[user], &[]), ..Ask::to_run("/b/x") }.is_permitted(&policy)
}

/// What is shown of the first mistake, below its file: message, place, line and caret.
fn shown(text: &str) -> String {
    let found = load_whole(text).unwrap_err().render();
    let first = found.split("\n\n").next().unwrap_or_default();
    assert!(!first.contains(|char: char| char.is_control() && char != '\n'), "{first:?}");
    first.replace(" --> /etc/jit-sudo/policy.d/10-test.toml:", "").replace("  |\n", "")
}

/// Each text, and its first mistake.
#[track_caller]
fn assert_refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(shown(text).trim_end(), *expected, "{text:?}");
    }
}

#[test]
fn a_byte_order_mark_and_any_line_ends_change_nothing() {
    let text = format!("schema = 1\n\n# what for\n{RULE}");
    let ends = ["\n", "\r\n"].into_iter().cycle();
    let mixed: String = text.lines().zip(ends).flat_map(|(line, end)| [line, end]).collect();
    for text in [
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        mixed.clone(),
        format!("\u{feff}{mixed}"),
        text.trim_end().to_owned(),
    ] {
        assert!(is_permitted(&text, "alice") && !is_permitted(&text, "bob"), "{text:?}");
    }
    assert_refused(&[
        (
            &format!("\u{feff}{mixed}x = = 1\r\n"),
            "error: extra `=`, expected nothing\n8:5\n8 | x = = 1\n  |     ^",
        ),
        (
            "\u{feff}schema = 2\r\n",
            "error: this schema is not known\n1:10\n1 | schema = 2\n  |          ^\n  = help: write `schema = 1`",
        ),
        (
            "\u{feff}",
            "error: this file has no `schema`\n1:1\n1 |\n  | ^\n  = help: begin it with `schema = 1`",
        ),
    ]);
}

#[test]
fn what_toml_takes_for_no_text_is_shown_where_it_stands() {
    assert_refused(&[
        (
            "schema = 1\rschema = 1\n",
            "error: carriage return must be followed by newline, expected newline\n1:12\n1 | schema = 1␍schema = 1\n  |            ^",
        ),
        (
            "schema = 1\n# a\0b\n",
            "error: invalid comment character, expected printable characters\n2:4\n2 | # a␀b\n  |    ^",
        ),
        (
            "schema = 1\na = \"b\0\"\n",
            "error: invalid basic string, expected non-double-quote visible characters, `\\`\n2:7\n2 | a = \"b␀\"\n  |       ^",
        ),
        (
            "schema = 1\nus\u{435}rs = []\n",
            "error: invalid unquoted key, expected letters, numbers, `-`, `_`\n2:3\n2 | us\u{435}rs = []\n  |   ^",
        ),
    ]);
}

#[test]
fn a_key_that_stands_twice_is_shown() {
    for (text, at) in [
        ("schema = 1\nschema = 1\n".to_owned(), "2:1\n2 | schema = 1\n  | ^^^^^^"),
        ("schema = 1\n[sets.users]\na = []\na = []\n".to_owned(), "4:1\n4 | a = []\n  | ^"),
        ("schema = 1\n[sets.users]\n[sets.users]\n".to_owned(), "3:7\n3 | [sets.users]\n  |       ^^^^^"),
        (format!("schema = 1\n{RULE}users = []\n"), "6:1\n6 | users = []\n  | ^^^^^"),
        (
            format!("schema = 1\n{RULE}grant = {{ uses = 1, uses = 2 }}\n"),
            "6:21\n6 | grant = { uses = 1, uses = 2 }\n  |                     ^^^^",
        ),
    ] {
        assert_eq!(shown(&text).trim_end(), format!("error: duplicate key\n{at}"), "{text}");
    }
}

#[test]
fn what_is_nested_without_end_is_refused() {
    let cases = [
        format!("schema = 1\n{RULE}x = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000)),
        format!("schema = 1\n{RULE}x = {}1{}\n", "{ a = ".repeat(10_000), " }".repeat(10_000)),
        format!("schema = 1\n{RULE}x = {}\n", "[".repeat(100_000)),
        format!("schema = 1\n{RULE}{}x = 1\n", "x.".repeat(10_000)),
        format!("schema = 1\n{RULE}[{}x]\n", "x.".repeat(10_000)),
        format!(
            "schema = 1\n{}",
            RULE.replace(
                "\"/b/x\"",
                &format!(
                    "{{ path = \"/b/x\", args = [{{ regex = \"{}a{}\" }}] }}",
                    "(".repeat(5_000),
                    ")".repeat(5_000)
                )
            )
        ),
    ];
    for text in cases {
        let found = load_whole(&text).unwrap_err();
        let first = found.iter().next().unwrap();
        let says = ["cannot recurse further; max recursion depth met", "recursion limit"]
            .contains(&&*first.message)
            || first.message.starts_with("this regex can't be used: exceed the maximum number of nested");
        assert!(says && (5..=6).contains(&first.place.line), "{:?} {}", first.message, first.place.line);
        assert!(found.render().contains('^'));
    }
}

#[test]
fn a_file_of_65_mib_is_refused() {
    let mut text = format!("schema = 1\n{RULE}#");
    text.extend(std::iter::repeat_n('-', 65 << 20));
    assert_refused(&[(
        &text,
        "error: this file is longer than 64 MiB\n1:1\n1 | schema = 1\n  | ^\n  = help: split it",
    )]);
}

// CVE-2021-42574, "Trojan Source": what a reviewer sees must be what is loaded.
#[test]
fn what_reorders_a_line_is_refused_wherever_it_stands() {
    for char in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
        let digits = format!("{:04X}", u32::from(char));
        let says = format!("error: U+{digits} changes the order in which this line is shown\n");
        for text in [
            format!("schema = 1\n# {char}x\n{RULE}"),
            format!("schema = 1\n{}", RULE.replace("/b/x", &format!("/b/x a{char}b"))),
        ] {
            let shown = shown(&text);
            assert!(
                shown.starts_with(&says) && shown.contains('�') && shown.contains(&format!("\\u{digits}")),
                "{shown}"
            );
        }
        // Written out it is seen.
        assert!(is_permitted(
            &format!("schema = 1\n{}", RULE.replace("/b/x\"", &format!("/b/x\", \"/b/y a\\u{digits}b\""))),
            "alice"
        ));
    }
}

#[test]
fn a_name_is_what_is_seen_of_it() {
    for name in [
        "al\u{200b}ice",
        "\\u202Ealice",
        "alice\\u0000",
        "alice\u{ad}",
        "%\u{feff}web",
        "e\u{301}",
        "\u{3164}",
    ] {
        let shown = shown(&format!("schema = 1\n{}", RULE.replace("alice", name)));
        assert!(
            shown.starts_with("error: this name has a character that is not seen\n4:10\n"),
            "{name:?}: {shown}"
        );
        assert!(shown.contains("\n  |          ^^"), "{shown}");
    }
    // What is seen, and is only like another letter, is another name.
    let cyrillic = format!("schema = 1\n{}", RULE.replace("alice", "\u{430}lice"));
    assert!(is_permitted(&cyrillic, "\u{430}lice") && !is_permitted(&cyrillic, "alice"));
    assert!(is_permitted(&format!("schema = 1\n{}", RULE.replace("alice", "jürgen")), "jürgen"));
    for id in ["\u{430}", "a\u{200b}"] {
        let shown = shown(&format!("schema = 1\n{}", RULE.replace("id = \"a\"", &format!("id = \"{id}\""))));
        assert!(shown.starts_with("error: this can't be an id\n3:6\n"), "{shown}");
    }
}

#[test]
fn a_message_quotes_nothing_that_is_not_seen() {
    for char in ["\\u202e", "\\u200b", "\\u0000", "\\u00ad"] {
        let found = load_whole(&format!("schema = 1\n\"us{char}ers\" = 1\n{RULE}")).unwrap_err();
        assert!(found.iter().all(|one| !one.message.contains(is_unseen)), "{found}");
    }
}
