//! What well-known programs let their caller do: `programs.toml`, which says how it is read.

use std::sync::LazyLock;

use serde::Deserialize;

use super::code::Code;

/// What some programs give.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fact {
    names: Vec<String>,
    #[serde(deserialize_with = "code")]
    pub(super) gives: Code,
    pub(super) how: String,
    pub(super) with: Option<With>,
    #[serde(default)]
    pub(super) verb: Vec<String>,
    #[serde(default)]
    pub(super) unless: Vec<String>,
    #[serde(default)]
    pub(super) unless_verb: Vec<String>,
    #[serde(default)]
    pub(super) unless_env: Vec<String>,
    pub(super) fixable: Option<Fixable>,
    #[serde(default)]
    pub(super) operands: usize,
    #[serde(default)]
    pub(super) text: Vec<String>,
}

/// The arguments with which they do.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum With {
    OneOf(Vec<String>),
    File(AnyFile),
}

#[derive(Debug, Deserialize)]
pub(super) enum AnyFile {
    /// A file that the caller chooses.
    #[serde(rename = "any file")]
    AnyFile,
}

/// What must be written out so that nothing can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fixable {
    Whole,
    Folder,
    Script,
    Program,
    Applet,
}

/// Endings under which distributions install variants of one program, besides versions.
const VARIANTS: [&str; 17] = [
    ".athena",
    ".basic",
    ".distrib",
    ".gnome",
    ".gtk",
    ".gtk3",
    ".motif",
    ".nox",
    ".openbsd",
    ".real",
    ".static",
    ".tiny",
    ".traditional",
    ".ws",
    "-rs",
    "-static",
    "-dbg",
];

/// The table. That it can be read is tested.
pub(super) static FACTS: LazyLock<Vec<Fact>> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Result<Vec<Fact>, toml::de::Error> {
    #[derive(Deserialize)]
    struct Table {
        program: Vec<Fact>,
    }
    toml::from_str::<Table>(include_str!("programs.toml")).map(|table| table.program)
}

fn code<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
    let text = String::deserialize(deserializer)?;
    Code::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("no code: {text}")))
}

impl Fact {
    /// Whether it is about the program of this name, but for a version or variant at its end.
    pub(super) fn is_about(&self, name: &str) -> bool {
        let plain = VARIANTS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
        let version =
            |rest: &str| rest.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | '-'));
        self.names.iter().any(|known| plain.strip_prefix(known.as_str()).is_some_and(version))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_knows_names_with_versions_and_variants() {
        let facts = read().unwrap();
        assert!(facts.iter().map(|fact| fact.names.len()).sum::<usize>() > 900);
        for (name, gives) in [
            ("bash", Code::Shell),
            ("bash-static", Code::Shell),
            ("python3.11", Code::Interpreter),
            ("python3.11-dbg", Code::Interpreter),
            ("g++-12", Code::Interpreter),
            ("less", Code::Pager),
            ("vim.tiny", Code::Editor),
            ("vim.basic", Code::Editor),
            ("nc.traditional", Code::Shell),
            ("sudo-rs", Code::Shell),
            ("pip3.11", Code::PackageManager),
        ] {
            let about = facts.iter().find(|fact| fact.is_about(name));
            assert_eq!(about.map(|fact| fact.gives), Some(gives), "{name}");
        }
        for name in ["bashful", "", "python-config", "lessopen", "install.sh", "vim.sh"] {
            assert!(!facts.iter().any(|fact| fact.is_about(name)), "{name}");
        }
    }

    #[test]
    fn each_fact_says_something_that_can_apply() {
        for fact in read().unwrap() {
            let how = &fact.how;
            assert!(!fact.names.is_empty(), "{how}");
            assert!(fact.operands == 0 || fact.fixable == Some(Fixable::Program), "{how}");
            let mut names: Vec<&str> = fact.names().collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{how}: {names:?}");
            assert!(!how.ends_with('.') && !how.starts_with(char::is_uppercase), "{how}");
        }
    }
}
