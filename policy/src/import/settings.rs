//! How a command is asked for and run: what `Defaults`, options and tags say together.

mod counterparts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ast::{Options, Setting, Tags, Value};
use super::command::Why;
use crate::duration::LONGEST;

/// All that a rule of ours says beyond who may run what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) authenticate: bool,
    root_password: bool,
    /// `runaspw`: root's, or that of another.
    run_as_password: Option<Whose>,
    target_password: bool,
    /// How long an authentication counts.
    pub(super) remembered: Duration,
    /// An authentication counts only for one parent process.
    by_parent: bool,
    pub(super) secure_path: Option<String>,
    pub(super) env_keep: BTreeSet<String>,
    /// doas has it, sudo has not.
    pub(super) env_set: BTreeMap<String, String>,
    umask: u32,
    umask_override: bool,
    pub(super) cwd: Option<String>,
    pub(super) any_cwd: bool,
    home_cwd: bool,
    pub(super) timeout: Option<Duration>,
    no_exec: bool,
    intercept: bool,
    chroot: bool,
    confined: bool,
}

/// Whose password is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Invoking,
    Target,
    Root,
    /// That of `runas_default`, which is not root.
    Other,
}

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Applied,
    /// It has no counterpart, and matters to who may do what or to what is recorded.
    Lost(Why),
    /// It has no counterpart, and needs none.
    Needless,
    /// No version of sudo knows it, or not with this value.
    Unknown,
}

/// Debian's sudo remembers for a quarter of an hour.
const REMEMBERED: Duration = Duration::from_mins(15);
const UMASK: u32 = 0o022;

/// Settings that take no value: sudo passes over one that has any.
const FLAGS: [&str; 8] =
    ["authenticate", "intercept", "noexec", "rootpw", "runaspw", "targetpw", "tty_tickets", "umask_override"];

impl Settings {
    pub(super) fn new() -> Self {
        Self {
            authenticate: true,
            root_password: false,
            run_as_password: None,
            target_password: false,
            remembered: REMEMBERED,
            by_parent: false,
            secure_path: None,
            env_keep: BTreeSet::new(),
            env_set: BTreeMap::new(),
            umask: UMASK,
            umask_override: false,
            cwd: None,
            any_cwd: false,
            home_cwd: false,
            timeout: None,
            no_exec: false,
            intercept: false,
            chroot: false,
            confined: false,
        }
    }

    /// Why a rule with these can't be one of ours.
    pub(super) fn refused(&self) -> Option<Why> {
        match self {
            Self { no_exec: true, .. } => Some("`noexec` is not built yet"),
            Self { intercept: true, .. } => Some("`intercept` has no counterpart"),
            Self { chroot: true, .. } => Some("`CHROOT` has no counterpart"),
            Self { confined: true, .. } => Some("roles, types, profiles and privileges are not built yet"),
            Self { home_cwd: true, .. } => Some("a home folder can't be a working folder"),
            _ if self.authenticate && self.whose() == Whose::Other => {
                Some("the password of a `runas_default` that is not root can't be asked for")
            }
            _ => None,
        }
    }

    /// Whose password is asked for.
    pub(super) fn whose(&self) -> Whose {
        match (self.root_password, self.run_as_password, self.target_password) {
            (true, ..) => Whose::Root,
            (false, Some(whose), _) => whose,
            (false, None, true) => Whose::Target,
            (false, None, false) => Whose::Invoking,
        }
    }

    /// Exactly this mask; `None` is the invoking user's and 022.
    pub(super) fn umask(&self) -> Option<u32> {
        (self.umask != 0o777 && (self.umask != UMASK || self.umask_override)).then_some(self.umask)
    }

