//! Files of others. In sudoers `NUL` begins the next file that `@include` may name: `a`, `b`, …

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jit_policy::Diagnostics;
use jit_policy::import::{Files, ImportOptions, Imported, Unread, import_doas, import_sudoers};

use crate::world::load;

struct InMemory(BTreeMap<String, Vec<u8>>);

impl Files for InMemory {
    fn read(&self, path: &str) -> Result<Vec<u8>, Unread> {
        self.0.get(path).cloned().ok_or_else(|| Unread::ByNobody("there is no such file".to_owned()))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Unread> {
        let names = self.0.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        Ok(names.map(str::to_owned).collect())
    }

    fn host(&self) -> String {
        "web-1".to_owned()
    }

    fn is_program(&self, path: &str) -> bool {
        path.starts_with("/bin/")
    }
}

type Import = fn(&str, &dyn Files, &ImportOptions) -> Result<Imported, Diagnostics>;

pub(crate) fn sudoers(bytes: &[u8]) {
    let files = bytes.split(|byte| *byte == 0).zip(b'`'..=b'z');
    let named = files.map(|(text, letter)| {
        let name = if letter == b'`' { "sudoers".to_owned() } else { char::from(letter).to_string() };
        (format!("/etc/{name}"), text.to_vec())
    });
    import(import_sudoers, "/etc/sudoers", named.collect());
}

pub(crate) fn doas(bytes: &[u8]) {
    import(import_doas, "/etc/doas.conf", [("/etc/doas.conf".to_owned(), bytes.to_vec())].into());
}

/// What is read is written as a policy with as many rules as are told, and the same again for the same files.
fn import(import: Import, path: &str, files: BTreeMap<String, Vec<u8>>) {
    let files = InMemory(files);
    for exact in [false, true] {
        let options = ImportOptions { exact, zone: TimeZone::UTC, made_by: "the fuzzer".to_owned() };
        match import(path, &files, &options) {
            Err(found) => assert!(!found.render().is_empty()),
            Ok(imported) => {
                let policy =
                    load(&imported.text).unwrap_or_else(|found| panic!("{found}\n{}", imported.text));
                assert_eq!(policy.rules().count(), imported.rules, "{}", imported.text);
                let again = import(path, &files, &options).expect("the same again");
                assert_eq!(imported.text, again.text);
            }
        }
    }
}
