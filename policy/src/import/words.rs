//! Commands of sudoers, written as ours: word for argument.
//!
//! sudo compares the arguments as one text with blanks between them. So its `*` may be many arguments, and a word of ours
//! never is. To permit, a command is written so that it matches nothing that sudo's does not; to take away, so that it
//! matches everything that sudo's does.

use super::command::{Arguments, Command, Program, Why};
use super::ere::Ere;
use super::glob::{self, ANYTHING, Piece};
use super::toml::{quoted, shell_word, word};
use crate::request::EDIT;
use crate::sha256::Sha256;

/// Commands of ours, as TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) commands: Vec<String>,
    /// It matches less, or takes away more, than sudo's.
    pub(super) differs: Option<Why>,
    /// A `*` at the end is also further arguments.
    pub(super) open_end: bool,
}

/// Sudo's wildcards in arguments match blanks.
const WITHIN: Why = "a wildcard that is not at the end stays within one argument";
const TAKES_MORE: Why =
    "what it takes away is written with wildcards for whole arguments, which takes away more";

/// One argument of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    /// A word without quotes that matter, and how it is written in a string.
    Plain {
        word: String,
        shell: String,
    },
    Regex(String),
    Rest,
}

impl Argument {
    fn of(pieces: &[Piece]) -> Self {
        if pieces.iter().all(|piece| matches!(piece, Piece::Char(_))) {
            Self::plain(&glob::literal(pieces).unwrap_or_default())
        } else {
            Self::Regex(glob::regex(pieces))
        }
    }

    fn plain(text: &str) -> Self {
        Self::Plain { word: word(text), shell: shell_word(text) }
    }

    fn anything() -> Self {
        Self::Regex(ANYTHING.to_owned())
    }
}

/// A command that permits.
pub(super) fn permitting(command: &Command) -> Result<Written, Why> {
    let paths = match &command.program {
        Program::All => return Ok(all()),
        Program::Sudoedit => return edits(&command.arguments, PERMITS),
        Program::Unknown => return Err("it can't be said"),
        Program::Path(path) => word(path),
        Program::Folder(folder) => format!("{}/*", word(folder)),
        Program::Glob(components) => glob_path(components, true)?,
    };
    let mut written = Written::default();
    let lists = match &command.arguments {
        Arguments::Any => vec![vec![Argument::Rest]],
        Arguments::None => vec![vec![]],
        Arguments::Exactly(words) => vec![words.iter().map(|word| Argument::plain(word)).collect()],
        Arguments::Words(words) => {
            let (list, open_end, inner) = aligned(words);
            written.open_end = open_end;
            written.differs = inner.then_some(WITHIN);
            vec![list]
        }
        Arguments::Regex(None) => return Err("its regex is not understood"),
        Arguments::Regex(Some(ere)) => {
            let alternatives = ere.alternatives();
            if alternatives.len() > 64 {
                return Err("its regex has too many alternatives");
            }
            alternatives.iter().map(|words| regex_words(words, &mut written)).collect()
        }
    };
    written.commands = lists.iter().map(|list| command_text(&paths, list, &command.sha256)).collect();
    Ok(written)
}

/// Commands that take away.
pub(super) fn taking_away(command: &Command) -> Result<Written, Why> {
    let paths = match &command.program {
        Program::All => return Ok(all()),
        Program::Sudoedit => return edits(&command.arguments, !PERMITS),
        Program::Unknown => return Err("it can't be said"),
        Program::Path(path) => word(path),
        Program::Folder(folder) => format!("{}/*", word(folder)),
        Program::Glob(components) => {
            let folders = components.split_last().map_or(&[][..], |(_, folders)| folders);
            if folders.iter().flatten().any(Piece::is_wild) {
                return Err("a folder that a wildcard names may be a link, so that it can't be taken away");
            }
            glob_path(components, false)?
        }
    };
    let mut written = Written::default();
    let lists = match &command.arguments {
        Arguments::Any => vec![vec![Argument::Rest]],
        Arguments::None => vec![vec![]],
        Arguments::Exactly(words) => vec![words.iter().map(|word| Argument::plain(word)).collect()],
        Arguments::Words(words) => {
            let (lists, more) = covering(words);
            written.differs = more.then_some(TAKES_MORE);
            lists
        }
        Arguments::Regex(_) => {
            written.differs = Some("what a regex takes away is taken away with any arguments");
            vec![vec![Argument::Rest]]
        }
    };
    written.commands = lists.iter().map(|list| command_text(&paths, list, &[])).collect();
    Ok(written)
}

/// Which way a command is written.
const PERMITS: bool = true;

