//! Log lines about changes of our own network, of torrents and of trackers.

use tracing::{info, warn};

use seedwatch_core::Health;
use seedwatch_core::connectivity::Transition;
use seedwatch_core::engine::Notice;
use seedwatch_core::verdict::{State, StateChange};
use seedwatch_torrent::{Family, TrackerUrl};

/// Logs a notice of the engine.
pub(super) fn log(notice: &Notice) {
    match notice {
        Notice::Connectivity { family, transition } => log_connectivity(*family, *transition),
        Notice::Resolver { works: true } => info!("names can be resolved again"),
        Notice::Resolver { works: false } => warn!(
            "no name can be resolved: check the resolver; trackers are not blamed, states are kept"
        ),
        Notice::Dht { family, is_up } => log_dht(*family, *is_up),
        Notice::State { torrent, change } => log_state(torrent, change),
        Notice::MoreStates(more) => warn!(more, "further torrent states changed"),
        Notice::Tracker {
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

fn log_dht(family: Family, is_up: bool) {
    let family = family.as_label();
    match is_up {
        true => info!(family, "DHT nodes answer again"),
        false => warn!(
            family,
            "no DHT node answers: check outgoing UDP and dht.bootstrap"
        ),
    }
}

fn log_state(torrent: &str, change: &StateChange) {
    let (from, to) = (change.from.as_label(), change.to.as_label());
    let reason = change.reason.as_label();
    match change.to {
        State::Dead | State::AtRisk | State::Unobserved => {
            warn!(torrent, from, to, reason, "torrent state changed");
        }
        _ => info!(torrent, from, to, reason, "torrent state changed"),
    }
}

fn log_health(tracker: &TrackerUrl, family: Family, health: Health, reason: Option<&str>) {
    let family = family.as_label();
    match health {
        Health::Up => info!(%tracker, family, "tracker up"),
        Health::Down => warn!(%tracker, family, reason, "tracker down"),
        Health::Closed => warn!(%tracker, family, reason, "tracker is not asked"),
        Health::Unknown | Health::Absent => {}
    }
}
