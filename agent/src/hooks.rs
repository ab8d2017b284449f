//! The administrator's programs that are told of approvals and grants. They are started by a monitor, as a user without any
//! rights: whatever they do, no request waits for them or fails.

mod event;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jit_audit::Record;
use jit_protocol::response::{Part, State};
use jit_protocol::telling::{MAX_TOLD, TIME, Telling, Told};
use jit_sys::policy_files::CheckedFolder;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::agent::Agent;
use crate::paths::Paths;
use crate::socket::Seqpacket;

/// The account they run as. The package makes it; nothing else is its.
const USER: &str = "jit-hook";
/// How many events are being told at a time. More wait, and if too many do, the oldest are not told.
const AT_ONCE: usize = 4;
/// How long a monitor may take to be there, and to end what is left of them.
const ROOM: Duration = Duration::from_secs(15);

/// How telling went, for `jitctl status`.
#[derive(Debug, Default)]
pub struct Hooks(Mutex<Shortcoming>);

#[derive(Debug, Default)]
struct Shortcoming {
    /// What did not go well the last time; none if it did.
    failure: Option<String>,
    /// How many events nobody was told of.
    missed: u64,
}

impl Hooks {
    /// How they are.
    pub fn part(&self, paths: &Paths) -> Part {
        let part = |state, detail| Part { id: "hooks".to_owned(), state, detail };
        let found = CheckedFolder::open(&paths.hooks, paths.owner)
            .and_then(|folder| folder.map(|folder| folder.programs()).transpose());
        let (programs, refused) = match found {
            Ok(found) => found.unwrap_or_default(),
            Err(refused) => return part(State::Degraded, format!("nobody is told: {refused}")),
        };
        let mut wrong: Vec<String> = refused
            .iter()
            .map(|refused| format!("not started: {refused} ({})", refused.problem.hint()))
            .collect();
        let shortcoming = self.lock();
        wrong.extend(shortcoming.failure.clone());
        if shortcoming.missed > 0 {
            wrong.push(format!("{} events were not told: too many at a time", shortcoming.missed));
        }
        match (wrong.is_empty(), programs.len()) {
            (_, 0) if refused.is_empty() => part(State::Works, "none".to_owned()),
            (false, _) => part(State::Degraded, wrong.join("; ")),
            (true, 1) => part(State::Works, "1 program".to_owned()),
            (true, count) => part(State::Works, format!("{count} programs")),
        }
    }

    fn miss(&self, count: u64) {
        let mut shortcoming = self.lock();
        shortcoming.missed = shortcoming.missed.saturating_add(count);
    }

    fn note(&self, failures: &[String]) {
        let failure = (!failures.is_empty()).then(|| failures.join("; "));
        if let Some(failure) = &failure {
            // A log that is not there fails nothing.
            let _ = writeln!(io::stderr(), "jit-agentd: hooks: {}", jit_protocol::escape_lines(failure));
        }
        self.lock().failure = failure;
    }

    fn lock(&self) -> MutexGuard<'_, Shortcoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of each event, for ever.
pub async fn tell_all(agent: Arc<Agent>, mut events: Receiver<Arc<Record>>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut missed = 0;
    loop {
        let record = match events.recv().await {
            Ok(record) => record,
            Err(RecvError::Lagged(more)) => {
                agent.hooks.miss(more);
                missed += more;
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        if !has_any(&agent).await {
            continue;
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (agent, before) = (Arc::clone(&agent), std::mem::take(&mut missed));
        tokio::spawn(async move {
            let failures = tell(&agent, &record, before).await.unwrap_or_else(|why| vec![why]);
            agent.hooks.note(&failures);
            drop(place);
        });
    }
}

/// Whether there is anybody to tell. Whom exactly the monitor finds out.
async fn has_any(agent: &Arc<Agent>) -> bool {
    let (folder, owner) = (agent.paths.hooks.clone(), agent.paths.owner);
    let look = move || match CheckedFolder::open(&folder, owner) {
        Ok(Some(folder)) => folder.programs().is_ok_and(|(programs, _)| !programs.is_empty()),
        Ok(None) | Err(_) => false, // shows in `status`
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

/// What did not go well, or why nobody was told.
async fn tell(agent: &Agent, record: &Record, missed: u64) -> Result<Vec<String>, String> {
    let (ours, theirs) = Seqpacket::pair().map_err(|error| error.to_string())?;
    let telling = Telling {
        folder: agent.paths.hooks.display().to_string(),
        user: USER.to_owned(),
        event: event::text(agent, record, missed)?,
    };
    agent.spawner.tell(&telling, &theirs).await?;
    drop(theirs);
    let answer = timeout(TIME + ROOM, ours.receive_own(MAX_TOLD)).await;
    let (answer, _) = answer
        .map_err(|_| "the monitor does not answer".to_owned())?
        .map_err(|error| format!("the monitor is gone: {error}"))?;
    let told: Told = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    Ok(told.failures)
}
