//! Files that the kernel makes up when they are read (`/proc`, `/sys`, cgroups): read whole, with as few calls as it
//! takes. The standard library asks for their size first, which is 0, and then reads them in small pieces.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{read as read_some, retry_on_intr};

/// What one read asks for, in bytes: most of these files are shorter, and are made up whole for it.
const PIECE: usize = 4096;

/// The whole content.
///
/// # Errors
/// Those of open(2) and read(2).
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = open(path.as_ref(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut content = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        match retry_on_intr(|| read_some(&file, &mut piece))? {
            0 => return Ok(content),
            length => content.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
}

/// The whole content as text; bytes that are no UTF-8 (names of processes can be anything) become `U+FFFD`.
///
/// # Errors
/// As [`read`].
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(match String::from_utf8(read(path)?) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_ones_are_read_whole() {
        let status = read_text("/proc/self/status").unwrap();
        assert!(status.starts_with("Name:") && status.ends_with('\n'));
        let long = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..u8::MAX).cycle().take(3 * PIECE + 7).collect();
        std::fs::write(long.path(), &content).unwrap();
        assert_eq!(read(long.path()).unwrap(), content);
        assert_eq!(read("/proc/nothing").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
