//! Which editor: the first of `SUDO_EDITOR`, `VISUAL` and `EDITOR` that names one, else one of the system's.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

const VARIABLES: [&str; 3] = ["SUDO_EDITOR", "VISUAL", "EDITOR"];
const DEFAULTS: [&str; 4] = ["/usr/bin/editor", "/usr/bin/nano", "/usr/bin/vi", "/bin/vi"];

/// The editor and its arguments; else what to say, and what to do.
///
/// # Errors
/// A value that is no list of words, or has a `--` among them: to an editor, words after it are files (CVE-2023-22809).
pub(super) fn choose(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<OsString>, (String, &'static str)> {
    for name in VARIABLES {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        let Some(words) = split(&value) else {
            return Err((format!("the value of {name} has a quote that is never closed"), "close it"));
        };
        if words.iter().any(|word| word == "--") {
            let what = format!("ignoring editor of {name}: editor arguments may not contain \"--\"");
            return Err((what, "files to edit are named on the command line alone"));
        }
        let is_there = words.first().is_some_and(|program| find(program, variable("PATH").as_deref()));
        if is_there {
            return Ok(words);
        }
    }
    let default = DEFAULTS.into_iter().find(|path| is_executable(Path::new(path)));
    default
        .map(|path| vec![path.into()])
        .ok_or_else(|| ("no editor found".to_owned(), "set SUDO_EDITOR, VISUAL or EDITOR to one"))
}

/// Splits at blanks. Quotes of both kinds and a backslash keep the next character or characters; nothing is expanded. None: a
/// quote is not closed.
fn split(value: &OsStr) -> Option<Vec<OsString>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<Vec<u8>>, None);
    let mut bytes = value.as_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None | Some(b'"'), b'\\') => word.get_or_insert_default().push(bytes.next().unwrap_or(b'\\')),
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (None, b' ' | b'\t' | b'\n') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    quote.is_none().then(|| words.into_iter().map(OsString::from_vec).collect())
}

/// Whether there is such a program: by its path, or in a folder of `PATH`.
fn find(program: &OsStr, path: Option<&OsStr>) -> bool {
    if program.as_bytes().contains(&b'/') {
        return is_executable(Path::new(program));
    }
    let folders = path.map(std::env::split_paths).into_iter().flatten();
    !program.is_empty()
        && folders.map(|folder: PathBuf| folder.join(program)).any(|path| is_executable(&path))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let variable = |name: &str| {
            let path = ("PATH", "/usr/bin:/bin");
            variables.iter().chain([&path]).find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        let words = choose(variable).map_err(|(what, _)| what)?;
        Ok(words.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn the_first_variable_that_names_an_editor_counts() {
        for (variables, editor) in [
            (
                &[("EDITOR", "true a"), ("VISUAL", "cat"), ("SUDO_EDITOR", "/bin/ls -l")][..],
                &["/bin/ls", "-l"][..],
            ),
            (&[("EDITOR", "true a"), ("VISUAL", "cat"), ("SUDO_EDITOR", "")], &["cat"]),
            (&[("EDITOR", "true a"), ("VISUAL", "/no/such/editor")], &["true", "a"]),
            (
                &[("EDITOR", "sed -i 's/a b/c/;s/\"//' \"x y\" a\\ b ''")],
                &["sed", "-i", "s/a b/c/;s/\"//", "x y", "a b", ""],
            ),
        ] {
            assert_eq!(chosen(variables).unwrap(), editor, "{variables:?}");
        }
    }

    // CVE-2023-22809
    #[test]
    fn an_editor_names_no_further_files() {
        for value in ["vim -- /etc/shadow", "cat --", "cat '--' x", "cat \\-- x", "cat \"-\"- x"] {
            for name in VARIABLES {
                let told = chosen(&[(name, value)]).unwrap_err();
                assert!(told.contains("may not contain \"--\""), "{name}={value}: {told}");
            }
        }
        assert!(chosen(&[("EDITOR", "sed 's/a")]).unwrap_err().contains("never closed"));
    }
}
