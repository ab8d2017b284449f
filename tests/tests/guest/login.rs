//! The login gate: `pam_jit.so` in sshd's PAM service.

use jit_tests::Guest;

const POLICY: &str = "
schema = 1
[[login]]
id = \"door-deny\"
users = [\"lara\"]
services = [\"sshd\"]
access = \"deny\"
[[login]]
id = \"door-allow\"
users = [\"leo\"]
services = [\"sshd\"]
access = \"allow\"
";

const UNITS: &str = "jit-agentd.socket jit-agentd-pam.socket jit-agentd.service";

/// With the module in /etc/pam.d/sshd for as long as this lives.
struct Gate(&'static Guest);

impl Gate {
    fn install() -> Self {
        let guest = Guest::shared();
        guest
            .sh("cp /etc/pam.d/sshd /root/pam-sshd; sed -i '1i account required pam_jit.so' /etc/pam.d/sshd")
            .success();
        Self(guest)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.0.sh(&format!("cp /root/pam-sshd /etc/pam.d/sshd; systemctl start {UNITS}"));
    }
}

#[test]
fn who_is_named_is_gated_and_all_others_are_not_touched() {
    let gate = Gate::install();
    let guest = gate.0;
    for user in ["lara", "leo", "nora"] {
        guest.add_user(user, Some(crate::PASSWORD), &[]);
    }
    let may = |user: &str| guest.as_user(user).ssh("echo inside").stdout.contains("inside");
    let policy = guest.policy("door", POLICY);
    assert_eq!([may("lara"), may("leo"), may("nora")], [false, true, true]);
    assert_eq!(guest.audit(&["\"login.denied\"", "\"lara\""]).len(), 1);
    assert_eq!(guest.audit(&["\"login.allowed\"", "\"leo\""]).len(), 1);
    // Another service is not named.
    guest.as_user("lara").run("echo inside").success().prints("inside");

    // A silent agent: closed for those named, open for all others, and nobody waits long.
    guest.sh(&format!("systemctl stop {UNITS}")).success();
    assert_eq!([may("lara"), may("leo"), may("nora")], [false, false, true]);
    let outcome = guest.as_user("leo").ssh("echo inside");
    assert!(outcome.took.as_secs() < 40, "{outcome}");
    guest.sh(&format!("systemctl start {UNITS}")).success();
    assert!(may("leo"));

    drop(policy);
    assert!(may("lara"));
}

#[test]
fn an_agent_that_hangs_does_not_hang_the_login() {
    let gate = Gate::install();
    let guest = gate.0;
    guest.add_user("lukas", Some(crate::PASSWORD), &[]);
    guest.sh("systemctl kill --signal=STOP jit-agentd.service").success();
    let outcome = guest.as_user("lukas").ssh("echo inside");
    guest.sh("systemctl kill --signal=CONT jit-agentd.service").success();
    outcome.prints("inside");
}
