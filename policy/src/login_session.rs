//! `when.origin`, `when.remote` and `when.session`: facts of the login session that a request comes from.

use std::fmt;
use std::net::IpAddr;

use crate::when::Holds;

/// What is known of a login session. All of it is the host's word, nothing the user's; what can't be told is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginSession {
    /// Where it came from.
    pub origin: Option<Origin>,
    /// The address at its other end.
    pub remote: Remote,
    /// It is in the foreground of its seat, or has none.
    pub active: Option<bool>,
    /// Its screen is not locked.
    pub unlocked: Option<bool>,
    /// Why what is not known isn't, for people.
    pub unknown: String,
}

/// Where a login session came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The host's own screen and keyboard.
    Local,
    /// The host's SSH server.
    Ssh,
    /// Any other way.
    Other,
}

impl Origin {
    /// As policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh => "ssh",
            Self::Other => "another way",
        }
    }
}

/// The address at the other end of a login session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remote {
    /// It can't be told.
    #[default]
    Unknown,
    /// There is no other end.
    None,
    /// This one.
    Address(IpAddr),
}

/// The conditions of one rule: each that is not empty must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FromLogin {
    /// One of these.
    pub(crate) origin: Box<[Origin]>,
    /// In one of these.
    pub(crate) remote: Box<[Network]>,
    /// All of these.
    pub(crate) session: Box<[State]>,
}

/// A state of a login session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Active,
    Unlocked,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unlocked => "unlocked",
        }
    }
}

/// `10.0.0.0/8`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    pub(crate) address: IpAddr,
    pub(crate) bits: u8,
}

impl FromLogin {
    pub(crate) fn holds(&self, login: &LoginSession) -> Holds {
        let parts = [self.origin_holds(login), self.remote_holds(login), self.session_holds(login)];
        all(parts.into_iter())
    }

    /// What does not hold, and why.
    pub(crate) fn failures(&self, login: &LoginSession) -> Vec<String> {
        let unknown = |what: &str| format!("{what} can't be told: {}", login.unknown);
        let mut failures = Vec::new();
        match (self.origin_holds(login), login.origin) {
            (Holds::Yes, _) => {}
            (Holds::No, Some(origin)) => {
                failures.push(format!("the login session came by {}", origin.name()));
            }
            _ => failures.push(unknown("where the login session came from")),
        }
        match (self.remote_holds(login), login.remote) {
            (Holds::Yes, _) => {}
            (Holds::No, Remote::Address(address)) => {
                failures.push(format!("{address} is not in {}", self.networks()));
            }
            (Holds::No, _) => failures.push("the login session has no remote address".to_owned()),
            _ => failures.push(unknown("the address of the login session")),
        }
        for state in &self.session {
            let (is, not) = match state {
                State::Active => (login.active, "the login session is not active"),
                State::Unlocked => (login.unlocked, "the login session is locked"),
            };
            match is {
                Some(true) => {}
                Some(false) => failures.push(not.to_owned()),
                None => failures.push(unknown("the state of the login session")),
            }
        }
        failures
    }

    /// As people read it: `origin local or ssh`.
    pub(crate) fn texts(&self) -> Vec<String> {
        let origins: Vec<&str> = self.origin.iter().map(|origin| origin.name()).collect();
        let states: Vec<&str> = self.session.iter().map(|state| state.name()).collect();
        let texts = [
            ("origin", origins.join(" or ")),
            ("remote", self.networks()),
            ("session", states.join(" and ")),
        ];
        let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
        said.map(|(key, text)| format!("{key} {text}")).collect()
    }

    /// Whether all that `other` lets in is let in by this, as far as that can be told from what is written.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let is_in = |network: &Network| self.remote.iter().any(|own| own.covers(network));
        (self.origin.is_empty()
            || !other.origin.is_empty() && other.origin.iter().all(|origin| self.origin.contains(origin)))
            && (self.remote.is_empty() || !other.remote.is_empty() && other.remote.iter().all(is_in))
            && self.session.iter().all(|state| other.session.contains(state))
    }

    /// A login session for which it holds.
    pub(crate) fn sample(&self) -> LoginSession {
        let (origin, remote) = (self.origin.first(), self.remote.first());
        LoginSession {
            origin: Some(origin.copied().unwrap_or(if remote.is_some() {
                Origin::Ssh
            } else {
                Origin::Local
            })),
            remote: remote.map_or(Remote::None, |network| Remote::Address(network.address)),
            active: Some(true),
            unlocked: Some(true),
            unknown: String::new(),
        }
    }

    fn networks(&self) -> String {
        self.remote.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    }

    fn origin_holds(&self, login: &LoginSession) -> Holds {
        match login.origin {
            _ if self.origin.is_empty() => Holds::Yes,
            Some(origin) => said(self.origin.contains(&origin)),
            None => Holds::Unknown,
        }
    }

    fn remote_holds(&self, login: &LoginSession) -> Holds {
        match login.remote {
            _ if self.remote.is_empty() => Holds::Yes,
            Remote::Address(address) => said(self.remote.iter().any(|network| network.contains(address))),
            Remote::None => Holds::No,
            Remote::Unknown => Holds::Unknown,
        }
    }

    fn session_holds(&self, login: &LoginSession) -> Holds {
        let state = |state: &State| match state {
            State::Active => login.active.map_or(Holds::Unknown, said),
            State::Unlocked => login.unlocked.map_or(Holds::Unknown, said),
        };
        all(self.session.iter().map(state))
    }
}

impl Network {
    /// `10.0.0.0/8`, or one address. The error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let no_network = || format!("`{text}` is no network");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| no_network())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => all,
            Some(bits) if bits.len() < 4 && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= all).ok_or_else(no_network)?
            }
            Some(_) => return Err(no_network()),
        };
        let network = Self { address, bits };
        let first = network.first(address);
        if first != address {
            return Err(format!("`{text}` is not the first address of its network, which is {first}/{bits}"));
        }
        Ok(network)
    }

    /// An IPv4 address that is written as an IPv6 one is that.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.first(address) == self.address
    }

    fn covers(self, other: &Self) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }

    /// The first address of a network of this size around an address.
    fn first(self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.address, self.bits)
    }
}

fn said(holds: bool) -> Holds {
    if holds { Holds::Yes } else { Holds::No }
}

/// One that does not hold is enough for "no", whatever is not known of the others.
fn all(parts: impl Iterator<Item = Holds>) -> Holds {
    parts.fold(Holds::Yes, |all, part| match (all, part) {
        (Holds::No, _) | (_, Holds::No) => Holds::No,
        (Holds::Unknown, _) | (_, Holds::Unknown) => Holds::Unknown,
        _ => Holds::Yes,
    })
}
