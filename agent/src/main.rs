//! `jit-agentd`: the daemon. Under systemd it is a unit; elsewhere `jit-agentd --foreground` starts its spawner too.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use jit_agent::paths::Paths;
use jit_agent::server::{Server, system_clock};
use jit_agent::spawner;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [] => {}
        [word] if word == "--foreground" => {}
        [word] if word == "--version" => {
            let _ = writeln!(io::stdout(), "jit-agentd {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {
            say("usage: jit-agentd [--foreground | --version]");
            return ExitCode::from(2);
        }
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it must be started by root"));
    }
    in_initial_user_namespace()?;
    let hidden = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    hidden?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::env::set_current_dir("/")?;
    jit_sys::memory::keep_one_small_heap();
    let paths = Paths::system();
    // Only a service manager sets this; it has a unit for the spawner. Without one it is ours to start, now: nothing
    // is forked once requests are served.
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        spawner::start_if_missing(&paths.spawner_socket)?;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(512).build()?;
    runtime.block_on(async {
        let server = Server::open(paths, system_clock()?).await?;
        server.run().await
    })
}

/// In another user namespace uid 0 would be nobody's, and every peer's number a lie.
fn in_initial_user_namespace() -> io::Result<()> {
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    let words: Vec<&str> = map.split_ascii_whitespace().collect();
    if words == ["0", "0", "4294967295"] {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it must run in the initial user namespace"))
}

fn say(what: &str) {
    let _ = writeln!(io::stderr(), "jit-agentd: {what}");
}
