//! `jitctl token verify`: whose signatures a token has, by files that need not be those of the host it is for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jit_signature::{GRANT, Revoked, Signers, verify};

use crate::failure::Failure;
use crate::output::Output;
use crate::shown;

/// Show a token and check its signatures and its time
///
/// Whether its host takes it depends on more, which only that knows: its policy and its own lists of keys, whether it was
/// spent already, and whether it is the host that made it.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Whose signatures count
    #[arg(long, value_name = "FILE", default_value = "/etc/jit-sudo/allowed_signers")]
    signers: PathBuf,
    /// Keys that count no more; it may be missing
    #[arg(long, value_name = "FILE", default_value = "/etc/jit-sudo/revoked_keys")]
    revoked: PathBuf,
    /// The token; none or -: standard input
    file: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let signed = super::read(self.file.as_deref())?;
        let signers = text(&self.signers).map_err(|error| unreadable(&self.signers, &error))?;
        let signers = Signers::parse(&signers).map_err(|mistake| unreadable(&self.signers, &mistake))?;
        let revoked = match text(&self.revoked) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            text => text.map_err(|error| unreadable(&self.revoked, &error)),
        }?;
        let revoked = Revoked::parse(&revoked).map_err(|mistake| unreadable(&self.revoked, &mistake))?;

        output.text(&shown::token(&signed.token))?;
        let (now, signed_text) = (jiff::Timestamp::now(), signed.token.text());
        let mut why_not = signed.signatures.is_empty().then(|| "the token is not signed".to_owned());
        for signature in &signed.signatures {
            match verify(signed_text.as_bytes(), signature, GRANT, &signers, &revoked, now) {
                Ok(by) => output.text(&format!("signed by {} ({})", by.principals, by.key))?,
                Err(why) => {
                    why_not.get_or_insert(format!("a signature does not count: {why}"));
                }
            }
        }
        let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
        let (begin, end) = (time(&signed.token.not_before), time(&signed.token.not_after));
        if end.is_none_or(|end| end <= now) {
            why_not.get_or_insert(format!("the token expired at {}", signed.token.not_after));
        } else if begin.is_none_or(|begin| now < begin) {
            why_not.get_or_insert(format!("the token is not good before {}", signed.token.not_before));
        }
        why_not.map_or(Ok(()), |why| Err(Failure::new(why, "")))
    }
}

fn text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

fn unreadable(path: &Path, why: &impl ToString) -> Failure {
    let hint = "--signers FILE and --revoked FILE name others";
    Failure::new(format!("{}: {}", path.display(), why.to_string()), hint)
}
