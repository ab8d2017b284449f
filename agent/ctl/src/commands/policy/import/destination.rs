//! The policy file that is written.

use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;
use crate::place::Place;

/// Puts this text in the place of the file's. What it says already is left alone; whether it said something else.
pub(super) fn replace(path: &Path, text: &str) -> Result<bool, Failure> {
    let replaced = Place::of(path).and_then(|place| {
        if says(&place, text)? {
            return Ok(false);
        }
        place.replace(text, None).map(|()| true)
    });
    replaced.map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display()), ""))
}

/// Whether the file has this text already.
fn says(place: &Place, text: &str) -> io::Result<bool> {
    let Some(file) = place.file()? else { return Ok(false) };
    let mut known = Vec::new();
    file.take(text.len() as u64 + 1).read_to_end(&mut known)?;
    Ok(known == text.as_bytes())
}
