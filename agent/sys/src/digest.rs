//! SHA-256 of a program's file: read through one descriptor, which is a regular file's before it is opened for reading, so
//! that no device and no FIFO acts on it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, StatVfsMountFlags, fstat, fstatfs, fstatvfs, open, openat2};
use sha2::{Digest, Sha256};

use crate::path::{FUSE, FileFacts, Found, facts};

/// Longest file, in bytes, that is read.
pub const MOST: u64 = 256 * 1024 * 1024;

/// Bytes at a time.
const PIECE: usize = 64 * 1024;

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Program {
    file: File,
    facts: FileFacts,
}

/// Why there is no digest.
#[derive(Debug)]
pub enum DigestError {
    /// It is not the file that was meant any more, or was written while it was read.
    Changed,
    /// It is no regular file.
    NotAFile,
    /// It is longer than [`MOST`].
    TooLong,
    /// It is on a FUSE file system, whose user may take forever to answer.
    Fuse,
    /// It is no ELF program, and others than root can change it: an interpreter would open it again.
    ChangeableScript,
    /// It cannot be read.
    Unreadable(io::Error),
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("the file was changed after it was checked"),
            Self::NotAFile => f.write_str("it is not a file"),
            Self::TooLong => write!(f, "it is longer than {} MiB", MOST / 1024 / 1024),
            Self::Fuse => f.write_str("it is on a file system of its user's own (FUSE)"),
            Self::ChangeableScript => f.write_str("it is a script, and others than root can change it"),
            Self::Unreadable(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for DigestError {}

impl From<rustix::io::Errno> for DigestError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Unreadable(errno.into())
    }
}

impl From<io::Error> for DigestError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The digest of what a path leads to, if a policy's pin can hold for it. May block on a file system.
///
/// # Errors
/// [`DigestError`]: it is not known what would run.
pub fn of(root: BorrowedFd<'_>, found: &Found) -> Result<[u8; 32], DigestError> {
    let mut program = Program::open(root, &found.leads_to, |facts| *facts == found.file)?;
    if !found.is_trusted() && !program.is_elf()? {
        return Err(DigestError::ChangeableScript);
    }
    program.digest(io::sink())
}

/// Of some bytes, in hex.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes).into())
}

