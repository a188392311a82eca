//! Causes: what several torrents suffer from. One cause is told once.

mod refusals;

use std::cmp::Reverse;

use super::{Family, Snapshot};
use crate::verdict::{Condition, Reason};
use crate::{Grouped, plural};

/// What several torrents suffer from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Our own network does not work. It explains everything else.
    Outage,
    /// Our own network has lost a family, and the other one works.
    FamilyLost(Family),
    /// No name can be resolved. Trackers and states stay as they were.
    ResolverDown,
    /// The DHT does not answer over any family, although our own network works.
    DhtSilent,
    /// A tracker is down, and no other tracker of these torrents gives a valid answer.
    TrackerDown {
        /// The `tracker` label.
        tracker: Box<str>,
        /// The number of torrents without a valid answer of any tracker that use this one.
        torrents: u32,
    },
    /// A tracker that is not down refuses torrents, or its operator asks not to be contacted
    /// (BEP 34).
    TrackerRefuses {
        /// The `tracker` label.
        tracker: Box<str>,
        /// The number of public torrents that it refuses.
        torrents: u32,
        /// Its most frequent message, as [`ProbeError::text`](super::ProbeError::text); may be
        /// empty.
        message: Box<str>,
    },
}

impl Cause {
    /// Most causes of a snapshot. Trackers that fewer torrents suffer from are left out.
    pub const MAX: usize = 100;

    /// Returns the causes in a snapshot: our own network, the DHT, trackers that are down, then
    /// those that refuse, each time those first that most torrents suffer from. A torrent whose
    /// trackers are all down counts at each of them.
    pub(crate) fn of(snapshot: &Snapshot) -> Vec<Self> {
        let up = snapshot.network_up;
        let is_lost = up.contains(&Some(false));
        if is_lost && !up.contains(&Some(true)) {
            return vec![Self::Outage];
        }
        let families = Family::ALL.into_iter();
        let lost = families.filter(|family| up[family.index()] == Some(false));
        let mut causes: Vec<_> = lost.map(Self::FamilyLost).collect();
        causes.extend(snapshot.names_fail.then_some(Self::ResolverDown));
        causes.extend(is_dht_silent(snapshot).then_some(Self::DhtSilent));
        causes.extend(failing_trackers(snapshot));
        causes.extend(refusals::of(snapshot));
        causes.truncate(Self::MAX);
        causes
    }

    /// Returns the name of the kind in the API.
    pub const fn as_label(&self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::FamilyLost(_) => "family_lost",
            Self::ResolverDown => "resolver_down",
            Self::DhtSilent => "dht_silent",
            Self::TrackerDown { .. } => "tracker_down",
            Self::TrackerRefuses { .. } => "tracker_refuses",
        }
    }

    /// Returns the message of the tracker that refuses. It is no part of the sentence: a tracker
    /// may write from right to left.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::TrackerRefuses { message, .. } => Some(message),
            _ => None,
        }
    }

    /// Returns the cause as one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Outage => "Our own network does not work; all states are kept.".to_owned(),
            Self::FamilyLost(family) => format!("Our own network has lost {}.", family.name()),
            Self::DhtSilent => {
                "The DHT does not answer; check outgoing UDP and dht.bootstrap.".to_owned()
            }
            Self::TrackerDown { tracker, torrents } => {
                let have = if *torrents == 1 { "has" } else { "have" };
                let torrents = plural(Grouped((*torrents).into()), "torrent");
                format!(
                    "{tracker} is down, and {torrents} {have} no other tracker that gives a valid \
                     answer."
                )
            }
            Self::TrackerRefuses {
                tracker, torrents, ..
            } => format!("{tracker} refuses {}.", plural(*torrents, "torrent")),
            Self::ResolverDown => {
                "No name can be resolved; check the resolver of this machine. Trackers \
                                   and states stay as they were."
                    .to_owned()
            }
        }
    }
}

/// Returns whether the DHT answers over no family. It is silent too if it knows no node to query:
/// then only torrents notice.
fn is_dht_silent(snapshot: &Snapshot) -> bool {
    let Some(dht) = &snapshot.dht else {
        return false;
    };
    let mut families = dht.families.iter().flatten();
    if families.clone().any(|status| status.up == Some(true)) {
        return false;
    }
    families.any(|status| status.up == Some(false))
        || snapshot
            .rows()
            .any(|view| view.verdict.reason == Reason::DhtSilent)
}

/// Returns the trackers that are down, with the torrents that have no tracker with a valid answer.
fn failing_trackers(snapshot: &Snapshot) -> Vec<Cause> {
    let trackers = snapshot.trackers.iter();
    let is_down = trackers.map(|row| row.as_ref().is_some_and(|row| row.is_down()));
    let is_down: Vec<bool> = is_down.collect();
    if !is_down.contains(&true) {
        return Vec::new();
    }
    let mut stranded = vec![0u32; is_down.len()];
    let without_tracker = snapshot
        .rows()
        .filter(|view| view.verdict.conditions.has(Condition::NoTracker));
    for announce in without_tracker.flat_map(|view| view.announces) {
        if let Some(torrents) = stranded.get_mut(announce.tracker.0 as usize) {
            *torrents += 1;
        }
    }
    let rows = snapshot.trackers.iter().zip(is_down).zip(stranded);
    let failing = rows.filter(|((_, is_down), torrents)| *is_down && *torrents > 0);
    let mut failing: Vec<_> = failing
        .filter_map(|((row, _), torrents)| Some((Reverse(torrents), row.as_ref()?.label.clone())))
        .collect();
    failing.sort_unstable();
    let causes = failing.into_iter();
    causes
        .map(|(Reverse(torrents), tracker)| Cause::TrackerDown { tracker, torrents })
        .collect()
}
