//! Names of the log's files: the one that is written, and those that were set aside when they were large or old enough.

/// The one that is written.
pub const CURRENT: &str = "audit.jsonl";
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// The name of a file that was set aside after this record: sorted by name, such files are in the order of the chain,
/// whatever the clock was set to.
pub fn rotated(last: u64) -> String {
    format!("{PREFIX}{last:012}{SUFFIX}")
}

/// The number of the last record in a file that was set aside; none if that is not its name.
pub fn last_of(name: &str) -> Option<u64> {
    let last = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
    (rotated(last) == name).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_its_file_ends_and_sorts_by_that() {
        for last in [0, 1, 999, 1_000, u64::from(u32::MAX), 999_999_999_999, u64::MAX] {
            assert_eq!(last_of(&rotated(last)), Some(last));
        }
        assert!(rotated(999) < rotated(1_000));
        for other in [
            CURRENT,
            "audit-1.jsonl",
            "audit-+00000000001.jsonl",
            "audit-000000000001.jsonl.gz",
            "audit-00000000000x.jsonl",
            "audit-.jsonl",
            "audit.jsonl.1",
        ] {
            assert_eq!(last_of(other), None, "{other}");
        }
    }
}
