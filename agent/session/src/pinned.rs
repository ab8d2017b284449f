//! A program that may run for what is in it: looked at once more, right before it runs.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use jit_protocol::escape::escape;
use jit_protocol::order::{Pin, Program};
use jit_sys::digest::{self, DigestError};
use jit_sys::path::{FileFacts, own_root};
use rustix::fs::{Gid, MemfdFlags, Mode, SealFlags, Uid, fchmod, fchown, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

use crate::monitor::Refusal;

/// Nobody writes to it any more, whoever has it open.
const SEALS: SealFlags = SealFlags::from_bits_truncate(
    SealFlags::WRITE.bits() | SealFlags::SHRINK.bits() | SealFlags::GROW.bits() | SealFlags::SEAL.bits(),
);
/// Longest part of a name that a file in memory is given.
const LONGEST_NAME: usize = 200;

/// Sees that the file holds what was decided upon. Where others than root could change it after that look, a copy in
/// memory, which nobody can change, is returned, to run in its place.
///
/// It may be held, by a slow disk or file server: the spawner's watch must be set.
///
/// # Errors
/// What the person is told: it is another file, or none that can run.
pub fn look_at(program: &Program) -> Result<Option<OwnedFd>, Refusal> {
    let Some(pin) = &program.pin else { return Ok(None) };
    let (digest, copy) = read(program, pin).map_err(|error| refusal(program, &error))?;
    if digest::hex(&digest) == pin.sha256 {
        Ok(copy)
    } else {
        Err(refusal(program, &"its SHA-256 is not the one that was decided upon"))
    }
}

fn refusal(program: &Program, why: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(format!("{}: {why}", escape(program.path.as_slice())), "")
}

fn read(program: &Program, pin: &Pin) -> Result<([u8; 32], Option<OwnedFd>), DigestError> {
    let root = own_root()?;
    let mut file =
        digest::Program::open(root.as_fd(), program.path.as_slice(), |facts| is_same(facts, program))?;
    if !pin.copy {
        return Ok((file.digest(io::sink())?, None));
    }
    if !file.is_elf()? {
        return Err(DigestError::ChangeableScript);
    }
    if file.is_on_noexec()? {
        return Err(Errno::ACCESS.into());
    }
    let copy = File::from(in_memory(program)?);
    let digest = file.digest(&copy)?;
    let FileFacts { uid, gid, mode, .. } = *file.facts();
    // Who may execute the file may execute the copy, and nobody is lent its owner's rights.
    fchown(&copy, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    fchmod(&copy, Mode::from_raw_mode(mode & 0o555))?;
    fcntl_add_seals(&copy, SEALS)?;
    Ok((digest, Some(copy.into())))
}

/// An empty file in memory, with the program's name.
fn in_memory(program: &Program) -> Result<OwnedFd, Errno> {
    let name = program.path.as_slice().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let name = name.get(..LONGEST_NAME).unwrap_or(name);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(name, flags | MemfdFlags::EXEC) {
        // Before Linux 6.3 all of them could be executed.
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    }
}

fn is_same(facts: &FileFacts, program: &Program) -> bool {
    let FileFacts { device, inode, size, modified, changed, .. } = *facts;
    (device, inode, size, modified, changed)
        == (program.device, program.inode, program.size, program.modified, program.changed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use jit_protocol::Bytes;
    use rustix::fs::{CWD, RenameFlags, fcntl_get_seals, renameat_with};

    use super::*;

    /// Rounds of the race: `JIT_RACE_ROUNDS`, else a thousand.
    fn rounds() -> usize {
        std::env::var("JIT_RACE_ROUNDS").map_or(1000, |rounds| rounds.parse().unwrap())
    }

    fn program(path: &Path, sha256: &str, copy: bool) -> Program {
        let now = fs::metadata(path).unwrap();
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Program {
            path: Bytes::from(path.as_os_str().as_encoded_bytes()),
            device: now.dev(),
            inode: now.ino(),
            size: i64::try_from(now.size()).unwrap(),
            modified: nanoseconds(now.mtime(), now.mtime_nsec()),
            changed: nanoseconds(now.ctime(), now.ctime_nsec()),
            pin: Some(Pin { sha256: sha256.to_owned(), copy }),
        }
    }

    fn digest_of(path: &Path) -> String {
        let root = own_root().unwrap();
        let path = path.as_os_str().as_encoded_bytes();
        let mut file = digest::Program::open(root.as_fd(), path, |_| true).unwrap();
        digest::hex(&file.digest(io::sink()).unwrap())
    }

    #[test]
    fn a_copy_is_sealed_and_lends_nobodys_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o6751)).unwrap();
        let copy = File::from(look_at(&program(&path, &digest_of(&path), true)).unwrap().unwrap());
        assert_eq!(copy.metadata().unwrap().mode() & 0o7777, 0o551);
        assert_eq!(fcntl_get_seals(&copy).unwrap(), SEALS);
        assert!(copy.write_at(b"x", 0).is_err());
        assert!(copy.set_len(0).is_err());
        assert!(
            fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&copy)))
                .unwrap()
                .starts_with("/memfd:program (deleted)")
        );
    }

    /// Ends the other side of a race, also where this one fails.
    struct Ends<'o>(&'o AtomicBool);

    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    // CVE-2015-8239: a digest was checked, then the file was replaced.
    #[test]
    fn what_is_in_a_copy_is_always_what_was_pinned_however_often_file_folder_and_path_change() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, link, good, bad, next] =
            ["one", "two", "link", "good", "bad", "next"].map(|name| folder.path().join(name));
        let path = link.join("program");
        // More than is read at a time, and as long as each other.
        let bytes = |last: u8| [&b"\x7fELF"[..], &vec![last; 70 * 1024]].concat();
        fs::write(&good, bytes(1)).unwrap();
        fs::write(&bad, bytes(2)).unwrap();
        for (folder, program) in [(&one, &good), (&two, &bad)] {
            fs::create_dir(folder).unwrap();
            fs::copy(program, folder.join("program")).unwrap();
        }
        symlink(&one, &link).unwrap();
        let pinned = digest_of(&good);
        let over = AtomicBool::new(false);
        let swap = || {
            for (from, byte, to) in [(&bad, 1, &two), (&good, 2, &one)] {
                fs::copy(from, &next).unwrap();
                fs::rename(&next, &path).unwrap();
                let written = fs::OpenOptions::new().write(true).open(&path).unwrap();
                written.write_all_at(&bytes(byte), 0).unwrap();
                symlink(to, &next).unwrap();
                fs::rename(&next, &link).unwrap();
                renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE).unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    swap();
                }
            });
            let _ends = Ends(&over);
            for _ in 0..rounds() {
                // As the agent finds it.
                if let Ok(Some(copy)) = look_at(&program(&path, &pinned, true)) {
                    let mut held = vec![0; bytes(1).len() + 1];
                    let length = File::from(copy).read_at(&mut held, 0).unwrap();
                    assert!(held[..length] == bytes(1), "it holds what was not pinned");
                }
            }
        });
        fs::copy(&good, &next).unwrap();
        fs::rename(&next, &path).unwrap();
        assert!(look_at(&program(&path, &pinned, true)).unwrap().is_some(), "at rest it is taken");
    }
}
