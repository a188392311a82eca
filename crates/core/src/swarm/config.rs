//! The settings of [`Swarms`](super::Swarms).

use std::sync::Arc;
use std::time::Duration;

use crate::verdict::{MIN_EMPTY_TIME, RECOVERED_AFTER};
use seedwatch_geo::Geo;
use seedwatch_torrent::address::Accept;

/// Which peers count, how long answers are fresh, and where addresses are.
#[derive(Debug, Clone)]
pub struct SwarmConfig {
    /// Which addresses count.
    pub accept: Accept,
    /// Age at which an answer of a tracker is stale.
    pub stale_after: Duration,
    /// Maps addresses to countries and autonomous systems.
    pub geo: Arc<Geo>,
    /// `metrics.countries`: whether peers are counted by country.
    pub countries: bool,
    /// For how long all sources must have said that a swarm is empty before it is dead.
    pub dead_after: Duration,
    /// For how long a torrent must be well before it does not need seeding any more.
    pub recovered_after: Duration,
    /// Changes whenever `geo` or `countries` does. [`Swarms::update`](super::Swarms::update) sets
    /// it.
    pub(super) geo_version: u32,
}

impl SwarmConfig {
    /// Returns the settings, with the time before a torrent is dead that the internet demands, and
    /// the usual time before one has recovered.
    pub fn new(accept: Accept, stale_after: Duration, geo: Arc<Geo>, countries: bool) -> Self {
        Self {
            accept,
            stale_after,
            geo,
            countries,
            dead_after: MIN_EMPTY_TIME,
            recovered_after: RECOVERED_AFTER,
            geo_version: 0,
        }
    }

    /// Returns these settings as the successor of `before`.
    pub(super) fn succeeding(self, before: &Self) -> Self {
        let is_same = (&self.geo, self.countries) == (&before.geo, before.countries);
        Self {
            geo_version: before.geo_version + u32::from(!is_same),
            ..self
        }
    }
}
