//! Other names of a uid. NSS cannot be asked for them: `/etc/passwd` is read, once until it changes.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::LookupFailed;

/// A larger file is not read: other names are not known then.
const MAX_PASSWD: u64 = 64 * 1024 * 1024;
/// Of a larger file the names are not kept.
const MAX_KEPT: u64 = 1024 * 1024;
/// A file that was changed less long ago may be changed again without a later time.
const SETTLED: Duration = Duration::from_secs(2);

/// Names in the order of the file, each with its uid.
type Names = Arc<Vec<(u32, String)>>;

/// The names, and the state of the file that had them.
static KEPT: Mutex<Option<(Stamp, Names)>> = Mutex::new(None);

/// What changes whenever a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// Whether a later change would show.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let last = self.modified.0.max(self.changed.0);
        u64::try_from(last).is_ok_and(|last| Duration::from_secs(last) + SETTLED < now)
    }
}

/// Names of this uid without `canonical`.
pub(super) fn of(uid: u32, canonical: &str) -> Result<Vec<String>, LookupFailed> {
    of_file(Path::new("/etc/passwd"), &KEPT, uid, canonical)
}

fn of_file(
    file: &Path,
    kept: &Mutex<Option<(Stamp, Names)>>,
    uid: u32,
    canonical: &str,
) -> Result<Vec<String>, LookupFailed> {
    let names = current(file, kept)
        .map_err(|error| LookupFailed { what: format!("names of user #{uid}"), why: error.to_string() })?;
    let others = names.iter().filter(|(other, name)| *other == uid && name != canonical);
    Ok(others.map(|(_, name)| name.clone()).collect())
}

/// The names that the file has now. Nothing is locked while it is read.
fn current(path: &Path, kept: &Mutex<Option<(Stamp, Names)>>) -> io::Result<Names> {
    let now = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Names::default()),
        found => Stamp::of(&found?),
    };
    let known = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, names)) = known.filter(|(stamp, _)| *stamp == now) {
        return Ok(names);
    }
    let mut file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    // Not "no other names": a deny of one of them would be missed.
    if stamp.length > MAX_PASSWD {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = Vec::new();
    file.by_ref().take(MAX_PASSWD).read_to_end(&mut text)?;
    let names = Arc::new(String::from_utf8_lossy(&text).lines().filter_map(parse).collect::<Vec<_>>());
    if stamp.length <= MAX_KEPT && stamp.is_settled() && Stamp::of(&file.metadata()?) == stamp {
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamp, Arc::clone(&names)));
    }
    Ok(names)
}

fn parse(line: &str) -> Option<(u32, String)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
    Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aliases_in(file: &Path, uid: u32, canonical: &str) -> Result<Vec<String>, LookupFailed> {
        of_file(file, &Mutex::new(None), uid, canonical)
    }

    #[test]
    fn aliases_are_the_other_names_of_the_uid() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwd");
        let text = "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:\n+nis::::::\nbad\n#x:x:0:0:::\n";
        fs::write(&file, text).unwrap();
        assert_eq!(aliases_in(&file, 0, "root").unwrap(), ["toor"]);
        assert_eq!(aliases_in(&file, 1000, "alice").unwrap(), Vec::<String>::new());
        assert_eq!(aliases_in(&folder.path().join("absent"), 0, "root").unwrap(), Vec::<String>::new());
        assert!(aliases_in(Path::new("/proc/self"), 0, "root").is_err());
        File::options().write(true).open(&file).unwrap().set_len(MAX_PASSWD + 1).unwrap();
        assert!(aliases_in(&file, 0, "root").is_err(), "too large is not the same as none");
    }

    // A name that was given to root a moment ago must be denied as root is.
    #[test]
    fn a_changed_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (file, kept) = (folder.path().join("passwd"), Mutex::new(None));
        let aliases = || of_file(&file, &kept, 0, "root").unwrap();
        let age = |seconds| {
            let then = SystemTime::now() - Duration::from_secs(seconds);
            File::options().write(true).open(&file).unwrap().set_modified(then).unwrap();
        };
        fs::write(&file, "root:x:0:0:::\ntoor:x:0:0:::\n").unwrap();
        assert_eq!(aliases(), ["toor"]);
        assert!(kept.lock().unwrap().is_none(), "it may change again within the same tick of the clock");
        fs::write(&file, "root:x:0:0:::\ntour:x:0:0:::\n").unwrap();
        assert_eq!(aliases(), ["tour"]);

        age(100);
        let stamp = Stamp::of(&fs::metadata(&file).unwrap());
        *kept.lock().unwrap() = Some((stamp, Arc::new(vec![(0, "kept".to_owned())])));
        assert_eq!(aliases(), ["kept"], "an unchanged file is not read");
        age(99);
        assert_eq!(aliases(), ["tour"], "another time");
        *kept.lock().unwrap() = Some((Stamp::of(&fs::metadata(&file).unwrap()), Names::default()));
        let other = folder.path().join("new");
        fs::write(&other, "root:x:0:0:::\nroux:x:0:0:::\n").unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(aliases(), ["roux"], "another file");
    }
}
