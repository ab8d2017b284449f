//! The name of this host.

/// The kernel's node name, now: it can be set at any time (cloud-init sets it after the start), and rules go by it. Never
/// DNS.
pub fn now() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
