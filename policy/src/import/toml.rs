//! Texts as our policy files want them.

use std::fmt::Write as _;

use crate::unseen::is_unseen;

/// A string of TOML: in single quotes where backslashes or double quotes would need escapes.
pub(super) fn quoted(text: &str) -> String {
    let literal = !text.contains('\'') && text.chars().all(is_plain);
    if literal && text.contains(['\\', '"']) {
        return format!("'{text}'");
    }
    let mut quoted = "\"".to_owned();
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if is_plain(char) => quoted.push(char),
            char => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(char));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Letters, and what ASCII prints: nothing that changes how a line looks.
fn is_plain(char: char) -> bool {
    matches!(char, ' '..='~') || (char.is_alphanumeric() && !is_unseen(char))
}

/// A list of strings; in several lines if it is long.
pub(super) fn list(values: &[String]) -> String {
    let line = format!("[{}]", values.join(", "));
    if line.chars().count() <= 100 && !values.iter().any(|value| value.starts_with('{')) {
        return line;
    }
    let lines: String = values.iter().map(|value| ["  ", value, ",\n"].concat()).collect();
    format!("[\n{lines}]")
}

/// A text as one word of a command, in which only a backslash quotes.
pub(super) fn word(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | '*' | '?' | '[' | ']' | '{' | '}') {
            word.push('\\');
        }
        word.push(char);
    }
    word
}

/// A text as a word of a command in a string, in which blanks separate and quotes quote.
pub(super) fn shell_word(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    let mut word = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | '*' | '?' | '[' | ']' | '{' | '}' | '\'' | '"') || char.is_whitespace() {
            word.push('\\');
        }
        word.push(char);
    }
    word
}

/// A comment: one line, whatever it says.
pub(super) fn comment(text: &str) -> String {
    let line: String = text.chars().map(|char| if is_plain(char) { char } else { ' ' }).collect();
    let cut: String = line.trim().chars().take(300).collect();
    format!("# {cut}")
}
