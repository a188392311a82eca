//! Hosts that can show whether our own network works.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::names::is_local_host;
use crate::roster::Roster;
use crate::schedule::Schedule;
use seedwatch_torrent::{Host, TrackerUrl};
use seedwatch_tracker::{AnnounceId, TrackerId};

/// Tracker hosts that serve as canaries beside the configured ones.
const TRACKER_CANARIES: usize = 3;

/// A host that can show whether our own network works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryHost {
    /// The host.
    pub host: Host,
    /// The port that is tried.
    pub port: u16,
    /// Whether it may be in a local network, because the configuration names it.
    pub may_be_local: bool,
}

/// The configured canaries and the most used trackers.
#[derive(Debug, Default)]
pub(super) struct CanaryHosts {
    configured: Vec<(Host, u16)>,
    trackers: Vec<TrackerId>,
}

impl CanaryHosts {
    /// Applies a new configuration.
    pub(super) fn configure(
        &mut self,
        configured: &[(Host, u16)],
        roster: &Roster,
        trust_local: bool,
    ) {
        self.configured = configured.to_vec();
        let is_usable =
            |url: &TrackerUrl| !url.is_overlay() && (trust_local || !is_local_host(url.host()));
        self.trackers = most_used_trackers(roster, is_usable);
    }

    /// Returns the hosts and ports of the configuration.
    pub(super) fn configured(&self) -> &[(Host, u16)] {
        &self.configured
    }

    /// Returns all hosts that may be contacted.
    pub(super) fn all(&self, roster: &Roster, schedule: &Schedule) -> Vec<CanaryHost> {
        let configured = self.configured.iter().map(|(host, port)| CanaryHost {
            host: host.clone(),
            port: *port,
            may_be_local: true,
        });
        let trackers = self.trackers.iter().filter(|id| schedule.may_contact(**id));
        let trackers = trackers.filter_map(|id| {
            let url = roster.trackers().get(id.0 as usize)?.as_ref()?;
            Some(CanaryHost {
                host: url.host().clone(),
                port: url.port(),
                may_be_local: url.may_be_local(),
            })
        });
        configured.chain(trackers).collect()
    }
}

/// Returns the usable trackers with the most announces.
fn most_used_trackers(roster: &Roster, is_usable: impl Fn(&TrackerUrl) -> bool) -> Vec<TrackerId> {
    let mut uses: HashMap<TrackerId, usize> = HashMap::new();
    let ids = (0..roster.announce_ids() as u32).map(AnnounceId);
    for announce in ids.filter_map(|id| roster.announce(id)) {
        *uses.entry(announce.tracker).or_default() += 1;
    }
    let mut uses: Vec<_> = uses.into_iter().collect();
    uses.sort_unstable_by_key(|(id, uses)| (Reverse(*uses), *id));
    let trackers = uses.into_iter().map(|(id, _)| id).filter(|id| {
        let url = roster.trackers().get(id.0 as usize);
        url.and_then(Option::as_deref).is_some_and(&is_usable)
    });
    trackers.take(TRACKER_CANARIES).collect()
}
