//! The host's time zones, as the C library would find them: `TZif` files that the distribution keeps up to date.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const ZONES: &str = "/usr/share/zoneinfo";
const LOCAL: &str = "/etc/localtime";
/// The longest file that is read; the longest there is has some kilobytes.
const MOST: u64 = 1 << 20;

/// A zone of the host's own local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// As this `TZif` file says.
    File(Vec<u8>),
    /// There is no such file, which means UTC.
    Utc,
}

/// The `TZif` file of a zone by its name, as in `Europe/Berlin`; `None` if there is none that can be read.
pub fn zone(name: &str) -> Option<Vec<u8>> {
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    if !name.split('/').all(is_plain) {
        return None;
    }
    read(&Path::new(ZONES).join(name)).ok()
}

/// Whether there is any zone, so that one that is not there has another name; a host may come without.
pub fn has_zones() -> bool {
    Path::new(ZONES).join("Etc/UTC").exists()
}

/// The zone of the host's own local time.
///
/// # Errors
/// Why `/etc/localtime` cannot be read.
pub fn local() -> io::Result<Local> {
    match read(Path::new(LOCAL)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Local::Utc),
        read => read.map(Local::File),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut data)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder_of_zones() {
        for name in [
            "",
            "/etc/passwd",
            "../../../etc/passwd",
            "Europe/../../../../etc/passwd",
            "Europe//Berlin",
            "Europe",
            ".",
        ] {
            assert_eq!(zone(name), None, "{name}");
        }
    }

    #[test]
    fn a_zone_is_a_tzif_file() {
        assert!(has_zones(), "this test needs the host's zones: the package tzdata");
        assert!(zone("Europe/Berlin").is_some_and(|data| data.starts_with(b"TZif")));
        assert_eq!(zone("Mars/Olympus"), None);
    }
}
