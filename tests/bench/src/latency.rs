//! How long one run takes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use jit_bench::{Contender, Samples, Streams};

use crate::Done;
use crate::run::{command, rehearse, start, wait};
use crate::terminal::Terminal;

/// Runs all contenders in turn.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(
    contenders: &[Contender],
    rounds: u32,
    gap: Duration,
    at_most: Duration,
) -> Done<Samples> {
    contenders.iter().try_for_each(rehearse)?;
    let terminal = Terminal::wanted(contenders)?;
    let mut samples = vec![Vec::new(); contenders.len()];
    let end = Instant::now() + at_most;
    for _ in 0..rounds {
        if Instant::now() > end {
            break;
        }
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            sleep(gap);
            let mut command = command(contender)?;
            if let Some(terminal) = terminal.as_ref().filter(|_| contender.streams == Streams::Terminal) {
                terminal.give(&mut command)?;
            }
            let started = Instant::now();
            let mut child = start(contender, &mut command)?;
            wait(contender, &mut child)?;
            samples.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn commands(lines: &[&str]) -> Vec<Contender> {
        lines.iter().map(|line| Contender::new(line, line)).collect()
    }

    #[test]
    fn every_contender_has_a_sample_of_every_round() {
        let samples = measure(&commands(&["/bin/true", "/bin/echo x"]), 3, Duration::ZERO, LONG).unwrap();
        assert_eq!(samples.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
        assert!(samples.iter().flatten().all(|sample| *sample > 0));
    }

    // A refusal is faster than any elevation.
    #[test]
    fn a_contender_that_fails_is_no_sample() {
        let told = measure(&commands(&["/bin/true", "/bin/ls /no-such-file"]), 3, Duration::ZERO, LONG);
        assert!(told.unwrap_err().contains("no-such-file"));
    }

    #[test]
    fn no_round_begins_after_the_time_is_over() {
        let samples =
            measure(&commands(&["/bin/true"]), 1_000_000, Duration::ZERO, Duration::from_millis(50));
        let rounds = samples.unwrap().concat().len();
        assert!((1..1_000_000).contains(&rounds), "{rounds} rounds");
    }
}
