//! The policy in force: loaded all or nothing, and after a bad load the last good one, for a while.
//!
//! ```text
//! folders ── good ─▶ last good (stored) ─▶ gated (stored) ─▶ in force
//!         ── bad ──▶ last good and the denies of what does parse, at most `policy.last_good_for` ─▶ nothing permitted
//! ```
//! Everything but [`PolicyHolder::current`], [`PolicyHolder::abandoned`] and [`PolicyHolder::expire_last_good`] blocks: call it off
//! the event loop.

mod administrators;
mod durable;
mod files;
mod gated;
mod last_good;
mod signed;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jit_policy::{Host, Policy, Source, Surroundings};
use jit_protocol::escape;
use jit_protocol::link::Deadline;
use jit_sys::account;

use self::administrators::Place;
use self::files::Mistakes;
use self::last_good::LastGood;
pub use self::signed::Accepted;
use crate::clock::{Clock, Moment};
use crate::hostname;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::zones::HostZones;

/// Holds the policy in force, and loads the next one.
pub struct PolicyHolder {
    paths: Paths,
    /// The kernel's node name.
    tags: Vec<String>,
    last_good_for: Duration,
    require_signed: bool,
    /// Of whom one must keep a way to root.
    administrators: Vec<String>,
    clock: Arc<dyn Clock>,
    folders: Box<dyn Surroundings + Send + Sync>,
    current: ArcSwap<Loaded>,
    /// Policies that somebody may still decide by. They are kept so that none of those has to take one apart: of a large one that
    /// takes as long as many decisions.
    retired: Mutex<Vec<Arc<Loaded>>>,
    /// The last good policy; locked by who loads: one at a time.
    good: Mutex<Option<Good>>,
}

/// A policy in force.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What decides.
    pub policy: Policy,
    /// Paths of the files it was made of.
    pub files: Vec<String>,
    /// The signed bundle that they came in.
    pub bundle: Option<Accepted>,
    /// The files as they are now were not accepted: this is the last good policy with denies of theirs, or nothing.
    pub stale: bool,
    /// Why they were not accepted, rendered for people.
    pub mistakes: Option<String>,
    /// When it came in force.
    pub loaded_at: Moment,
    /// When the last good policy was read, `CLOCK_REALTIME` in nanoseconds; none if there has been none.
    pub good_since_ns: Option<i64>,
    /// Until when a stale one permits anything; none if it is not stale, or permits nothing any more.
    pub until: Option<Deadline>,
}

#[derive(Clone)]
struct Good {
    policy: Policy,
    files: Vec<String>,
    since_ns: i64,
}

impl PolicyHolder {
    /// Loads the folders at the start. If they are bad, the last good policy decides, kept from before; if there is
    /// none, or its time is over, nothing is permitted.
    pub fn start(
        paths: &Paths,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        resolver: impl Surroundings + Send + Sync + 'static,
    ) -> Self {
        let holder = Self {
            paths: paths.clone(),
            tags: settings.host.tags.clone(),
            last_good_for: settings.policy.last_good_for,
            require_signed: settings.policy.require_signed,
            administrators: settings.policy.administrators.clone(),
            folders: Box::new(resolver),
            current: ArcSwap::from_pointee(nothing(clock.now())),
            retired: Mutex::default(),
            good: Mutex::new(None),
            clock,
        };
        let mut good = holder.lock();
        if let Err(mistakes) = holder.load(&mut good, false) {
            let mut why = mistakes.text;
            match LastGood::read(&holder.paths, &*holder.folders) {
                Ok(kept) => *good = kept,
                Err(mistake) => why += &mistake,
            }
            holder.fall_back(good.as_ref(), &mistakes.denies, why, None);
        }
        drop(good);
        holder
    }