/// Files to edit, each by itself: here an edit is permitted if each of its files is, and taken away if any is.
fn edits(arguments: &Arguments, permits: bool) -> Result<Written, Why> {
    let mut written = Written::default();
    let any = || quoted(&format!("{EDIT} **"));
    written.commands.push(match arguments {
        Arguments::Any => any(),
        Arguments::Words(words)
            if !permits && !words.iter().all(|word| word.first() == Some(&Piece::Char('/'))) =>
        {
            written.differs = Some("what it takes away is taken away for any file");
            any()
        }
        Arguments::Words(words) => {
            if permits && words.len() > 1 {
                return Err("files that may be edited only together");
            }
            if words.len() > 1 {
                written.differs = Some("each of these files is taken away, also alone");
            }
            let files = words.iter().map(|word| edited(word)).collect::<Result<Vec<_>, _>>()?;
            format!("{{ edit = [{}] }}", files.iter().map(|file| quoted(file)).collect::<Vec<_>>().join(", "))
        }
        Arguments::None | Arguments::Exactly(_) => return Err("no file is named"),
        Arguments::Regex(Some(ere)) if permits => {
            if ere.may_match_blank() {
                written.differs = Some(WITHIN);
            }
            format!("{{ edit = [{{ regex = {} }}] }}", quoted(&ere.regex()))
        }
        Arguments::Regex(None) if permits => return Err("its regex is not understood"),
        Arguments::Regex(_) => {
            written.differs = Some("what a regex takes away is taken away for any file");
            any()
        }
    });
    // The words of one entry in a string, where nothing in them needs quotes.
    if let [text] = written.commands.as_slice()
        && let Some(file) = text.strip_prefix("{ edit = [\"").and_then(|rest| rest.strip_suffix("\"] }"))
        && !file.contains([' ', '\t', '\'', '"', '\\'])
    {
        written.commands = vec![quoted(&format!("{EDIT} {file}"))];
    }
    Ok(written)
}

/// One file: sudo's wildcards do not match a slash in it.
fn edited(word: &[Piece]) -> Result<String, Why> {
    if word.first() != Some(&Piece::Char('/')) {
        return Err("a file to edit has no absolute path");
    }
    let components: Vec<Vec<Piece>> =
        word.split(|piece| *piece == Piece::Char('/')).skip(1).map(<[Piece]>::to_vec).collect();
    glob_path(&components, !PERMITS)
}

fn all() -> Written {
    Written { commands: vec![quoted("ALL")], ..Written::default() }
}

/// Word for argument; whether the end is open, and whether a `*` elsewhere could have been several.
fn aligned(words: &[Vec<Piece>]) -> (Vec<Argument>, bool, bool) {
    let mut list: Vec<Argument> = words.iter().map(|word| Argument::of(word)).collect();
    let open_end = words.last().is_some_and(|word| word.last() == Some(&Piece::Many));
    if open_end {
        list.push(Argument::Rest);
    }
    let many = words.iter().flatten().filter(|piece| **piece == Piece::Many).count();
    let inner = many > usize::from(open_end);
    let prefixed = words.last().is_some_and(|word| word.len() > 1);
    (list, open_end && prefixed, inner)
}

/// Where the first wildcard stands that may be a blank; a `*` at the very end does not count.
fn blank_in(word: &[Piece], is_last: bool) -> Option<usize> {
    let at = word.iter().position(|piece| piece.is_wild() && piece.may_be(' '))?;
    (!is_last || at + 1 < word.len() || word.get(at) != Some(&Piece::Many)).then_some(at)
}

/// Lists of arguments that match all that sudo's words match; whether they match more.
fn covering(words: &[Vec<Piece>]) -> (Vec<Vec<Argument>>, bool) {
    // To sudo a blank in a word is as good as one between words.
    let words: Vec<Vec<Piece>> = words
        .iter()
        .flat_map(|word| word.split(|piece| *piece == Piece::Char(' ')).map(<[Piece]>::to_vec))
        .collect();
    let words = words.as_slice();
    let last = words.len().saturating_sub(1);
    let found = words.iter().enumerate().find_map(|(at, word)| Some((at, blank_in(word, at == last)?)));
    let before =
        |at: usize| -> Vec<Argument> { words.iter().take(at).map(|word| Argument::of(word)).collect() };
    let mut lists = Vec::new();
    let end = found.map_or(last, |(at, _)| at);
    match found {
        None => lists.push(aligned(words).0),
        Some((at, wildcard)) => {
            let word = words.get(at).map(Vec::as_slice).unwrap_or_default();
            let begins = format!("{}{ANYTHING}", glob::regex(word.get(..wildcard).unwrap_or_default()));
            if at == last {
                let mut exact = before(at);
                exact.push(Argument::of(word));
                lists.push(exact);
                let mut more = before(at);
                more.extend([Argument::Regex(begins), Argument::anything(), Argument::Rest]);
                lists.push(more);
            } else {
                let mut more = before(at);
                more.extend([Argument::Regex(begins), Argument::Rest]);
                lists.push(more);
            }
        }
    }
    // One argument with a blank in it may be what sudo takes for several.
    for at in 0..end {
        let word = words.get(at).map(Vec::as_slice).unwrap_or_default();
        let mut list = before(at);
        list.extend([Argument::Regex(format!("{} {ANYTHING}", glob::regex(word))), Argument::Rest]);
        lists.push(list);
    }
    (lists, found.is_some())
}

