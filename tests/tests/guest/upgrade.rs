//! A newer package is installed over this one, by `jit-sudo` itself, while others work.

use std::time::Duration;

use jit_tests::Guest;

use crate::{PASSWORD, rule};

/// Makes a package with the same programs and a later version.
const NEWER: &str = "
set -e
dpkg-deb -R /root/jit-sudo.deb /root/newer
sed -i 's/^Version: .*/Version: 99.0.0/' /root/newer/DEBIAN/control
dpkg-deb --build -Znone /root/newer /root/newer.deb
";

fn user(guest: &Guest, name: &str, keys: &str) {
    guest.add_user(name, Some(PASSWORD), &[]);
    let keys = format!("require.authentication = \"none\"\ngrant.grace = \"1s\"\n{keys}");
    guest.write(&format!("/etc/jit-sudo/policy.d/{name}.toml"), rule(name, name, &keys).as_bytes());
}

/// What the user's only grant is, and when it ends.
fn grant(guest: &Guest, user: &str) -> (String, String) {
    let all = guest.sh("jitctl grants --all --json").success().stdout;
    let all: Vec<serde_json::Value> = serde_json::from_str(&all).unwrap();
    let of_user: Vec<_> = all.iter().filter(|grant| grant["user"] == user).collect();
    assert_eq!(of_user.len(), 1, "{all:?}");
    (of_user[0]["id"].to_string(), of_user[0]["expires"].to_string())
}

// "`jit-sudo dpkg -i` of a newer package finishes, its own session ends on time, and sessions of others live on."
#[test]
fn an_upgrade_from_inside_a_session_finishes_and_ends_on_time_and_others_live_on() {
    let guest = &Guest::boot(Guest::shared().release());
    guest.sh(NEWER).success();
    // `user`: the grant is found by whoever asks, from whichever terminal.
    user(guest, "ulla", "grant.scope = \"user\"\ngrant.duration = \"45s\"");
    user(guest, "uwe", "grant.duration = \"40s\"");
    user(guest, "ute", "");
    guest.add_user("ursel", Some(PASSWORD), &[]);
    guest.write("/etc/jit-sudo/policy.d/ursel.toml", rule("ursel", "ursel", "").as_bytes());
    guest.sh("jitctl reload").success();
    let pid = |unit: &str| guest.sh(&format!("systemctl show -P MainPID {unit}")).success().stdout;
    let (spawner, agent) = (pid("jit-spawner.service"), pid("jit-agentd.service"));
    let program = |of: &str| guest.sh(&format!("stat -Lc %i {of}")).success().stdout;
    let old = program("/usr/libexec/jit-sudo/jit-spawner");

    std::thread::scope(|scope| {
        // Others: one goes on until it is done, one until its time is up, one is at the prompt.
        let goes_on = scope.spawn(|| {
            guest.as_user("ute").run("jit-sudo -n sh -c 'sleep 91001 & until [ -e /run/seen ]; do sleep 0.1; done; kill $!; exit 42'")
        });
        let ends =
            scope.spawn(|| guest.as_user("uwe").run("jit-sudo -n sh -c 'setsid sleep 91002 & sleep 91002'"));
        let mut prompted = guest.as_user("ursel").terminal("jit-sudo -u daemon id -un");
        prompted.expect("assword");
        guest
            .until("pgrep -f '^sleep 91001' && [ $(pgrep -cf '^sleep 91002') = 2 ]", Duration::from_secs(40));

        guest.as_user("ulla").run("jit-sudo -n true").success();
        let before = grant(guest, "ulla");
        let install = "jit-sudo -n sh -c 'dpkg -i /root/newer.deb && touch /run/installed; setsid sleep 91003 & sleep 91003'";
        let install = scope.spawn(move || guest.as_user("ulla").run(install));
        guest.until("[ -e /run/installed ]", Duration::from_secs(40));
        guest.sh("dpkg-query -W -f '${Version} ${Status}' jit-sudo").prints("99.0.0 install ok installed");

        // The new agent knows of all, and the installing session's grant is what it was.
        assert_ne!(pid("jit-agentd.service"), agent);
        guest.until("[ $(jitctl sessions --all | grep -cE 'ulla|uwe|ute') = 3 ]", Duration::from_secs(40));
        assert_eq!(grant(guest, "ulla"), before);
        // The spawner is the same process, and the new program.
        assert_eq!(pid("jit-spawner.service"), spawner);
        let new = program("/usr/libexec/jit-sudo/jit-spawner");
        assert_ne!(new, old);
        assert_eq!(program(&format!("/proc/{}/exe", spawner.trim())), new);
        guest.sh("jit-sudo id -u").success().prints("0");
        guest.sh("touch /run/seen").success();

        let installed = install.join().unwrap();
        installed.shows("Setting up jit-sudo").complains("its time is up");
        guest.until("! pgrep -f '^sleep 91003'", Duration::from_secs(40));
        ends.join().unwrap().complains("its time is up");
        guest.until("! pgrep -f '^sleep 91002'", Duration::from_secs(40));
        goes_on.join().unwrap().exits(42);
        // Whoever was asked by the old agent is refused: what they prove is for nobody any more.
        prompted.type_line(PASSWORD).expect("the agent went away");
        prompted.finish().exits(1);
    });
    for (command, result) in
        [("91001", "\"exit\":{\"status\":42}"), ("91002", "\"exit\""), ("91003", "\"exit\"")]
    {
        assert_eq!(guest.audit(&["\"session.started\"", command]).len(), 1, "{command}");
        assert_eq!(guest.audit(&["\"session.ended\"", command, result]).len(), 1, "{command}");
    }
    guest.sh("jitctl audit verify").success();
    guest.sh("systemctl --failed --no-legend").success().prints("");
    guest.sh("jitctl status --json | tr -d ' \\n' | grep -q '\"spawner\",\"state\":\"works\"'").success();
}
