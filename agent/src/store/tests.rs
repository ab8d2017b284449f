use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::{env, fs};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::*;

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (store, contents) = Store::open(&path, us()).unwrap();
    assert!(contents.grants.is_empty());
    let changes = ["a", "b"].map(|id| Change::put(Table::Grants, id, &id).unwrap());
    store.commit(changes.into()).await.unwrap();
    store.commit(vec![Change::remove(Table::Grants, "a")]).await.unwrap();
    store.commit(vec![Change::put(Table::Values, "number", &7).unwrap()]).await.unwrap();
    // The file as it is on the disk now, as after a crash.
    fs::copy(&path, folder.path().join("copy")).unwrap();
    fs::set_permissions(folder.path().join("copy"), PermissionsExt::from_mode(0o600)).unwrap();
    let (_store, contents) = Store::open(&folder.path().join("copy"), us()).unwrap();
    assert_eq!(contents.grants, [("b".to_owned(), b"\"b\"".to_vec())]);
    assert_eq!(contents.value::<u32>("number"), Some(7));
    assert_eq!(contents.value::<u32>("other"), None);
}

// A copy of yesterday's is known by its number; one that is told of a larger number goes on after that.
#[tokio::test]
async fn each_durable_commit_has_a_larger_number_than_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (store, contents) = Store::open(&path, us()).unwrap();
    assert_eq!((contents.serial, store.serial().get()), (0, 0));
    let mut last = 0;
    for id in ["a", "b", "c"] {
        store.commit(vec![Change::put(Table::Grants, id, &id).unwrap()]).await.unwrap();
        assert!(store.serial().get() > last);
        last = store.serial().get();
    }
    store.submit_beyond(100, vec![Change::remove(Table::Grants, "a")]).await.unwrap();
    assert_eq!(store.serial().get(), 101);
    store.submit_beyond(50, Vec::new()).await.unwrap();
    assert_eq!(store.serial().get(), 102);
    fs::copy(&path, folder.path().join("copy")).unwrap();
    fs::set_permissions(folder.path().join("copy"), PermissionsExt::from_mode(0o600)).unwrap();
    let (again, contents) = Store::open(&folder.path().join("copy"), us()).unwrap();
    assert_eq!((contents.serial, again.serial().get()), (102, 102), "it is in the file");
}

#[test]
fn a_store_that_others_could_have_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(Store::open(&path, us()).is_err());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(Store::open(&path, us()).is_err());
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(Store::open(&path, us() + 1).is_err());
    fs::write(&path, "this is no database").unwrap();
    assert!(Store::open(&path, us()).is_err());
}

/// Says to this program that it is the limited one; the value is a folder for it.
const LIMITED: &str = "JIT_TEST_LIMITED";

// A disk that does not write for a while: who waits is told no, nothing is forgotten, and then it goes on. With a real
// error of the kernel, in a process of its own, for the limit on file sizes is the whole process's.
#[test]
fn after_a_failed_write_the_store_goes_on_once_the_disk_is_well() {
    if let Some(folder) = env::var_os(LIMITED) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(limited(Path::new(&folder)));
        println!("limited: done");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let this = "store::tests::after_a_failed_write_the_store_goes_on_once_the_disk_is_well";
    let output = Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture", "--test-threads=1"])
        .env(LIMITED, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("limited: done"), "{output:?}");
}

// Each commit is an fsync: an elevation pays for the one that it waits for.
#[tokio::test]
async fn what_nobody_waits_for_goes_with_the_next_commit_or_is_durable_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let put = |id: &str| Change::put(Table::Grants, id, &id).unwrap();
    let (store, _) = Store::open(&path, us()).unwrap();
    let before = store.serial().get();
    for id in ["a", "b", "c"] {
        store.note(put(id));
    }
    store.note(Change::remove(Table::Grants, "b"));
    store.commit(vec![put("d"), Change::remove(Table::Grants, "c")]).await.unwrap();
    assert_eq!(store.serial().get(), before + 1, "one commit for all, in the order they were made");
    store.note(put("e"));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while store.serial().get() == before + 1 {
        assert!(std::time::Instant::now() < end, "it is never written");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // As after a crash.
    fs::copy(&path, folder.path().join("copy")).unwrap();
    fs::set_permissions(folder.path().join("copy"), PermissionsExt::from_mode(0o600)).unwrap();
    let contents = reopen(&folder.path().join("copy"));
    let ids: Vec<&str> = contents.grants.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a", "d", "e"]);
}

fn limit(length: Option<u64>) {
    setrlimit(Resource::Fsize, Rlimit { current: length, maximum: None }).unwrap();
}

async fn limited(folder: &Path) {
    let path = folder.join("state.redb");
    let put = |id: &str| Change::put(Table::Grants, id, &id).unwrap();
    let (store, _) = Store::open(&path, us()).unwrap();
    store.commit(["kept", "removed", "noted away"].map(put).into()).await.unwrap();
    limit(Some(0));
    assert!(store.commit(vec![put("refused")]).await.is_err());
    assert!(store.state().is_err());
    assert!(store.commit(vec![Change::remove(Table::Grants, "removed")]).await.is_err());
    store.note(put("noted"));
    store.note(Change::remove(Table::Grants, "noted away"));
    assert!(store.commit(vec![put("refused too")]).await.is_err(), "it does not get well by itself");
    let number = store.serial().get();
    limit(None);
    store.commit(vec![put("new")]).await.unwrap();
    assert!(store.state().is_ok() && store.serial().get() > number);
    drop(store);
    let contents = reopen(&path);
    let ids: Vec<&str> = contents.grants.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["kept", "new", "noted"], "what was refused is not there, what had to go is gone");
}

/// Once its thread has ended.
fn reopen(path: &Path) -> Contents {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(40);
    loop {
        match Store::open(path, us()) {
            Ok((_, contents)) => return contents,
            Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
}
