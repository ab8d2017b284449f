//! The canonical form of a policy file: the same meaning and the same comments, keys in the order of the guide, one way to lay them out.
//!
//! Values are never rewritten, only laid out; rules, sets and tables keep their order, as people order them. What comes out is compared
//! with what went in, and formatting it again changes nothing.

mod layout;
mod order;
mod read;

use toml::de::DeTable;

use self::read::Section;
use crate::diagnostics::Diagnostics;
use crate::load::Reader;
use crate::source::Source;

/// The text in its canonical form.
///
/// # Errors
/// [`Diagnostics`] if it is not TOML. Whether it is a policy is not asked.
pub fn format(source: &Source) -> Result<String, Diagnostics> {
    let (_, errors) = DeTable::parse_recoverable(&source.text);
    let mut reader = Reader::new(source);
    for error in &errors {
        reader.mistake(error.span().unwrap_or(0..0), error.message(), "");
    }
    if errors.is_empty() {
        let text = formatted(&source.text);
        if is_same(&source.text, &text) {
            return Ok(text);
        }
        reader.mistake(
            0..0,
            "formatting would change what this file means",
            "leave it as it is, and report it",
        );
    }
    Err(reader.found)
}

fn formatted(text: &str) -> String {
    let (mut sections, end) = read::sections(text);
    order::sort(&mut sections);
    let mut out = layout::Lines::default();
    for section in &sections {
        section.write(&mut out);
    }
    out.comments(&end);
    out.finish()
}

/// Whether two texts are the same table.
fn is_same(one: &str, other: &str) -> bool {
    let parse = |text: &str| text.parse::<toml::Table>();
    matches!((parse(one), parse(other)), (Ok(one), Ok(other)) if one == other)
}

impl Section<'_> {
    fn write(&self, out: &mut layout::Lines) {
        if let Some(header) = &self.header {
            out.header(&self.above, header, self.trailing);
        }
        for pair in &self.pairs {
            out.pair(pair);
        }
    }
}
