//! In which order keys stand: that of the guide.

use super::read::Section;
use crate::load::known;

/// The keys of a table, by its header.
const ORDER: [(&[&str], &[&str]); 8] = [
    (&["[[rule]]", "[defaults]"], &known::RULE),
    (&["[rule.when]", "[defaults.when]"], &known::WHEN),
    (&["[rule.require]", "[defaults.require]"], &known::REQUIRE),
    (&["[rule.grant]", "[defaults.grant]"], &known::GRANT),
    (&["[rule.restrict]", "[defaults.restrict]"], &known::RESTRICT),
    (&["[[login]]", "[login_defaults]"], &known::LOGIN),
    (&["[[test]]"], &known::TEST),
    (&[""], &["schema"]),
];

/// Sorts the keys of each section, and the tables of each rule.
pub(super) fn sort(sections: &mut [Section<'_>]) {
    for section in &mut *sections {
        let header = section.header.as_deref().unwrap_or_default();
        let known = keys_of(header);
        section.pairs.sort_by_cached_key(|pair| rank(&pair.key, known));
    }
    let is_part = |section: &Section<'_>| table_of(section).is_some();
    for parts in sections.chunk_by_mut(|one, other| {
        is_part(one) && table_of(one).map(|(owner, _)| owner) == table_of(other).map(|(owner, _)| owner)
    }) {
        let known = parts.first().and_then(table_of).map(|(owner, _)| owner.to_owned()).unwrap_or_default();
        let known = keys_of(if known == "rule" { "[[rule]]" } else { "[defaults]" });
        parts.sort_by_key(|part| table_of(part).map(|(_, table)| position(table, known)));
    }
}

/// `rule` and `grant` of `[rule.grant]`.
fn table_of<'s>(section: &'s Section<'_>) -> Option<(&'s str, &'s str)> {
    let header = section.header.as_deref()?.strip_prefix('[')?.strip_suffix(']')?;
    header
        .split_once('.')
        .filter(|(owner, table)| ["rule", "defaults"].contains(owner) && !table.contains('.'))
}

fn keys_of(header: &str) -> &'static [&'static str] {
    ORDER.iter().find(|(headers, _)| headers.contains(&header)).map_or(&[], |(_, keys)| keys)
}

/// By its tables, then by its own place; what is not known stays behind.
fn rank(key: &str, known: &[&str]) -> (usize, usize) {
    let (table, rest) = key.split_once('.').unwrap_or((key, ""));
    let inner = keys_of(&format!("[rule.{table}]"));
    (position(table, known), if rest.is_empty() { 0 } else { position(rest, inner) })
}

fn position(key: &str, known: &[&str]) -> usize {
    known.iter().position(|one| *one == key).unwrap_or(known.len())
}
