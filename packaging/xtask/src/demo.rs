//! `cargo xtask demo`: the real agent, spawner, PAM and helper in a throwaway sandbox on this machine.
//!
//! ```text
//! show     build everything, stage what the package would install, enter the sandbox (sandbox.sh)
//! inside   process 2 of the sandbox: start the agent, play the scenes (scenes.rs) or give a shell
//! ```

mod scenes;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cargo::{Done, cargo, command, read, run};
use crate::{host, package};

const SANDBOX: &str = include_str!("demo/sandbox.sh");
const POLICY: &str = include_str!("demo/policy.toml");

/// Enters a cgroup of its own first, so that the sandbox's cgroup namespace has one to be the root of.
const ENTER: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
for tree in /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$tree/cgroup.procs" ] || continue
    group=$tree/jit-demo-$$
    mkdir "$group" 2>/dev/null && echo $$ >"$group/cgroup.procs" || group=
    break
done
unshare --mount --propagation private --pid --fork --kill-child --uts --ipc --cgroup sh -c "$SANDBOX" sandbox
status=$?
if [ -n "${group-}" ]; then
    echo $$ >"${group%/*}/cgroup.procs"
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
fi
exit $status
"#;

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
    let mut words = vec!["build"];
    words.extend(package::PROGRAMS.iter().flat_map(|package| ["--package", package]));
    run(cargo(&words))?;
    let target = jit_tests::image::target();
    let stage = target.join("demo");
    let _ = fs::remove_dir_all(&stage);
    let debug = target.join("debug");
    package::stage(&package::Programs { dynamic: debug.clone(), fixed: debug }, &stage.join("root"))?;
    let root = stage.join("root");
    let failed = |error: std::io::Error| format!("{}: {error}", root.display());
    fs::write(root.join("etc/jit-sudo/policy.d/demo.toml"), POLICY).map_err(failed)?;
    fs::create_dir_all(root.join("run/demo")).map_err(failed)?;
    let own = std::env::current_exe().map_err(failed)?;
    fs::copy(own, root.join("run/demo/xtask")).map_err(failed)?;
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o755)).map_err(failed)?;
    let mut command = command(&["sh", "-c", ENTER, "demo"]);
    command.env("SANDBOX", SANDBOX).env("STAGE", &root).env("WHAT", what);
    match command.status() {
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
