//! Look-ups off the event loop: accounts, groups and paths can block for as long as a directory server or a file system
//! likes. Each has a deadline, and each user only so many at a time, those that hang included.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jit_policy::{Directory, LookupFailed};
use jit_sys::account;
use tokio::task::spawn_blocking;
use tokio::time;

use crate::admission::{Admission, Limits};

/// Most look-ups at a time, of all users: half of the runtime's threads, so that the policy can still be loaded.
const ALL: usize = 256;
/// How many of those are kept free for root, whose logins are looked up too.
const RESERVED_FOR_ROOT: usize = 64;
/// How long an answer about a name counts.
const FRESH: Duration = Duration::from_secs(10);
/// From so many answers on those that no longer count are dropped.
const MANY: usize = 4096;

/// Where look-ups run.
#[derive(Debug)]
pub struct Lookup {
    timeout: Duration,
    places: Admission,
}

/// Why there is no answer. Each means: refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// It took too long; it still runs, and counts, until it ends.
    Late,
    /// Too many of this user, or of all, are under way.
    TooMany,
    /// It failed, for this reason.
    Failed(String),
}

impl Lookup {
    /// Each look-up has this long, and each user but root this many at a time.
    pub fn new(timeout: Duration, per_user: usize) -> Self {
        let places = Admission::new(Limits { per_user, all: ALL, reserved_for_root: RESERVED_FOR_ROOT });
        Self { timeout, places }
    }

