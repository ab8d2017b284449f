//! Which file a path leads to, and who else could change that: the path is walked by hand, one component at a time,
//! below a given root folder.
//!
//! The root is the host's, as a descriptor from the spawner: the agent's own view of the file system (its sandbox)
//! has no say. Nothing is opened but with `O_PATH`, so that no device, FIFO or FUSE file acts on being looked at.
//! Every call may block on a file system that hangs: call it off the event loop, with a deadline.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, fstatfs, openat, openat2, readlinkat};
use rustix::io::Errno;

/// How many links are followed, as the kernel does.
const MAX_LINKS: usize = 40;
/// Longest path, as the kernel's `PATH_MAX`.
const MAX_PATH: usize = 4096;
/// Write permission for the group or for others. With an ACL the group's bits are its mask, the most that any named
/// user or group can have: so these bits cover ACLs too.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// `FUSE_SUPER_MAGIC`: what such a file system says of owners and modes is its user's word.
pub(crate) const FUSE: u64 = 0x6573_5546;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Absolute; folders resolved, the last component as it was asked for.
    pub path: Vec<u8>,
    /// Absolute, all links followed.
    pub leads_to: Vec<u8>,
    /// The file itself.
    pub file: FileFacts,
    /// The first component on the way (folders, links, the file) that somebody but root can change, if there is one.
    pub changeable: Option<Vec<u8>>,
    /// Owners and modes on the way, for [`Found::is_writable_by`].
    way: Vec<Step>,
    /// The same of the folders that were left again by a `..`, and of those around them, for [`Found::is_open_to`].
    left: Vec<Step>,
}

/// What stat(2) says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// Device number, as `st_dev`.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: i64,
    /// `st_mtime` in nanoseconds since 1970.
    pub modified: i128,
    /// `st_ctime` in nanoseconds since 1970.
    pub changed: i128,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Found {
    /// Every component on the way is root's and no one else can write it. A sticky folder that others can write does
    /// not count as such; nor does anything on a FUSE file system.
    pub fn is_trusted(&self) -> bool {
        self.changeable.is_none()
    }

    /// A regular file with any execute permission.
    pub fn is_executable(&self) -> bool {
        FileType::from_raw_mode(self.file.mode) == FileType::RegularFile && self.file.mode & 0o111 != 0
    }

    /// A folder.
    pub fn is_folder(&self) -> bool {
        FileType::from_raw_mode(self.file.mode) == FileType::Directory
    }

    /// Whether this user might write any component: as its owner, or because its group or others can. Whether the
    /// user is in the group is not asked, for an ACL hides behind the group's bits.
    pub fn is_writable_by(&self, uid: u32) -> bool {
        uid == 0 || self.way.iter().any(|step| step.uid == uid || step.mode & WRITABLE_BY_OTHERS != 0)
    }

    /// Whether this user, in these groups, could have gone each roundabout way (`/root/x/../../usr`) as well: else that
    /// it leads anywhere tells what there is in folders that are closed to them. What an ACL opens counts as closed.
    pub fn is_open_to(&self, uid: u32, groups: &[u32]) -> bool {
        let searched_as = |step: &Step| match step {
            step if step.uid == uid => 0o100,
            step if groups.contains(&step.gid) => 0o010,
            _ => 0o001,
        };
        uid == 0 || self.left.iter().all(|step| step.mode & searched_as(step) != 0)
    }
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with a slash, is longer than 4,095 bytes, or has a NUL in it.
    Invalid,
    /// A component does not exist, or is no folder where one must be.
    NotFound,
    /// More than 40 links.
    TooManyLinks,
    /// The file system refused, with this error number.
    Refused(i32),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("not an absolute path"),
            Self::NotFound => f.write_str("no such file"),
            Self::TooManyLinks => f.write_str("too many links"),
            Self::Refused(errno) => std::io::Error::from_raw_os_error(*errno).fmt(f),
        }
    }
}

impl std::error::Error for PathError {}

impl From<Errno> for PathError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::NotFound,
            Errno::NAMETOOLONG => Self::Invalid,
            other => Self::Refused(other.raw_os_error()),
        }
    }
}

