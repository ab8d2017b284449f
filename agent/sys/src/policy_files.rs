//! Reading root's own files (policy, settings) so that nobody else has a say in what they contain: by descriptor,
//! without following links, owner and mode checked on that descriptor.

mod programs;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

/// Largest file in bytes.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A name in a policy folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The base name. One that is not UTF-8 is shown lossily and is never a policy file.
    pub name: String,
    /// It is a link to `/dev/null`, the mask.
    pub is_null_link: bool,
}

/// A folder of root's, opened and checked.
#[derive(Debug)]
pub struct CheckedFolder {
    path: PathBuf,
    owner: u32,
    descriptor: OwnedFd,
}

impl CheckedFolder {
    /// Opens a folder that belongs to `owner` (0 but in tests) and that nobody else can write, as its parent.
    /// `Ok(None)`: it does not exist.
    ///
    /// # Errors
    /// [`RefusedFile`] names what is wrong with it.
    pub fn open(path: &Path, owner: u32) -> Result<Option<Self>, RefusedFile> {
        if let Some(parent) = path.parent()
            && open_folder(parent, owner)?.is_none()
        {
            return Ok(None);
        }
        let opened = open_folder(path, owner)?;
        Ok(opened.map(|descriptor| Self { path: path.to_owned(), owner, descriptor }))
    }

    /// The names in it, sorted. Nothing is selected: that is the policy's part.
    ///
    /// # Errors
    /// [`RefusedFile`] if the folder cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, RefusedFile> {
        let refused = |errno| RefusedFile { path: self.path.clone(), problem: Problem::Os(errno) };
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.descriptor).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let target = readlinkat(&self.descriptor, name, Vec::new());
            let is_null_link = target.is_ok_and(|target| target.as_bytes() == b"/dev/null");
            entries.push(Entry { name: name.to_string_lossy().into_owned(), is_null_link });
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// The text of a file in it.
    ///
    /// # Errors
    /// [`RefusedFile`] names the file and what is wrong with it.
    pub fn read(&self, name: &str) -> Result<String, RefusedFile> {
        let refused = |problem| RefusedFile { path: self.path.join(name), problem };
        if name.contains('/') {
            return Err(refused(Problem::Os(Errno::INVAL)));
        }
        let descriptor = openat(&self.descriptor, name, OPEN_FILE, Mode::empty())
            .map_err(|errno| refused(Problem::of_open(errno)))?;
        read_text(descriptor, self.owner).map_err(refused)
    }
}

/// A folder of `owner`'s that nobody else can write; none if there is none.
fn open_folder(path: &Path, owner: u32) -> Result<Option<OwnedFd>, RefusedFile> {
    let refused = |problem| RefusedFile { path: path.to_owned(), problem };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let descriptor = match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(descriptor) => descriptor,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(refused(Problem::of_open(errno))),
    };
    let found = fstat(&descriptor).map_err(|errno| refused(Problem::Os(errno)))?;
    check_owner(&found, owner).map_err(refused)?;
    Ok(Some(descriptor))
}

/// The text of one file anywhere, with the same checks, but for its folder's. `Ok(None)`: it does not exist.
///
/// # Errors
/// [`RefusedFile`] names the file and what is wrong with it.
pub fn read_file(path: &Path, owner: u32) -> Result<Option<String>, RefusedFile> {
    read_from(openat2(CWD, path, OPEN_FILE, Mode::empty(), ResolveFlags::NO_SYMLINKS), path, owner)
}

/// As [`read_file`], with its folder's checks: who can write that could put another file of root's in its place, or none.
///
/// # Errors
/// [`RefusedFile`] names the file, or its folder, and what is wrong with it.
pub fn read_file_in_its_folder(path: &Path, owner: u32) -> Result<Option<String>, RefusedFile> {
    let refused = |problem| RefusedFile { path: path.to_owned(), problem };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refused(Problem::Os(Errno::INVAL)));
    };
    let Some(folder) = open_folder(parent, owner)? else { return Ok(None) };
    read_from(openat(&folder, name, OPEN_FILE, Mode::empty()), path, owner)
}

fn read_from(opened: Result<OwnedFd, Errno>, path: &Path, owner: u32) -> Result<Option<String>, RefusedFile> {
    let refused = |problem| RefusedFile { path: path.to_owned(), problem };
    match opened {
        Ok(descriptor) => read_text(descriptor, owner).map_err(refused).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refused(Problem::of_open(errno))),
    }
}

/// A FIFO is opened without waiting for its writer; what it is is checked before anything is read.
const OPEN_FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

