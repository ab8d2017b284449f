//! Live sessions: what runs now, on which grant, and how to end it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jit_protocol::Bytes;
use jit_protocol::link::Deadline;
use jit_protocol::response::SessionView;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::rfc3339;
use crate::scope::Keys;
use crate::translate::Subject;

/// One session, as the store keeps it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// 32 hex digits.
    pub id: String,
    /// The grant it runs on.
    pub grant: String,
    /// The rule.
    pub rule: String,
    /// Name of the invoking user.
    pub user: String,
    /// Its uid.
    pub uid: u32,
    /// Name of the target user.
    pub target: String,
    /// Its uid.
    pub target_uid: u32,
    /// What runs.
    pub command: Vec<Bytes>,
    /// Terminal of the invoking user.
    pub tty: Option<String>,
    /// When it began, `CLOCK_REALTIME` in nanoseconds.
    pub started_ns: i64,
    /// When it is ended.
    pub deadline: Option<Deadline>,
    /// The boot in which it runs.
    pub boot_id: String,
    /// Its grant's end ends it (`on_expiry = "terminate"`), an early one too.
    pub ends_with_grant: bool,
    /// What was decided upon, to decide again when the policy changes; none of an earlier version's.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// The keys that sessions nested in it use.
    pub keys: Keys,
    /// It was begun in the background (`-b`), or with hang-ups ignored (`nohup`): its terminal's end is not its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlives_terminal: bool,
    /// Path of its cgroup below the spawner's subtree, once it runs.
    pub cgroup: Option<String>,
    /// Its command does not run yet.
    #[serde(skip)]
    pub starting: bool,
    /// The command has ended; what it left behind lives on.
    pub leftover: bool,
    /// The log has how the command ended, or that it never ran.
    #[serde(default)]
    pub ended: bool,
    /// The log has that its time was up.
    #[serde(default)]
    pub expired: bool,
}

/// Most bytes of a command in a list.
const MOST_SHOWN: usize = 512;

impl Session {
    /// Whether it is over once its grant is: nothing begins on a grant that has ended, however slow PAM is.
    pub fn is_bound_to_its_grant(&self) -> bool {
        self.ends_with_grant || self.starting
    }

    /// For the command line.
    pub fn view(&self) -> SessionView {
        SessionView {
            id: self.id.clone(),
            grant: self.grant.clone(),
            rule: self.rule.clone(),
            user: self.user.clone(),
            uid: self.uid,
            target: self.target.clone(),
            command: beginning(&self.command),
            tty: self.tty.clone(),
            started: rfc3339(self.started_ns),
            ends: self.deadline.map(|deadline| rfc3339(deadline.realtime_ns)),
            leftover: self.leftover,
        }
    }
}

/// The first words of a command, as long as a list of very many has room for: the log has all of it.
fn beginning(command: &[Bytes]) -> Vec<Bytes> {
    let (mut kept, mut room) = (Vec::new(), MOST_SHOWN);
    for word in command {
        if word.as_slice().len() > room {
            let start = word.as_slice().get(..room).unwrap_or_default();
            kept.push(Bytes([start, "…".as_bytes()].concat()));
            break;
        }
        room -= word.as_slice().len();
        kept.push(word.clone());
    }
    kept
}

/// All of them.
#[derive(Debug, Default)]
pub struct Live {
    sessions: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    /// Says why, to whoever follows it; absent until its monitor has found this agent.
    end: Option<UnboundedSender<String>>,
    /// Why it is to end: said once, if need be when its monitor has found this agent.
    why: Option<String>,
}

impl Live {
    /// A session begins, or is known from before this agent.
    pub fn add(&self, session: Session, end: Option<UnboundedSender<String>>) {
        self.lock().insert(session.id.clone(), Entry { session, end, why: None });
    }

    /// The monitor of a session from before this agent has called; its session, unless another monitor has one's ear.
    pub fn resume(&self, id: &str, end: UnboundedSender<String>) -> Option<Session> {
        let mut sessions = self.lock();
        let entry = sessions.get_mut(id).filter(|entry| entry.end.is_none())?;
        if let Some(why) = &entry.why {
            let _ = end.send(why.clone()); // the receiver is still held by who calls
        }
        entry.end = Some(end);
        Some(entry.session.clone())
    }

