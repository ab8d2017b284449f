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
