//! A command that is asked about, not run. `jit-sudo` asks, for it says where and how a command of this user would run.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;

use super::approve::HELPER;
use crate::failure::Failure;

/// As for `jit-sudo`.
#[derive(Debug, Args)]
pub(crate) struct Wish {
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
    /// The command and its arguments, as for jit-sudo, from the folder that it is to run in
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Wish {
    /// Becomes `jit-sudo` with this option, which says what it is asked for, and those that go with it.
    pub(crate) fn ask(&self, option: &str, more: &[(&str, &Option<OsString>)]) -> Failure {
        let mut helper = Command::new(HELPER);
        helper.arg(option);
        let given = [
            ("--rule", &self.rule),
            ("--user", &self.user),
            ("--group", &self.group),
            ("--chdir", &self.chdir),
            ("--reason", &self.reason),
            ("--for", &self.duration),
        ];
        for (option, value) in given.iter().chain(more) {
            helper.args(value.iter().flat_map(|value| [OsString::from(option), value.clone()]));
        }
        let error = helper.arg("--").args(&self.command).exec();
        Failure::new(format!("{HELPER} cannot be run: {error}"), "")
    }
}
