//! `policy format`.

use super::{Host, told};
use crate::commands::policy::format::Format as Formatted;
use crate::failure::Failure;
use crate::output::tests::Captured;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn format(files: &[&Path], change: impl FnOnce(&mut Formatted)) -> (bool, String) {
    let files = files.iter().map(|file| file.to_path_buf()).collect();
    let mut format = Formatted { files, check: false, write: false };
    change(&mut format);
    let captured = Captured::default();
    match format.run(&mut captured.output()) {
        Ok(()) => (true, captured.text()),
        Err(Failure::Told) => (false, captured.text()),
        Err(other) => (false, told(Err(other)).unwrap_err()),
    }
}

#[test]
fn a_file_is_printed_checked_or_written_in_its_canonical_form() {
    let host = Host::new();
    let file = host.write("a.toml", "schema=1\n# \ta comment\n[sets.users]\nx=[]\n");
    let good = host.write("b.toml", "schema = 1\n");
    let canonical = "schema = 1\n\n# \ta comment\n[sets.users]\nx = []\n";
    assert_eq!(format(&[&file], |_| {}), (true, canonical.to_owned()));
    assert_eq!(
        format(&[&file, &good], |format| format.check = true),
        (false, format!("{}\n", file.display()))
    );
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let link = host.root.path().join("link.toml");
    symlink(&file, &link).unwrap();
    assert_eq!(format(&[&link, &good], |format| format.write = true), (true, String::new()));
    assert_eq!(fs::read_to_string(&file).unwrap(), canonical);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(format(&[&file, &good], |format| format.check = true), (true, String::new()));
    let left: Vec<_> =
        fs::read_dir(host.root.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn a_file_that_is_not_toml_is_left_as_it_is() {
    let host = Host::new();
    let file = host.write("a.toml", "schema = = 1\n");
    let (ok, text) = format(&[&file], |format| format.write = true);
    assert!(!ok && text.contains("a.toml:1:10"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "schema = = 1\n");
    assert!(format(&[&file, &file], |_| {}).1.contains("--check or --write"));
}
