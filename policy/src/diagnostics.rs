//! Mistakes in policy files, each with its place and a hint.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::unseen::is_unseen;

/// How many mistakes are kept. A file with more has one cause, and a report of this length tells it.
const MOST: usize = 1000;

/// A place in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path of the file.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In bytes of the whole file.
    pub span: Range<usize>,
    /// The line, or a part of a very long one.
    pub(crate) excerpt: Arc<str>,
    /// The span within the excerpt.
    pub(crate) within: Range<usize>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Another place that belongs to it, with what is there.
    pub other: Option<(Place, String)>,
}

/// All mistakes that were found; never empty when it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    /// Beyond those that are kept.
    more: usize,
}

impl Diagnostics {
    /// Every mistake, by file and place; at most 1,000.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// How many there are, also beyond those that are kept.
    pub fn len(&self) -> usize {
        self.found.len() + self.more
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// As rustc shows them, in plain text, with a newline at the end.
    pub fn render(&self) -> String {
        let renderer = Renderer::plain();
        let mut text: String = self.found.iter().map(|one| one.render(&renderer) + "\n\n").collect();
        if self.more > 0 {
            let _ = writeln!(text, "and {} more\n", self.more);
        }
        text.pop();
        text
    }

    /// Keeps a mistake; what its message quotes from a file and is not seen is escaped.
    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.message.contains(is_unseen) {
            diagnostic.message = diagnostic.message.escape_debug().to_string();
        }
        if self.found.len() < MOST {
            self.found.push(diagnostic);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.more += other.more;
        for one in other.found {
            self.push(one);
        }
    }

    pub(crate) fn sort(&mut self) {
        self.found
            .sort_by(|a, b| (&a.place.file, a.place.span.start).cmp(&(&b.place.file, b.place.span.start)));
    }
}

impl Diagnostic {
    fn render(&self, renderer: &Renderer) -> String {
        let mut group = Level::ERROR
            .primary_title(&self.message)
            .element(self.place.snippet(AnnotationKind::Primary, None));
        if let Some((place, what)) = &self.other {
            group = group.element(place.snippet(AnnotationKind::Context, Some(what)));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint));
        }
        let groups: [Group<'_>; 1] = [group];
        renderer.render(&groups)
    }
}

impl Place {
    pub(crate) fn snippet<'p>(
        &'p self,
        kind: AnnotationKind,
        label: Option<&'p String>,
    ) -> Snippet<'p, annotate_snippets::Annotation<'p>> {
        Snippet::source(&*self.excerpt)
            .line_start(self.line)
            .path(&*self.file)
            .annotation(kind.span(self.within.clone()).label(label.map(String::as_str)))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render())
    }
}

impl std::error::Error for Diagnostics {}
