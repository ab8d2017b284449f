use super::*;
use crate::binding::{Folder, Person};

fn token() -> Token {
    Token {
        version: Token::VERSION,
        host: "0123456789abcdef".repeat(2),
        nonce: "fedcba9876543210".repeat(2),
        not_before: "2026-11-22T21:00:00Z".to_owned(),
        not_after: "2026-11-22T21:30:00Z".to_owned(),
        duration: 900,
        covers: Covers::Command,
        reason: Some("INC-1: \u{202e}grün \x1b[2J".to_owned()),
        binding: Binding {
            version: Binding::VERSION,
            host: "web-1".to_owned(),
            rule: "deploy".to_owned(),
            user: Person { name: "alice".to_owned(), uid: 1000 },
            target: Person { name: "root".to_owned(), uid: 0 },
            groups: vec![0],
            mode: None,
            program: "/usr/bin/id".into(),
            sha256: "ab".repeat(32),
            command: vec!["id".into(), b"\xff"[..].into()],
            environment: vec![("A".into(), "1".into())],
            folder: Folder { path: "/srv".into(), device: 1, inode: 2 },
            duration: None,
            uses: Some(1),
            from: None,
        },
    }
}

fn signature(letter: &str) -> String {
    format!("{BEGIN_SIGNATURE}{}\n{END_SIGNATURE}", letter.repeat(70))
}

fn signed() -> Signed {
    Signed { token: token(), signatures: vec![signature("A"), signature("B")] }
}

// The form is stable: tokens are signed by other programs, and by other versions of this one.
#[test]
fn the_text_is_this_one() {
    assert_eq!(token().text(), include_str!("golden.txt"));
}

#[test]
fn what_is_written_is_read_and_needs_no_last_line_end() {
    let text = signed().text();
    assert_eq!(Signed::parse(&text), Ok(signed()));
    assert_eq!(Signed::parse(text.trim_end()), Ok(signed()));
    let asked = Signed { signatures: Vec::new(), ..signed() };
    assert_eq!(Signed::parse(&asked.text()), Ok(asked));
}

#[test]
fn it_steers_no_terminal_and_is_plain_ascii() {
    let text = signed().text();
    assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{text}");
}

#[test]
fn whatever_is_cut_off_is_missed() {
    let text = signed().text();
    let asked = token().text();
    for end in 0..text.len() - 1 {
        let whole_parts = [asked.len() - 1, asked.len()]
            .into_iter()
            .chain([asked.len() + signature("A").len() - 1, asked.len() + signature("A").len()]);
        let expected = match whole_parts.into_iter().position(|part| part == end) {
            Some(0 | 1) => Ok(0),
            Some(_) => Ok(1),
            None => Err(Malformed::Truncated),
        };
        assert_eq!(Signed::parse(&text[..end]).map(|signed| signed.signatures.len()), expected, "{end}");
    }
}

#[test]
fn there_is_one_form_of_it() {
    let text = signed().text();
    for (altered, why) in [
        (text.replace('\n', "\r\n"), Malformed::NotAToken),
        (text.replacen("  \"host\"", "   \"host\"", 1), Malformed::Recoded),
        (text.replacen("\"host\"", "\"h\\u006fst\"", 1), Malformed::Recoded),
        (text.replacen("\\u202e", "\u{202e}", 1), Malformed::Recoded),
        (text.replacen("\\u202e", "\\u202E", 1), Malformed::Recoded),
        (text.replacen("\"duration\": 900", "\"duration\": 9e2", 1), Malformed::NotAToken),
        (text.replacen("\"duration\": 900", "\"more\": 1,\n  \"duration\": 900", 1), Malformed::NotAToken),
        (text.replacen("\"duration\": 900,\n", "", 1), Malformed::NotAToken),
        (
            text.replacen("\"duration\": 900", "\"duration\": 900,\n  \"duration\": 900", 1),
            Malformed::NotAToken,
        ),
        (text.replacen("\"version\": 1", "\"version\": 2", 1), Malformed::Version),
        (text.replacen("\"version\": 1", "\"version\": 257", 1), Malformed::Version),
        (text.replacen("\"version\": 1", "\"version\": 1.0", 1), Malformed::Version),
        (text.replacen("\"version\": 1", "\"version\": \"1\"", 1), Malformed::NotAToken),
        (format!("\n{text}"), Malformed::NotAToken),
        (format!("{text}\n"), Malformed::NotAToken),
        (format!("{text}more\n"), Malformed::NotAToken),
        (text.replacen(END, &format!("{END}\n"), 1), Malformed::NotAToken),
        ("A".repeat(MAX_TOKEN + 1), Malformed::TooLong),
        (token().text() + &signature("A").repeat(MAX_SIGNATURES + 1), Malformed::TooLong),
    ] {
        assert_eq!(Signed::parse(&altered), Err(why), "{altered}");
    }
}
