//! One Debian guest: a whole system, booted with systemd-nspawn on a throwaway overlay.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::image::{self, Layers};
use crate::login::Login;
use crate::process::{DEADLINE, Outcome, run};

const KEEPER: &str = include_str!("keeper.sh");
const BOOT: Duration = Duration::from_secs(90);

/// A running guest. It ends with this value, and at the latest with this process: the keeper, a shell that holds the
/// overlay and systemd-nspawn, waits on a pipe whose other end is here.
pub struct Guest {
    keeper: Child,
    leash: Option<ChildStdin>,
    /// Where the keeper says which process systemd-nspawn is.
    said: BufReader<ChildStdout>,
    work: PathBuf,
    init: u32,
    cgroup: Option<PathBuf>,
    release: String,
}

impl Guest {
    /// The guest that all tests of this program share, of the release that `JIT_GUEST` names (default: trixie), with
    /// the package installed.
    ///
    /// # Panics
    /// If it can't be made; the message says why.
    pub fn shared() -> &'static Self {
        static GUEST: OnceLock<Guest> = OnceLock::new();
        GUEST.get_or_init(|| Self::boot(&release()))
    }

    /// Boots a guest of this release with the package installed.
    ///
    /// # Panics
    /// If it can't be made; the message says why.
    pub fn boot(release: &str) -> Self {
        Self::start(&image::installed(release, "", &image::package()), release)
    }

    /// Boots a guest of this release with this package and the programs that it is compared with.
    ///
    /// # Panics
    /// If it can't be made; the message says why.
    pub fn boot_with_peers(release: &str, deb: &Path) -> Self {
        Self::start(&image::installed(release, image::PEERS, deb), release)
    }

    /// Boots a guest of this release with the package and what drives sudo.
    ///
    /// # Panics
    /// If it can't be made; the message says why.
    pub fn boot_with_clients(release: &str) -> Self {
        Self::start(&image::with_clients(release, &image::package()), release)
    }

    /// Boots a guest of this release with sudo and what drives it, and without the package.
    ///
    /// # Panics
    /// If it can't be made; the message says why.
    pub fn boot_with_sudo(release: &str) -> Self {
        Self::start(&Layers(vec![image::plain(release, image::CLIENTS)]), release)
    }

    /// Boots what is in these layers.
    pub(crate) fn start(layers: &Layers, release: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "guests need root: systemd-nspawn and overlay mounts");
        let name = format!("jit-{release}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let work = image::target().join("guests/run").join(&name);
        fs::create_dir_all(&work).unwrap_or_else(|error| panic!("{}: {error}", work.display()));
        let lower = layers.0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", KEEPER]);
        command.env("LOWER", lower).env("WORK", &work).env("NAME", &name);
        // A group of its own: Ctrl-C ends the test program, and that in turn makes the keeper clean up.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut keeper = command.spawn().unwrap_or_else(|error| panic!("can't start unshare: {error}"));
        let leash = keeper.stdin.take();
        let said = BufReader::new(keeper.stdout.take().expect("it is a pipe"));
        let mut guest =
            Self { keeper, leash, said, work, init: 0, cgroup: None, release: release.to_owned() };
        guest.wait_until_up();
        guest
    }

    /// Shuts the system down properly and boots it again, on the same overlay.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn reboot(&mut self) {
        self.power_off();
        self.boot_again();
    }

    /// Kills every process of the system at once, and boots it again, on the same overlay.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn cut_power(&mut self) {
        let init = i32::try_from(self.init).ok().and_then(rustix::process::Pid::from_raw);
        let init = init.expect("a process id");
        rustix::process::kill_process(init, rustix::process::Signal::KILL).expect("it is there");
        self.wait_until_down();
        self.boot_again();
    }

    fn boot_again(&mut self) {
        let leash = self.leash.as_mut().expect("it has not ended");
        leash.write_all(b"again\n").expect("the keeper listens");
        self.wait_until_up();
    }

    /// `trixie` or `bookworm`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Process id of the guest's init, as the host sees it.
    pub fn init(&self) -> u32 {
        self.init
    }

    /// A shell script as root in the guest. Its processes are in no login session.
    pub fn sh(&self, script: &str) -> Outcome {
        self.sh_with_input(script, b"", DEADLINE)
    }

    /// The same with this on stdin and another deadline.
    pub fn sh_with_input(&self, script: &str, input: &[u8], deadline: Duration) -> Outcome {
        let mut outcome = run(self.command(&["sh", "-c", script]), input, deadline);
        outcome.what = format!("guest {} # {script}", self.release);
        outcome
    }

    /// Ways to do things as this user.
    pub fn as_user<'guest>(&'guest self, name: &str) -> Login<'guest> {
        Login::new(self, name)
    }

    /// Makes a user with a home folder, this password (none: locked) and further groups, who can also come by ssh.
    pub fn add_user(&self, name: &str, password: Option<&str>, groups: &[&str]) {
        let groups = groups.join(",");
        let script = format!(
            "set -e; useradd --create-home --shell /bin/bash --groups '{groups}' {name}
             install -d -o {name} -g {name} -m 700 ~{name}/.ssh
             install -o {name} -g {name} -m 600 /root/.ssh/id_ed25519.pub ~{name}/.ssh/authorized_keys"
        );
        self.sh(&script).success();
        // An account without a password is not a locked one: `*` lets ssh keys in, and no password fits.
        let secret = password.map_or_else(|| format!("usermod -p '*' {name}"), |_| "chpasswd".into());
        let line = password.map(|password| format!("{name}:{password}\n")).unwrap_or_default();
        self.sh_with_input(&secret, line.as_bytes(), DEADLINE).success();
    }

    /// Writes a file, owned by root, mode 0644.
    pub fn write(&self, path: &str, content: &[u8]) {
        self.sh_with_input(&format!("umask 022; cat >'{path}'"), content, DEADLINE).success();
    }

    /// Reads a file; empty if it is not there.
    pub fn read(&self, path: &str) -> String {
        self.sh(&format!("cat '{path}' 2>/dev/null || true")).success().stdout
    }

    /// Installs a policy file for as long as the returned value lives, and makes the agent take it.
    ///
    /// # Panics
    /// If the agent does not.
    pub fn policy(&self, name: &str, text: &str) -> Policy<'_> {
        let path = format!("/etc/jit-sudo/policy.d/{name}.toml");
        self.write(&path, text.as_bytes());
        let policy = Policy { guest: self, path };
        self.sh("jitctl reload").success();
        policy
    }

    /// The records of the audit log that contain all of these texts, oldest first, as JSON lines.
    pub fn audit(&self, having: &[&str]) -> Vec<String> {
        let log = self.read("/var/log/jit-sudo/audit.jsonl");
        log.lines().filter(|line| having.iter().all(|text| line.contains(text))).map(str::to_owned).collect()
    }

    /// Waits until this script succeeds.
    ///
    /// # Panics
    /// If it does not within that time.
    #[track_caller]
    pub fn until(&self, script: &str, within: Duration) {
        let end = Instant::now() + within;
        loop {
            let outcome = self.sh(script);
            if outcome.is_ok() {
                return;
            }
            assert!(Instant::now() < end, "not within {within:?}: {outcome}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A command that runs in the guest: all namespaces, and a cgroup of the guest's.
    pub fn command(&self, words: &[&str]) -> Command {
        // The host's cgroup would be outside of what the guest can see: no process of a real system is.
        // Signals that whoever started the tests ignores (nohup, a job in the background) are not ignored in there.
        const ENTER: &str =
            r#"[ -z "$1" ] || echo 0 >"$1/cgroup.procs"; shift; exec env --default-signal "$@""#;
        let cgroup = self.cgroup.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", ENTER, "enter", &cgroup, "nsenter", "--target", &self.init.to_string()]);
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]).args(words);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", "/root").env("LANG", "C.UTF-8").env("TERM", "xterm").current_dir("/");
        command
    }

    /// Shuts the system down properly and keeps what it wrote, the overlay's upper folder, under this name.
    pub(crate) fn power_off_into(mut self, layer: &Path) {
        self.power_off();
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.write_all(b"keep\n");
        }
        let _ = self.keeper.wait();
        fs::rename(self.work.join("upper"), layer).expect("both are in target/guests");
        let _ = fs::remove_dir_all(&self.work);
    }

    fn power_off(&self) {
        let _ = self.sh("systemctl poweroff");
        self.wait_until_down();
    }

    fn wait_until_down(&self) {
        let end = Instant::now() + BOOT;
        while Path::new(&format!("/proc/{}", self.init)).exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_until_up(&mut self) {
        let mut line = String::new();
        let _ = self.said.read_line(&mut line);
        let nspawn = line.trim().parse::<u32>();
        self.wait_for_init(nspawn.unwrap_or_else(|_| panic!("the guest's overlay or cgroup failed")));
        self.wait_for_systemd();
        self.cgroup = self.make_cgroup();
    }

    fn wait_for_init(&mut self, nspawn: u32) {
        let end = Instant::now() + BOOT;
        while Instant::now() < end && Path::new(&format!("/proc/{nspawn}")).exists() {
            let children =
                fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).unwrap_or_default();
            let init =
                children.split_whitespace().find_map(|pid| pid.parse().ok().filter(|pid| is_init(*pid)));
            if let Some(pid) = init {
                self.init = pid;
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the guest did not start: {}", self.console());
    }

    fn wait_for_systemd(&self) {
        let end = Instant::now() + BOOT;
        loop {
            // Units that failed are for a test to find.
            let outcome = self.sh("systemctl is-system-running --wait");
            if matches!(outcome.stdout.trim(), "running" | "degraded") {
                return;
            }
            assert!(Instant::now() < end, "the guest did not boot: {outcome}\n{}", self.console());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn console(&self) -> String {
        let text = fs::read(self.work.join("console")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// A leaf beside the guest's slices for what tests start.
    fn make_cgroup(&self) -> Option<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?.split(' ').nth(4)?.to_owned();
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.init)).ok()?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let payload = Path::new(&mount).join(path.trim_end_matches("/init.scope").trim_start_matches('/'));
        let group = payload.join("tests.scope");
        fs::create_dir_all(&group).ok()?;
        Some(group)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.keeper.wait();
    }
}

/// A policy file that is removed again when this is dropped.
pub struct Policy<'guest> {
    guest: &'guest Guest,
    path: String,
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        let _ = self.guest.sh(&format!("rm -f '{}'; jitctl reload", self.path));
    }
}

/// The release to test: the one that `JIT_GUEST` names (default: trixie).
pub fn release() -> String {
    std::env::var("JIT_GUEST").unwrap_or_else(|_| "trixie".into())
}

/// Process 1 of a pid namespace below ours.
fn is_init(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let numbers: Vec<_> = numbers.split_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1")
}
