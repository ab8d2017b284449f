//! The host that `tests/policies/README.md` describes.

use jiff::tz::TimeZone;
use jit_policy::{Directory, LintAccount, LintFile, LintHost, LookupFailed, Sha256, Zones};

/// Its names, files and clock.
pub(crate) struct Host;

pub(crate) const USERS: [(&str, u32, &str); 6] = [
    ("root", 0, "/bin/bash"),
    ("alice", 1000, "/bin/bash"),
    ("bob", 1001, "/bin/zsh"),
    ("www-data", 33, "/usr/sbin/nologin"),
    ("backup", 34, "/bin/sh"),
    ("deploy", 1998, "/usr/sbin/nologin"),
];

/// What is in each of its programs.
pub(crate) const FILE: Sha256 = Sha256::new([0xab; 32]);

impl Directory for Host {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(["web", "admins"].contains(&group).then_some(2000))
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Ok(USERS.iter().find(|(name, _, _)| *name == user).map(|(_, uid, _)| *uid))
    }
}

impl LintHost for Host {
    fn file(&self, path: &str) -> Option<LintFile> {
        let leads_to = match path {
            "/usr/bin/choose" => "/usr/bin/vim.tiny",
            "/usr/sbin/reboot" => "/usr/bin/systemctl",
            path => path,
        };
        let changeable = path.starts_with("/opt/tools").then(|| "/opt/tools".to_owned());
        (path != "/usr/bin/missing-tool").then(|| LintFile { leads_to: leads_to.to_owned(), changeable })
    }

    fn sha256(&self, _path: &str) -> Result<Sha256, String> {
        Ok(FILE)
    }

    fn account(&self, user: &str) -> Result<Option<LintAccount>, LookupFailed> {
        let found = USERS.iter().find(|(name, uid, _)| *name == user || format!("#{uid}") == user);
        Ok(found.map(|(_, uid, shell)| LintAccount { uid: *uid, shell: (*shell).to_owned() }))
    }
}

/// Its clock is that of Berlin.
impl Zones for Host {
    fn zone(&self, name: &str) -> Option<TimeZone> {
        let rules =
            [("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"), ("America/New_York", "EST5EDT,M3.2.0,M11.1.0")];
        let rules = rules.into_iter().find(|(zone, _)| *zone == name)?;
        TimeZone::posix(rules.1).ok()
    }

    fn local(&self) -> Option<TimeZone> {
        self.zone("Europe/Berlin")
    }
}
