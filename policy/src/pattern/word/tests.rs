use proptest::prelude::*;

use super::*;

fn words(text: &str) -> Vec<Vec<Word>> {
    words_of(text)
        .unwrap()
        .iter()
        .map(|word| alternatives(word).unwrap().iter().map(|one| Word::new(one)).collect())
        .collect()
}

fn mistake(text: &str) -> (&str, &'static str) {
    let error = words_of(text)
        .and_then(|words| words.iter().map(|word| alternatives(word)).collect::<Result<Vec<_>, _>>())
        .expect_err(text);
    (&text[error.at], error.message)
}

fn matches(pattern: &str, argument: &str) -> bool {
    let words = words(pattern);
    assert_eq!(words.len(), 1, "{pattern}");
    words[0].iter().any(|word| word.matches(argument.as_bytes()))
}

// "A string is split into words once, at load (shell quoting, no expansion; quoted or backslashed characters are literal)."
#[test]
fn a_text_is_split_as_a_shell_splits_it_and_nothing_is_expanded() {
    for (text, expected) in [
        ("a b", vec!["a", "b"]),
        ("  a \t b\n", vec!["a", "b"]),
        ("'a b' \"c d\"", vec!["a b", "c d"]),
        ("a' 'b\" \"c", vec!["a b c"]),
        (r"a\ b", vec!["a b"]),
        ("''", vec![""]),
        ("\"\" a", vec!["", "a"]),
        (r#""a\"b\\c\$d\`e""#, vec![r#"a"b\c$d`e"#]),
        (r#""a\nb""#, vec![r"a\nb"]),
        (r"'a\b'", vec![r"a\b"]),
        (r"\n", vec!["n"]),
        (
            "$HOME ~ `id` $(id) ; | & > < # a=b !x",
            vec!["$HOME", "~", "`id`", "$(id)", ";", "|", "&", ">", "<", "#", "a=b", "!x"],
        ),
        ("ä 日本", vec!["ä", "日本"]),
        ("", vec![]),
    ] {
        let expected: Vec<Vec<Word>> =
            expected.iter().map(|word| vec![Word::Literal(word.as_bytes().into())]).collect();
        assert_eq!(words(text), expected, "{text:?}");
    }
}

// "`*`, `?`, `[…]` match within one argument and never cross `/`; `*` may be empty and matches leading dots"
#[test]
fn wildcards_match_within_one_argument() {
    for (pattern, argument, expected) in [
        ("a*", "a", true),
        ("a*", "abc", true),
        ("*", "", true),
        ("*", ".hidden", true),
        ("*", "a b\nc", true),
        ("*", "a/b", false),
        ("*", "/", false),
        ("a*b", "a/b", false),
        ("a*b", "ax/b", false),
        ("*/*", "a/b", true),
        ("*/*", "a/b/c", false),
        ("/var/log/*", "/var/log/syslog", true),
        ("/var/log/*", "/var/log/", true),
        ("/var/log/*", "/var/log/a/b", false),
        ("/var/log/*", "/var/log/../../etc/shadow", false),
        ("?", "a", true),
        ("?", "", false),
        ("?", "/", false),
        ("?", "ab", false),
        ("a?c", "a.c", true),
        ("[abc]", "b", true),
        ("[abc]", "d", false),
        ("[a-c]", "b", true),
        ("[!a-c]", "d", true),
        ("[^a]", "b", true),
        ("[!a-c]", "b", false),
        ("[!a]", "/", false),
        ("[--0]", "/", false),
        ("[--0]", ".", true),
        ("[]]", "]", true),
        ("[a-]", "-", true),
        ("[!]]", "a", true),
        ("[!]]", "]", false),
        ("['*']", "*", true),
        ("['*']", "a", false),
        ("[n]", "n", true),
        ("[\\n]", "\n", false),
        ("[a\\]b]", "]", true),
        ("x[*?]", "x?", true),
        ("x[*?]", "xa", false),
        ("[!!]", "!", false),
        ("[a^]", "^", true),
        ("*.log", ".log", true),
        ("a*b*c", "aXbYbZc", true),
        ("*a", "baa", true),
    ] {
        assert_eq!(matches(pattern, argument), expected, "{pattern:?} {argument:?}");
    }
}

// "`{a,b}` is a choice (no blanks, no nesting)"
#[test]
fn a_choice_stands_for_each_of_its_words() {
    for (pattern, argument, expected) in [
        ("{a,b}", "a", true),
        ("{a,b}", "b", true),
        ("{a,b}", "c", false),
        ("{a,b}", "{a,b}", false),
        ("x{a,b}{c,d}", "xad", true),
        ("x{a,b}{c,d}", "xab", false),
        ("{,-f}", "", true),
        ("{a,}b", "b", true),
        ("{a*,b}", "axx", true),
        ("{a*,b}", "bxx", false),
        ("{a','b,c}", "a,b", true),
        ("{a,b}*", "bcd", true),
        ("{[a,b],c}", ",", true),
        ("a,b", "a,b", true),
    ] {
        assert_eq!(matches(pattern, argument), expected, "{pattern:?} {argument:?}");
    }
}

// "quoted or backslashed characters are literal"
#[test]
fn what_is_quoted_is_literal() {
    for (pattern, argument, other) in [
        ("'*'", "*", "a"),
        ("\"*\"", "*", "a"),
        (r"\*", "*", "a"),
        ("'?'", "?", "a"),
        ("'[a]'", "[a]", "a"),
        ("'{a,b}'", "{a,b}", "a"),
        (r"\{a,b\}", "{a,b}", "a"),
        ("'{}'", "{}", ""),
        ("'!'a*", "!ab", "ab"),
        ("'**'", "**", "ab"),
        ("!a*", "!ab", "b"),
        (r"\n*", "nx", "\nx"),
        (r"'\n'*", r"\nx", "\nx"),
        ("'a b'*", "a bc", "abc"),
        (r"\t?", "tx", "\tx"),
        ("*'*'", "a*", "ab"),
        ("'*'*", "*ab", "ab"),
        ("*'/'*", "a/b", "ab"),
    ] {
        assert!(matches(pattern, argument), "{pattern:?} {argument:?}");
        assert!(!matches(pattern, other), "{pattern:?} {other:?}");
    }
}

#[test]
fn a_glob_matches_bytes_that_are_no_text() {
    let glob = &words("a*z")[0][0];
    assert!(glob.matches(b"a\xff\xfez"));
    assert!(!glob.matches(b"a\xff/z"));
    assert!(!Word::Literal(b"a".as_slice().into()).matches(b"a\xff"));
}

#[test]
fn a_word_that_can_be_misread_is_refused() {
    for (text, at, message) in [
        ("a 'b", "'", "this quote is never closed"),
        ("a \"b'", "\"", "this quote is never closed"),
        (r"a \", r"\", "nothing follows this backslash"),
        ("a** b", "**", "`**` stands only alone, as the last word"),
        ("** b", "**", "`**` stands only alone, as the last word"),
        ("a/**/b", "**", "`**` stands only alone, as the last word"),
        ("***", "**", "`**` stands only alone, as the last word"),
        ("{a,b", "{", "this `{` is not closed in its word (a choice holds no blanks)"),
        ("{a, b}", "{", "this `{` is not closed in its word (a choice holds no blanks)"),
        ("{a,{b,c}}", "{", "a choice can't hold another choice"),
        ("rm {}", "{}", "a choice needs at least two alternatives, as in `{a,b}`"),
        ("{a}", "{a}", "a choice needs at least two alternatives, as in `{a,b}`"),
        ("a}", "}", "this `}` closes nothing"),
        ("[a", "[", "this `[` is not closed in its word"),
        ("[]", "[", "this `[` is not closed in its word"),
        ("[a/b]", "/", "`[…]` never matches a `/`"),
        ("[z-a]", "a", "this range ends before it begins"),
        ("[ä]", "ä", "only ASCII characters can stand between `[` and `]`"),
        ("{a,'b c}", "'", "this quote is never closed"),
        ("a\0b", "\0", "a command can't contain a NUL"),
        (
            "{1,2,3,4,5,6,7}{1,2,3,4,5,6,7}{1,2,3,4,5,6,7}",
            "{",
            "the choices of this word stand for more than 256 words",
        ),
    ] {
        assert_eq!(mistake(text), (at, message), "{text:?}");
    }
}

#[test]
fn in_args_only_a_backslash_quotes() {
    for (text, argument) in [("a b", "a b"), ("'a'", "'a'"), (r"\*", "*"), (r#""x""#, r#""x""#), ("", "")] {
        let word = &alternatives(&one_word(text).unwrap()).unwrap()[0];
        assert_eq!(Word::new(word), Word::Literal(argument.as_bytes().into()), "{text:?}");
    }
}

/// The plainest matcher there is, for `*` and `?` only.
fn plain(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if plain(rest, text) => true,
        (Some((b'*', _)), Some((byte, after))) => *byte != b'/' && plain(pattern, after),
        (Some((b'?', rest)), Some((byte, after))) => *byte != b'/' && plain(rest, after),
        (Some((wanted, rest)), Some((byte, after))) => wanted == byte && plain(rest, after),
        _ => false,
    }
}

proptest! {
    #[test]
    fn the_engine_agrees_with_a_plain_matcher(pattern in "([ab/.!?-]|\\*[ab/.?])*\\*?", text in "[ab/.!*?-]{0,12}") {
        if !pattern.is_empty() {
            prop_assert_eq!(matches(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn a_quoted_text_matches_itself_and_nothing_else(text in "[^'\0]{1,12}", other in "[^\0]{0,12}") {
        let quoted = format!("'{text}'");
        prop_assert!(matches(&quoted, &text));
        prop_assert_eq!(matches(&quoted, &other), text == other);
        // The same beside a wildcard, so that it passes through the engine.
        if !text.contains('/') {
            let starred = format!("{quoted}*");
            prop_assert!(matches(&starred, &text));
            prop_assert_eq!(matches(&starred, &other), other.starts_with(&text) && !other[text.len()..].contains('/'));
        }
    }

    #[test]
    fn no_text_makes_the_splitter_panic(text in "\\PC*") {
        if let Ok(words) = words_of(&text) {
            for word in words {
                let _ = alternatives(&word).map(|all| all.iter().map(|one| Word::new(one)).collect::<Vec<_>>());
            }
        }
        let _ = one_word(&text).and_then(|word| alternatives(&word));
    }
}
