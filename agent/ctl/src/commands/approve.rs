//! `jitctl approve`: shows all of a request, asks, and lets `jit-sudo` ask for the password: it is the one program that does.
//! The digest is made of what was shown, so that nothing else is approved.

use std::fmt::Write as _;
use std::io::{self, BufRead};
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use jit_protocol::binding::Binding;
use jit_protocol::response::{RequestState, RequestView};
use jit_protocol::{Bytes, escape};

use super::requests;
use crate::failure::Failure;
use crate::output::Output;

const HELPER: &str = "/usr/bin/jit-sudo";

/// Approve another person's request: shows it, asks, then asks for your password
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// Id of the request, or its beginning
    id: String,
    /// Do not ask whether to; the password is asked for all the same
    #[arg(long)]
    yes: bool,
}

impl Approve {
    pub(crate) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let request = requests::one(&self.id)?;
        if request.state != RequestState::Pending {
            return Err(Failure::new("this request does not wait any more", "jitctl requests"));
        }
        output.text(&shown(&request))?;
        if !self.yes {
            output.question("Approve? [y/N] ")?;
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer)?;
            if !matches!(answer.trim(), "y" | "Y" | "yes") {
                return Err(Failure::new("not approved", ""));
            }
        }
        output.flush()?;
        let digest = jit_sys::digest::of_bytes(&request.binding.canonical());
        let error = Command::new(HELPER).arg("--approve").arg("--").arg(&request.id).arg(digest).exec();
        Err(Failure::new(format!("{HELPER} cannot be run: {error}"), ""))
    }
}

/// All of it, each argument on a line of its own, with its length where that could deceive; nothing is cut.
fn shown(request: &RequestView) -> String {
    let Binding { host, rule, user, target, groups, mode, program, sha256, .. } = &request.binding;
    let Binding { command, environment, folder, duration, uses, .. } = &request.binding;
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        ("request", request.id.clone()),
        ("host", escape(host.as_bytes())),
        ("who", format!("{} (uid {})", escape(user.name.as_bytes()), user.uid)),
        (
            "as",
            format!("{} (uid {}), groups {}", escape(target.name.as_bytes()), target.uid, groups.join(" ")),
        ),
        (
            "reason",
            request.reason.as_deref().map_or_else(|| "none".to_owned(), |text| escape(text.as_bytes())),
        ),
        ("rule", rule.clone()),
    ];
    if let Some(mode) = mode {
        lines.push(("way", mode.clone()));
    }
    lines.push(("program", word(program)));
    lines.push(("its SHA-256", sha256.clone()));
    lines.extend(command.iter().enumerate().map(|(at, argument)| {
        let name = if at == 0 { "called as" } else { "argument" };
        (name, word(argument))
    }));
    lines.extend(
        environment
            .iter()
            .map(|(name, value)| ("variable", format!("{}={}", escape(name.as_slice()), word(value)))),
    );
    lines.push(("in", word(&folder.path)));
    lines.push((
        "for",
        duration.map_or_else(|| "as long as the rule says".to_owned(), |it| format!("{it} s")),
    ));
    lines.push(("uses", uses.map_or_else(|| "as many as it lives".to_owned(), |uses| uses.to_string())));
    lines.push(("digest", request.digest.clone()));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{name:>width$}: {value}"); // writing to a String cannot fail
    }
    if request.for_rule {
        text.push_str("A yes counts for whatever this rule permits to this user as this target, not for this command alone.\n");
    }
    text.push_str("Not covered: what it reads from its standard input, and what stands in files that its arguments name.");
    text
}

/// Escaped; with its length if that can't be seen, and a warning where letters of several scripts stand side by side.
fn word(bytes: &Bytes) -> String {
    let escaped = escape(bytes.as_slice());
    let text = bytes.to_string_lossy();
    let mut word = format!("'{escaped}'");
    let plain = escaped.len() < 60 && escaped.is_ascii() && !escaped.contains(' ') && !escaped.is_empty();
    if !plain {
        let _ = write!(word, " ({} bytes)", bytes.as_slice().len());
    }
    if !text.is_ascii() {
        word.push_str(" (letters beyond ASCII: look twice)");
    }
    word
}
