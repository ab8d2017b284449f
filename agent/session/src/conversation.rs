//! PAM's questions, answered by the helper's person. No password passes the agent.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use jit_protocol::frame::{Frame, Kind};
use jit_sys::pam::{Conversation, Style};
use zeroize::Zeroizing;

use crate::helper::{Helper, Shown};
use crate::prompt;
use crate::report::Report;
use crate::watch::Watch;

/// How long one question waits for its answer (sudoers(5), `passwd_timeout`: 5 minutes).
pub const ANSWER_TIME: Duration = Duration::from_mins(5);
/// How long PAM may work between two questions before the monitor counts as stuck.
pub const WORK_TIME: Duration = Duration::from_mins(2);
/// Questions and lines that one session may bring: a module that asks without an end is cut off.
const MOST_MESSAGES: u32 = 64;

/// What is common to a session's conversations.
pub struct Dialogue {
    helper: Rc<Helper>,
    spawner: Rc<Watch>,
    /// In the place of PAM's `Password:`; empty: ask without a word.
    password_prompt: Vec<u8>,
    /// That is the person's own (`-p`).
    is_own: bool,
    /// Whose password it is.
    user: String,
    state: Rc<State>,
}

/// What happened in the conversation, for the one who called PAM.
#[derive(Debug, Default)]
pub struct State {
    /// The person gave up, or is gone.
    pub gave_up: Cell<bool>,
    messages: Cell<u32>,
}

impl Dialogue {
    /// A conversation with the helper's person.
    pub fn new(
        helper: Rc<Helper>,
        spawner: Rc<Watch>,
        password_prompt: Vec<u8>,
        is_own: bool,
        user: String,
        state: Rc<State>,
    ) -> Self {
        Self { helper, spawner, password_prompt, is_own, user, state }
    }

    fn ask(&self, text: &[u8], echo: bool) -> Option<Zeroizing<Vec<u8>>> {
        // What else a module asks for comes from wherever: it is never shown as it is.
        let (prompt, shown) = match echo {
            true => (text, Shown::Echoed),
            false if !prompt::is_standard(text, &self.user) => (text, Shown::Hidden),
            false if self.is_own => (self.password_prompt.as_slice(), Shown::Own),
            false => (self.password_prompt.as_slice(), Shown::Hidden),
        };
        self.spawner.tell(&Report::Within(Some(ANSWER_TIME + WORK_TIME)));
        let answer = self.helper.ask(prompt, shown, ANSWER_TIME).ok().flatten();
        self.spawner.tell(&Report::Within(Some(WORK_TIME)));
        answer
    }
}

impl Conversation for Dialogue {
    fn converse(&mut self, style: Style, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.state.messages.set(self.state.messages.get() + 1);
        if self.state.gave_up.get() || self.state.messages.get() > MOST_MESSAGES {
            return None;
        }
        let answer = match style {
            Style::PromptHidden => self.ask(text, false),
            Style::PromptVisible => self.ask(text, true),
            Style::Error | Style::Information => {
                let frame = Frame::with(Kind::Message, i32::from(style == Style::Error), text, "");
                self.helper.send(&frame).ok().map(|()| Zeroizing::new(Vec::new()))
            }
        };
        if answer.is_none() {
            self.state.gave_up.set(true);
        }
        answer
    }
}
