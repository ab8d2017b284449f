//! What an administrator sees: a few whole transcripts, then every mistake as one line.

use super::support::{file, load};
use crate::{AsWritten, Policy};

#[track_caller]
fn assert_shown(shown: &str, expected: &str) {
    assert!(shown == expected, "\n--- shown\n{shown}\n--- expected\n{expected}");
}

/// The mistakes of a policy, each as `line:column message (hint)`.
pub(super) fn mistakes(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => Vec::new(),
        Err(found) => found
            .iter()
            .map(|one| {
                let hint = one.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                format!("{}:{} {}{hint}", one.place.line, one.place.column, one.message)
            })
            .collect(),
    }
}

// "every mistake reported with file, line, column, caret and a hint"
#[test]
fn every_mistake_is_shown_with_its_place_and_a_hint() {
    let found = load(
        r#"
[[rule]]
id = "a"
user = ["alice"]
commands = ["systemctl restart nginx", "/bin/a x** y"]
[rule.grant]
duration = "15 minutes"
"#,
    )
    .unwrap_err();
    assert_shown(
        &found.render(),
        r#"error: the rule `a` has no `users`
 --> /etc/jit-sudo/policy.d/10-test.toml:3:1
  |
3 | [[rule]]
  | ^^^^^^^^
  |
  = help: add users = ["…"], or ["ALL"]

error: unknown key `user` in a rule
 --> /etc/jit-sudo/policy.d/10-test.toml:5:1
  |
5 | user = ["alice"]
  | ^^^^
  |
  = help: did you mean `users`?

error: a command begins with its absolute path
 --> /etc/jit-sudo/policy.d/10-test.toml:6:14
  |
6 | commands = ["systemctl restart nginx", "/bin/a x** y"]
  |              ^^^^^^^^^
  |
  = help: write it as `/usr/bin/…`, or "ALL" for any command

error: `**` stands only alone, as the last word
 --> /etc/jit-sudo/policy.d/10-test.toml:6:49
  |
6 | commands = ["systemctl restart nginx", "/bin/a x** y"]
  |                                                 ^^
  |
  = help: it means any further arguments; within a word `*` never crosses a `/`

error: `duration`: not a duration
 --> /etc/jit-sudo/policy.d/10-test.toml:8:12
  |
8 | duration = "15 minutes"
  |            ^^^^^^^^^^^^
  |
  = help: write it as 90s, 15m, 1h30m or 7d
"#,
    );
}

// "unique over all files": naming both places
#[test]
fn an_id_that_is_used_twice_is_shown_in_both_places() {
    let rule = "[[rule]]\nid = \"a\"\nusers = [\"alice\"]\ncommands = [\"ALL\"]\n";
    let found = Policy::load(&[file("10-a.toml", rule), file("20-b.toml", rule)], &AsWritten).unwrap_err();
    assert_shown(
        &found.render(),
        r#"error: the id `a` is used twice
 --> /etc/jit-sudo/policy.d/20-b.toml:3:6
  |
3 | id = "a"
  |      ^^^
  |
 ::: /etc/jit-sudo/policy.d/10-a.toml:3:6
  |
3 | id = "a"
  |      --- first here
  |
  = help: an id is unique over all files: audit and messages name the rule by it
"#,
    );
}

#[test]
fn what_is_not_toml_is_shown_too() {
    let found = load("[[rule]]\nid = \"a\nusers = []]\n[[rule]]\nx = = 1\n").unwrap_err();
    assert_shown(
        &found.render(),
        r#"error: invalid basic string, expected `"`
 --> /etc/jit-sudo/policy.d/10-test.toml:3:8
  |
3 | id = "a
  |        ^

error: unexpected key or value, expected newline, `#`
 --> /etc/jit-sudo/policy.d/10-test.toml:4:11
  |
4 | users = []]
  |           ^

error: extra `=`, expected nothing
 --> /etc/jit-sudo/policy.d/10-test.toml:6:5
  |
6 | x = = 1
  |     ^

error: unexpected key or value, expected newline, `#`
 --> /etc/jit-sudo/policy.d/10-test.toml:6:7
  |
6 | x = = 1
  |       ^
"#,
    );
}

#[test]
fn of_a_long_line_the_part_with_the_mistake_is_shown() {
    let names = (0..100).map(|number| format!("\"name-{number}\"")).collect::<Vec<_>>().join(", ");
    let found = load(&format!("[sets.users]\na = [{names}, \"#-1\", {names}]\n")).unwrap_err();
    assert_shown(
        &found.render(),
        r##"error: this is not an id
 --> /etc/jit-sudo/policy.d/10-test.toml:3:1096
  |
3 | ...e-94", "name-95", "name-96", "name-97", "name-98", "name-99", "#-1", "name-0", "name-1", "name-2", "name-3", "name-4", "name-5", "...
  |                                                                  ^^^^^
  |
  = help: an id is a decimal number from 0 to 4294967294
"##,
    );
}

#[test]
fn what_a_message_quotes_from_a_file_cannot_steer_a_terminal() {
    let found = load("\"a\\u001b[31m\" = 1").unwrap_err().render();
    assert!(!found.contains('\u{1b}'), "{found}");
}
