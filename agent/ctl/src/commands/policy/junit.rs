//! Test results as build servers read them: the XML of `JUnit`.

use std::fmt::Write as _;

use super::test::Ran;

/// One suite for each file. Writing to a String cannot fail.
pub(super) fn report(ran: &[Ran<'_>]) -> String {
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {}>\n", counts(ran));
    for suite in ran.chunk_by(|one, next| one.test.file == next.test.file) {
        let file = escaped(suite.first().map_or("", |one| &*one.test.file));
        let _ = writeln!(text, "  <testsuite name=\"{file}\" {}>", counts(suite));
        for one in suite {
            let (title, line) = (escaped(&one.title), one.test.line);
            let _ = write!(
                text,
                "    <testcase classname=\"{file}\" name=\"{title}\" file=\"{file}\" line=\"{line}\""
            );
            let _ = match (&one.result.failure, one.account()) {
                (Some(failure), Some(account)) => writeln!(
                    text,
                    ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                    escaped(failure),
                    escaped(&account)
                ),
                _ => writeln!(text, "/>"),
            };
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

fn counts(ran: &[Ran<'_>]) -> String {
    let failures = ran.iter().filter(|one| one.result.failure.is_some()).count();
    format!("tests=\"{}\" failures=\"{failures}\"", ran.len())
}

/// Text, also in an attribute. Characters that XML 1.0 has no place for are replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
