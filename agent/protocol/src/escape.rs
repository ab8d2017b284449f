//! Text from outside, made safe to show: what cannot be seen, or would steer a terminal, is written out.
//!
//! One meaning, one form: a backslash is doubled, so that no text can look like an escape of another.

use std::fmt::Write as _;

/// Writes bytes so that a person sees every one of them and a terminal obeys none.
///
/// Control characters become `\n`, `\t`, `\r` or `\x1b`; characters that are invisible or change the direction of text
/// (C1, bidirectional controls, zero-width, tags, line separators) become `\u{202e}`; what is not UTF-8 becomes `\xff`; a
/// backslash becomes two. All else stays as it is.
pub fn escape(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(&mut shown, character));
        chunk.invalid().iter().for_each(|byte| push_byte(&mut shown, *byte));
    }
    shown
}

/// Like [`escape`], for a text of several lines that is ours or was checked: line ends stay, all else is escaped, and
/// backslashes stay single, so that it must not be used for text in which an escape could be feigned.
pub fn escape_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\\' => shown.push(character),
            _ => push(&mut shown, character),
        }
    }
    shown
}

/// JSON that steers no terminal: characters beyond ASCII as `\u` and four digits. It means the same.
pub fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~' | '\n') {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}"); // writing to a String cannot fail
            }
        }
    }
    text
}

fn push(shown: &mut String, character: char) {
    match character {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => push_byte(shown, character as u8),
        _ if is_hidden(character) => shown.extend(character.escape_unicode()),
        _ => shown.push(character),
    }
}

fn push_byte(shown: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(shown, "\\x{byte:02x}");
}

/// C1 controls, and what Unicode calls default ignorable, bidirectional control or line separator.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'                  // soft hyphen
        | '\u{61c}'                 // Arabic letter mark
        | '\u{115f}'..='\u{1160}'   // Hangul fillers
        | '\u{180b}'..='\u{180f}'   // Mongolian selectors and vowel separator
        | '\u{200b}'..='\u{200f}'   // zero-width, direction marks
        | '\u{2028}'..='\u{202e}'   // separators, embeddings, overrides
        | '\u{2060}'..='\u{206f}'   // word joiner, isolates, deprecated controls
        | '\u{3164}' | '\u{ffa0}'   // Hangul fillers
        | '\u{fe00}'..='\u{fe0f}'   // variation selectors
        | '\u{feff}'                // byte order mark
        | '\u{fff0}'..='\u{fffb}'   // interlinear annotation
        | '\u{e0000}'..='\u{e0fff}' // tags, further variation selectors
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // "All output escapes control characters and bidi/zero-width characters": what each looks like.
    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (bytes, shown) in [
            (&b"plain text"[..], "plain text"),
            (b"a\nb", "a\\nb"),
            (b"a\r\tb", "a\\r\\tb"),
            (b"\x1b[31mred", "\\x1b[31mred"),
            (b"\0\x07\x7f", "\\x00\\x07\\x7f"),
            (b"\\n", "\\\\n"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            ("\u{202e}txt.exe".as_bytes(), "\\u{202e}txt.exe"),
            ("a\u{2066}b\u{2069}".as_bytes(), "a\\u{2066}b\\u{2069}"),
            ("a\u{200b}b\u{feff}".as_bytes(), "a\\u{200b}b\\u{feff}"),
            ("\u{e0041}".as_bytes(), "\\u{e0041}"),
            ("grüße 日本 🦀".as_bytes(), "grüße 日本 🦀"),
            (b"caf\xe9", "caf\\xe9"),
            (b"\xf0\x9f\xa6", "\\xf0\\x9f\\xa6"),
            (b"", ""),
        ] {
            assert_eq!(escape(bytes), shown, "{bytes:?}");
        }
    }

    #[test]
    fn every_named_range_is_covered_to_its_ends() {
        for range in [0x80..=0x9f, 0x202a..=0x202e, 0x2066..=0x2069, 0x200b..=0x200f, 0xfeff..=0xfeff] {
            for code in range {
                let character = char::from_u32(code).unwrap();
                assert_eq!(escape(character.to_string().as_bytes()), format!("\\u{{{code:x}}}"));
            }
        }
    }

    #[test]
    fn what_is_shown_has_no_control_character_whatever_came_in() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let shown = escape(&[first, second, b'x']);
                assert!(
                    !shown.chars().any(|c| c.is_control() || is_hidden(c)),
                    "{first} {second}: {shown:?}"
                );
            }
        }
    }

    #[test]
    fn two_texts_never_look_alike() {
        assert_ne!(escape(b"\x1b"), escape(b"\\x1b"));
        assert_ne!(escape(b"\xff"), escape(b"\\xff"));
        assert_ne!(escape("\u{9b}".as_bytes()), escape(b"\x9b"));
    }

    #[test]
    fn lines_stay_lines_where_the_text_is_ours() {
        assert_eq!(escape_lines("one\n\x1b[2Jtwo\n  ^^^ a\\b"), "one\n\\x1b[2Jtwo\n  ^^^ a\\b");
    }
}
