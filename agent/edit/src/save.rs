//! From new contents to the saved file: as a whole or not at all.
//!
//! What is checked is what is saved, and what is replaced is what was opened. A rename puts the new contents in the place of the
//! old ones at once; where it could not keep the file what it is (another name of it, an owner that can't be given, a folder
//! that can't be written) the file is written over, with the old contents at hand.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use jit_protocol::edit::Channel;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, fallocate, fstat, fsync, memfd_create, openat};
use rustix::io::Errno;

use crate::check::Check;
use crate::original::{Contents, Known, NotOpened, Original};
use crate::signals::Held;
use crate::stage::Stage;

/// Why a file is not saved. It is as it was.
#[derive(Debug)]
pub(crate) enum NotSaved {
    /// Somebody else has written to it, or put another one there.
    Changed,
    /// The check did not succeed.
    Check,
    /// The check could not be run.
    NoCheck(io::Error),
    /// The check needs the new contents beside the file, and they can't be there.
    NoPlace,
    /// The session ends.
    Ended,
    /// Writing failed.
    Failed(io::Error),
    /// Writing failed, and then writing back what was there: it is not as it was.
    Torn(io::Error),
}

impl NotSaved {
    /// The check did not succeed: other contents may.
    pub(crate) fn is_check(&self) -> bool {
        matches!(self, Self::Check)
    }
}

/// Receives new contents of a file and saves them. The inner error: why they are not saved, which the helper is to be told.
pub(crate) fn save<F: AsFd>(
    channel: &Channel<F>,
    original: &mut Original,
    check: Option<&Check>,
) -> io::Result<Result<(), NotSaved>> {
    let held = Held::new()?;
    // A helper that never sends the rest does not keep new contents in the folder beyond the session's end.
    let wait = || held.wait(&mut vec![PollFd::new(channel, PollFlags::IN)]);
    let saved = match Stage::make(original.folder(), original.name(), original.is_new()) {
        Ok(stage) => match channel.receive_contents(&mut stage.file(), wait)? {
            Ok(()) => put(channel, original, stage, check, &held),
            Err(error) => Err(error.into()),
        },
        Err(error) => {
            let _ = channel.receive_contents(&mut io::sink(), wait)?;
            Err(error.into())
        }
    };
    Ok(saved.and_then(|()| original.reopen().map_err(|error| NotSaved::Failed(as_io(error)))))
}

fn put<F: AsFd>(
    channel: &Channel<F>,
    original: &Original,
    stage: Stage<'_>,
    check: Option<&Check>,
    held: &Held,
) -> Result<(), NotSaved> {
    if !original.is_unchanged() {
        return Err(NotSaved::Changed);
    }
    let replaces =
        original.known().is_none_or(|known| stage.take_attributes(known) && known.stat.st_nlink == 1);
    fsync(stage.file())?;
    let checked = match check {
        Some(check) => {
            let path = stage.path(original).ok_or(NotSaved::NoPlace)?;
            check.succeeds(channel, &path, held)
        }
        None => Ok(true),
    };
    if held.came() {
        return Err(NotSaved::Ended);
    }
    if !checked.map_err(NotSaved::NoCheck)? {
        return Err(NotSaved::Check);
    }
    // The check may have taken its time.
    if !original.is_unchanged() {
        return Err(NotSaved::Changed);
    }
    match (replaces, original.known()) {
        (false, Some(known)) => write_over(original, known, stage.file()),
        (_, known) => match (stage.replace(original.name(), known.is_none()), known) {
            (Ok(()), _) => {
                sync_folder(original);
                Ok(())
            }
            // It is mounted there.
            (Err((Errno::BUSY, stage)), Some(known)) => write_over(original, known, stage.file()),
            (Err((Errno::EXIST, _)), None) => Err(NotSaved::Changed),
            (Err((error, _)), _) => Err(error.into()),
        },
    }
}

/// Writes the new contents into the file itself. Room for them is made first, and the old ones are kept until that is done.
fn write_over(original: &Original, known: &Known, new: &File) -> Result<(), NotSaved> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(original.folder(), original.name(), flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if (stat.st_dev, stat.st_ino) != (known.stat.st_dev, known.stat.st_ino) {
        return Err(NotSaved::Changed);
    }
    let old = File::from(memfd_create("old", MemfdFlags::CLOEXEC)?);
    let length = copy(&mut original.contents(), &old)?;
    let file = File::from(file);
    let wanted = new.metadata()?.len();
    match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, wanted.max(1)) {
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(error) => {
            let _ = file.set_len(length); // gives back what was allocated
            return Err(error.into());
        }
    }
    let Err(error) = overwrite(new, &file) else { return Ok(()) };
    match overwrite(&old, &file) {
        Ok(()) => Err(NotSaved::Failed(error)),
        Err(_) => Err(NotSaved::Torn(error)),
    }
}

fn overwrite(from: &File, to: &File) -> io::Result<()> {
    let length = copy(&mut Contents::of(Some(from)), to)?;
    to.set_len(length)?;
    to.sync_all()
}

/// Copies from the beginning to the beginning; how much.
fn copy(from: &mut impl Read, to: &File) -> io::Result<u64> {
    struct To<'a>(&'a File, u64);
    impl Write for To<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = self.0.write_at(bytes, self.1)?;
            self.1 += length as u64;
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    io::copy(from, &mut To(to, 0))
}

/// The new name lasts, where the folder lets itself be opened; the contents do already.
fn sync_folder(original: &Original) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(folder) = openat(original.folder(), c".", flags, Mode::empty()) {
        let _ = fsync(folder);
    }
}

fn as_io(error: NotOpened) -> io::Error {
    match error {
        NotOpened::Os(error) => error.into(),
        other => io::Error::other(other.to_string()),
    }
}

impl From<io::Error> for NotSaved {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Errno> for NotSaved {
    fn from(error: Errno) -> Self {
        Self::Failed(error.into())
    }
}

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("somebody else has changed it meanwhile"),
            Self::Check => f.write_str("its check did not succeed"),
            Self::NoCheck(error) => write!(f, "its check cannot be run: {error}"),
            Self::NoPlace => {
                f.write_str("its check needs the new contents beside it, and its folder cannot be written")
            }
            Self::Ended => f.write_str("the session ended"),
            Self::Failed(error) => error.fmt(f),
            Self::Torn(error) => write!(f, "{error}; and what was in it could not be written back"),
        }
    }
}
