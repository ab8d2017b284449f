//! Looking at processes, and being another user for a moment.

use std::fs;

/// Processes with this text in their command line, zombies and shells that only quote it left out.
pub(crate) fn count_processes(text: &str) -> usize {
    let wanted = |pid: &str| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        words.first().is_some_and(|word| word == "sleep") && words.join(" ").contains(text)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter(|entry| wanted(&entry.file_name().to_string_lossy())).count()
}

/// Whether a process has another one as a descriptor (a pidfd).
pub(crate) fn holds(pid: i32, other: i32) -> bool {
    let wanted = format!("Pid:\t{other}");
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten();
    let mut texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.any(|text| text.lines().any(|line| line == wanted))
}

/// Whether a process waits for something.
pub(crate) fn is_asleep(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('S')
}

pub(crate) fn parent_of(pid: i32) -> i32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    line.trim().parse().unwrap()
}

/// Does something as another user, then is root again.
pub(crate) fn as_user<T>(uid: u32, something: impl FnOnce() -> T) -> T {
    let root = nix::unistd::ROOT;
    let user = nix::unistd::Uid::from_raw(uid);
    nix::unistd::setresuid(user, user, root).unwrap();
    let result = something();
    nix::unistd::setresuid(root, root, root).unwrap();
    result
}

/// How often a text is in the writable memory of a process.
pub(crate) fn occurrences_in_memory(pid: i32, text: &str) -> usize {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            found += bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
        }
    }
    found
}
