//! What the kernel says of this very process, from `/proc/self/status`.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{read, retry_on_intr};

/// HUP, INT, QUIT: what `nohup` and a shell without job control leave ignored.
const INHERITABLE: [i32; 3] = [1, 2, 3];

/// Whether a debugger holds this process; `None` if the kernel does not say (no /proc).
pub(crate) fn is_traced() -> Option<bool> {
    let status = status()?;
    Some(field(&status, b"TracerPid:")? != b"0")
}

/// Which of HUP, INT and QUIT were ignored when this program began. (Nothing of ours changes them.)
pub(crate) fn ignored_signals() -> Vec<i32> {
    let mask = status().and_then(|status| {
        let text = String::from_utf8(field(&status, b"SigIgn:")?.to_vec()).ok()?;
        u64::from_str_radix(&text, 16).ok()
    });
    INHERITABLE.into_iter().filter(|number| mask.unwrap_or(0) & (1 << (number - 1)) != 0).collect()
}

fn status() -> Option<Vec<u8>> {
    let file = openat(CWD, c"/proc/self/status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = vec![0; 8192]; // the kernel writes about 1.5 KiB; what we look for is in its first half
    let length = retry_on_intr(|| read(&file, &mut text)).ok()?;
    text.truncate(length);
    Some(text)
}

fn field<'a>(status: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = b"Name:\tTracerPid:\nNSpid:\t1\nTracerPid:\t42\nSigIgn:\t0000000000001007\n";
        assert_eq!(field(status, b"TracerPid:"), Some(&b"42"[..]));
        assert_eq!(field(status, b"SigIgn:"), Some(&b"0000000000001007"[..]));
        assert_eq!(field(status, b"Tracer:"), None);
    }

    #[test]
    fn this_test_is_not_traced() {
        assert_eq!(is_traced(), Some(false));
    }
}
