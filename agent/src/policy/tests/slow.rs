//! A load that hangs, as a disk or a directory can let it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::*;

/// Says that it is asked for a folder, and answers when it is told to.
struct Slow {
    asked: SyncSender<()>,
    answer: Mutex<Receiver<()>>,
}

impl Surroundings for Slow {
    fn canonical_folder(&self, _folder: &str) -> Option<String> {
        self.asked.send(()).unwrap();
        self.answer.lock().unwrap().recv().unwrap();
        None
    }
}

// "Loading never blocks a decision"; "at most `last_good_for`", however long it takes to look for a better one.
#[test]
fn while_a_load_hangs_the_policy_in_force_decides_and_ends_on_time() {
    let disk = Disk::with(&[("a.toml", ALICE)]);
    let ((asked, is_asked), (answer, answers)) = (sync_channel(0), sync_channel(0));
    let settings = Settings::parse("policy.last_good_for = \"10m\"").unwrap();
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&disk.clock);
    let slow = Slow { asked, answer: Mutex::new(answers) };
    let holder = PolicyHolder::start(&disk.paths, &settings, clock, slow);
    disk.write("a.toml", HALF);
    holder.reload().unwrap_err();
    disk.write("a.toml", &ALICE.replace("\"ALL\"", "\"/usr/bin/id\""));
    let (before, after, loaded) = thread::scope(|scope| {
        let loading = scope.spawn(|| holder.reload().is_ok());
        is_asked.recv().unwrap();
        let before = permits(&holder, "alice");
        disk.clock.pass(11 * MINUTE);
        holder.expire_last_good();
        let after = permits(&holder, "alice");
        answer.send(()).unwrap();
        (before, after, loading.join().unwrap())
    });
    assert!(before, "the last good one");
    assert!(!after, "its time is over");
    holder.expire_last_good();
    assert!(loaded && permits(&holder, "alice") && !holder.current().stale, "the new one");
}

// A policy of 100,000 rules takes a second to take apart: not on the event loop, where one who was asked for a password while
// another policy was loaded lets go of it last.
#[test]
fn who_decides_by_a_policy_that_was_replaced_does_not_take_it_apart() {
    let disk = Disk::with(&[("a.toml", ALICE)]);
    let holder = disk.start();
    let decided_by = holder.current();
    for text in [BOB, HALF] {
        disk.write("a.toml", text);
        let _ = holder.reload();
        assert_eq!(Arc::strong_count(&decided_by), 2, "another one has it, too");
    }
    drop(holder.abandoned());
    let weak = Arc::downgrade(&decided_by);
    drop(decided_by);
    assert!(weak.upgrade().is_some());
    drop(holder.abandoned());
    assert!(weak.upgrade().is_none());
}
