//! Causes: what keeps several torrents from being observed. One cause is told once.

use std::cmp::Reverse;

use super::{Family, Snapshot};
use crate::verdict::Condition;

/// What keeps torrents from being observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Our own network does not work. It explains everything else.
    Outage,
    /// Our own network has lost a family, and the other one works.
    FamilyLost(Family),
    /// A tracker is down, and no other tracker of these torrents gives a valid answer.
    Tracker {
        /// The `tracker` label.
        tracker: Box<str>,
        /// The number of torrents that it strands.
        torrents: u32,
    },
}

impl Cause {
    /// Most causes of a snapshot. Trackers that strand fewer torrents are left out.
    pub const MAX: usize = 100;

    /// Returns the causes in a snapshot: our own network, then trackers, those that strand most
    /// torrents first. A torrent whose trackers are all down counts at each of them.
    pub(crate) fn of(snapshot: &Snapshot) -> Vec<Self> {
        let up = snapshot.network_up;
        let is_lost = up.contains(&Some(false));
        if is_lost && !up.contains(&Some(true)) {
            return vec![Self::Outage];
        }
        let families = Family::ALL.into_iter();
        let lost = families.filter(|family| up[family.index()] == Some(false));
        let mut causes: Vec<_> = lost.map(Self::FamilyLost).collect();
        causes.extend(failing_trackers(snapshot));
        causes.truncate(Self::MAX);
        causes
    }

    /// Returns the name of the kind in the API.
    pub const fn as_label(&self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::FamilyLost(_) => "family_lost",
            Self::Tracker { .. } => "tracker",
        }
    }

    /// Returns the cause as one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Outage => "Our own network does not work; all states are kept.".to_owned(),
            Self::FamilyLost(family) => {
                let name = match family {
                    Family::Ipv4 => "IPv4",
                    Family::Ipv6 => "IPv6",
                };
                format!("Our own network has lost {name}.")
            }
            Self::Tracker {
                tracker,
                torrents: 1,
            } => format!("{tracker} is down, and 1 torrent has no other tracker that answers."),
            Self::Tracker { tracker, torrents } => format!(
                "{tracker} is down, and {torrents} torrents have no other tracker that answers."
            ),
        }
    }
}

/// Returns the trackers that are down, with the torrents that they strand.
fn failing_trackers(snapshot: &Snapshot) -> Vec<Cause> {
    let trackers = snapshot.trackers.iter();
    let is_down: Vec<bool> = trackers
        .map(|row| {
            let up = row.as_ref().map_or([None; 2], |row| row.up);
            up.contains(&Some(false)) && !up.contains(&Some(true))
        })
        .collect();
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
        .map(|(Reverse(torrents), tracker)| Cause::Tracker { tracker, torrents })
        .collect()
}
