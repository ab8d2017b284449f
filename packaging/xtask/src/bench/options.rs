//! What was asked for.

use crate::cargo::Done;

/// The options of `cargo xtask bench`.
#[derive(Clone)]
pub(crate) struct Options {
    /// Few rounds, and nothing is written to the document.
    pub(crate) quick: bool,
    /// Everything in the guest runs as `SCHED_RR`, so that other work on this machine does not show.
    pub(crate) realtime: bool,
    /// The sections that were named; none: all.
    pub(crate) sections: Vec<String>,
}

impl Options {
    /// Reads them; `known` are the sections there are.
    ///
    /// # Errors
    /// A word that means nothing.
    pub(crate) fn parse(words: &[&str], known: &[&str]) -> Done<Self> {
        let mut options = Self { quick: false, realtime: false, sections: Vec::new() };
        for word in words {
            match *word {
                "--quick" => options.quick = true,
                "--realtime" => options.realtime = true,
                name if known.contains(&name) => options.sections.push(name.to_owned()),
                other => {
                    return Err(format!(
                        "no section and no option: {other}\nhint: sections are {}; options --quick, --realtime",
                        known.join(", ")
                    ));
                }
            }
        }
        Ok(options)
    }

    /// Whether this section is to be measured. A quick look is at one elevation, unless sections are named.
    pub(crate) fn wants(&self, name: &str) -> bool {
        if self.sections.is_empty() {
            return !self.quick || name == "latency";
        }
        self.sections.iter().any(|section| section == name)
    }

    /// The command that does the same for one section.
    pub(crate) fn command(&self, section: &str) -> String {
        let flag = |set: bool, name: &'static str| if set { name } else { "" };
        let quick = flag(self.quick, " --quick");
        let realtime = flag(self.realtime, " --realtime");
        format!("cargo xtask bench{quick}{realtime} {section}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["latency", "rules"];

    #[test]
    fn all_sections_are_measured_unless_some_are_named() {
        let wanted = |words: &[&str]| {
            let options = Options::parse(words, KNOWN).expect("these are right");
            KNOWN.iter().copied().filter(|name| options.wants(name)).collect::<Vec<_>>()
        };
        assert_eq!(wanted(&[]), ["latency", "rules"]);
        assert_eq!(wanted(&["rules"]), ["rules"]);
        assert_eq!(wanted(&["--quick"]), ["latency"]);
        assert_eq!(wanted(&["--quick", "rules"]), ["rules"]);
    }

    #[test]
    fn a_word_that_means_nothing_is_refused() {
        assert!(Options::parse(&["latencies"], KNOWN).is_err());
    }
}
