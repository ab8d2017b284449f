//! Metrics, as `node_exporter`'s textfile collector reads them (Prometheus' text format).

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use jit_protocol::response::{State, Status};

/// All of them; without an agent that answers only that there is none. Writing to a String cannot fail.
pub(super) fn text(status: Option<&Status>) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, values: &[(String, u64)]| {
        let _ = writeln!(text, "# HELP jit_sudo_{name} {help}\n# TYPE jit_sudo_{name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "jit_sudo_{name}{labels} {value}");
        }
    };
    let one = |value: u64| [(String::new(), value)];
    let count = |value: usize| one(u64::try_from(value).unwrap_or(u64::MAX));
    metric("up", "Whether the agent answers.", &one(u64::from(status.is_some())));
    let Some(status) = status else { return text };
    let label = |name: &str, value: &str| format!("{{{name}=\"{}\"}}", escaped(value));
    let works = |state: State| u64::from(state == State::Works);
    let parts: Vec<_> =
        status.parts.iter().map(|part| (label("part", &part.id), works(part.state))).collect();
    metric("part_works", "Whether a part is as it should be.", &parts);
    let policy = &status.policy;
    metric("policy_stale", "The files on disk are not accepted.", &one(u64::from(policy.stale)));
    // The rest is told to root alone: what others would write here is no number of anything.
    if policy.digest.is_empty() {
        return text;
    }
    let digest = [(label("digest", &policy.digest), 1)];
    metric("policy_info", "Digest of the policy in force.", &digest);
    metric("policy_rules", "Rules in force.", &count(policy.rules));
    if let Some(bundle) = &policy.bundle {
        metric("policy_bundle", "Number of the signed bundle in force.", &one(bundle.number));
    }
    metric("grants", "Live grants.", &count(status.grants));
    metric("sessions", "Commands that run.", &count(status.sessions));
    text
}

/// The value of a label: these three are all that the format escapes, and any other escape is a mistake in it.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

/// Writes a whole file in the place of another: its reader never sees half of one.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // Not one that the collector reads: those end in .prom.
    let new = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let _ = fs::remove_file(&new); // of one with our number that was killed
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file
        .set_permissions(Permissions::from_mode(0o644))
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::status::tests::status;

    #[test]
    fn each_line_is_one_that_prometheus_reads() {
        let text = text(Some(&status(State::Degraded)));
        for line in [
            "jit_sudo_up 1",
            "jit_sudo_part_works{part=\"agent\"} 1",
            "jit_sudo_part_works{part=\"spawner\"} 0",
            "jit_sudo_policy_info{digest=\"abc\"} 1",
            "jit_sudo_policy_stale 0",
            "jit_sudo_policy_rules 3",
            "jit_sudo_policy_bundle 7",
            "jit_sudo_grants 1",
            "jit_sudo_sessions 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(text.contains(&format!("# TYPE {name} gauge\n")), "{line}");
        }
    }

    #[test]
    fn a_label_is_escaped_as_the_format_wants_it() {
        assert_eq!(escaped("a\\b\"c\nd'e\u{e9}\t"), "a\\\\b\\\"c\\nd'e\u{e9}\t");
    }

    // Who is not root is not told how many there are of what.
    #[test]
    fn what_is_not_told_is_not_counted() {
        let mut status = status(State::Works);
        status.policy.digest = String::new();
        let text = text(Some(&status));
        assert!(text.contains("jit_sudo_policy_stale 0\n"), "{text}");
        for name in ["policy_info", "policy_rules", "grants", "sessions"] {
            assert!(!text.contains(&format!("jit_sudo_{name}")), "{name}:\n{text}");
        }
    }

    #[test]
    fn without_an_agent_that_is_what_is_told() {
        let text = text(None);
        assert!(text.ends_with("jit_sudo_up 0\n") && text.lines().count() == 3, "{text}");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jit.prom");
        fs::write(folder.path().join(format!(".jit.prom.{}", std::process::id())), "left over").unwrap();
        for text in ["one\n", "two\n"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(Path::new("/no/such/folder/x"), "").is_err());
    }
}
