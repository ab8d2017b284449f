//! What a command line is for, and whether all that was given fits that.

use std::ffi::OsString;

use super::given::Given;
use super::{Flag, Mistake, Value};

/// What a command line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Run,
    Validate,
    List,
    Explain,
    Approve,
    MakeToken,
    MakeRequest,
    Forget,
    ForgetAll,
}

impl Purpose {
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Run => "a command",
            Self::Validate => "-v",
            Self::List => "-l",
            Self::Explain => "--explain",
            Self::Approve => "--approve",
            Self::MakeToken => "--make-token",
            Self::MakeRequest => "--make-request",
            Self::Forget => "-k",
            Self::ForgetAll => "-K",
        }
    }
}

impl Value {
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::User => "-u",
            Self::Group => "-g",
            Self::OtherUser => "-U",
            Self::Prompt => "-p",
            Self::Folder => "-D",
            Self::Timeout => "-T",
            Self::CloseFrom => "-C",
            Self::Reason => "--reason",
            Self::For => "--for",
            Self::Rule => "--rule",
            Self::Token => "--token",
            Self::From => "--make-token-from",
            Self::Valid => "--make-token-valid",
            Self::RequestFrom => "--make-request-from",
        }
    }
}

impl Given {
    /// What the options are for, all together: at most one of them may say so. `-k` says so only if nothing else does.
    pub(super) fn purpose(&self, command: &[OsString]) -> Result<Purpose, Mistake> {
        let mut purpose = None;
        for (flag, says) in [
            (Flag::ForgetAll, Purpose::ForgetAll),
            (Flag::Validate, Purpose::Validate),
            (Flag::List, Purpose::List),
            (Flag::Explain, Purpose::Explain),
            (Flag::Approve, Purpose::Approve),
            (Flag::MakeToken, Purpose::MakeToken),
            (Flag::MakeRequest, Purpose::MakeRequest),
        ] {
            if self.has(flag)
                && let Some(other) = purpose.replace(says)
            {
                return Err(Mistake::Conflict(other.option(), says.option()));
            }
        }
        for (one, other, names) in [
            (Flag::Forget, Flag::ForgetAll, ("-k", "-K")),
            (Flag::Forget, Flag::NoUpdate, ("-k", "-N")),
            (Flag::ForgetAll, Flag::NoUpdate, ("-K", "-N")),
            (Flag::Askpass, Flag::Stdin, ("-A", "-S")),
        ] {
            if self.has(one) && self.has(other) {
                return Err(Mistake::Conflict(names.0, names.1));
            }
        }
        let wants_none = !self.wants_shell() && !self.has(Flag::Edit);
        let alone = self.has(Flag::Forget) && command.is_empty() && wants_none;
        Ok(purpose.unwrap_or(if alone { Purpose::Forget } else { Purpose::Run }))
    }

    pub(super) fn check_fits(&self, purpose: Purpose, command: &[OsString]) -> Result<(), Mistake> {
        let bare_list = purpose == Purpose::List && command.is_empty();
        let makes = matches!(purpose, Purpose::MakeToken | Purpose::MakeRequest);
        let runs = makes || matches!(purpose, Purpose::Run | Purpose::Explain);
        let option = purpose.option();
        if self.has(Flag::Edit) {
            self.check_fits_edit(purpose, command)?;
        }
        match command.first() {
            None if runs && !self.wants_shell() => return Err(Mistake::NoCommand),
            Some(_) if !runs && !matches!(purpose, Purpose::List | Purpose::Approve) => {
                return Err(Mistake::TakesNoCommand(option));
            }
            Some(name) if name.is_empty() && !self.wants_shell() => return Err(Mistake::NoCommand),
            _ => {}
        }
        if purpose == Purpose::Approve && command.len() != 2 {
            return Err(Mistake::NoCommand);
        }
        let given =
            |which: Value| self.values.iter().find(|(value, _)| *value == which).map(|(_, given)| given);
        for (value, fits) in [
            (Value::Token, purpose == Purpose::Run),
            (Value::From, purpose == Purpose::MakeToken),
            (Value::Valid, purpose == Purpose::MakeToken),
            (Value::RequestFrom, purpose == Purpose::MakeRequest),
        ] {
            if given(value).is_some() && !fits {
                return Err(Mistake::Conflict(option, value.option()));
            }
        }
        if given(Value::Token).is_some_and(|file| file == "-") && self.has(Flag::Stdin) {
            return Err(Mistake::Conflict("--token -", "-S"));
        }
        if self.wait.is_some() && purpose != Purpose::Run {
            return Err(Mistake::Conflict(option, "--wait"));
        }
        if purpose != Purpose::List && self.values.iter().any(|(value, _)| *value == Value::OtherUser) {
            return Err(Mistake::OnlyWithList);
        }
        if runs {
            return match (self.has(Flag::Login), self.has(Flag::Shell)) {
                (true, true) => Err(Mistake::Conflict("-i", "-s")),
                (true, _) if self.preserve_environment => Err(Mistake::Conflict("-i", "-E")),
                _ => Ok(()),
            };
        }
        if self.wants_shell() {
            return Err(Mistake::Conflict(option, if self.has(Flag::Login) { "-i" } else { "-s" }));
        }
        for (is_given, other) in [
            (self.preserve_environment || !self.preserve_names.is_empty(), "-E"),
            (self.has(Flag::PreserveGroups), "-P"),
            (self.has(Flag::Background), "-b"),
        ] {
            if is_given {
                return Err(Mistake::Conflict(option, other));
            }
        }
        let asks_for_command = purpose == Purpose::List && !bare_list;
        if !asks_for_command && !self.assignments.is_empty() {
            return Err(Mistake::Conflict(option, "VAR=value"));
        }
        for (value, _) in &self.values {
            let fits = match value {
                Value::Prompt | Value::OtherUser => true,
                Value::User | Value::Group => asks_for_command || purpose == Purpose::Validate,
                Value::Reason | Value::For | Value::Rule | Value::Folder | Value::Timeout => asks_for_command,
                Value::CloseFrom | Value::Token | Value::From | Value::Valid | Value::RequestFrom => false,
            };
            if !fits {
                return Err(Mistake::Conflict(option, value.option()));
            }
        }
        Ok(())
    }

    /// sudo(8), sudoedit: what is about a command's process goes with no edit.
    fn check_fits_edit(&self, purpose: Purpose, files: &[OsString]) -> Result<(), Mistake> {
        match purpose {
            Purpose::Run | Purpose::Explain | Purpose::MakeToken | Purpose::MakeRequest => {}
            Purpose::List if self.edit_is_command => {}
            _ => return Err(Mistake::Conflict(purpose.option(), "-e")),
        }
        for (is_given, other) in [
            (self.has(Flag::Login), "-i"),
            (self.has(Flag::Shell), "-s"),
            (self.has(Flag::Background), "-b"),
            (self.has(Flag::SetHome), "-H"),
            (self.has(Flag::PreserveGroups), "-P"),
            (self.preserve_environment || !self.preserve_names.is_empty(), "-E"),
            (!self.assignments.is_empty(), "VAR=value"),
        ] {
            if is_given {
                return Err(Mistake::Conflict("-e", other));
            }
        }
        if files.is_empty() || files.iter().any(|file| file.is_empty()) {
            return Err(Mistake::NoFile);
        }
        Ok(())
    }
}
