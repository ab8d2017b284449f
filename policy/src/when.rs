//! `when.time`: windows of the week, as a clock on a wall of the host or of a named zone shows them.
//!
//! Every instant shows one time on that clock, so that clock changes need no rule of their own: an hour that is left
//! out is in no window, and an hour that comes twice is twice in its window.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The time zones of the host. Supplied by the caller, asked only for rules with `when.time`.
pub trait Zones {
    /// The zone with this name; `None` if it can't be told.
    fn zone(&self, name: &str) -> Option<TimeZone>;

    /// The zone of the host's own local time; `None` if it can't be told.
    fn local(&self) -> Option<TimeZone>;
}

/// No zone is known, not even the host's: what depends on one can't be determined.
#[derive(Clone, Copy, Debug)]
pub struct NoZones;

impl Zones for NoZones {
    fn zone(&self, _name: &str) -> Option<TimeZone> {
        None
    }

    fn local(&self) -> Option<TimeZone> {
        None
    }
}

/// Asks for each zone once.
pub(crate) struct AskedOnce<'z> {
    zones: &'z dyn Zones,
    answers: RefCell<BTreeMap<Option<String>, Option<TimeZone>>>,
}

impl<'z> AskedOnce<'z> {
    pub(crate) fn new(zones: &'z dyn Zones) -> Self {
        Self { zones, answers: RefCell::default() }
    }

    fn answer(&self, name: Option<&str>) -> Option<TimeZone> {
        let mut answers = self.answers.borrow_mut();
        let ask = || name.map_or_else(|| self.zones.local(), |name| self.zones.zone(name));
        answers.entry(name.map(str::to_owned)).or_insert_with(ask).clone()
    }
}

impl Zones for AskedOnce<'_> {
    fn zone(&self, name: &str) -> Option<TimeZone> {
        self.answer(Some(name))
    }

    fn local(&self) -> Option<TimeZone> {
        self.answer(None)
    }
}

/// More changes than this are not followed: ten years of days, in several windows.
const MOST_CHANGES: usize = 20_000;
const MINUTE: i64 = 60;
/// The minutes of a day: `24:00`.
pub(crate) const DAY: u16 = 24 * 60;

/// The windows of one rule: one of them must be open.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct When {
    pub(crate) windows: Box<[Window]>,
}

/// `Mon..Fri 08:00..18:00 Europe/Berlin`
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window {
    /// As the policy writes it.
    pub(crate) text: Box<str>,
    /// On which days it opens.
    pub(crate) days: Days,
    /// When it opens, in minutes of the day.
    pub(crate) from: u16,
    /// When it closes, up to `24:00`; on the next day if that is not after `from`.
    pub(crate) to: u16,
    /// The zone's name; `None` is the host's local time.
    pub(crate) zone: Option<Box<str>>,
}

/// Days of the week, a bit each; Monday is the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Days(u8);

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// It can't be determined: it does not hold in an allow, and holds in a deny.
    Unknown,
}

impl Days {
    pub(crate) const ALL: Self = Self(0x7f);

    /// From one day to another, through the end of the week if need be.
    pub(crate) fn range(first: Weekday, last: Weekday) -> Self {
        (0..=last.since(first)).fold(Self::default(), |days, after| days.with(first.wrapping_add(after)))
    }

    pub(crate) fn with(self, day: Weekday) -> Self {
        Self(self.0 | 1 << day.to_monday_zero_offset())
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }
}

impl When {
    /// Whether any window is open at this instant.
    pub(crate) fn holds(&self, at: Timestamp, zones: &dyn Zones) -> Holds {
        Self::any(&self.in_zones(zones), at)
    }

    /// The first instant from `from` on at which it does not hold any more; `None` if that is not before `limit`.
    pub(crate) fn closes(&self, from: Timestamp, limit: Duration, zones: &dyn Zones) -> Option<Timestamp> {
        let limit = from.checked_add(limit).unwrap_or(Timestamp::MAX);
        self.first(from, limit, zones, |holds| holds != Holds::Yes)
    }

