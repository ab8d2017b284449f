//! The examples of the documents are run, with the built program, on a host of their own: a block that begins with `# PATH` is that file,
//! and what stands behind each `$` in a `console` block must print what follows it. Each section of a document begins anew.
//!
//! As root, as it needs a mount namespace: /etc is another one, and /usr has a few more programs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests may fail as tests do")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Runs each argument as a command, and keeps what it prints.
const HOST: &str = r#"
set -eu
umask 022
mount -t overlay overlay -o ro,lowerdir="$STAGE/usr:/usr" /usr
mount --bind "$STAGE/etc" /etc
echo web-1.example.com >/proc/sys/kernel/hostname
cd "$STAGE/work"
number=0
for command; do
    sh -c "$command" >"$STAGE/said/$number" 2>&1 </dev/null || :
    number=$((number + 1))
done
"#;
const PROGRAMS: [&str; 7] = [
    "bin/systemctl",
    "bin/journalctl",
    "bin/promtool",
    "sbin/nginx",
    "local/sbin/backup",
    "local/sbin/deploy",
    "local/sbin/restore",
];
const PASSWD: &str = "\
root:x:0:0::/root:/bin/bash
alice:x:1000:1000::/home/alice:/bin/bash
bob:x:1001:1001::/home/bob:/bin/bash
backup:x:34:34::/var/backups:/usr/sbin/nologin
deploy:x:998:998::/srv/deploy:/bin/sh
";
const GROUP: &str = "\
root:x:0:
alice:x:1000:
bob:x:1001:
backup:x:34:
deploy:x:998:
web:x:2000:alice
oncall:x:2001:alice,bob
dba:x:2002:bob
";

/// A fenced block: where its lines are in the document.
struct Block<'t> {
    language: &'t str,
    lines: &'t [&'t str],
    /// The number of the first.
    at: usize,
}

impl Block<'_> {
    /// The file that it is.
    fn path(&self) -> Option<&str> {
        self.lines.first()?.strip_prefix("# ").filter(|path| path.contains('.') && !path.contains(' '))
    }

    /// Each command, with the numbers of the lines that it prints.
    fn commands(&self) -> Vec<(String, std::ops::Range<usize>)> {
        let mut commands: Vec<(String, std::ops::Range<usize>)> = Vec::new();
        for (at, line) in (self.at..).zip(self.lines) {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), at + 1..at + 1)),
                (None, Some((_, printed))) => printed.end = at + 1,
                (None, None) => {}
            }
        }
        commands
    }
}

/// The blocks of each section.
fn sections<'t>(lines: &'t [&'t str]) -> Vec<Vec<Block<'t>>> {
    let mut sections = vec![Vec::new()];
    let mut open: Option<(usize, &str)> = None;
    for (at, line) in lines.iter().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(language), None) => open = Some((at + 1, language)),
            (Some(_), Some((start, language))) => {
                let block = Block { language, lines: &lines[start..at], at: start };
                sections.last_mut().unwrap().push(block);
                open = None;
            }
            (None, None) if line.starts_with('#') => sections.push(Vec::new()),
            _ => {}
        }
    }
    sections
}

fn write(path: &Path, text: &str, mode: u32) {
    for folder in path.parent().unwrap().ancestors().take_while(|folder| !folder.exists()) {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What the commands of a section print.
fn run(files: &[&Block<'_>], commands: &[String]) -> Vec<String> {
    let stage = TempDir::new().unwrap();
    let root = stage.path();
    write(&root.join("etc/passwd"), PASSWD, 0o644);
    write(&root.join("etc/group"), GROUP, 0o644);
    write(&root.join("etc/nsswitch.conf"), "passwd: files\ngroup: files\n", 0o644);
    for program in PROGRAMS {
        write(&root.join("usr").join(program), "", 0o755);
    }
    symlink("../bin/systemctl", root.join("usr/sbin/reboot")).unwrap();
    for folder in ["etc/jit-sudo/policy.d", "work", "said"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in files {
        let path = file.path().unwrap();
        let path =
            path.strip_prefix('/').map_or_else(|| root.join("work").join(path), |path| root.join(path));
        write(&path, &(file.lines.join("\n") + "\n"), 0o644);
    }
    let folders =
        Command::new("find").arg(root).args(["-type", "d", "-exec", "chmod", "755", "{}", "+"]).status();
    assert!(folders.unwrap().success());
    let program = Path::new(env!("CARGO_BIN_EXE_jitctl")).parent().unwrap();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--uts", "sh", "-c", HOST, "host"])
        .args(commands)
        .env("STAGE", root)
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program.display()))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the host of the examples could not be made: these tests need root");
    (0..commands.len())
        .map(|at| fs::read_to_string(root.join("said").join(at.to_string())).unwrap())
        .collect()
}

/// The document with what its commands really print.
fn as_it_is(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut printed: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for blocks in sections(&lines) {
        let files: Vec<&Block<'_>> = blocks.iter().filter(|block| block.path().is_some()).collect();
        let (commands, places): (Vec<String>, Vec<_>) =
            blocks.iter().filter(|block| block.language == "console").flat_map(Block::commands).unzip();
        if !commands.is_empty() {
            printed.extend(places.into_iter().zip(run(&files, &commands)));
        }
    }
    assert!(!printed.is_empty(), "nothing was run");
    let mut document = String::new();
    let mut at = 0;
    for (place, said) in printed {
        for line in &lines[at..place.start] {
            document += line;
            document.push('\n');
        }
        document += &said;
        at = place.end;
    }
    for line in &lines[at..] {
        document += line;
        document.push('\n');
    }
    document
}

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

// "a guide that starts from a task […]; every example in it is run by the tests"
#[test]
fn every_command_of_the_policy_guide_prints_what_stands_there() {
    let text = fs::read_to_string(document("policy.md")).unwrap();
    let real = as_it_is(&text);
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("policy.md");
    fs::write(&copy, &real).unwrap();
    let differs = text.lines().zip(real.lines()).position(|(written, said)| written != said);
    let near = |text: &str| text.lines().skip(differs.unwrap_or(0)).take(12).collect::<Vec<_>>().join("\n");
    assert!(
        text == real,
        "from line {} on it is\n{}\nand not\n{}\nall of it is in {}",
        differs.unwrap_or(0) + 1,
        near(&real),
        near(&text),
        copy.display()
    );
}
