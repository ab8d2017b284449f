//! The host's time zones, for policy: read anew whenever a rule needs one, so that neither a new zone nor new rules for one
//! need a reload.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use jit_policy::Zones;
use jit_sys::zoneinfo::{self, Local};

/// What `/usr/share/zoneinfo` and `/etc/localtime` say.
#[derive(Clone, Copy, Debug)]
pub struct HostZones;

impl Zones for HostZones {
    fn zone(&self, name: &str) -> Option<TimeZone> {
        TimeZone::tzif(name, &zoneinfo::zone(name)?).ok()
    }

    fn local(&self) -> Option<TimeZone> {
        match zoneinfo::local().ok()? {
            Local::Utc => Some(TimeZone::UTC),
            Local::File(data) => TimeZone::tzif("Local", &data).ok(),
        }
    }
}

/// What the host's clock on the wall shows then, with the name of its zone: `2026-12-24 18:00:00 CET`. `realtime_ns`:
/// `CLOCK_REALTIME`.
pub fn on_the_wall(realtime_ns: i64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(realtime_ns)).unwrap_or_default();
    shown_in(time, HostZones.local().unwrap_or(TimeZone::UTC))
}

fn shown_in(time: Timestamp, zone: TimeZone) -> String {
    time.to_zoned(zone).strftime("%F %T %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_with_its_zone() {
        let time = "2026-12-24T17:00:00.9Z".parse().unwrap();
        assert_eq!(shown_in(time, TimeZone::UTC), "2026-12-24 17:00:00 UTC");
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(shown_in(time, zone), "2026-12-24 18:00:00 CET");
    }
}
