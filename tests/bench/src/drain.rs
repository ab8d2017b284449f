//! Somebody at the other end who reads, so that no writer has to wait for more than that.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Silence after which nothing more is expected from a command that has ended.
const SILENCE: Duration = Duration::from_millis(100);

/// Reads all that comes, at once, for as long as somebody may write.
pub(crate) struct Drain(Arc<Mutex<Seen>>);

/// What came until now.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    pub(crate) last: Instant,
}

impl Drain {
    /// Begins to read.
    pub(crate) fn start(from: OwnedFd) -> Self {
        let seen = Arc::new(Mutex::new(Seen { bytes: 0, last: Instant::now() }));
        let drain = Self(Arc::clone(&seen));
        spawn(move || {
            let mut file = File::from(from);
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = file.read(&mut buffer) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                *seen = Seen { bytes: seen.bytes + count as u64, last: Instant::now() };
            }
        });
        drain
    }

    /// What came until now.
    pub(crate) fn seen(&self) -> Seen {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came in all, once nothing more does.
    pub(crate) fn at_rest(&self) -> Seen {
        loop {
            let before = self.seen().bytes;
            sleep(SILENCE);
            let seen = self.seen();
            if seen.bytes == before {
                return seen;
            }
        }
    }
}
