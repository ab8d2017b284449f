//! Extended regular expressions of POSIX, as sudo reads them between `^` and `$`.

use super::glob::{contains, named_class, push_class};

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ere {
    Char(char),
    /// `.`
    Any,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Then(Vec<Ere>),
    Either(Vec<Ere>),
    Repeat {
        what: Box<Ere>,
        least: u32,
        most: Option<u32>,
    },
}

/// How deep groups may stand in groups.
const DEEPEST: usize = 50;

impl Ere {
    /// Reads what stands between `^` and `$`. `None` if it says more than this knows, as `^a|b$` does: what begins with
    /// an `a`, or ends with a `b`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('^')?.strip_suffix('$')?;
        let chars: Vec<char> = inner.chars().collect();
        let mut parser = Parser { chars: &chars, at: 0 };
        let ere = parser.then(0)?;
        (parser.at == chars.len()).then_some(ere)
    }

    /// Whether it may match a text with a blank.
    pub(super) fn may_match_blank(&self) -> bool {
        match self {
            Self::Char(char) => *char == ' ',
            Self::Any => true,
            Self::Class { negated, ranges } => contains(ranges, ' ') != *negated,
            Self::Then(all) | Self::Either(all) => all.iter().any(Self::may_match_blank),
            Self::Repeat { what, most, .. } => *most != Some(0) && what.may_match_blank(),
        }
    }

    /// Whether it is `.*`.
    pub(super) fn is_anything(&self) -> bool {
        matches!(self, Self::Repeat { what, least: 0, most: None } if **what == Self::Any)
    }

    /// All texts that it matches, if they are at most so many.
    pub(super) fn texts(&self, most: usize) -> Option<Vec<String>> {
        let texts = match self {
            Self::Char(char) => vec![char.to_string()],
            Self::Any | Self::Class { negated: true, .. } => return None,
            Self::Class { ranges, .. } => {
                let mut texts: Vec<String> =
                    ranges.iter().flat_map(|(low, high)| *low..=*high).map(String::from).collect();
                texts.sort();
                texts.dedup();
                texts
            }
            Self::Then(all) => {
                let mut texts = vec![String::new()];
                for one in all {
                    let ends = one.texts(most)?;
                    if texts.len() * ends.len() > most {
                        return None;
                    }
                    texts = texts
                        .iter()
                        .flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")))
                        .collect();
                }
                texts
            }
            Self::Either(all) => {
                let mut texts = Vec::new();
                for one in all {
                    texts.append(&mut one.texts(most)?);
                }
                texts
            }
            Self::Repeat { what, least: 0, most: Some(1) } => {
                let mut texts = vec![String::new()];
                texts.append(&mut what.texts(most)?);
                texts
            }
            Self::Repeat { what, least: 1, most: Some(1) } => what.texts(most)?,
            Self::Repeat { .. } => return None,
        };
        (texts.len() <= most).then_some(texts)
    }

    /// The alternatives of the whole, each cut at its blanks into words.
    pub(super) fn alternatives(&self) -> Vec<Vec<Self>> {
        match self {
            Self::Either(all) => all.iter().flat_map(Self::alternatives).collect(),
            Self::Repeat { what, least: 0, most: Some(1) } => {
                let mut all = vec![vec![Self::Then(Vec::new())]];
                all.append(&mut what.alternatives());
                all
            }
            Self::Then(all) => {
                if let [one @ (Self::Either(_) | Self::Repeat { least: 0, most: Some(1), .. })] =
                    all.as_slice()
                {
                    return one.alternatives();
                }
                let words = all.split(|one| *one == Self::Char(' '));
                vec![words.map(|word| Self::Then(word.to_vec())).collect()]
            }
            one => vec![vec![one.clone()]],
        }
    }

    /// In the syntax of our regexes, not anchored, on bytes.
    pub(super) fn regex(&self) -> String {
        let mut text = String::new();
        self.push(&mut text);
        text
    }

    fn push(&self, text: &mut String) {
        match self {
            Self::Char(char) => text.push_str(&regex::escape(char.encode_utf8(&mut [0; 4]))),
            Self::Any => text.push_str("(?s-u:.)"),
            Self::Class { negated, ranges } => push_class(text, *negated, ranges),
            Self::Then(all) => all.iter().for_each(|one| one.push(text)),
            Self::Either(all) => {
                text.push_str("(?:");
                for (at, one) in all.iter().enumerate() {
                    if at > 0 {
                        text.push('|');
                    }
                    one.push(text);
                }
                text.push(')');
            }
            Self::Repeat { what, least, most } => {
                let bare = matches!(**what, Self::Any | Self::Class { .. } | Self::Either(_) | Self::Char(_));
                if bare {
                    what.push(text);
                } else {
                    text.push_str("(?:");
                    what.push(text);
                    text.push(')');
                }
                let times = match (least, most) {
                    (0, None) => "*".to_owned(),
                    (1, None) => "+".to_owned(),
                    (0, Some(1)) => "?".to_owned(),
                    (least, None) => format!("{{{least},}}"),
                    (least, Some(most)) => format!("{{{least},{most}}}"),
                };
                text.push_str(&times);
            }
        }
    }
}

