//! Programs from `PyPI`, as a layer of an image: `/opt/pypi` for one version of Python, made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::run;

/// What drives sudo and comes from `PyPI`. One version of each, which runs on the Python of all releases.
pub(crate) const CLIENTS: [&str; 2] = ["ansible-core==2.19.14", "pyinfra==3.10.0"];

/// Makes this layer, with these programs for the Python of that image. The caller sees to it that nobody else does.
///
/// # Panics
/// If it can't be made; the message says why.
pub(crate) fn layer(layer: &Path, image: &Path) {
    let partial = layer.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:", "--target"]);
    command.arg(partial.join("opt/pypi")).args(["--python-version", &python(image)]);
    for kind in ["manylinux2014", "manylinux_2_28"] {
        command.arg(format!("--platform={kind}_{}", std::env::consts::ARCH));
    }
    command.args(CLIENTS);
    let outcome = run(command, b"", Duration::from_mins(10));
    assert!(outcome.is_ok(), "can't get {CLIENTS:?}; `cargo xtask test` installs what it needs\n{outcome}");
    fs::rename(&partial, layer).expect("both are in target/guests");
}

/// The version of an image's Python: `3.13`.
fn python(image: &Path) -> String {
    let link = fs::read_link(image.join("usr/bin/python3")).unwrap_or_else(|_| PathBuf::from("python3"));
    link.to_string_lossy().trim_start_matches("python").to_owned()
}
