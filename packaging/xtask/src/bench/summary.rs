//! What many samples say.

/// Quantiles of some samples, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) p10: u64,
    pub(crate) median: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
}

impl Summary {
    /// Of no samples everything is 0.
    pub(crate) fn of(samples: &[u64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let last = sorted.len().saturating_sub(1);
            sorted.get((last * percent + 50) / 100).copied().unwrap_or_default()
        };
        Self { p10: at(10), median: at(50), p90: at(90), p99: at(99) }
    }

    /// Its median as a multiple of another one's.
    pub(crate) fn ratio(self, other: Self) -> f64 {
        quotient(self.median, other.median)
    }
}

/// What some contenders' samples say, by name.
pub(crate) struct Compared(Vec<(&'static str, Summary)>);

impl Compared {
    /// The samples are in the order of the names.
    pub(crate) fn new(names: &[&'static str], samples: &[Vec<u64>]) -> Self {
        let summaries = samples.iter().map(|samples| Summary::of(samples));
        Self(names.iter().copied().zip(summaries).collect())
    }

    /// That of one of them; of no samples, if it is none of them.
    pub(crate) fn of(&self, name: &str) -> Summary {
        self.iter().find(|(own, _)| *own == name).map_or(Summary::of(&[]), |(_, summary)| summary)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, Summary)> {
        self.0.iter().copied()
    }
}

/// Of two measured values; not a number if the second is 0, which then meets no target.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53, and three digits are shown")]
pub(crate) fn quotient(one: u64, other: u64) -> f64 {
    if other == 0 { f64::NAN } else { one as f64 / other as f64 }
}

/// Nanoseconds as milliseconds, to the microsecond.
pub(crate) fn milliseconds(nanoseconds: u64) -> String {
    format!("{}.{:03}", nanoseconds / 1_000_000, nanoseconds / 1000 % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_at_their_rank() {
        let samples: Vec<u64> = (0..=100).rev().collect();
        assert_eq!(Summary::of(&samples), Summary { p10: 10, median: 50, p90: 90, p99: 99 });
        assert_eq!(Summary::of(&[7]), Summary { p10: 7, median: 7, p90: 7, p99: 7 });
        assert_eq!(Summary::of(&[]), Summary { p10: 0, median: 0, p90: 0, p99: 0 });
    }

    #[test]
    fn a_ratio_to_nothing_is_no_number() {
        assert!(Summary::of(&[1]).ratio(Summary::of(&[])).is_nan());
        assert_eq!(milliseconds(1_234_567), "1.234");
    }
}
