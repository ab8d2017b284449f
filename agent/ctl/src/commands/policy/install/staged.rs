//! A folder that is made ready beside the one whose place it takes.
//!
//! It is in a folder that root alone can open, which is the lock, too: of two who install, one waits for nobody and fails. What
//! one that was killed has left there goes away with the next.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jit_sys::policy_files::MAX_FILE;
use rustix::fs::{
    CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, fchmod, flock, fstat, mkdirat, openat,
    readlinkat, renameat_with, symlinkat,
};
use rustix::io::Errno;

/// The folder, and what locks it. What is in it when it is dropped is removed.
pub(super) struct Staged {
    /// Root's alone.
    around: PathBuf,
    new: PathBuf,
    lock: File,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Staged {
    /// Locks a place for it, and empties that.
    pub(super) fn beside(place: &Path) -> io::Result<Self> {
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let around = place.with_file_name(format!(".{}.new", name.to_string_lossy())); // no policy: it has a leading dot
        match DirBuilder::new().mode(0o700).create(&around) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let flags = i32::try_from((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits()).unwrap_or(0);
        let lock = OpenOptions::new().read(true).custom_flags(flags).open(&around)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let (ours, there) = (lock.metadata()?, fs::symlink_metadata(&around)?);
        if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
            return Err(io::ErrorKind::WouldBlock.into()); // the one who had it before has just removed it
        }
        let staged = Self { new: around.join(name), around, lock };
        match fs::remove_dir_all(&staged.new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(staged),
        }
    }

    /// Regular files and folders, with modes that the agent takes, on the disk.
    pub(super) fn copy(&self, from: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.new)?;
        let (from_folder, to) = (File::open(from)?.into(), OwnedFd::from(File::open(&self.new)?));
        copy(&from_folder, &to, from, identity(&self.lock)?)
    }

    /// Exchanges it with the folder in its place, in one step; false: there was none, and this is it now.
    pub(super) fn exchange(&self, place: &Path) -> io::Result<bool> {
        match renameat_with(CWD, &self.new, CWD, place, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => fs::rename(&self.new, place).map(|()| false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes an exchange durable.
    pub(super) fn sync(&self, place: &Path) -> io::Result<()> {
        place.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        File::open(&self.around)?.sync_all()
    }

    /// Puts back what was there before.
    pub(super) fn take_back(&self, place: &Path, was_there: bool) -> io::Result<()> {
        if was_there {
            self.exchange(place)?;
        } else {
            fs::rename(place, &self.new)?;
        }
        let _ = self.sync(place); // both are sound
        Ok(())
    }

    /// Leaves it where it is.
    pub(super) fn keep(self) -> PathBuf {
        let new = self.new.clone();
        std::mem::forget(self);
        new
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.new);
        let _ = fs::remove_dir(&self.around);
    }
}

/// Device and inode.
fn identity(folder: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = fstat(folder)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Each entry is opened once, and is what it is then: its folder may be another's, who changes it meanwhile.
fn copy(from: &OwnedFd, to: &OwnedFd, shown: &Path, forbidden: (u64, u64)) -> io::Result<()> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    if identity(from)? == forbidden {
        return Err(invalid(format!("{} is where it is copied to", shown.display())));
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let shown = shown.join(name.to_string_lossy().as_ref());
        let strange = || invalid(format!("{} is neither a file nor a folder", shown.display()));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match openat(from, name, flags, Mode::empty()) {
            Ok(opened) => opened,
            // The mask of a vendor's file.
            Err(Errno::LOOP) if readlinkat(from, name, Vec::new())?.as_bytes() == b"/dev/null" => {
                symlinkat("/dev/null", to, name)?;
                continue;
            }
            Err(Errno::LOOP | Errno::NXIO) => return Err(strange()),
            Err(errno) => return Err(errno.into()),
        };
        match FileType::from_raw_mode(fstat(&opened)?.st_mode) {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU)?;
                copy(&opened, &openat(to, name, FOLDER, Mode::empty())?, &shown, forbidden)?;
            }
            FileType::RegularFile => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut file = File::from(openat(to, name, flags, Mode::RUSR | Mode::WUSR)?);
                if io::copy(&mut File::from(opened).take(MAX_FILE + 1), &mut file)? > MAX_FILE {
                    return Err(invalid(format!("{} is larger than 64 MiB", shown.display())));
                }
                file.set_permissions(Permissions::from_mode(0o644))?;
                file.sync_all()?;
            }
            _ => return Err(strange()),
        }
    }
    fchmod(to, Mode::from_raw_mode(0o755))?;
    rustix::fs::fsync(to).map_err(io::Error::from)
}
