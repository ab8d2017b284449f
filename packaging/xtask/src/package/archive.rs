//! A folder and what stands about it in `packaging/`, packed by Debian's own tools.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Item, make_folder, open_folders, put, text, write};
use crate::cargo::{Done, VERSION, command, read, run, workspace};

pub(super) const MAINTAINER: &str = "jit-sudo maintainers <jit-sudo@packages.debian.invalid>";
const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

/// The empty folder that a package is made of.
///
/// # Errors
/// It can't be made.
pub(super) fn root(package: &str, architecture: &str) -> Done<PathBuf> {
    let root = jit_tests::image::target().join("debian").join(format!("{package}_{VERSION}_{architecture}"));
    let _ = fs::remove_dir_all(&root);
    make_folder(&root)?;
    Ok(root)
}

/// Packs it, beside it: with `control.in`, in which these fields are filled in, and conffiles and scripts, as far as there
/// are, from this folder; returns the package's path.
///
/// # Errors
/// What can't be read or packed.
pub(super) fn pack(root: &Path, deb: &Path, fields: &[(&str, &str)]) -> Done<PathBuf> {
    let control = root.join("DEBIAN");
    let size = read(command(&["du", "--summarize", "--apparent-size", "--block-size=1024", &text(root)]))?;
    let size = size.split_whitespace().next().unwrap_or("0");
    let mut filled =
        fs::read_to_string(deb.join("control.in")).map_err(|error| format!("control.in: {error}"))?;
    let common = [("@VERSION@", VERSION), ("@MAINTAINER@", MAINTAINER), ("@INSTALLED_SIZE@", size)];
    for (name, value) in common.iter().chain(fields) {
        filled = filled.replace(name, value);
    }
    write(&control.join("control"), &filled)?;
    for (name, mode) in [("conffiles", 0o644)].into_iter().chain(SCRIPTS.map(|name| (name, 0o755))) {
        let from = deb.join(name);
        if from.exists() {
            put(&Item { from, to: format!("DEBIAN/{name}"), mode }, root)?;
        }
    }
    let mut sums = command(&["sh", "-c", "find usr -type f -print0 | sort -z | xargs -0 md5sum"]);
    sums.current_dir(root);
    write(&control.join("md5sums"), &format!("{}\n", read(sums)?))?;
    open_folders(root)?;

    let package = PathBuf::from(format!("{}.deb", text(root)));
    let mut pack =
        command(&["dpkg-deb", "--root-owner-group", "-Zxz", "--build", &text(root), &text(&package)]);
    // The same sources give the same package, whenever it is packed.
    pack.env("SOURCE_DATE_EPOCH", source_date());
    run(pack)?;
    Ok(package)
}

/// Seconds since 1970 of the last commit; where there is no git, of nothing.
pub(super) fn source_date() -> String {
    let mut command = command(&["git", "log", "-1", "--format=%ct"]);
    command.current_dir(workspace());
    read(command).unwrap_or_else(|_| "0".into())
}
