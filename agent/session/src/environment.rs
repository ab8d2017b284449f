//! The command's environment: the agent's, with what PAM's modules add filtered once more.

use jit_protocol::Bytes;

/// Names that a PAM module may set for a command; everything else it sets is dropped: a module can be made to read
/// variables from files that users write (CVE-2010-3853, CVE-2025-6018).
const FROM_PAM: [&str; 14] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "KRB5CCNAME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LC_TIME",
    "MAIL",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_CLASS",
    "XDG_SESSION_ID",
    "XDG_SESSION_TYPE",
];

/// The agent's variables, then PAM's of the list above that are not there yet, then the grant's id.
pub fn complete(
    ordered: &[(Bytes, Bytes)],
    from_pam: &[(Vec<u8>, Vec<u8>)],
    grant: &str,
) -> Vec<(Bytes, Bytes)> {
    let mut environment = ordered.to_vec();
    for (name, value) in from_pam {
        let wanted = FROM_PAM.iter().any(|known| known.as_bytes() == name.as_slice());
        let harmless = !value.starts_with(b"()") && !value.contains(&b'%') && !value.contains(&b'\n');
        if wanted && harmless && !environment.iter().any(|(known, _)| known.as_slice() == name.as_slice()) {
            environment.push((Bytes(name.clone()), Bytes(value.clone())));
        }
    }
    environment.retain(|(name, _)| name.as_slice() != b"JIT_GRANT_ID");
    environment.push((Bytes::from("JIT_GRANT_ID"), Bytes::from(grant)));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        list.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_module_cannot_set_what_loads_code_or_replace_what_the_agent_set() {
        let ordered =
            [(Bytes::from("PATH"), Bytes::from("/usr/bin")), (Bytes::from("LANG"), Bytes::from("C"))];
        let from_pam = pairs(&[
            ("LD_PRELOAD", "/tmp/x.so"),
            ("PATH", "/tmp"),
            ("LANG", "de_DE"),
            ("BASH_ENV", "/tmp/x"),
            ("KRB5CCNAME", "() { :; }"),
            ("XDG_RUNTIME_DIR", "/run/user/0"),
            ("JIT_GRANT_ID", "forged"),
        ]);
        let environment = complete(&ordered, &from_pam, "g1");
        let shown: Vec<_> = environment
            .iter()
            .map(|(n, v)| format!("{}={}", n.to_string_lossy(), v.to_string_lossy()))
            .collect();
        assert_eq!(shown, ["PATH=/usr/bin", "LANG=C", "XDG_RUNTIME_DIR=/run/user/0", "JIT_GRANT_ID=g1"]);
    }
}