    /// Runs blocking work for a user, on a thread of its own.
    ///
    /// # Errors
    /// [`LookupError`]: what the answer would have been is not known.
    pub async fn run<T: Send + 'static>(
        &self,
        uid: u32,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, LookupError> {
        let place = self.places.admit(uid).ok_or(LookupError::TooMany)?;
        let task = spawn_blocking(move || {
            let _until_it_ends = place;
            work()
        });
        match time::timeout(self.timeout, task).await {
            Err(_) => Err(LookupError::Late),
            Ok(Err(_)) => Err(LookupError::Failed("it crashed".to_owned())),
            Ok(Ok(answer)) => answer.map_err(LookupError::Failed),
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("accounts or paths could not be looked up in time"),
            Self::TooMany => f.write_str("too many look-ups of accounts or paths are under way"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for LookupError {}

/// Numbers of the names in policy, as NSS tells them. An answer counts for ten seconds, also that there is no such name,
/// and up to ten more while somebody asks anew; a failure is no answer. May block: ask it inside [`Lookup::run`].
#[derive(Debug, Default)]
pub struct CachedDirectory {
    groups: Answers,
    users: Answers,
}

impl Directory for CachedDirectory {
    fn gid_of(&self, group: &str) -> Result<Option<u32>, LookupFailed> {
        let ask = || Ok(account::group_by_name(group)?.map(|entry| entry.gid));
        self.groups.answer(group, Instant::now(), ask).map_err(failed)
    }

    fn uid_of(&self, user: &str) -> Result<Option<u32>, LookupFailed> {
        self.users.answer(user, Instant::now(), || account::uid_of(user)).map_err(failed)
    }
}

fn failed(failed: account::LookupFailed) -> LookupFailed {
    LookupFailed { what: failed.what, why: failed.why }
}

#[derive(Debug, Default)]
struct Answers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<String, Answer>,
    /// Twice as many as there were when it was last looked for those that no longer count: a policy may name more than
    /// [`MANY`], and who causes them to be asked for must not cause all of them to be looked through for each.
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    asked: Instant,
    id: Option<u32>,
    /// Somebody asks anew.
    is_renewed: bool,
}

impl Answers {
    /// Nothing is locked while the question is asked: one that hangs does not stop the others. One who asks anew is
    /// enough: meanwhile the others take the old answer, for as long again as it has counted, so that a user who sends
    /// many requests at once does not have a policy's many names asked for by all of them.
    fn answer<E>(
        &self,
        name: &str,
        now: Instant,
        ask: impl FnOnce() -> Result<Option<u32>, E>,
    ) -> Result<Option<u32>, E> {
        if let Some(known) = self.lock().by_name.get_mut(name) {
            let age = now.saturating_duration_since(known.asked);
            if age < FRESH || (known.is_renewed && age < FRESH * 2) {
                return Ok(known.id);
            }
            known.is_renewed = true;
        }
        let answer = ask();
        let mut known = self.lock();
        let Ok(id) = answer else {
            if let Some(old) = known.by_name.get_mut(name) {
                old.is_renewed = false;
            }
            return answer;
        };
        if known.by_name.len() >= known.most.max(MANY) {
            known.by_name.retain(|_, answer| now.saturating_duration_since(answer.asked) < FRESH);
            known.most = 2 * known.by_name.len();
        }
        known.by_name.insert(name.to_owned(), Answer { asked: now, id, is_renewed: false });
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn an_answer_and_a_failure_are_handed_on() {
        let lookup = Lookup::new(Duration::from_mins(1), 1);
        assert_eq!(lookup.run(1000, || Ok(7)).await, Ok(7));
        let failure: Result<u32, _> = lookup.run(1000, || Err("no server".to_owned())).await;
        assert_eq!(failure, Err(LookupError::Failed("no server".to_owned())));
        let crash: Result<u32, _> = lookup.run(1000, || panic!("a bug")).await;
        assert!(matches!(crash, Err(LookupError::Failed(_))));
        assert_eq!(lookup.run(1000, || Ok(8)).await, Ok(8), "a crash gives its place back");
    }

    // "a hanging NSS or file system cannot eat all threads"
    #[tokio::test]
    async fn those_that_hang_count_until_they_end_and_stop_nobody_else() {
        let lookup = Lookup::new(Duration::from_millis(30), 2);
        let mut ends = Vec::new();
        for _ in 0..2 {
            let (end, ended) = mpsc::channel::<()>();
            let hangs = move || {
                let _ = ended.recv();
                Ok(())
            };
            assert_eq!(lookup.run(1000, hangs).await, Err(LookupError::Late));
            ends.push(end);
        }
        let lookup = Lookup { timeout: Duration::from_mins(1), places: lookup.places };
        assert_eq!(lookup.run(1000, || Ok(())).await, Err(LookupError::TooMany));
        assert_eq!(lookup.run(1001, || Ok(())).await, Ok(()));
        assert_eq!(lookup.run(0, || Ok(())).await, Ok(()));
        drop(ends);
        let again = async {
            while lookup.run(1000, || Ok(())).await.is_err() {
                time::sleep(Duration::from_millis(1)).await;
            }
        };
        time::timeout(Duration::from_mins(1), again).await.expect("their places are given back");
    }

    #[tokio::test]
    async fn many_users_together_leave_room_for_root() {
        let lookup = Lookup::new(Duration::from_millis(1), 16);
        let (end, ended) = mpsc::channel::<()>();
        let ended = std::sync::Arc::new(Mutex::new(ended));
        for at in 0..ALL - RESERVED_FOR_ROOT {
            let ended = std::sync::Arc::clone(&ended);
            let hangs = move || {
                let _ = ended.lock().map(|ended| ended.recv());
                Ok(())
            };
            let uid = u32::try_from(1000 + at / 16).unwrap();
            assert_eq!(lookup.run(uid, hangs).await, Err(LookupError::Late));
        }
        assert_eq!(lookup.run(5000, || Ok(())).await, Err(LookupError::TooMany));
        let roomy = Lookup { timeout: Duration::from_mins(1), places: lookup.places };
        assert_eq!(roomy.run(0, || Ok(())).await, Ok(()));
        drop(end);
    }

    #[test]
    fn an_answer_counts_for_ten_seconds_and_a_failure_never() {
        let answers = Answers::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let ask = |name: &str, seconds, answer: Result<Option<u32>, ()>| {
            answers.answer(name, at(seconds), || answer)
        };
        assert_eq!(ask("web", 0, Err(())), Err(()));
        assert_eq!(ask("web", 0, Ok(Some(7))), Ok(Some(7)), "the failure was not kept");
        assert_eq!(ask("web", 9, Ok(Some(8))), Ok(Some(7)));
        assert_eq!(ask("none", 9, Ok(None)), Ok(None));
        assert_eq!(ask("web", 10, Err(())), Err(()), "an old answer does not stand in for a failure");
        assert_eq!(ask("web", 10, Ok(Some(8))), Ok(Some(8)));
        assert_eq!(ask("none", 18, Ok(Some(9))), Ok(None), "no such name is an answer too");
        assert_eq!(ask("none", 19, Ok(Some(9))), Ok(Some(9)));
        for number in 2..MANY {
            ask(&number.to_string(), 20, Ok(None)).unwrap();
        }
        ask("last", 40, Ok(None)).unwrap();
        assert_eq!(answers.0.lock().unwrap().by_name.len(), 1);
    }

    // … even if that one hangs, or fails.
    #[test]
    fn while_one_asks_anew_the_others_take_the_old_answer_for_ten_seconds_more() {
        let answers = Answers::default();
        let start = Instant::now();
        let ask = |seconds, answer: Result<Option<u32>, ()>| {
            answers.answer("web", start + Duration::from_secs(seconds), || answer)
        };
        ask(0, Ok(Some(7))).unwrap();
        let first = answers.answer("web", start + Duration::from_secs(10), || {
            assert_eq!(ask(19, Ok(Some(9))), Ok(Some(7)));
            assert_eq!(ask(20, Err(())), Err(()), "too old");
            ask(19, Ok(Some(8)))
        });
        assert_eq!(first, Ok(Some(8)), "nobody asked anew any more");
        assert_eq!(ask(19, Ok(Some(9))), Ok(Some(8)));
    }

    // A stranger's request asks for all groups that a policy names, however many.
    #[test]
    fn more_names_than_usual_are_not_looked_through_for_each_of_them() {
        let answers = Answers::default();
        let start = Instant::now();
        let looked_through = |number: usize| {
            let before = answers.0.lock().unwrap().most;
            answers.answer(&number.to_string(), start, || Ok::<_, ()>(Some(7))).unwrap();
            answers.0.lock().unwrap().most != before
        };
        let times = (0..10 * MANY).filter(|number| looked_through(*number)).count();
        assert_eq!(times, 4, "at once, twice, four and eight times as many");
    }

    #[test]
    fn the_system_is_asked() {
        let directory = CachedDirectory::default();
        assert_eq!(directory.gid_of("root"), Ok(Some(0)));
        assert_eq!(directory.uid_of("root"), Ok(Some(0)));
        assert_eq!(directory.gid_of("no-such-group-here"), Ok(None));
        assert_eq!(directory.uid_of("no-such-user-here"), Ok(None));
    }
}
