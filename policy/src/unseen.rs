//! Characters that make a text look like another one.

/// Whether it is not seen by itself: control and format characters, marks that join the letter before, blanks but the plain one.
pub(crate) fn is_unseen(char: char) -> bool {
    let fills = matches!(char, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    fills || (!char.is_ascii_graphic() && char != ' ' && char.escape_debug().len() > 1)
}

/// Whether it changes the order in which the characters after it are shown: a line that has one can't be reviewed.
pub(crate) fn reorders(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
