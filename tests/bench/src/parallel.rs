//! How many runs get done when some are always under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use jit_bench::{Contender, Samples};

use crate::Done;
use crate::run::{command, rehearse, start, wait};

/// All contenders in turn, every round; each round of each is one sample: runs a second, in thousandths.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(
    contenders: &[Contender],
    rounds: u32,
    at_once: u32,
    length: Duration,
) -> Done<Samples> {
    contenders.iter().try_for_each(rehearse)?;
    let mut samples = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            // What the one before left to be cleaned up is not this one's.
            sleep(Duration::from_millis(300));
            samples.push(round(contender, at_once, length)?);
        }
    }
    Ok(samples)
}

fn round(contender: &Contender, at_once: u32, length: Duration) -> Done<u64> {
    let finished = AtomicU64::new(0);
    let started = Instant::now();
    let done: Done<()> = scope(|scope| {
        let work = || {
            while started.elapsed() < length {
                let mut child = start(contender, &mut command(contender)?)?;
                wait(contender, &mut child)?;
                finished.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err("a worker of the harness panicked".into()))
        })
    });
    done?;
    // With the last of them the round is longer than its length.
    let nanoseconds = started.elapsed().as_nanos().max(1);
    let thousandths = u128::from(finished.into_inner()) * 1_000_000_000_000 / nanoseconds;
    Ok(u64::try_from(thousandths).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_that_are_under_way_at_once_are_counted_together() {
        // Each takes at least 100 ms, so that one after the other no more than ten would be done in a second.
        let nap = [Contender::new("nap", "/bin/sleep 0.1")];
        let alone = measure(&nap, 1, 1, Duration::from_millis(400)).unwrap().concat();
        assert!(alone.iter().all(|thousandths| (1..=10_000).contains(thousandths)), "{alone:?}");
        let many = measure(&nap, 1, 8, Duration::from_millis(400)).unwrap().concat();
        assert!(many > alone, "{many:?} {alone:?}");
    }
}
