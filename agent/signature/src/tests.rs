//! Against ssh-keygen(1): what it signs is taken, and nothing else.

mod differential;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::bundle::Bundle;
use super::*;

const TEXT: &[u8] = b"what is signed\n";
/// 2026-11-22T00:00:00Z
const NOW: i64 = 1_795_305_600;

struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn keygen(&self, arguments: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        let status = command.current_dir(&self.0).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(status.status().expect("ssh-keygen, of openssh-client").success(), "{arguments:?}");
    }

    /// The public half of a new key.
    fn make(&self, name: &str, kind: &str) -> String {
        self.keygen(&["-q", "-t", kind, "-N", "", "-C", "a comment", "-f", name]);
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
    }

    fn sign(&self, name: &str, namespace: &str, text: &[u8]) -> String {
        fs::write(self.path("text"), text).unwrap();
        let _ = fs::remove_file(self.path("text.sig"));
        self.keygen(&["-Y", "sign", "-q", "-f", name, "-n", namespace, "text"]);
        fs::read_to_string(self.path("text.sig")).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.0.path()).join(name)
    }
}

fn signers(text: &str) -> Signers {
    Signers::parse(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn check(signature: &str, allowed: &str, text: &[u8]) -> Result<Signed, Rejection> {
    verify(text, signature, POLICY, &signers(allowed), &Revoked::default(), at(NOW))
}

#[test]
fn a_signature_of_ssh_keygen_is_taken_for_what_it_signs_alone() {
    let keys = Keys::new();
    for (name, kind) in [("one", "ed25519"), ("two", "ecdsa")] {
        let public = keys.make(name, kind);
        let signature = keys.sign(name, POLICY, TEXT);
        let entry = format!("bob@example.com,*@ops namespaces=\"{POLICY}\" {public}\n");
        let signed = check(&signature, &entry, TEXT).unwrap();
        assert_eq!(signed.principals, "bob@example.com,*@ops");
        assert!(signed.key.starts_with("SHA256:"), "{signed:?}");
        assert_eq!(check(&signature, &entry, b"something else\n"), Err(Rejection::Altered));
        assert_eq!(check(&keys.sign(name, "file", TEXT), &entry, TEXT), Err(Rejection::Namespace));
    }
}

#[test]
fn an_entry_is_good_for_its_namespaces_and_its_time() {
    let keys = Keys::new();
    let public = keys.make("one", "ed25519");
    let signature = keys.sign("one", POLICY, TEXT);
    for (options, expected) in [
        (format!("namespaces=\"file,{POLICY}\""), None),
        ("namespaces=\"jit-*\"".to_owned(), None),
        (format!("NAMESPACES=\"{POLICY}\",valid-after=\"20261121Z\",valid-before=\"20261122000001Z\""), None),
        // Without a purpose it has none.
        (String::new(), Some(Rejection::Unknown)),
        ("namespaces=\"file\"".to_owned(), Some(Rejection::Unknown)),
        (format!("namespaces=\"!{POLICY},*\""), Some(Rejection::Unknown)),
        (format!("namespaces=\"{POLICY}\",valid-after=\"202611220001Z\""), Some(Rejection::NotYetValid)),
        (format!("namespaces=\"{POLICY}\",valid-before=\"20261122Z\""), Some(Rejection::Expired)),
    ] {
        let found = check(&signature, &format!("# who\n\nbob {options} {public}\n"), TEXT);
        assert_eq!(found.err(), expected, "{options}");
    }
    let (past, present) = ("valid-before=\"20200101Z\"", "valid-before=\"20300101Z\"");
    let two = [past, present].map(|time| format!("bob namespaces=\"{POLICY}\",{time} {public}\n")).concat();
    assert!(check(&signature, &two, TEXT).is_ok(), "one of them holds");
}

#[test]
fn keys_that_are_strange_or_revoked_sign_nothing() {
    let keys = Keys::new();
    let public = keys.make("one", "ed25519");
    let other = keys.make("two", "ed25519");
    let signature = keys.sign("one", POLICY, TEXT);
    let entry = |key: &str| format!("bob namespaces=\"{POLICY}\" {key}\n");
    assert_eq!(check(&signature, &entry(&other), TEXT), Err(Rejection::Unknown));
    assert_eq!(check(&signature, "", TEXT), Err(Rejection::Unknown));
    let fingerprint = check(&signature, &entry(&public), TEXT).unwrap().key;
    for list in [public.clone(), format!("# gone\n{fingerprint} bob's\n")] {
        let revoked = Revoked::parse(&list).unwrap();
        let found = verify(TEXT, &signature, POLICY, &signers(&entry(&public)), &revoked, at(NOW));
        assert_eq!(found, Err(Rejection::Revoked), "{list}");
    }
}

#[test]
fn kinds_of_keys_that_cannot_be_checked_are_told_as_that() {
    let keys = Keys::new();
    let public = keys.make("one", "ed25519");
    keys.keygen(&["-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", "p384"]);
    keys.make("rsa", "rsa");
    for name in ["rsa", "p384"] {
        let other = fs::read_to_string(keys.path(&format!("{name}.pub"))).unwrap();
        let entry = |key: &str| format!("bob namespaces=\"{POLICY}\" {key}\n");
        assert_eq!(
            check(&keys.sign(name, POLICY, TEXT), &entry(&public), TEXT),
            Err(Rejection::KeyType),
            "{name}"
        );
        assert!(Signers::parse(&entry(other.trim())).is_err(), "{name}");
    }
}

#[test]
fn a_key_stands_for_the_names_of_all_its_entries_that_hold() {
    let keys = Keys::new();
    let (public, other) = (keys.make("one", "ed25519"), keys.make("two", "ed25519"));
    let signature = keys.sign("one", GRANT, TEXT);
    let entry =
        |who: &str, options: &str, key: &str| format!("{who} namespaces=\"{GRANT}\"{options} {key}\n");
    let file = [
        entry("bob@example.com,*@ops", "", &public),
        entry("old@example.com", ",valid-before=\"20200101Z\"", &public),
        entry("carol@example.com", "", &public),
        entry("eve@example.com", "", &other),
    ]
    .concat();
    let signers = signers(&file);
    let names =
        ["bob@example.com", "x@ops", "old@example.com", "carol@example.com", "eve@example.com", "*@ops"];
    let none = Revoked::default();
    let found = |names: Vec<&'static str>| {
        verify_names(TEXT, &signature, GRANT, (&signers, &none), at(NOW), names).unwrap().names
    };
    assert_eq!(found(names.into()), ["bob@example.com", "x@ops", "carol@example.com", "*@ops"]);
    assert!(found(vec!["dave@example.com"]).is_empty());
    assert_eq!(
        verify_names(TEXT, &signature, POLICY, (&signers, &none), at(NOW), names),
        Err(Rejection::Namespace)
    );
}

#[test]
fn a_line_that_is_not_understood_makes_the_file_worth_nothing() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmkiXxR6Qz3u4dFhuyYVKkkqWdu5b6cQPgaLxAyXHc6";
    for (line, what) in [
        ("bob".to_owned(), "it has no key"),
        (format!("\"bob {key}"), "its principals have no end"),
        (format!("bob cert-authority {key}"), "certificates are not known here: name the keys"),
        (format!("bob valid-after=20260101Z {key}"), "the value of valid-after does not stand in quotes"),
        (format!("bob namespaces=\"a\\\" {key}"), "the value of namespaces does not stand in quotes"),
        (format!("bob,!eve {key}"), "principals with a ! are not known here: name those whose key it is"),
        (format!("bob no-touch-required {key}"), "no-touch-required is no option that is known here"),
        (format!("bob namespaces=\"a\",namespaces=\"b\" {key}"), "namespaces stands twice"),
        (format!("bob valid-after=\"20260101\" {key}"), "the time 20260101 has no zone: add a Z, for UTC"),
        (format!("bob valid-after=\"20261301Z\" {key}"), "20261301Z is no time: write YYYYMMDDHHMMSSZ"),
        (format!("bob valid-after=\"+2026010Z\" {key}"), "+2026010Z is no time: write YYYYMMDDHHMMSSZ"),
        (
            "bob ssh-ed25519 AAAA".to_owned(),
            "its key is none that can be checked (ed25519, ecdsa-p256 and their sk forms are)",
        ),
    ] {
        let mistake = Signers::parse(&format!("# first\n{line}\n")).unwrap_err();
        assert_eq!((mistake.line, mistake.what.as_str()), (2, what), "{line}");
    }
    assert_eq!(Revoked::parse("bob\n").unwrap_err().line, 1);
}

