//! The real sudo, in a guest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jit_tests::Guest;
use serde_json::{Value, json};

use super::files::File;
use super::world::{GROUPS, TARGETS, USERS};

const ORACLE: &str = include_str!("oracle.py");

/// What sudo says to one question.
pub(super) struct Answer {
    pub(super) allowed: bool,
    /// The line that decides is shown (by newer ones), and says nothing of `NOPASSWD`.
    pub(super) asks: bool,
    pub(super) said: String,
}

/// All that the guest knows.
pub(super) struct Answers {
    pub(super) version: String,
    /// For each file, for each of its questions.
    pub(super) by_file: Vec<Vec<Answer>>,
    /// Uid, gid, groups.
    pub(super) accounts: BTreeMap<String, (u32, u32, Vec<u32>)>,
    pub(super) groups: BTreeMap<String, u32>,
    /// Each program with its folder resolved, what it leads to, and the SHA-256 of that.
    pub(super) paths: BTreeMap<String, [String; 3]>,
}

/// The release whose sudo counts, whichever the other tests are about: older ones compare paths in another way.
const RELEASE: &str = "trixie";

/// Asks in a guest of its own: its sudoers and its name change.
pub(super) fn ask(files: &[File]) -> Answers {
    let guest = Guest::boot_with_sudo(RELEASE);
    guest.write("/root/oracle.py", ORACLE.as_bytes());
    let questions = || files.iter().flat_map(|file| &file.questions);
    let paths: BTreeSet<&str> = questions().map(|question| question.argv[0].as_str()).collect();
    let accounts: BTreeSet<&str> = USERS.iter().map(|(name, ..)| *name).chain(TARGETS).collect();
    let asked = json!({
        "programs": paths.iter().copied().filter(|path| path.starts_with('/')).chain(["/usr/local/tools/.hidden", "/usr/local/tools/audit"]).collect::<Vec<_>>(),
        "groups": GROUPS,
        "users": USERS.iter().filter(|(_, uid, _)| *uid > 0).collect::<Vec<_>>(),
        "hosts": files.iter().map(|file| &file.host).collect::<BTreeSet<_>>(),
        "accounts": accounts,
        "paths": paths,
        "files": files.iter().map(|file| json!({
            "name": file.name,
            "text": file.text,
            "host": file.host,
            "queries": file.questions.iter().map(|question| json!({
                "user": question.user, "target": question.target, "group": question.group, "argv": question.argv,
                "oneself": file.has_oneself() || question.target.as_ref() == Some(&question.user),
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    let outcome = guest
        .sh_with_input("python3 /root/oracle.py", asked.to_string().as_bytes(), Duration::from_mins(10))
        .success();
    read(&serde_json::from_str(&outcome.stdout).unwrap())
}

fn read(value: &Value) -> Answers {
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = |value: &Value| value.as_array().unwrap().clone();
    let map = |key: &str| value[key].as_object().unwrap().clone();
    Answers {
        version: text(&value["version"]),
        by_file: all(&value["answers"])
            .iter()
            .map(|answers| {
                let answer = |answer: &Value| Answer {
                    allowed: answer["allowed"] == true,
                    asks: answer["asks"] == true,
                    said: text(&answer["said"]),
                };
                all(answers).iter().map(answer).collect()
            })
            .collect(),
        accounts: map("accounts")
            .iter()
            .map(|(name, ids)| {
                let groups = all(&ids[2]).iter().map(number).collect();
                (name.clone(), (number(&ids[0]), number(&ids[1]), groups))
            })
            .collect(),
        groups: map("groups").iter().map(|(name, gid)| (name.clone(), number(gid))).collect(),
        paths: map("paths")
            .iter()
            .map(|(path, all)| (path.clone(), [0, 1, 2].map(|at| text(&all[at]))))
            .collect(),
    }
}
