//! The file of those who are gated, read from a disk that is not trusted to be in order.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use jit_protocol::paths;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, lstat, open};
use rustix::io::Errno;

use crate::account::GatedFile;

/// Largest file in bytes: some hundred thousand entries.
pub const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// A file that only root can have written, in a folder that only root can change.
#[derive(Debug)]
pub struct RootFile {
    path: PathBuf,
}

impl RootFile {
    /// The one that the agent writes.
    pub fn system() -> Self {
        Self::at(paths::GATED.into())
    }

    /// Another one; no way leads here from outside the program.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }
}

impl GatedFile for RootFile {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        // A folder that others can change could hide the file: then its absence says nothing.
        if let Some(folder) = self.path.parent() {
            match lstat(folder) {
                Ok(found) => check(&found, FileType::Directory)?,
                Err(Errno::NOENT) => return Ok(None),
                Err(other) => return Err(other.into()),
            }
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match open(&self.path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        check(&fstat(&file)?, FileType::RegularFile)?;
        let mut text = Vec::new();
        File::from(file).take(MAX_SIZE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_SIZE {
            return Err(unusable("it is too large"));
        }
        Ok(Some(text))
    }
}

fn check(found: &Stat, kind: FileType) -> io::Result<()> {
    if FileType::from_raw_mode(found.st_mode) != kind {
        return Err(unusable("it, or its folder, is of the wrong kind"));
    }
    if found.st_uid != 0 || Mode::from_raw_mode(found.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return Err(unusable("somebody other than root can write it, or its folder"));
    }
    Ok(())
}

fn unusable(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