/// PROTOCOL.u2f: the flags' first bit is "user presence". Made by a hardware key and in OpenSSH's own tests there is no
/// other way: so the flags of one are looked for where they are.
#[test]
fn a_hardware_keys_flags_are_read_where_they_stand() {
    let signature = |flags: u8| {
        let mut bytes = vec![0; 64];
        bytes.extend([flags, 0, 0, 0, 7]);
        let signature = ssh_key::Signature::new(Algorithm::SkEd25519, bytes).unwrap();
        let key = ssh_key::public::SkEd25519::new(ssh_key::public::Ed25519PublicKey([0; 32]), "ssh:");
        SshSig::new(key.into(), POLICY, HashAlg::Sha512, signature).unwrap()
    };
    assert!(needs_touch(&signature(0)));
    for (flags, touched) in [(0, false), (1, true), (4, false), (5, true)] {
        assert_eq!(was_touched(&signature(flags)), touched, "{flags}");
    }
}

#[test]
fn a_bundle_covers_its_files_and_no_other() {
    let files: [(&str, &[u8]); 2] = [("10-a.toml", b"a"), ("20-b.toml", b"b")];
    let bundle = Bundle::of(7, files);
    let text = bundle.to_string();
    assert_eq!(Bundle::parse(&text), Ok(bundle.clone()));
    assert_eq!(bundle.covers(files), Ok(()));
    for (files, what) in [
        (vec![("10-a.toml", &b"a"[..])], "20-b.toml is in the bundle, and not in the folder"),
        (vec![files[0], ("20-b.toml", b"x")], "20-b.toml is not the file that was signed"),
        (vec![files[0], files[1], ("30-c.toml", b"")], "30-c.toml is not in the bundle"),
    ] {
        assert_eq!(bundle.covers(files).unwrap_err(), what);
    }
}

