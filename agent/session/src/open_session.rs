//! The target user's PAM session, and what its modules did to this process: taken over, then undone here.

use std::fs;
use std::io;

use jit_protocol::order::Order;
use jit_sys::limits::Limits;
use jit_sys::pam::{Item, Transaction};
use jit_sys::{process, signals};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, getgroups, setgroups};

use crate::monitor::{Refusal, unchanged_user};
use crate::peer::Inherited;

/// An open PAM session; closed when dropped.
pub struct OpenSession<'a> {
    pam: &'a mut Transaction,
    /// The command's groups: the target's, and what modules added.
    pub groups: Vec<Gid>,
    /// The command's limits: the invoking user's, but for what modules set.
    pub limits: Limits,
    /// The limits that this process has, as before.
    pub own_limits: Limits,
    /// The command's nice value, likewise.
    pub nice: i32,
    /// What modules want in the environment; not yet filtered.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a> OpenSession<'a> {
    /// In the order that sudo and login use: user, groups, credentials, session; then read back.
    ///
    /// # Errors
    /// What the person is told.
    pub fn open(pam: &'a mut Transaction, order: &Order, inherited: &Inherited) -> Result<Self, Refusal> {
        let failed = |what: &'static str| move |error: io::Error| Refusal::internal(what, error);
        let _ = process::join_new_keyring(); // a kernel without keyrings has none to share
        if let Some(login_uid) = inherited.login_uid {
            // Attribution only; where the kernel refuses (immutable, no audit), the command has the spawner's: none.
            let _ = fs::write("/proc/self/loginuid", login_uid.to_string());
        }
        let own = Pid::from_raw(0);
        let limits = Limits::of(own).map_err(failed("limits"))?;
        let nice = process::nice_of(0).map_err(failed("nice value"))?;
        let groups: Vec<Gid> = order.target.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups).map_err(|error| Refusal::internal("groups", error))?;
        let target = &order.target.name;
        pam.set(Item::User, target).map_err(|error| Refusal::internal("PAM", error))?;
        // What modules set for the invoking user, maybe from a file of theirs (CVE-2025-6018), is not the target's.
        pam.clear_environment().map_err(|error| Refusal::internal("PAM", error))?;
        pam.establish_credentials().map_err(|error| Refusal::internal("PAM credentials", error))?;
        pam.open_session().map_err(|error| {
            let _ = pam.delete_credentials();
            Refusal::internal("PAM session", error)
        })?;
        // From here on dropping it closes the session.
        let mut opened = Self {
            pam,
            groups,
            limits: inherited.limits,
            own_limits: limits,
            nice: inherited.nice,
            environment: Vec::new(),
        };
        unchanged_user(opened.pam, target)?;
        if !process::ids_are(Uid::from_raw(0), Gid::from_raw(0)) {
            return Err(Refusal::new("a PAM module changed the identity of the monitor", ""));
        }
        opened.groups = getgroups().map_err(|error| Refusal::internal("groups", error))?;
        opened.environment = opened.pam.environment();
        let changed = Limits::of(own).map_err(failed("limits"))?;
        opened.limits = inherited.limits.with_changes(&limits, &changed);
        let after = process::nice_of(0).map_err(failed("nice value"))?;
        if after != nice {
            opened.nice = after;
        }
        limits.apply_over(&changed).map_err(failed("limits"))?;
        process::set_nice(nice).map_err(failed("nice value"))?;
        Ok(opened)
    }
}

impl Drop for OpenSession<'_> {
    fn drop(&mut self) {
        // PAM's helper programs expect a normal signal mask. But the end of the command's terminal, whose session this
        // process leads, is a SIGHUP that waits for it.
        let _ = signals::forget_pending(&[Signal::SIGPIPE as i32]);
        let _ = signals::unblock_all();
        let _ = self.pam.close_session();
        let _ = self.pam.delete_credentials();
        let _ = signals::block_all();
    }
}
