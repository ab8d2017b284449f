//! Starting a contender, and insisting that it worked: a refusal is fast too.

use std::process::{Child, Command, Stdio};

use jit_bench::Contender;

use crate::Done;

/// Its command, on /dev/null. The standard library starts it by `posix_spawn`, as long as nothing else than the standard
/// streams is asked for.
///
/// # Errors
/// It has no words.
pub(crate) fn command(contender: &Contender) -> Done<Command> {
    let (program, arguments) = contender.words.split_first().ok_or("a contender without a command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// Starts it.
///
/// # Errors
/// It can't be started.
pub(crate) fn start(contender: &Contender, command: &mut Command) -> Done<Child> {
    command.spawn().map_err(|error| format!("{}: can't be started: {error}", contender.name))
}

/// Waits for it, and wants status 0.
///
/// # Errors
/// It ended otherwise.
pub(crate) fn wait(contender: &Contender, child: &mut Child) -> Done<()> {
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", contender.name)),
        Err(error) => Err(format!("{}: {error}", contender.name)),
    }
}

/// Runs it once, so that all it reads is in the page cache, and so that what is wrong with it is told in its own words.
///
/// # Errors
/// It failed; what it wrote to stderr.
pub(crate) fn rehearse(contender: &Contender) -> Done<()> {
    let mut command = command(contender)?;
    let output = command.stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("{}: can't be started: {error}", contender.name))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}: {}", contender.name, output.status, stderr.trim()))
}
