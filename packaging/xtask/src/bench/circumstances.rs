//! When, where and on what something was measured: the line below a section's tables.

use super::options::Options;
use super::stage::Stage;
use crate::cargo::{VERSION, command, git, read};

/// What was there before a section was measured.
pub(crate) struct Circumstances {
    options: Options,
    section: &'static str,
    load_before: String,
}

impl Circumstances {
    /// Looks at the machine's load.
    pub(crate) fn before(section: &'static str, options: &Options) -> Self {
        Self { options: options.clone(), section, load_before: load_average() }
    }

    /// The line, for what was measured in the guest or, without one, on this machine.
    pub(crate) fn after(&self, stage: Option<&Stage>) -> String {
        let date = read(command(&["date", "--iso-8601"])).unwrap_or_default();
        let kernel = read(command(&["uname", "-r"])).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let scheduling = if self.options.realtime { "SCHED_RR priority 1" } else { "SCHED_OTHER" };
        let package = stage.map_or_else(ours, |stage| stage.package.clone());
        let peers = stage.map(peers).unwrap_or_default();
        format!(
            "`{}`, {date}, {package}, Linux {kernel}, {cores} cores, {scheduling}, load {} to {}{peers}.",
            self.options.command(self.section),
            self.load_before,
            load_average(),
        )
    }
}

/// The version that stands here.
pub(crate) fn ours() -> String {
    let revision = read(git(&["describe", "--always", "--dirty"]));
    revision.map_or(format!("jit-sudo {VERSION}"), |revision| format!("jit-sudo {VERSION} ({revision})"))
}

/// The guest's Debian and the versions of what is compared.
fn peers(stage: &Stage) -> String {
    let said = |script: &str| stage.sh(script).unwrap_or_default().trim().to_owned();
    let debian = said("cat /etc/debian_version");
    let packages =
        said("dpkg-query -W -f ', ${Package} ${Version}' sudo sudo-rs opendoas systemd pkexec libpam0g");
    format!("; Debian {debian}{packages}")
}

/// The machine's load over the last minute.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}
