//! What a command inherits, attribute for attribute beside sudo. Every difference is wanted, and stands in
//! docs/differences-from-sudo.md: the tables of attributes there are what this test reads.

use std::collections::{BTreeMap, BTreeSet};

use super::{BOTH, Person, guest};

const PROBE: &str = include_str!("inheritance.py");
const LISTED: &str = include_str!("../../../../docs/differences-from-sudo.md");

/// The attributes in the table below this heading of the document.
fn listed(heading: &str) -> BTreeSet<String> {
    let section = LISTED.split("\n## ").find_map(|section| section.strip_prefix(heading));
    let rows = section.unwrap().lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect()
}

fn attributes(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.trim_end().split_once('\t')).collect()
}

/// A caller with something unusual about everything that can be inherited.
const CALLER: &str = "umask 027; cd /tmp; ulimit -S -n 333; ulimit -c 0; ulimit -S -s 4096; \
    export LC_ALL=C.UTF-8 TZ=Europe/Berlin EDITOR=vi SECRET=x DISPLAY=:7 PATH=$HOME/bin:$PATH; trap '' HUP USR1;";

/// Asks both for this target; the attributes that differ, and how.
fn differences(person: &Person, target: &str, terminal: bool) -> BTreeMap<String, String> {
    guest().write("/usr/local/share/inheritance.py", PROBE.as_bytes());
    let call = |program: &str| {
        let script = format!(
            "{CALLER} nice -n 3 {program} {target} python3 /usr/local/share/inheritance.py $(ps -o sid= $$) 'a b' '' >/tmp/{0}.{program}",
            person.name
        );
        // By ssh: what the guest's own services hand down reaches both.
        let outcome = if terminal {
            person.login().ssh_terminal(&script).finish()
        } else {
            person.login().ssh(&script)
        };
        let outcome = outcome.success();
        let told = guest().read(&format!("/tmp/{}.{program}", person.name));
        assert!(told.lines().count() > 60, "{outcome}{told}");
        told
    };
    let [theirs, ours] = BOTH.map(call);
    let (theirs, ours) = (attributes(&theirs), attributes(&ours));
    let names: BTreeSet<&str> = theirs.keys().chain(ours.keys()).copied().collect();
    let differ = names.into_iter().filter(|name| theirs.get(name) != ours.get(name));
    let both = |name: &str| format!("{:?}, ours {:?}", theirs.get(name), ours.get(name));
    differ.map(|name| (name.to_owned(), format!("to {target:?}: sudo {}", both(name)))).collect()
}

/// All that differ are listed; and beside the newest sudo, all that are listed differ somewhere.
#[test]
fn every_inherited_attribute_is_as_with_sudo_or_is_listed() {
    let person = Person::trusted("ulrike");
    let mut differ = BTreeMap::new();
    for target in ["", "-u daemon", "-u ulrike -g daemon"] {
        for terminal in [false, true] {
            differ.extend(differences(&person, target, terminal));
        }
    }
    let wanted = listed("What a command inherits\n");
    let older = listed("Beside an older sudo\n");
    differ.retain(|name, _| !older.contains(name));
    let news: Vec<_> = differ.iter().filter(|(name, _)| !wanted.contains(*name)).collect();
    assert!(news.is_empty(), "not listed in docs/differences-from-sudo.md: {news:#?}");
    if guest().release() == "trixie" {
        let stale: Vec<_> = wanted.iter().filter(|name| !differ.contains_key(*name)).collect();
        assert!(stale.is_empty(), "listed, but no difference: {stale:?}");
    }
}
