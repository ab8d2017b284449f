//! `jitctl requests --follow`: lines on the terminal of an approver who wants them.
//!
//! The approver starts it on their own terminal, as themselves: nobody writes to a terminal of somebody else's.

use std::collections::BTreeSet;

use jit_protocol::escape;
use jit_protocol::response::{RequestState, RequestView};
use rustix::event::Timespec;

use crate::failure::Failure;
use crate::ids;
use crate::output::{Output, command_line};

/// Between two looks: a person answers, so that seconds do not count, and it runs as long as somebody is logged in.
pub(super) const PAUSE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Tells of each request that this user may answer, once; ends when nobody reads any more.
pub(super) fn run(
    output: &mut Output,
    mut ask: impl FnMut() -> Result<Vec<RequestView>, Failure>,
    mut pause: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut told = BTreeSet::new();
    let mut requests = ask()?;
    loop {
        let digits = ids::enough(&requests.iter().map(|request| request.id.as_str()).collect::<Vec<_>>());
        let mut open = BTreeSet::new();
        for request in requests.iter().filter(|it| it.answerable && it.state == RequestState::Pending) {
            if !told.contains(&request.id) {
                tell(output, &line(request, digits))?;
            }
            open.insert(request.id.clone());
        }
        told = open;
        pause()?;
        requests = loop {
            match ask() {
                Ok(requests) => break requests,
                // The agent may be upgraded at this moment.
                Err(Failure::Refused { .. }) => pause()?,
                Err(other) => return Err(other),
            }
        };
    }
}

/// Who wants what, why, and how to answer; on one line and escaped. The whole of it is what `jitctl approve` shows.
fn line(request: &RequestView, digits: usize) -> String {
    let asked = &request.binding;
    let why = request.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let what = format!(
        "jit-sudo: {} asks to run as {}: {}{why}; jitctl approve {}",
        asked.user.name,
        asked.target.name,
        command_line(&asked.command),
        ids::short(&request.id, digits)
    );
    escape(what.as_bytes())
}

/// Writes a line. On a terminal something else is at work, which may be in the middle of a line, and may have switched off
/// what makes a new line begin on the left (termios(3), `OPOST`).
fn tell(output: &mut Output, line: &str) -> Result<(), Failure> {
    let text = if output.screen().is_some() { format!("\r\n{line}\r\n") } else { format!("{line}\n") };
    output.lines(&text)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;
    use crate::output::Screen;
    use crate::output::tests::Captured;

    /// What is told of these answers, one after another, until the reader leaves.
    fn told(on: fn() -> Option<Screen>, answers: Vec<Result<Vec<RequestView>, ()>>) -> String {
        let captured = Captured::default();
        let mut answers = answers.into_iter();
        let ask = || match answers.next() {
            Some(Ok(list)) => Ok(list),
            Some(Err(())) => Err(Failure::new("the agent is not running", "")),
            None => Err(Failure::NobodyReads),
        };
        let end = run(&mut captured.output_on(on), ask, || Ok(()));
        assert!(matches!(end, Err(Failure::NobodyReads)));
        captured.text()
    }

    fn another(id: &str, state: RequestState, answerable: bool) -> RequestView {
        RequestView { id: id.to_owned(), ..request(state, answerable) }
    }

    const LINE: &str = "jit-sudo: alice asks to run as root: id \\u{202e}u (INC-1); jitctl approve 01234567";

    #[test]
    fn each_request_is_told_once_also_while_the_agent_is_away() {
        let one = || another("0123456789", RequestState::Pending, true);
        let two = || another("9876543210", RequestState::Pending, true);
        let text = told(|| None, vec![Ok(vec![one()]), Ok(vec![one()]), Err(()), Ok(vec![two(), one()])]);
        assert_eq!(text, format!("{LINE}\n{}\n", LINE.replace("01234567", "98765432")));
    }

    #[test]
    fn what_this_user_cannot_answer_is_not_told() {
        let answers = vec![
            another("1111111111", RequestState::Pending, false),
            another("2222222222", RequestState::Approved, true),
        ];
        assert_eq!(told(|| None, vec![Ok(answers)]), "");
    }

    #[test]
    fn on_a_terminal_it_is_a_line_of_its_own_whatever_runs_there() {
        let screen = || Some(Screen { rows: 24, columns: 80 });
        let text = told(screen, vec![Ok(vec![another("0123456789", RequestState::Pending, true)])]);
        assert_eq!(text, format!("\r\n{LINE}\r\n"));
    }
}
