//! The login session that `jitctl policy explain` is asked about.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use jit_policy::{LoginSession, Origin, Remote};

/// What is known of the login session that the command would come from: as a `[[test]]` says it.
#[derive(Debug, Default, Args)]
pub(super) struct LoginOptions {
    /// Where the login session came from
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(super) origin: Option<Way>,
    /// The address at its other end
    #[arg(long, value_name = "ADDRESS")]
    pub(super) remote: Option<IpAddr>,
    /// The states that it is in; `none` for neither
    #[arg(long, value_enum, value_name = "STATES", value_delimiter = ',')]
    pub(super) session: Option<Vec<State>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    Local,
    Ssh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum State {
    Active,
    Unlocked,
    None,
}

impl LoginOptions {
    /// What is not said is not known.
    pub(super) fn facts(&self) -> LoginSession {
        let is = |state| self.session.as_ref().map(|states| states.contains(&state));
        LoginSession {
            origin: self.origin.map(|origin| match origin {
                Way::Local => Origin::Local,
                Way::Ssh => Origin::Ssh,
            }),
            remote: match self.remote {
                Some(address) => Remote::Address(address),
                // Who sits in front of it comes from nowhere.
                None if self.origin == Some(Way::Local) => Remote::None,
                None => Remote::Unknown,
            },
            active: is(State::Active),
            unlocked: is(State::Unlocked),
            unknown: "say it with --origin, --remote or --session".to_owned(),
        }
    }
}
