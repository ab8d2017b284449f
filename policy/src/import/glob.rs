//! Globs as fnmatch(3) reads them in the C locale, which is how sudo compares arguments and hosts.

use std::fmt::Write as _;

/// One part of a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[…]`: ranges of ASCII characters.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// What can't be said: a class beyond ASCII ranges, a backslash before nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Piece {
    pub(super) fn is_wild(&self) -> bool {
        !matches!(self, Self::Char(_))
    }

    /// Whether it may stand for this ASCII character.
    pub(super) fn may_be(&self, wanted: char) -> bool {
        match self {
            Self::Char(char) => *char == wanted,
            Self::One | Self::Many => true,
            Self::Class { negated, ranges } => contains(ranges, wanted) != *negated,
        }
    }
}

pub(super) fn contains(ranges: &[(char, char)], char: char) -> bool {
    ranges.iter().any(|(low, high)| (*low..=*high).contains(&char))
}

/// The parts of a glob.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Unreadable> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        rest = rest.get(char.len_utf8()..).unwrap_or_default();
        pieces.push(match char {
            '?' => Piece::One,
            '*' if pieces.last() == Some(&Piece::Many) => continue,
            '*' => Piece::Many,
            '\\' => match rest.chars().next() {
                Some(literal) => {
                    rest = rest.get(literal.len_utf8()..).unwrap_or_default();
                    Piece::Char(literal)
                }
                // With nothing after it, it matches nothing.
                None => return Err(Unreadable),
            },
            '[' => match class(rest)? {
                Some((class, after)) => {
                    rest = after;
                    class
                }
                None => Piece::Char('['),
            },
            char => Piece::Char(char),
        });
    }
    Ok(pieces)
}

/// What follows a `[`, if it is closed; and what follows that.
fn class(text: &str) -> Result<Option<(Piece, &str)>, Unreadable> {
    let (negated, mut rest) = match text.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut ranges = Vec::new();
    let mut first = true;
    loop {
        let Some(char) = rest.chars().next() else { return Ok(None) };
        let after = rest.get(char.len_utf8()..).unwrap_or_default();
        if char == ']' && !first {
            return if ranges.is_empty() {
                Err(Unreadable)
            } else {
                Ok(Some((Piece::Class { negated, ranges }, after)))
            };
        }
        first = false;
        if char == '[' && after.starts_with([':', '.', '=']) {
            let named = after.strip_prefix(':').and_then(|rest| rest.split_once(":]")).ok_or(Unreadable)?;
            ranges.extend_from_slice(named_class(named.0).ok_or(Unreadable)?);
            rest = named.1;
            continue;
        }
        let Some((low, after)) = member(rest) else { return Ok(None) };
        rest = after;
        let mut high = low;
        if let Some(after) = rest.strip_prefix('-')
            && !after.starts_with(']')
        {
            let Some((end, after)) = member(after) else { return Ok(None) };
            high = end;
            rest = after;
        }
        if !low.is_ascii() || !high.is_ascii() || high < low {
            return Err(Unreadable);
        }
        ranges.push((low, high));
    }
}

/// One character of a class, without its backslash.
fn member(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    let char = if first == '\\' { chars.next()? } else { first };
    Some((char, chars.as_str()))
}

/// `[:alpha:]` and the like.
pub(super) fn named_class(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alpha" => &[('a', 'z'), ('A', 'Z')],
        "digit" => &[('0', '9')],
        "alnum" => &[('a', 'z'), ('A', 'Z'), ('0', '9')],
        "upper" => &[('A', 'Z')],
        "lower" => &[('a', 'z')],
        "xdigit" => &[('0', '9'), ('a', 'f'), ('A', 'F')],
        "blank" => &[(' ', ' '), ('\t', '\t')],
        "space" => &[(' ', ' '), ('\t', '\r')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        _ => return None,
    })
}

