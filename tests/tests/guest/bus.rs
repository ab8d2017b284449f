//! The agent on the real system bus, asked with busctl.

use std::time::Duration;

use crate::eligible;
use jit_tests::Guest;

const APPROVAL: &str = "require = { authentication = \"none\", approval = { approvers = [\"billie\"] } }";
const CALL: &str = "busctl --json=short call org.jitsudo.Agent1 /org/jitsudo/Agent1 org.jitsudo.Agent1";

#[test]
fn the_bus_tells_ids_to_all_and_facts_to_those_whom_they_concern() {
    let (guest, _policy) = eligible("bertha", APPROVAL);
    for user in ["billie", "boris"] {
        guest.add_user(user, None, &[]);
    }
    guest.until("jitctl status | grep -q 'org.jitsudo.Agent1'", Duration::from_mins(1));
    guest.sh("systemd-run --unit=listen --collect sh -c 'exec busctl monitor --json=short --match interface=org.jitsudo.Agent1 >/run/heard'").success();
    guest.until(
        "busctl list | grep -q busctl || grep -q . /run/heard || systemctl -q is-active listen",
        Duration::from_secs(40),
    );
    guest.until(&format!("{CALL} Grants >/dev/null; grep -q Grants /run/heard"), Duration::from_secs(40));
    guest.as_user("bertha").run("jit-sudo -n id -u").exits(1).complains("waits for approval");
    guest.until("grep -q RequestFiled /run/heard", Duration::from_secs(40));
    let signal = guest.sh("grep RequestFiled /run/heard").success();
    signal.shows("\"type\":\"s\"").never_shows("bertha");
    guest.as_user("bertha").run(&format!("{CALL} Requests")).success().shows("/usr/bin/id");
    guest.as_user("billie").run(&format!("{CALL} Requests")).success().shows("/usr/bin/id");
    guest.as_user("boris").run(&format!("{CALL} Requests")).success().never_shows("/usr/bin/id");
    guest
        .as_user("boris")
        .run("busctl introspect org.jitsudo.Agent1 /org/jitsudo/Agent1")
        .success()
        .shows(".RequestFiled");
    let stolen =
        "busctl call org.freedesktop.DBus / org.freedesktop.DBus RequestName su org.jitsudo.Agent1 2";
    assert!(!guest.as_user("boris").run(stolen).is_ok(), "the name is root's");
    let id = "$(jitctl requests --json | grep -o '\"id\": \"[0-9a-f]*' | head -n 1 | cut -d'\"' -f4)";
    guest.as_user("bertha").run(&format!("jitctl deny {id}")).success();
    guest.until("grep -q RequestAnswered /run/heard", Duration::from_secs(40));
    guest.sh("systemctl stop listen");
}

// What the agent took in before the bus had told it who asks was kept in memory: 2 to 5 kB for each question.
#[test]
fn a_flood_of_questions_on_the_bus_takes_no_memory() {
    let guest = Guest::shared();
    guest.add_user("bogdan", None, &[]);
    guest.write("/home/bogdan/flood.py", include_bytes!("flood/bus.py"));
    guest.until("jitctl status | grep -q 'org.jitsudo.Agent1'", Duration::from_mins(1));
    guest.sh("echo 5 >/proc/$(pidof jit-agentd)/clear_refs").success(); // from here on it counts anew
    guest.as_user("bogdan").within(Duration::from_mins(5)).run("python3 flood.py 200000").success();
    let most = guest.sh("grep VmHWM /proc/$(pidof jit-agentd)/status | tr -dc 0-9").success().stdout;
    assert!(most.trim().parse::<u64>().unwrap() < 150 * 1024, "{most} kB");
    guest.as_user("bogdan").run(&format!("{CALL} Grants")).success();
}
