//! Debian images: made once, never changed. Guests run on overlays above them.
//!
//! ```text
//! target/guests/trixie-<digest>             the release with PACKAGES (and more, for the benchmarks), by mmdebstrap
//! target/guests/trixie-<digest>-<digest>    what `dpkg -i` of our package, and the users, add to it
//! target/guests/pypi-trixie-<digest>        programs from PyPI, for the tests of what drives sudo
//! target/guests/run/<name>                  a running guest's overlay
//! ```
//! The digests are of what goes in; a folder gets its name only when it is complete.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::guest::Guest;
use crate::process::run;
use crate::pypi;

/// What a guest has beside a minimal Debian: systemd and logind, ways to come in, and tools that tests use.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,libpam-systemd,libpam-modules,libpam-runtime,openssh-server,\
                        openssh-client,cron,procps,python3-minimal,util-linux-extra,passwd,login,iproute2,\
                        uidmap,file";

/// What the benchmarks measure beside ours. The guests of the tests have none of it: jit-sudo needs none.
pub const PEERS: &str = ",sudo,sudo-rs,opendoas,polkitd,pkexec";

/// What drives sudo, and sudo itself to compare with: for guests that show that ours takes its place.
pub(crate) const CLIENTS: &str = ",sudo,python3,acl,git,less,pv,vim,tmux,cockpit-system";

/// Releases that guests can be made of.
pub const RELEASES: [&str; 2] = ["trixie", "bookworm"];

/// Lower folders of an overlay, uppermost first.
pub struct Layers(pub Vec<PathBuf>);

/// Folder for build products: cargo's.
pub fn target() -> PathBuf {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_path_buf();
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), |folder| workspace.join(folder))
}

/// The package to test: `JIT_DEB`, or the newest in `target/debian`.
///
/// # Panics
/// If there is none.
pub fn package() -> PathBuf {
    if let Some(path) = std::env::var_os("JIT_DEB") {
        return PathBuf::from(path);
    }
    newest("jit-sudo", &target().join("debian"))
}

/// The package that makes ours `sudo`: the newest beside [`package`].
///
/// # Panics
/// If there is none.
pub fn as_sudo() -> PathBuf {
    newest("jit-sudo-as-sudo", package().parent().unwrap_or(Path::new(".")))
}

fn newest(name: &str, folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
    };
    let newest = files.filter(named).max_by_key(|path| path.metadata().and_then(|meta| meta.modified()).ok());
    newest.unwrap_or_else(|| panic!("no {name} in {}: run `cargo xtask package`", folder.display()))
}

/// The image of a release with `more` packages (`""`, or [`PEERS`]) and ours installed in it, made if it is not there
/// yet.
///
/// # Panics
/// If it can't be made; the message says why.
pub fn installed(release: &str, more: &str, deb: &Path) -> Layers {
    let base = plain(release, more);
    let lock = lock();
    let bytes = fs::read(deb).unwrap_or_else(|error| panic!("{}: {error}", deb.display()));
    let digest = digest(&(bytes, PROVISION));
    let mut name = base.file_name().unwrap_or_default().to_owned();
    name.push(format!("-{digest}"));
    let layer = base.with_file_name(&name);
    if !layer.is_dir() {
        remove_others(&base, &name);
        let guest = Guest::start(&Layers(vec![base.clone()]), release);
        install(&guest, deb);
        guest.power_off_into(&layer);
    }
    drop(lock);
    Layers(vec![layer, base])
}

/// As [`installed`], with what drives sudo, from Debian and from `PyPI`.
///
/// # Panics
/// As [`installed`].
pub fn with_clients(release: &str, deb: &Path) -> Layers {
    let mut layers = installed(release, CLIENTS, deb);
    layers.0.insert(0, clients(release));
    layers
}

/// What drives sudo, made if it is not there yet: the image of a release with it, and the layer above that, which is told.
///
/// # Panics
/// If it can't be made; the message says why.
pub fn clients(release: &str) -> PathBuf {
    let base = plain(release, CLIENTS);
    let lock = lock();
    let layer = target().join("guests").join(format!("pypi-{release}-{}", digest(&pypi::CLIENTS)));
    if !layer.is_dir() {
        pypi::layer(&layer, &base);
    }
    drop(lock);
    layer
}

/// The image of a release with `more` packages, made if it is not there yet.
///
/// # Panics
/// If it can't be made; the message says why.
pub fn plain(release: &str, more: &str) -> PathBuf {
    assert!(RELEASES.contains(&release), "no guest of {release:?}: choose from {RELEASES:?}");
    let lock = lock();
    let folder = target().join("guests");
    let packages = format!("{PACKAGES}{more}");
    let image = folder.join(format!("{release}-{}", digest(&packages)));
    if !image.is_dir() {
        let partial = folder.join(format!("{release}.partial"));
        let _ = fs::remove_dir_all(&partial);
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=minbase", "--mode=root", "--format=directory"]);
        command.arg(format!("--include={packages}")).arg("--aptopt=Acquire::Languages \"none\"");
        command.args(apt_options());
        command.arg(release).arg(&partial).args(mirror());
        let outcome = run(command, b"", Duration::from_mins(15));
        assert!(
            outcome.is_ok(),
            "can't make the guest's image; `cargo xtask test` installs what it needs\n{outcome}"
        );
        fs::rename(&partial, &image).expect("both are in target/guests");
    }
    drop(lock);
    image
}

