//! The last good policy, kept over restarts: its texts, and since when the files are not accepted any more.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use jit_policy::{Policy, Source, Surroundings};
use jit_protocol::link::Deadline;
use serde::{Deserialize, Serialize};

use super::{Good, durable};
use crate::clock::{Clock, Moment, earlier};
use crate::listen::make_folder;
use crate::paths::Paths;

/// The texts of a policy, as they were when it was accepted.
#[derive(Serialize, Deserialize)]
pub(super) struct LastGood<'a> {
    /// `CLOCK_REALTIME` in nanoseconds.
    good_ns: i64,
    files: Vec<Kept<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    name: Cow<'a, str>,
    path: Cow<'a, str>,
    text: Cow<'a, str>,
}

/// The moment from which on the files were not accepted.
#[derive(Serialize, Deserialize)]
struct Rejected {
    boottime_ns: u64,
    realtime_ns: i64,
    boot_id: String,
}

impl LastGood<'_> {
    /// Stores a policy that is accepted now.
    pub(super) fn write(paths: &Paths, sources: &[Source], now: Moment) -> Result<(), String> {
        let files = sources.iter().map(|Source { name, path, text }| Kept {
            name: name.into(),
            path: path.into(),
            text: text.into(),
        });
        let good = LastGood { good_ns: now.realtime_ns, files: files.collect() };
        let json = serde_json::to_vec(&good).map_err(|error| error.to_string())?;
        make_folder(&paths.state, 0o700, paths.owner).map_err(|error| error.to_string())?;
        durable::write(&texts(paths), 0o600, &json)?;
        // Should this fail, the time of the next rejection is counted from the one before: never longer.
        let _ = durable::remove(&since(paths));
        Ok(())
    }

    /// The policy that was stored; none if none ever was.
    ///
    /// # Errors
    /// Why it cannot be used, for people.
    pub(super) fn read(paths: &Paths, folders: &dyn Surroundings) -> Result<Option<Good>, String> {
        let path = texts(paths);
        let failed =
            |why: String| format!("error: the last good policy, {}, cannot be used: {why}\n", path.display());
        let Some(json) = durable::read(&path, paths.owner).map_err(|error| failed(error.to_string()))? else {
            return Ok(None);
        };
        let kept: LastGood<'_> = serde_json::from_slice(&json).map_err(|error| failed(error.to_string()))?;
        let source = |kept: Kept<'_>| {
            let Kept { name, path, text } = kept;
            Source { name: name.into_owned(), path: path.into_owned(), text: text.into_owned() }
        };
        let since_ns = kept.good_ns;
        let sources: Vec<Source> = kept.files.into_iter().map(source).collect();
        let policy = Policy::load(&sources, folders).map_err(|found| failed(found.render()))?;
        let files = sources.into_iter().map(|source| source.path).collect();
        Ok(Some(Good { policy, files, since_ns }))
    }
}

/// Takes note that the files are not accepted, if that is not noted; until when the last good policy decides. None: its
/// time is over, or cannot be told, as the clock was set back over a reboot.
///
/// # Errors
/// Why nothing could be noted, for people.
pub(super) fn rejected(
    paths: &Paths,
    now: Moment,
    last_good_for: Duration,
    clock: &dyn Clock,
) -> Result<Option<Deadline>, String> {
    let path = since(paths);
    let failed = |why: String| format!("error: {} cannot be used: {why}\n", path.display());
    let nanoseconds = u64::try_from(last_good_for.as_nanos()).unwrap_or(u64::MAX);
    let Some(json) = durable::read(&path, paths.owner).map_err(|error| failed(error.to_string()))? else {
        let Moment { boottime_ns, realtime_ns } = now;
        let rejected = Rejected { boottime_ns, realtime_ns, boot_id: clock.boot_id().to_owned() };
        let json = serde_json::to_vec(&rejected).map_err(|error| failed(error.to_string()))?;
        durable::write(&path, 0o600, &json).map_err(|why| format!("error: {why}\n"))?;
        return Ok(Some(now.after(nanoseconds)));
    };
    let Ok(rejected) = serde_json::from_slice::<Rejected>(&json) else { return Ok(None) };
    let then = Moment { boottime_ns: rejected.boottime_ns, realtime_ns: rejected.realtime_ns };
    if rejected.boot_id == clock.boot_id() {
        return Ok(Some(then.after(nanoseconds)));
    }
    if now.realtime_ns < then.realtime_ns {
        return Ok(None);
    }
    let wall = Deadline { boottime_ns: u64::MAX, ..then.after(nanoseconds) };
    Ok(Some(earlier(wall, now.after(now.until(wall)))))
}

fn texts(paths: &Paths) -> PathBuf {
    paths.state.join("last-good.json")
}

fn since(paths: &Paths) -> PathBuf {
    paths.state.join("rejected.json")
}
