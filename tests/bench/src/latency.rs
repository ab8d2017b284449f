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
pub(crate) fn measure(contenders: &[Contender], rounds: u32, gap: Duration) -> Done<Samples> {
    contenders.iter().try_for_each(rehearse)?;
    let terminal = Terminal::wanted(contenders)?;
    let mut samples = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
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
