//! Where a command starts, and in the background.

use std::time::Duration;

use jit_protocol::frame::Kind;
use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::order::Cwd;

use crate::Test;
use crate::stage::{self, Stage, order, shell};

pub(crate) const CIRCUMSTANCES: &[Test] = &[
    ("a_folder_that_the_person_names_is_entered_by_no_link_and_as_the_target", asked_folder),
    ("a_command_in_the_background_goes_on_without_its_helper_and_ends_as_any_other", background),
    ("a_login_shell_starts_at_home_or_in_the_root_folder", login_shell),
];

fn asked_folder(stage: &Stage) {
    let (real, link) = (stage.path("asked"), stage.path("asked-link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut wanted = order(&shell("pwd"));
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    wanted.restrictions.cwd = Cwd::Asked(real.as_str().into());
    assert_eq!(stage.run(&wanted).stdout, format!("{real}\n"));
    // Root's own; a link, which was none when policy was asked; none at all; a file.
    for folder in ["/root", &link, "/no/such/folder", "/etc/passwd", "/usr/../usr"] {
        wanted.restrictions.cwd = Cwd::Asked(folder.into());
        let run = stage.run(&wanted);
        assert!(run.refused().first_text().contains("working folder"), "{folder}: {:?}", run.frames);
        assert_eq!(run.stdout, "");
    }
    std::fs::remove_file(link).unwrap();
    std::fs::remove_dir(real).unwrap();
}

fn background(stage: &Stage) {
    let (mark, gone) = (stage.path("background"), stage.path("helper-gone"));
    let sleep = format!("{}.48", std::process::id());
    let text = format!(
        "until [ -e {gone} ]; do sleep 0.02; done; head -c 300000 /dev/zero; echo done >{mark}; sleep {sleep}"
    );
    for on_terminal in [false, true] {
        for file in [&mark, &gone] {
            let _ = std::fs::remove_file(file);
        }
        let mut wanted = order(&shell(&text));
        wanted.background = true;
        let mut session = if on_terminal { stage.begin_on_terminal(&wanted) } else { stage.begin(&wanted) };
        session.expect_accepted();
        session.go(None, Duration::from_millis(100), false);
        session.await_frame(Kind::Started);
        session.hang_up_helper();
        std::fs::write(&gone, "").unwrap();
        stage::until("it writes on, though nobody reads", || std::path::Path::new(&mark).exists());
        stage::until("it goes on", || stage::count_processes(&sleep) != 0);
        session.say(&ToMonitor::Terminate { why: "revoked".into() });
        let messages = session.listen_to_the_end();
        assert!(messages.contains(&FromMonitor::Expired), "until it is told to end: {messages:?}");
        stage::until("the command is gone", || stage::count_processes(&sleep) == 0);
    }
}

fn login_shell(stage: &Stage) {
    // As user daemon, whose home is one that it cannot enter, then one that it can.
    let mut wanted = order(&shell("echo $0; pwd"));
    wanted.argv[0] = "-sh".into();
    wanted.target = stage::account("daemon", 1, 1, &[1]);
    wanted.restrictions.cwd = Cwd::Home;
    for (home, folder) in [("/usr", "/usr"), ("/root", "/"), ("/no/such/folder", "/")] {
        wanted.target.home = home.into();
        assert_eq!(stage.run_in("/var", &wanted).stdout, format!("-sh\n{folder}\n"), "{home}");
    }
}
