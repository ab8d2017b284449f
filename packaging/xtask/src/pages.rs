//! The manual pages: what is written in `packaging/man`, with the programs' own help and our documents put in where a
//! line says so. mdoc.rs makes manual pages of it.
//!
//! ```text
//! @usage@                          how jit-sudo is called
//! @options@                        its options
//! @commands@                       the commands of jitctl
//! @policy.md@                      a document of docs/, from its first heading on
//! @operations.md: The settings@    one section of it
//! ```

mod mdoc;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs;

use crate::cargo::{Done, command, read, workspace};
use crate::help::{Help, Opt};

/// All pages.
pub(crate) const PAGES: [&str; 5] = ["jit-sudo.1", "jitctl.8", "jit-agentd.8", "jit-policy.5", "pam_jit.8"];

/// A page's source in mdoc(7). `date`: seconds since 1970.
///
/// # Errors
/// What can't be read, or is not as it must be.
pub(crate) fn page(name: &str, helper: &Help, control: &Help, date: &str) -> Done<String> {
    let markdown = markdown(name, helper, control)?;
    let date =
        read(command(&["env", "LC_ALL=C", "date", "--utc", &format!("--date=@{date}"), "+%B %-d, %Y"]))?;
    mdoc::page(&markdown, &date)
        .ok_or_else(|| format!("{name}.md does not begin with its name, section and purpose"))
}

/// The page as it is written, with all that it takes from elsewhere.
fn markdown(name: &str, helper: &Help, control: &Help) -> Done<String> {
    let written = text(&format!("packaging/man/{name}.md"))?;
    let mut page = String::new();
    for line in written.lines() {
        let taken = line.strip_prefix('@').and_then(|line| line.strip_suffix('@'));
        match taken {
            None => page.push_str(line),
            Some("usage") => {
                let _ = write!(page, "```\n{}\n```", helper.usage.join("\n"));
            }
            Some("options") => page.push_str(&table(&helper.options.iter().map(option).collect::<Vec<_>>())),
            Some("commands") => commands(control, &mut page),
            Some(place) => page.push_str(&document(place)?),
        }
        page.push('\n');
    }
    Ok(page)
}

/// An option as the person writes it, and what it does.
fn option(option: &Opt) -> (String, &str) {
    let value = option.value.as_ref();
    let short = option.short.map(|letter| match value.filter(|value| !value.optional) {
        Some(value) => format!("`-{letter}` {}", value.name),
        None => format!("`-{letter}`"),
    });
    let long = option.long.as_ref().map(|long| match value {
        Some(value) if value.optional => format!("`--{long}`[={}]", value.name),
        Some(value) => format!("`--{long}`={}", value.name),
        None => format!("`--{long}`"),
    });
    let names: Vec<String> = short.into_iter().chain(long).collect();
    (names.join(", "), option.text.as_str())
}

fn table(rows: &[(String, &str)]) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let rows = rows.iter().map(|(name, text)| format!("| {} | {} |\n", cell(name), cell(text)));
    format!("| | |\n|---|---|\n{}", rows.collect::<String>())
}

/// The commands that do something, each with all that its help says.
fn commands(help: &Help, page: &mut String) {
    for command in &help.commands {
        if command.commands.is_empty() {
            let usage = command.usage.first().map_or("", String::as_str);
            let _ = writeln!(page, "### {usage}\n\n{}\n", sentences(&command.about));
            let arguments = command.arguments.iter().map(|(name, text)| (format!("`{name}`"), text.as_str()));
            let options = command.options.iter().filter(|option| option.long.as_deref() != Some("help"));
            page.push_str(&table(&arguments.chain(options.map(option)).collect::<Vec<_>>()));
        }
        commands(command, page);
    }
}

/// A summary has no full stop; with other text it is a sentence.
fn sentences(about: &str) -> String {
    let paragraphs = about.split("\n\n").map(|text| format!("{}.", text.trim().trim_end_matches('.')));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// A document, or one section of it, below a section of ours.
fn document(place: &str) -> Done<String> {
    let (file, section) = place.split_once(": ").unwrap_or((place, ""));
    let whole = text(&format!("docs/{file}"))?;
    let start = if section.is_empty() { "\n## ".to_owned() } else { format!("\n## {section}\n") };
    let at = whole.find(&start).ok_or_else(|| format!("docs/{file} has no section {section:?}"))?;
    let from = whole.get(at + 1..).unwrap_or_default();
    let found = if section.is_empty() {
        from
    } else {
        let inner = from.split_once('\n').map_or("", |(_, inner)| inner);
        inner.split("\n## ").next().unwrap_or_default()
    };
    let lines =
        found.lines().map(|line| if line.starts_with("##") { format!("#{line}") } else { line.to_owned() });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn text(path: &str) -> Done<String> {
    fs::read_to_string(workspace().join(path)).map_err(|error| format!("{path}: {error}"))
}
