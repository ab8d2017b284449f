//! What sudo's clients call.

use super::*;

// research/features.md, 2.1: "What each client really passes", word for word.
#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_client_of_sudo_is_understood() {
    let root = || Some("root".to_owned());
    let become_command = "echo BECOME-SUCCESS-abcdefghijklmnopqrstuvwxyzabcdef ; /usr/bin/python3 x.py";
    let calls: &[(&str, &[&str], Asked)] = &[
        (
            "Ansible without a password",
            &["-H", "-S", "-n", "-u", "root", "/bin/sh", "-c", become_command],
            Asked {
                stdin: true,
                non_interactive: true,
                user: root(),
                ..run(&["/bin/sh", "-c", become_command])
            },
        ),
        (
            "Ansible with a password",
            &["-H", "-S", "-p", "[sudo via ansible, key=abc] password:", "-u", "root", "/bin/sh", "-c", "x"],
            Asked {
                stdin: true,
                user: root(),
                prompt: Some(b"[sudo via ansible, key=abc] password:".to_vec()),
                ..run(&["/bin/sh", "-c", "x"])
            },
        ),
        (
            "Ansible's flags in one word",
            &["-HSn", "-u", "root", "/bin/sh", "-c", "x"],
            Asked { stdin: true, non_interactive: true, user: root(), ..run(&["/bin/sh", "-c", "x"]) },
        ),
        (
            "pyinfra without a password",
            &["-H", "-n", "-E", "-u", "deploy", "sh", "-c", "x"],
            Asked {
                non_interactive: true,
                preserve_environment: true,
                user: Some("deploy".to_owned()),
                ..run(&["sh", "-c", "x"])
            },
        ),
        (
            "pyinfra with a password",
            &["-H", "-A", "-k", "sh", "-c", "x"],
            Asked { ignore_record: true, askpass: true, ..run(&["sh", "-c", "x"]) },
        ),
        (
            "Fabric",
            &["-S", "-p", "[sudo] password: ", "id"],
            Asked { stdin: true, prompt: Some(b"[sudo] password: ".to_vec()), ..run(&["id"]) },
        ),
        (
            "Vagrant",
            &["-E", "-H", "bash", "-l"],
            Asked { preserve_environment: true, ..run(&["bash", "-l"]) },
        ),
        (
            "Homebrew",
            &["-u", "root", "-n", "-E", "PATH=/a b:/c", "X=", "--", "/usr/bin/env", "A=1", "tool"],
            Asked {
                user: root(),
                non_interactive: true,
                preserve_environment: true,
                assignments: pairs(&[("PATH", "/a b:/c"), ("X", "")]),
                ..run(&["/usr/bin/env", "A=1", "tool"])
            },
        ),
        (
            "Homebrew's prompt",
            &["--prompt", "Password for %p:", "-u", "root", "-E", "--", "id"],
            Asked {
                prompt: Some(b"Password for %p:".to_vec()),
                user: root(),
                preserve_environment: true,
                ..run(&["id"])
            },
        ),
        (
            "Ghostty",
            &["TERMINFO=/usr/share/terminfo", "id"],
            Asked { assignments: pairs(&[("TERMINFO", "/usr/share/terminfo")]), ..run(&["id"]) },
        ),
        (
            "VeraCrypt",
            &["-S", "-p", "", "id"],
            Asked { stdin: true, prompt: Some(Vec::new()), ..run(&["id"]) },
        ),
        (
            "Cockpit",
            &["-k", "-A", "cockpit-bridge", "--privileged"],
            Asked { ignore_record: true, askpass: true, ..run(&["cockpit-bridge", "--privileged"]) },
        ),
        ("liquidprompt", &["-nv"], Asked { mode: Mode::Validate, non_interactive: true, ..run(&[]) }),
        (
            "scripts: would I be asked?",
            &["-Nnv"],
            Asked { mode: Mode::Validate, no_update: true, non_interactive: true, ..run(&[]) },
        ),
        ("scripts: may I?", &["-n", "true"], Asked { non_interactive: true, ..run(&["true"]) }),
        ("scripts: may I run it?", &["-l", "apt"], Asked { mode: Mode::List, ..run(&["apt"]) }),
        ("Packer", &["-S", "-E", "sh"], Asked { stdin: true, preserve_environment: true, ..run(&["sh"]) }),
    ];
    for (client, line, expected) in calls {
        assert_eq!(&asked(line), expected, "{client}: {line:?}");
    }
}