    /// The policy in force. Never blocks.
    pub fn current(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Loads again, all or nothing.
    ///
    /// # Errors
    /// The mistakes, rendered for people. Then the last good policy stays, and denies of the new files apply.
    pub fn reload(&self) -> Result<Arc<Loaded>, String> {
        self.load_again(false)
    }

    /// As [`Self::reload`], also if that leaves no administrator a way to root.
    ///
    /// # Errors
    /// As [`Self::reload`].
    pub fn force_reload(&self) -> Result<Arc<Loaded>, String> {
        self.load_again(true)
    }

    fn load_again(&self, force: bool) -> Result<Arc<Loaded>, String> {
        let mut good = self.lock();
        self.load(&mut good, force).map_err(|mistakes| {
            let before = self.current();
            self.fall_back(good.as_ref(), &mistakes.denies, mistakes.text, Some(&before))
        })?;
        drop(self.abandoned());
        Ok(self.current())
    }

    /// Puts a policy in force.
    fn put(&self, loaded: Loaded) {
        let before = self.current.swap(Arc::new(loaded));
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(before);
    }

    /// Policies that nobody decides by any more: to be dropped off the event loop. Never blocks.
    pub fn abandoned(&self) -> Vec<Arc<Loaded>> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.extract_if(.., |loaded| Arc::strong_count(loaded) == 1).collect()
    }

    /// Ends a stale policy whose time is over: it permits nothing any more. Denies stay, and logins are decided as
    /// before, for those who are gated must not be let in by it. Never blocks; for a timer.
    pub fn expire_last_good(&self) {
        let current = self.current();
        let is_over = current.until.is_some_and(|until| self.clock.now().is_past(until));
        if is_over {
            let ended = Loaded {
                policy: permitting_nothing(&current.policy),
                mistakes: Some(current.mistakes.clone().unwrap_or_default() + NOTHING),
                until: None,
                loaded_at: self.clock.now(),
                ..Loaded::clone(&current)
            };
            // Somebody may be loading, and be at it for as long as a disk or a directory lets them: what they have put in force
            // meanwhile stays.
            self.current.compare_and_swap(&current, Arc::new(ended));
        }
    }

    fn load(&self, good: &mut Option<Good>, force: bool) -> Result<(), Mistakes> {
        let files = files::read(&self.paths, &*self.folders).map_err(|mistakes| {
            // Of files that nobody has signed, as far as is known, nothing counts.
            if self.require_signed { Mistakes { denies: empty(), ..mistakes } } else { mistakes }
        })?;
        let now = self.clock.now();
        let bundle = self.require_signed.then(|| signed::check(&self.paths, &files, now));
        let bundle = bundle.transpose().map_err(|why| Mistakes {
            denies: empty(),
            text: format!(
                "error: the policy is not signed as `require_signed` wants it: {}\n  = help: `jitctl policy bundle`, \
                 then `ssh-keygen -Y sign -n {}`\n",
                escape(why.as_bytes()),
                jit_signature::POLICY
            ),
        })?;
        let sources = files.sources;
        let policy = Policy::load(&sources, &*self.folders).map_err(|found| Mistakes {
            denies: Policy::load_denies(&sources, &*self.folders),
            text: found.render(),
        })?;
        if !force {
            self.check_administrators(&policy, &sources, good.as_ref(), now)?;
        }
        self.keep(&policy, &sources, bundle.as_ref(), now).map_err(|why| Mistakes {
            denies: Policy::load_denies(&sources, &*self.folders),
            text: format!(
                "error: {why}\n  = help: the policy is sound, but it is taken only once this is stored\n"
            ),
        })?;
        let files: Vec<String> = sources.into_iter().map(|source| source.path).collect();
        *good = Some(Good { policy: policy.clone(), files: files.clone(), since_ns: now.realtime_ns });
        self.put(Loaded {
            policy,
            files,
            bundle,
            stale: false,
            mistakes: None,
            loaded_at: now,
            good_since_ns: Some(now.realtime_ns),
            until: None,
        });
        Ok(())
    }