/// In 64 hex digits, as sha256sum(1) prints it.
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Program {
    /// Opens an absolute path below `root`, links followed. The file must be the one that is meant.
    ///
    /// # Errors
    /// [`DigestError`].
    pub fn open(
        root: BorrowedFd<'_>,
        path: &[u8],
        is_meant: impl FnOnce(&FileFacts) -> bool,
    ) -> Result<Self, DigestError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let found = openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
        let facts = facts(&fstat(&found)?);
        if !facts.is_regular() {
            return Err(DigestError::NotAFile);
        }
        if !is_meant(&facts) {
            return Err(DigestError::Changed);
        }
        if u64::try_from(fstatfs(&found)?.f_type).unwrap_or(0) == FUSE {
            return Err(DigestError::Fuse);
        }
        let same = format!("/proc/self/fd/{}", found.as_raw_fd());
        let file = open(same, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { file: file.into(), facts })
    }

    /// Type and permissions, owner and so on, as they were when it was opened.
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// Whether nothing can be executed where it is (`noexec`).
    ///
    /// # Errors
    /// Those of statvfs(3).
    pub fn is_on_noexec(&self) -> Result<bool, DigestError> {
        Ok(fstatvfs(&self.file)?.f_flag.contains(StatVfsMountFlags::NOEXEC))
    }

    /// Whether the kernel runs it without opening it again, as it is a program and not a text for one.
    ///
    /// # Errors
    /// [`DigestError::Unreadable`].
    pub fn is_elf(&self) -> Result<bool, DigestError> {
        let mut start = [0; 4];
        let length = rustix::io::pread(&self.file, &mut start[..], 0)?;
        Ok(length == start.len() && start == *b"\x7fELF")
    }

    /// Reads all of it, once, and gives `copy` what the digest is of.
    ///
    /// # Errors
    /// [`DigestError`]; the copy's errors are among them.
    pub fn digest(&mut self, mut copy: impl Write) -> Result<[u8; 32], DigestError> {
        let size = u64::try_from(self.facts.size).unwrap_or(0);
        if size > MOST {
            return Err(DigestError::TooLong);
        }
        let (mut digest, mut piece, mut read) = (Sha256::new(), vec![0; PIECE], 0_u64);
        loop {
            let length = match self.file.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let bytes = piece.get(..length).unwrap_or_default();
            read += length as u64;
            if read > size {
                return Err(DigestError::Changed);
            }
            digest.update(bytes);
            copy.write_all(bytes)?;
        }
        if read != size || facts(&fstat(self.file.as_fd())?) != self.facts {
            return Err(DigestError::Changed);
        }
        Ok(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use super::*;
    use crate::path::{own_root, resolve};

    /// `sha256sum` of an empty file.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    /// Of three bytes: FIPS 180-2, B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    fn bytes(path: &Path) -> &[u8] {
        path.as_os_str().as_encoded_bytes()
    }

    fn opened(path: &Path) -> Result<Program, DigestError> {
        Program::open(own_root().unwrap().as_fd(), bytes(path), |_| true)
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_and_the_copy_has_them_all() {
        let (_folder, folder) = folder();
        let file = folder.join("file");
        for (text, digest) in [(&b""[..], EMPTY), (b"abc", ABC)] {
            fs::write(&file, text).unwrap();
            let mut copy = Vec::new();
            assert_eq!(hex(&opened(&file).unwrap().digest(&mut copy).unwrap()), digest);
            assert_eq!(copy, text);
        }
        let long = vec![7; PIECE * 2 + 1];
        fs::write(&file, &long).unwrap();
        let mut copy = Vec::new();
        let whole: [u8; 32] = Sha256::digest(&long).into();
        assert_eq!(opened(&file).unwrap().digest(&mut copy).unwrap(), whole);
        assert_eq!(copy, long);
    }

    #[test]
    fn a_fifo_a_folder_and_a_device_are_not_opened() {
        let (_folder, folder) = folder();
        let fifo = folder.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink(&fifo, folder.join("link")).unwrap();
        for path in [&fifo, &folder.join("link"), &folder, Path::new("/dev/null")] {
            assert!(matches!(opened(path), Err(DigestError::NotAFile)), "{}", path.display());
        }
        let gone = opened(&folder.join("none"));
        assert!(
            matches!(gone, Err(DigestError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let (_folder, folder) = folder();
        let file = folder.join("long");
        File::create(&file).unwrap().set_len(MOST + 1).unwrap();
        let mut copy = Vec::new();
        assert!(matches!(opened(&file).unwrap().digest(&mut copy), Err(DigestError::TooLong)));
        assert!(copy.is_empty());
    }

    /// Writes to the file once the first piece of it has been read.
    struct Writes<'f>(&'f Path, &'static [u8]);

    impl Write for Writes<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut options = fs::OpenOptions::new();
            options.append(true).custom_flags(0).open(self.0)?.write_all(self.1)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_that_is_another_or_is_written_meanwhile_has_no_digest() {
        let (_folder, folder) = folder();
        let file = folder.join("file");
        fs::write(&file, "one").unwrap();
        let root = own_root().unwrap();
        let found = resolve(root.as_fd(), bytes(&file)).unwrap();
        assert!(matches!(opened(&file).unwrap().digest(Writes(&file, b"more")), Err(DigestError::Changed)));
        assert!(matches!(of(root.as_fd(), &found), Err(DigestError::Changed)), "it is longer now");
        let found = resolve(root.as_fd(), bytes(&file)).unwrap();
        fs::write(folder.join("other"), "onemore").unwrap();
        fs::rename(folder.join("other"), &file).unwrap();
        assert!(matches!(of(root.as_fd(), &found), Err(DigestError::Changed)), "it is another one");
    }

    // A10, E15 of the research: of a script the interpreter opens what has that name by then.
    #[test]
    fn a_script_has_one_only_where_root_alone_can_change_it() {
        let root = own_root().unwrap();
        let (_folder, folder) = folder();
        let (script, program) = (folder.join("script"), folder.join("program"));
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::copy(env::current_exe().unwrap(), &program).unwrap();
        for file in [&script, &program] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let digest = |path: &Path| of(root.as_fd(), &resolve(root.as_fd(), bytes(path)).unwrap());
        assert!(matches!(digest(&script), Err(DigestError::ChangeableScript)));
        assert!(digest(&program).is_ok());
        let roots = Path::new("/usr/bin/ldd").canonicalize().unwrap();
        assert!(!opened(&roots).unwrap().is_elf().unwrap(), "it is a script");
        assert!(digest(&roots).is_ok());
    }
}
