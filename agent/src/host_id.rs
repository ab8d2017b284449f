//! This host's own id, which tokens are made for: random, made once, kept in the store. It is made anew, which voids all
//! tokens that were made before, where the store does not count, and on what is plainly another machine with a copy of it.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::identifier;
use crate::paths::Paths;
use crate::store::{Change, Contents, Store, Table};

/// Name of the value in the store.
pub const HOST: &str = "host";

/// The id, and what it was made beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Host {
    id: String,
    /// `/etc/machine-id` and the firmware's id of the machine, as far as they can be read: a copy of this machine has
    /// others, where whoever made it took care.
    machine: Vec<Option<String>>,
}

/// The id. A disk that does not write keeps nobody from having a new one: then it is stored later, and should this agent end
/// before that, the tokens of its time are void.
///
/// # Errors
/// If none can be made.
pub async fn load(paths: &Paths, store: &Store, contents: &Contents) -> io::Result<String> {
    let machine: Vec<Option<String>> = [&paths.machine_id, &paths.product_id].map(|path| read(path)).into();
    let kept = contents.value::<Host>(HOST);
    if let Some(kept) = kept.filter(|kept| kept.machine == machine) {
        return Ok(kept.id);
    }
    let host = Host { id: identifier::new()?, machine };
    if store.commit(vec![Change::put(Table::Values, HOST, &host)?]).await.is_err() {
        store.note(Change::put(Table::Values, HOST, &host)?); // that it can't be written shows in `status`
    }
    Ok(host.id)
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn start(folder: &Path, forget: bool) -> String {
        let paths = Paths::below(folder, rustix::process::geteuid().as_raw());
        let place = folder.join("state.redb");
        let end = std::time::Instant::now() + std::time::Duration::from_secs(40);
        let (store, contents) = loop {
            match Store::open(&place, paths.owner) {
                Ok(opened) => break opened,
                // The thread of the one before still has it.
                Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        let contents = if forget { Contents::default() } else { contents };
        load(&paths, &store, &contents).await.unwrap()
    }

    #[tokio::test]
    async fn it_is_made_once_and_anew_on_another_machine_or_without_a_store_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/machine-id"), "one\n").unwrap();
        let first = start(root, false).await;
        assert_eq!(first.len(), 32);
        assert_eq!(start(root, false).await, first);
        std::fs::write(root.join("etc/machine-id"), "two\n").unwrap();
        let second = start(root, false).await;
        assert_ne!(second, first, "a copy whose machine-id was made anew");
        assert_eq!(start(root, false).await, second);
        let third = start(root, true).await;
        assert_ne!(third, second);
        let copy = tempfile::tempdir().unwrap();
        assert_ne!(start(copy.path(), false).await, third, "made before its first start");
    }

    #[tokio::test]
    async fn a_disk_that_does_not_write_does_not_keep_the_agent_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path(), 0);
        let made = load(&paths, &Store::ended(), &Contents::default()).await.unwrap();
        assert_ne!(load(&paths, &Store::ended(), &Contents::default()).await.unwrap(), made);
    }
}
