//! Programs that run for what is in them.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jit_protocol::link::{ExitStatus, FromMonitor};
use jit_protocol::order::{Cwd, FolderFacts, Order, Pin};

use crate::Test;
use crate::fuse::{self, Fuse};
use crate::stage::{self, Stage, order, until};

pub(crate) const PINS: &[Test] = &[
    ("a_pinned_program_or_script_that_only_root_can_change_runs_by_its_path", by_path),
    ("a_pinned_program_that_others_can_change_runs_from_memory", from_memory),
    ("a_copy_can_be_executed_by_those_who_could_execute_the_file", permissions),
    ("a_pinned_file_with_another_digest_does_not_run", another_digest),
    ("a_pinned_script_that_others_can_change_does_not_run", script),
    ("a_pinned_file_that_is_swapped_after_the_decision_does_not_run", swapped),
    ("a_pinned_file_that_is_written_before_exec_runs_as_it_was_pinned", written_before_exec),
    ("a_working_folder_that_is_swapped_after_the_decision_is_refused", folder_swapped),
    ("a_race_of_swaps_never_runs_what_was_not_pinned", race),
];

/// `sha256sum` says.
fn sha256(path: &str) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// An order for a file as it is now, with the digest of a file.
fn pinned(argv: &[&str], digest_of: &str, copy: bool) -> Order {
    let mut wanted = order(argv);
    wanted.program.as_mut().unwrap().pin = Some(Pin { sha256: sha256(digest_of), copy });
    wanted
}

