//! The package `jit-sudo-as-sudo`: two links, and scripts that move Debian's files out of their way and back.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::{Item, archive, make_folder, put, text};
use crate::cargo::{Done, command, run, workspace};

/// Packs it; returns its path.
///
/// # Errors
/// What can't be packed.
pub(super) fn build() -> Done<PathBuf> {
    let packaging = workspace().join("packaging");
    let root = archive::root("jit-sudo-as-sudo", "all")?;
    let programs = root.join("usr/bin");
    make_folder(&programs)?;
    for name in ["sudo", "sudoedit"] {
        symlink("jit-sudo", programs.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let documents = "usr/share/doc/jit-sudo-as-sudo";
    for (from, to) in [
        ("deb/copyright", format!("{documents}/copyright")),
        ("deb/changelog", format!("{documents}/changelog")),
        ("deb-as-sudo/lintian-overrides", "usr/share/lintian/overrides/jit-sudo-as-sudo".to_owned()),
    ] {
        put(&Item { from: packaging.join(from), to, mode: 0o644 }, &root)?;
    }
    run(command(&["gzip", "-9nf", &text(&root.join(documents).join("changelog"))]))?;
    archive::pack(&root, &packaging.join("deb-as-sudo"), &[])
}
