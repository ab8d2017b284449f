//! A secret that should leave no trace: it is looked for in the memory of processes, and in files.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a secret that are enough to be found. Any of them: memory that was freed has often lost its first sixteen.
const WINDOW: usize = 8;
/// How much is read at once, in bytes.
const PIECE: u64 = 1 << 20;

/// Random text, 28 letters and digits, as a person's password could be.
pub struct Secret {
    text: String,
    windows: HashSet<[u8; WINDOW]>,
    starts: [bool; 256],
}

impl Secret {
    /// A new one.
    ///
    /// # Panics
    /// Without `/dev/urandom`.
    #[must_use]
    pub fn random() -> Self {
        const SIGNS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let mut random = [0; 28];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).expect("randomness");
        Self::of(
            &random.map(|byte| char::from(SIGNS[usize::from(byte) % SIGNS.len()])).iter().collect::<String>(),
        )
    }

    fn of(text: &str) -> Self {
        let windows: HashSet<[u8; WINDOW]> = text.as_bytes().array_windows().copied().collect();
        let mut starts = [false; 256];
        for window in &windows {
            starts[usize::from(window[0])] = true;
        }
        Self { text: text.to_owned(), windows, starts }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How often eight bytes of it stand there.
    #[must_use]
    pub fn count_in(&self, bytes: &[u8]) -> usize {
        let is_part =
            |window: &&[u8; WINDOW]| self.starts[usize::from(window[0])] && self.windows.contains(*window);
        bytes.array_windows().filter(is_part).count()
    }

    /// Where it is in what a process can write: its heap, its stacks, the data of its libraries.
    ///
    /// # Panics
    /// If the process can't be read: it is gone, or we are not root.
    #[must_use]
    pub fn places_in_process(&self, pid: u32) -> Vec<String> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process lives");
        let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory can be read");
        let mut places = Vec::new();
        let mut looked_through = 0;
        for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.contains('w')))
        {
            let (start, end) =
                line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).expect("an address"));
            let (count, read) = self.count_in_file(&memory, start, end);
            looked_through += read;
            if count > 0 {
                places.push(format!("{count} bytes of process {pid} in {line}"));
            }
        }
        assert!(looked_through > 0, "nothing of process {pid} could be read");
        places
    }

    /// In which files below this folder it is. Links are not followed, and file systems not left.
    ///
    /// # Panics
    /// If the folder is not there.
    #[must_use]
    pub fn files_below(&self, folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        assert!(folder.is_dir(), "{} is no folder", folder.display());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_file() => {
                        let Ok(file) = File::open(entry.path()) else { continue };
                        if self.count_in_file(&file, 0, u64::MAX).0 > 0 {
                            found.push(entry.path());
                        }
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// How often it is in a part of a file, and how many bytes could be read.
    fn count_in_file(&self, file: &File, mut at: u64, end: u64) -> (usize, u64) {
        let (mut count, mut read) = (0, 0);
        let mut piece = Vec::new();
        while at < end {
            let length = usize::try_from(PIECE.min(end - at)).expect("a megabyte");
            let kept = piece.len().min(WINDOW - 1);
            piece.drain(..piece.len() - kept);
            piece.resize(kept + length, 0);
            // What can't be read (pages beyond the end of a mapped file) holds nothing.
            let got = file.read_at(&mut piece[kept..], at).unwrap_or(0);
            if got == 0 {
                break;
            }
            piece.truncate(kept + got);
            count += self.count_in(&piece);
            (at, read) = (at + got as u64, read + got as u64);
        }
        (count, read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_of_it_are_found_wherever_they_are() {
        let secret = Secret::of("0123456789abcdef");
        for (bytes, count) in [
            (&b""[..], 0),
            (b"01234567", 1),
            (b"x89abcdefx", 1),
            (b"0123456x89abcde", 0),
            (b"..0123456789abcdef..", 9),
        ] {
            assert_eq!(secret.count_in(bytes), count, "{bytes:?}");
        }
        assert_eq!(Secret::random().text().len(), 28);
        assert_ne!(Secret::random().text(), Secret::random().text());
    }

    #[test]
    fn it_is_found_in_memory_and_in_files_also_across_pieces() {
        let secret = Secret::random();
        let here = std::process::id();
        let copy = secret.text().to_owned();
        assert!(!secret.places_in_process(here).is_empty(), "this process has it");
        let folder = std::env::temp_dir().join(format!("secret-{here}"));
        fs::create_dir_all(folder.join("below")).expect("a folder");
        let at = usize::try_from(PIECE).expect("a megabyte") - 5;
        fs::write(folder.join("below/file"), [vec![b'.'; at], copy.into_bytes()].concat()).expect("a file");
        fs::write(folder.join("other"), "nothing").expect("a file");
        let found = secret.files_below(&folder);
        fs::remove_dir_all(&folder).expect("the folder");
        assert_eq!(found, [folder.join("below/file")]);
    }
}
