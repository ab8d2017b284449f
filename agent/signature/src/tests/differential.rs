//! Nothing is taken that `ssh-keygen -Y verify` refuses: the same files are handed to both.

use std::io::Write;

use sha2::{Digest, Sha256};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use ssh_key::{LineEnding, PrivateKey, Signature, SigningKey};

use super::*;

/// What both are asked.
#[derive(Clone, Debug)]
struct Case {
    text: Vec<u8>,
    signature: String,
    allowed: String,
    revoked: String,
}

impl Case {
    fn ours(&self) -> Result<Signed, String> {
        let signers = Signers::parse(&self.allowed).map_err(|mistake| mistake.to_string())?;
        let revoked = Revoked::parse(&self.revoked).map_err(|mistake| mistake.to_string())?;
        verify(&self.text, &self.signature, POLICY, &signers, &revoked, at(NOW))
            .map_err(|rejection| rejection.to_string())
    }

    /// What ssh-keygen says for somebody whom the principals of the entry name.
    fn theirs(&self, keys: &Keys, principals: &str) -> bool {
        for (name, text) in
            [("case.sig", &self.signature), ("case.allowed", &self.allowed), ("case.revoked", &self.revoked)]
        {
            fs::write(keys.path(name), text).unwrap();
        }
        let first = principals.split(',').next().unwrap();
        let identity = first.replace('*', "").replace('?', "x");
        let mut command = Command::new("ssh-keygen");
        command
            .current_dir(&keys.0)
            .args(["-Y", "verify", "-q", "-n", POLICY, "-s", "case.sig", "-f", "case.allowed"])
            .args(["-I", &identity, "-Overify-time=20261122000000Z"])
            .args(if self.revoked.is_empty() { &[][..] } else { &["-r", "case.revoked"] })
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut running = command.spawn().expect("ssh-keygen, of openssh-client");
        let _ = running.stdin.take().unwrap().write_all(&self.text); // it may have refused already
        running.wait().unwrap().success()
    }

    /// Whether we take it; then ssh-keygen must, too.
    #[track_caller]
    fn compare(&self, keys: &Keys) -> bool {
        let ours = self.ours();
        if let Ok(signed) = &ours {
            assert!(self.theirs(keys, &signed.principals), "only we take it: {self:#?}");
        }
        ours.is_ok()
    }
}

/// A hardware key that is none: what it signs is put together by hand (`PROTOCOL.u2f`).
struct Token {
    pair: Ed25519Keypair,
    key: KeyData,
}

impl Token {
    fn new() -> Self {
        let pair = Ed25519Keypair::from_seed(&[7; 32]);
        let key = SkEd25519::new(Ed25519PublicKey(pair.public.0), "ssh:").into();
        Self { pair, key }
    }

    fn public(&self) -> String {
        PublicKey::from(self.key.clone()).to_openssh().unwrap()
    }

    /// A signature with these flags that calls itself one of this algorithm.
    fn sign(&self, flags: u8, algorithm: Algorithm) -> String {
        let message = SshSig::signed_data(POLICY, HashAlg::Sha512, TEXT).unwrap();
        let tail = [flags, 0, 0, 0, 9];
        let mut signed = Sha256::digest("ssh:").to_vec();
        signed.extend(tail);
        signed.extend(Sha256::digest(message));
        let private = PrivateKey::new(KeypairData::Ed25519(self.pair.clone()), "").unwrap();
        let mut bytes = raw(&private, &signed);
        bytes.extend(tail);
        let signature = Signature::new(algorithm, bytes).unwrap();
        let signature = SshSig::new(self.key.clone(), POLICY, HashAlg::Sha512, signature).unwrap();
        signature.to_pem(LineEnding::LF).unwrap()
    }
}

/// What a key signs as it stands, without the form of [`SshSig`].
fn raw<K: SigningKey>(key: &K, text: &[u8]) -> Vec<u8> {
    key.try_sign(text).unwrap().as_bytes().to_vec()
}

fn case(signature: String, allowed: String) -> Case {
    Case { text: TEXT.to_vec(), signature, allowed, revoked: String::new() }
}

