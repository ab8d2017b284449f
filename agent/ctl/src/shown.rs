//! What somebody is asked to approve, shown so that it can't be taken for something else: each argument on a line of its own,
//! escaped, with its length where that could deceive; nothing is cut.

use std::fmt::Write as _;

use jit_protocol::binding::Binding;
use jit_protocol::response::RequestView;
use jit_protocol::token::{Covers, Token};
use jit_protocol::{Bytes, escape};

/// A name, and what is said of it.
type Line = (&'static str, String);

/// A request that waits for approval.
pub(crate) fn request(request: &RequestView) -> String {
    let mut lines = vec![("request", request.id.clone())];
    lines.extend(of(&request.binding, request.reason.as_deref()));
    lines.push(("digest", request.digest.clone()));
    text(lines, request.for_rule)
}

/// A token that is to be signed.
pub(crate) fn token(token: &Token) -> String {
    let Token { host, nonce, not_before, not_after, duration, covers, reason, binding, .. } = token;
    let mut lines = vec![("token", escape(nonce.as_bytes())), ("host's id", escape(host.as_bytes()))];
    lines.extend(of(binding, reason.as_deref()));
    lines.push((
        "to be spent",
        format!("{} to {}", escape(not_before.as_bytes()), escape(not_after.as_bytes())),
    ));
    lines.push(("grant lives", format!("{duration} s from then")));
    lines.push(("digest", jit_sys::digest::of_bytes(&binding.canonical())));
    text(lines, *covers == Covers::Rule)
}

fn of(binding: &Binding, reason: Option<&str>) -> Vec<Line> {
    let Binding { version: _, host, rule, user, target, groups, mode, program, sha256, .. } = binding;
    let Binding { command, environment, folder, duration, uses, from, .. } = binding;
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        ("host", escape(host.as_bytes())),
        ("who", format!("{} (uid {})", escape(user.name.as_bytes()), user.uid)),
        (
            "as",
            format!("{} (uid {}), groups {}", escape(target.name.as_bytes()), target.uid, groups.join(" ")),
        ),
        ("reason", reason.map_or_else(|| "none".to_owned(), |text| escape(text.as_bytes()))),
        ("rule", escape(rule.as_bytes())),
    ];
    if let Some(mode) = mode {
        lines.push(("way", escape(mode.as_bytes())));
    }
    lines.push(("program", word(program)));
    lines.push(("its SHA-256", escape(sha256.as_bytes())));
    lines.extend(command.iter().enumerate().map(|(at, argument)| {
        match at {
            0 => ("called as", word(argument)),
            _ => ("argument", format!("{at}. {}", word(argument))), // of very many one sees that there are more above
        }
    }));
    lines.extend(
        environment
            .iter()
            .map(|(name, value)| ("variable", format!("{}={}", escape(name.as_slice()), word(value)))),
    );
    lines.push(("in", word(&folder.path)));
    if let Some(from) = from {
        lines.push(("not before", escape(from.as_bytes())));
    }
    lines.push((
        "for",
        duration.map_or_else(|| "as long as the rule says".to_owned(), |it| format!("{it} s")),
    ));
    lines.push(("uses", uses.map_or_else(|| "as many as it lives".to_owned(), |uses| uses.to_string())));
    lines
}

fn text(lines: Vec<Line>, for_rule: bool) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{name:>width$}: {}", with_blanks_seen(value)); // writing to a String cannot fail
    }
    if for_rule {
        text.push_str("A yes counts for whatever this rule permits to this user as this target, not for this command alone.\n");
    }
    text.push_str("Not covered: what it reads from its standard input, and what stands in files that its arguments name.");
    text
}

/// Of several blanks every second one is written out: a terminal breaks lines, and what comes after the blanks would look
/// like a line of ours.
fn with_blanks_seen(mut value: String) -> String {
    while value.contains("  ") {
        value = value.replace("  ", " \\x20");
    }
    value
}

/// Escaped; with its length if that can't be seen, and a warning where letters of several scripts stand side by side.
fn word(bytes: &Bytes) -> String {
    let escaped = escape(bytes.as_slice());
    let text = bytes.to_string_lossy();
    let mut word = format!("'{escaped}'");
    let plain = escaped.len() < 60 && escaped.is_ascii() && !escaped.contains(' ') && !escaped.is_empty();
    if !plain {
        let _ = write!(word, " ({} bytes)", bytes.as_slice().len());
    }
    if !text.is_ascii() {
        word.push_str(" (letters beyond ASCII: look twice)");
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_word(text: &str) -> String {
        with_blanks_seen(word(&Bytes::from(text)))
    }

    // CVE-2023-28486 and others: what is shown must not look like something else, nor like a line of ours.
    #[test]
    fn a_word_shows_what_it_is() {
        for (text, shown) in [
            ("-un", "'-un'"),
            ("", "'' (0 bytes)"),
            ("a b", "'a b' (3 bytes)"),
            ("a\nrule: b", "'a\\nrule: b' (9 bytes)"),
            ("\u{202e}x", "'\\u{202e}x' (letters beyond ASCII: look twice)"),
            ("\u{440}m", "'\u{440}m' (3 bytes) (letters beyond ASCII: look twice)"),
            ("\\x20", "'\\\\x20'"),
            ("x     program: '/usr/bin/id'", "'x \\x20 \\x20 program: '/usr/bin/id'' (28 bytes)"),
        ] {
            assert_eq!(shown_word(text), shown, "{text:?}");
        }
        // Nothing that a terminal breaks at its width begins a line with blanks.
        let padded = format!("x{}    program: '/usr/bin/id'", " ".repeat(72));
        assert!(!shown_word(&padded).contains("  "));
    }
}
