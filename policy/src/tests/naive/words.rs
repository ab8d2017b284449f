//! Words and globs, by trying everything.

/// Characters, and which of them are quoted.
pub(super) type Word = Vec<(char, bool)>;

/// As a shell splits, but nothing is expanded.
pub(super) fn split(text: &str) -> Vec<Word> {
    let (mut words, mut word, mut quote): (Vec<Word>, Option<Word>, Option<char>) = (vec![], None, None);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (None, ' ') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (Some(open), char) if char == open => quote = None,
            (None, '\\') => word.get_or_insert_default().push((chars.next().unwrap(), true)),
            (Some('"'), '\\') if matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => {
                word.get_or_insert_default().push((chars.next().unwrap(), true));
            }
            (quote, char) => word.get_or_insert_default().push((char, quote.is_some())),
        }
    }
    words.extend(word);
    words
}

/// Only a backslash quotes.
pub(super) fn one_word(text: &str) -> Word {
    let (mut word, mut chars) = (Word::new(), text.chars());
    while let Some(char) = chars.next() {
        word.push(if char == '\\' { (chars.next().unwrap(), true) } else { (char, false) });
    }
    word
}

/// Whether all of the text is what the word stands for.
pub(super) fn glob(word: &[(char, bool)], text: &[u8]) -> bool {
    let Some(((first, quoted), rest)) = word.split_first() else { return text.is_empty() };
    match (first, quoted) {
        ('*', false) => {
            let crossing = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=crossing).any(|taken| glob(rest, &text[taken..]))
        }
        ('?', false) => text.first().is_some_and(|byte| *byte != b'/') && glob(rest, &text[1..]),
        ('[', false) => {
            let end = rest.iter().skip(1).position(|one| *one == (']', false)).unwrap() + 1;
            text.first().is_some_and(|byte| is_member(&rest[..end], *byte))
                && glob(&rest[end + 1..], &text[1..])
        }
        ('{', false) => {
            let end = rest.iter().position(|one| *one == ('}', false)).unwrap();
            rest[..end].split(|one| *one == (',', false)).any(|choice| {
                let chosen: Word = choice.iter().chain(&rest[end + 1..]).copied().collect();
                glob(&chosen, text)
            })
        }
        (char, _) => {
            let mut bytes = [0; 4];
            text.strip_prefix(char.encode_utf8(&mut bytes).as_bytes()).is_some_and(|text| glob(rest, text))
        }
    }
}

fn is_member(class: &[(char, bool)], byte: u8) -> bool {
    let negated = matches!(class[0], ('!' | '^', false));
    let members: Vec<char> = class[usize::from(negated)..].iter().map(|(char, _)| *char).collect();
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        let range = at + 2 < members.len() && members[at + 1] == '-';
        let last = if range { members[at + 2] } else { members[at] };
        found |= (members[at]..=last).contains(&char::from(byte));
        at += if range { 3 } else { 1 };
    }
    byte != b'/' && found != negated
}