// The algorithm stands twice in a signature, with the key and with what the key made; and it is the second that says whether
// there are flags.
#[test]
fn a_hardware_key_that_nobody_touched_signs_nothing_whatever_the_signature_calls_itself() {
    let (keys, token) = (Keys::new(), Token::new());
    let allowed = format!("bob namespaces=\"{POLICY}\" {}\n", token.public());
    assert!(case(token.sign(1, Algorithm::SkEd25519), allowed.clone()).compare(&keys));
    for name in ["sk-ssh-ed25519@openssh.com", "x@example.com", "rsa-sha2-512", "rsa-sha2-256"] {
        for flags in [0, 4] {
            let signature = token.sign(flags, Algorithm::new(name).unwrap());
            assert!(!case(signature, allowed.clone()).compare(&keys), "{name}");
        }
    }
    let renamed = token.sign(1, Algorithm::new("x@example.com").unwrap());
    assert_eq!(check(&renamed, &allowed, TEXT), Err(Rejection::Malformed));
}

// Each byte that is changed, left out or comes twice; and what stands before and behind.
#[test]
fn a_signature_that_is_changed_anywhere_is_taken_by_nobody() {
    let keys = Keys::new();
    for kind in ["ed25519", "ecdsa"] {
        let public = keys.make(kind, kind);
        let signature = keys.sign(kind, POLICY, TEXT);
        let whole = case(signature.clone(), format!("bob namespaces=\"{POLICY}\" {public}\n"));
        assert!(whole.compare(&keys));
        let body = signature.find('\n').unwrap() + 1;
        let end = signature.rfind("\n---").unwrap();
        for at in body..end {
            let (before, after) = signature.split_at(at);
            let (one, rest) = after.split_at(1);
            let other = if one == "A" { "B" } else { "A" };
            let altered = match at % 3 {
                _ if one == "\n" => continue,
                0 => format!("{before}{rest}"),
                1 => format!("{before}A{after}"),
                _ => format!("{before}{other}{rest}"),
            };
            assert!(!Case { signature: altered, ..whole.clone() }.compare(&keys), "{kind} {at}");
        }
        for around in [
            format!("{signature}{signature}"),
            format!("x{signature}"),
            format!("\n\n{signature}"),
            format!("{signature}x"),
            signature.replace('\n', "\r\n"),
            signature.replace("\n-----END", "AAAA\n-----END"),
            signature.replace("SSH SIGNATURE", "SSH SIGNATURe"),
        ] {
            Case { signature: around, ..whole.clone() }.compare(&keys);
        }
    }
}

#[test]
fn a_line_of_allowed_signers_gives_no_more_than_it_does_to_ssh_keygen() {
    let keys = Keys::new();
    let public = keys.make("one", "ed25519");
    let signature = keys.sign("one", POLICY, TEXT);
    let for_us = format!("namespaces=\"{POLICY}\"");
    let (kind, rest) = public.split_once(' ').unwrap();
    let mut taken = 0;
    for line in [
        format!("bob {for_us} {public}"),
        format!("\"bob\" {for_us} {public}"),
        format!("\"bob,al\" {for_us} {public}"),
        format!("bob,!eve {for_us} {public}"),
        format!("!bob {for_us} {public}"),
        format!("!* {for_us} {public}"),
        format!("bob,!bob {for_us} {public}"),
        format!("*,!b* {for_us} {public}"),
        format!(", {for_us} {public}"),
        format!("bob\t{for_us}\t{public}"),
        format!("bob  {for_us}  {kind}  {rest}"),
        format!("bob {for_us} {public}\r"),
        format!("bob\u{c}{for_us} {public}"),
        format!("bob {for_us}\u{c}{public}"),
        format!("\u{a0}bob {for_us} {public}"),
        format!("bob {for_us},valid-after=\"20261121Z\" {public}"),
        format!("bob valid-after=\"20261121Z\",{for_us} {public}"),
        format!("bob {for_us},valid-before=\"20261122Z\" {public}"),
        format!("bob {for_us},valid-before=\"20261123Z\",valid-after=\"20261124Z\" {public}"),
        format!("bob {for_us},valid-before=\"2026112\" {public}"),
        format!("bob {for_us},valid-before=\"99991231Z\" {public}"),
        format!("bob {for_us},valid-before=\"20261122000000Z\" {public}"),
        format!("bob {for_us}, {public}"),
        format!("bob ,{for_us} {public}"),
        format!("bob {for_us},,valid-before=\"20270101Z\" {public}"),
        format!("bob namespaces={POLICY} {public}"),
        format!("bob {for_us},valid-after=20260101Z {public}"),
        format!("bob namespaces=\"{POLICY} {public}"),
        format!("bob namespaces=\"a,{POLICY},\\\" {public}"),
        format!("bob namespaces=\"{POLICY}\\\\\" {public}"),
        format!("bob namespaces=\"!jit*,{POLICY}\" {public}"),
        format!("bob namespaces=\"{POLICY},!*\" {public}"),
        format!("bob namespaces=\" {POLICY}\" {public}"),
        format!("bob namespaces=\"JIT-policy@jit-sudo\" {public}"),
        format!("bob NameSpaces=\"{POLICY}\" {public}"),
        format!("bob namespaces=\"{POLICY}\"x {public}"),
        format!("bob {for_us} {kind}"),
        format!("bob {for_us} ecdsa-sha2-nistp256 {rest}"),
        format!("bob {for_us} {}", public.to_uppercase()),
        format!("bob {for_us} {public}=="),
        format!("bob {for_us} {public}\0"),
        format!("bob\0 {for_us} {public}"),
    ] {
        taken += usize::from(case(signature.clone(), format!("{line}\n")).compare(&keys));
    }
    assert!(taken > 8, "{taken}");
}

