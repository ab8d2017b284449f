//! This host's accounts and files, for lint.

use std::os::fd::AsFd;

use jit_policy::{Directory, LintAccount, LintFile, LintHost, LookupFailed, Sha256};
use jit_sys::account::{self, NameOrId};
use jit_sys::{digest, path};

use super::super::explain::{Nss, failed};
use crate::failure::Failure;
use crate::policy_source::ThisHost;

/// This host.
pub(super) struct LintedHost {
    this: ThisHost,
}

impl LintedHost {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { this: ThisHost::new()? })
    }
}

impl Directory for LintedHost {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        Nss.gid_of(group)
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        Nss.uid_of(user)
    }
}

impl LintHost for LintedHost {
    fn file(&self, path: &str) -> Option<LintFile> {
        let found = path::resolve(self.this.root.as_fd(), path.as_bytes()).ok()?;
        let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        Some(LintFile { leads_to: text(&found.leads_to), changeable: found.changeable.as_deref().map(text) })
    }

    fn sha256(&self, path: &str) -> Result<Sha256, String> {
        let root = self.this.root.as_fd();
        let found = path::resolve(root, path.as_bytes()).map_err(|error| error.to_string())?;
        digest::of(root, &found).map(Sha256::new).map_err(|error| error.to_string())
    }

    fn account(&self, user: &str) -> Result<Option<LintAccount>, LookupFailed> {
        let found = match account::parse_name_or_id(user) {
            Some(NameOrId::Name(name)) => account::by_name(&name),
            Some(NameOrId::Id(uid)) => account::by_uid(uid),
            None => return Ok(None),
        };
        let facts = |found: account::Account| LintAccount {
            uid: found.uid,
            shell: String::from_utf8_lossy(&found.shell).into_owned(),
        };
        found.map(|found| found.map(facts)).map_err(failed)
    }
}
