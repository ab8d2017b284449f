//! The files of an import, on this host.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jit_policy::import::Files;

use crate::failure::Failure;

/// No file of this kind is longer.
const LONGEST: u64 = 5 << 20;

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

    /// Where something could change what was read.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        self.folders.borrow().clone()
    }
}

impl Files for HostFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.folders.borrow_mut().extend(folders_of(Path::new(path)));
        let why = |error: std::io::Error| error.to_string();
        // A pipe would make us wait.
        if !fs::metadata(path).map_err(why)?.is_file() {
            return Err("it is no file".to_owned());
        }
        let file = File::open(path).map_err(why)?;
        let metadata = file.metadata().map_err(why)?;
        if path != self.named {
            if metadata.uid() != 0 && metadata.uid() != self.owner {
                return Err("it belongs to another user".to_owned());
            }
            let group_writes = metadata.mode() & 0o020 != 0 && metadata.gid() != 0;
            if metadata.mode() & 0o002 != 0 || group_writes {
                return Err("others can write it".to_owned());
            }
        }
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(why)?;
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        self.folders.borrow_mut().extend(folders_of(Path::new(folder)));
        self.folders.borrow_mut().insert(folder.into());
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.to_string()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let is_file = fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file());
            if let (true, Ok(name)) = (is_file, entry.file_name().into_string()) {
                names.push(name);
            }
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

/// The folders of a file, of each link to it, and of what it leads to.
pub(super) fn folders_of(path: &Path) -> BTreeSet<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders = BTreeSet::from([parent(path)]);
    let mut link = path.to_owned();
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&link) else { break };
        link = parent(&link).join(target);
        folders.insert(parent(&link));
    }
    folders
}