/// What is signed has one form: whoever reads it otherwise reads something else than was meant.
#[test]
fn a_bundle_has_one_form() {
    let text = Bundle::of(7, [("a.toml", &b"a"[..]), ("b.toml", &b"b"[..])]).to_string();
    let lines: Vec<&str> = text.lines().collect();
    for (altered, line) in [
        (text.replace("bundle 1", "bundle 2"), 1),
        (text.replace("number 7", "number 07"), 2),
        (text.replace("number 7", "number +7"), 2),
        (text.replace("number 7", "number -7"), 2),
        (text.replace("number 7", "number 18446744073709551616"), 2),
        (text.replace("  a.toml", " a.toml"), 3),
        (text.replace("a.toml", "../a.toml"), 3),
        (
            text.to_uppercase()
                .replacen("JIT-POLICY-BUNDLE", "jit-policy-bundle", 1)
                .replace("NUMBER", "number"),
            3,
        ),
        (text.replace("b.toml", "a.toml"), 4),
        ([lines[0], lines[1], lines[3], lines[2], ""].join("\n"), 3),
        (text.replace('\n', "\r\n"), 3),
        (format!("{text}\n"), 5),
        (text.trim_end().to_owned(), 3),
        (String::new(), 1),
    ] {
        assert_eq!(Bundle::parse(&altered).map_err(|mistake| mistake.line), Err(line), "{altered:?}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_is_signed_by_chance(text in ".*", lines in "(.|\n)*") {
        let _ = Bundle::parse(&lines);
        let signers = Signers::parse(&lines).unwrap_or_default();
        prop_assert!(verify(text.as_bytes(), &lines, POLICY, &signers, &Revoked::default(), at(NOW)).is_err());
        if let Ok(bundle) = Bundle::parse(&text) {
            prop_assert_eq!(bundle.to_string(), text);
        }
    }
}
