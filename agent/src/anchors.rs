//! What ends with the place it counts in: a grant for a terminal once the leader of the terminal's session is gone, one
//! for a login session once that is over.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use crate::agent::Agent;
use crate::grants::Grant;
use crate::live::Session;
use crate::process::{is_in_audit_session, start_of};
use crate::scope::Anchor;

/// What a terminal's last command leaves behind is known by then, as is that it has ended.
const MOMENT: Duration = Duration::from_secs(2);
/// Between two looks, where nothing tells by itself.
const LOOK: Duration = Duration::from_secs(5);

/// The keys that are watched: no more than there are terminals and login sessions.
#[derive(Debug, Default)]
pub struct Anchors {
    watched: Mutex<HashSet<String>>,
}

impl Anchors {
    fn add(&self, key: &str) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        !watched.contains(key) && watched.insert(key.to_owned())
    }

    fn remove(&self, key: &str) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Ends the grants with this key, once what it names is gone. Must be called on the event loop.
pub fn watch(agent: &Arc<Agent>, key: &str) {
    let Some(anchor) = Anchor::of(key, agent.clock.boot_id()) else { return };
    if !agent.anchors.add(key) {
        return;
    }
    let (agent, key) = (Arc::clone(agent), key.to_owned());
    tokio::spawn(async move {
        let mut kept = HashSet::new();
        let why = match anchor {
            Anchor::Leader(pid, start) => {
                leader_is_gone(pid, start).await;
                sleep(MOMENT).await;
                kept = outlived(&agent, &key);
                "its terminal is gone"
            }
            Anchor::Login(session) => {
                login_is_over(session).await;
                "its login session is over"
            }
            Anchor::Gone => "it was for another boot",
        };
        // One that is issued from here on is watched anew.
        agent.anchors.remove(&key);
        let ends = |session: &Session| session.is_bound_to_its_grant();
        let goes = |grant: &Grant| *grant.purpose.key == *key && !kept.contains(&grant.id);
        let _ = agent.end_grants(why, goes, ends).await; // shows in `status`
        let others = |session: &Session| kept.contains(&session.grant) && !outlives(session) && ends(session);
        agent.live.end(why, others);
    });
}

/// What a command has left behind is there to stay (a daemon, a job of Ansible's), and so is what was begun with `-b` or
/// `nohup`.
fn outlives(session: &Session) -> bool {
    session.outlives_terminal || session.leftover
}

/// Grants for a terminal that such a session runs on: they live to their time, and nobody can ask with their key any more.
fn outlived(agent: &Agent, key: &str) -> HashSet<String> {
    let sessions = agent.live.all().into_iter().filter(outlives);
    let used: HashSet<String> = sessions.map(|session| session.grant).collect();
    let grants = agent.grants.unexpired(agent.clock.now()).into_iter();
    grants
        .filter(|grant| *grant.purpose.key == *key && used.contains(&grant.id))
        .map(|grant| grant.id)
        .collect()
}

/// Until the process with this number and start time has ended. A process is another one if it was started at another
/// time, so that a number that is used again is not taken for the same.
async fn leader_is_gone(pid: i32, start: u64) {
    let pidfd = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    #[allow(deprecated, reason = "sound for an OwnedFd, which keeps its number for as long as it is")]
    let pidfd = pidfd.and_then(|pidfd| AsyncFd::with_interest(pidfd, Interest::READABLE).ok());
    if start_of(pid) != start {
        return;
    }
    if let Some(pidfd) = pidfd
        && pidfd.readable().await.is_ok()
    {
        return;
    }
    // Out of descriptors.
    while start_of(pid) == start {
        sleep(LOOK).await;
    }
}

/// Until no process is left in an audit session: nobody can come back to it then. Twice, because one that is started while
/// the list of processes is read may not be in it.
async fn login_is_over(session: u32) {
    let mut missed = 0;
    while missed < 2 {
        sleep(LOOK).await;
        let look = tokio::task::spawn_blocking(move || is_in_audit_session(session)).await;
        missed = if matches!(look, Ok(Ok(false))) { missed + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(40);

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        (child, pid)
    }

    #[tokio::test]
    async fn a_leader_is_gone_when_it_ends_and_when_another_has_its_number() {
        let (mut child, pid) = sleeper();
        let start = start_of(pid);
        assert!(start > 0);
        timeout(SOON, leader_is_gone(pid, start + 1)).await.expect("another one");
        let mut gone = std::pin::pin!(leader_is_gone(pid, start));
        assert!(timeout(Duration::from_millis(50), &mut gone).await.is_err(), "it lives");
        child.kill().unwrap();
        timeout(SOON, gone).await.expect("it has ended, though nobody has waited for it");
        child.wait().unwrap();
        timeout(SOON, leader_is_gone(pid, start)).await.expect("there is none");
    }
}