    /// One line of `Defaults`, or a part of it.
    pub(super) fn apply(&mut self, setting: &Setting, runas_default: &str) -> Fate {
        let on = setting.value != Value::Off;
        let is_flag = FLAGS.contains(&setting.name.as_str());
        if is_flag && !matches!(setting.value, Value::On | Value::Off) {
            return Fate::Unknown;
        }
        let text = match &setting.value {
            Value::Set(text) => Some(text.as_str()),
            _ => None,
        };
        match setting.name.as_str() {
            "authenticate" => self.authenticate = on,
            "rootpw" => self.root_password = on,
            "targetpw" => self.target_password = on,
            "runaspw" => {
                let whose = if matches!(runas_default, "root" | "#0") { Whose::Root } else { Whose::Other };
                self.run_as_password = on.then_some(whose);
            }
            "timestamp_timeout" => {
                let minutes = if on { text.and_then(minutes) } else { Some(0.0) };
                let Some(minutes) = minutes else { return Fate::Unknown };
                self.remembered = if minutes < 0.0 { LONGEST } else { seconds(minutes * 60.0) };
            }
            "timestamp_type" => match text {
                Some("ppid") => self.by_parent = true,
                Some("tty" | "kernel" | "global") => self.by_parent = false,
                _ => return Fate::Unknown,
            },
            "tty_tickets" => self.by_parent = false,
            "secure_path" => match text {
                Some(path) => {
                    let path: Vec<&str> =
                        path.split(':').map(|folder| folder.trim_end_matches('/')).collect();
                    if !path.iter().all(|folder| crate::pattern::is_normal(folder.as_bytes())) {
                        return Fate::Lost("`secure_path` holds absolute folders only");
                    }
                    self.secure_path = Some(path.join(":"));
                }
                None if on => return Fate::Unknown,
                None => {
                    self.secure_path = None;
                    return Fate::Lost("the caller's PATH is never used");
                }
            },
            "env_keep" => return self.keep(&setting.value),
            "umask" => {
                let umask =
                    if on { text.and_then(|text| u32::from_str_radix(text, 8).ok()) } else { Some(0o777) };
                let Some(umask) = umask.filter(|umask| *umask <= 0o777) else { return Fate::Unknown };
                self.umask = umask;
            }
            "umask_override" => self.umask_override = on,
            "runcwd" => self.work_in(text),
            "runchroot" => self.chroot = on,
            "command_timeout" => {
                let Some(timeout) = text.map_or(Some(Duration::ZERO), timeout) else { return Fate::Unknown };
                self.timeout = (!timeout.is_zero()).then_some(timeout);
            }
            "noexec" => self.no_exec = on,
            "intercept" => self.intercept = on,
            "role" | "type" | "apparmor_profile" | "privs" | "limitprivs" => self.confined = on,
            name => return counterparts::without(name, on),
        }
        Fate::Applied
    }

