//! The host's time zones, for policy: as the agent sees them.

use jiff::tz::TimeZone;
use jit_policy::Zones;
use jit_sys::zoneinfo::{self, Local};

/// What `/usr/share/zoneinfo` and `/etc/localtime` say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostZones;

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
