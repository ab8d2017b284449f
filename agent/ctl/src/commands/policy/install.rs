//! `jitctl policy install`.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::Response;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::agent;
use crate::failure::Failure;
use crate::output::Output;
use crate::policy_source::{self, Installed};

/// Put a folder in the place of /etc/jit-sudo/policy.d, as a whole, and load it
///
/// The folder is checked, copied, and exchanged with the one that is there in one step: no agent ever sees a part of it. If
/// the agent does not accept it, the one before is put back.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// The folder; what it is called and whose it is does not matter
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
}

impl Install {
    pub(super) fn run(&self, installed: &Installed, output: &mut Output) -> Result<(), Failure> {
        let reload = || match agent::ask(Request::Reload { force: false })? {
            Response::Done { message } => Ok(message),
            _ => Err(agent::unexpected()),
        };
        output.text(&self.install(installed, reload)?)
    }

    /// What the agent says to it.
    pub(super) fn install(
        &self,
        installed: &Installed,
        reload: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<String, Failure> {
        policy_source::load(&installed.sources_with_folder(&self.folder)?)?;
        let failed = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => "do it as root",
                // rename(2) of a folder of a lower layer
                io::ErrorKind::CrossesDevices => {
                    "in an overlay (a container?) make the folder anew once: cp -a, rm -r, mv"
                }
                _ => "",
            };
            Failure::new(format!("{} cannot be replaced: {error}", installed.etc.display()), hint)
        };
        let new = Staged::copy(&self.folder, &installed.etc).map_err(failed)?;
        let before = exchange(&new.0, &installed.etc).map_err(failed)?;
        reload().inspect_err(|_| {
            let back = if before {
                exchange(&new.0, &installed.etc).map(|_| ())
            } else {
                fs::rename(&installed.etc, &new.0) // there was none
            };
            let _ = back; // the agent goes on with the last good policy, and says so
        })
    }
}

/// A copy beside the folder that it is for. What is in it when it is dropped is removed.
struct Staged(PathBuf);

impl Staged {
    fn copy(from: &Path, beside: &Path) -> io::Result<Self> {
        let name = beside.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let staged = Self(beside.with_file_name(format!(".{name}.{}", std::process::id())));
        copy(from, &staged.0)?;
        Ok(staged)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // a folder with a leading dot is no policy
    }
}

/// Regular files and folders, with modes that the agent takes, on the disk.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            let mut bytes = Vec::new();
            File::open(entry.path())?.read_to_end(&mut bytes)?;
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(target)?;
            file.write_all(&bytes)?;
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.sync_all()?;
        } else if fs::read_link(entry.path()).is_ok_and(|link| link == Path::new("/dev/null")) {
            std::os::unix::fs::symlink("/dev/null", target)?; // the mask of a vendor's file
        } else {
            let what = format!("{} is neither a file nor a folder", entry.path().display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    }
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    File::open(to)?.sync_all()
}

/// Exchanges two folders in one step; false: the second was not there, and is the first now.
fn exchange(new: &Path, place: &Path) -> io::Result<bool> {
    let exchanged = match renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE) {
        Ok(()) => true,
        Err(rustix::io::Errno::NOENT) => {
            fs::rename(new, place)?;
            false
        }
        Err(errno) => return Err(errno.into()),
    };
    place.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
    Ok(exchanged)
}