fn read_text(descriptor: OwnedFd, owner: u32) -> Result<String, Problem> {
    let before = fstat(descriptor.as_fd()).map_err(Problem::Os)?;
    match FileType::from_raw_mode(before.st_mode) {
        FileType::RegularFile => {}
        FileType::Fifo => return Err(Problem::Kind("a FIFO")),
        FileType::Directory => return Err(Problem::Kind("a folder")),
        FileType::Socket => return Err(Problem::Kind("a socket")),
        _ => return Err(Problem::Kind("a device")),
    }
    check_owner(&before, owner)?;
    if before.st_nlink != 1 {
        return Err(Problem::HardLinks);
    }
    if u64::try_from(before.st_size).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(Problem::TooLarge);
    }
    let mut file = File::from(descriptor);
    let mut bytes = Vec::new();
    Read::by_ref(&mut file)
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Problem::Io(error.kind()))?;
    let after = fstat(&file).map_err(Problem::Os)?;
    let times =
        |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec, stat.st_size);
    if times(&before) != times(&after) || u64::try_from(after.st_size).ok() != u64::try_from(bytes.len()).ok()
    {
        return Err(Problem::BeingWritten);
    }
    String::from_utf8(bytes).map_err(|error| Problem::NotUtf8(error.utf8_error().valid_up_to()))
}

fn check_owner(stat: &Stat, owner: u32) -> Result<(), Problem> {
    if stat.st_uid != owner {
        return Err(Problem::Owner(stat.st_uid));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(Problem::Writable(stat.st_mode & 0o7777));
    }
    Ok(())
}

/// A file or folder that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFile {
    /// Which one.
    pub path: PathBuf,
    /// Why.
    pub problem: Problem,
}

/// Why a file is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It, or a folder on its way, is a symbolic link.
    Link,
    /// It, or a folder on its way, is no folder but, say, a link to one.
    NotAFolder,
    /// It is something else than a regular file.
    Kind(&'static str),
    /// It is not root's, but this user's.
    Owner(u32),
    /// Group or others can write it: its mode.
    Writable(u32),
    /// A program was looked for, and nobody may run it.
    NotExecutable,
    /// It has other names, that may be in others' folders.
    HardLinks,
    /// More than [`MAX_FILE`].
    TooLarge,
    /// It changed while it was read.
    BeingWritten,
    /// Not UTF-8, from this byte on.
    NotUtf8(usize),
    /// It cannot be opened.
    Os(Errno),
    /// It cannot be read.
    Io(io::ErrorKind),
}

impl Problem {
    fn of_open(errno: Errno) -> Self {
        match errno {
            Errno::LOOP => Self::Link,
            Errno::NOTDIR => Self::NotAFolder,
            Errno::NXIO => Self::Kind("a socket or a device"),
            other => Self::Os(other),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Link => {
                "replace the link with the file itself (only a link to /dev/null is allowed: it disables the file)"
            }
            Self::NotAFolder => "make it a folder",
            Self::Kind(_) => "replace it with a regular file",
            Self::Owner(_) => "chown root:root",
            Self::Writable(_) => "chmod go-w",
            Self::NotExecutable => "chmod +x",
            Self::HardLinks => "copy it: one file, one name",
            Self::TooLarge => "a policy file is at most 64 MiB",
            Self::BeingWritten => "write a temporary file and rename it, then reload",
            Self::NotUtf8(_) => "save it as UTF-8",
            Self::Os(_) | Self::Io(_) => "",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("is a symbolic link, or a folder on its way is one"),
            Self::NotAFolder => f.write_str("is not a folder (a link to one does not count)"),
            Self::Kind(kind) => write!(f, "is {kind}, not a regular file"),
            Self::Owner(uid) => write!(f, "belongs to user #{uid}, not to root"),
            Self::Writable(mode) => write!(f, "can be written by others than its owner (mode {mode:04o})"),
            Self::NotExecutable => f.write_str("is not executable"),
            Self::HardLinks => f.write_str("has more than one name (hard links)"),
            Self::TooLarge => f.write_str("is larger than 64 MiB"),
            Self::BeingWritten => f.write_str("changed while it was read"),
            Self::NotUtf8(at) => write!(f, "is not UTF-8 (byte {at})"),
            Self::Os(errno) => {
                write!(f, "cannot be opened: {}", io::Error::from_raw_os_error(errno.raw_os_error()))
            }
            Self::Io(kind) => write!(f, "cannot be read: {kind}"),
        }
    }
}

impl fmt::Display for RefusedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for RefusedFile {}

