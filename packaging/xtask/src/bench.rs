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

mod latency;
mod memory;
mod options;
mod parallel;
mod report;
mod rules;
mod saturated;
mod stage;
mod summary;
mod terminal;

use crate::cargo::Done;
use options::Options;
use report::Section;
use stage::Stage;

/// One section of the document.
struct Part {
    name: &'static str,
    measure: fn(&Stage, &Options) -> Done<Section>,
    /// Whether `--realtime` is for it. A terminal's bytes are moved by a kernel thread, which is not realtime; and on a
    /// saturated machine it is the point to be one of many.
    realtime: bool,
}

const fn part(name: &'static str, measure: fn(&Stage, &Options) -> Done<Section>, realtime: bool) -> Part {
    Part { name, measure, realtime }
}

/// All sections, in the order of the document.
const PARTS: &[Part] = &[
    part("latency", latency::measure, true),
    part("rules", rules::measure, true),
    part("parallel", parallel::measure, true),
    part("saturated", saturated::measure, false),
    part("terminal", terminal::measure, false),
    part("memory", memory::measure, false),
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
    let stage = Stage::set()?;
    for part in PARTS.iter().filter(|part| options.wants(part.name)) {
        println!("\n\x1b[1m=== {}\x1b[0m", part.name);
        let options = options.for_part(part.realtime);
        let before = stage::load_average();
        stage.schedule(options.realtime)?;
        let section = (part.measure)(&stage, &options)?;
        let text = section.markdown(&stage.circumstances(&options, part.name, &before));
        println!("{text}");
        if !options.quick {
            report::put(part.name, &text)?;
        }
    }
    Ok(())
}
