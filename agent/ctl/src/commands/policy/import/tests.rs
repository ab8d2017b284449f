//! Files that the test writes; what is told on standard error is the library's.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::{Import, ImportDoas, ImportSudoers};
use crate::failure::Failure;
use crate::output::tests::Captured;

struct Host(TempDir);

impl Host {
    fn new(sudoers: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.write("sudoers", sudoers, 0o440);
        host
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn import(&self, change: impl FnOnce(&mut Import)) -> Result<String, Failure> {
        let captured = Captured::default();
        let file = self.0.path().join("sudoers");
        let mut import = Import { file, exact: false, strict: false, policy: None };
        change(&mut import);
        ImportSudoers { import, watch: false }.run(&mut captured.output()).map(|()| captured.text())
    }
}

#[test]
fn a_policy_is_printed_and_strict_is_strict() {
    let host = Host::new("alice ALL = ALL\n");
    let text = host.import(|import| import.strict = true).unwrap();
    assert!(text.starts_with("# Made by `jitctl policy import-sudoers /"), "{text}");
    assert!(text.contains("\nusers = [\"alice\"]\n") && !text.contains("trusted_path"), "{text}");
    assert!(host.import(|import| import.exact = true).unwrap().contains("trusted_path = false"));
    host.write("sudoers", "alice ALL = ALL\n+net ALL = ALL\n", 0o440);
    assert!(host.import(|_| ()).is_ok());
    assert!(matches!(host.import(|import| import.strict = true), Err(Failure::Refused { .. })));
}

#[test]
fn a_mistake_or_a_missing_file_is_a_failure() {
    let host = Host::new("alice ALL = id\n");
    let Err(Failure::Refused { what, hint }) = host.import(|_| ()) else { panic!("it was taken") };
    assert!(what.contains("has 1 mistake\n") && what.contains('^') && !hint.is_empty(), "{what}");
    assert!(host.import(|import| import.file = "/nonexistent".into()).is_err());
    assert!(host.import(|import| import.file = "/proc".into()).is_err());
}

// sudo does not read such files either.
#[test]
fn included_files_that_others_can_write_are_not_read() {
    let host = Host::new("@includedir sudoers.d\n@include other\n");
    host.write("sudoers.d/10-a", "alice ALL = ALL\n", 0o440);
    host.write("sudoers.d/20-b", "bob ALL = ALL\n", 0o666);
    host.write("sudoers.d/30.c", "carol ALL = ALL\n", 0o440);
    fs::create_dir(host.0.path().join("sudoers.d/folder")).unwrap();
    host.write("other", "dave ALL = ALL\n", 0o442);
    let text = host.import(|_| ()).unwrap();
    let has = |name: &str| text.contains(&format!("users = [\"{name}\"]"));
    assert!(has("alice") && !has("bob") && !has("carol") && !has("dave"), "{text}");
}

// In such a folder others can give the file another name; and sudo does not read from it either.
#[test]
fn a_folder_or_a_file_that_others_can_write_is_not_read() {
    let host = Host::new("alice ALL = ALL\n@includedir sudoers.d\n");
    host.write("sudoers.d/10-a", "bob ALL = ALL\n", 0o440);
    let mode = |name: &str, mode| {
        fs::set_permissions(host.0.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (folder, read) in [(0o755, true), (0o757, false)] {
        mode("sudoers.d", folder);
        let text = host.import(|_| ()).unwrap();
        assert_eq!(text.contains("users = [\"bob\"]"), read, "{folder:o}\n{text}");
    }
    mode("sudoers", 0o446);
    assert!(
        matches!(host.import(|_| ()), Err(Failure::Refused { what, .. }) if what.contains("others can write"))
    );
}

// sudo reads it: what it takes away would be lost.
#[test]
fn a_name_in_a_folder_that_is_not_utf_8_is_a_mistake() {
    use std::os::unix::ffi::OsStringExt;
    let host = Host::new("alice ALL = ALL\n@includedir sudoers.d\n");
    host.write("sudoers.d/10-a", "", 0o440);
    let name = std::ffi::OsString::from_vec(b"sudoers.d/20-\xff".to_vec());
    fs::write(host.0.path().join(name), "alice ALL = !ALL\n").unwrap();
    assert!(matches!(host.import(|_| ()), Err(Failure::Refused { what, .. }) if what.contains("not UTF-8")));
}

#[test]
fn a_policy_file_is_replaced_in_one_step_or_not_at_all() {
    let host = Host::new("alice ALL = ALL\n");
    let policy = host.0.path().join("50-sudoers.toml");
    let written = || fs::read_to_string(&policy).unwrap_or_default();
    let write = |strict| {
        host.import(|import| {
            import.policy = Some(policy.clone());
            import.strict = strict;
        })
    };
    assert_eq!(write(true).unwrap(), "");
    let first = written();
    assert!(first.contains("\"alice\""), "{first}");
    assert_eq!(fs::metadata(&policy).unwrap().permissions().mode() & 0o777, 0o644);
    // A leftover is neither written into nor followed.
    std::os::unix::fs::symlink("/etc/passwd", host.0.path().join(".50-sudoers.toml.new")).unwrap();
    for mistake in ["alice ALL = id\n", "alice ALL = NOEXEC: /bin/x\n"] {
        host.write("sudoers", mistake, 0o640);
        assert!(write(true).is_err(), "{mistake}");
        assert_eq!(written(), first);
    }
    assert!(write(false).is_ok());
    assert_ne!(written(), first);
    assert!(!host.0.path().join(".50-sudoers.toml.new").exists());
}

#[test]
fn a_doas_conf_is_imported_too() {
    let host = Host::new("permit nopass alice cmd /usr/bin/id\n");
    let captured = Captured::default();
    let file = host.0.path().join("sudoers");
    let import = Import { file, exact: false, strict: true, policy: None };
    ImportDoas { import }.run(&mut captured.output()).unwrap();
    assert!(captured.text().contains("id = \"doas-alice-id\""), "{}", captured.text());
}

// The last line that matches counts: without its end a file says something else.
#[test]
fn a_file_that_is_too_long_is_no_file_up_to_there() {
    let host = Host::new("");
    let filler = "#".repeat(99) + "\n";
    let (permit, deny) = ("permit alice\n", "deny alice\n");
    host.write("sudoers", &format!("{permit}{}{deny}", filler.repeat(60_000)), 0o440);
    let file = host.0.path().join("sudoers");
    let import = Import { file, exact: false, strict: false, policy: None };
    let done = ImportDoas { import }.run(&mut Captured::default().output());
    assert!(matches!(done, Err(Failure::Refused { what, .. }) if what.contains("longer than 4 MiB")));
}

/// Makes something else than a file.
type Make = fn(&std::path::Path);

// `-o /dev/null` is no order to put a file in its place, and nothing waits for somebody to write into a pipe.
#[test]
fn only_a_plain_file_is_replaced() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let host = Host::new("alice ALL = ALL\n");
    let text = host.import(|_| ()).unwrap();
    host.write("other", &text, 0o644);
    let kinds: [(&str, Make); 4] = [
        ("pipe", |path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap()),
        ("folder", |path| fs::create_dir(path).unwrap()),
        ("link", |path| std::os::unix::fs::symlink("/dev/null", path).unwrap()),
        // Somebody else's, who could write another policy into it.
        ("link to the same", |path| std::os::unix::fs::symlink("other", path).unwrap()),
    ];
    for (kind, make) in kinds {
        let policy = host.0.path().join(kind);
        make(&policy);
        let before = fs::symlink_metadata(&policy).unwrap().file_type();
        let written = host.import(|import| import.policy = Some(policy.clone()));
        assert!(
            matches!(written, Err(Failure::Refused { what, .. }) if what.contains("no plain file")),
            "{kind}"
        );
        assert_eq!(fs::symlink_metadata(&policy).unwrap().file_type(), before, "{kind}");
    }
}
