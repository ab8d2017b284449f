//! The helper's PAM service, started once for the monitors that are forked from here.

use std::path::Path;

use jit_sys::pam::Transaction;

use crate::timer::boottime;

/// How long a started transaction serves new monitors, nanoseconds: its files may have changed where no watch sees it.
const FRESH: u64 = 60_000_000_000;

/// Started transactions. Reading the service's files takes long; a monitor has what it needs in its copy of this memory.
pub struct Service {
    /// Never taken: keeps the modules mapped, so that a monitor that ends its own does not unmap them.
    warm: Option<Transaction>,
    /// For the next monitor; an error if the service can't be used.
    ready: Result<Transaction, String>,
    /// When it was started, `CLOCK_BOOTTIME` in nanoseconds.
    since: u64,
}

impl Service {
    /// Starts it.
    pub fn start() -> Self {
        Self { warm: start().ok(), ready: start(), since: boottime() }
    }

    /// Starts it anew, with modules that are mapped anew.
    pub fn renew(&mut self) {
        self.warm = None;
        self.ready = Err(String::new());
        *self = Self::start();
    }

    /// Starts it anew with the modules that are mapped, if that was long ago.
    pub fn refresh(&mut self) {
        if boottime().saturating_sub(self.since) >= FRESH {
            (self.ready, self.since) = (start(), boottime());
        }
    }

    /// In a new monitor: its own.
    ///
    /// # Errors
    /// For people: what is wrong with the service.
    pub fn take(&mut self) -> Result<Transaction, String> {
        std::mem::replace(&mut self.ready, Err("the PAM service is taken".to_owned()))
    }
}

/// A missing service is a refusal: libpam would take the service `other`.
fn start() -> Result<Transaction, String> {
    let folders = ["/etc/pam.d", "/usr/lib/pam.d"];
    if !folders.iter().any(|folder| Path::new(folder).join("jit-sudo").is_file()) {
        return Err("the PAM service jit-sudo is missing".to_owned());
    }
    Transaction::start(c"jit-sudo").map_err(|error| error.to_string())
}
