//! A name in a folder: the way there is followed, what has the name is not, and need not be there. So files to edit are looked for.

use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

use super::{FileFacts, Found, PathError, facts, resolve};

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute; the folder resolved, the name as it was asked for.
    pub path: Vec<u8>,
    /// What has that name: a link itself, not what it leads to; none if nothing has.
    pub file: Option<FileFacts>,
    folder: Found,
}

impl Entry {
    /// Whether this user might change what has the name: some part of the way to it is theirs to write. Whether the
    /// file is does not matter.
    pub fn is_changeable_by(&self, uid: u32) -> bool {
        self.folder.is_writable_by(uid)
    }

    /// As [`Found::is_open_to`].
    pub fn is_open_to(&self, uid: u32, groups: &[u32]) -> bool {
        self.folder.is_open_to(uid, groups)
    }
}

impl FileFacts {
    /// A symbolic link.
    pub fn is_link(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Symlink
    }

    /// A regular file.
    pub fn is_regular(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::RegularFile
    }

    /// The setuid or the setgid bit is set.
    pub fn lends_identity(&self) -> bool {
        self.mode & 0o6000 != 0
    }
}

/// Looks for an absolute path below `root`.
///
/// # Errors
/// [`PathError`] if its folder is none, or it does not end in a name.
pub fn entry(root: BorrowedFd<'_>, path: &[u8]) -> Result<Entry, PathError> {
    let slash = path.iter().rposition(|byte| *byte == b'/').ok_or(PathError::Invalid)?;
    let (folder, name) = (path.get(..=slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default());
    if matches!(name, b"" | b"." | b"..") || path.contains(&0) {
        return Err(PathError::Invalid);
    }
    let folder = resolve(root, folder)?;
    let below = match folder.leads_to.as_slice() {
        b"/" => b".",
        leads_to => leads_to.get(1..).unwrap_or_default(),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let opened = openat2(root, below, flags, Mode::empty(), how)?;
    let file = match openat(&opened, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => Some(facts(&fstat(&file)?)),
        Err(Errno::NOENT) => None,
        Err(error) => return Err(error.into()),
    };
    let mut path = folder.leads_to.clone();
    if path.len() > 1 {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    Ok(Entry { path, file, folder })
}
