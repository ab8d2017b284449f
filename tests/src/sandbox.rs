//! A throwaway sandbox on this machine, without systemd: what the package installs, on an overlay of the file system, in
//! namespaces of its own. Two users, `alice` and `bob`, have the password `demo`.

use std::path::Path;
use std::process::Command;

const SANDBOX: &str = include_str!("sandbox.sh");

/// Enters a cgroup of its own first, so that the sandbox's cgroup namespace has one to be the root of.
const ENTER: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
for tree in /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$tree/cgroup.procs" ] || continue
    group=$tree/jit-sandbox-$$
    mkdir "$group" 2>/dev/null && echo $$ >"$group/cgroup.procs" || group=
    break
done
unshare --mount --propagation private --pid --fork --kill-child --uts --ipc --cgroup sh -c "$SANDBOX" sandbox "$@"
status=$?
if [ -n "${group-}" ]; then
    echo $$ >"${group%/*}/cgroup.procs"
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
fi
exit $status
"#;

/// A command that runs these words as root inside of a new sandbox; everything ends with it. `stage` holds what the
/// package would install, and what else is to be there: `etc`, `usr`, `run`. Needs root.
pub fn enter(stage: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", ENTER, "sandbox"]).args(words);
    command.env("SANDBOX", SANDBOX).env("STAGE", stage);
    command
}
