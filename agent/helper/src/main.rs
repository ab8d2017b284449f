//! `jit-sudo`: asks the agent for one elevation, answers its prompts, and is the command's terminal while it runs.
//!
//! It runs as the invoking user and decides nothing. What it is told to do is `options.rs`; the talk with agent and
//! monitor is `conversation.rs`; a command's session is `relay.rs`.

mod ahead;
mod askpass;
mod conversation;
mod duration;
mod edit;
mod messages;
mod options;
mod process;
mod prompt;
mod relay;
mod request;
mod signals;
mod terminal;
mod token;
mod waiting;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use jit_protocol::client::Connection;
use jit_protocol::paths;
use jit_protocol::request::{Elevate, Mode, Request};

use crate::conversation::{After, Asking, Conversation, Outcome, Pending};
use crate::edit::Edit;
use crate::messages::Messages;
use crate::options::{Action, Asked, Make};
use crate::terminal::{Pipeline, Terminal};

fn main() -> ExitCode {
    // Before anything is read: no process of the same user may attach, or take descriptors.
    let protected = nix::sys::prctl::set_dumpable(false);
    let mut words = std::env::args_os();
    let name = options::program_name(words.next().as_deref());
    let words: Vec<OsString> = words.collect();
    let person = io::stderr().is_terminal();
    let mut messages = Messages { name, out: &mut io::stdout(), err: &mut io::stderr(), person, json: false };
    let outcome = match protected {
        Ok(()) => run(&words, &mut messages),
        Err(error) => {
            refuse(&mut messages, &format!("this process cannot be protected: {}", error.desc()), "")
        }
    };
    ExitCode::from(match outcome {
        Outcome::Status(status) => status,
        Outcome::Signal(number) => signals::die_of(number),
    })
}

fn run(words: &[OsString], messages: &mut Messages<'_>) -> Outcome {
    match options::parse(messages.name, words, |name| std::env::var_os(name)) {
        Err(mistake) => refuse(messages, &mistake.to_string(), mistake.hint()),
        Ok(Action::Help) => print(messages, &options::help(messages.name)),
        Ok(Action::Version) => print(messages, concat!("jit-sudo ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Action::Forget { all }) => {
            let after = After::Command { background: false };
            let forget = |_: &Asking| Ok(Request::Forget { all });
            talk(messages, None, Asking::default(), after, forget).unwrap_or(Outcome::REFUSED)
        }
        Ok(Action::Elevate(asked)) => elevate(*asked, messages),
    }
}

/// As often as it takes: once more after somebody has approved it.
fn elevate(asked: Asked, messages: &mut Messages<'_>) -> Outcome {
    messages.json = asked.json;
    if let Some(make) = asked.make.clone() {
        return match made(asked, make, messages) {
            Ok(text) => print(messages, &text),
            Err((what, hint)) => refuse(messages, &what, &hint),
        };
    }
    let Pending { request, what } = match attempt(asked.clone(), messages) {
        Ok(outcome) => return outcome,
        Err(pending) => pending,
    };
    let Some(limit) = asked.wait else {
        messages.pending(&request, &what);
        return Outcome::REFUSED;
    };
    messages.notice(&format!("{what}: request {request}"), "\n", true);
    if let Err((what, hint)) = waiting::wait(&request, limit) {
        return refuse(messages, &what, &hint);
    }
    match attempt(asked, messages) {
        Ok(outcome) => outcome,
        Err(_) => refuse(messages, "what was approved is not what is asked for now", "try again"),
    }
}

/// What is printed instead of running it.
fn made(asked: Asked, make: Make, messages: &mut Messages<'_>) -> Result<String, (String, String)> {
    match make {
        Make::Token { not_before, valid } => token::make(asked, (not_before, valid)),
        Make::Request { from } => {
            let (request, what) = ahead::request(asked, from)?;
            messages.notice(&what, "\n", false);
            Ok(format!("{request}\n"))
        }
    }
}

/// Asks once.
fn attempt(asked: Asked, messages: &mut Messages<'_>) -> Result<Outcome, Pending> {
    let after = if asked.edit && asked.mode == Mode::Run {
        if asked.edit_is_command {
            messages.notice("-e and the name sudoedit do the same as the command sudoedit", "\n", true);
        }
        match Edit::prepare(&asked, |name| std::env::var_os(name)) {
            Ok(edit) => After::Edit(Box::new(edit)),
            Err((what, hint)) => return Ok(refuse(messages, &what, hint)),
        }
    } else {
        After::Command { background: asked.background }
    };
    let token = match asked.token.as_deref().map(token::read).transpose() {
        Ok(token) => token,
        Err(why) => return Ok(refuse(messages, &why, "")),
    };
    messages.person &= !asked.non_interactive && !asked.stdin;
    let terminal = Terminal::find();
    let asking = Asking {
        stdin: asked.stdin,
        askpass: asked.askpass,
        bell: asked.bell,
        own_prompt: asked.prompt.is_some(),
        program: std::env::var_os("SUDO_ASKPASS").filter(|program| !program.is_empty()),
    };
    let terminal = terminal.as_ref().map(|terminal| (terminal, Pipeline::of_this_process(terminal)));
    talk(messages, terminal, asking, after, |asking| {
        let can_ask = asking.is_possible(terminal.is_some());
        let elevate = Elevate { token, ..request::complete(asked, terminal, can_ask)? };
        Ok(Request::Elevate(Box::new(elevate)))
    })
}

fn talk(
    messages: &mut Messages<'_>,
    terminal: Option<(&Terminal, Pipeline)>,
    asking: Asking,
    mut after: After,
    request: impl FnOnce(&Asking) -> io::Result<Request>,
) -> Result<Outcome, Pending> {
    let request = match request(&asking) {
        Ok(request) => request,
        Err(error) => return Ok(refuse(messages, &format!("the working folder has no path: {error}"), "")),
    };
    let connection = match Connection::open(Path::new(paths::AGENT_SOCKET)) {
        Ok(connection) => connection,
        Err(error) => {
            let (what, hint) = no_agent(&error);
            return Ok(refuse(messages, &what, hint));
        }
    };
    // None of these can be closed: the runtime opened /dev/null in the place of those that were.
    let ours = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let sent = match &mut after {
        After::Command { .. } => request::send(&connection, request, ours),
        After::Edit(edit) => edit.send(&connection, request),
    };
    // Any other error: the agent said no before it had read all. What it said waits to be read.
    if sent.is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
        return Ok(refuse(messages, "the arguments and the environment are too long", ""));
    }
    Conversation { connection: &connection, terminal, asking, after, messages }.run()
}

/// Why there is no connection, and what to do.
fn no_agent(error: &io::Error) -> (String, &'static str) {
    const STATUS: &str = "systemctl status jit-agentd";
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ("the agent is not running".to_owned(), STATUS)
        }
        io::ErrorKind::PermissionDenied => {
            (format!("{} is not root's to answer at", paths::AGENT_SOCKET), STATUS)
        }
        _ => (format!("the agent cannot be reached: {error}"), STATUS),
    }
}

fn refuse(messages: &mut Messages<'_>, what: &str, hint: &str) -> Outcome {
    messages.refusal(what, hint);
    Outcome::REFUSED
}

fn print(messages: &mut Messages<'_>, text: &str) -> Outcome {
    match messages.print(text.as_bytes()) {
        Ok(()) => Outcome::Status(0),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Outcome::Signal(nix::libc::SIGPIPE),
        Err(_) => Outcome::REFUSED,
    }
}
