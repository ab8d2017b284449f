//! Commands as sudo compares them: whether two of them can be the same one.

use super::ast;
use super::ere::Ere;
use super::glob::{self, Piece};
use crate::sha256::Sha256;

/// One command of sudoers, without aliases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) program: Program,
    pub(super) arguments: Arguments,
    /// Only files with one of these, sorted; none: any file. Only of what permits: what takes away does for any file.
    pub(super) sha256: Vec<Sha256>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    All,
    /// A path without wildcards, in its plain form.
    Path(String),
    /// A glob, component by component; never empty.
    Glob(Vec<Vec<Piece>>),
    /// All files in this folder.
    Folder(String),
    /// `sudoedit`; the arguments are files.
    Sudoedit,
    /// What can't be said: it may be any command. Only to take away.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    Any,
    None,
    /// Word by word, compared as one text; never empty.
    Words(Vec<Vec<Piece>>),
    /// These, compared one by one, as doas does; never empty.
    Exactly(Vec<String>),
    /// Between `^` and `$`; `None` if it is not understood.
    Regex(Option<Ere>),
}

/// Why a command has no counterpart.
pub(super) type Why = &'static str;

/// What a regex for a path may stand for.
const MOST_PATHS: usize = 64;

impl Command {
    pub(super) const ALL: Self =
        Self { program: Program::All, arguments: Arguments::Any, sha256: Vec::new() };
    pub(super) const UNKNOWN: Self =
        Self { program: Program::Unknown, arguments: Arguments::Any, sha256: Vec::new() };

    /// The commands that one of sudoers stands for: several for a regex.
    pub(super) fn of(what: &ast::What) -> Result<Vec<Self>, Why> {
        let arguments = match &what.arguments {
            ast::Arguments::Any => Arguments::Any,
            ast::Arguments::None => Arguments::None,
            ast::Arguments::Words(words) => {
                let edits = what.program == ast::Program::Sudoedit;
                match pieces_of(words)?.as_slice() {
                    // Alone it also matches no argument at all.
                    [word] if *word == [Piece::Many] && !edits => Arguments::Any,
                    words => Arguments::Words(words.to_vec()),
                }
            }
            ast::Arguments::Regex(regex) => match regex.as_str() {
                "^$" => Arguments::None,
                "^.*$" => Arguments::Any,
                regex => Arguments::Regex(Ere::parse(regex)),
            },
        };
        let programs = match &what.program {
            ast::Program::All => vec![Program::All],
            ast::Program::Path(path) => vec![Program::of(path)?],
            ast::Program::Regex(regex) => {
                let texts = Ere::parse(regex).and_then(|ere| ere.texts(MOST_PATHS));
                let texts = texts.ok_or("a regex for a path stands only where it means a few paths")?;
                let literal = |path: &String| plain(path).map(Program::Path);
                texts.iter().map(literal).collect::<Result<_, _>>()?
            }
            ast::Program::Sudoedit => vec![Program::Sudoedit],
            ast::Program::List => return Err("listing what others may do is root's"),
            ast::Program::Alias(_) => return Err("there is no such alias"),
        };
        let command = |program| Self { program, arguments: arguments.clone(), sha256: Vec::new() };
        Ok(programs.into_iter().map(command).collect())
    }

    /// Whether some command may match both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.program.overlaps(&other.program) && self.arguments.overlaps(&other.arguments)
    }

    /// Whether each command that matches the other matches this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let programs = match (&self.program, &other.program) {
            (Program::All | Program::Unknown, _) => true,
            (Program::Folder(folder), Program::Path(path)) => {
                path.rsplit_once('/').is_some_and(|(own, _)| own == folder)
            }
            (one, other) => one == other,
        };
        let files = self.sha256.is_empty() || self.sha256 == other.sha256;
        programs && files && (self.arguments == Arguments::Any || self.arguments == other.arguments)
    }
}

/// The parts of words, which sudo compares as one text. A class or a backslash that reaches over a blank can't be said.
fn pieces_of(words: &[String]) -> Result<Vec<Vec<Piece>>, Why> {
    const CLASS: Why = "a class of characters in it can't be said";
    let pieces: Vec<Vec<Piece>> =
        words.iter().map(|word| glob::pieces(word)).collect::<Result<_, _>>().map_err(|_| CLASS)?;
    let whole = glob::pieces(&words.join(" ")).map_err(|_| CLASS)?;
    if pieces.join(&Piece::Char(' ')) == whole {
        Ok(pieces)
    } else {
        Err("a class of characters or a backslash in it reaches over a blank")
    }
}

impl Program {
    fn of(path: &str) -> Result<Self, Why> {
        if let Some(folder) = path.strip_suffix('/') {
            return if folder.contains(['*', '?', '[']) {
                Err("a folder with wildcards can't be said")
            } else {
                plain(folder).map(Self::Folder)
            };
        }
        let path = plain(path)?;
        let components = path.split('/').skip(1).map(glob::pieces).collect::<Result<Vec<_>, _>>();
        let components = components.map_err(|_| "a class of characters in its path can't be said")?;
        let literals: Option<Vec<String>> = components.iter().map(|one| glob::literal(one)).collect();
        Ok(literals.map_or(Self::Glob(components), |names| Self::Path(format!("/{}", names.join("/")))))
    }

    /// By the last component alone: folders may be links to each other.
    fn overlaps(&self, other: &Self) -> bool {
        fn last(path: &str) -> &str {
            path.rsplit('/').next().unwrap_or_default()
        }
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => true,
            (Self::Sudoedit, other) | (other, Self::Sudoedit) => matches!(other, Self::All | Self::Sudoedit),
            (Self::Path(one), Self::Path(other)) => last(one) == last(other),
            (Self::Path(path), Self::Glob(glob)) | (Self::Glob(glob), Self::Path(path)) => {
                glob.last().is_none_or(|pieces| glob::may_match(pieces, last(path)))
            }
            _ => true,
        }
    }
}

/// The path without `//` and `/./`, which mean nothing.
fn plain(path: &str) -> Result<String, Why> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if !path.starts_with('/') || parts.is_empty() || parts.contains(&"..") {
        return Err("its path is not in its plain form");
    }
    Ok(format!("/{}", parts.join("/")))
}

impl Arguments {
    fn overlaps(&self, other: &Self) -> bool {
        let joined = |words: &[Vec<Piece>]| words.join(&Piece::Char(' '));
        match (self, other) {
            (Self::Any | Self::Regex(_), _) | (_, Self::Any | Self::Regex(_)) | (Self::None, Self::None) => {
                true
            }
            (Self::Exactly(one), Self::Exactly(other)) => one == other,
            (Self::Exactly(_), other) | (other, Self::Exactly(_)) => *other != Self::None,
            (Self::None, Self::Words(words)) | (Self::Words(words), Self::None) => {
                glob::may_match(&joined(words), "")
            }
            (Self::Words(one), Self::Words(other)) => {
                let (one, other) = (joined(one), joined(other));
                match (glob::literal(&one), glob::literal(&other)) {
                    (Some(text), _) => glob::may_match(&other, &text),
                    (_, Some(text)) => glob::may_match(&one, &text),
                    (None, None) => {
                        let (one, other) = (glob::prefix(&one), glob::prefix(&other));
                        one.starts_with(&other) || other.starts_with(&one)
                    }
                }
            }
        }
    }
}
