//! One edit from end to end, the helper played.

mod checks;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use jit_protocol::edit::{Channel, Kind, Message, pair};
use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{CWD, Mode, XattrFlags, fgetxattr, fsetxattr, mkfifoat};
use rustix::io::Errno;

use crate::check::Check;
use crate::serve;

/// A folder, and the helper's end of an edit in it.
struct Stage {
    folder: tempfile::TempDir,
}

struct Edit {
    channel: Channel<OwnedFd>,
    serving: JoinHandle<io::Result<bool>>,
}

/// What somebody else does to a file.
type Change = fn(&Path);
/// What a helper may not say.
type Wrong = fn(&Channel<OwnedFd>);

impl Stage {
    fn new(files: &[(&str, &str)]) -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            fs::write(stage.path(name), text).unwrap();
        }
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// All names in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn edit(&self, names: &[&str]) -> Edit {
        self.edit_with(names, None)
    }

    fn edit_with(&self, names: &[&str], check: Option<&str>) -> Edit {
        Edit::of(names.iter().map(|name| self.path(name).into()).collect(), check)
    }
}

impl Edit {
    fn of(files: Vec<OsString>, check: Option<&str>) -> Self {
        let (channel, theirs) = pair().unwrap();
        let check = check.map(|text| Check::new(text.as_ref()));
        let serving = std::thread::spawn(move || {
            // What a signal would do to the process, it does to this thread.
            let ends = [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGALRM].into_iter().collect::<SigSet>();
            ends.thread_block().unwrap();
            serve(&Channel::over(theirs), &files, check.as_ref())
        });
        Self { channel, serving }
    }

    fn receive(&self) -> Message {
        self.channel.receive().unwrap()
    }

    /// The contents of the next file; whether it is new.
    fn file(&self) -> (String, bool) {
        let message = self.receive();
        assert_eq!(message.kind, Kind::File, "{message:?}");
        let mut contents = Vec::new();
        self.channel.receive_contents(&mut contents, || Ok(())).unwrap().unwrap();
        (String::from_utf8(contents).unwrap(), message.value == 1)
    }

    /// Skips all contents.
    fn ready(&self) {
        while self.receive().kind != Kind::Ready {}
    }

    /// Saves these; the answer, and what the check said.
    fn save(&self, number: u32, contents: &str) -> (Message, String) {
        self.channel.send(Kind::Save, number, &[]).unwrap();
        self.channel.send_contents(&mut contents.as_bytes(), || Ok(())).unwrap().unwrap();
        let mut said = String::new();
        loop {
            let message = self.receive();
            if message.kind != Kind::Output {
                return (message, said);
            }
            said.push_str(std::str::from_utf8(&message.bytes).unwrap());
        }
    }

    fn saves(&self, number: u32, contents: &str) {
        let (message, _) = self.save(number, contents);
        assert_eq!(message.kind, Kind::Saved, "{}", text(&message));
    }

    /// Why these are not saved.
    fn refuses(&self, number: u32, contents: &str) -> String {
        let (message, _) = self.save(number, contents);
        assert_eq!(message.kind, Kind::NotSaved);
        text(&message)
    }

    fn end(self) -> io::Result<bool> {
        drop(self.channel);
        self.serving.join().unwrap()
    }
}

fn text(message: &Message) -> String {
    String::from_utf8(message.bytes.clone()).unwrap()
}

