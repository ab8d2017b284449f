//! The reason that a person gives.

use crate::refusal::Refusal;

/// Longest reason in characters.
const LONGEST: usize = 512;

/// For a rule that names the form of its reasons.
pub fn not_accepted() -> Refusal {
    Refusal::new("this reason is not accepted", "policy names the form that a reason must have")
}

/// A reason is one line of text that shows what it is.
///
/// # Errors
/// If it is empty, too long, or hides something.
pub fn clean(reason: &str) -> Result<String, Refusal> {
    let bad = |c: char| {
        c.is_control() || jit_protocol::escape(c.to_string().as_bytes()) != c.to_string() && c != '\\'
    };
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST || reason.chars().any(bad) {
        let hint = "one line of at most 512 characters, without control characters";
        return Err(Refusal::new("this is not a reason", hint));
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_shows_what_it_is() {
        assert_eq!(clean("  INC-4711: disk full ").unwrap(), "INC-4711: disk full");
        assert_eq!(clean("C:\\temp — Straße").unwrap(), "C:\\temp — Straße");
        let long = "x".repeat(513);
        for bad in ["", "   ", "a\nb", "a\x1b[2J", "a\u{202e}b", "a\u{200b}b", long.as_str()] {
            assert!(clean(bad).is_err(), "{bad:?}");
        }
    }
}
