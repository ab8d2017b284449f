//! Programs in a folder of root's that something else starts.

use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::{CheckedFolder, Problem, RefusedFile, check_owner};

/// What editors and package managers leave beside a file.
const LEFTOVERS: [&str; 7] = [".dpkg-", ".rpmnew", ".rpmsave", ".rpmorig", ".ucf-", ".pacnew", ".pacsave"];

impl CheckedFolder {
    /// The programs in it by name, each a regular file of its owner's that nobody else can write; and what is in it that is
    /// none. Names with `~` or a leading `.`, and what package managers leave, are passed over.
    ///
    /// # Errors
    /// [`RefusedFile`] if the folder cannot be read.
    pub fn programs(&self) -> Result<(Vec<PathBuf>, Vec<RefusedFile>), RefusedFile> {
        let (mut programs, mut refused) = (Vec::new(), Vec::new());
        for entry in self.entries()? {
            let is_leftover = |name: &str| LEFTOVERS.iter().any(|leftover| name.contains(leftover));
            if entry.is_null_link
                || entry.name.starts_with('.')
                || entry.name.contains('~')
                || is_leftover(&entry.name)
            {
                continue;
            }
            let path = self.path.join(&entry.name);
            match self.check_program(&entry.name) {
                Ok(()) => programs.push(path),
                Err(problem) => refused.push(RefusedFile { path, problem }),
            }
        }
        Ok((programs, refused))
    }

    fn check_program(&self, name: &str) -> Result<(), Problem> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = openat(&self.descriptor, name, flags, Mode::empty()).map_err(Problem::of_open)?;
        let found = fstat(&descriptor).map_err(Problem::Os)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(Problem::Link),
            FileType::Directory => return Err(Problem::Kind("a folder")),
            _ => return Err(Problem::Kind("a FIFO, a socket or a device")),
        }
        check_owner(&found, self.owner)?;
        if found.st_mode & 0o111 == 0 { Err(Problem::NotExecutable) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_program_is_a_file_of_its_owners_alone_that_can_be_run() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("hooks.d");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        for (name, mode) in [
            ("20-chat", 0o755),
            ("10-mail", 0o700),
            ("group", 0o775),
            ("world", 0o757),
            ("README", 0o644),
            (".hidden", 0o755),
            ("chat~", 0o755),
            ("chat.dpkg-old", 0o755),
        ] {
            fs::write(folder.join(name), "").unwrap();
            fs::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        symlink("20-chat", folder.join("link")).unwrap();
        symlink("/dev/null", folder.join("masked")).unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        let us = rustix::process::geteuid().as_raw();
        let (programs, refused) = CheckedFolder::open(&folder, us).unwrap().unwrap().programs().unwrap();
        assert_eq!(programs, [folder.join("10-mail"), folder.join("20-chat")]);
        let refused: Vec<_> =
            refused.iter().map(|it| (it.path.file_name().unwrap().to_str().unwrap(), &it.problem)).collect();
        let expected = [
            ("README", &Problem::NotExecutable),
            ("folder", &Problem::Kind("a folder")),
            ("group", &Problem::Writable(0o775)),
            ("link", &Problem::Link),
            ("world", &Problem::Writable(0o757)),
        ];
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_program_of_somebody_else_is_none() {
        let parent = tempfile::tempdir().unwrap();
        let hooks = parent.path().join("hooks.d");
        fs::create_dir(&hooks).unwrap();
        fs::write(hooks.join("chat"), "").unwrap();
        for path in [&hooks, &hooks.join("chat")] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let us = rustix::process::geteuid().as_raw();
        let mut folder = CheckedFolder::open(&hooks, us).unwrap().unwrap();
        folder.owner = us + 1;
        assert_eq!(folder.check_program("chat"), Err(Problem::Owner(us)));
    }
}
