//! The demo's scenes: each has a headline, commands that a person types, and something that must be seen.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use jit_tests::Terminal;
use jit_tests::terminal::open;

use crate::cargo::{Done, command, read};

const PASSWORD: &str = "demo";
const PATIENCE: Duration = Duration::from_secs(15);

/// Plays all scenes, and fails if one did not show what it should.
///
/// # Errors
/// The scene, and what was expected.
pub(crate) fn play() -> Done {
    headline("The policy", "who is eligible, for what, and for how long");
    print!("{}", super::POLICY);

    headline("Denied", "bob is named in no rule: refused, and told no more than that");
    let mut bob = Shell::of("bob")?;
    bob.types("jit-sudo id")?.sees("jit-sudo:")?.at_the_prompt()?;
    bob.status_is_not_zero()?;
    headline("Denied, explained", "the administrator asks why");
    root_sees("jitctl policy explain --user bob -- /usr/bin/id", "look-around", false)?;

    headline("Elevated", "alice is eligible; she proves that it is her");
    let mut alice = Shell::of("alice")?;
    alice.types("jit-sudo --explain systemctl restart ssh")?.at_the_prompt()?;
    alice.status_is_not_zero()?;
    alice.types("jit-sudo id")?.sees("assword")?.sees(":")?.types_hidden(PASSWORD);
    alice.sees("uid=0(root)")?.at_the_prompt()?;

    headline("Elevated again", "same terminal, within minutes: no password");
    alice.waits();
    alice.types("jit-sudo id -un")?.sees("root")?.at_the_prompt()?;

    headline("Until it expires", "a grant of five seconds, and a command that would take a thousand");
    alice.waits();
    let started = Instant::now();
    alice.types("jit-sudo sleep 1000")?.at_the_prompt()?;
    alice.status_is_not_zero()?;
    let took = started.elapsed();
    check((4..=9).contains(&took.as_secs()), &format!("an end after about 5 s, not after {took:.1?}"))?;
    nothing_sleeps("1000")?;

    headline("Revoked", "a grant is ended early, and with it what runs");
    alice.waits();
    alice.types("jit-sudo sleep 2000")?;
    let end = Instant::now() + PATIENCE;
    while read(command(&["pgrep", "-f", "^sleep 2000"])).is_err() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    root_sees("jitctl grants --all", "long-sleep", true)?;
    root_sees("jitctl revoke --user alice", "", true)?;
    alice.at_the_prompt()?;
    nothing_sleeps("2000")?;

    headline("Who did what", "the audit log, and the proof that nothing in it was changed");
    root_sees("jitctl audit show", "session.ended", true)?;
    root_sees("jitctl audit verify", "", true)?;
    println!(
        "\n\x1b[1;32mAll scenes showed what they should.\x1b[0m  To try it yourself: cargo xtask demo --shell"
    );
    Ok(())
}

fn headline(title: &str, what: &str) {
    println!("\n\n\x1b[1;34m━━ {title}\x1b[0m: {what}\n");
    // Time to read, where somebody does.
    if std::io::stdout().is_terminal() {
        std::thread::sleep(Duration::from_secs(3));
    }
}

fn check(holds: bool, expected: &str) -> Done {
    if holds { Ok(()) } else { Err(format!("expected {expected}\n{}", super::agent_log())) }
}

/// Runs a command as root, shows it with its output, and checks for a text and the kind of its end.
fn root_sees(line: &str, expected: &str, success: bool) -> Done {
    println!("\r\x1b[Kroot# {line}");
    let output = command(&["sh", "-c", line]).output().map_err(|error| format!("sh: {error}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    print!("{text}");
    check(output.status.success() == success, &format!("another end of `{line}`, not {}", output.status))?;
    check(text.contains(expected), &format!("`{expected}` from `{line}`"))
}

/// No `sleep` with this argument may be left.
fn nothing_sleeps(seconds: &str) -> Done {
    println!("\r\x1b[Kroot# pgrep -f 'sleep {seconds}'");
    let left = read(command(&["pgrep", "-a", "-f", &format!("^sleep {seconds}")])).unwrap_or_default();
    println!("{}", if left.is_empty() { "(nothing: it is gone)" } else { &left });
    check(left.is_empty(), "nothing left running")
}

/// A login shell on a terminal of its own, shown as it goes.
struct Shell {
    terminal: Terminal,
    prompt: String,
}

impl Shell {
    fn of(user: &str) -> Done<Self> {
        let pair = open(Path::new("/dev/ptmx")).map_err(|error| format!("no terminal: {error}"))?;
        let mut login = command(&["setsid", "--ctty", "--wait", "runuser", "--login", user]);
        login.env("TERM", "dumb");
        let mut shell = Self { terminal: Terminal::start(pair, login), prompt: format!("{user}@demo$ ") };
        // Only now is what happens shown: the shell's own start is nobody's business.
        shell
            .terminal
            .type_line(&format!("bind 'set enable-bracketed-paste off' 2>/dev/null; PS1='{user}@''demo$ '"));
        shell.at_the_prompt()?;
        shell.terminal = shell.terminal.echoing();
        shell.waits();
        Ok(shell)
    }

    /// Shows its prompt again, below a headline.
    fn waits(&self) {
        print!("{}", self.prompt);
    }

    fn types(&mut self, line: &str) -> Done<&mut Self> {
        self.terminal.type_line(line);
        // The terminal's echo of what was typed is not what is waited for.
        self.sees(line)
    }

    fn types_hidden(&mut self, secret: &str) -> &mut Self {
        // A person takes a moment, too: input typed before the prompt may be flushed.
        std::thread::sleep(Duration::from_millis(300));
        self.terminal.type_line(secret);
        self
    }

    fn sees(&mut self, text: &str) -> Done<&mut Self> {
        let found = self.terminal.appears(text, PATIENCE);
        check(found, &format!("`{text}` on the screen:\n{}", self.terminal.shown()))?;
        Ok(self)
    }

    fn at_the_prompt(&mut self) -> Done<&mut Self> {
        let prompt = self.prompt.clone();
        self.sees(&prompt)
    }

    fn status_is_not_zero(&mut self) -> Done {
        self.types("echo status: $?")?.sees("status: ")?;
        let zero = self.terminal.appears("0\r", Duration::from_millis(300));
        check(!zero, "another exit status than 0")?;
        self.at_the_prompt().map(drop)
    }
}
