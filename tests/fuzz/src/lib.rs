//! What must hold for any bytes that somebody else may have written: nothing panics, nothing takes for ever, and what is made
//! of them keeps its promises.
//!
//! A target is a function of bytes that panics if a promise is broken. libFuzzer calls it (`cargo xtask nightly`, see
//! `main.rs`), and so do the tests, with the corpus and with what is near it (`tests/corpus.rs`).
#![forbid(unsafe_code)]
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "a broken promise is told by a panic"
)]

mod command;
mod import;
mod policy;
mod signature;
mod token;
mod wire;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

/// What is tried, and its seeds.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its folder in the corpus, and its name for `cargo xtask nightly`.
    pub name: &'static str,
    /// Panics if a promise is broken.
    pub run: fn(&[u8]),
    /// Files elsewhere in the repository that are good seeds, too: a folder, and how their names end.
    also: Option<(&'static str, &'static str)>,
}

/// All of them.
pub const TARGETS: [Target; 7] = [
    Target { name: "policy", run: policy::run, also: Some(("tests/policies", "policy.toml")) },
    Target { name: "command", run: command::run, also: None },
    Target { name: "sudoers", run: import::sudoers, also: Some(("tests/sudoers", "")) },
    Target { name: "doas", run: import::doas, also: None },
    Target { name: "signature", run: signature::run, also: None },
    Target { name: "token", run: token::run, also: None },
    Target { name: "wire", run: wire::run, also: None },
];

impl Target {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// The folders that seeds are in: its own first.
    pub fn folders(&self) -> Vec<PathBuf> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace");
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        [own].into_iter().chain(self.also.map(|(folder, _)| workspace.join(folder))).collect()
    }

    /// The bytes of all seeds, in the order of their paths.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let ending =
            |folder: usize| if folder == 0 { "" } else { self.also.map_or("", |(_, ending)| ending) };
        let files =
            self.folders().into_iter().enumerate().flat_map(|(at, folder)| files(&folder, ending(at)));
        files.map(|file| fs::read(&file).expect("a seed")).collect()
    }
}

/// The files of a folder and of those in it, in the order of their paths.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let deeper = |path: PathBuf| if path.is_dir() { files(&path, ending) } else { vec![path] };
    paths.into_iter().flat_map(deeper).filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}
