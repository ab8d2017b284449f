//! New contents, before they are the file's: in its folder, so that a rename can put them in its place at once; where nothing
//! can be made there, in memory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{
    AtFlags, Gid, MemfdFlags, Mode, OFlags, RenameFlags, Uid, XattrFlags, fchmod, fchown, fgetxattr,
    flistxattr, fremovexattr, fsetxattr, fstat, memfd_create, openat, renameat, renameat_with, statat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::original::{Known, Original};

/// Longest name of a file.
const NAME_MAX: usize = 255;
/// Attributes that say something of the contents they were made for: the kernel drops them when a file is written to.
const OF_CONTENTS: [&[u8]; 3] = [b"security.capability", b"security.ima", b"security.evm"];
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

/// New contents.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    folder: BorrowedFd<'a>,
    /// Its name in the folder; none: it is in memory.
    name: Option<OsString>,
    file: File,
}

impl<'a> Stage<'a> {
    /// An empty one for this file.
    pub(crate) fn make(folder: BorrowedFd<'a>, original: &OsStr, is_new: bool) -> io::Result<Self> {
        let name = beside(original)?;
        // Of a new file the mask decides; of another one the mode is copied at the end.
        let mode = Mode::from_raw_mode(if is_new { 0o666 } else { 0o600 });
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(folder, &name, flags, mode) {
            Ok(file) => Ok(Self { folder, name: Some(name), file: file.into() }),
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) if !is_new => {
                let file = memfd_create("edit", MemfdFlags::CLOEXEC)?;
                Ok(Self { folder, name: None, file: file.into() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The contents.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The path of the contents, for a check; none for those in memory.
    pub(crate) fn path(&self, original: &Original) -> Option<OsString> {
        let path = original.path().as_bytes();
        let slash = path.iter().rposition(|byte| *byte == b'/')?;
        let folder = path.get(..=slash)?;
        Some(OsString::from_vec([folder, self.name.as_ref()?.as_bytes()].concat()))
    }

    /// Owner, mode and further attributes of the file it is to replace; false if it can't have all of them.
    pub(crate) fn take_attributes(&self, of: &Known) -> bool {
        self.name.is_some() && self.try_attributes(of).is_ok()
    }

    fn try_attributes(&self, of: &Known) -> Result<(), Errno> {
        let (own, stat) = (fstat(&self.file)?, &of.stat);
        if (own.st_uid, own.st_gid) != (stat.st_uid, stat.st_gid) {
            fchown(&self.file, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
        }
        let names = names(&of.file)?;
        // One that it has of its folder would let in whom the file keeps out.
        if !names.iter().any(|name| name == ACCESS_LIST) {
            match fremovexattr(&self.file, ACCESS_LIST) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error),
            }
        }
        for name in names {
            fsetxattr(&self.file, name.as_slice(), &value(&of.file, &name)?, XattrFlags::empty())?;
        }
        // Last: an access list is part of it.
        fchmod(&self.file, Mode::from_raw_mode(stat.st_mode & 0o1777))
    }

    /// Puts it in the place of the file at once.
    pub(crate) fn replace(mut self, original: &OsStr, is_new: bool) -> Result<(), (Errno, Self)> {
        let result = self.is_ours().and_then(|name| {
            // One that somebody has made meanwhile is theirs.
            if is_new {
                renameat_with(self.folder, name, self.folder, original, RenameFlags::NOREPLACE)
            } else {
                renameat(self.folder, name, self.folder, original)
            }
        });
        match result {
            Ok(()) => {
                self.name = None;
                Ok(())
            }
            Err(error) => Err((error, self)),
        }
    }

    /// The name, while it is that of these contents.
    fn is_ours(&self) -> Result<&OsStr, Errno> {
        let name = self.name.as_deref().ok_or(Errno::XDEV)?;
        let (own, named) = (fstat(&self.file)?, statat(self.folder, name, AtFlags::SYMLINK_NOFOLLOW)?);
        if (own.st_dev, own.st_ino) == (named.st_dev, named.st_ino) { Ok(name) } else { Err(Errno::STALE) }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = unlinkat(self.folder, name, AtFlags::empty()); // gone already
        }
    }
}

/// A name that lists of files leave out: it begins with a dot, and has another ending.
fn beside(original: &OsStr) -> Result<OsString, Errno> {
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())?;
    let ending = format!(".jit-{:016x}", u64::from_le_bytes(random));
    let original = original.as_bytes();
    let kept = original.get(..NAME_MAX - 1 - ending.len()).unwrap_or(original);
    Ok(OsString::from_vec([b".", kept, ending.as_bytes()].concat()))
}

/// The names of a file's further attributes that a copy shall have.
fn names(file: &File) -> Result<Vec<Vec<u8>>, Errno> {
    let mut room = vec![0_u8; 64 * 1024];
    let length = match flistxattr(file.as_fd(), &mut *room) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let list = room.get(..length).unwrap_or_default();
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty() && !OF_CONTENTS.contains(name));
    Ok(names.map(<[u8]>::to_vec).collect())
}

fn value(file: &File, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut room = vec![0_u8; 64 * 1024];
    let length = fgetxattr(file.as_fd(), name, &mut *room)?;
    room.truncate(length);
    Ok(room)
}
