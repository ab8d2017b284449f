//! The host's time zones, for policy: read anew whenever a rule needs one, so that neither a new zone nor new rules for one
//! need a reload.

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
