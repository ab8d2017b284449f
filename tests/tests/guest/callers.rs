//! Who asks from another world: a root folder or namespaces of their own.

use crate::{NO_PASSWORD, eligible};

#[test]
fn a_caller_in_a_chroot_is_refused() {
    let (guest, _policy) = eligible("carla", NO_PASSWORD);
    guest.sh("mkdir -p /srv/root && mount --rbind / /srv/root && mount --make-rslave /srv/root").success();
    let inside = guest.sh("chroot --userspec=carla:carla /srv/root jit-sudo -n id");
    guest.sh("umount -l /srv/root").success();
    inside.exits(1).silent().complains("jit-sudo: ");
}

#[test]
fn a_caller_in_namespaces_of_its_own_is_refused() {
    let (guest, _policy) = eligible("carlo", NO_PASSWORD);
    let call = "setpriv --reuid carlo --regid carlo --init-groups jit-sudo -n id -u";
    guest.sh(call).success().prints("0");
    for world in ["unshare --mount", "unshare --pid --fork", "unshare --pid --fork --mount-proc"] {
        guest.sh(&format!("{world} {call}")).exits(1).silent().complains("jit-sudo: ");
    }
    for world in [
        "unshare --user",
        "unshare --user --map-root-user",
        "unshare --user --map-root-user --mount --pid --fork",
    ] {
        guest
            .as_user("carlo")
            .run(&format!("{world} jit-sudo -n id"))
            .exits(1)
            .silent()
            .complains("jit-sudo: ");
    }
}

// "refused with a hint, or served in the host's namespace where agent.toml says so"
#[test]
fn a_service_with_mounts_of_its_own_is_served_on_the_hosts_where_the_administrator_says_so() {
    let (guest, _policy) = eligible("corin", NO_PASSWORD);
    guest.sh("echo host > /tmp/corin && mkdir -p /tmp/corin.d && chown corin /tmp/corin.d").success();
    let service = |script: &str| {
        let unit = "systemd-run --quiet --collect --wait --pipe -p User=corin -p PrivateTmp=yes";
        guest.sh(&format!("{unit} -p ReadOnlyPaths=/etc sh -c '{script}'"))
    };
    service("ls /tmp/corin").exits(2);
    service("jit-sudo -n id").exits(1).silent().complains("another mount namespace").complains("hint: ");

    guest.write("/etc/jit-sudo/agent.toml", b"sessions.foreign_mount_namespace = \"host\"\n");
    guest.sh("systemctl restart jit-agentd.service").success();
    service("jit-sudo -n cat /tmp/corin").success().prints("host");
    service("jit-sudo -n sh -c \"echo x > /etc/corin && rm /etc/corin\"").success();
    service("cd / && jit-sudo -n pwd").success().prints("/");
    // A folder of the caller's own that the host has too, one that it has not, and one that the caller may not enter.
    service("mkdir /tmp/corin.d; cd /tmp/corin.d && jit-sudo -n pwd").success().prints("/tmp/corin.d");
    service("mkdir /tmp/mine; cd /tmp/mine && jit-sudo -n pwd").success().prints("/root");
    guest.sh("chmod 700 /tmp/corin.d && chown root /tmp/corin.d").success();
    service("mkdir /tmp/corin.d; cd /tmp/corin.d && jit-sudo -n pwd").success().prints("/root");
    service("jit-sudo -n -v && jit-sudo -n -l id").success().prints("/usr/bin/id");
    // Another root folder, and other processes, are another world all the same.
    let root = "mount -t tmpfs none /srv && cd /srv && for folder in usr run proc etc dev; do \
                mkdir $folder && mount --rbind /$folder $folder; done && cp -d /bin /lib /lib64 /sbin . && \
                exec chroot --userspec=corin:corin . jit-sudo -n id";
    guest.sh(&format!("unshare --mount sh -c '{root}'")).exits(1).silent().complains("another root folder");
    let call = "setpriv --reuid corin --regid corin --init-groups jit-sudo -n id -u";
    guest.sh(&format!("unshare --mount {call}")).success().prints("0");
    guest.sh(&format!("unshare --mount --pid --fork {call}")).exits(1).silent().complains("jit-sudo: ");
    guest
        .sh("rm -rf /tmp/corin /tmp/corin.d /etc/jit-sudo/agent.toml; systemctl restart jit-agentd")
        .success();
}

/// Namespaces that change nothing about who asks, or what is asked for, are no obstacle.
#[test]
fn a_caller_in_a_network_of_its_own_is_served() {
    let (guest, _policy) = eligible("cosima", NO_PASSWORD);
    let call = "setpriv --reuid cosima --regid cosima --init-groups jit-sudo -n id -u";
    guest.sh(&format!("unshare --net {call}")).success().prints("0");
}

#[test]
fn a_caller_whose_real_and_effective_user_differ_is_refused() {
    let (guest, _policy) = eligible("cyril", NO_PASSWORD);
    let call = "setpriv --ruid cyril --regid cyril --init-groups jit-sudo -n id";
    guest.sh(call).exits(1).silent().complains("jit-sudo: ");
}

#[test]
fn the_overflow_user_is_refused() {
    let (guest, _policy) = eligible("cathy", NO_PASSWORD);
    let _all = guest.policy("cathy-all", &crate::rule("cathy-all", "nobody", NO_PASSWORD));
    guest.sh("setpriv --reuid 65534 --regid 65534 --clear-groups jit-sudo -n id").exits(1).silent();
}
