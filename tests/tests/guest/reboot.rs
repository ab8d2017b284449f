//! A grant outlives a boot of the host, by what it had left and not a moment more.

use std::time::{Duration, Instant};

use jit_tests::Guest;

use crate::{PASSWORD, rule};

/// The grant that a user has, wherever they are.
fn grants(guest: &Guest, user: &str) -> Vec<serde_json::Value> {
    let all = guest.sh("jitctl grants --all --json").success().stdout;
    let all: Vec<serde_json::Value> = serde_json::from_str(&all).unwrap();
    all.into_iter().filter(|grant| grant["user"] == user).collect()
}

fn count(guest: &Guest, having: &[&str]) -> usize {
    guest.audit(having).len()
}

// "A grant outlives a restart of the agent and a reboot of the guest and is never longer for it"
#[test]
fn a_grant_outlives_restarts_and_boots_and_is_never_longer_for_it() {
    let mut guest = Guest::boot(Guest::shared().release());
    guest.add_user("rosa", Some(PASSWORD), &[]);
    // The rule itself would let it live for an hour: only the grant knows that it has less.
    let keys = "require.authentication = \"none\"\ngrant.scope = \"user\"\n\
                grant.duration = \"120s\"\ngrant.max_duration = \"1h\"";
    guest.write("/etc/jit-sudo/policy.d/rosa.toml", rule("rosa", "rosa", keys).as_bytes());
    guest.sh("jitctl reload").success();
    let boot_id = |guest: &Guest| guest.read("/proc/sys/kernel/random/boot_id");

    let begun = Instant::now();
    guest.as_user("rosa").run("jit-sudo -n id -u").success().prints("0");
    let given = grants(&guest, "rosa");
    assert_eq!(given.len(), 1, "{given:?}");
    // What runs when the host goes down runs no more, and the log says so.
    let terminal = guest.as_user("rosa").terminal("jit-sudo -n sleep 81001");
    guest.until("pgrep -f '^sleep 81001'", Duration::from_secs(40));

    guest.sh("systemctl restart jit-agentd").success();
    let same = |one: &serde_json::Value, other: &serde_json::Value, key: &str| one[key] == other[key];
    let kept = grants(&guest, "rosa");
    assert_eq!(kept.len(), 1);
    assert!(
        ["id", "issued", "expires"].iter().all(|key| same(&kept[0], &given[0], key)),
        "{kept:?} {given:?}"
    );
    for cut in [false, true] {
        let before = boot_id(&guest);
        if cut {
            guest.cut_power();
        } else {
            guest.reboot();
        }
        assert_ne!(boot_id(&guest), before, "it is another boot");
        guest.sh("systemctl is-active jit-agentd jit-spawner").success();
        let after = grants(&guest, "rosa");
        assert_eq!(after.len(), 1, "power cut: {cut}");
        assert_eq!(after[0]["id"], given[0]["id"]);
        assert!(after[0]["expires"].as_str() <= given[0]["expires"].as_str(), "{after:?} {given:?}");
        guest.as_user("rosa").run("jit-sudo -n id -u").success().prints("0");
        assert_eq!(count(&guest, &["\"grant.issued\"", "\"rosa\""]), 1, "it serves as before");
    }
    drop(terminal);
    guest.sh("pgrep -f '^sleep 81001'").exits(1);
    // systemd 252 shows a sandboxed unit in a container the boot id of the machine, which has not booted: what ran before
    // counts as lost only when its monitor has not called for half a minute.
    guest.until("[ \"$(jitctl sessions --all --json)\" = '[]' ]", Duration::from_mins(1));
    assert_eq!(count(&guest, &["\"session.started\"", "\"81001\""]), 1);
    assert_eq!(count(&guest, &["\"session.ended\"", "\"81001\""]), 1);
    guest.sh("jitctl audit verify").success();

    // Its time is over, however often the host was booted.
    assert!(begun.elapsed() < Duration::from_secs(115), "the guest boots too slowly for this test");
    guest.until("! jitctl grants --all --json | grep -q rosa", Duration::from_mins(2));
    assert!(begun.elapsed() < Duration::from_secs(140), "{:?}", begun.elapsed());
    guest.as_user("rosa").run("jit-sudo -n id -u").success();
    assert_eq!(count(&guest, &["\"grant.issued\"", "\"rosa\""]), 2, "the first one has ended");
}
