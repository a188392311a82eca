//! The load of the scheduler and of the DHT nodes.

use super::Engine;
use crate::snapshot::ScheduleRow;
use crate::{PerSource, Source};
use seedwatch_clock::Mono;

impl Engine {
    /// Returns the load of the trackers' schedule and of the DHT nodes together.
    pub(super) fn load(&self, now: Mono) -> ScheduleRow {
        let (mut overdue, mut lag) = self.schedule.overdue(now);
        let mut in_flight = PerSource::from([0; Source::ALL.len()]);
        in_flight[Source::Tracker] = self.schedule.in_flight() as u64;
        for status in self.dht.status.iter().flatten() {
            overdue += u64::from(status.overdue);
            lag = lag.max(status.lag);
            in_flight[Source::Dht] += u64::from(status.in_flight);
        }
        ScheduleRow {
            overdue,
            lag,
            in_flight,
        }
    }
}
