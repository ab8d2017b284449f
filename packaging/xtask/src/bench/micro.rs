//! Decisions, loading and grants by themselves: the criterion benchmarks of policy and agent, on this machine.

use std::fs;

use super::options::Options;
use super::report::{Section, Table, Target};
use crate::cargo::{Done, cargo, run};
use crate::host;

/// A package and the benchmark in it.
const BENCHMARKS: [(&str, &str); 2] = [("jit-policy", "policy"), ("jit-agent", "store")];

/// What each benchmark of `policy/benches/policy.rs` is called in the table. Each has one for each number of rules.
const RULES: [(&str, &str); 3] =
    [("evaluate-permit", "evaluate: permit"), ("evaluate-deny", "evaluate: deny"), ("load", "load")];
const COUNTS: [&str; 3] = ["1", "1000", "100000"];

/// The same of `agent/benches/store.rs`.
const GRANTS: [(&str, &str); 5] = [
    ("find", "find a user's live grant"),
    ("sweep", "look for those that are over"),
    ("commit", "one durable change, whatever it is"),
    ("issue", "issue a grant, durably"),
    ("load", "an agent's start"),
];

/// Runs the benchmarks and reads what they measured.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(options: &Options) -> Done<Section> {
    host::install(&[host::BUILD])?;
    for (package, benchmark) in BENCHMARKS {
        let mut command = cargo(&["bench", "--package", package, "--bench", benchmark, "--", "--noplot"]);
        if options.quick {
            command.arg("--quick");
        }
        run(command)?;
    }
    let mut rules = Table::new(&["", "1 rule", "1,000 rules", "100,000 rules"]);
    let mut last = Vec::new();
    for (group, what) in RULES {
        let medians = COUNTS.iter().map(|count| median(group, count)).collect::<Done<Vec<f64>>>()?;
        rules.row([what.to_owned()].into_iter().chain(medians.iter().map(|median| shown(*median))).collect());
        last.push(medians.last().copied().unwrap_or(f64::NAN));
    }
    let mut grants = Table::new(&["10,000 live grants", ""]);
    for (name, what) in GRANTS {
        grants.row(vec![what.to_owned(), shown(median("grants-10000", name)?)]);
    }
    let of = |at: usize| last.get(at).copied().unwrap_or(f64::NAN);
    let targets = vec![
        Target::at_most("`evaluate` at 100,000 rules, µs", of(0).max(of(1)) / 1e3, 20.0, Some(2.0)),
        Target::at_most("loading 100,000 rules, seconds", of(2) / 1e9, 2.0, None),
    ];
    Ok(Section { tables: vec![rules, grants], targets })
}

/// The median that criterion wrote down, in nanoseconds.
fn median(group: &str, name: &str) -> Done<f64> {
    let folder = jit_tests::image::target().join("criterion");
    let path = folder.join(group).join(name).join("new/estimates.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let estimates: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let median = estimates.pointer("/median/point_estimate").and_then(serde_json::Value::as_f64);
    median.ok_or_else(|| format!("{}: no median", path.display()))
}

/// A time in the unit that leaves few digits.
fn shown(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let fitting = units.into_iter().find(|(size, _)| nanoseconds >= *size);
    let (size, unit) = fitting.unwrap_or((1.0, "ns"));
    format!("{:.1} {unit}", nanoseconds / size)
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn times_are_shown_in_a_unit_that_fits() {
        assert_eq!(shown(999.0), "999.0 ns");
        assert_eq!(shown(1_250.0), "1.2 µs");
        assert_eq!(shown(3_200_000.0), "3.2 ms");
        assert_eq!(shown(1.5e9), "1.5 s");
    }
}
