//! `jit-spawner`: started by systemd, or by the agent where there is no systemd, with a keeper then. For people it has no
//! options.

use std::io::Write;
use std::process::ExitCode;

use jit_session::spawner::Spawner;
use jit_session::{handover, keep};
use jit_sys::process;
use sd_notify::NotifyState;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if !nix::unistd::geteuid().is_root() {
        return failed("it must be started by root");
    }
    let spawner = match words.as_slice() {
        [] => {
            // Only a unit of type `notify` has this, and such a unit has a cgroup of its own.
            let in_unit = std::env::var_os("NOTIFY_SOCKET").is_some();
            Spawner::prepare(in_unit).inspect(|_| {
                let _ = sd_notify::notify(&[NotifyState::Ready]);
            })
        }
        [word] if word == keep::WORD => {
            return keep::keep().unwrap_or_else(|error| failed(&error.to_string()));
        }
        [word, number] if word == handover::WORD => {
            let number = number.to_str().and_then(|number| number.parse().ok());
            match number.map(Spawner::take_over) {
                // Whoever keeps us starts us anew, and monitors call then.
                Some(Err(error)) => {
                    let _ = failed(&format!("the sessions of the program before: {error}"));
                    return ExitCode::from(keep::AGAIN_STATUS);
                }
                Some(spawner) => spawner,
                None => return failed(USAGE),
            }
        }
        _ => return failed(USAGE),
    };
    process::clear_environment();
    match spawner.and_then(|mut spawner| spawner.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

const USAGE: &str = "it takes no options; it is started by jit-agentd or systemd";

fn failed(what: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "jit-spawner: {what}");
    ExitCode::FAILURE
}
