//! Where everything is. Constants in the daemon: nothing moves them from outside.

use std::path::{Path, PathBuf};

use jit_protocol::paths;

/// The agent's files and sockets.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Owner of all of them: 0, but in tests.
    pub owner: u32,
    /// The settings.
    pub settings: PathBuf,
    /// The administrator's policy.
    pub policy: PathBuf,
    /// The vendor's policy.
    pub vendor_policy: PathBuf,
    /// Whose signatures count, if they have to.
    pub allowed_signers: PathBuf,
    /// Keys whose signatures do not, whatever that file says.
    pub revoked_keys: PathBuf,
    /// Programs that are told of events.
    pub hooks: PathBuf,
    /// systemd's id of this installation.
    pub machine_id: PathBuf,
    /// The firmware's id of this machine.
    pub product_id: PathBuf,
    /// Folder of the two public sockets (0755).
    pub run: PathBuf,
    /// Requests of helper and command line.
    pub agent_socket: PathBuf,
    /// Requests of the PAM module.
    pub pam_socket: PathBuf,
    /// Folder of the sockets between our own parts (0700).
    pub private: PathBuf,
    /// Where the spawner listens.
    pub spawner_socket: PathBuf,
    /// Where the agent listens for monitors.
    pub monitor_socket: PathBuf,
    /// Folder of the store and the last good policy (0700).
    pub state: PathBuf,
    /// Who is named in `[[login]]`.
    pub gated: PathBuf,
    /// The program that opens and saves files to edit.
    pub edit: PathBuf,
    /// The audit log; its folder is 0700.
    pub audit: PathBuf,
    /// The journal's socket.
    pub journal: PathBuf,
    /// The system bus's.
    pub bus: PathBuf,
}

impl Paths {
    /// The system's.
    pub fn system() -> Self {
        Self {
            owner: 0,
            settings: "/etc/jit-sudo/agent.toml".into(),
            policy: "/etc/jit-sudo/policy.d".into(),
            vendor_policy: "/usr/lib/jit-sudo/policy.d".into(),
            allowed_signers: "/etc/jit-sudo/allowed_signers".into(),
            revoked_keys: "/etc/jit-sudo/revoked_keys".into(),
            hooks: "/etc/jit-sudo/hooks.d".into(),
            machine_id: "/etc/machine-id".into(),
            product_id: "/sys/class/dmi/id/product_uuid".into(),
            run: "/run/jit-sudo".into(),
            agent_socket: paths::AGENT_SOCKET.into(),
            pam_socket: paths::PAM_SOCKET.into(),
            private: paths::PRIVATE.into(),
            spawner_socket: paths::SPAWNER_SOCKET.into(),
            monitor_socket: paths::MONITOR_SOCKET.into(),
            state: "/var/lib/jit-sudo".into(),
            gated: paths::GATED.into(),
            edit: "/usr/libexec/jit-sudo/jit-edit".into(),
            audit: "/var/log/jit-sudo/audit.jsonl".into(),
            journal: "/run/systemd/journal/socket".into(),
            bus: "/run/dbus/system_bus_socket".into(),
        }
    }

    /// The same tree below another folder, with another owner: for tests.
    pub fn below(root: &Path, owner: u32) -> Self {
        let system = Self::system();
        let moved = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        Self {
            owner,
            settings: moved(&system.settings),
            policy: moved(&system.policy),
            vendor_policy: moved(&system.vendor_policy),
            allowed_signers: moved(&system.allowed_signers),
            revoked_keys: moved(&system.revoked_keys),
            hooks: moved(&system.hooks),
            machine_id: moved(&system.machine_id),
            product_id: moved(&system.product_id),
            run: moved(&system.run),
            agent_socket: moved(&system.agent_socket),
            pam_socket: moved(&system.pam_socket),
            private: moved(&system.private),
            spawner_socket: moved(&system.spawner_socket),
            monitor_socket: moved(&system.monitor_socket),
            state: moved(&system.state),
            gated: moved(&system.gated),
            edit: moved(&system.edit),
            audit: moved(&system.audit),
            journal: moved(&system.journal),
            bus: moved(&system.bus),
        }
    }
}
