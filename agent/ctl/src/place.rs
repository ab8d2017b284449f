//! The place of a file that is replaced in one step, so that nobody ever reads half of it.
//!
//! Its folder is opened once: whoever exchanges a folder or a link meanwhile can't have another file replaced.

use std::ffi::OsString;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fsync, openat, renameat, unlinkat};
use rustix::io::Errno;

/// A name in a folder.
pub(crate) struct Place {
    folder: OwnedFd,
    name: OsString,
}

impl Place {
    /// Where this path leads; the last name is not followed.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { folder: openat(CWD, folder, flags, Mode::empty())?, name: name.to_owned() })
    }

    /// The file that is there, if any is; what is no plain file, as a link, a pipe or a device, is an error: it is no place for one.
    pub(crate) fn file(&self) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let strange = || io::Error::other("it is no plain file");
        let file = match openat(&self.folder, &self.name, flags, Mode::empty()) {
            Ok(opened) => File::from(opened),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Err(strange()),
            Err(errno) => return Err(errno.into()),
        };
        if file.metadata()?.is_file() { Ok(Some(file)) } else { Err(strange()) }
    }

    /// Puts this text there, with the owner and the mode of what was there, else for all to read.
    pub(crate) fn replace(&self, text: &str, known: Option<&Metadata>) -> io::Result<()> {
        // With a dot before it, a policy folder does not count it.
        let mut new = OsString::from(".");
        new.push(&self.name);
        new.push(".new");
        // One that was left over, or put there by another, is not written into.
        match unlinkat(&self.folder, &new, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, &new, flags, Mode::RUSR | Mode::WUSR)?);
        let replaced = fill(file, text, known)
            .and_then(|()| Ok(renameat(&self.folder, &new, &self.folder, &self.name)?));
        if replaced.is_err() {
            let _ = unlinkat(&self.folder, &new, AtFlags::empty());
        }
        replaced?;
        Ok(fsync(&self.folder)?)
    }
}

fn fill(mut file: File, text: &str, known: Option<&Metadata>) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    let mode = match known {
        Some(known) => {
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (known.uid(), known.gid()) {
                fchown(&file, Some(known.uid()), Some(known.gid()))?;
            }
            known.mode() & 0o7777
        }
        None => 0o644,
    };
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    // Somebody who can write a folder above exchanges it between two steps.
    #[test]
    fn a_folder_that_is_exchanged_meanwhile_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for folder in ["mine", "theirs"] {
            fs::create_dir(path(folder)).unwrap();
            fs::write(path(folder).join("a"), folder).unwrap();
        }
        let place = Place::of(&path("mine/a")).unwrap();
        fs::rename(path("mine"), path("moved")).unwrap();
        symlink("theirs", path("mine")).unwrap();
        let mut text = String::new();
        place.file().unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "mine");
        place.replace("new", None).unwrap();
        assert_eq!(fs::read_to_string(path("theirs/a")).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(path("moved/a")).unwrap(), "new");
        assert_eq!(fs::read_dir(path("moved")).unwrap().count(), 1);
    }
}
