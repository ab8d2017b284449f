//! Policy files, as the caller read them, and which of them count.

use std::collections::BTreeMap;

/// One policy file. The caller has checked its owner and mode.
#[derive(Clone, Debug)]
pub struct Source {
    /// The base name, for example `20-admins.toml`.
    pub name: String,
    /// The whole path, for messages.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// What names in rules mean on the host. Supplied by the caller, asked only while a policy is loaded.
pub trait Surroundings {
    /// The folder without `.`, `..` and links; `None` if it does not exist: then it stays as written.
    fn canonical_folder(&self, folder: &str) -> Option<String>;

    /// Whether there is a time zone with this name, so that one that is not is a mistake; `None` if that is not told:
    /// then a rule that names it does not hold, see [`crate::Policy::inert`].
    fn has_zone(&self, zone: &str) -> Option<bool> {
        let _ = zone;
        None
    }
}

/// Leaves every name as it is written, for tests and for checking a policy away from its host.
#[derive(Clone, Copy, Debug)]
pub struct AsWritten;

impl Surroundings for AsWritten {
    fn canonical_folder(&self, _folder: &str) -> Option<String> {
        None
    }
}

/// A name found in a policy folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropIn {
    /// The base name.
    pub name: String,
    /// Whether it is a link to `/dev/null`.
    pub is_null_link: bool,
}

/// Which folder a selected file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// The vendor's, below /usr.
    Vendor,
    /// The administrator's, below /etc.
    Etc,
}

/// A file that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The base name.
    pub name: String,
    /// Where it is.
    pub folder: Folder,
}

/// Which files count, by ascending base name: those that end in `.toml`; of two with the same name the one in
/// `etc`; none whose name is a link to `/dev/null`, a backup (`~`, a leading `.` or `#`) or a leftover of a package manager.
pub fn select_drop_ins(vendor: &[DropIn], etc: &[DropIn]) -> Vec<Selected> {
    let mut files: BTreeMap<&str, (Folder, bool)> = BTreeMap::new();
    for (folder, drop_ins) in [(Folder::Vendor, vendor), (Folder::Etc, etc)] {
        for drop_in in drop_ins.iter().filter(|drop_in| counts(&drop_in.name)) {
            files.insert(&drop_in.name, (folder, drop_in.is_null_link));
        }
    }
    files
        .into_iter()
        .filter(|(_, (_, is_null_link))| !is_null_link)
        .map(|(name, (folder, _))| Selected { name: name.to_owned(), folder })
        .collect()
}

/// `.toml` at the end excludes `.dpkg-*`, `.rpmnew` and most others; what can stand before it is named.
fn counts(name: &str) -> bool {
    const LEFTOVERS: [&str; 7] =
        [".dpkg-", ".rpmnew", ".rpmsave", ".rpmorig", ".ucf-", ".pacnew", ".pacsave"];
    name.strip_suffix(".toml").is_some_and(|stem| {
        !stem.is_empty()
            && !name.starts_with(['.', '#'])
            && !name.contains('~')
            && !LEFTOVERS.iter().any(|leftover| name.contains(leftover))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<DropIn> {
        names.iter().map(|name| DropIn { name: (*name).to_owned(), is_null_link: false }).collect()
    }

    fn selected(vendor: &[DropIn], etc: &[DropIn]) -> Vec<String> {
        select_drop_ins(vendor, etc)
            .into_iter()
            .map(|file| {
                format!("{}:{}", if file.folder == Folder::Etc { "etc" } else { "vendor" }, file.name)
            })
            .collect()
    }

    // "same basename in /etc masks the vendor's"
    #[test]
    fn a_file_in_etc_masks_the_vendors_of_the_same_name() {
        let files =
            selected(&found(&["20-admins.toml", "10-root.toml"]), &found(&["20-admins.toml", "15-x.toml"]));
        assert_eq!(files, ["vendor:10-root.toml", "etc:15-x.toml", "etc:20-admins.toml"]);
    }

    // "a link to /dev/null disables it"
    #[test]
    fn a_link_to_dev_null_disables_the_vendors_file() {
        let etc = [DropIn { name: "20-admins.toml".into(), is_null_link: true }];
        assert_eq!(selected(&found(&["10-root.toml", "20-admins.toml"]), &etc), ["vendor:10-root.toml"]);
    }

    // "names with `~` or a leading `.` and package leftovers (`.dpkg-*`, `.rpmnew`, …) are ignored"
    #[test]
    fn backups_and_package_leftovers_are_ignored() {
        let leftovers = [
            "a.toml~",
            "~a.toml",
            "a~.toml",
            ".a.toml",
            ".toml",
            "#a.toml#",
            "a.toml.dpkg-new",
            "a.dpkg-old.toml",
            "a.toml.rpmnew",
            "a.toml.rpmsave",
            "a.rpmnew.toml",
            "a.toml.bak",
            "README",
            "a.TOML",
            "a.ucf-dist.toml",
        ];
        assert_eq!(selected(&[], &found(&leftovers)), Vec::<String>::new());
    }

    #[test]
    fn a_leftover_in_etc_masks_nothing() {
        assert_eq!(selected(&found(&["a.toml"]), &found(&["a.toml.dpkg-dist"])), ["vendor:a.toml"]);
    }
}
