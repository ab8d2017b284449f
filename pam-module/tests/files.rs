//! The list of those who are gated, on a disk where anything may lie in its place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code fails by panicking"
)]

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use pam_jit::account::GatedFile;
use pam_jit::files::{MAX_SIZE, RootFile};

type Change = Box<dyn FnOnce(&Path)>;

/// A folder as root makes it, with the list in it.
fn with_list(change: impl FnOnce(&Path)) -> std::io::Result<Option<Vec<u8>>> {
    assert!(rustix::process::geteuid().is_root(), "this test gives files away: run it as root");
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("gated");
    fs::write(&list, "text").unwrap();
    set_mode(&list, 0o644);
    change(&list);
    RootFile::at(list).read()
}

#[test]
fn roots_own_file_is_read() {
    assert_eq!(with_list(|_| {}).unwrap().unwrap(), b"text");
    assert_eq!(with_list(|list| fs::write(list, "").unwrap()).unwrap().unwrap(), b"");
}

#[test]
fn no_file_and_no_folder_are_no_error() {
    assert_eq!(with_list(|list| fs::remove_file(list).unwrap()).unwrap(), None);
    assert_eq!(with_list(|list| fs::remove_dir_all(list.parent().unwrap()).unwrap()).unwrap(), None);
}

/// CVE-2025-6020 and its kind: nothing in the file's place is followed, waited for or believed.
#[test]
fn cve_2025_6020_what_others_could_have_put_there_is_refused_at_once() {
    let replace = |command: &'static str| {
        move |list: &Path| {
            fs::remove_file(list).unwrap();
            let done = std::process::Command::new("sh").arg("-c").arg(command).arg("sh").arg(list).status();
            assert!(done.unwrap().success(), "{command}");
        }
    };
    let cases: Vec<(&str, Change)> = vec![
        ("writable by the group", Box::new(|list| set_mode(list, 0o664))),
        ("writable by all", Box::new(|list| set_mode(list, 0o646))),
        ("another's", Box::new(|list| chown(list, Some(65534), None).unwrap())),
        (
            "a link",
            Box::new(|list: &Path| {
                let real = list.with_file_name("real");
                fs::rename(list, &real).unwrap();
                symlink(&real, list).unwrap();
            }),
        ),
        ("a link to nothing", Box::new(replace("ln -s /nowhere/at/all \"$1\""))),
        ("a folder", Box::new(replace("mkdir \"$1\""))),
        ("a pipe that nobody writes", Box::new(replace("mkfifo -m 644 \"$1\""))),
        ("an endless device", Box::new(replace("mknod -m 644 \"$1\" c 1 5"))),
        (
            "too large",
            Box::new(|list| {
                fs::File::options().write(true).open(list).unwrap().set_len(MAX_SIZE + 1).unwrap();
            }),
        ),
        ("in a folder that all can change", Box::new(|list| set_mode(list.parent().unwrap(), 0o777))),
        (
            "missing in a folder that all can change",
            Box::new(|list| {
                fs::remove_file(list).unwrap();
                set_mode(list.parent().unwrap(), 0o1777);
            }),
        ),
        (
            "missing in another's folder",
            Box::new(|list| {
                fs::remove_file(list).unwrap();
                chown(list.parent().unwrap(), Some(65534), None).unwrap();
            }),
        ),
    ];
    for (case, change) in cases {
        assert!(with_list(change).is_err(), "{case}");
    }
}

fn set_mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
}

#[test]
fn a_path_through_a_file_is_an_error_and_not_an_absence() {
    let through = with_list(|_| {}).unwrap().map(|_| tempfile::NamedTempFile::new().unwrap()).unwrap();
    let read = RootFile::at(through.path().join("folder/gated")).read();
    assert_ne!(read.unwrap_err().kind(), ErrorKind::NotFound);
}