/// The text, if there is no wildcard.
pub(super) fn literal(pieces: &[Piece]) -> Option<String> {
    pieces.iter().map(|piece| if let Piece::Char(char) = piece { Some(*char) } else { None }).collect()
}

/// What stands before the first wildcard.
pub(super) fn prefix(pieces: &[Piece]) -> String {
    pieces.iter().map_while(|piece| if let Piece::Char(char) = piece { Some(*char) } else { None }).collect()
}

/// Whether the glob matches; where bytes and characters differ, whether it may.
pub(super) fn may_match(pieces: &[Piece], text: &str) -> bool {
    if !text.is_ascii() {
        return true;
    }
    let mut at = 0;
    let mut text_at = 0;
    // Where the last `*` stands, and what it has taken so far.
    let mut many: Option<(usize, usize)> = None;
    let chars: Vec<char> = text.chars().collect();
    loop {
        let here = chars.get(text_at);
        match (pieces.get(at), here) {
            (None, None) => return true,
            (Some(Piece::Many), _) => {
                many = Some((at + 1, text_at));
                at += 1;
                continue;
            }
            (Some(piece), Some(char)) if piece.may_be(*char) => {
                at += 1;
                text_at += 1;
                continue;
            }
            _ => {}
        }
        match many {
            Some((after, taken)) if taken < chars.len() => {
                many = Some((after, taken + 1));
                at = after;
                text_at = taken + 1;
            }
            _ => return false,
        }
    }
}

/// As a regex on bytes, not anchored. It may match a `/`, as sudo's does.
pub(super) fn regex(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Char(char) => text.push_str(&regex::escape(char.encode_utf8(&mut [0; 4]))),
            Piece::One => text.push_str("(?s-u:.)"),
            Piece::Many => text.push_str(ANYTHING),
            Piece::Class { negated, ranges } => push_class(&mut text, *negated, ranges),
        }
    }
    text
}

/// Any bytes.
pub(super) const ANYTHING: &str = "(?s-u:.*)";

/// A class of a regex on bytes.
pub(super) fn push_class(text: &mut String, negated: bool, ranges: &[(char, char)]) {
    text.push_str(if negated { "(?-u:[^" } else { "[" });
    for (low, high) in ranges {
        push_member(text, *low);
        if low != high {
            text.push('-');
            push_member(text, *high);
        }
    }
    text.push_str(if negated { "])" } else { "]" });
}

fn push_member(text: &mut String, char: char) {
    if char.is_ascii_alphanumeric() || matches!(char, '_' | '/' | ':' | '.' | ',' | '@' | '%' | '=') {
        text.push(char);
    } else {
        let _ = write!(text, "\\x{:02x}", u32::from(char));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, text: &str) -> bool {
        let pieces = pieces(glob).unwrap();
        let may = may_match(&pieces, text);
        let regex = regex::bytes::Regex::new(&format!(r"\A(?:{})\z", regex(&pieces))).unwrap();
        assert_eq!(may, regex.is_match(text.as_bytes()), "{glob} on {text:?}: two ways to match");
        may
    }

    #[test]
    fn a_glob_matches_as_fnmatch_without_flags_does() {
        for (glob, text, expected) in [
            ("a*c", "abc", true),
            ("a*c", "a/b c", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("*", "", true),
            ("*", ".x", true),
            ("?", "/", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a]", " ", true),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[[:digit:]]*", "7 /x", true),
            ("[[:digit:]-]", "-", true),
            ("*a*b*c", "xxaxbxbxc", true),
            ("*a*b*c", "xxaxcxbx", false),
            ("-[lf]", "-l", true),
            ("a.c", "abc", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} on {text:?}");
        }
    }

    #[test]
    fn a_class_that_ascii_can_not_say_is_refused() {
        for glob in ["[ä]", "[[:cntrl:]]", "[[=a=]]", "[z-a]"] {
            assert_eq!(pieces(glob), Err(Unreadable), "{glob}");
        }
    }
}
