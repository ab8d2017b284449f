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
mod options;
mod parallel;
mod report;
mod rules;
mod stage;
mod summary;

use crate::cargo::Done;
use options::Options;
use report::Section;
use stage::Stage;

/// All sections, in the order of the document.
const SECTIONS: &[(&str, Measure)] =
    &[("latency", latency::measure), ("rules", rules::measure), ("parallel", parallel::measure)];

type Measure = fn(&Stage, &Options) -> Done<Section>;

/// Measures what these words ask for.
///
/// # Errors
/// A word that means nothing, or what could not be measured.
pub(crate) fn run(words: &[&str]) -> Done {
    let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    let options = Options::parse(words, &names)?;
    let stage = Stage::set()?;
    for (name, measure) in SECTIONS.iter().filter(|(name, _)| options.wants(name)) {
        println!("\n\x1b[1m=== {name}\x1b[0m");
        let before = stage::load_average();
        stage.schedule(options.realtime)?;
        let section = measure(&stage, &options)?;
        let text = section.markdown(&stage.circumstances(&options, name, &before));
        println!("{text}");
        if !options.quick {
            report::put(name, &text)?;
        }
    }
    Ok(())
}