    fn keep(&mut self, value: &Value) -> Fate {
        let (text, removes) = match value {
            Value::Off => {
                self.env_keep.clear();
                return Fate::Lost("the variables that sudo keeps by itself stay");
            }
            Value::On => return Fate::Unknown,
            Value::Set(text) => {
                self.env_keep.clear();
                (text, false)
            }
            Value::Add(text) => (text, false),
            Value::Remove(text) => (text, true),
        };
        let mut fate = Fate::Applied;
        for name in text.split_ascii_whitespace() {
            if removes {
                if !self.env_keep.remove(name) {
                    fate = Fate::Lost("the variables that sudo keeps by itself stay");
                }
            } else if name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '*'))
                && !name.contains("**")
            {
                self.env_keep.insert(name.to_owned());
            } else {
                fate = Fate::Lost("variables are kept by name, whatever their values");
            }
        }
        fate
    }

    fn work_in(&mut self, folder: Option<&str>) {
        (self.cwd, self.any_cwd, self.home_cwd) = (None, folder == Some("*"), false);
        let Some(folder) = folder else { return };
        let folder = if folder == "/" { folder } else { folder.trim_end_matches('/') };
        if crate::pattern::is_normal(folder.as_bytes()) {
            self.cwd = Some(folder.to_owned());
        } else if folder != "*" {
            self.home_cwd = true;
        }
    }

    /// What stands before the command. An error if it makes no sense.
    pub(super) fn apply_options(&mut self, options: &Options, tags: Tags) -> Result<(), Why> {
        if let Some(no_password) = tags.no_password {
            self.authenticate = !no_password;
        }
        self.no_exec = tags.no_exec.unwrap_or(self.no_exec);
        self.intercept = tags.intercept.unwrap_or(self.intercept);
        if let Some(folder) = &options.cwd {
            self.work_in(Some(folder));
        }
        self.chroot |= options.chroot.is_some();
        self.confined |= [&options.role, &options.type_, &options.apparmor_profile, &options.privileges]
            .iter()
            .any(|option| option.is_some());
        if let Some(text) = &options.timeout {
            let timeout = timeout(text).ok_or("its `TIMEOUT` is not understood")?;
            // Zero is as if it were not there: what `Defaults` say stays.
            if !timeout.is_zero() {
                self.timeout = Some(timeout);
            }
        }
        Ok(())
    }

    /// Both at once, the stricter of each; `None` if neither is.
    pub(super) fn stricter(&self, other: &Self) -> Option<Self> {
        let asks = if self.authenticate { self } else { other };
        if self.authenticate && other.authenticate && self.whose() != other.whose() {
            return None;
        }
        if (&self.cwd, &self.secure_path, &self.env_set) != (&other.cwd, &other.secure_path, &other.env_set) {
            return None;
        }
        let timeout = [self.timeout, other.timeout].into_iter().flatten().min();
        Some(Self {
            authenticate: self.authenticate || other.authenticate,
            root_password: asks.root_password,
            run_as_password: asks.run_as_password,
            target_password: asks.target_password,
            remembered: self.remembered.min(other.remembered),
            by_parent: self.by_parent || other.by_parent,
            secure_path: self.secure_path.clone(),
            env_keep: self.env_keep.intersection(&other.env_keep).cloned().collect(),
            env_set: self.env_set.clone(),
            umask: self.umask | other.umask,
            umask_override: self.umask_override || other.umask_override,
            cwd: self.cwd.clone(),
            any_cwd: self.any_cwd && other.any_cwd,
            home_cwd: self.home_cwd || other.home_cwd,
            timeout,
            no_exec: self.no_exec || other.no_exec,
            intercept: self.intercept || other.intercept,
            chroot: self.chroot || other.chroot,
            confined: self.confined || other.confined,
        })
    }

    /// Whether a later rule with these needs nothing taken away from an earlier one with the others: of several rules of
    /// ours that match, the one with the fewest duties missing is taken.
    pub(super) fn serve_as_well(&self, earlier: &Self) -> bool {
        let same_password =
            self.whose() == earlier.whose() && self.timeout_of_record() >= earlier.timeout_of_record();
        let authentication = !self.authenticate || (earlier.authenticate && same_password);
        let aligned = Self {
            authenticate: earlier.authenticate,
            root_password: earlier.root_password,
            run_as_password: earlier.run_as_password,
            target_password: earlier.target_password,
            remembered: earlier.remembered,
            by_parent: earlier.by_parent,
            ..self.clone()
        };
        authentication && aligned == *earlier
    }

    /// How long an authentication counts. Ours counts on a whole terminal, so one for a parent process never does.
    pub(super) fn timeout_of_record(&self) -> Duration {
        if self.by_parent { Duration::ZERO } else { self.remembered }
    }
}

/// Digits, perhaps with a dot in them and a sign before them: nothing else that Rust takes for a number.
fn minutes(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let sound = digits.chars().all(|char| char.is_ascii_digit() || char == '.');
    text.parse().ok().filter(|_| sound)
}

/// Whole seconds, cut off.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds)
        .map_or(LONGEST, |time| Duration::from_secs(time.as_secs()))
        .min(LONGEST)
}

/// `2d8h30m`, or seconds; zero is no limit. `None` if it is neither.
fn timeout(text: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut rest = text;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        let mut units = after.chars();
        let unit = match units.next().map(|unit| unit.to_ascii_lowercase()) {
            Some('d') => 86_400,
            Some('h') => 3600,
            Some('m') => 60,
            None | Some('s') => 1,
            _ => return None,
        };
        if unit >= last {
            return None;
        }
        last = unit;
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = units.as_str();
    }
    (!text.is_empty()).then_some(Duration::from_secs(total).min(LONGEST))
}

/// Whether sudo reads a time here: numbers with units, larger ones first. It passes over a line with anything else.
pub(super) fn is_timeout(text: &str) -> bool {
    let mut rest = text;
    let mut units = "dhms";
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        if !number.parse::<i32>().is_ok_and(|number| number >= 0) {
            return false;
        }
        let mut after = after.chars();
        let Some(unit) = after.next() else { break };
        let Some(at) = units.find(unit.to_ascii_lowercase()) else { return false };
        units = units.get(at..).unwrap_or_default();
        rest = after.as_str();
    }
    !text.is_empty() && timeout(text).is_none_or(|timeout| i32::try_from(timeout.as_secs()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_sudo_writes_them() {
        let seconds = |text| timeout(text).map(|timeout| timeout.as_secs());
        for (text, expected) in [
            ("2d8h30m", Some(203_400)),
            ("30", Some(30)),
            ("1M30s", Some(90)),
            ("0", Some(0)),
            ("", None),
            ("5x", None),
            ("5m1h", None),
            ("m", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
