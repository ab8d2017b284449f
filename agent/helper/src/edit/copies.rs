//! The copies that the editor gets: in a folder of the invoking user's that nobody else can enter.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, OFlags, memfd_create};

/// Where the folder is made: as sudo, where text that could not be saved outlives a boot.
const FOLDERS: [&str; 2] = ["/var/tmp", "/tmp"];

/// All copies of one edit. They are removed when this is dropped, but for those that are left to the person.
#[derive(Debug)]
pub(super) struct Copies {
    folder: PathBuf,
    /// In the order of the command line.
    pub(super) all: Vec<Copy>,
    are_left: bool,
}

/// The copy of one file.
#[derive(Debug)]
pub(super) struct Copy {
    /// What the editor gets.
    pub(super) path: PathBuf,
    /// What was in the file.
    before: File,
    /// Saved, or unchanged: it is of no more use.
    pub(super) is_done: bool,
}

impl Copies {
    /// None yet.
    ///
    /// # Errors
    /// If no folder can be made.
    pub(super) fn new() -> io::Result<Self> {
        let mut result = Err(io::ErrorKind::NotFound.into());
        for folder in FOLDERS {
            result =
                nix::unistd::mkdtemp(&Path::new(folder).join("sudoedit.XXXXXXXX")).map_err(io::Error::from);
            if result.is_ok() {
                break;
            }
        }
        Ok(Self { folder: result?, all: Vec::new(), are_left: false })
    }

    /// Makes one for a file of this path, from what was in it. It has the file's name, by which editors know its kind.
    ///
    /// # Errors
    /// Those of write(2).
    pub(super) fn add(&mut self, file: &OsStr, mut before: File) -> io::Result<()> {
        let name = file.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let mut path = self.folder.join(OsStr::from_bytes(name));
        if path.exists() {
            let folder = self.folder.join(format!("{}.d", self.all.len()));
            fs::create_dir(&folder)?;
            path = folder.join(OsStr::from_bytes(name));
        }
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        before.seek(SeekFrom::Start(0))?;
        io::copy(&mut before, &mut copy)?;
        self.all.push(Copy { path, before, is_done: false });
        Ok(())
    }

    /// Where there is more than copies: what an editor that did not end by itself has kept of text that it had not written
    /// (vi's swap file).
    pub(super) fn kept_by_editor(&self) -> Option<PathBuf> {
        let is_copy = |path: &Path| self.all.iter().any(|copy| copy.path == path);
        let folders = self.all.iter().filter_map(|copy| copy.path.parent());
        let mut files = folders.flat_map(fs::read_dir).flatten().flatten();
        files
            .find(|file| !is_copy(&file.path()) && file.file_type().is_ok_and(|kind| kind.is_file()))
            .map(|file| file.path())
    }

    /// They stay where they are, but for those that are done.
    pub(super) fn leave(&mut self) {
        self.are_left = true;
    }
}

/// Where the contents of a file are kept before there is a copy of them: in memory.
///
/// # Errors
/// Those of `memfd_create(2)`.
pub(super) fn in_memory() -> io::Result<File> {
    Ok(File::from(memfd_create("before", MemfdFlags::CLOEXEC)?))
}

impl Copy {
    /// What the editor has left, if it is something else than before.
    ///
    /// # Errors
    /// If it is no regular file any more, or can't be read.
    pub(super) fn changed(&mut self) -> io::Result<Option<File>> {
        // An editor may have put another file there. A link would be of no harm, for we read as the invoking user; but it is
        // not what they edited (CVE-2021-23240).
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut now =
            OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&self.path)?;
        if !now.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        self.before.seek(SeekFrom::Start(0))?;
        if is_same(&mut now, &mut self.before)? {
            return Ok(None);
        }
        now.seek(SeekFrom::Start(0))?;
        Ok(Some(now))
    }

    /// Whether there may be text in it that the file does not have; also if nobody can tell.
    pub(super) fn is_unsaved(&mut self) -> bool {
        !self.is_done
            && self
                .changed()
                .map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |now| now.is_some())
    }

    /// Whether there was something in the file.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub(super) fn had_contents(&self) -> io::Result<bool> {
        Ok(self.before.metadata()?.len() > 0)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        // What can't be removed is the user's own to remove.
        if !self.are_left {
            let _ = fs::remove_dir_all(&self.folder);
            return;
        }
        for copy in self.all.iter().filter(|copy| copy.is_done) {
            let _ = fs::remove_file(&copy.path);
        }
    }
}

