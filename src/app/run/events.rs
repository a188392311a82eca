//! Log lines about changes of our own network and of trackers.

use tracing::{info, warn};

use seedwatch_core::Health;
use seedwatch_core::connectivity::Transition;
use seedwatch_core::engine::Event;
use seedwatch_torrent::{Family, TrackerUrl};

/// Logs an event of the engine.
pub(super) fn log(event: &Event) {
    match event {
        Event::Connectivity { family, transition } => log_connectivity(*family, *transition),
        Event::Tracker {
            tracker,
            family,
            health,
            reason,
        } => log_health(tracker, *family, *health, *reason),
    }
}

fn log_connectivity(family: Family, transition: Transition) {
    let family = family.as_label();
    match transition {
        Transition::Up => info!(family, "connectivity confirmed"),
        Transition::Down => warn!(
            family,
            "no connectivity: probe failures are not counted against torrents"
        ),
        Transition::Unknown => info!(family, "connectivity unknown: no canary has an address"),
    }
}

fn log_health(tracker: &TrackerUrl, family: Family, health: Health, reason: Option<&str>) {
    let family = family.as_label();
    match health {
        Health::Up => info!(%tracker, family, "tracker up"),
        Health::Down => warn!(%tracker, family, reason, "tracker down"),
        Health::Closed => warn!(%tracker, family, reason, "tracker must not be contacted"),
        Health::Unknown | Health::Absent => {}
    }
}
