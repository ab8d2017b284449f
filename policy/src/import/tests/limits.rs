//! Files that ask for too much work end soon, with what is told, and permit no more.

use super::{import, import_files, may, told};

fn by_turns(number: usize, one: &str, other: &str) -> String {
    let pair = |at: usize| format!("{one}{at}, !{other}{at}");
    (0..number).map(pair).collect::<Vec<_>>().join(", ")
}

#[test]
fn lists_that_make_many_parts_are_left_out() {
    let (people, hosts) = (by_turns(60, "%a", "%b"), by_turns(60, "a*", "b*"));
    let imported =
        import(&format!("{people} {hosts} = ({}) ALL\nalice ALL = /b/x\n", by_turns(60, "#", "c")));
    assert!(may(&imported, "/b/x") && imported.rules == 1, "{}", imported.text);
    assert!(told(&imported).iter().any(|one| one.contains("by turns more than 16 times")));
    // Each alone is not too long.
    let (people, hosts) = (by_turns(9, "%a", "%b"), by_turns(9, "h", "i"));
    let imported = import(&format!("alice ALL = ALL\n{people} {hosts} = !/b/x\n{people} {hosts} = /b/y\n"));
    assert!(!may(&imported, "/b/x"), "{}", imported.text);
    assert!(told(&imported).iter().any(|one| one.contains("too many parts")), "{:?}", told(&imported));
}

#[test]
fn many_names_commands_or_settings_are_a_mistake() {
    let many = |number: usize, line: &dyn Fn(usize) -> String| (0..number).map(line).collect::<String>();
    let names = many(9000, &|at| format!("u{at}, "));
    for text in [
        format!(
            "Runas_Alias R = {names} root\nalice ALL = (R) /b/a, (R) /b/b, (R) /b/c, (R) /b/d, (R) /b/e, (R) /b/f\n"
        ),
        format!("User_Alias U = {names} alice\n{}", "U ALL = NOTHING\n".repeat(100)),
        many(10_001, &|at| format!("alice ALL = /b/{at}\n")),
        many(5001, &|_| "Defaults insults\n".to_owned()),
    ] {
        let found = import_files(&[("/etc/sudoers", text.as_bytes())]).unwrap_err().render();
        assert!(found.contains("it is too much to compare"), "{found}");
    }
}

// What is not read may take something away.
#[test]
fn a_file_that_sudo_reads_and_we_can_not_is_a_mistake() {
    for text in ["@include /etc/locked\n", "@includedir /etc/locked.d\n"] {
        let text = format!("alice ALL = ALL\n{text}");
        let found = import_files(&[("/etc/sudoers", text.as_bytes())]).unwrap_err().render();
        assert!(found.contains("can't be read: permission denied"), "{found}");
    }
}

#[test]
fn files_that_are_too_much_together_are_a_mistake() {
    let long = format!("{}\n@include /etc/sudoers\n", "# nothing\n".repeat(300_000));
    let found = import_files(&[("/etc/sudoers", long.as_bytes())]).unwrap_err();
    assert!(found.len() == 1 && found.render().contains("more than 10,000, or 16 MiB"), "{found}");
}
