//! What holds for any text: it is read or refused, and what is written is a policy.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{import_files, policy};

/// Texts that look like sudoers, out of its pieces.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("alice "),
        Just("%web "),
        Just("#1000 "),
        Just("ALL "),
        Just("ALL"),
        Just(", "),
        Just("!"),
        Just("= "),
        Just("(root : docker) "),
        Just("(ALL) "),
        Just("()"),
        Just("NOPASSWD: "),
        Just("NOEXEC: "),
        Just("CWD=/x "),
        Just("/bin/x "),
        Just("/bin/* "),
        Just("/opt/[a-c]*/"),
        Just("^/b/(x|y)$ "),
        Just("^-[a-z]+ .*$ "),
        Just("-x * "),
        Just("[!a]? "),
        Just("\"\" "),
        Just("\\\n"),
        Just("\\,"),
        Just("\n"),
        Just(" : "),
        Just("+net "),
        Just("10.0.0.0/8 "),
        Just("Defaults "),
        Just("Defaults:alice "),
        Just("env_keep += \"A B\""),
        Just("umask=077"),
        Just("User_Alias A = "),
        Just("Cmnd_Alias C = "),
        Just("A "),
        Just("C "),
        Just("sudoedit "),
        Just("@include x\n"),
        Just("#"),
        Just("{}'\"\\"),
        Just("ä"),
        Just("\u{202e}"),
        Just("\u{7f}"),
        Just("NOTAFTER=20300101000000Z "),
        Just("TIMEOUT=0 "),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A line that is right, of a few words.
fn line() -> impl Strategy<Value = String> {
    let word = "[a-zäß{}'$~;|<>&%@+_.-]{1,8}";
    let arguments = vec(
        prop_oneof![word.prop_map(|word| word), Just("*".into()), Just("[a-z]*".into()), Just("?".into())],
        0..4,
    );
    ("[a-z][a-z{}*]{0,6}", "[a-z]{1,6}", arguments, any::<bool>()).prop_map(
        |(path, name, arguments, denied)| {
            let denied = if denied { "ALL, !" } else { "" };
            format!("{name} ALL = (ALL) {denied}/opt/{path} {}\n", arguments.join(" "))
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_the_import_panic(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(imported) = import_files(&[("/etc/sudoers", &bytes)]) {
            policy(&imported);
        }
    }

    #[test]
    fn whatever_is_read_is_written_as_a_policy(text in pieces()) {
        match import_files(&[("/etc/sudoers", text.as_bytes())]) {
            Ok(imported) => { policy(&imported); }
            Err(found) => prop_assert!(!found.render().is_empty()),
        }
    }

    #[test]
    fn lines_that_are_right_are_carried_over(lines in vec(line(), 1..6)) {
        let text = lines.concat();
        let imported = import_files(&[("/etc/sudoers", text.as_bytes())]);
        prop_assert!(imported.is_ok(), "{text}: {}", imported.unwrap_err());
        policy(&imported.unwrap());
    }
}