/// Why nothing can be edited.
fn refusal(files: &[PathBuf]) -> String {
    let edit = Edit::of(files.iter().map(|path| path.clone().into_os_string()).collect(), None);
    let message = edit.receive();
    assert_eq!(message.kind, Kind::Refused, "{files:?}: {message:?}");
    assert!(!edit.end().unwrap());
    text(&message)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn files_are_handed_out_and_what_comes_back_is_saved_again_and_again() {
    let long = "line\n".repeat(50_000);
    let stage = Stage::new(&[("a", "one\n"), ("b", ""), ("c", &long)]);
    let edit = stage.edit(&["a", "b", "c"]);
    for expected in ["one\n", "", &long] {
        assert_eq!(edit.file(), (expected.to_owned(), false));
    }
    assert_eq!(edit.receive().kind, Kind::Ready);
    edit.saves(2, "short\n");
    edit.saves(0, &long);
    edit.saves(0, "two\n");
    edit.saves(1, "");
    assert!(edit.end().unwrap());
    assert_eq!([stage.read("a"), stage.read("b"), stage.read("c")], ["two\n", "", "short\n"]);
    assert_eq!(stage.names(), ["a", "b", "c"]);
}

// Needs root, to give files away; as anybody else it shows that a file that is ours stays so.
#[test]
fn a_saved_file_is_what_it_was_but_for_its_contents() {
    let stage = Stage::new(&[("a", "old")]);
    let path = stage.path("a");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
    }
    set_mode(&path, 0o640);
    let noted = fsetxattr(File::open(&path).unwrap(), c"user.note", b"kept", XattrFlags::empty()).is_ok();
    let before = fs::metadata(&path).unwrap();
    let edit = stage.edit(&["a"]);
    edit.ready();
    edit.saves(0, "new");
    let after = fs::metadata(&path).unwrap();
    let facts = |meta: &fs::Metadata| (meta.uid(), meta.gid(), meta.mode(), meta.nlink());
    assert_eq!(facts(&after), facts(&before));
    assert_ne!(after.ino(), before.ino(), "it was replaced as a whole");
    let mut value = [0; 16];
    let length = fgetxattr(File::open(&path).unwrap(), c"user.note", &mut value);
    assert_eq!(length.is_ok_and(|length| &value[..length] == b"kept"), noted);
}

// A rename would leave the other name with the old contents.
#[test]
fn a_file_with_two_names_is_written_over() {
    let stage = Stage::new(&[("a", "some longer text")]);
    fs::hard_link(stage.path("a"), stage.path("b")).unwrap();
    let edit = stage.edit(&["a"]);
    edit.ready();
    edit.saves(0, "short");
    assert_eq!(stage.read("b"), "short");
    edit.saves(0, "and longer than ever before");
    assert_eq!(stage.read("b"), "and longer than ever before");
    assert_eq!(fs::metadata(stage.path("a")).unwrap().nlink(), 2);
    assert_eq!(stage.names(), ["a", "b"]);
}

#[test]
fn a_new_file_has_the_mode_that_the_mask_leaves() {
    let stage = Stage::new(&[]);
    let edit = stage.edit(&["new"]);
    assert_eq!(edit.file(), (String::new(), true));
    assert_eq!(edit.receive().kind, Kind::Ready);
    assert_eq!(stage.names(), Vec::<String>::new(), "not before it is saved");
    edit.saves(0, "text");
    // Not by umask(2), which other tests in this process would notice.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap().trim();
    let mask = u32::from_str_radix(mask, 8).unwrap();
    let mode = fs::metadata(stage.path("new")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o666 & !mask);
    edit.saves(0, "more text");
    assert_eq!(stage.read("new"), "more text");
}

// CVE-2015-5602 and kin
#[test]
fn nothing_but_a_regular_file_is_opened_and_no_link_is_followed() {
    let stage = Stage::new(&[("a", "x")]);
    fs::create_dir(stage.path("folder")).unwrap();
    fs::write(stage.path("folder/b"), "x").unwrap();
    fs::write(stage.path("setuid"), "x").unwrap();
    set_mode(&stage.path("setuid"), 0o4755);
    symlink("a", stage.path("link")).unwrap();
    symlink("folder", stage.path("way")).unwrap();
    mkfifoat(CWD, stage.path("fifo"), Mode::RUSR).unwrap();
    for (path, why) in [
        (stage.path("link"), "editing symbolic links is not permitted"),
        (stage.path("way/b"), "editing symbolic links is not permitted"),
        (stage.path("folder"), "not a regular file"),
        (stage.path("fifo"), "not a regular file"),
        ("/dev/null".into(), "not a regular file"),
        (stage.path("setuid"), "editing a file with setuid or setgid is not permitted"),
        (stage.path("nope/x"), "No such file or directory (os error 2)"),
        ("/proc/self/cwd/Cargo.toml".into(), "editing symbolic links is not permitted"),
        ("relative".into(), "this is not the path of a file"),
        ("/".into(), "this is not the path of a file"),
    ] {
        let told = refusal(&[stage.path("a"), path.clone()]);
        assert_eq!(told, format!("{}: {why}", path.display()));
    }
    assert_eq!(refusal(&[]), "no files to edit, or too many");
}

