//! From what was given to what is asked for, with what the environment adds.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use jit_protocol::request::{Mode, Shell};

use super::given::Given;
use super::purpose::Purpose;
use super::{Action, Asked, EDIT, Flag, Make, Mistake, Value};
use crate::duration;

impl Given {
    /// The action, once all options are read.
    ///
    /// # Errors
    /// [`Mistake`] if they do not go together, or a value is none.
    pub(super) fn finish(
        mut self,
        mut command: Vec<OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Action, Mistake> {
        // sudo's `sudo sudoedit file` and `sudo -l sudoedit file`.
        let is_named = !self.wants_shell() && command.first().is_some_and(|name| name == EDIT);
        if is_named && !self.has(Flag::Edit) {
            command.remove(0);
            self.flags.push(Flag::Edit);
            self.edit_is_command = true;
        }
        let purpose = self.purpose(&command)?;
        self.check_fits(purpose, &command)?;
        let mode = match purpose {
            Purpose::Forget => return Ok(Action::Forget { all: false }),
            Purpose::ForgetAll => return Ok(Action::Forget { all: true }),
            Purpose::Run | Purpose::MakeToken | Purpose::MakeRequest => Mode::Run,
            Purpose::Validate => Mode::Validate,
            Purpose::List => Mode::List,
            Purpose::Explain => Mode::Explain,
            Purpose::Approve => Mode::Approve,
        };
        // From the environment only where the option could stand too: automation sets it once for all calls.
        let shell = match (self.has(Flag::Login), self.has(Flag::Shell)) {
            (true, _) => Some(Shell::Login),
            (_, true) => Some(Shell::Plain),
            _ => None,
        };
        let edit = self.has(Flag::Edit);
        if edit {
            command.insert(0, EDIT.into());
        }
        let about_command = !command.is_empty() || shell.is_some();
        let mut value = |which, name: &'static str, long: &'static str| {
            let given = self
                .values
                .iter()
                .position(|(other, _)| *other == which)
                .map(|at| self.values.swap_remove(at).1);
            match given {
                Some(value) => Some((value, long)),
                None => variable(name)
                    .filter(|value| !value.is_empty() && about_command)
                    .map(|value| (value, name)),
            }
        };
        let reason = text(value(Value::Reason, "JIT_REASON", "--reason"))?;
        let rule = text(value(Value::Rule, "JIT_RULE", "--rule"))?;
        let duration = match value(Value::For, "JIT_FOR", "--for") {
            Some((value, from)) => Some(duration::parse(value.as_bytes()).ok_or(Mistake::Duration(from))?),
            None => None,
        };
        let token = value(Value::Token, "JIT_TOKEN", "--token").filter(|_| purpose == Purpose::Run);
        let mut plain = |which| {
            self.values.iter().position(|(other, _)| *other == which).map(|at| self.values.swap_remove(at).1)
        };
        let prompt = plain(Value::Prompt).or_else(|| variable("SUDO_PROMPT")).map(OsString::into_vec);
        let folder = plain(Value::Folder);
        let timeout = match plain(Value::Timeout) {
            Some(value) => Some(duration::parse_timeout(value.as_bytes()).ok_or(Mistake::Timeout)?)
                .filter(|seconds| *seconds > 0),
            None => None,
        };
        if plain(Value::CloseFrom).is_some_and(|value| !is_descriptor(&value)) {
            return Err(Mistake::Descriptor);
        }
        let make = make(purpose, &mut plain)?;
        let user = text(plain(Value::User).map(|value| (value, "-u")))?;
        let other_user = text(plain(Value::OtherUser).map(|value| (value, "-U")))?;
        let group = text(plain(Value::Group).map(|value| (value, "-g")))?;
        Ok(Action::Elevate(Box::new(Asked {
            mode,
            command,
            shell,
            edit,
            edit_is_command: self.edit_is_command,
            detailed: self.flags.iter().filter(|flag| **flag == Flag::List).count() > 1,
            other_user,
            user,
            group,
            reason,
            duration,
            rule,
            prompt,
            token: token.map(|(file, _)| file),
            make,
            wait: self.wait,
            json: self.has(Flag::Json),
            folder,
            timeout,
            preserve_groups: self.has(Flag::PreserveGroups),
            background: self.has(Flag::Background),
            non_interactive: self.has(Flag::NonInteractive),
            ignore_record: self.has(Flag::Forget),
            no_update: self.has(Flag::NoUpdate),
            stdin: self.has(Flag::Stdin),
            askpass: self.has(Flag::Askpass),
            bell: self.has(Flag::Bell),
            preserve_environment: self.preserve_environment,
            preserve_names: self.preserve_names,
            assignments: self.assignments,
        })))
    }
}

/// What is made instead of running the command.
fn make(purpose: Purpose, mut plain: impl FnMut(Value) -> Option<OsString>) -> Result<Option<Make>, Mistake> {
    Ok(match purpose {
        Purpose::MakeToken => {
            let valid = plain(Value::Valid).map(|value| {
                duration::parse(value.as_bytes()).ok_or(Mistake::Duration("--make-token-valid"))
            });
            let not_before = text(plain(Value::From).map(|value| (value, "--make-token-from")))?;
            Some(Make::Token { not_before, valid: valid.transpose()? })
        }
        Purpose::MakeRequest => {
            let from = plain(Value::RequestFrom).map(|value| (value, "--make-request-from"));
            Some(Make::Request { from: text(from)? })
        }
        _ => None,
    })
}

/// What `-C` takes. None but the first three descriptors ever reaches a command, so there is nothing more to do.
fn is_descriptor(value: &OsStr) -> bool {
    value.to_str().and_then(|text| text.parse::<i32>().ok()).is_some_and(|number| number >= 3)
}

fn text(value: Option<(OsString, &'static str)>) -> Result<Option<String>, Mistake> {
    value.map(|(value, from)| value.into_string().map_err(|_| Mistake::NotText(from))).transpose()
}
