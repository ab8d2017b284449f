//! `cargo xtask bench`: ours beside what people use today, in one guest, at the same time.
//!
//! ```text
//! options    what was asked for
//! stage      the guest: peers with rules that permit the same, the harness (tests/bench), one bench at a time
//! latency, … one file for each section: what is measured, and what it has to be
//! summary    medians and ratios
//! report     tables, targets, and their place in docs/performance.md
//! ```
//! Nothing here fails because something is slow: the table says what is met.

mod circumstances;
mod flood;
mod grants;
mod latency;
mod memory;
mod micro;
mod options;
mod parallel;
mod report;
mod rules;
mod saturated;
mod stage;
mod summary;
mod terminal;

use crate::cargo::Done;
use circumstances::Circumstances;
use options::Options;
use report::Section;
use stage::Stage;

/// One section of the document.
struct Part {
    name: &'static str,
    measure: Measure,
}

/// How a section is measured.
#[derive(Clone, Copy)]
enum Measure {
    /// In the guest; `--realtime` gives the figures of an idle machine.
    Guest(fn(&Stage, &Options) -> Done<Section>),
    /// In the guest, never realtime. A terminal's bytes are moved by a kernel thread, which is not realtime; and on a
    /// saturated machine it is the point to be one of many.
    GuestAsUsual(fn(&Stage, &Options) -> Done<Section>),
    /// On this machine.
    Here(fn(&Options) -> Done<Section>),
}

/// All sections, in the order of the document.
const PARTS: [Part; 9] = [
    Part { name: "latency", measure: Measure::Guest(latency::measure) },
    Part { name: "rules", measure: Measure::Guest(rules::measure) },
    Part { name: "grants", measure: Measure::GuestAsUsual(grants::measure) },
    Part { name: "parallel", measure: Measure::Guest(parallel::measure) },
    Part { name: "saturated", measure: Measure::GuestAsUsual(saturated::measure) },
    Part { name: "flood", measure: Measure::GuestAsUsual(flood::measure) },
    Part { name: "terminal", measure: Measure::GuestAsUsual(terminal::measure) },
    Part { name: "memory", measure: Measure::GuestAsUsual(memory::measure) },
    Part { name: "micro", measure: Measure::Here(micro::measure) },
];

/// A root shell in the guest, for a person who wonders about a figure.
///
/// # Errors
/// What the guest lacks.
pub(crate) fn shell() -> Done {
    let stage = Stage::set()?;
    // The status of a person's last command is not the task's.
    let _ = stage.guest.command(&["bash", "--login"]).status();
    Ok(())
}

/// Measures what these words ask for.
///
/// # Errors
/// A word that means nothing, or what could not be measured.
pub(crate) fn run(words: &[&str]) -> Done {
    let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    let options = Options::parse(words, &names)?;
    let wanted: Vec<&Part> = PARTS.iter().filter(|part| options.wants(part.name)).collect();
    let in_guest = wanted.iter().any(|part| !matches!(part.measure, Measure::Here(_)));
    let stage = in_guest.then(Stage::set).transpose()?;
    for part in wanted {
        println!("\n\x1b[1m=== {}\x1b[0m", part.name);
        let realtime = options.realtime && matches!(part.measure, Measure::Guest(_));
        let options = Options { realtime, ..options.clone() };
        let circumstances = Circumstances::before(part.name, &options);
        let (section, stage) = match (part.measure, &stage) {
            (Measure::Here(measure), _) => (measure(&options)?, None),
            (Measure::Guest(measure) | Measure::GuestAsUsual(measure), Some(stage)) => {
                stage.schedule(realtime)?;
                (measure(stage, &options)?, Some(stage))
            }
            (_, None) => return Err("no guest".into()),
        };
        let text = section.markdown(&circumstances.after(stage));
        println!("{text}");
        if !options.quick {
            report::put(part.name, &text)?;
        }
    }
    Ok(())
}
