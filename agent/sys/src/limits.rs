//! Resource limits (setrlimit(2)) as a whole, of this process and of others.

use std::io;

use nix::unistd::Pid;

/// All sixteen limits: `(soft, hard)` by resource number; [`u64::MAX`] is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits([(u64, u64); COUNT]);

const COUNT: usize = 16;

impl Limits {
    /// The limits of a process (0: this one), which must not be gone. Facts about another process count only between
    /// two checks that it lives.
    ///
    /// # Errors
    /// Those of prlimit(2), or of reading `/proc/PID/limits`.
    pub fn of(pid: Pid) -> io::Result<Self> {
        if pid.as_raw() == 0 {
            return Self::own();
        }
        // prlimit(2) on another user's process takes CAP_SYS_RESOURCE, which root in a container often lacks.
        let text = crate::proc::read_text(format!("/proc/{pid}/limits"))?;
        parse(&text).map(Self).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn own() -> io::Result<Self> {
        let mut limits = [(0, 0); COUNT];
        for (resource, limit) in limits.iter_mut().enumerate() {
            let mut raw = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
            let resource = u32::try_from(resource).map_err(|_| io::ErrorKind::InvalidInput)?;
            // SAFETY: with no new limit prlimit(2) only fills `raw`.
            let result = unsafe { libc::prlimit64(0, resource, std::ptr::null(), &raw mut raw) };
            if result != 0 {
                return Err(io::Error::last_os_error());
            }
            *limit = (raw.rlim_cur, raw.rlim_max);
        }
        Ok(Self(limits))
    }

    /// Sets all limits of this process. One that may not be raised so far (a container without `CAP_SYS_RESOURCE`)
    /// becomes what it can be: never more than asked for.
    ///
    /// # Errors
    /// Those of prlimit(2).
    pub fn apply(&self) -> io::Result<()> {
        self.apply_over(&Self::own()?)
    }

    /// As [`Self::apply`], where it is known that this process has the limits `own`. Allocates nothing.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_over(&self, own: &Self) -> io::Result<()> {
        for (resource, (wanted, own)) in self.0.iter().zip(own.0).enumerate() {
            let ((soft, hard), (_, most)) = (wanted, own);
            if *wanted == own {
                continue;
            }
            let Err(error) = set(resource, *soft, *hard) else { continue };
            if error.kind() != io::ErrorKind::PermissionDenied || most >= *hard {
                return Err(error);
            }
            set(resource, (*soft).min(most), most)?;
        }
        Ok(())
    }

    /// Raises the number of descriptors this process may have as far as it may.
    ///
    /// # Errors
    /// Those of prlimit(2).
    pub fn raise_descriptors() -> io::Result<()> {
        let number = usize::try_from(libc::RLIMIT_NOFILE).map_err(|_| io::ErrorKind::InvalidInput)?;
        let own = Self::own()?.0;
        let (_, hard) = own.get(number).ok_or(io::ErrorKind::InvalidInput)?;
        set(number, *hard, *hard)
    }

    /// These limits, but where `changed` differs from `baseline` the one of `changed`: what PAM set wins over what
    /// the invoking user had.
    #[must_use]
    pub fn with_changes(&self, baseline: &Self, changed: &Self) -> Self {
        let mut merged = self.0;
        for ((merged, baseline), changed) in merged.iter_mut().zip(baseline.0).zip(changed.0) {
            if baseline != changed {
                *merged = changed;
            }
        }
        Self(merged)
    }
}

fn set(resource: usize, soft: u64, hard: u64) -> io::Result<()> {
    let raw = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let resource = u32::try_from(resource).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: sets a limit of this process from a live structure.
    match unsafe { libc::prlimit64(0, resource, &raw const raw, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `/proc/PID/limits`: a heading, then a line a resource in the order of their numbers, in columns of 26, 21 and 21.
fn parse(text: &str) -> Option<[(u64, u64); COUNT]> {
    let value = |column: &str| match column.trim() {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    let mut lines = text.lines().skip(1);
    let mut limits = [(0, 0); COUNT];
    for limit in &mut limits {
        let line = lines.next()?;
        *limit = (value(line.get(26..47)?)?, value(line.get(47..68)?)?);
    }
    lines.next().is_none().then_some(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pam_changed_wins_and_the_rest_is_the_callers() {
        let caller = Limits([(1, 1); COUNT]);
        let baseline = Limits([(5, 5); COUNT]);
        let mut after = baseline;
        after.0[7] = (1024, 4096);
        let merged = caller.with_changes(&baseline, &after);
        assert_eq!(merged.0[7], (1024, 4096));
        assert_eq!(merged.0[6], (1, 1));
    }

    #[test]
    fn limits_of_a_process_are_read_as_it_has_them() {
        let by_file = Limits::of(nix::unistd::getpid()).unwrap();
        assert_eq!(by_file, Limits::own().unwrap());
        assert_eq!(
            parse("Limit\nMax cpu time              unlimited            unlimited            seconds\n"),
            None
        );
    }

    #[test]
    fn own_limits_are_read_and_can_be_set_again() {
        let own = Limits::of(Pid::from_raw(0)).unwrap();
        own.apply().unwrap();
        assert_eq!(Limits::of(nix::unistd::getpid()).unwrap(), own);
    }
}
