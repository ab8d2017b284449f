//! What is played on: the agent without systemd, with its spawner; a journal; one user; one command.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jit_tests::Outcome;
use jit_tests::process::run;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::people;

/// What the command does (it is this very program under another name): leaves a mark, which says which elevation it is,
/// on which grant, and how many records of its start it found; and a process behind.
pub(crate) fn leave_mark(words: &[String]) {
    if words.is_empty() {
        std::thread::sleep(Duration::from_hours(1));
    }
    let name = &words[0];
    let log = fs::read_to_string(AUDIT).unwrap();
    let is_start =
        |line: &&str| line.contains("\"event\":\"session.started\"") && line.contains(name.as_str());
    let grant = std::env::var("JIT_GRANT_ID").unwrap();
    let mark = format!("{name} {grant} {}\n", log.lines().filter(is_start).count());
    fs::File::options().create(true).append(true).open(MARKS).unwrap().write_all(mark.as_bytes()).unwrap();
    let mut left = Command::new(std::env::current_exe().unwrap());
    left.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = left.spawn();
}

pub(crate) const POLICY: &str = r#"
schema = 1

[[rule]]
id = "walked"
description = "Two uses a grant, so that every second elevation uses one that was issued before"
users = ["alice"]
commands = ["/run/faults/mark **"]
require.authentication_timeout = "0"
grant.duration = "1h"
grant.scope = "user"
grant.uses = 2
grant.leftover = "kill"

[[rule]]
id = "unasked"
description = "The same for a helper that is traced: it asks nobody for a password"
users = ["alice"]
commands = ["/run/faults/unasked **"]
require.authentication = "none"
grant.duration = "1h"
grant.scope = "user"
grant.uses = 2
grant.leftover = "kill"

[[rule]]
id = "bystander"
description = "A grant that is there all the time, and not touched"
users = ["bob"]
commands = ["/usr/bin/true"]
require.authentication = "none"
grant.duration = "2h"
grant.scope = "user"
"#;

pub(crate) const MARKS: &str = "/run/faults/marks";
pub(crate) const AUDIT: &str = "/var/log/jit-sudo/audit.jsonl";
const AGENT_LOG: &str = "/run/faults/agent.log";
const JOURNAL: &str = "/run/systemd/journal/socket";
/// How long anything may take to be well again.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Stage {
    agent: Child,
    count: usize,
}

impl Stage {
    /// Everything is started.
    pub(crate) fn new() -> Self {
        fs::create_dir_all("/run/systemd/journal").unwrap();
        let journal = UnixDatagram::bind(JOURNAL).unwrap();
        std::thread::spawn(move || {
            let mut message = vec![0; 65_536];
            while journal.recv(&mut message).is_ok() {}
        });
        // As real as PAM's default, but quick.
        let quick = "echo alice:demo | chpasswd --crypt-method SHA512 --sha-rounds 1000";
        run(shell(quick), b"", PATIENCE).success();
        people::prepare();
        let mut stage = Self { agent: start_agent(&[]), count: 0 };
        stage.settle().unwrap();
        stage
    }

    /// What the next mark will be.
    pub(crate) fn next_name(&mut self) -> String {
        self.count += 1;
        format!("mark-{:05}.", self.count)
    }

    /// One elevation of alice's, with her password.
    pub(crate) fn elevate(&self, name: &str) -> Outcome {
        let mut command = as_user("alice");
        command.args(["jit-sudo", "-S", "-p", "", "/run/faults/mark", name]);
        run(command, b"demo\n", Duration::from_secs(20))
    }

    /// One without, started by these words.
    pub(crate) fn elevate_under(&self, words: &[String], name: &str) -> Outcome {
        let mut command = as_user_under(words, "alice");
        command.args(["jit-sudo", "-n", "/run/faults/unasked", name]);
        run(command, b"", Duration::from_secs(20))
    }

    /// One without, on a terminal.
    pub(crate) fn elevate_on_terminal(&self, name: &str) -> Outcome {
        let mut command = as_user("alice");
        let line = format!("jit-sudo -n /run/faults/unasked {name}");
        command.args(["script", "--quiet", "--return", "--command", &line, "/dev/null"]);
        let mut outcome = run(command, b"", Duration::from_secs(20));
        outcome.stderr.push_str(&outcome.stdout); // on a terminal it is one
        outcome
    }

