//! A program run to its end, or to its deadline.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a program may take unless told otherwise.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// What a program did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was run, for messages.
    pub what: String,
    /// How it ended; absent: it did not, and was killed at its deadline.
    pub status: Option<ExitStatus>,
    /// What it wrote to stdout, undecodable bytes replaced.
    pub stdout: String,
    /// What it wrote to stderr; empty for a program on a terminal.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Exit status 0.
    pub fn is_ok(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Its exit status; absent for a death by signal.
    pub fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// The signal that killed it.
    pub fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }

    /// It must have ended with status 0.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.is_ok(), "expected success: {self}");
        self
    }

    /// It must have ended with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "expected exit status {code}: {self}");
        self
    }

    /// Its stdout must be this, but for white space around it.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout.trim(), text, "expected on stdout: {text}\n{self}");
        self
    }

    /// Its stdout must contain this.
    #[track_caller]
    pub fn shows(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "expected in stdout: {text}\n{self}");
        self
    }

    /// Its stderr must contain this.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "expected in stderr: {text}\n{self}");
        self
    }

    /// Neither stdout nor stderr may contain this.
    #[track_caller]
    pub fn never_shows(self, text: &str) -> Self {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "unexpected: {text}\n{self}");
        self
    }

    /// Nothing may be on stdout.
    #[track_caller]
    pub fn silent(self) -> Self {
        assert!(self.stdout.is_empty(), "expected nothing on stdout: {self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        match self.status {
            Some(status) => writeln!(f, "  ended after {:.1?}: {status}", self.took)?,
            None => writeln!(f, "  DID NOT END within {:.1?} and was killed", self.took)?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "  --- {name}")?;
                for line in text.lines() {
                    writeln!(f, "  {}", line.escape_debug())?;
                }
            }
        }
        Ok(())
    }
}

/// Runs a program with this on its stdin, and kills it (with its process group) at the deadline.
pub fn run(mut command: Command, input: &[u8], deadline: Duration) -> Outcome {
    let what = describe(&command);
    let started = Instant::now();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("can't start {what}: {error}"));
    let stdin = child.stdin.take();
    let input = input.to_vec();
    // A program that does not read its stdin must not block the test; one that closes it is no error.
    std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = wait(&mut child, started + deadline);
    let took = started.elapsed();
    // What it left behind may hold the pipes; what was printed until now is what counts.
    let end = Instant::now() + Duration::from_millis(if status.is_some() { 2_000 } else { 200 });
    Outcome { what, status, stdout: finish(stdout, end), stderr: finish(stderr, end), took }
}

/// Waits until the child ends; at the deadline it is killed with its process group, and there is no status.
pub fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => break,
        }
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

type Collected = std::sync::Arc<std::sync::Mutex<Vec<u8>>>;

fn collect(stream: Option<impl Read + Send + 'static>) -> (Collected, Option<JoinHandle<()>>) {
    let bytes = Collected::default();
    let into = std::sync::Arc::clone(&bytes);
    let thread = stream.map(|mut stream| {
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let read = buffer.get(..count).unwrap_or_default();
                into.lock().expect("no one panics holding this").extend_from_slice(read);
            }
        })
    });
    (bytes, thread)
}

fn finish((bytes, thread): (Collected, Option<JoinHandle<()>>), end: Instant) -> String {
    while thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    let bytes = bytes.lock().expect("no one panics holding this");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, deadline: Duration) -> Outcome {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        run(command, b"typed\n", deadline)
    }

    #[test]
    fn output_status_and_input_are_kept_apart() {
        sh("read line; echo $line; echo wrong >&2; exit 3", DEADLINE)
            .exits(3)
            .prints("typed")
            .complains("wrong");
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_at_its_deadline() {
        let outcome = sh("echo begun; sleep 100", Duration::from_secs(2));
        assert!(outcome.status.is_none() && outcome.took < Duration::from_mins(1), "{outcome}");
        assert_eq!(outcome.stdout, "begun\n");
    }

    #[test]
    fn death_by_signal_is_told_from_an_exit_status() {
        let outcome = sh("kill -TERM $$", DEADLINE);
        assert_eq!((outcome.code(), outcome.signal()), (None, Some(15)));
    }
}
