//! `cargo xtask faults`: every call of an elevation fails once, in the sandbox of the demo (tests/tests/faults).

use crate::cargo::{Done, cargo_test, run};
use crate::{host, package};

/// Builds, and walks the fault points; words choose walks.
pub(crate) fn walk(words: &[&str]) -> Done {
    if !host::is_root() {
        return Err("fault points need root: they make namespaces, and trace a root daemon".into());
    }
    host::install(&[host::BUILD, host::DEMO, host::FAULTS])?;
    let stage = package::stage_debug("faults")?;
    let mut command =
        cargo_test(&["--package", "jit-tests", "--features", "faults", "--test", "faults", "--"]);
    command.args(words).env("JIT_STAGE", stage);
    run(command)
}
