//! Tables in Markdown, for the terminal and for `docs/performance.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::cargo::{Done, workspace};

/// What one section measured.
#[derive(Default)]
pub(crate) struct Section {
    pub(crate) tables: Vec<Table>,
    pub(crate) targets: Vec<Target>,
}

/// Figures. The first column is left-aligned, the others are numbers.
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new<S: AsRef<str>>(columns: &[S]) -> Self {
        let columns = columns.iter().map(|column| column.as_ref().to_owned()).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

/// A figure that has to be at most, or at least, something.
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) bound: Bound,
    pub(crate) must: f64,
    /// What to strive for, where the issue names it.
    pub(crate) reach: Option<f64>,
}

/// On which side of a target is right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
}

impl Target {
    /// A ratio that must be at most this.
    pub(crate) fn at_most(what: &str, measured: f64, must: f64, reach: Option<f64>) -> Self {
        Self { what: what.to_owned(), measured, bound: Bound::AtMost, must, reach }
    }

    /// A ratio that must be at least this.
    pub(crate) fn at_least(what: &str, measured: f64, must: f64) -> Self {
        Self { what: what.to_owned(), measured, bound: Bound::AtLeast, must, reach: None }
    }

    fn holds(&self, limit: f64) -> bool {
        // As shown: 0.604 is 0.60. What is not a number meets nothing.
        let shown = (self.measured * 1000.0).round() / 1000.0;
        match self.bound {
            Bound::AtMost => shown <= limit,
            Bound::AtLeast => shown >= limit,
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.holds(self.must), self.reach.map(|reach| self.holds(reach))) {
            (false, _) => "**not met**",
            (true, Some(true)) => "met, reached",
            (true, _) => "met",
        }
    }
}

impl Section {
    /// All tables, with this line below them.
    pub(crate) fn markdown(&self, circumstances: &str) -> String {
        let mut text = String::new();
        for table in &self.tables {
            write_table(&mut text, &table.columns, &table.rows);
        }
        if !self.targets.is_empty() {
            let columns = ["target", "must", "reach for", "measured", ""].map(str::to_owned);
            let rows: Vec<_> = self.targets.iter().map(cells).collect();
            write_table(&mut text, &columns, &rows);
        }
        let _ = writeln!(text, "{circumstances}");
        text
    }
}

fn cells(target: &Target) -> Vec<String> {
    let sign = if target.bound == Bound::AtMost { "≤" } else { "≥" };
    vec![
        target.what.clone(),
        format!("{sign} {}", number(target.must)),
        target.reach.map(number).unwrap_or_default(),
        number(target.measured),
        target.verdict().to_owned(),
    ]
}

/// Three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        small if small < 1.0 => {
            let text = format!("{value:.3}");
            // 0.600 is 0.60, as people write it.
            text.strip_suffix('0').map_or(text.clone(), str::to_owned)
        }
        small if small < 10.0 => format!("{value:.2}"),
        small if small < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn write_table(text: &mut String, columns: &[String], rows: &[Vec<String>]) {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).chain(columns.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default().max(3)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
            if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    text.push_str(&line(columns));
    let rule = widths.iter().enumerate().map(|(at, width)| {
        let dashes = "-".repeat(width - 1);
        if at == 0 { format!("{dashes}-") } else { format!("{dashes}:") }
    });
    let _ = writeln!(text, "| {} |", rule.collect::<Vec<_>>().join(" | "));
    for row in rows {
        text.push_str(&line(row));
    }
    text.push('\n');
}

/// Puts a section's text between its markers in `docs/performance.md`.
///
/// # Errors
/// The document has no such place, or can't be written.
pub(crate) fn put(section: &str, text: &str) -> Done {
    let path = workspace().join("docs/performance.md");
    let failed = |error: std::io::Error| format!("{}: {error}", Path::new("docs/performance.md").display());
    let document = fs::read_to_string(&path).map_err(failed)?;
    let document = replaced(&document, section, text).ok_or_else(|| {
        format!("docs/performance.md has no place for {section}: <!-- bench: {section} -->")
    })?;
    fs::write(&path, document).map_err(failed)
}

/// The document with this between the section's markers; nothing if they are not there.
fn replaced(document: &str, section: &str, text: &str) -> Option<String> {
    let marker = format!("<!-- bench: {section} -->\n");
    let (before, rest) = document.split_once(&marker)?;
    let (_, after) = rest.split_once("<!-- /bench -->")?;
    Some(format!("{before}{marker}{text}<!-- /bench -->{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_what_stood_between_its_markers() {
        let document =
            "a\n<!-- bench: one -->\nold\n<!-- /bench -->\nb\n<!-- bench: two -->\n<!-- /bench -->\n";
        let new = replaced(document, "one", "new\n").expect("it has the markers");
        assert_eq!(
            new,
            "a\n<!-- bench: one -->\nnew\n<!-- /bench -->\nb\n<!-- bench: two -->\n<!-- /bench -->\n"
        );
        assert!(replaced(document, "three", "x").is_none());
    }

    #[test]
    fn a_target_is_met_reached_or_not() {
        let verdict = |measured| Target::at_most("x", measured, 0.6, Some(0.55)).verdict();
        assert_eq!(verdict(0.5), "met, reached");
        assert_eq!(verdict(0.6), "met");
        assert_eq!(verdict(0.601), "**not met**");
        assert_eq!(verdict(f64::NAN), "**not met**");
        assert_eq!(Target::at_least("x", 1.3, 1.4).verdict(), "**not met**");
    }

    #[test]
    fn tables_are_aligned() {
        let mut table = Table::new(&["what", "ms"]);
        table.row(vec!["true".into(), "0.931".into()]);
        let section = Section { tables: vec![table], targets: Vec::new() };
        assert_eq!(section.markdown("so"), "| what |    ms |\n| ---- | ----: |\n| true | 0.931 |\n\nso\n");
    }
}
