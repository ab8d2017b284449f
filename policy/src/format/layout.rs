//! How sections, keys and values are laid out.

use super::read::{Above, Item, Pair, Value};

/// The longest line, in characters, that a list may take.
const WIDTH: usize = 100;
/// One step in.
const INDENT: &str = "  ";

/// Lines of the result.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<String>,
    /// The last line is a header.
    behind_header: bool,
}

impl Lines {
    /// A header, with an empty line above it.
    pub(super) fn header(&mut self, above: &[Above<'_>], header: &str, trailing: Option<&str>) {
        if !above.contains(&Above::Blank) {
            self.blank();
        }
        self.comments(above);
        self.lines.push(with_comment(header.to_owned(), trailing));
        self.behind_header = true;
    }

    /// A key; empty lines only around its comments.
    pub(super) fn pair(&mut self, pair: &Pair<'_>) {
        let comments = pair.above.iter().any(|above| matches!(above, Above::Comment(_)));
        if comments {
            let above: Vec<Above<'_>> = pair
                .above
                .iter()
                .copied()
                .skip_while(|above| self.behind_header && *above == Above::Blank)
                .collect();
            self.comments(&above);
        }
        self.behind_header = false;
        let Pair { key, value, .. } = pair;
        // A comment behind a line is about that line.
        let keep = pair.trailing.is_some() && pair.in_one_line;
        let text = if keep {
            in_one_line(value).unwrap_or_default()
        } else {
            laid_out(value, "", key.chars().count() + 3)
        };
        let text = with_comment(format!("{key} = {text}"), pair.trailing);
        self.lines.extend(text.split('\n').map(str::to_owned));
    }

    pub(super) fn comments(&mut self, above: &[Above<'_>]) {
        for above in above {
            match above {
                Above::Blank => self.blank(),
                Above::Comment(comment) => self.lines.push((*comment).to_owned()),
            }
        }
    }

    /// One, and none at the beginning.
    fn blank(&mut self) {
        if self.lines.last().is_some_and(|last| !last.is_empty()) {
            self.lines.push(String::new());
        }
    }

    pub(super) fn finish(mut self) -> String {
        while self.lines.last().is_some_and(String::is_empty) {
            self.lines.pop();
        }
        self.lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
    }
}

fn with_comment(mut text: String, comment: Option<&str>) -> String {
    if let Some(comment) = comment {
        text.push(' ');
        text.push_str(comment);
    }
    text
}

/// In one line if it fits behind what stands before it, else an item a line.
fn laid_out(value: &Value<'_>, indent: &str, before: usize) -> String {
    let (list, open, close) = match value {
        Value::Plain(text) => return (*text).to_owned(),
        Value::Array(list) => (list, '[', ']'),
        Value::Table(list) => (list, '{', '}'),
    };
    let fits = |text: &String| indent.len() + before + text.chars().count() <= WIDTH;
    // A table is broken only where a comment does so.
    if let Some(text) = in_one_line(value).filter(|text| close == '}' || list.items.is_empty() || fits(text))
    {
        return text;
    }
    let inner = format!("{indent}{INDENT}");
    let mut text = format!("{open}\n");
    let mut line = |line: String| {
        text.push_str(&inner);
        text.push_str(&line);
        text.push('\n');
    };
    for item in &list.items {
        item.above.iter().for_each(|comment| line((*comment).to_owned()));
        let key = item.key.as_ref().map(|key| format!("{key} = ")).unwrap_or_default();
        let value = laid_out(&item.value, &inner, key.chars().count() + 1);
        line(with_comment(format!("{key}{value},"), item.trailing));
    }
    list.end.iter().for_each(|comment| line((*comment).to_owned()));
    format!("{text}{indent}{close}")
}

/// `None` if a comment or a long string forbids it.
fn in_one_line(value: &Value<'_>) -> Option<String> {
    let (list, open, close) = match value {
        Value::Plain(text) => return Some((*text).to_owned()),
        Value::Array(list) => (list, "[", "]"),
        Value::Table(list) if list.items.is_empty() => (list, "{", "}"),
        Value::Table(list) => (list, "{ ", " }"),
    };
    let items = list.items.iter().map(Item::in_one_line).collect::<Option<Vec<String>>>()?;
    list.end.is_empty().then(|| format!("{open}{}{close}", items.join(", ")))
}

impl Item<'_> {
    fn in_one_line(&self) -> Option<String> {
        if !self.above.is_empty() || self.trailing.is_some() {
            return None;
        }
        let value = in_one_line(&self.value).filter(|value| !value.contains('\n'))?;
        Some(self.key.as_ref().map_or_else(|| value.clone(), |key| format!("{key} = {value}")))
    }
}