struct Parser<'t> {
    chars: &'t [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, char: char) -> bool {
        let here = self.peek() == Some(char);
        self.at += usize::from(here);
        here
    }

    fn either(&mut self, depth: usize) -> Option<Ere> {
        if depth > DEEPEST {
            return None;
        }
        let mut all = vec![self.then(depth)?];
        while self.take('|') {
            all.push(self.then(depth)?);
        }
        if all.len() == 1 { all.pop() } else { Some(Ere::Either(all)) }
    }

    fn then(&mut self, depth: usize) -> Option<Ere> {
        let mut all = Vec::new();
        while let Some(char) = self.peek().filter(|char| !matches!(char, '|' | ')')) {
            self.at += 1;
            let one = match char {
                '.' => Ere::Any,
                '[' => self.class()?,
                '(' => {
                    let inner = self.either(depth + 1)?;
                    if !self.take(')') {
                        return None;
                    }
                    inner
                }
                '\\' => {
                    let char = self.peek()?;
                    self.at += 1;
                    // Back-references and GNU's letters are beyond this.
                    if char.is_alphanumeric() || matches!(char, '<' | '>' | '`' | '\'') {
                        return None;
                    }
                    Ere::Char(char)
                }
                '^' | '$' | '*' | '+' | '?' | '{' => return None,
                char => Ere::Char(char),
            };
            all.push(self.repeated(one)?);
        }
        Some(if all.len() == 1 { all.pop()? } else { Ere::Then(all) })
    }

    fn repeated(&mut self, mut what: Ere) -> Option<Ere> {
        for _ in 0..3 {
            let (least, most) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => {
                    let (least, most) = self.bound()?;
                    what = Ere::Repeat { what: Box::new(what), least, most };
                    continue;
                }
                _ => return Some(what),
            };
            self.at += 1;
            what = Ere::Repeat { what: Box::new(what), least, most };
        }
        None
    }

    /// `{2}`, `{2,}`, `{2,5}`
    fn bound(&mut self) -> Option<(u32, Option<u32>)> {
        self.at += 1;
        let least = self.number()?;
        let most = if !self.take(',') {
            Some(least)
        } else if self.peek() == Some('}') {
            None
        } else {
            Some(self.number()?)
        };
        (self.take('}') && most.is_none_or(|most| most >= least) && least <= 255).then_some((least, most))
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.peek().and_then(|char| char.to_digit(10)) {
            self.at += 1;
            number = Some(number.unwrap_or(0) * 10 + digit);
            if number > Some(255) {
                return None;
            }
        }
        number
    }

    /// What follows a `[`. A backslash is an ordinary character there.
    fn class(&mut self) -> Option<Ere> {
        let negated = self.take('^');
        let mut ranges = Vec::new();
        let mut first = true;
        loop {
            let char = self.peek()?;
            self.at += 1;
            if char == ']' && !first {
                return Some(Ere::Class { negated, ranges });
            }
            first = false;
            if char == '[' && matches!(self.peek(), Some(':' | '.' | '=')) {
                let rest: String = self.chars.get(self.at..)?.iter().collect();
                let (name, _) = rest.strip_prefix(':')?.split_once(":]")?;
                ranges.extend_from_slice(named_class(name)?);
                self.at += name.chars().count() + 3;
                continue;
            }
            let mut high = char;
            if self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|next| *next != ']') {
                high = *self.chars.get(self.at + 1)?;
                self.at += 2;
            }
            if !char.is_ascii() || !high.is_ascii() || high < char {
                return None;
            }
            ranges.push((char, high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_matches_what_posix_matches() {
        for (ere, yes, no) in [
            ("^(start|stop) nginx$", "stop nginx", "restart nginx"),
            ("^[[:alnum:]_-]+$", "web_1-x", "web 1"),
            ("^a{2,3}$", "aaa", "a"),
            (r"^[\]x$", r"\x", "x"),
            (r"^a\.b$", "a.b", "axb"),
            ("^[]a]+$", "]a", "b"),
            ("^(a|b)?c$", "c", "abc"),
            ("^[^/]*$", "a b", "a/b"),
        ] {
            let regex = Ere::parse(ere).unwrap().regex();
            let regex = regex::bytes::Regex::new(&format!(r"\A(?:{regex})\z")).unwrap();
            assert!(regex.is_match(yes.as_bytes()) && !regex.is_match(no.as_bytes()), "{ere}: {regex}");
        }
    }

    #[test]
    fn what_is_beyond_is_refused() {
        for ere in
            [r"^(a)\1$", r"^\w+$", "^a^b$", "^(a$", "^a)$", "^*a$", "^a{300}$", "^[[=a=]]$", "^[ä]$", "a"]
        {
            assert_eq!(Ere::parse(ere), None, "{ere}");
        }
        assert_eq!(Ere::parse(&format!("^{}a{}$", "(".repeat(1000), ")".repeat(1000))), None);
    }

    #[test]
    fn few_texts_are_listed() {
        let texts = |ere| Ere::parse(ere).unwrap().texts(8);
        assert_eq!(texts("^/usr/(s?)bin/x$").unwrap(), ["/usr/bin/x", "/usr/sbin/x"]);
        assert_eq!(texts("^/[ab]/(c|d)$").unwrap(), ["/a/c", "/a/d", "/b/c", "/b/d"]);
        assert_eq!(texts("^/a/[a-z]$"), None);
        assert_eq!(texts("^/a*$"), None);
    }
}
