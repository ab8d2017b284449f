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
    pub(super) unless: Vec<String>,
    #[serde(default)]
    pub(super) fixable: bool,
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
    /// Whether it is about the program of this name, but for a version at its end.
    pub(super) fn is_about(&self, name: &str) -> bool {
        let version =
            |rest: &str| rest.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | '-'));
        self.names.iter().any(|known| name.strip_prefix(known.as_str()).is_some_and(version))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_knows_names_with_versions() {
        let facts = read().unwrap();
        assert!(facts.iter().map(|fact| fact.names.len()).sum::<usize>() > 500);
        for (name, gives) in [
            ("bash", Code::Shell),
            ("python3.11", Code::Interpreter),
            ("g++-12", Code::Interpreter),
            ("less", Code::Pager),
            ("vim.tiny", Code::Editor),
            ("apt-get", Code::PackageManager),
        ] {
            let about = facts.iter().find(|fact| fact.is_about(name));
            assert_eq!(about.map(|fact| fact.gives), Some(gives), "{name}");
        }
        for name in ["bashful", "", "python-config", "lessopen"] {
            assert!(!facts.iter().any(|fact| fact.is_about(name)), "{name}");
        }
    }
}
