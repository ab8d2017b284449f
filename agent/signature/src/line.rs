//! The words of a line: separated by blanks, with blanks in double quotes kept.

/// What separates words for ssh-keygen; another blank would be part of a word there.
const BLANKS: [char; 2] = [' ', '\t'];

/// The next word as it is written, quotes and all, and the rest of the line; none at its end.
pub(crate) fn word(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(BLANKS);
    let mut quoted = false;
    let end = line.find(|letter: char| {
        quoted ^= letter == '"';
        !quoted && BLANKS.contains(&letter)
    });
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    (!word.is_empty()).then_some((word, rest))
}

/// The parts of a word between commas outside of quotes.
pub(crate) fn parts(word: &str) -> Vec<&str> {
    let mut quoted = false;
    word.split(|letter: char| {
        quoted ^= letter == '"';
        !quoted && letter == ','
    })
    .collect()
}

/// What stands in quotes; as it is without any.
pub(crate) fn unquoted(text: &str) -> Option<&str> {
    if text.starts_with('"') { quoted(text) } else { (!text.contains('"')).then_some(text) }
}

/// What stands in quotes. A backslash could mean that a quote is none, and is refused.
pub(crate) fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|inside| !inside.contains(['"', '\\']))
}

/// Lines that say something, by their number from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_matches(BLANKS)));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}
