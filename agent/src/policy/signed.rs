//! Signed policy: with `policy.require_signed` the administrator's folder is a bundle that somebody in `allowed_signers`
//! has signed, and no older than the last one; or it counts for nothing, its denies included.
//!
//! The vendor's files came with the programs, and are believed as they are.

use std::path::{Path, PathBuf};

use jit_signature::bundle::{self, Bundle};
use jit_signature::{POLICY, Revoked, Signers};
use jit_sys::policy_files::read_file_in_its_folder;
use serde::{Deserialize, Serialize};

use super::durable;
use super::files::Files;
use crate::clock::Moment;
use crate::paths::Paths;

/// The bundle that a policy came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The bundle's number.
    pub number: u64,
    /// Principals and key of who signed it.
    pub signer: String,
    text: String,
}

/// The last bundle that was accepted: no older one is, and no other with its number.
#[derive(Serialize, Deserialize)]
struct Last {
    number: u64,
    text: String,
}

/// Whether these files of the administrator's folder are a bundle that counts.
///
/// # Errors
/// Why not, for people.
pub(super) fn check(paths: &Paths, files: &Files, now: Moment) -> Result<Accepted, String> {
    let folder = files.folder.as_ref().ok_or("there is no folder of policy")?;
    let read = |name| folder.read(name).map_err(|refused| refused.to_string());
    let (text, signature) = (read(bundle::NAME)?, read(bundle::SIGNATURE)?);
    let file =
        |path: &Path| read_file_in_its_folder(path, paths.owner).map_err(|refused| refused.to_string());
    let flaw = |path: &Path, mistake| format!("{}: {mistake}", path.display());
    let signers = file(&paths.allowed_signers)?.ok_or("there is no allowed_signers: nobody may sign")?;
    let signers = Signers::parse(&signers).map_err(|mistake| flaw(&paths.allowed_signers, mistake))?;
    let revoked = file(&paths.revoked_keys)?.unwrap_or_default();
    let revoked = Revoked::parse(&revoked).map_err(|mistake| flaw(&paths.revoked_keys, mistake))?;

    let signed =
        jit_signature::verify(text.as_bytes(), &signature, POLICY, &signers, &revoked, now.timestamp())
            .map_err(|rejection| format!("{}: {rejection}", bundle::SIGNATURE))?;
    let bundle = Bundle::parse(&text).map_err(|mistake| format!("{}: {mistake}", bundle::NAME))?;
    // What it takes away would not be in the list. One that is gone by now has taken it away all the same.
    if let Some(mask) = files.masks.first() {
        return Err(format!("{mask} is a link to /dev/null: sign a file without rules in its place"));
    }
    let own = files.sources.iter().filter(|source| Path::new(&source.path).parent() == Some(&paths.policy));
    bundle.covers(own.map(|source| (source.name.as_str(), source.text.as_bytes())))?;
    if let Some(last) = last(paths)? {
        if bundle.number < last.number {
            return Err(format!("bundle {} is older than {}, the last one", bundle.number, last.number));
        }
        if bundle.number == last.number && text != last.text {
            return Err(format!("there was another bundle {} before: give it a new number", last.number));
        }
    }
    Ok(Accepted { number: bundle.number, signer: format!("{} ({})", signed.principals, signed.key), text })
}

/// Takes note of a bundle, durably, before its policy takes effect.
pub(super) fn note(paths: &Paths, accepted: &Accepted) -> Result<(), String> {
    let Accepted { number, text, .. } = accepted;
    if last(paths)?.is_some_and(|last| last.number == *number) {
        return Ok(());
    }
    let json = serde_json::to_vec(&Last { number: *number, text: text.clone() })
        .map_err(|error| error.to_string())?;
    durable::write(&place(paths), 0o600, &json)
}

fn last(paths: &Paths) -> Result<Option<Last>, String> {
    let path = place(paths);
    let failed = |why: String| format!("{} cannot be used: {why}", path.display());
    let json = durable::read(&path, paths.owner).map_err(|error| failed(error.to_string()))?;
    json.map(|json| serde_json::from_slice(&json).map_err(|error| failed(error.to_string()))).transpose()
}

fn place(paths: &Paths) -> PathBuf {
    paths.state.join("bundle.json")
}

#[cfg(test)]
mod tests;
