//! `jitctl token request`: `jit-sudo` asks for it, for it says where and how a command of this user would run.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;

use super::super::approve::HELPER;
use crate::failure::Failure;

/// Print what approvers are to sign, for a command that a rule lets signers approve
#[derive(Debug, Args)]
pub(crate) struct Request {
    /// Use this rule
    #[arg(long, value_name = "ID")]
    rule: Option<OsString>,
    /// Run it as this user (a name or #uid) instead of root
    #[arg(short, long)]
    user: Option<OsString>,
    /// Run it with this group (a name or #gid)
    #[arg(short, long)]
    group: Option<OsString>,
    /// Run it in this folder, if policy allows
    #[arg(short = 'D', long, value_name = "FOLDER")]
    chdir: Option<OsString>,
    /// Why it is needed; approvers see it
    #[arg(long, value_name = "TEXT")]
    reason: Option<OsString>,
    /// How long the grant shall live: 90s, 15m, 1h30m, 7d
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<OsString>,
    /// From when on it may be spent (RFC 3339: 2026-12-24T18:00:00+01:00); without: now
    #[arg(long, value_name = "TIME")]
    from: Option<OsString>,
    /// For how long from then on, 24h at most; without: as long as the rule lets a request wait
    #[arg(long, value_name = "DURATION")]
    valid: Option<OsString>,
    /// The command and its arguments, as for jit-sudo, from the folder that it is to run in
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Request {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut helper = Command::new(HELPER);
        helper.arg("--make-token");
        for (option, value) in [
            ("--rule", &self.rule),
            ("--user", &self.user),
            ("--group", &self.group),
            ("--chdir", &self.chdir),
            ("--reason", &self.reason),
            ("--for", &self.duration),
            ("--make-token-from", &self.from),
            ("--make-token-valid", &self.valid),
        ] {
            helper.args(value.iter().flat_map(|value| [OsString::from(option), value.clone()]));
        }
        let error = helper.arg("--").args(&self.command).exec();
        Err(Failure::new(format!("{HELPER} cannot be run: {error}"), ""))
    }
}