/// A copy of a program of the system's.
fn copy_of(stage: &Stage, program: &str, name: &str) -> String {
    let path = stage.path(name);
    let _ = fs::remove_file(&path);
    fs::copy(program, &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn by_path(stage: &Stage) {
    let program = "/usr/bin/readlink";
    let run = stage.run(&pinned(&[program, "/proc/self/exe"], program, false));
    assert_eq!(run.stdout, format!("{program}\n"));
    let script = stage.script("pinned-script", "#!/bin/sh\necho \"$0\"\n");
    assert_eq!(stage.run(&pinned(&[&script], &script, false)).stdout, format!("{script}\n"));
}

fn from_memory(stage: &Stage) {
    let program = copy_of(stage, "/usr/bin/readlink", "reads-links");
    let run = stage.run(&pinned(&[&program, "/proc/self/exe"], &program, true));
    assert_eq!(run.stdout, "/memfd:reads-links (deleted)\n");
    let program = copy_of(stage, "/bin/bash", "bash-of-theirs");
    let mut wanted = pinned(
        &[&program, "-c", "echo $BASH \"$0\" \"$@\"; ls /proc/$$/fd; true", "$0", "a b"],
        &program,
        true,
    );
    wanted.argv[0] = "as-typed".into();
    let run = stage.run(&wanted);
    let (first, descriptors) = run.stdout.split_once('\n').unwrap();
    assert!(first.ends_with("$0 a b"), "{first}");
    assert_eq!(descriptors, "0\n1\n2\n", "the copy itself is not left open");
}

fn permissions(stage: &Stage) {
    for (mode, runs) in [(0o755, true), (0o4755, true), (0o700, false), (0o754, false)] {
        let program = copy_of(stage, "/usr/bin/id", "id-of-theirs");
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        let mut wanted = pinned(&[&program, "-u"], &program, true);
        wanted.target = stage::account("daemon", 1, 1, &[1]);
        let run = stage.run(&wanted);
        if runs {
            assert_eq!(run.stdout, "1\n", "{mode:o}");
        } else {
            assert!(run.refused().first_text().contains("Permission denied"), "{mode:o}");
        }
    }
}

fn another_digest(stage: &Stage) {
    let mark = stage.path("another-digest");
    let program = copy_of(stage, "/usr/bin/touch", "touches");
    for copy in [false, true] {
        let run = stage.run(&pinned(&[&program, &mark], "/usr/bin/true", copy));
        let text = run.refused().first_text();
        assert_eq!(text, format!("{program}: its SHA-256 is not the one that was decided upon"));
        let told =
            |message: &FromMonitor| matches!(message, FromMonitor::Refused { what, .. } if *what == text);
        assert!(run.messages.iter().any(told), "the agent is told why: {:?}", run.messages);
        assert!(!Path::new(&mark).exists());
    }
}

// Its interpreter would open it again. So would that of a text without `#!`.
fn script(stage: &Stage) {
    for text in ["#!/bin/sh\necho ran\n", "echo ran\n", "", "\x7fEL"] {
        let script = stage.script("script-of-theirs", text);
        let run = stage.run(&pinned(&[&script], &script, true));
        let refused = run.refused().first_text();
        assert_eq!(refused, format!("{script}: it is a script, and others than root can change it"));
        assert_eq!(run.stdout, "");
    }
}

fn swapped(stage: &Stage) {
    let mark = stage.path("swapped");
    for copy in [false, true] {
        let (program, other) = (
            copy_of(stage, "/usr/bin/true", "swapped-true"),
            copy_of(stage, "/usr/bin/touch", "swapped-touch"),
        );
        let wanted = pinned(&[&program, &mark], &program, copy);
        fs::rename(&other, &program).unwrap();
        let run = stage.run(&wanted);
        assert!(run.refused().first_text().contains("changed after it was checked"), "{:?}", run.frames);
        assert!(!Path::new(&mark).exists());
    }
}

// The copy is made before; what has its name by then does not matter.
fn written_before_exec(stage: &Stage) {
    let fuse = Fuse::new("");
    let mark = stage.path("written-before-exec");
    let program = copy_of(stage, "/usr/bin/true", "written-true");
    let mut wanted = pinned(&[&program, &mark], &program, true);
    wanted.restrictions.cwd = Cwd::Path(fuse.path().as_str().into());
    let mut session = stage.begin(&wanted);
    session.expect_accepted();
    let own = i32::try_from(std::process::id()).unwrap();
    fuse.hold(move |kind, pid| kind == fuse::LOOKUP && pid != own);
    session.go(None, Duration::from_secs(1), false);
    until("it is held", || fuse.is_holding());
    fs::write(&program, fs::read("/usr/bin/touch").unwrap()).unwrap();
    fuse.release();
    let run = session.finish();
    // A file is no folder: it got as far as that with what had been copied.
    assert!(run.refused().first_text().contains("working folder"), "{:?}", run.frames);
    assert!(!Path::new(&mark).exists());
}

fn folder_swapped(stage: &Stage) {
    let [one, two, aside] = ["folder-one", "folder-two", "folder-aside"].map(|name| stage.path(name));
    fs::create_dir(&one).unwrap();
    fs::create_dir(&two).unwrap();
    let decided = fs::metadata(&one).unwrap();
    let order_in = |cwd: Cwd| {
        let mut wanted = order(&["/usr/bin/touch", "mark"]);
        wanted.restrictions.folder = Some(FolderFacts { device: decided.dev(), inode: decided.ino() });
        wanted.restrictions.cwd = cwd;
        wanted
    };
    let ways = [Cwd::Caller, Cwd::Path(one.as_str().into()), Cwd::Asked(one.as_str().into())];
    for cwd in &ways {
        assert_eq!(stage.run_in(&one, &order_in(cwd.clone())).ended(), ExitStatus::Status(0));
    }
    for (from, to) in [(&one, &aside), (&two, &one), (&aside, &two)] {
        fs::rename(from, to).unwrap();
    }
    for cwd in &ways {
        let run = stage.run_in(&one, &order_in(cwd.clone()));
        let told = run.refused().first_text();
        assert!(told.ends_with("its working folder is not the one that was approved"), "{told}");
    }
    assert!(!Path::new(&one).join("mark").exists());
}

/// Ends the other side of a race, also where this one fails.
struct Ends<'o>(&'o AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn race(stage: &Stage) {
    const ROUNDS: usize = 100;
    let mark = stage.path("race");
    let (good, bad) = ("/usr/bin/true", "/usr/bin/touch");
    let (program, next) = (copy_of(stage, good, "race-program"), stage.path("race-next"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for (renamed, written) in [(bad, good), (good, bad)] {
                    fs::copy(renamed, &next).unwrap();
                    fs::rename(&next, &program).unwrap();
                    let file = fs::OpenOptions::new().write(true).open(&program);
                    // One that is being executed can't be written: then it is not a copy that runs.
                    file.unwrap().write_all_at(&fs::read(written).unwrap(), 0).unwrap();
                }
            }
        });
        let _ends = Ends(&over);
        for _ in 0..ROUNDS {
            let run = stage.run(&pinned(&[&program, &mark], good, true));
            let ended = run.messages.iter().any(|message| matches!(message, FromMonitor::Ended { .. }));
            if ended {
                assert_eq!(run.ended(), ExitStatus::Status(0));
            }
            assert!(!Path::new(&mark).exists(), "it ran what was not pinned");
        }
    });
    assert_eq!(
        stage.run(&pinned(&[&copy_of(stage, good, "race-program"), &mark], good, true)).ended(),
        ExitStatus::Status(0)
    );
}
