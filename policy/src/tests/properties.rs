//! What must hold for any command line and any text.

use proptest::prelude::*;
use proptest::sample::Index;

use super::generated::{SETS, rules, text};
use super::support::{Ask, load, policy};

proptest! {
    // "matching never depends on joining": where words are cut matters, and nothing else can stand for a cut.
    #[test]
    fn matching_never_depends_on_joining(words in proptest::collection::vec("[a-z ]{0,4}", 1..5)) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let policy = policy(&format!("[[rule]]\nid = \"r\"\nusers = [\"ALL\"]\ncommands = [\"/b/x {}\"]", quoted.join(" ")));
        let run = |args: Vec<Vec<u8>>| Ask { args, ..Ask::to_run("/b/x") }.is_permitted(&policy);
        let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        prop_assert!(run(args.clone()));
        for at in 1..args.len() {
            let mut joined = args.clone();
            let right = joined.remove(at);
            joined[at - 1].push(b' ');
            joined[at - 1].extend(right);
            prop_assert!(!run(joined));
        }
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC*") {
        if let Err(found) = load(&text) {
            prop_assert!(!found.render().is_empty());
        }
    }

    #[test]
    fn no_broken_policy_makes_the_loader_panic(rules in rules(3), at in any::<Index>(), junk in "[\\[\\]{}\"'=.,#\\\\@%*\n a1ä]{0,4}") {
        let mut text = text(&rules, 0) + SETS;
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.insert_str(at, &junk);
        if let Err(found) = load(&text) {
            prop_assert!(!found.render().is_empty());
        }
    }
}
