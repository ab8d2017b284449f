use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A root folder of our own with `/usr/bin/id` and more.
fn tree() -> (tempfile::TempDir, OwnedFd) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::create_dir_all(root.join("srv/free")).unwrap();
    for name in ["usr/bin/id", "usr/bin/busybox", "srv/free/tool"] {
        fs::write(root.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    for name in ["", "usr", "usr/bin", "srv"] {
        fs::set_permissions(root.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(root.join("srv/free"), PermissionsExt::from_mode(0o1777)).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("busybox", root.join("usr/bin/vi")).unwrap();
    symlink("/srv/free/tool", root.join("usr/bin/tool")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("../../../../etc/passwd", root.join("out")).unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let descriptor = openat(rustix::fs::CWD, root, flags, Mode::empty()).unwrap();
    (folder, descriptor)
}

// "the name that was asked for, its folder resolved, its last component not"
#[test]
fn folders_are_resolved_and_the_last_component_is_not() {
    let (_folder, root) = tree();
    for (asked, path, leads_to) in [
        ("/bin/id", "/usr/bin/id", "/usr/bin/id"),
        ("/usr/bin/id", "/usr/bin/id", "/usr/bin/id"),
        ("//usr/./bin//id", "/usr/bin/id", "/usr/bin/id"),
        ("/usr/bin/../../bin/id", "/usr/bin/id", "/usr/bin/id"),
        ("/../../usr/bin/id", "/usr/bin/id", "/usr/bin/id"),
        ("/bin/vi", "/usr/bin/vi", "/usr/bin/busybox"),
        ("/bin/tool", "/usr/bin/tool", "/srv/free/tool"),
        ("/bin", "/bin", "/usr/bin"),
        ("/bin/", "/bin", "/usr/bin"),
        ("/bin/..", "/usr", "/usr"),
        ("/", "/", "/"),
    ] {
        let found = resolve(root.as_fd(), asked.as_bytes()).unwrap_or_else(|why| panic!("{asked}: {why}"));
        assert_eq!(String::from_utf8_lossy(&found.path), path, "{asked}");
        assert_eq!(String::from_utf8_lossy(&found.leads_to), leads_to, "{asked}");
        assert!(exists(root.as_fd(), asked.as_bytes()), "{asked}");
    }
}

#[test]
fn what_leads_nowhere_is_an_error() {
    let (_folder, root) = tree();
    for (asked, why) in [
        ("usr/bin/id", PathError::Invalid),
        ("", PathError::Invalid),
        ("/usr/bin/nope", PathError::NotFound),
        ("/usr/bin/id/", PathError::NotFound),
        ("/usr/bin/id/.", PathError::NotFound),
        ("/usr/bin/id/x", PathError::NotFound),
        ("/usr/bin/id/..", PathError::NotFound),
        ("/loop", PathError::TooManyLinks),
        ("/out", PathError::NotFound),
    ] {
        assert_eq!(resolve(root.as_fd(), asked.as_bytes()).unwrap_err(), why, "{asked}");
        assert!(!exists(root.as_fd(), asked.as_bytes()) || why != PathError::NotFound, "{asked}");
    }
    assert_eq!(resolve(root.as_fd(), &[b'/'; 5000]), Err(PathError::Invalid));
    assert_eq!(resolve(root.as_fd(), b"/usr\0/x"), Err(PathError::Invalid));
}

// Rule 7: "every component of the path is root-owned and writable by nobody else". Needs root to make root's files.
#[test]
fn a_path_that_others_can_change_is_not_trusted() {
    let (folder, root) = tree();
    let changeable = |asked: &str| {
        let found = resolve(root.as_fd(), asked.as_bytes()).unwrap();
        found.changeable.map(|path| String::from_utf8(path).unwrap())
    };
    if !rustix::process::geteuid().is_root() {
        assert_eq!(changeable("/usr/bin/id").as_deref(), Some("/"), "ours, not root's");
        return;
    }
    assert_eq!(changeable("/usr/bin/id"), None);
    assert_eq!(changeable("/bin/vi"), None);
    assert_eq!(changeable("/srv/free/tool").as_deref(), Some("/srv/free"), "sticky is not enough");
    assert_eq!(changeable("/bin/tool").as_deref(), Some("/srv/free"), "the way of a link's target counts");
    for (name, mode) in [("usr/bin/id", 0o775), ("usr/bin/id", 0o757), ("usr", 0o775)] {
        fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
        assert!(changeable("/usr/bin/id").is_some(), "{name} {mode:o}");
        fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::lchown(folder.path().join("bin"), Some(1), Some(1)).unwrap();
    assert_eq!(changeable("/bin/id").as_deref(), Some("/bin"), "the link is another's");
    std::os::unix::fs::chown(folder.path().join("usr/bin/id"), Some(1), None).unwrap();
    assert_eq!(changeable("/usr/bin/id").as_deref(), Some("/usr/bin/id"));
    assert!(resolve(root.as_fd(), b"/usr/bin/id").unwrap().is_writable_by(1));
}

#[test]
fn only_a_regular_file_with_an_execute_bit_is_executable() {
    let (folder, root) = tree();
    let executable = |asked: &str| resolve(root.as_fd(), asked.as_bytes()).unwrap().is_executable();
    assert!(executable("/usr/bin/id"));
    assert!(executable("/bin/vi"));
    assert!(!executable("/usr/bin"));
    fs::set_permissions(folder.path().join("usr/bin/id"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(!executable("/usr/bin/id"));
}

#[test]
fn facts_are_those_of_the_file_that_the_path_leads_to() {
    use std::os::unix::fs::MetadataExt;
    let (folder, root) = tree();
    let file = resolve(root.as_fd(), b"/bin/vi").unwrap().file;
    let metadata = fs::metadata(folder.path().join("usr/bin/busybox")).unwrap();
    assert_eq!((file.device, file.inode), (metadata.dev(), metadata.ino()));
    let modified = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    assert_eq!(file.modified, modified);
}

#[test]
fn a_folder_resolves_only_if_it_is_one() {
    let (_folder, root) = tree();
    assert_eq!(resolve_folder(root.as_fd(), "/bin").as_deref(), Some("/usr/bin"));
    assert_eq!(resolve_folder(root.as_fd(), "/bin/id"), None);
    assert_eq!(resolve_folder(root.as_fd(), "/nope"), None);
}

// CVE-2021-23239: existence of folders.
#[test]
fn a_roundabout_way_is_open_to_those_who_may_go_it() {
    let (folder, root) = tree();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("closed/open/inner")).unwrap();
    for (name, uid, gid, mode) in
        [("closed", 1000, 1001, 0o710), ("closed/open", 0, 0, 0o755), ("closed/open/inner", 0, 0, 0o755)]
    {
        std::os::unix::fs::chown(at(name), Some(uid), Some(gid)).unwrap();
        fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    symlink("open/inner/../..", at("closed/roots")).unwrap();
    symlink("open/inner/../..", at("closed/users")).unwrap();
    std::os::unix::fs::lchown(at("closed/users"), Some(1000), None).unwrap();
    for (path, is_told) in [
        ("/closed/open/inner", true),
        ("/closed/roots/open", true),
        ("/usr/bin/../bin/id", true),
        ("/closed/../usr/bin/id", false),
        ("/closed/open/../../usr/bin/id", false),
        ("/usr/../closed/open/inner/../../../usr/bin/id", false),
        ("/closed/open/../open/inner", false),
        ("/closed/users/open", false),
    ] {
        let found = resolve(root.as_fd(), path.as_bytes()).unwrap();
        for (uid, groups, is_open) in
            [(0, &[][..], true), (1000, &[], true), (1002, &[5, 1001], true), (1002, &[5, 1000], is_told)]
        {
            assert_eq!(found.is_open_to(uid, groups), is_open, "{path} for {uid} {groups:?}");
        }
    }
    fs::set_permissions(at("closed"), PermissionsExt::from_mode(0o077)).unwrap();
    let found = resolve(root.as_fd(), b"/closed/../usr/bin/id").unwrap();
    assert!(!found.is_open_to(1000, &[1001]), "an owner has the owner's rights alone");
}

#[test]
fn an_entry_is_a_name_in_a_resolved_folder_whatever_has_it() {
    let (_folder, root) = tree();
    let kind = |asked: &str| {
        let found = entry(root.as_fd(), asked.as_bytes())?;
        let path = String::from_utf8(found.path).unwrap();
        Ok((path, found.file.map(|file| (file.is_regular(), file.is_link()))))
    };
    for (asked, path, file) in [
        ("/bin/id", "/usr/bin/id", Some((true, false))),
        ("/usr/../bin//id", "/usr/bin/id", Some((true, false))),
        ("/bin/vi", "/usr/bin/vi", Some((false, true))),
        ("/bin/new", "/usr/bin/new", None),
        ("/usr", "/usr", Some((false, false))),
        ("/new", "/new", None),
    ] {
        assert_eq!(kind(asked), Ok((path.to_owned(), file)), "{asked}");
    }
    for (asked, why) in [
        ("/usr/", PathError::Invalid),
        ("/usr/..", PathError::Invalid),
        ("/", PathError::Invalid),
        ("new", PathError::Invalid),
        ("/nope/new", PathError::NotFound),
        ("/bin/id/new", PathError::NotFound),
        ("/loop/new", PathError::TooManyLinks),
    ] {
        assert_eq!(kind(asked), Err(why), "{asked}");
    }
}

// CVE-2015-5602 and kin: who can write a folder on the way chooses the file.
#[test]
fn an_entry_is_changeable_by_who_can_write_its_way() {
    let (folder, root) = tree();
    let changeable = |asked: &str, uid| entry(root.as_fd(), asked.as_bytes()).unwrap().is_changeable_by(uid);
    fs::set_permissions(folder.path().join("usr/bin/id"), PermissionsExt::from_mode(0o666)).unwrap();
    let owner = rustix::process::geteuid().as_raw();
    assert!(!changeable("/usr/bin/id", owner + 1), "the file itself does not matter");
    assert!(changeable("/srv/free/tool", owner + 1), "sticky or not");
    assert!(changeable("/usr/bin/id", owner));
    fs::set_permissions(folder.path().join("usr"), PermissionsExt::from_mode(0o775)).unwrap();
    assert!(changeable("/usr/bin/id", owner + 1));
}
