//! The files of an import, on this host.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jit_policy::import::{Files, Unread};
use rustix::fs::OFlags;

use crate::failure::Failure;

/// No file of this kind is longer.
const LONGEST: u64 = 4 << 20;

/// Reads the file that was named, and of the others those that nobody else can write: sudo does not read such either.
pub(super) struct HostFiles {
    named: String,
    owner: u32,
    /// Where the files are, and links to them; also of files that are not there.
    folders: RefCell<BTreeSet<PathBuf>>,
}

impl HostFiles {
    pub(super) fn new(named: &Path) -> Result<Self, Failure> {
        let metadata = fs::metadata(named)
            .map_err(|error| Failure::new(format!("{} cannot be read: {error}", named.display()), ""))?;
        Ok(Self {
            named: named.to_string_lossy().into_owned(),
            owner: metadata.uid(),
            folders: RefCell::default(),
        })
    }

    /// Whether nobody else can write it: else sudo does not read it either.
    fn is_sound(&self, metadata: &Metadata) -> Result<(), Unread> {
        if metadata.uid() != 0 && metadata.uid() != self.owner {
            return Err(Unread::ByNobody("it belongs to another user".to_owned()));
        }
        let group_writes = metadata.mode() & 0o020 != 0 && metadata.gid() != 0;
        if metadata.mode() & 0o002 != 0 || group_writes { Err(others_write()) } else { Ok(()) }
    }

    /// Where something could change what was read.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        self.folders.borrow().clone()
    }
}

impl Files for HostFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unread> {
        self.folders.borrow_mut().extend(folders_of(Path::new(path)));
        let no_file = || Unread::ByNobody("it is no file".to_owned());
        if !fs::metadata(path).map_err(|error| unread(&error))?.is_file() {
            return Err(no_file());
        }
        // A pipe that has just been put there would make us wait.
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = opened.map_err(|error| unread(&error))?;
        let metadata = file.metadata().map_err(|error| unread(&error))?;
        if !metadata.is_file() {
            return Err(no_file());
        }
        if path != self.named {
            self.is_sound(&metadata)?;
        } else if metadata.mode() & 0o002 != 0 {
            return Err(others_write());
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
        // A part of it could lack what takes away again.
        if bytes.len() as u64 > LONGEST {
            return Err(Unread::ByUs("it is longer than 4 MiB".to_owned()));
        }
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Unread> {
        self.folders.borrow_mut().extend(folders_of(Path::new(folder)));
        self.folders.borrow_mut().insert(folder.into());
        match fs::metadata(folder) {
            Ok(metadata) => self.is_sound(&metadata)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unread(&error)),
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| unread(&error))? {
            let entry = entry.map_err(|error| unread(&error))?;
            if !fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
                continue;
            }
            let name = entry.file_name().into_string();
            names.push(
                name.map_err(|name| Unread::ByUs(format!("the name of {} is not UTF-8", name.display())))?,
            );
        }
        Ok(names)
    }

    fn host(&self) -> String {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        name.split('.').next().unwrap_or_default().to_owned()
    }

    fn is_program(&self, path: &str) -> bool {
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
    }
}

fn others_write() -> Unread {
    Unread::ByNobody("others can write it".to_owned())
}

/// What is not there nobody reads; of all else sudo, which is root, may know more than we.
fn unread(error: &std::io::Error) -> Unread {
    let why = error.to_string();
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Unread::ByNobody(why),
        _ => Unread::ByUs(why),
    }
}

/// The folders of a file, of each link on the way to it, and of what those lead to.
pub(super) fn folders_of(path: &Path) -> BTreeSet<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders = BTreeSet::from([parent(path)]);
    let mut ways = vec![path.to_owned()];
    // More links than these the kernel does not follow.
    for _ in 0..40 {
        let Some(way) = ways.pop() else { break };
        for link in way.ancestors() {
            let Ok(target) = fs::read_link(link) else { continue };
            let target = parent(link).join(target);
            folders.extend([parent(link), parent(&target)]);
            ways.push(target);
        }
    }
    folders
}