// A key has one form: one that is written otherwise would not be found among those that are revoked.
#[test]
fn a_key_in_another_form_is_not_taken_and_a_certificate_revokes_nothing() {
    let keys = Keys::new();
    let public = keys.make("one", "ecdsa");
    let mut bytes = PublicKey::from_openssh(&public).unwrap().to_bytes().unwrap();
    // "ecdsa-sha2-nistp256", "nistp256", then the point: 4, x and y.
    let point = bytes.len() - 65;
    bytes[point] = 2 + (bytes[bytes.len() - 1] & 1);
    bytes[point - 1] = 33;
    bytes.truncate(point + 33);
    let compressed = PublicKey::from_bytes(&bytes).unwrap().to_openssh().unwrap();
    let line = format!("bob namespaces=\"{POLICY}\" {compressed}\n");
    assert!(Signers::parse(&line).is_err(), "{compressed}");
    keys.keygen(&["-q", "-s", "one", "-I", "id", "-n", "bob", "one.pub"]);
    let certificate = fs::read_to_string(keys.path("one-cert.pub")).unwrap();
    assert_eq!(Revoked::parse(&certificate).unwrap_err().line, 1, "it says nothing of the key");
    assert_eq!(Revoked::parse(&compressed).unwrap_err().line, 1);
}

#[test]
fn a_revoked_key_is_revoked_in_each_form_that_ssh_keygen_knows_or_the_file_is_void() {
    let keys = Keys::new();
    let public = keys.make("one", "ed25519");
    let other = keys.make("two", "ed25519");
    keys.keygen(&["-q", "-k", "-f", "krl", "one.pub"]);
    let whole = case(keys.sign("one", POLICY, TEXT), format!("bob namespaces=\"{POLICY}\" {public}\n"));
    let krl = String::from_utf8_lossy(&fs::read(keys.path("krl")).unwrap()).into_owned();
    for (revoked, taken) in [
        (format!("{other}\n"), true),
        (format!("# {public}\n{other}\n"), true),
        (format!("{public}\n"), false),
        (format!("{other}\r\n{public}\r\n"), false),
        (format!("  {public}"), false),
        (format!("{other}\nrestrict {public}\n"), false),
        (krl, false),
        ("SHA256:\n".to_owned(), false),
        ("MD5:00:11\n".to_owned(), false),
    ] {
        let case = Case { revoked: revoked.clone(), ..whole.clone() };
        assert_eq!(case.compare(&keys), taken, "{revoked}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    // Files that were damaged in a few places.
    #[test]
    fn what_we_take_ssh_keygen_takes(
        changes in proptest::collection::vec((0..2_usize, any::<prop::sample::Index>(), "[ -~\n\t]?"), 0..3)
    ) {
        thread_local!(static WHOLE: (Keys, Case) = {
            let keys = Keys::new();
            let public = keys.make("one", "ed25519");
            let line = format!("bob,*@ops namespaces=\"a,{POLICY}\",valid-after=\"20260101Z\" {public}\n");
            let case = case(keys.sign("one", POLICY, TEXT), line);
            (keys, case)
        });
        WHOLE.with(|(keys, whole)| {
            let mut case = whole.clone();
            for (which, place, change) in &changes {
                let text = if *which == 0 { &mut case.signature } else { &mut case.allowed };
                if !text.is_empty() {
                    let at = place.index(text.len());
                    text.replace_range(at..=at, change);
                }
            }
            case.compare(keys);
        });
    }
}
