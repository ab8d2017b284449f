//! Every write, sync, rename and send on the way of an elevation fails once, and every process on that way is killed
//! before each of them: no grant may be lost, doubled or longer, no command may run without its record, no record may
//! be there twice, and no process may be left. So does the agent where people ask for approval, answer, and spend tokens:
//! what was told holds, what was not holds wholly or not at all, no yes is used wider, and no token twice.
//!
//! ```text
//! main          into the sandbox; then every walk
//! walks         who is walked at what, over which calls, with which faults
//! play          one point after the other
//! deeds         what people do besides running commands, and what must hold after each
//! people        alice, who asks; bob, who answers; carol, who signs
//! disks         what fails for as long as it likes; and what is durable before what
//! tracer        strace(1) makes one call of a running program fail, or kills the program before it
//! stage         the real agent, spawner, PAM and helper; the command that leaves a mark
//! ledger        what must hold after each point, and at the end of all
//! answers       and of requests and tokens
//! ```
//!
//! The programs are those that the package installs; nothing in them knows of this. `cargo xtask faults` builds and
//! starts it. Words on the command line choose walks by name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unused_self,
    clippy::exit,
    missing_docs,
    reason = "a test program"
)]

mod answers;
mod deeds;
mod disks;
mod ledger;
mod people;
mod play;
mod stage;
mod tracer;
mod walks;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::exit;

use jit_tests::sandbox;

/// Where this program is inside of the sandbox, under its three names.
const INSIDE: &str = "/run/faults/walker";
const COMMANDS: [&str; 2] = ["mark", "unasked"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let own = std::env::current_exe().unwrap();
    if own == Path::new(INSIDE) {
        exit(i32::from(!play::all(&words)));
    }
    if COMMANDS.iter().any(|name| own == Path::new(INSIDE).with_file_name(name)) {
        return stage::leave_mark(&words);
    }
    let Some(stage) = std::env::var_os("JIT_STAGE").map(PathBuf::from) else {
        panic!(
            "JIT_STAGE names no folder with what the package installs: start this with `cargo xtask faults`"
        )
    };
    let folder = stage.join("run/faults");
    fs::create_dir_all(&folder).unwrap();
    for name in COMMANDS.into_iter().chain(["walker"]) {
        fs::copy(&own, folder.join(name)).unwrap();
    }
    let policy = stage.join("etc/jit-sudo/policy.d/faults.toml");
    fs::write(&policy, stage::POLICY.to_owned() + people::RULE).unwrap();
    for (path, mode) in [(policy, 0o644), (folder, 0o755), (stage.join("run"), 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let inside: Vec<&str> = [INSIDE].into_iter().chain(words.iter().map(String::as_str)).collect();
    let status = sandbox::enter(&stage, &inside).status().expect("sh starts");
    assert!(status.success(), "not every point held");
}
