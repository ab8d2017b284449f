//! Cuts a long file at its `[[rule]]` headers, so that it need not be in memory as one tree.
//!
//! A tree takes twenty times the room of its text. The lexer, which knows strings and comments, finds the headers;
//! each block of rules is then parsed alone, and the rest of the file with blanks in the place of the blocks.
//! Wherever that could read differently from the whole, the caller reads the whole.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// About how long a block is.
const BLOCK: usize = 64 << 10;

/// A file in parts.
pub(super) struct Blocks {
    /// The file, with blanks for the blocks: each byte stands where it stood.
    pub(super) rest: String,
    /// Each begins with `[[rule]]` and holds nothing but rules.
    pub(super) blocks: Vec<Range<usize>>,
}

/// Cuts; `None` if there is nothing to gain.
pub(super) fn cut(text: &str, block: usize) -> Option<Blocks> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut open: Option<usize> = None;
    for (at, header) in headers(text) {
        match (header, open) {
            (Header::Rule, None) => open = Some(at),
            (Header::Rule, Some(start)) if at - start >= block => {
                blocks.push(start..at);
                open = Some(at);
            }
            (Header::Other, Some(start)) => {
                blocks.push(start..at);
                open = None;
            }
            _ => {}
        }
    }
    blocks.extend(open.map(|start| start..text.len()));
    if blocks.is_empty() {
        return None;
    }
    let mut rest = String::with_capacity(text.len());
    for block in &blocks {
        rest.push_str(text.get(rest.len()..block.start)?);
        rest.extend(std::iter::repeat_n(' ', block.len()));
    }
    rest.push_str(text.get(rest.len()..)?);
    Some(Blocks { rest, blocks })
}

/// As [`cut`], for a file that is long enough.
pub(super) fn cut_if_long(text: &str) -> Option<Blocks> {
    if text.len() > 4 * BLOCK { cut(text, BLOCK) } else { None }
}

/// A table header.
pub(crate) enum Header {
    /// `[[rule]]`
    Rule,
    /// `[rule.require]` and the like: belongs to the rule before it.
    OfRule,
    /// Any other.
    Other,
}

/// Every table header, with where it begins.
pub(crate) fn headers(text: &str) -> impl Iterator<Item = (usize, Header)> {
    let (mut depth, mut line_starts) = (0_usize, true);
    Source::new(text).lex().filter_map(move |token| {
        let mut found = None;
        match token.kind() {
            TokenKind::Newline => line_starts = true,
            TokenKind::Whitespace => {}
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                if depth == 0 && line_starts {
                    let at = token.span().start();
                    found = Some((at, header(text.get(at..).unwrap_or_default())));
                }
                depth += 1;
                line_starts = false;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                depth = depth.saturating_sub(1);
                line_starts = false;
            }
            _ => line_starts = false,
        }
        found
    })
}

fn header(text: &str) -> Header {
    if text.starts_with("[[rule]]") {
        Header::Rule
    } else if text.starts_with("[rule.") || text.starts_with("[[rule.") {
        Header::OfRule
    } else {
        Header::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Vec<&str>, String) {
        cut(text, 1).map_or((Vec::new(), text.to_owned()), |cut| {
            (cut.blocks.iter().map(|block| &text[block.clone()]).collect(), cut.rest)
        })
    }

    #[test]
    fn a_block_is_a_rule_with_its_tables() {
        let text =
            "schema = 1\n[[rule]]\na = 1\n[rule.grant]\nb = 2\n[[rule]]\nc = 3\n[sets.users]\nd = []\n";
        let (blocks, rest) = parts(text);
        assert_eq!(blocks, ["[[rule]]\na = 1\n[rule.grant]\nb = 2\n", "[[rule]]\nc = 3\n"]);
        assert_eq!(rest, format!("schema = 1\n{}[sets.users]\nd = []\n", " ".repeat(blocks.concat().len())));
    }

    #[test]
    fn headers_in_strings_comments_and_arrays_are_none() {
        for text in [
            "a = '''\n[[rule]]\n'''\n",
            "# \"\"\"\n# [[rule]]\n",
            "a = [\n[[rule]]\n]\n",
            "a = \"[[rule]]\"\n",
        ] {
            assert_eq!(parts(text).0, Vec::<&str>::new(), "{text}");
        }
    }
}