    /// Refuses a policy that leaves no administrator a way to root; where there is none to stay with, or it is this one, it is
    /// taken all the same. Its denies apply, unless it is they who lock out.
    fn check_administrators(
        &self,
        policy: &Policy,
        sources: &[Source],
        good: Option<&Good>,
        now: Moment,
    ) -> Result<(), Mistakes> {
        let problem = match self.leaves_a_way(policy, now) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                "this policy leaves none of the administrators a way to root on this host".to_owned()
            }
            Err(why) => {
                format!("whether this policy leaves an administrator a way to root can't be told: {why}")
            }
        };
        let stored = || LastGood::read(&self.paths, &*self.folders).ok().flatten();
        let Some(before) =
            good.cloned().or_else(stored).filter(|good| good.policy.digest() != policy.digest())
        else {
            return Ok(());
        };
        let denies = Policy::load_denies(sources, &*self.folders);
        let is_harmless = self.leaves_a_way(&before.policy.merge_denies(&denies), now) == Ok(true);
        let who = self.administrators.join(", ");
        Err(Mistakes {
            denies: if is_harmless { denies } else { empty() },
            text: format!(
                "error: {problem}\n  = help: administrators are {who}; `jitctl reload --force` takes it all the same\n"
            ),
        })
    }

    /// Whether an administrator keeps a way to root, if there must be one.
    fn leaves_a_way(&self, policy: &Policy, now: Moment) -> Result<bool, String> {
        if self.administrators.is_empty() {
            return Ok(true);
        }
        let name = hostname::now();
        let place = Place {
            host: self.this_host(&name),
            folders: &*self.folders,
            now: now.timestamp(),
            zones: &HostZones,
            members: account::members,
        };
        place.has_way(policy, &self.administrators)
    }

    /// Before a policy takes effect: the text to come back to, and who is named for when the agent is silent.
    fn keep(
        &self,
        policy: &Policy,
        sources: &[Source],
        bundle: Option<&Accepted>,
        now: Moment,
    ) -> Result<(), String> {
        bundle.map_or(Ok(()), |bundle| signed::note(&self.paths, bundle))?;
        LastGood::write(&self.paths, sources, now)?;
        gated::write(&self.paths, &policy.gated(self.this_host(&hostname::now())))
    }

    /// Puts the last good policy in force, with denies of the files that were not accepted; what to tell people.
    fn fall_back(
        &self,
        good: Option<&Good>,
        denies: &Policy,
        mut why: String,
        before: Option<&Loaded>,
    ) -> String {
        let now = self.clock.now();
        let until = match before {
            Some(Loaded { stale: true, until, .. }) => *until,
            _ => good.and_then(|_| {
                let kept = last_good::rejected(&self.paths, now, self.last_good_for, &*self.clock);
                kept.unwrap_or_else(|mistake| {
                    why += &mistake;
                    Some(now.after(u64::try_from(self.last_good_for.as_nanos()).unwrap_or(u64::MAX)))
                })
            }),
        };
        let until = until.filter(|until| !now.is_past(*until));
        let base = good.map_or_else(empty, |good| good.policy.clone());
        let mut policy = base.merge_denies(denies);
        // Whoever was named stays named: the list only grows until a policy is accepted.
        let listed = gated::extend(&self.paths, policy.gated(self.this_host(&hostname::now())));
        if let Err(mistake) = &listed {
            let _ = writeln!(why, "error: {mistake}"); // writing to a String cannot fail
        }
        // At the start nobody is known to be on the list: then it has to be written first.
        let until = until.filter(|_| listed.is_ok() || before.is_some());
        if until.is_none() {
            policy = permitting_nothing(&policy);
            why += NOTHING;
        }
        self.put(Loaded {
            policy,
            files: good.map(|good| good.files.clone()).unwrap_or_default(),
            bundle: None,
            stale: true,
            mistakes: Some(why.clone()),
            loaded_at: now,
            good_since_ns: good.map(|good| good.since_ns),
            until,
        });
        why
    }

    fn this_host<'a>(&'a self, name: &'a str) -> Host<'a> {
        Host { name, tags: &self.tags }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Good>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What people are told of a stale policy that is over.
const NOTHING: &str = "error: there is no last good policy, or its time is over: nothing is permitted\n  \
                       = help: mend the policy, then `jitctl reload` as root\n";

/// Denies everything.
fn empty() -> Policy {
    // No file has no mistake.
    Policy::load(&[], &jit_policy::AsWritten)
        .unwrap_or_else(|_| Policy::load_denies(&[], &jit_policy::AsWritten))
}

/// The denies and the logins of a policy: what is merged never permits a command.
fn permitting_nothing(policy: &Policy) -> Policy {
    empty().merge_denies(policy)
}

fn nothing(now: Moment) -> Loaded {
    Loaded {
        policy: empty(),
        files: Vec::new(),
        bundle: None,
        stale: true,
        mistakes: None,
        loaded_at: now,
        good_since_ns: None,
        until: None,
    }
}

#[cfg(test)]
mod tests;
