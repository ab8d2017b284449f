//! A password leaves no trace: not in the memory of any process of ours once it was checked, not in a file, not in a
//! core dump. Looked for from the host, which sees the guest's processes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jit_tests::{Guest, Secret};

use crate::eligible;

/// The guest's processes of this name, by the host's numbers.
fn processes(guest: &Guest, name: &str) -> Vec<u32> {
    let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let here = namespace(guest.init());
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let named =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
    pids.filter(|pid| namespace(*pid) == here && named(pid)).collect()
}

/// All of ours: agent, spawner, two idle monitors; and with a session its monitor and its helper.
fn ours(guest: &Guest, with_session: bool) -> Vec<u32> {
    let [agent, spawner, helper] =
        ["jit-agentd", "jit-spawner", "jit-sudo"].map(|name| processes(guest, name));
    let least = if with_session { (1, 4, 1) } else { (1, 3, 0) };
    let found = (agent.len(), spawner.len(), helper.len());
    assert!(found.0 == least.0 && found.1 >= least.1 && found.2 == least.2, "there are {found:?}");
    [agent, spawner, helper].concat()
}

#[track_caller]
fn nowhere_in_memory(secrets: &[&Secret], processes: &[u32]) {
    let places = |secret: &Secret| processes.iter().flat_map(|pid| secret.places_in_process(*pid)).collect();
    let found: Vec<String> = secrets.iter().flat_map(|secret| -> Vec<String> { places(secret) }).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Types a wrong password, or has it read from a file, then the right one; the command runs; it ends.
fn authenticate(user: &str, options: &str, typed: bool) {
    let (guest, _policy) = eligible(user, "");
    let [wrong, right] = [Secret::random(), Secret::random()];
    let line = format!("{user}:{}\n", right.text());
    guest.sh_with_input("chpasswd", line.as_bytes(), Duration::from_secs(10)).success();
    let answers = format!("/home/{user}/answers");
    let lines = if typed { String::new() } else { format!("{}\n{}\n", wrong.text(), right.text()) };
    guest.write(&answers, lines.as_bytes());
    let mark = format!("/usr/bin/sleep 1000.{}", user.len());
    let mut terminal = guest.as_user(user).terminal(&format!("jit-sudo {options} {mark}"));
    if typed {
        terminal.expect("assword").type_line(wrong.text()).expect("again").expect("assword");
        nowhere_in_memory(&[&wrong], &ours(guest, true));
        terminal.type_line(right.text());
    }
    guest.until(&format!("pgrep --full '^{mark}'"), Duration::from_secs(40));
    nowhere_in_memory(&[&wrong, &right], &ours(guest, true));
    terminal.press_ctrl('c');
    terminal.finish().never_shows(wrong.text()).never_shows(right.text());
    guest.until(&format!("! jitctl sessions --all --json | grep -q {user}"), Duration::from_secs(40));
    nowhere_in_memory(&[&wrong, &right], &ours(guest, false));

    guest.sh(&format!("rm {answers}; sync; journalctl --sync")).success();
    let journal = guest.sh("journalctl --no-pager --all --output=export").success().stdout;
    let root = PathBuf::from(format!("/proc/{}/root", guest.init()));
    for secret in [&wrong, &right] {
        assert_eq!(secret.count_in(journal.as_bytes()), 0, "in the journal");
        for folder in ["var", "run", "tmp", "home", "root", "etc"] {
            let files = secret.files_below(&root.join(folder));
            assert!(files.is_empty(), "{files:?}");
        }
    }
    assert!(journal.contains("authentication.failed") && journal.contains(user), "it is the right journal");
}

#[test]
fn a_typed_password_is_nowhere_once_it_was_checked() {
    authenticate("canute", "", true);
}

#[test]
fn a_password_on_stdin_is_nowhere_once_it_was_checked() {
    authenticate("canada", "-S <answers", false);
}

/// A core dump would hold what was just typed. A fault of a program's own cannot be blocked as a signal can.
#[test]
fn a_crash_leaves_no_core() {
    let (guest, _policy) = eligible("cora", "");
    guest.sh("touch /run/before; sleep 0.1").success();
    let cores = || {
        let found = guest.sh("find / /run /tmp -xdev -type f -name '*core*' -newer /run/before").stdout;
        guest.sh("find /tmp -xdev -type f -name '*core*' -delete");
        found
    };
    // Where the kernel writes files (and no program takes them, which only the host can say), this finds them.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    guest.sh("cd /tmp; ulimit -c unlimited; sleep 10 & kill -ABRT $!; wait");
    assert!(!cores().is_empty() || pattern.starts_with(['|', '/', '@']), "no core of another with {pattern}");

    let line = "ulimit -c unlimited; cd /tmp; jit-sudo /usr/bin/sleep 1000.99";
    let mut terminal = guest.as_user("cora").terminal(line);
    terminal.expect("assword").type_line(crate::PASSWORD);
    guest.until("pgrep --full '^/usr/bin/sleep 1000.99'", Duration::from_secs(40));
    let all = ours(guest, true);
    for pid in &all {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        let hidden = core.split_whitespace().nth(4) == Some("0");
        assert!(hidden || name.trim() == "jit-sudo", "{name}: {core}");
        break_code(*pid);
    }
    // The helper hears of the window, the monitor of the helper, the spawner of the monitor, the agent of all of them.
    terminal.resize(50, 150);
    let _ = terminal.finish();
    guest.sh("jitctl status");
    let gone = |pid: &u32| !PathBuf::from(format!("/proc/{pid}")).exists();
    let end = Instant::now() + Duration::from_secs(10);
    while !all.iter().all(gone) {
        let left: Vec<&u32> = all.iter().filter(|pid| !gone(pid)).collect();
        assert!(Instant::now() < end, "of {all:?} these live: {left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(cores(), "");
    guest.until("jit-sudo -n true", Duration::from_secs(40));
}

/// The instruction that it would execute next is none.
fn break_code(pid: u32) {
    let illegal: &[u8] = if cfg!(target_arch = "aarch64") { &[0; 4] } else { &[0x0f, 0x0b] };
    let end = Instant::now() + Duration::from_secs(10);
    let next = loop {
        // Where it waits; while it runs, nobody knows.
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap();
        let next = call.split_whitespace().last().and_then(|word| word.strip_prefix("0x"));
        if let Some(next) = next {
            break u64::from_str_radix(next, 16).unwrap();
        }
        assert!(Instant::now() < end, "process {pid} never waits: {call}");
        std::thread::sleep(Duration::from_millis(5));
    };
    let memory = File::options().write(true).open(format!("/proc/{pid}/mem")).unwrap();
    memory.write_all_at(illegal, next).unwrap();
}
