//! The files of the log, oldest first, and their lines.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jit_audit::file;

use crate::failure::Failure;

/// Where the agent writes.
pub(super) const FOLDER: &str = "/var/log/jit-sudo";
/// A line without an end may be one that the agent is writing: how often, and how long, its end is waited for.
const PATIENCE: usize = 100;
const MOMENT: Duration = Duration::from_millis(10);
/// How often the files are looked for anew, should the agent rotate them meanwhile.
const TRIES: usize = 10;

/// Files that are open: whatever happens to their names, these are the ones that were there.
pub(super) struct Files(Vec<(PathBuf, File)>);

impl Files {
    /// The files that were named, or all of the log.
    pub(super) fn open(named: &[PathBuf]) -> Result<Self, Failure> {
        if named.is_empty() { Self::open_log(Path::new(FOLDER)) } else { open_all(named).map(Self) }
    }

    /// All files of the log in this folder: none comes, goes or gets another name while they are opened.
    pub(super) fn open_log(folder: &Path) -> Result<Self, Failure> {
        let mut before = list(folder)?;
        for _ in 0..TRIES {
            let opened = open_all(&before);
            let after = list(folder)?;
            if before == after {
                return opened.map(Self);
            }
            before = after;
        }
        Err(Failure::new("the audit log is rotated all the time", "try again"))
    }

    /// Calls with each line, without its end; bytes, for a torn one may be anything. How many lines each file has.
    pub(super) fn for_each_line(self, mut each: impl FnMut(&[u8])) -> Result<Vec<(PathBuf, usize)>, Failure> {
        let mut lengths = Vec::new();
        for (path, file) in self.0 {
            let (mut reader, mut line, mut count) = (BufReader::new(file), Vec::new(), 0);
            let mut read = |line: &mut Vec<u8>| {
                reader.read_until(b'\n', line).map_err(|error| unreadable(&path, &error))
            };
            while read(&mut line)? > 0 {
                for _ in 0..PATIENCE {
                    if line.ends_with(b"\n") {
                        break;
                    }
                    thread::sleep(MOMENT);
                    read(&mut line)?;
                }
                each(line.strip_suffix(b"\n").unwrap_or(&line));
                line.clear();
                count += 1;
            }
            lengths.push((path, count));
        }
        Ok(lengths)
    }
}

fn open_all(paths: &[PathBuf]) -> Result<Vec<(PathBuf, File)>, Failure> {
    let open = |path: &PathBuf| {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok((path.clone(), file))
    };
    paths.iter().map(open).collect()
}

/// Those that were set aside, in the order of the chain, then the one that is written.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut rotated = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let name = entry.map_err(|error| unreadable(folder, &error))?.file_name();
        rotated.extend(name.to_str().and_then(file::last_of));
    }
    rotated.sort_unstable();
    let names = rotated.into_iter().map(file::rotated).chain([file::CURRENT.to_owned()]);
    Ok(names.map(|name| folder.join(name)).collect())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "only root reads the audit log: jit-sudo jitctl audit …",
        io::ErrorKind::NotFound if path.starts_with(FOLDER) => "the agent makes it when it starts",
        _ => "",
    };
    Failure::new(format!("{} cannot be read: {error}", path.display()), hint)
}
