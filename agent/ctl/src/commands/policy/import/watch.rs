//! Imports again whenever one of the files changes.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::files::HostFiles;
use super::{Import, Kind, destination};
use crate::failure::{Failure, tell};

/// After a change: editors and configuration management write more than one thing.
const QUIET: Duration = Duration::from_millis(200);
/// But not for ever.
const MOST_WAITS: usize = 50;

/// Never ends by itself, but by a failure of the watch.
pub(super) fn run(import: &Import, kind: Kind, policy: &Path) -> Result<(), Failure> {
    let mut watch = Watch::new()?;
    let mut told = None;
    loop {
        let (outcome, mut folders) = match HostFiles::new(&import.file) {
            Ok(files) => (attempt(import, kind, &files, policy), files.folders()),
            Err(failure) => (Outcome { told: stays(policy, failure), written: false }, BTreeSet::new()),
        };
        if outcome.written || told.as_ref() != Some(&outcome.told) {
            tell(&outcome.told);
            told = Some(outcome.told);
        }
        folders.extend(super::files::folders_of(&import.file));
        if watch.add(&folders)? {
            // What changed before it was watched was perhaps not seen.
            continue;
        }
        watch.wait()?;
    }
}

/// What became of one import.
struct Outcome {
    told: String,
    /// The policy is another than before.
    written: bool,
}

fn attempt(import: &Import, kind: Kind, files: &HostFiles, policy: &Path) -> Outcome {
    let imported = match import.import(kind, files) {
        Ok(imported) => imported,
        Err(failure) => return Outcome { told: stays(policy, failure), written: false },
    };
    let mut lines: Vec<String> = imported.findings.iter().map(ToString::to_string).collect();
    let written = import.judge(&imported).and_then(|()| destination::replace(policy, &imported.text));
    let changed = matches!(written, Ok(true));
    lines.push(match written {
        Ok(_) => format!("{}: {} rules, from {}", policy.display(), imported.rules, import.file.display()),
        Err(failure) => stays(policy, failure),
    });
    Outcome { told: lines.join("\n"), written: changed }
}

fn stays(policy: &Path, failure: Failure) -> String {
    let why = match failure {
        Failure::Refused { what, hint } if hint.is_empty() => what,
        Failure::Refused { what, hint } => format!("{what}\nhint: {hint}"),
        other => format!("{other:?}"),
    };
    format!("{why}\n{} stays as it was", policy.display())
}

/// Folders that are watched: files in them are replaced, so that the files themselves can't be.
struct Watch {
    inotify: OwnedFd,
    /// With the number of the watch, which is another for another folder of that name, and whether it is itself watched alone.
    folders: BTreeSet<(PathBuf, i32, bool)>,
}

impl Watch {
    fn new() -> Result<Self, Failure> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed)?;
        Ok(Self { inotify, folders: BTreeSet::new() })
    }

    /// Whether any of these is new.
    fn add(&mut self, folders: &BTreeSet<PathBuf>) -> Result<bool, Failure> {
        let itself =
            WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR | WatchFlags::MASK_ADD;
        let entries = WatchFlags::MODIFY // else what is written slowly would be read half
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::ATTRIB;
        let mut new = false;
        for folder in folders {
            // Of one that is not there the nearest above it, in which it would come; of those above that only where they are.
            let mut events = itself | entries;
            for (above, folder) in folder.ancestors().enumerate() {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                match inotify::add_watch(&self.inotify, folder, events) {
                    Ok(number) => new |= self.folders.insert((folder.to_owned(), number, events == itself)),
                    Err(Errno::NOENT | Errno::NOTDIR) => continue,
                    Err(Errno::ACCESS) if above > 0 => continue,
                    Err(error) => return Err(failed(error)),
                }
                events = itself;
            }
        }
        Ok(new)
    }

    /// Until something changed, and then until nothing more does.
    fn wait(&mut self) -> Result<(), Failure> {
        self.poll(None)?;
        for _ in 0..MOST_WAITS {
            self.drain();
            if !self.poll(Some(QUIET))? {
                break;
            }
        }
        self.drain();
        Ok(())
    }

    /// Whether anything is there to read.
    fn poll(&self, timeout: Option<Duration>) -> Result<bool, Failure> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        loop {
            match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], timeout.as_ref()) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Which file it was does not matter.
    fn drain(&self) {
        let mut events = [0; 4096];
        while rustix::io::read(&self.inotify, &mut events).is_ok_and(|length| length > 0) {}
    }
}

fn failed(error: Errno) -> Failure {
    Failure::new(format!("changes of files can't be watched: {}", std::io::Error::from(error)), "")
}