/// The words of a regex, each for one argument.
fn regex_words(words: &[Ere], written: &mut Written) -> Vec<Argument> {
    let mut list = Vec::new();
    if let [Ere::Then(parts)] = words
        && parts.is_empty()
    {
        return list;
    }
    let last = words.len().saturating_sub(1);
    for (at, word) in words.iter().enumerate() {
        let parts = if let Ere::Then(parts) = word { parts.as_slice() } else { std::slice::from_ref(word) };
        let open_end = at == last && parts.last().is_some_and(Ere::is_anything);
        let inner = parts.split_last().map_or(&[][..], |(_, inner)| inner);
        let crossing = if open_end { inner.iter().any(Ere::may_match_blank) } else { word.may_match_blank() };
        if crossing {
            written.differs = Some(WITHIN);
        }
        let literal = word.texts(1).and_then(|texts| texts.into_iter().next());
        list.push(match literal {
            Some(text) => Argument::plain(&text),
            None => Argument::Regex(word.regex()),
        });
        if open_end {
            written.open_end |= parts.len() > 1;
            // `^.*$` alone is also no argument at all, which is written as any.
            list.push(Argument::Rest);
        }
    }
    list
}

/// A path with wildcards. To permit, no wildcard at the beginning of a name matches a dot: sudo's glob(3) does not.
fn glob_path(components: &[Vec<Piece>], permits: bool) -> Result<String, Why> {
    let mut path = String::new();
    for component in components {
        path.push('/');
        let mut pieces = component.as_slice();
        if permits && let Some((first, rest)) = pieces.split_first() {
            let dotless = match first {
                Piece::Char(_) => None,
                Piece::Many => Some(match rest.first() {
                    Some(Piece::Char(next)) if *next != '.' => "{,[!.]*}".to_owned(),
                    _ => "[!.]*".to_owned(),
                }),
                Piece::One => Some("[!.]".to_owned()),
                Piece::Class { negated: true, ranges } => {
                    let with_dot: Vec<(char, char)> = ranges.iter().copied().chain([('.', '.')]).collect();
                    Some(class(true, &with_dot)?)
                }
                Piece::Class { negated: false, ranges } => {
                    if glob::contains(ranges, '.') {
                        return Err("a class in its path has a dot at the beginning of a name");
                    }
                    Some(class(false, ranges)?)
                }
            };
            if let Some(dotless) = dotless {
                path.push_str(&dotless);
                pieces = rest;
            }
        }
        for piece in pieces {
            match piece {
                Piece::Char(char) => path.push_str(&word(char.encode_utf8(&mut [0; 4]))),
                Piece::One => path.push('?'),
                Piece::Many if path.ends_with('*') && !path.ends_with("\\*") => {}
                Piece::Many => path.push('*'),
                Piece::Class { negated, ranges } => path.push_str(&class(*negated, ranges)?),
            }
        }
    }
    Ok(path)
}

/// A class of ours, in which a slash can't stand.
fn class(negated: bool, ranges: &[(char, char)]) -> Result<String, Why> {
    let mut text = if negated { "[!".to_owned() } else { "[".to_owned() };
    for (low, high) in ranges {
        if (*low..=*high).contains(&'/') {
            return Err("a class in its path has a slash");
        }
        for (at, char) in [low, high].into_iter().take(1 + usize::from(low != high)).enumerate() {
            if at > 0 {
                text.push('-');
            }
            if !char.is_ascii_alphanumeric() {
                text.push('\\');
            }
            text.push(*char);
        }
    }
    text.push(']');
    Ok(text)
}

/// As a string where that says it, else as a table. The path is one word, with its own backslashes.
fn command_text(path: &str, arguments: &[Argument], sha256: &[Sha256]) -> String {
    let plain: Option<Vec<&str>> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Plain { shell, .. } => Some(shell.as_str()),
            Argument::Rest => Some("**"),
            Argument::Regex(_) => None,
        })
        .collect();
    let in_string = sha256.is_empty() && !path.contains([' ', '\t', '\'', '"']) && !arguments.is_empty();
    if let (Some(words), true) = (plain, in_string) {
        return quoted(&format!("{path} {}", words.join(" ")));
    }
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Plain { word, .. } => quoted(word),
            Argument::Rest => quoted("**"),
            Argument::Regex(regex) => format!("{{ regex = {} }}", quoted(regex)),
        })
        .collect();
    let pins = match sha256 {
        [] => String::new(),
        [pin] => format!(", sha256 = \"{pin}\""),
        pins => format!(", sha256 = {:?}", pins.iter().map(Sha256::to_string).collect::<Vec<_>>()),
    };
    format!("{{ path = {}, args = [{}]{pins} }}", quoted(path), arguments.join(", "))
}
