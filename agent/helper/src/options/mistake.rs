//! What can be wrong with a command line, in words.

use std::fmt;

/// Why a command line is refused. The strings are options as they were written, escaped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// No such option.
    Unknown(String),
    /// The beginning of more than one option.
    Ambiguous(String),
    /// An option of sudo's or ours that is not built yet.
    NotBuilt(String),
    /// An option of sudo's that never will be, and why.
    Refused(String, &'static str),
    /// A value is missing or empty.
    NeedsValue(String),
    /// `--stdin=x`.
    TakesNoValue(String),
    /// A value option stands twice.
    Twice(String),
    /// `--preserve-env=A=b`.
    NotAName(String),
    /// `=value`.
    NoVariable,
    /// Two things that do not go together.
    Conflict(&'static str, &'static str),
    /// A value that is not UTF-8.
    NotText(&'static str),
    /// Not a duration.
    Duration(&'static str),
    /// `-T` with something else than a time.
    Timeout,
    /// `-C` with something else than a descriptor from 3 on.
    Descriptor,
    /// `-U` without `-l`.
    OnlyWithList,
    /// Nothing to run.
    NoCommand,
    /// Nothing to edit, or an empty name.
    NoFile,
    /// Something to run where nothing is run.
    TakesNoCommand(&'static str),
}

impl Mistake {
    /// `-h host`, in all its forms.
    pub(super) fn host() -> Self {
        Self::Refused("-h HOST".to_owned(), "policy is evaluated for this host and no other")
    }

    /// What to do about it; may be empty.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Refused(..) => "",
            Self::NotBuilt(_) => "this version runs the command without that option",
            Self::Duration(_) => "write it as 90s, 15m, 1h30m or 7d, at least one second",
            Self::Timeout => "write it in seconds, or as 90s, 15m, 1h30m or 7d",
            _ => "--help lists the options",
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option {option}"),
            Self::Ambiguous(option) => write!(f, "more than one option begins with {option}"),
            Self::NotBuilt(option) => write!(f, "the option {option} is not built yet"),
            Self::Refused(option, why) => write!(f, "the option {option} is refused: {why}"),
            Self::NeedsValue(option) => write!(f, "the option {option} needs a value"),
            Self::TakesNoValue(option) => write!(f, "the option {option} takes no value"),
            Self::Twice(option) => write!(f, "the option {option} is given twice"),
            Self::NotAName(option) => {
                write!(f, "the option {option} takes names of variables, without values")
            }
            Self::NoVariable => f.write_str("a variable has no name"),
            Self::Conflict(one, other) => write!(f, "{one} and {other} do not go together"),
            Self::NotText(from) => write!(f, "the value of {from} is not UTF-8"),
            Self::Duration(from) => write!(f, "the value of {from} is not a duration"),
            Self::Timeout => f.write_str("the value of -T is not a time"),
            Self::Descriptor => f.write_str("the argument to -C must be a number greater than or equal to 3"),
            Self::OnlyWithList => f.write_str("the -U option may only be used with the -l option"),
            Self::NoFile => f.write_str("there is no file to edit"),
            Self::NoCommand => f.write_str("there is no command to run"),
            Self::TakesNoCommand(option) => write!(f, "the option {option} takes no command"),
        }
    }
}