#[cfg(test)]
mod tests {
    use std::fs::{self, hard_link};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn us() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let policy = parent.path().join("policy.d");
        fs::create_dir(&policy).unwrap();
        fs::set_permissions(&policy, PermissionsExt::from_mode(0o755)).unwrap();
        (parent, policy)
    }

    fn problem(folder: &Path, name: &str) -> Problem {
        CheckedFolder::open(folder, us()).unwrap().unwrap().read(name).unwrap_err().problem
    }

    // Issue 2: "a policy file that is a link, a FIFO, world-writable, half-written, not UTF-8, 65 MiB"
    #[test]
    fn each_bad_policy_file_is_refused_for_what_it_is() {
        let (_parent, policy) = folder();
        let file = |name: &str, bytes: &[u8], mode: u32| {
            fs::write(policy.join(name), bytes).unwrap();
            fs::set_permissions(policy.join(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        file("good.toml", b"schema = 1\n", 0o644);
        file("world.toml", b"", 0o646);
        file("group.toml", b"", 0o664);
        file("latin.toml", b"a\xff", 0o644);
        file("huge.toml", b"", 0o644);
        File::options().write(true).open(policy.join("huge.toml")).unwrap().set_len(65 << 20).unwrap();
        file("twice.toml", b"", 0o644);
        hard_link(policy.join("twice.toml"), policy.join("other-name")).unwrap();
        symlink("good.toml", policy.join("link.toml")).unwrap();
        symlink("/dev/null", policy.join("mask.toml")).unwrap();
        fs::create_dir(policy.join("folder.toml")).unwrap();
        nix::unistd::mkfifo(&policy.join("fifo.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(policy.join("socket.toml")).unwrap();

        let read = CheckedFolder::open(&policy, us()).unwrap().unwrap().read("good.toml").unwrap();
        assert_eq!(read, "schema = 1\n");
        assert_eq!(problem(&policy, "world.toml"), Problem::Writable(0o646));
        assert_eq!(problem(&policy, "group.toml"), Problem::Writable(0o664));
        assert_eq!(problem(&policy, "latin.toml"), Problem::NotUtf8(1));
        assert_eq!(problem(&policy, "huge.toml"), Problem::TooLarge);
        assert_eq!(problem(&policy, "twice.toml"), Problem::HardLinks);
        assert_eq!(problem(&policy, "link.toml"), Problem::Link);
        assert_eq!(problem(&policy, "mask.toml"), Problem::Link);
        assert_eq!(problem(&policy, "folder.toml"), Problem::Kind("a folder"));
        assert_eq!(problem(&policy, "fifo.toml"), Problem::Kind("a FIFO"));
        assert_eq!(problem(&policy, "socket.toml"), Problem::Kind("a socket or a device"));
        assert_eq!(problem(&policy, "absent.toml"), Problem::Os(Errno::NOENT));
        assert_eq!(problem(&policy, "../x.toml"), Problem::Os(Errno::INVAL));
    }

    #[test]
    fn only_a_link_to_dev_null_is_a_mask() {
        let (_parent, policy) = folder();
        symlink("/dev/null", policy.join("mask.toml")).unwrap();
        symlink("/dev/zero", policy.join("zero.toml")).unwrap();
        fs::write(policy.join("file.toml"), "").unwrap();
        let entries = CheckedFolder::open(&policy, us()).unwrap().unwrap().entries().unwrap();
        let masks: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.is_null_link)).collect();
        assert_eq!(masks, [("file.toml", false), ("mask.toml", true), ("zero.toml", false)]);
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused_and_an_absent_one_is_none() {
        let (parent, policy) = folder();
        assert!(CheckedFolder::open(&parent.path().join("absent"), us()).unwrap().is_none());
        for (path, mode) in [(policy.as_path(), 0o775), (policy.as_path(), 0o1777), (parent.path(), 0o777)] {
            fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
            let refused = CheckedFolder::open(&policy, us()).unwrap_err();
            assert_eq!((refused.path.as_path(), refused.problem), (path, Problem::Writable(mode)));
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        symlink("policy.d", parent.path().join("linked")).unwrap();
        let refused = CheckedFolder::open(&parent.path().join("linked"), us()).unwrap_err();
        assert_eq!(refused.problem, Problem::NotAFolder);
        let refused = CheckedFolder::open(&policy, us() + 1).unwrap_err();
        assert_eq!(refused.problem, Problem::Owner(us()));
    }

    #[test]
    fn one_file_is_read_with_the_same_checks() {
        let (parent, _policy) = folder();
        let path = parent.path().join("agent.toml");
        assert_eq!(read_file(&path, us()).unwrap(), None);
        fs::write(&path, "x = 1").unwrap();
        assert_eq!(read_file(&path, us()).unwrap().as_deref(), Some("x = 1"));
        fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(read_file(&path, us()).unwrap_err().problem, Problem::Writable(0o666));
    }

    // Who can write the folder takes a list of revoked keys away, or puts another file of root's in its place.
    #[test]
    fn a_file_in_a_folder_that_others_can_write_is_refused_where_the_folder_counts() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        let read = |name: &str| read_file_in_its_folder(&path(name), us());
        fs::write(path("keys"), "x").unwrap();
        fs::set_permissions(path("keys"), PermissionsExt::from_mode(0o644)).unwrap();
        symlink("keys", path("linked")).unwrap();
        assert_eq!(read("keys"), Ok(Some("x".to_owned())));
        assert_eq!((read("absent"), read("absent/keys")), (Ok(None), Ok(None)));
        assert_eq!(read("linked").unwrap_err().problem, Problem::Link);
        fs::set_permissions(parent.path(), PermissionsExt::from_mode(0o775)).unwrap();
        for name in ["keys", "absent"] {
            let refused = read(name).unwrap_err();
            assert_eq!((refused.path.as_path(), refused.problem), (parent.path(), Problem::Writable(0o775)));
        }
    }
}
