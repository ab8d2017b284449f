//! Every mistake there is, each with what the administrator is told: `mistakes.txt`.

use super::diagnostics::mistakes;

// "every mistake reported with file, line, column, caret and a hint"; "refused with a clear message until it is
// built: never parsed and ignored"
#[test]
fn each_mistake_has_its_own_message() {
    let cases: Vec<&str> = include_str!("mistakes.txt").split("=== policy\n").skip(1).collect();
    assert!(cases.len() > 100);
    for case in cases {
        let (text, says) = case.split_once("\n=== says\n").expect("a case has two parts");
        // The heading of the next section stands at the end of a case.
        let says: Vec<&str> = says.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(mistakes(text), says, "{text}");
    }
}
