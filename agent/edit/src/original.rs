//! A file as it was opened: its folder, which stays the same whatever is moved, and what was known of it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, statat};
use rustix::io::Errno;

/// Bits of a mode that lend a program's user somebody else's identity.
const LENDS: u32 = 0o6000;

/// A file to edit, or the place where it will be.
#[derive(Debug)]
pub(crate) struct Original {
    path: OsString,
    name: OsString,
    folder: OwnedFd,
    known: Option<Known>,
}

/// The file that is there.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) file: File,
    pub(crate) stat: Stat,
}

/// Why a file can't be edited.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// No absolute path of a file.
    Path,
    /// A symbolic link, or one on the way.
    Link,
    /// A folder, device, FIFO or socket.
    NotRegular,
    /// It has setuid or setgid set.
    Lends,
    /// Another one was put there between two looks.
    Moved,
    /// The kernel's word.
    Os(Errno),
}

impl Original {
    /// Opens it. No link is followed anywhere, and nothing but a regular file is opened.
    pub(crate) fn open(path: &OsStr) -> Result<Self, NotOpened> {
        let (folder, name) = match (Path::new(path).parent(), Path::new(path).file_name()) {
            (Some(folder), Some(name)) if path.as_bytes().starts_with(b"/") => (folder, name),
            _ => return Err(NotOpened::Path),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let how = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let folder = openat2(CWD, folder, flags, Mode::empty(), how)?;
        let known = open_file(folder.as_fd(), name)?;
        Ok(Self { path: path.to_owned(), name: name.to_owned(), folder, known })
    }

    /// The path, for messages and for a check.
    pub(crate) fn path(&self) -> &OsStr {
        &self.path
    }

    /// Its name in the folder.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// The file, if there is one.
    pub(crate) fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// There is no such file yet.
    pub(crate) fn is_new(&self) -> bool {
        self.known.is_none()
    }

    /// What is in it, from its beginning.
    pub(crate) fn contents(&self) -> Contents<'_> {
        Contents::of(self.known.as_ref().map(|known| &known.file))
    }

    /// Whether what has the name is still the file that was opened, and nobody has written to it; or still nothing.
    pub(crate) fn is_unchanged(&self) -> bool {
        match (statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW), &self.known) {
            (Ok(now), Some(known)) => is_same(&now, &known.stat),
            (Err(Errno::NOENT), None) => true,
            _ => false,
        }
    }

    /// Takes what has the name now for the original: what was saved is.
    pub(crate) fn reopen(&mut self) -> Result<(), NotOpened> {
        self.known = open_file(self.folder.as_fd(), &self.name)?;
        Ok(())
    }
}

fn open_file(folder: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Known>, NotOpened> {
    // A look first: even to open a device can do something.
    let looked = match openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    {
        Ok(looked) => fstat(&looked)?,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(looked.st_mode) {
        FileType::RegularFile if looked.st_mode & LENDS == 0 => {}
        FileType::RegularFile => return Err(NotOpened::Lends),
        FileType::Symlink => return Err(NotOpened::Link),
        _ => return Err(NotOpened::NotRegular),
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if (stat.st_dev, stat.st_ino, stat.st_mode) != (looked.st_dev, looked.st_ino, looked.st_mode) {
        return Err(NotOpened::Moved);
    }
    Ok(Some(Known { file: File::from(file), stat }))
}

/// The same file, not written to since.
fn is_same(now: &Stat, then: &Stat) -> bool {
    let facts = |stat: &Stat| {
        let times = (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
        (stat.st_dev, stat.st_ino, stat.st_size, times)
    };
    facts(now) == facts(then)
}

/// Reads a file from its beginning, wherever others read it.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    file: Option<&'a File>,
    at: u64,
}

impl<'a> Contents<'a> {
    pub(crate) fn of(file: Option<&'a File>) -> Self {
        Self { file, at: 0 }
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(file) = self.file else { return Ok(0) };
        let length = file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl From<Errno> for NotOpened {
    fn from(error: Errno) -> Self {
        if error == Errno::LOOP { Self::Link } else { Self::Os(error) }
    }
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("this is not the path of a file"),
            Self::Link => f.write_str("editing symbolic links is not permitted"),
            Self::NotRegular => f.write_str("not a regular file"),
            Self::Lends => f.write_str("editing a file with setuid or setgid is not permitted"),
            Self::Moved => f.write_str("another file was put there just now"),
            Self::Os(error) => io::Error::from(*error).fmt(f),
        }
    }
}
