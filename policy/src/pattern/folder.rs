//! Folders, compared component by component.

use super::word::Word;

/// The folders of `allow_cwd`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Folders {
    /// "ALL"
    All,
    /// Each a folder, or a glob for one.
    These(Vec<Word>),
}

impl Folders {
    pub(crate) fn contain(&self, folder: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::These(words) => is_normal(folder) && words.iter().any(|word| word.matches(folder)),
        }
    }
}

/// Whether `path` is below `folder`, and not the folder itself. Both are absolute and resolved.
pub(crate) fn is_below(path: &[u8], folder: &[u8]) -> bool {
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    path.strip_prefix(folder).is_some_and(|rest| rest.len() > 1 && rest.starts_with(b"/"))
}

/// Absolute, without empty, `.` and `..` components, without a slash at its end (but `/` itself).
pub(crate) fn is_normal(path: &[u8]) -> bool {
    match path.strip_prefix(b"/") {
        None => false,
        Some(b"") => true,
        Some(rest) => rest.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b"..")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_is_decided_by_whole_components() {
        for (path, folder, below) in [
            ("/srv/releases/1", "/srv/releases", true),
            ("/srv/releases/1/2", "/srv/releases", true),
            ("/srv/releases", "/srv/releases", false),
            ("/srv/releases/", "/srv/releases", false),
            ("/srv/releases-old/1", "/srv/releases", false),
            ("/srv", "/srv/releases", false),
            ("/a", "/", true),
            ("/", "/", false),
            ("srv/releases/1", "/srv/releases", false),
        ] {
            assert_eq!(is_below(path.as_bytes(), folder.as_bytes()), below, "{path} below {folder}");
        }
    }

    #[test]
    fn a_normal_path_has_nothing_to_resolve() {
        for (path, normal) in [
            ("/", true),
            ("/a", true),
            ("/a/b", true),
            ("/a/...", true),
            ("/.a", true),
            ("", false),
            ("a", false),
            ("/a/", false),
            ("//a", false),
            ("/a//b", false),
            ("/a/./b", false),
            ("/a/..", false),
            ("/..", false),
        ] {
            assert_eq!(is_normal(path.as_bytes()), normal, "{path}");
        }
    }
}
