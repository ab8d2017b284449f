//! `jit-spawner`: started by systemd, or by the agent where there is no systemd, with a keeper then. For people it has no
//! options.

use std::io::Write;
use std::process::ExitCode;

use jit_session::keep;
use jit_session::spawner::Spawner;
use jit_sys::process;
use sd_notify::NotifyState;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if !nix::unistd::geteuid().is_root() {
        return failed("it must be started by root");
    }
    match words.as_slice() {
        [] => {}
        [word] if word == keep::WORD => {
            return keep::keep().unwrap_or_else(|error| failed(&error.to_string()));
        }
        _ => return failed("it takes no options; it is started by jit-agentd or systemd"),
    }
    // Only a unit of type `notify` has this, and such a unit has a cgroup of its own.
    let in_unit = std::env::var_os("NOTIFY_SOCKET").is_some();
    let spawner = Spawner::prepare(in_unit).inspect(|_| {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        process::clear_environment();
    });
    match spawner.and_then(|mut spawner| spawner.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(what: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "jit-spawner: {what}");
    ExitCode::FAILURE
}
