//! What is left in the host process afterwards. A program of its own, so that no other test opens anything meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

mod support;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use jit_protocol::login::LoginRequest;
use pam_jit::account::{Agent, GatedFile};
use pam_jit::agent::AgentSocket;
use pam_jit::files::RootFile;
use support::{ALLOW, Behaviour, fake_agent};

/// Descriptors and threads of this process.
fn held() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[test]
fn no_descriptor_and_no_thread_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let request = LoginRequest::new("daemon".into(), "sshd".into(), None, None);
    let list = RootFile::at(folder.path().join("gated"));
    fs::write(folder.path().join("gated"), "text").unwrap();
    let moods =
        [Behaviour::Says(ALLOW), Behaviour::HangsUp, Behaviour::Says(b"x"), Behaviour::Foreign(ALLOW)];
    for (name, behaviour) in ["a", "b", "c", "d"].into_iter().zip(moods) {
        let path = folder.path().join(name);
        let _requests = fake_agent(&path, behaviour);
        let before = held();
        for _ in 0..200 {
            let answer = AgentSocket::at(path.clone()).ask(&request, Instant::now() + Duration::from_mins(1));
            assert_eq!(answer.is_ok(), behaviour == Behaviour::Says(ALLOW), "{answer:?}");
            assert_eq!(list.read().unwrap().unwrap(), b"text");
        }
        // The agent's own end of the last connection may be closed a moment later.
        let end = Instant::now() + Duration::from_secs(40);
        while held() != before && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(held(), before, "{behaviour:?}");
    }
}
