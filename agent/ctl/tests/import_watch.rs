//! `jitctl policy import-sudoers --watch`, on real files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may fail as tests do")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;

/// A watch that ends with the test; what it tells, line by line.
struct Watch {
    folder: TempDir,
    child: Child,
    told: Receiver<String>,
}

impl Watch {
    fn start(sudoers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sudoers"), sudoers).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jitctl"));
        command.args(["policy", "import-sudoers", "--watch", "sudoers", "-o", "policy.toml"]);
        let mut child = command.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
        let told = lines(child.stderr.take().unwrap());
        Self { folder, child, told }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until this is told.
    #[track_caller]
    fn tells(&self, text: &str) {
        let mut all = String::new();
        while !all.contains(text) {
            let line = self.told.recv_timeout(Duration::from_secs(20));
            let Ok(line) = line else { panic!("{text} is not told, but:\n{all}") };
            all += &line;
            all.push('\n');
        }
    }

    fn policy(&self) -> String {
        fs::read_to_string(self.path("policy.toml")).unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: ChildStderr) -> Receiver<String> {
    let (to, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    told
}

#[test]
fn a_change_is_imported_and_a_mistake_leaves_the_policy_as_it_was() {
    let watch = Watch::start("alice ALL = ALL\n@includedir sudoers.d\n");
    watch.tells("policy.toml: 1 rules");
    assert!(watch.policy().contains("\"alice\""));

    // As editors and configuration management do it: another file in its place.
    fs::write(watch.path("new"), "bob ALL = ALL\n@includedir sudoers.d\n").unwrap();
    fs::rename(watch.path("new"), watch.path("sudoers")).unwrap();
    watch.tells("policy.toml: 1 rules");
    assert!(watch.policy().contains("\"bob\"") && !watch.policy().contains("\"alice\""));

    // A folder that was not there, and a file in it.
    fs::create_dir(watch.path("sudoers.d")).unwrap();
    fs::write(watch.path("sudoers.d/carol"), "carol ALL = ALL\n").unwrap();
    watch.tells("policy.toml: 2 rules");

    fs::write(watch.path("sudoers.d/carol"), "carol ALL = id\n").unwrap();
    watch.tells("policy.toml stays as it was");
    assert!(watch.policy().contains("\"carol\""));

    fs::remove_file(watch.path("sudoers.d/carol")).unwrap();
    watch.tells("policy.toml: 1 rules");
    assert!(!watch.policy().contains("\"carol\""));

    fs::remove_file(watch.path("sudoers")).unwrap();
    watch.tells("policy.toml stays as it was");
    assert!(watch.policy().contains("\"bob\""));
}

// As configuration management does it, too: a link that leads to another folder.
#[test]
fn a_link_on_the_way_that_is_exchanged_is_seen() {
    let watch = Watch::start("alice ALL = ALL\n@include deep/current/sudoers\n");
    watch.tells("policy.toml");
    for (folder, user) in [("one", "bob"), ("two", "carol")] {
        fs::create_dir_all(watch.path("new").join(folder)).unwrap();
        fs::write(watch.path("new").join(folder).join("sudoers"), format!("{user} ALL = ALL\n")).unwrap();
    }
    symlink("one", watch.path("new/current")).unwrap();
    fs::rename(watch.path("new"), watch.path("deep")).unwrap();
    watch.tells("policy.toml: 2 rules");
    assert!(watch.policy().contains("\"bob\""));
    // So that all that is there is watched when the link is exchanged.
    for user in ["dave", "erin"] {
        fs::write(watch.path("x"), format!("{user} ALL = ALL\n@include deep/current/sudoers\n")).unwrap();
        fs::rename(watch.path("x"), watch.path("sudoers")).unwrap();
        watch.tells("policy.toml: 2 rules");
    }

    symlink("two", watch.path("deep/next")).unwrap();
    fs::rename(watch.path("deep/next"), watch.path("deep/current")).unwrap();
    watch.tells("policy.toml: 2 rules");
    assert!(watch.policy().contains("\"carol\"") && !watch.policy().contains("\"bob\""));
}

#[test]
fn a_watch_needs_a_file_to_write() {
    let output = Command::new(env!("CARGO_BIN_EXE_jitctl"))
        .args(["policy", "import-sudoers", "--watch", "sudoers"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
