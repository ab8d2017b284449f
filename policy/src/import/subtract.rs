//! "The last match wins", turned into rules without an order: what a later line takes away is taken away from the earlier.

use super::command::Command;
use super::items::{Item, short};
use super::region::Region;
use super::report::{Report, Severity};
use super::scopes::Part;
use super::settings::Settings;

/// A rule of ours to be: a part of an item.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    /// The number of the item.
    pub(super) item: usize,
    pub(super) region: Region,
    pub(super) settings: Settings,
}

/// What all items come to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) permits: Vec<Permit>,
    /// The numbers of items that are denies of their own.
    pub(super) denies: Vec<usize>,
}

/// One item is cut exactly into so many parts; then each part stays one.
const MOST_PARTS: usize = 4;

/// How much is compared in all. Of what comes after that, only what no later line is about stays.
const MOST_STEPS: usize = 200_000_000;
/// How many of the later lines that take away too much from one are told.
const MOST_TOLD: usize = 16;

pub(super) fn outcome(items: &[Item], report: &mut Report) -> Outcome {
    let stands_alone: Vec<bool> = (0..items.len()).map(|at| stands_alone(items, at)).collect();
    let mut outcome = Outcome::default();
    let mut steps = 0usize;
    for (number, item) in items.iter().enumerate() {
        let mut told = 0;
        let mut permits: Vec<Permit> =
            item.certainly.iter().filter_map(|part| permit(number, part)).collect();
        for (later_number, later) in items.iter().enumerate().skip(number + 1) {
            if permits.is_empty() {
                break;
            }
            let alone = stands_alone.get(later_number).copied().unwrap_or(false);
            for part in &later.possibly {
                steps = steps.saturating_add(permits.iter().map(|permit| permit.region.size()).sum());
                if steps > MOST_STEPS && permits.iter().any(|permit| permit.region.overlaps(&part.region)) {
                    let what =
                        format!("`{}`: too much is taken away from it and from others", short(&item.text));
                    report.tell(&item.at, Severity::LeftOut, what);
                    permits.clear();
                    break;
                }
                let crowded = permits.len() > MOST_PARTS;
                permits = permits
                    .into_iter()
                    .flat_map(|permit| match take_away(permit, later, part, (alone, crowded)) {
                        Taken::Exactly(permits) => permits,
                        Taken::ByADeny(permits) => {
                            outcome.denies.push(later_number);
                            permits
                        }
                        Taken::TooMuch(permits, _) if told >= MOST_TOLD => permits,
                        Taken::TooMuch(permits, what) => {
                            told += 1;
                            let place = format!("{}:{}", later.at.file, later.at.line);
                            let what =
                                format!("`{}`: {what} `{}` ({place})", short(&item.text), short(&later.text));
                            report.tell(&item.at, Severity::Narrower, what);
                            permits
                        }
                    })
                    .collect();
                permits = without_repetition(permits);
            }
        }
        outcome.permits.append(&mut permits);
    }
    outcome.denies.sort_unstable();
    outcome.denies.dedup();
    outcome
}

fn permit(item: usize, part: &Part) -> Option<Permit> {
    let settings = part.settings.as_ref().ok()?.clone();
    Some(Permit { item, region: part.region.clone(), settings })
}

/// Whether what this item denies is denied for good: nothing later permits any of it.
fn stands_alone(items: &[Item], at: usize) -> bool {
    let Some(item) = items.get(at).filter(|item| !item.permits && item.exact) else { return false };
    let later = items.iter().skip(at + 1).filter(|later| later.permits);
    !later
        .flat_map(|later| &later.possibly)
        .any(|later| item.possibly.iter().any(|part| part.region.overlaps(&later.region)))
}

enum Taken {
    Exactly(Vec<Permit>),
    ByADeny(Vec<Permit>),
    /// With what to tell.
    TooMuch(Vec<Permit>, &'static str),
}

/// What is left of a permit once a later item counts.
fn take_away(permit: Permit, later: &Item, part: &Part, (alone, crowded): (bool, bool)) -> Taken {
    if !permit.region.overlaps(&part.region) {
        return Taken::Exactly(vec![permit]);
    }
    let settings = part.settings.as_ref().ok().filter(|_| later.permits).map(|settings| {
        let mut settings = settings.clone();
        // Root is never asked.
        settings.authenticate &= !permit.region.is_for_root();
        settings
    });
    if settings.as_ref().is_some_and(|settings| settings.serve_as_well(&permit.settings)) {
        return Taken::Exactly(vec![permit]);
    }
    if alone && !part.region.covers_all_but_command(&permit.region) {
        return Taken::ByADeny(vec![permit]);
    }
    let sayable = part.region.command != Command::UNKNOWN && !crowded;
    let outside = permit.region.outside(&part.region).filter(|_| sayable);
    let both = settings.and_then(|settings| permit.settings.stricter(&settings));
    match (outside, both) {
        // A later line that is one of our rules, too, permits what is inside by itself.
        (Some(outside), None) => Taken::Exactly(permit.all(outside)),
        (Some(outside), Some(_)) if later.is_written => Taken::Exactly(permit.all(outside)),
        (outside, Some(both)) => {
            let mut permits = permit.all(outside.unwrap_or_default());
            permits.push(Permit { settings: both, ..permit });
            Taken::TooMuch(permits, "it asks for as much as a later line does, which counts for some of it:")
        }
        (None, None) => {
            let region = permit.region.without_more(&part.region);
            Taken::TooMuch(vec![Permit { region, ..permit }], "more is taken away than by the later")
        }
    }
}

impl Permit {
    /// The same for other regions.
    fn all(&self, regions: Vec<Region>) -> Vec<Self> {
        regions.into_iter().map(|region| Self { region, ..self.clone() }).collect()
    }
}

/// Without those that others say as well.
fn without_repetition(permits: Vec<Permit>) -> Vec<Permit> {
    let mut kept: Vec<Permit> = Vec::new();
    for permit in permits {
        let says =
            |one: &Permit, other: &Permit| one.settings == other.settings && one.region.covers(&other.region);
        if permit.region.is_empty() || kept.iter().any(|one| says(one, &permit)) {
            continue;
        }
        kept.retain(|one| !says(&permit, one));
        kept.push(permit);
    }
    kept
}