    /// Waits until the session has ended, or nothing more will come; at most a second.
    pub(crate) fn await_quiet(&mut self) {
        let end = Instant::now() + Duration::from_secs(1);
        let is_tracer = |line: &String| line.contains("\"strace\"");
        while Instant::now() < end && !left_over(self.agent.id()).iter().all(is_tracer) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(30)); // its last records
    }

    /// Ids of the agent's threads of this name.
    pub(crate) fn agent_threads(&self, name: &str) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.agent.id())).unwrap().flatten();
        let named = tasks.filter(|task| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        });
        let threads: Vec<u32> =
            named.map(|task| task.file_name().to_string_lossy().parse().unwrap()).collect();
        assert!(!threads.is_empty(), "the agent has no thread {name}");
        threads
    }

    /// The spawner, then its idle monitors.
    pub(crate) fn spawner_and_monitors(&self) -> (u32, Vec<u32>) {
        let all: Vec<Process> = processes().into_iter().filter(|it| it.name == "jit-spawner").collect();
        let spawner = all.iter().find(|it| all.iter().all(|other| other.pid != it.parent)).unwrap();
        (spawner.pid, all.iter().filter(|it| it.parent == spawner.pid).map(|it| it.pid).collect())
    }

    /// Ends the agent; it is started again with these words before its own, and ends or serves.
    pub(crate) fn restart_agent(&mut self, words: &[String]) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
        self.agent = start_agent(words);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && self.agent.try_wait().unwrap().is_none() && parts().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the agent if it still runs.
    pub(crate) fn kill_agent(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }

    /// Starts the agent again if it has ended.
    pub(crate) fn revive(&mut self) {
        if self.agent.try_wait().unwrap().is_some() {
            self.agent = start_agent(&[]);
        }
    }

    /// Does what a supervisor of daemons does, until everything works and only that is there.
    ///
    /// # Errors
    /// What does not work, or is left; it is ended by force then.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.revive();
            let parts = parts().unwrap_or_default();
            let works = |id: &str| parts.iter().any(|part| part["id"] == id && part["state"] == "works");
            let left = left_over(self.agent.id());
            if works("agent") && works("spawner") && left.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                self.end_all();
                let states: Vec<String> =
                    parts.iter().map(|part| format!("{}: {}", part["id"], part["state"])).collect();
                return Err(format!("not well again: {states:?}; left over: {left:?}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends everything but what is not ours.
    fn end_all(&mut self) {
        for process in processes().iter().filter(|it| ![1, std::process::id()].contains(&it.pid)) {
            let pid = Pid::from_raw(i32::try_from(process.pid).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.agent.wait();
        self.restart_agent(&[]);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("agent and spawner said: {}\nand there is: {:#?}", agent_log(), processes());
        }
    }
}

/// What agent and spawner have said on stderr.
pub(crate) fn agent_log() -> String {
    fs::read_to_string(AGENT_LOG).unwrap_or_default()
}

/// A command as this user, without a terminal.
pub(crate) fn as_user(name: &str) -> Command {
    as_user_under(&[], name)
}

fn as_user_under(words: &[String], name: &str) -> Command {
    let mut command = Command::new("setsid");
    command.arg("--wait").args(words);
    command.args(["setpriv", "--reuid", name, "--regid", name, "--init-groups"]);
    command.env("HOME", format!("/home/{name}")).current_dir("/");
    command
}

/// What `jitctl` prints as JSON; none if there is no answer.
pub(crate) fn jitctl(words: &[&str]) -> Option<Value> {
    let mut command = Command::new("jitctl");
    command.args(words).arg("--json");
    serde_json::from_str(&run(command, b"", PATIENCE).stdout).ok()
}

pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn parts() -> Option<Vec<Value>> {
    jitctl(&["status"])?.as_array().cloned()
}

fn start_agent(words: &[String]) -> Child {
    let log = fs::File::options().create(true).append(true).open(AGENT_LOG).unwrap();
    let words = words.iter().map(String::as_str).chain(["/usr/libexec/jit-sudo/jit-agentd", "--foreground"]);
    let words: Vec<&str> = words.collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap()
}

#[derive(Debug)]
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    state: String,
}

/// All of the sandbox: it has a pid namespace of its own.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.to_owned();
        Some(Process { pid, parent: fields.next()?.parse().ok()?, name: name.to_owned(), state })
    })
    .collect()
}

/// All but process 1, this program, the agent, one spawner with its keeper, and its two idle monitors.
fn left_over(agent: u32) -> Vec<String> {
    let own = std::process::id();
    let all = processes();
    let spawners = || all.iter().filter(|it| it.name == "jit-spawner");
    let spawner = spawners().find(|it| spawners().all(|other| other.pid != it.parent)).map_or(0, |it| it.pid);
    let keeper = all.iter().find(|it| it.name == "jit-keeper").map_or(0, |it| it.pid);
    let monitors = spawners().filter(|it| it.parent == spawner).count();
    let expected = |it: &&Process| {
        [1, own, agent, keeper, spawner].contains(&it.pid)
            || (it.name == "jit-spawner" && it.parent == spawner && it.state == "S")
    };
    let mut left: Vec<String> = all.iter().filter(|it| !expected(it)).map(|it| format!("{it:?}")).collect();
    if monitors != 2 {
        left.push(format!("{monitors} monitors"));
    }
    left
}
