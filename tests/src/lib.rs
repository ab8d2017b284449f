//! Support for tests on the outside of the product: programs with a deadline, terminals, and whole Debian guests.
//!
//! ```text
//! process    run a program to its end or its deadline, and judge what it printed
//! terminal   a program on a real terminal: type, wait for text, change the window
//! sandbox    a throwaway copy of this machine with ours installed, without systemd
//! secret     look for a password in memory and files
//! image      Debian images, made once, and the layer with the package installed
//! pypi       programs from `PyPI`, as a layer of an image
//! guest      boot one (systemd-nspawn), do things in it, tear it all down whatever happens
//! login      do things in a guest as a user: shell, terminal, ssh
//! ```
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    reason = "support for tests: what goes wrong here is a failed test, told at once and in full"
)]

pub mod guest;
pub mod image;
pub mod login;
pub mod process;
mod pypi;
pub mod sandbox;
pub mod secret;
pub mod terminal;

pub use guest::Guest;
pub use process::Outcome;
pub use secret::Secret;
pub use terminal::Terminal;
