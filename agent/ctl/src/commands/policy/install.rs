//! `jitctl policy install`.

mod staged;

use std::io;
use std::path::PathBuf;

use clap::Args;
use jit_protocol::request::Request;
use jit_protocol::response::Response;

use self::staged::Staged;
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
        let place = &installed.etc;
        let failed = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => "do it as root",
                io::ErrorKind::WouldBlock => "another one is being installed: try again",
                io::ErrorKind::ResourceBusy => {
                    "something is mounted there: install into what is mounted, file by file"
                }
                // rename(2) of a folder of a lower layer
                io::ErrorKind::CrossesDevices => {
                    "in an overlay (a container?) make the folder anew once: cp -a, rm -r, mv"
                }
                _ => "",
            };
            Failure::new(format!("{} cannot be replaced: {error}", place.display()), hint)
        };
        let staged = Staged::beside(place).map_err(failed)?;
        staged.copy(&self.folder).map_err(failed)?;
        let before = staged.exchange(place).map_err(failed)?;
        let said = staged.sync(place).map_err(failed).and_then(|()| reload());
        if let Err(refused) = said {
            return Err(match staged.take_back(place, before) {
                Ok(()) => refused,
                Err(error) => {
                    let kept = staged.keep();
                    let what = format!(
                        "the agent did not accept it, and the folder before cannot be put back: {error}"
                    );
                    Failure::new(what, format!("it is {}; jitctl policy check", kept.display()))
                }
            });
        }
        said
    }
}
