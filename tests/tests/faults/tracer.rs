//! strace(1) as the fault: it attaches to threads of running programs, makes their n-th call fail without being
//! executed, or kills the process on entry, before the call has any effect (strace(1), "Tampering").

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: it is only noted.
    None,
    /// It fails with this error and has no effect.
    Error(&'static str),
    /// Its process is killed before it has an effect: after all that came before it.
    Kill,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "nothing",
            Self::Error(name) => name,
            Self::Kill => "SIGKILL",
        })
    }
}

/// Which call of a thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Names of system calls. With a fault one alone, for strace counts each kind by itself.
    pub(crate) calls: &'a [&'a str],
    /// Calls on these files alone; none: on all.
    pub(crate) files: &'a [&'a str],
    /// Children are traced as well.
    pub(crate) children: bool,
    /// The n-th of them in each thread, from 1; none: each of them.
    pub(crate) number: Option<usize>,
    pub(crate) fault: Fault,
}

const LOG: &str = "/run/faults/strace.log";

/// An strace that is attached, or has started a program.
pub(crate) struct Tracer {
    strace: Child,
}

impl Tracer {
    /// Attaches to threads; returns once all are traced. None: one of them has ended meanwhile.
    pub(crate) fn attach(threads: &[u32], target: Target<'_>) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(arguments(target));
        command.args(threads.iter().map(|thread| format!("--attach={thread}")));
        let mut strace = command.stderr(Stdio::piped()).spawn().expect("strace starts: install it");
        let mut said = String::new();
        let lines = BufReader::new(strace.stderr.as_mut().unwrap()).lines().map_while(Result::ok);
        let mut attached = 0;
        for line in lines {
            attached += usize::from(line.contains(" attached"));
            said.push_str(&line);
            if attached == threads.len() {
                return Some(Self { strace });
            }
            if line.contains("attach: ") {
                Self { strace }.finish();
                return None;
            }
        }
        Self { strace }.finish();
        panic!("strace did not attach to {threads:?}: {said}");
    }

    /// The words before a program's own so that it is traced from its start, and is still the process that was started.
    pub(crate) fn words(target: Target<'_>) -> Vec<String> {
        let own = ["strace", "--quiet=attach", "--daemonize=grandchild"].map(str::to_owned);
        own.into_iter().chain(arguments(target)).collect()
    }

    /// Detaches.
    pub(crate) fn finish(mut self) {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.strace.id()).unwrap()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        self.strace.wait().unwrap();
    }
}

/// All calls that were noted, in the order of their ends, as strace writes them. To be asked once strace has ended.
pub(crate) fn calls() -> Vec<String> {
    let log = take_log();
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for (thread, line) in log.lines().map(split) {
        if let Some(start) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, start);
        } else if let Some((_, end)) = line.split_once(" resumed>") {
            calls.push(begun.remove(thread).unwrap_or_default().to_owned() + end);
        } else {
            calls.push(line.to_owned());
        }
    }
    calls
}

/// The call that the fault has met; none if there were fewer calls. To be asked once strace has ended.
pub(crate) fn hit() -> Option<String> {
    let log = take_log();
    let lines: Vec<(&str, &str)> = log.lines().map(split).collect();
    if let Some((_, line)) = lines.iter().find(|(_, line)| line.contains("(INJECTED)")) {
        return Some((*line).to_owned());
    }
    // A call on whose entry its process was killed never returns.
    lines.iter().enumerate().find_map(|(at, (thread, line))| {
        let next = lines[at + 1..].iter().find(|(other, _)| other == thread);
        let killed = next.is_none_or(|(_, line)| *line == "+++ killed by SIGKILL +++");
        (killed && line.ends_with("= ?")).then(|| (*line).to_owned())
    })
}

fn take_log() -> String {
    let log = fs::read_to_string(LOG).unwrap_or_default();
    let _ = fs::remove_file(LOG);
    log
}

/// The thread's number, if strace tells it, and the rest.
fn split(line: &str) -> (&str, &str) {
    match line.split_once(' ') {
        Some((thread, rest)) if thread.bytes().all(|byte| byte.is_ascii_digit()) => (thread, rest.trim()),
        _ => ("", line),
    }
}

fn arguments(target: Target<'_>) -> Vec<String> {
    let _ = fs::remove_file(LOG);
    let calls = target.calls.join(",");
    let mut words: Vec<String> =
        vec!["--decode-fds=path".into(), "--string-limit=80".into(), format!("--output={LOG}")];
    words.push("--signal=none".into());
    words.push(format!("--trace={calls}"));
    let when = target.number.map(|number| format!(":when={number}")).unwrap_or_default();
    match target.fault {
        Fault::None => {}
        Fault::Error(name) => words.push(format!("--inject={calls}:error={name}{when}")),
        Fault::Kill => words.push(format!("--inject={calls}:signal=KILL{when}")),
    }
    words.extend(target.files.iter().map(|file| format!("--trace-path={file}")));
    words.extend(target.children.then(|| "--follow-forks".to_owned()));
    words
}
