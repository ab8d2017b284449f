//! The canonical form: examples, and that nothing is lost on the way to it.

use proptest::prelude::*;

use super::generated::{self, SETS, text};
use super::support::{file, load};
use crate::{Source, format};

fn formatted(text: &str) -> String {
    format(&Source { name: "a.toml".into(), path: "a.toml".into(), text: text.into() }).unwrap()
}

#[track_caller]
fn assert_formatted(text: &str, expected: &str) {
    let once = formatted(text);
    assert!(once == expected, "\n--- formatted\n{once}\n--- expected\n{expected}");
    assert_eq!(formatted(&once), once, "formatted twice");
}

#[test]
fn keys_stand_in_the_order_of_the_guide_with_their_comments() {
    assert_formatted(
        r#"# Who looks after the web tier.

[sets.users]
ops=[ "alice" , "%web" ]   # the team


[[rule]]
commands = ["/usr/bin/id"] # harmless
# The team.
users = [ "@ops" ]

id = 'web'
grant . uses = 3
require.reason   =  true
grant.duration = "15m"
[[rule]] # the second
id = "two"
  [rule.restrict]
  cwd = "/"
  # a reason helps
  [rule.require]
  authentication = "none"
  reason = true
"#,
        r#"# Who looks after the web tier.

[sets.users]
ops = ["alice", "%web"] # the team

[[rule]]
id = 'web'
# The team.
users = ["@ops"]
commands = ["/usr/bin/id"] # harmless
require.reason = true
grant.duration = "15m"
grant.uses = 3

[[rule]] # the second
id = "two"

# a reason helps
[rule.require]
reason = true
authentication = "none"

[rule.restrict]
cwd = "/"
"#,
    );
}

#[test]
fn a_list_is_broken_where_it_does_not_fit_or_has_comments() {
    let long = (0..12).map(|one| format!("\"user-{one:02}\"")).collect::<Vec<_>>();
    assert_formatted(
        &format!(
            "schema=1\na=[{}]\nb=[ # first\n\"x\", # of x\n\n# of y\n\"y\"\n# end\n]\nc=[\n\"x\"\n,\n]\nd={{x=1,y={{}},z=[ ]}}\ne=[{{path=\"/x\",args=[\"a\",{{regex=\"b\"}}]}}]\nf=[{}] # one line\n",
            long.join(","),
            long.join(","),
        ),
        &format!(
            "schema = 1\na = [\n  {},\n]\nb = [\n  # first\n  \"x\", # of x\n  # of y\n  \"y\",\n  # end\n]\nc = [\"x\"]\nd = {{ x = 1, y = {{}}, z = [] }}\ne = [{{ path = \"/x\", args = [\"a\", {{ regex = \"b\" }}] }}]\nf = [{}] # one line\n",
            long.join(",\n  "),
            long.join(", "),
        ),
    );
}

#[test]
fn values_are_left_as_they_are_written() {
    for value in [
        "1979-05-27 07:32:00Z",
        "1979-05-27T00:32:00.999-07:00",
        "0x1F",
        "1_000.5e-3",
        "'''a\n  b # c\n'''",
        "\"\"\"a\\\n   b\"\"\"",
        "\"\\u00e4 # [\"",
        "true",
    ] {
        assert_formatted(&format!("a   =   {value}   # c\n\n\n"), &format!("a = {value} # c\n"));
    }
    assert_formatted("a = { b = # c\n 1 }", "a = {\n  # c\n  b = 1,\n}\n");
    assert_formatted("a = [ '''x\ny''', 1 ]", "a = [\n  '''x\ny''',\n  1,\n]\n");
}

#[test]
fn blank_lines_and_line_ends_are_put_in_order() {
    assert_formatted(
        "\r\n\r\na = 1\r\n\r\n\r\n[ t ]\r\n\r\nb = 2\r\n# end\r\n",
        "a = 1\n\n[t]\nb = 2\n# end\n",
    );
    assert_formatted("\u{feff}b = 1\nschema = 1\n", "schema = 1\nb = 1\n");
    assert_formatted("", "");
    assert_formatted("# only\n", "# only\n");
    assert_formatted(
        "[a]\nx = 1\n\n# about y\ny = 2\n\n# about b\n\n[b]\n",
        "[a]\nx = 1\n\n# about y\ny = 2\n\n# about b\n\n[b]\n",
    );
}

#[test]
fn what_is_shipped_is_in_its_canonical_form() {
    for text in [
        include_str!("../../../packaging/policy.d/10-root.toml"),
        include_str!("../../../packaging/policy.d/20-admins.toml"),
    ] {
        assert_formatted(text, text);
    }
}

#[test]
fn what_is_not_toml_is_refused_with_its_place() {
    let found = format(&file("a.toml", "x = = 1\n")).unwrap_err();
    assert!(found.render().contains("a.toml:2:5"), "{}", found.render());
}

/// Blanks, comments and line ends where TOML takes them.
fn noise() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((any::<usize>(), 0..6_usize), 0..30)
}

fn with_noise(text: &str, noise: &[(usize, usize)]) -> String {
    const NOISE: [&str; 6] = ["\n", "\n\n# a comment\n", "  ", " # lint: allow pager: x\n", "\r\n", "\t"];
    let mut text = text.to_owned();
    for (at, kind) in noise {
        // Behind what ends a word, so that none is cut; the loader says where it is not TOML any more.
        let places: Vec<usize> =
            text.match_indices(['\n', ',', '[', ']', '=']).map(|(at, _)| at + 1).collect();
        let mut changed = text.clone();
        changed.insert_str(places[at % places.len()], NOISE[*kind]);
        if load(&changed).is_ok() {
            text = changed;
        }
    }
    text
}

/// Every comment, sorted.
fn comments(text: &str) -> Vec<String> {
    let tokens = toml_parser::Source::new(text).lex();
    let comments = tokens.filter(|token| token.kind() == toml_parser::lexer::TokenKind::Comment);
    let mut comments: Vec<String> =
        comments.map(|one| text[one.span().start()..one.span().end()].trim_end().to_owned()).collect();
    comments.sort();
    comments
}

proptest! {
    // "idempotent, meaning unchanged"; no comment is lost
    #[test]
    fn formatting_changes_no_meaning_loses_no_comment_and_settles_at_once(
        rules in generated::rules(4), noise in noise(),
    ) {
        let text = with_noise(&(text(&rules, 0) + SETS), &noise);
        let once = formatted(&text);
        prop_assert_eq!(&formatted(&once), &once);
        prop_assert_eq!(comments(&once), comments(&text));
        prop_assert!(!once.contains(" \n") && !once.contains("\n\n\n"));
        let (before, after) = (load(&text).unwrap(), load(&once).unwrap());
        prop_assert_eq!(before.diff(&after), Vec::new());
        let ids = |policy: &crate::Policy| policy.rules().map(|rule| rule.id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(ids(&before), ids(&after));
        prop_assert_eq!(text.parse::<toml::Table>().unwrap(), once.parse::<toml::Table>().unwrap());
    }
}