#[test]
fn what_somebody_else_changed_meanwhile_is_left_alone() {
    let changes: [(&str, Change); 4] = [
        ("written", |path| fs::write(path, "theirs").unwrap()),
        ("replaced", |path| {
            fs::write(path.with_extension("new"), "theirs").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("a link now", |path| {
            fs::remove_file(path).unwrap();
            symlink("/etc/passwd", path).unwrap();
        }),
        ("gone", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, change) in changes {
        let stage = Stage::new(&[("a", "old")]);
        let edit = stage.edit(&["a"]);
        edit.ready();
        change(&stage.path("a"));
        assert_eq!(edit.refuses(0, "ours"), "somebody else has changed it meanwhile", "{what}");
        assert!(stage.names().len() <= 1, "{what}: {:?}", stage.names());
        if what == "written" || what == "replaced" {
            assert_eq!(stage.read("a"), "theirs");
        }
    }
    let stage = Stage::new(&[]);
    let edit = stage.edit(&["new"]);
    edit.ready();
    fs::write(stage.path("new"), "theirs").unwrap();
    assert_eq!(edit.refuses(0, "ours"), "somebody else has changed it meanwhile");
    assert_eq!(stage.read("new"), "theirs");
}

#[test]
fn a_helper_that_breaks_the_protocol_or_leaves_changes_nothing() {
    let wrongs: [(&str, Wrong); 6] = [
        ("no such file", |channel| channel.send(Kind::Save, 1, &[]).unwrap()),
        ("far away", |channel| channel.send(Kind::Save, u32::MAX, &[]).unwrap()),
        ("not its word", |channel| channel.send(Kind::Saved, 0, &[]).unwrap()),
        ("contents of nothing", |channel| channel.send(Kind::Data, 0, b"x").unwrap()),
        ("no contents", |channel| {
            channel.send(Kind::Save, 0, &[]).unwrap();
            channel.send(Kind::Save, 0, &[]).unwrap();
        }),
        ("half of the contents", |channel| {
            channel.send(Kind::Save, 0, &[]).unwrap();
            channel.send(Kind::Data, 0, b"ne").unwrap();
        }),
    ];
    for (what, wrong) in wrongs {
        let stage = Stage::new(&[("a", "old")]);
        let edit = stage.edit(&["a"]);
        edit.ready();
        wrong(&edit.channel);
        assert!(edit.end().is_err(), "{what}");
        assert_eq!((stage.read("a").as_str(), stage.names()), ("old", vec!["a".to_owned()]), "{what}");
    }
}

#[test]
fn the_longest_names_leave_room_for_one_beside_them() {
    let name = "x".repeat(255);
    let stage = Stage::new(&[(&name, "old")]);
    let edit = stage.edit(&[&name]);
    edit.ready();
    edit.saves(0, "new");
    assert_eq!((stage.read(&name).as_str(), stage.names().len()), ("new", 1));
}

// What a folder gives to files that are made in it was not given to this one.
#[test]
fn a_saved_file_has_no_access_list_but_its_own() {
    const SOMEBODY: u32 = 1234;
    let stage = Stage::new(&[("a", "old")]);
    set_mode(&stage.path("a"), 0o660);
    let entries =
        [(1, 7, u32::MAX), (2, 7, SOMEBODY), (4, 7, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, may, id) in entries {
        list.extend([u16::to_le_bytes(tag), u16::to_le_bytes(may)].concat());
        list.extend(u32::to_le_bytes(id));
    }
    let folder = File::open(stage.folder.path()).unwrap();
    fsetxattr(&folder, c"system.posix_acl_default", &list, XattrFlags::empty()).unwrap();
    let edit = stage.edit(&["a"]);
    edit.ready();
    edit.saves(0, "new");
    let file = File::open(stage.path("a")).unwrap();
    assert_eq!(fgetxattr(&file, c"system.posix_acl_access", &mut [0; 256]), Err(Errno::NODATA));
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o660);
    // One of its own it keeps.
    fsetxattr(&file, c"system.posix_acl_access", &list, XattrFlags::empty()).unwrap();
    let edit = stage.edit(&["a"]);
    edit.ready();
    edit.saves(0, "newer");
    let mut kept = [0; 256];
    let length =
        fgetxattr(File::open(stage.path("a")).unwrap(), c"system.posix_acl_access", &mut kept).unwrap();
    assert_eq!(kept[..length], list);
}
