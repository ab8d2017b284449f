//! The log's folder: the file that is written, and those that were set aside. Everything goes by descriptors that were
//! checked.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jit_audit::file;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

pub(super) struct Folder {
    path: PathBuf,
    owner: u32,
}

impl Folder {
    /// `path` is that of the file that is written.
    pub(super) fn of(path: &Path, owner: u32) -> Self {
        Self { path: path.to_owned(), owner }
    }

    /// The path of the file that is written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file that is written, or makes it, and the folder.
    pub(super) fn open(&self) -> io::Result<File> {
        let (folder, name) = self.folder()?;
        let file = self.open_in(&folder, name, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)?;
        if file.metadata()?.mode() & 0o7777 != 0o600 {
            fchmod(&file, Mode::from_raw_mode(0o600))?;
        }
        folder.sync_all()?; // a new file is durable once its folder is
        Ok(file)
    }

    /// What was set aside, oldest first: the numbers of their last records.
    pub(super) fn rotated(&self) -> io::Result<Vec<u64>> {
        let Some(parent) = self.path.parent() else { return Ok(Vec::new()) };
        let mut rotated = Vec::new();
        for entry in fs::read_dir(parent)? {
            rotated.extend(entry?.file_name().to_str().and_then(file::last_of));
        }
        rotated.sort_unstable();
        Ok(rotated)
    }

    /// Opens one that was set aside, to read.
    pub(super) fn open_rotated(&self, last: u64) -> io::Result<File> {
        let (folder, _) = self.folder()?;
        self.open_in(&folder, OsStr::new(&file::rotated(last)), OFlags::RDONLY)
    }

    /// Sets the file that was written aside; durable when this returns. Nothing is replaced.
    pub(super) fn set_aside(&self, last: u64) -> io::Result<()> {
        let (folder, name) = self.folder()?;
        let to = file::rotated(last);
        match statat(&folder, &to, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there is a {to}"))),
        }
        renameat(&folder, name, &folder, &to)?;
        folder.sync_all()
    }

    /// Removes one that was set aside.
    pub(super) fn remove(&self, last: u64) -> io::Result<()> {
        let (folder, _) = self.folder()?;
        Ok(unlinkat(&folder, file::rotated(last), AtFlags::empty())?)
    }

    fn folder(&self) -> io::Result<(File, &OsStr)> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err(self.no("is not a path of a file"));
        };
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        let flags = i32::try_from((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits()).map_err(io::Error::other)?;
        let folder = OpenOptions::new().read(true).custom_flags(flags).open(parent)?;
        let about = folder.metadata()?;
        if about.uid() != self.owner || about.mode() & 0o022 != 0 {
            return Err(self.no("is in a folder that others can write"));
        }
        Ok((folder, name))
    }

    fn open_in(&self, folder: &File, name: &OsStr, how: OFlags) -> io::Result<File> {
        // Not blocked by a FIFO that somebody put there.
        let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(openat(folder, name, flags, Mode::from_raw_mode(0o600))?);
        let about = file.metadata()?;
        if !about.is_file() || about.uid() != self.owner || about.nlink() != 1 || about.mode() & 0o022 != 0 {
            return Err(self.no("is not a regular file of root's alone"));
        }
        Ok(file)
    }

    fn no(&self, why: &str) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", self.path.display()))
    }
}
