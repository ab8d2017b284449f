//! How fast output arrives.

use std::os::fd::OwnedFd;
use std::time::Instant;

use jit_bench::{Contender, Streams, Transfer, Transfers};

use crate::Done;
use crate::drain::Drain;
use crate::run::{command, rehearse, start, wait};
use crate::terminal::Terminal;

/// Runs all contenders in turn.
///
/// # Errors
/// One of them failed.
pub(crate) fn measure(contenders: &[Contender], rounds: u32) -> Done<Transfers> {
    contenders.iter().try_for_each(rehearse)?;
    let terminal = Terminal::wanted(contenders)?;
    let mut transfers = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (contender, transfers) in contenders.iter().zip(&mut transfers) {
            let transfer = match (&terminal, contender.streams) {
                (Some(terminal), Streams::Terminal) => on_terminal(contender, terminal)?,
                _ => into_pipe(contender)?,
            };
            transfers.push(transfer);
        }
    }
    Ok(transfers)
}

fn on_terminal(contender: &Contender, terminal: &Terminal) -> Done<Transfer> {
    let mut command = command(contender)?;
    terminal.give(&mut command)?;
    let before = terminal.drain.at_rest().bytes;
    let started = Instant::now();
    let mut child = start(contender, &mut command)?;
    wait(contender, &mut child)?;
    Ok(transfer(&terminal.drain, before, started))
}

fn into_pipe(contender: &Contender) -> Done<Transfer> {
    let (reader, writer) = std::io::pipe().map_err(|error| format!("a pipe: {error}"))?;
    let drain = Drain::start(OwnedFd::from(reader));
    let mut command = command(contender)?;
    command.stdout(writer);
    let started = Instant::now();
    let mut child = start(contender, &mut command)?;
    // It has our end of the pipe.
    drop(command);
    wait(contender, &mut child)?;
    Ok(transfer(&drain, 0, started))
}

fn transfer(drain: &Drain, before: u64, started: Instant) -> Transfer {
    let seen = drain.at_rest();
    let nanoseconds = seen.last.saturating_duration_since(started).as_nanos();
    Transfer { bytes: seen.bytes - before, nanoseconds: u64::try_from(nanoseconds).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_counted_to_the_last_byte() {
        let head = Contender::new("head", "/usr/bin/head -c 3000000 /dev/zero").on(Streams::Pipe);
        let transfers = measure(&[head], 2).unwrap();
        assert_eq!(transfers.len(), 1);
        for transfer in transfers.into_iter().flatten() {
            assert_eq!(transfer.bytes, 3_000_000);
            assert!(transfer.nanoseconds > 0);
        }
    }
}
