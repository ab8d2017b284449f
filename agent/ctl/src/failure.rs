//! What goes wrong, in the one shape it is told in: what happened, then what to do.

use std::io::{self, Write};
use std::process::ExitCode;

use jit_protocol::escape_lines;

/// Exit status for a command line that is not understood.
pub(crate) const USAGE: u8 = 2;

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The agent said no, or a check failed.
    Refused {
        /// What happened.
        what: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// A report that is already complete was printed; there is nothing to add.
    Told,
    /// The command line is wrong; the text is the whole message.
    Usage(String),
    /// Nobody reads the output any more.
    NobodyReads,
}

impl Failure {
    /// What happened, and what to do.
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: hint.into() }
    }

    /// A mistake on the command line.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// What happened, escaped, where it is shown among results.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Refused { what: text, .. } | Self::Usage(text) => escape_lines(text),
            Self::Told | Self::NobodyReads => String::new(),
        }
    }

    /// Tells it on standard error; the exit status.
    pub(crate) fn report(self) -> ExitCode {
        let (text, status) = match self {
            Self::Refused { what, hint } if hint.is_empty() => (format!("jitctl: {what}"), 1),
            Self::Refused { what, hint } => (format!("jitctl: {what}\nhint: {hint}"), 1),
            Self::Usage(text) => (text, USAGE),
            Self::Told | Self::NobodyReads => return ExitCode::FAILURE,
        };
        // Where nobody reads messages, the exit status still tells.
        let _ = writeln!(anstream::stderr(), "{}", escape_lines(&text));
        ExitCode::from(status)
    }
}

/// Tells something on standard error, where nothing went wrong.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", escape_lines(text));
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::new(format!("the output cannot be written: {error}"), ""),
        }
    }
}
