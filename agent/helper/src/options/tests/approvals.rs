//! Options for what somebody else has to approve.

use super::*;

#[test]
fn waiting_takes_a_limit_or_none_and_belongs_to_a_command() {
    assert_eq!(asked(&["--wait", "id"]).wait, Some(Wait::Answered));
    assert_eq!(asked(&["--wait=5m", "id"]).wait, Some(Wait::Seconds(300)));
    assert_eq!(asked(&["--wait", "5m"]).command, words(&["5m"]), "its value follows a `=`");
    assert_eq!(asked(&["id"]).wait, None);
    assert_eq!(read(&["--wait=soon", "id"]), Err(Mistake::Duration("--wait")));
    assert_eq!(read(&["--wait", "--wait=5m", "id"]), Err(Mistake::Twice("--wait".to_owned())));
    for (line, option) in
        [(&["-v", "--wait"][..], "-v"), (&["-l", "--wait"], "-l"), (&["-k", "--wait"], "-k")]
    {
        assert_eq!(read(line), Err(Mistake::Conflict(option, "--wait")), "{line:?}");
    }
}

#[test]
fn a_refusal_can_be_asked_for_as_json() {
    assert!(asked(&["--json", "id"]).json);
    assert!(asked(&["--json", "-n", "id"]).non_interactive);
    assert!(!asked(&["id", "--json"]).json, "what follows the command is its own");
}

// jitctl calls it so.
#[test]
fn a_yes_names_the_request_and_its_digest() {
    let yes = asked(&["--approve", "--", "0123", "abcd"]);
    assert_eq!((yes.mode, yes.command), (Mode::Approve, words(&["0123", "abcd"])));
    for line in [&["--approve"][..], &["--approve", "0123"], &["--approve", "0123", "abcd", "more"]] {
        assert_eq!(read(line), Err(Mistake::NoCommand), "{line:?}");
    }
    assert!(read(&["--approve", "-v", "0123", "abcd"]).is_err());
    assert!(!help("jit-sudo").contains("--approve"), "people call jitctl approve");
}