/// The host's root folder, where there is no spawner to give it: the command line's own.
///
/// # Errors
/// Those of open(2).
pub fn own_root() -> std::io::Result<OwnedFd> {
    Ok(openat(rustix::fs::CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Walks an absolute path below `root`. `..` never leaves it; links, absolute ones too, are followed inside it.
///
/// # Errors
/// [`PathError`] if it leads to nothing.
pub fn resolve(root: BorrowedFd<'_>, path: &[u8]) -> Result<Found, PathError> {
    if path.first() != Some(&b'/') || path.len() >= MAX_PATH || path.contains(&0) {
        return Err(PathError::Invalid);
    }
    let mut walk = Walk {
        root,
        folders: Vec::new(),
        way: Vec::new(),
        left: Vec::new(),
        known: 0,
        changeable: None,
        links: 0,
        device: None,
    };
    let root_stat = fstat(root)?;
    walk.note(root, &root_stat, b"/")?;
    walk.run(path, root_stat)
}

/// Whether a path leads to anything, in one call: a walk would find nothing if not. Errors are for the walk to tell.
pub fn exists(root: BorrowedFd<'_>, path: &[u8]) -> bool {
    let below = if path == b"/" { b"." } else { path.strip_prefix(b"/").unwrap_or(path) };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(root, below, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    !matches!(found, Err(Errno::NOENT | Errno::NOTDIR))
}

/// A folder without `.`, `..` and links; `None` if it is none, or not UTF-8.
pub fn resolve_folder(root: BorrowedFd<'_>, folder: &str) -> Option<String> {
    let found = resolve(root, folder.as_bytes()).ok().filter(Found::is_folder)?;
    String::from_utf8(found.leads_to).ok()
}

struct Folder {
    name: Vec<u8>,
    descriptor: OwnedFd,
    stat: Stat,
}

struct Walk<'r> {
    root: BorrowedFd<'r>,
    /// Where the walk is: below the root, from the outside in.
    folders: Vec<Folder>,
    way: Vec<Step>,
    left: Vec<Step>,
    /// How many of the folders, from the outside, are in `left` already.
    known: usize,
    changeable: Option<Vec<u8>>,
    links: usize,
    device: Option<u64>,
}

/// One component still to be walked.
struct Part {
    name: Vec<u8>,
    /// It is the last one of the path that was asked for, not of a link's target.
    asked_last: bool,
    /// It is from a link of root's.
    is_roots: bool,
}

impl Walk<'_> {
    fn run(&mut self, path: &[u8], root_stat: Stat) -> Result<Found, PathError> {
        let mut rest: VecDeque<Part> = parts(path, true);
        let must_be_folder = path.ends_with(b"/") || path.ends_with(b"/.");
        let mut asked: Option<Vec<u8>> = None;
        let mut file: Option<(Vec<u8>, Stat)> = None;
        while let Some(part) = rest.pop_front() {
            if file.is_some() {
                return Err(PathError::NotFound); // something follows, and this is no folder
            }
            if part.name == b".." {
                self.leave(part.is_roots);
                continue;
            }
            let here = self.folders.last().map_or(self.root, |folder| folder.descriptor.as_fd());
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let descriptor = openat(here, part.name.as_slice(), flags, Mode::empty())?;
            let stat = fstat(&descriptor)?;
            let full = self.full(&part.name);
            self.note(descriptor.as_fd(), &stat, &full)?;
            if part.asked_last {
                asked = Some(full.clone());
            }
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => self.follow(&descriptor, stat.st_uid == 0, &mut rest)?,
                FileType::Directory => self.folders.push(Folder { name: part.name, descriptor, stat }),
                _ => file = Some((full, stat)),
            }
        }
        if must_be_folder && file.is_some() {
            return Err(PathError::NotFound);
        }
        let (leads_to, stat) = match file {
            Some(found) => found,
            None => (self.here(), self.folders.last().map_or(root_stat, |folder| folder.stat)),
        };
        Ok(Found {
            path: asked.unwrap_or_else(|| leads_to.clone()),
            leads_to,
            file: facts(&stat),
            changeable: self.changeable.take(),
            way: std::mem::take(&mut self.way),
            left: std::mem::take(&mut self.left),
        })
    }

    fn follow(&mut self, link: &OwnedFd, is_roots: bool, rest: &mut VecDeque<Part>) -> Result<(), PathError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(PathError::TooManyLinks);
        }
        let target = readlinkat(link, "", Vec::new())?.into_bytes();
        if target.is_empty() || target.len() >= MAX_PATH {
            return Err(PathError::Invalid);
        }
        if target.first() == Some(&b'/') {
            self.folders.clear();
            self.known = 0;
        }
        for part in parts(&target, false).into_iter().rev() {
            rest.push_front(Part { is_roots, ..part });
        }
        Ok(())
    }

    /// Goes back by one folder. Where root's own link says so, that tells nothing that root did not mean to be told.
    fn leave(&mut self, is_roots: bool) {
        if !is_roots {
            let step = |Folder { stat, .. }: &Folder| Step {
                uid: stat.st_uid,
                gid: stat.st_gid,
                mode: stat.st_mode,
            };
            self.left.extend(self.folders.iter().skip(self.known).map(step));
            self.known = self.folders.len();
        }
        self.folders.pop();
        self.known = self.known.min(self.folders.len());
    }

    /// Takes down who could change this component.
    fn note(&mut self, descriptor: BorrowedFd<'_>, stat: &Stat, path: &[u8]) -> Result<(), PathError> {
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        // A link's own mode says nothing (0777 always); who may replace it is decided by its folder, walked before.
        let mode = if is_link { 0 } else { stat.st_mode };
        let mut step = Step { uid: stat.st_uid, gid: stat.st_gid, mode };
        if self.device != Some(stat.st_dev) {
            self.device = Some(stat.st_dev);
            if !is_link && u64::try_from(fstatfs(descriptor)?.f_type).unwrap_or(0) == FUSE {
                step.mode |= WRITABLE_BY_OTHERS;
            }
        }
        if self.changeable.is_none() && (step.uid != 0 || step.mode & WRITABLE_BY_OTHERS != 0) {
            self.changeable = Some(path.to_vec());
        }
        self.way.push(step);
        Ok(())
    }

    fn here(&self) -> Vec<u8> {
        let mut path = Vec::new();
        for folder in &self.folders {
            path.push(b'/');
            path.extend_from_slice(&folder.name);
        }
        if path.is_empty() { b"/".to_vec() } else { path }
    }

    fn full(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.here();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }
}

fn parts(path: &[u8], asked: bool) -> VecDeque<Part> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let mut parts: VecDeque<Part> =
        names.map(|name| Part { name: name.to_vec(), asked_last: false, is_roots: false }).collect();
    if asked && let Some(last) = parts.back_mut() {
        last.asked_last = last.name != b"..";
    }
    parts
}

pub(crate) fn facts(stat: &Stat) -> FileFacts {
    let nanoseconds = |seconds: i64, rest: u64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    FileFacts {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: stat.st_size,
        modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
    }
}

mod entry;
#[cfg(test)]
mod tests;

pub use entry::{Entry, entry};
