//! Values of variables: those that libraries turn into names of files are checked, whoever asked for them.

use super::names;

/// Longest name of a locale or terminal, in bytes.
const LONGEST: usize = 64;
/// Longest time zone, in bytes.
const LONGEST_ZONE: usize = 255;
/// Where time zones are.
const ZONES: &[u8] = b"/usr/share/zoneinfo/";

/// Whether the variable may have this value.
pub(super) fn is_sane(name: &[u8], value: &[u8]) -> bool {
    if value.starts_with(b"()") {
        return false; // a function, for a shell before 2014's fixes (CVE-2014-6271)
    }
    match name {
        b"TZ" => is_zone(value),
        // A list of locales.
        b"LANGUAGE" => value.split(|byte| *byte == b':').all(|word| word.is_empty() || is_word(word)),
        b"LINGUAS" => value.split(|byte| *byte == b' ').all(|word| word.is_empty() || is_word(word)),
        _ if names::is_on(&names::CHECKED, name) => is_word(value),
        _ => true,
    }
}

/// A locale or terminal: nothing in it could be a path (`/`), a format (`%`) or a command.
fn is_word(value: &[u8]) -> bool {
    let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.@+-".contains(byte);
    (1..=LONGEST).contains(&value.len()) && value.iter().all(is_harmless)
}

/// The name of a zone or a POSIX rule, and no other file's (CVE-2014-9680).
fn is_zone(value: &[u8]) -> bool {
    let zone = value.strip_prefix(b":").unwrap_or(value);
    let name = zone.strip_prefix(ZONES).unwrap_or(zone);
    (1..=LONGEST_ZONE).contains(&value.len())
        && !name.starts_with(b"/")
        && name.split(|byte| *byte == b'/').all(|part| part != b"..")
        && name.iter().all(u8::is_ascii_graphic)
}
