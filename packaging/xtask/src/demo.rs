//! `cargo xtask demo`: the real agent, spawner, PAM and helper in a throwaway sandbox on this machine.
//!
//! ```text
//! show     build everything, stage what the package would install, enter the sandbox (jit_tests::sandbox)
//! inside   process 2 of the sandbox: start the agent, play the scenes (scenes.rs) or give a shell
//! ```

mod scenes;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jit_tests::sandbox;

use crate::cargo::{Done, command, read};
use crate::{host, package};

const POLICY: &str = include_str!("demo/policy.toml");

/// Builds, and plays the scenes.
pub(crate) fn show() -> Done {
    enter("show")
}

/// Builds, and gives a shell.
pub(crate) fn shell() -> Done {
    enter("shell")
}

fn enter(what: &str) -> Done {
    if !host::is_root() {
        return Err(
            "the demo needs root: it makes namespaces and overlay mounts, and runs a root daemon".into()
        );
    }
    host::install(&[host::BUILD, host::DEMO])?;
    let root = package::stage_debug("demo")?;
    let failed = |error: std::io::Error| format!("{}: {error}", root.display());
    fs::write(root.join("etc/jit-sudo/policy.d/demo.toml"), POLICY).map_err(failed)?;
    fs::create_dir_all(root.join("run/demo")).map_err(failed)?;
    let own = std::env::current_exe().map_err(failed)?;
    fs::copy(own, root.join("run/demo/xtask")).map_err(failed)?;
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o755)).map_err(failed)?;
    match sandbox::enter(&root, &["/run/demo/xtask", "demo", "--inside", what]).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the demo did not show what it should".into()),
        Err(error) => Err(format!("can't start sh: {error}")),
    }
}

/// What the sandbox starts.
pub(crate) fn inside(what: &str) -> Done {
    if std::process::id() == 1 || !Path::new("/run/demo/xtask").exists() {
        return Err("this is for the sandbox alone: call `cargo xtask demo`".into());
    }
    let mut agent = start_agent()?;
    let done = if what == "shell" {
        give_shell();
        Ok(())
    } else {
        scenes::play()
    };
    let _ = agent.kill();
    let _ = agent.wait();
    done
}

/// The agent without systemd: it starts the spawner by itself.
fn start_agent() -> Done<Child> {
    let log = fs::File::create("/run/demo/agent.log").map_err(|error| format!("agent.log: {error}"))?;
    let mut command = command(&["/usr/libexec/jit-sudo/jit-agentd", "--foreground"]);
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(|error| error.to_string())?).stderr(log);
    let mut agent = command.spawn().map_err(|error| format!("jit-agentd: {error}"))?;
    let end = Instant::now() + Duration::from_secs(15);
    while Instant::now() < end {
        if read(jitctl(&["grants", "--json"])).is_ok() {
            return Ok(agent);
        }
        if let Ok(Some(status)) = agent.try_wait() {
            return Err(format!("jit-agentd ended: {status}\n{}", agent_log()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = agent.kill();
    Err(format!("jit-agentd does not answer\n{}", agent_log()))
}

fn agent_log() -> String {
    fs::read_to_string("/run/demo/agent.log").unwrap_or_default()
}

fn jitctl(words: &[&str]) -> Command {
    let mut command = command(&["jitctl"]);
    command.args(words);
    command
}

fn give_shell() {
    println!(
        "\nThis is a sandbox; nothing you do here outlives it. You are alice, her password is: demo\n\
         Try:  jit-sudo id      jit-sudo -l      jit-sudo sleep 1000 (ends after 5 s)      jit-sudo --explain ls\n\
         Policy: /etc/jit-sudo/policy.d/demo.toml. Leave with `exit`; then you are root in here, leave again.\n"
    );
    // The status of a person's last command is not the demo's.
    for words in [["runuser", "--login", "alice"].as_slice(), &["bash", "--norc"]] {
        let _ = command(words).status();
    }
}
