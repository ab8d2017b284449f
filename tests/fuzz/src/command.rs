//! A command as a policy writes it, and a command line: `pattern NUL word NUL word…`.

use crate::world::{load, permits, quoted};

pub(crate) fn run(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0);
    let Some(Ok(pattern)) = parts.next().map(str::from_utf8) else { return };
    let words: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    as_written(pattern, &words);
    as_quoted(&words);
}

/// The pattern against the words: an allow and a deny read it the same.
fn as_written(pattern: &str, words: &[Vec<u8>]) {
    let list = |effect: &str, command: &str| {
        load(&format!(
            "schema = 1\n[[rule]]\nid = \"r\"\neffect = \"{effect}\"\nusers = [\"ALL\"]\ncommands = [{command}]\n"
        ))
    };
    let path = words.first().map_or(&b"/b/x"[..], Vec::as_slice);
    let args = words.get(1..).unwrap_or_default();
    for command in [quoted(pattern), pattern.to_owned()] {
        let Ok(allow) = list("allow", &command) else { continue };
        let permitted = permits(&allow, path, args);
        // What is written may end the list, and begin another rule.
        let is_one = allow.rules().count() == 1;
        if let (true, true, Ok(deny)) = (permitted, is_one, list("deny", &command)) {
            let everything = "schema = 1\n[[rule]]\nid = \"all\"\nusers = [\"ALL\"]\ncommands = [\"ALL\"]\n";
            let all = load(everything).expect("a policy").merge_denies(&deny);
            assert!(
                !permits(&all, path, args),
                "what an allow permits, a deny of the same denies: {command}"
            );
        }
    }
}

/// "matching never depends on joining": words in quotes are exactly these words, wherever they could be cut otherwise.
fn as_quoted(words: &[Vec<u8>]) {
    let words: Option<Vec<&str>> = words.iter().map(|word| str::from_utf8(word).ok()).collect();
    let Some(words) = words.filter(|words| !words.is_empty()) else { return };
    let backslashed = |word: &&str| word.chars().flat_map(|letter| ['\\', letter]).collect::<String>();
    let pattern: Vec<String> =
        words.iter().map(|word| if word.is_empty() { "''".to_owned() } else { backslashed(word) }).collect();
    let text = format!(
        "schema = 1\n[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [{}]\n",
        quoted(&format!("/b/x {}", pattern.join(" ")))
    );
    let policy = load(&text).unwrap_or_else(|found| panic!("any word can be quoted: {found}"));
    let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    assert!(permits(&policy, b"/b/x", &args), "{text}");
    let joined = words.join(" ");
    for cut in [vec![joined.clone()], joined.split(' ').map(str::to_owned).collect()] {
        if cut != words {
            let cut: Vec<Vec<u8>> = cut.into_iter().map(String::into_bytes).collect();
            assert!(!permits(&policy, b"/b/x", &cut), "{text} is not {cut:?}");
        }
    }
}
