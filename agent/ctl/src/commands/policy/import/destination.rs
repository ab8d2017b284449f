//! The policy file that is written: in one step, so that nobody ever reads half of it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::Failure;

/// Puts this text in the place of the file's. What it says already is left alone; whether it said something else.
pub(super) fn replace(path: &Path, text: &str) -> Result<bool, Failure> {
    if fs::read(path).is_ok_and(|known| known == text.as_bytes()) {
        return Ok(false);
    }
    match write(path, text) {
        Ok(()) => Ok(true),
        Err(error) => Err(Failure::new(format!("{} cannot be written: {error}", path.display()), "")),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
    // With a dot before it, a policy folder does not count it.
    let mut new = OsString::from(".");
    new.push(name);
    new.push(".new");
    let new = path.with_file_name(new);
    // One that was left over, or put there by another, is not written into.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