fn is_same(one: &mut impl Read, other: &mut impl Read) -> io::Result<bool> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        one.by_ref().take(64 * 1024).read_to_end(&mut left)?;
        other.by_ref().take(64 * 1024).read_to_end(&mut right)?;
        if left != right || left.is_empty() {
            return Ok(left == right);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn copies(files: &[(&str, &str)]) -> Copies {
        let mut copies = Copies::new().unwrap();
        for (path, text) in files {
            let mut before = in_memory().unwrap();
            before.write_all(text.as_bytes()).unwrap();
            copies.add(OsStr::new(path), before).unwrap();
        }
        copies
    }

    #[test]
    fn copies_have_the_files_names_in_a_folder_that_nobody_else_can_enter() {
        let copies = copies(&[("/etc/motd", "one\n"), ("x/motd", "two\n"), ("motd", "")]);
        let mode = fs::metadata(&copies.folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        for (copy, text) in copies.all.iter().zip(["one\n", "two\n", ""]) {
            assert_eq!(copy.path.file_name().unwrap(), "motd");
            assert_eq!(fs::read_to_string(&copy.path).unwrap(), text);
        }
        let folder = copies.folder.clone();
        fs::write(folder.join(".motd.swp"), "an editor's own").unwrap();
        drop(copies);
        assert!(!folder.exists());
    }

    #[test]
    fn what_is_not_done_is_left_if_it_is_to_be() {
        let mut copies = copies(&[("a", "1"), ("b", "2")]);
        copies.all[0].is_done = true;
        copies.leave();
        let (folder, paths) =
            (copies.folder.clone(), copies.all.iter().map(|copy| copy.path.clone()).collect::<Vec<_>>());
        drop(copies);
        assert!(!paths[0].exists() && paths[1].exists());
        fs::remove_dir_all(folder).unwrap();
    }

    // An editor that is killed has what was typed in a file of its own.
    #[test]
    fn what_an_editor_has_kept_beside_the_copies_is_found() {
        let mut copies = copies(&[("/etc/motd", "1"), ("/root/motd", "2")]);
        assert_eq!(copies.kept_by_editor(), None);
        for at in 0..2 {
            let swap = copies.all[at].path.with_file_name(".motd.swp");
            fs::write(&swap, "typed").unwrap();
            assert_eq!(copies.kept_by_editor(), Some(swap.clone()));
            fs::remove_file(swap).unwrap();
        }
        assert!(!copies.all[0].is_unsaved());
        fs::remove_file(&copies.all[0].path).unwrap();
        assert!(!copies.all[0].is_unsaved(), "there is nothing");
        fs::create_dir(&copies.all[0].path).unwrap();
        assert!(copies.all[0].is_unsaved(), "nobody can tell");
    }

    // CVE-2021-23240
    #[test]
    fn a_copy_is_changed_if_other_contents_are_there_and_is_never_a_link() {
        let mut copies = copies(&[("a", "some text\n")]);
        let path = copies.all[0].path.clone();
        let mut changed = || copies.all[0].changed().map(|now| now.is_some()).map_err(|error| error.kind());
        assert_eq!(changed(), Ok(false));
        fs::write(&path, "some text\n").unwrap();
        assert_eq!(changed(), Ok(false), "written, but the same");
        for text in ["some texT\n", "some text\n.", "", "some text"] {
            fs::write(&path, text).unwrap();
            assert_eq!(changed(), Ok(true), "{text:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(changed(), Err(io::ErrorKind::NotFound));
        symlink("/etc/passwd", &path).unwrap();
        assert!(changed().is_err());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(changed().is_err(), "and does not wait for a writer");
    }
}
