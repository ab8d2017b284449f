//! `jitctl token sign`: shows all of a token, asks, and lets ssh-keygen(1) sign it.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use jit_protocol::token::Signed;
use jit_signature::GRANT;

use crate::failure::{Failure, tell};
use crate::output::Output;
use crate::shown;

/// Sign a token with your SSH key: shows it, asks, prints the signed token
///
/// `ssh-keygen -Y sign -n jit-grant@jit-sudo -f KEY FILE` makes the same signature: it goes behind the token.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Your key, as for ssh-keygen: the private key, or the public one of a key that an agent or a hardware key holds
    #[arg(long)]
    key: PathBuf,
    /// Do not ask whether to
    #[arg(long)]
    yes: bool,
    /// The token, of which others may have signed already; none or -: standard input
    file: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let mut signed = super::read(self.file.as_deref())?;
        tell(&shown::token(&signed.token));
        if !self.yes && !is_wanted()? {
            return Err(Failure::new("not signed", ""));
        }
        let signature = signature(&self.key, &signed.token.text())
            .map_err(|why| Failure::new(format!("it was not signed: {why}"), ""))?;
        signed.signatures.push(signature);
        // What ssh-keygen has said must be what can be read again.
        let text = signed.text();
        if Signed::parse(&text).as_ref() != Ok(&signed) {
            return Err(Failure::new(
                "it was not signed: ssh-keygen printed something else than a signature",
                "",
            ));
        }
        output.document(&text)
    }
}

/// Asks on the terminal: standard input may be the token.
fn is_wanted() -> Result<bool, Failure> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal.map_err(|_| {
        Failure::new(
            "there is no terminal to ask on",
            "--yes signs without asking: look with jitctl token show first",
        )
    })?;
    let mut answer = String::new();
    terminal.write_all(b"Sign? [y/N] ")?;
    BufReader::new(terminal).read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn signature(key: &Path, text: &str) -> io::Result<String> {
    let mut keygen = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-q", "-n", GRANT, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::other(format!("ssh-keygen cannot be run: {error}")))?;
    if let Some(mut stdin) = keygen.stdin.take() {
        // One that ended before it has read all says why itself.
        let _ = stdin.write_all(text.as_bytes());
    }
    let done = keygen.wait_with_output()?;
    if !done.status.success() {
        return Err(io::Error::other("ssh-keygen says why above"));
    }
    String::from_utf8(done.stdout).map_err(io::Error::other)
}