/// What a guest is given beside the package. Penalties: sshd would drop 127.0.0.1 after four refused logins.
const PROVISION: &str = "
set -e
mkdir -p /etc/ssh/sshd_config.d /root/.ssh
sshd -T 2>/dev/null | grep -qi persourcepenalties && echo 'PerSourcePenalties no' >/etc/ssh/sshd_config.d/tests.conf
printf 'MaxStartups 100\\nUseDNS no\\n' >>/etc/ssh/sshd_config.d/tests.conf
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
printf 'Host *\\n  StrictHostKeyChecking no\\n  UserKnownHostsFile /dev/null\\n  LogLevel ERROR\\n' >/root/.ssh/config
systemctl restart ssh
";

fn install(guest: &Guest, deb: &Path) {
    guest.sh(PROVISION).success();
    let bytes = fs::read(deb).unwrap_or_else(|error| panic!("{}: {error}", deb.display()));
    guest.write("/root/jit-sudo.deb", &bytes);
    guest.sh("dpkg -i /root/jit-sudo.deb").success();
}

/// Only one test program at a time makes images. Held until dropped.
fn lock() -> File {
    let folder = target().join("guests");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let file = File::create(folder.join("lock")).expect("target is writable");
    file.lock().expect("a file can be locked");
    file
}

/// Layers of packages built earlier.
fn remove_others(base: &Path, keep: &std::ffi::OsStr) {
    let prefix = format!("{}-", base.file_name().unwrap_or_default().to_string_lossy());
    for entry in base.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) && entry.file_name() != keep {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The mirror that this host's own apt uses for Debian: it has all releases. None (mmdebstrap then knows one by
/// itself) on a host that is not Debian.
fn mirror() -> Option<String> {
    let codename = os_release("VERSION_CODENAME")?;
    if os_release("ID")? != "debian" {
        return None;
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(
        fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path()),
    );
    files.iter().filter_map(|path| fs::read_to_string(path).ok()).find_map(|text| mirror_in(&text, &codename))
}

/// Finds the main archive of a release in one of apt's source files, of the old (one line) or new (deb822) kind.
fn mirror_in(text: &str, codename: &str) -> Option<String> {
    let one_line = text.lines().filter(|line| line.trim_start().starts_with("deb ")).find_map(|line| {
        let at = line.find("://")?;
        let begin = line.get(..at)?.rfind(char::is_whitespace)? + 1;
        let mut words = line.get(begin..)?.split_whitespace();
        let uri = words.next()?;
        (words.next() == Some(codename)).then(|| uri.to_owned())
    });
    let field = |stanza: &str, name: &str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    one_line.or_else(|| {
        text.split("\n\n").find_map(|stanza| {
            let suites = field(stanza, "Suites:")?;
            let wanted = suites.iter().any(|suite| suite == codename);
            wanted.then(|| field(stanza, "URIs:").and_then(|uris| uris.into_iter().next())).flatten()
        })
    })
}

/// How this host's apt reaches its mirrors: proxies, certificates and clock checks.
fn apt_options() -> Vec<String> {
    let dump = Command::new("apt-config").args(["dump", "Acquire"]).output();
    let text = dump.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let names =
        ["Proxy", "Verify-", "CaInfo", "CaPath", "SslCert", "SslKey", "Check-Valid-Until", "Check-Date"];
    let relevant = |line: &&str| names.iter().any(|name| line.contains(name)) && !line.ends_with("\"\";");
    text.lines().filter(relevant).map(|line| format!("--aptopt={}", line.trim_end_matches(';'))).collect()
}

fn os_release(key: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

fn digest(value: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_in_both_kinds_of_sources() {
        let old = "# deb http://no.example/debian trixie main\ndeb [arch=amd64 signed-by=/k] http://a.example/debian trixie main\n";
        let new = "Types: deb\nURIs: http://s.example/debian-security\nSuites: trixie-security\n\nTypes: deb\nURIs: http://b.example/debian\nSuites: trixie trixie-updates\n";
        assert_eq!(mirror_in(old, "trixie").as_deref(), Some("http://a.example/debian"));
        assert_eq!(mirror_in(new, "trixie").as_deref(), Some("http://b.example/debian"));
        assert_eq!(mirror_in(old, "bookworm"), None);
    }
}