    /// The first instant from `from` on at which it holds, or may hold.
    pub(crate) fn opens(&self, from: Timestamp, zones: &dyn Zones) -> Option<Timestamp> {
        self.first(from, Timestamp::MAX, zones, |holds| holds != Holds::No)
    }

    /// Each instant after `from` and before `limit` at which it may begin or cease to hold.
    pub(crate) fn changes(&self, from: Timestamp, limit: Timestamp, zones: &dyn Zones) -> Vec<Timestamp> {
        let windows = self.in_zones(zones);
        let next = |at: &Timestamp| {
            let changes = windows.iter().filter_map(|(window, zone)| window.next_change(*at, zone.as_ref()?));
            changes.min().filter(|next| *next < limit)
        };
        std::iter::successors(next(&from), next).take(MOST_CHANGES).collect()
    }

    /// As the policy writes it.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.windows.iter().map(|window| window.text.to_string()).collect()
    }

    /// The zones that the host does not know; `None` is its own.
    pub(crate) fn unknown_zones<'w>(&'w self, zones: &dyn Zones) -> Vec<Option<&'w str>> {
        let unknown = self.in_zones(zones).into_iter().filter(|(_, zone)| zone.is_none());
        let mut names: Vec<Option<&str>> = unknown.map(|(window, _)| window.zone.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn in_zones(&self, zones: &dyn Zones) -> Vec<(&Window, Option<TimeZone>)> {
        let zone_of = |window: &Window| match &window.zone {
            Some(name) => zones.zone(name),
            None => zones.local(),
        };
        self.windows.iter().map(|window| (window, zone_of(window))).collect()
    }

    fn any(windows: &[(&Window, Option<TimeZone>)], at: Timestamp) -> Holds {
        let mut holds = Holds::No;
        for (window, zone) in windows {
            match zone {
                Some(zone) if window.is_open(zone.to_datetime(at)) => return Holds::Yes,
                Some(_) => {}
                None => holds = Holds::Unknown,
            }
        }
        holds
    }

    /// The first instant from `from` on, and before `limit`, of which `is_it` says yes. What changes too often to be
    /// followed is said to be so early: a permission then ends early.
    fn first(
        &self,
        from: Timestamp,
        limit: Timestamp,
        zones: &dyn Zones,
        is_it: impl Fn(Holds) -> bool,
    ) -> Option<Timestamp> {
        let windows = self.in_zones(zones);
        let mut at = from;
        for _ in 0..MOST_CHANGES {
            if is_it(Self::any(&windows, at)) {
                return Some(at);
            }
            let changes = windows.iter().filter_map(|(window, zone)| window.next_change(at, zone.as_ref()?));
            at = changes.min().filter(|next| *next < limit)?;
        }
        Some(at)
    }
}

impl Window {
    /// Whether it is open when the clock on the wall shows this.
    fn is_open(&self, shown: DateTime) -> bool {
        let day = shown.weekday();
        let minute = minute_of_day(shown);
        if self.from < self.to {
            return self.days.has(day) && (self.from..self.to).contains(&minute);
        }
        let evening = self.days.has(day) && minute >= self.from;
        let morning = self.days.has(day.previous()) && minute < self.to;
        evening || morning
    }

    /// The first instant after this one at which it may open or close: at one of its own times, at midnight, or where
    /// the clock is changed. `None` beyond the end of time.
    fn next_change(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let shown = zone.to_datetime(at);
        let minute = minute_of_day(shown);
        let next = [self.from, self.to].into_iter().filter(|time| *time > minute).min().unwrap_or(DAY);
        let into_minute = SignedDuration::new(shown.second().into(), shown.subsec_nanosecond());
        let until = SignedDuration::from_secs(i64::from(next - minute) * MINUTE) - into_minute;
        let by_its_times = at.checked_add(until).ok();
        let by_the_clock = zone.following(at).next().map(|change| change.timestamp());
        by_its_times.into_iter().chain(by_the_clock).min()
    }
}

fn minute_of_day(shown: DateTime) -> u16 {
    let (hour, minute) = (u16::try_from(shown.hour()), u16::try_from(shown.minute()));
    hour.unwrap_or(0) * 60 + minute.unwrap_or(0)
}