    /// Changes what is known of a session.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Session)) {
        if let Some(entry) = self.lock().get_mut(id) {
            change(&mut entry.session);
        }
    }

    /// Nothing of it is left.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Those from before this agent whose monitors have not called: they are taken out.
    pub fn take_lost(&self) -> Vec<Session> {
        let mut sessions = self.lock();
        let lost: Vec<String> =
            sessions.iter().filter(|(_, entry)| entry.end.is_none()).map(|(id, _)| id.clone()).collect();
        lost.iter().filter_map(|id| sessions.remove(id)).map(|entry| entry.session).collect()
    }

    /// The session in whose cgroup a process is; `path` is relative to the spawner's subtree. The innermost one.
    pub fn by_cgroup(&self, path: &str) -> Option<Session> {
        let inside = self.around(path).into_iter();
        inside.max_by_key(|session| session.cgroup.as_ref().map_or(0, String::len))
    }

    /// All sessions that such a process is inside of, in any order.
    pub fn around(&self, path: &str) -> Vec<Session> {
        let sessions = self.lock();
        let holds = |session: &&Session| {
            session.cgroup.as_deref().is_some_and(|own| {
                path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        sessions.values().map(|entry| &entry.session).filter(holds).cloned().collect()
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<Session> {
        let mut all: Vec<Session> = self.lock().values().map(|entry| entry.session.clone()).collect();
        all.sort_by(|one, other| (one.started_ns, &one.id).cmp(&(other.started_ns, &other.id)));
        all
    }

    /// Tells some to end; the ids of those that were not told before.
    pub fn end(&self, why: &str, which: impl Fn(&Session) -> bool) -> Vec<String> {
        let mut sessions = self.lock();
        let chosen = sessions.values_mut().filter(|entry| entry.why.is_none() && which(&entry.session));
        chosen
            .map(|entry| {
                entry.why = Some(why.to_owned());
                if let Some(end) = &entry.end {
                    let _ = end.send(why.to_owned()); // one that ended meanwhile needs no word
                }
                entry.session.id.clone()
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, cgroup: &str, command: &[&str]) -> Session {
        serde_json::from_value(serde_json::json!({
            "id": id, "grant": "g", "rule": "r", "user": "alice", "uid": 1000, "target": "root", "target_uid": 0,
            "command": command, "tty": null, "started_ns": 0, "deadline": null, "boot_id": "b",
            "ends_with_grant": true, "keys": { "terminal": "t", "session": "s" }, "cgroup": cgroup, "leftover": false,
        }))
        .unwrap()
    }

    #[test]
    fn a_process_is_inside_of_every_session_around_it_and_the_innermost_is_its_own() {
        let live = Live::default();
        for (id, cgroup) in [("outer", "s-1"), ("inner", "s-1/s-2"), ("other", "s-3"), ("like", "s-1/s-22")] {
            live.add(session(id, cgroup, &["id"]), None);
        }
        let around = |path: &str| {
            let mut ids: Vec<String> = live.around(path).into_iter().map(|session| session.id).collect();
            ids.sort();
            ids
        };
        assert_eq!(around("s-1/s-2/unit"), ["inner", "outer"]);
        assert_eq!(live.by_cgroup("s-1/s-2/unit").unwrap().id, "inner");
        assert_eq!(around("s-1"), ["outer"]);
        assert!(around("s-10").is_empty() && live.by_cgroup("s-10").is_none());
    }

    // A list has to fit into one answer, whatever somebody's command is.
    #[test]
    fn of_a_very_long_command_a_list_has_the_beginning() {
        let short = session("a", "s-1", &["id", "-u"]);
        assert_eq!(short.view().command, short.command);
        let long = session("a", "s-1", &["echo", &"x".repeat(2_000_000), "more"]).view().command;
        assert_eq!(long.len(), 2);
        assert_eq!(long[1].as_slice().len(), MOST_SHOWN - 4 + "…".len());
    }
}
