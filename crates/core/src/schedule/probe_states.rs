//! The states of all swarms at all trackers.

use std::ops::{Index, IndexMut};

use super::probe_state::ProbeState;
use seedwatch_torrent::Family;
use seedwatch_tracker::{AnnounceId, Observation, Report};

/// The states of all swarms at all trackers: by [`AnnounceId`], then by [`Family::index`].
#[derive(Debug, Default)]
pub(super) struct ProbeStates(Vec<[ProbeState; 2]>);

impl ProbeStates {
    /// Makes room for ids below `count`.
    pub(super) fn resize(&mut self, count: usize) {
        self.0.resize(count, Default::default());
    }

    /// Notes that the configuration no longer names an announce.
    pub(super) fn remove(&mut self, id: AnnounceId) {
        self[id].iter_mut().for_each(ProbeState::remove);
    }

    /// Returns the states of an announce over both families.
    pub(super) fn get(&self, id: AnnounceId) -> Option<&[ProbeState; 2]> {
        self.0.get(id.0 as usize)
    }

    /// Returns whether an observation of this announce is still to come.
    pub(super) fn is_busy(&self, id: AnnounceId) -> bool {
        self.get(id)
            .is_some_and(|states| states.iter().any(ProbeState::is_busy))
    }

    /// Returns whether an observation ends the probes of its swarms. If not, it ends a count
    /// scrape, which does not change the tracker's health.
    pub(super) fn are_probes_of(&self, observation: &Observation) -> bool {
        let (report, family) = (&observation.report, observation.family.index());
        let states = report.ids().first().and_then(|id| self.get(*id));
        states.is_some_and(|states| match report {
            Report::NoAddress { .. } => states[family].is_probed(),
            _ => states[family].awaits(report.is_scrape()),
        })
    }

    /// Ends a count scrape. No other follows the next few announces of its swarms.
    pub(super) fn end_count_scrape(&mut self, observation: &Observation, skipped: Option<u8>) {
        for id in observation.report.ids() {
            let state = &mut self[(*id, observation.family)];
            state.set_in_count_scrape(false);
            if let Some(skipped) = skipped {
                state.skip_scrapes(skipped);
            }
        }
    }
}

impl Index<AnnounceId> for ProbeStates {
    type Output = [ProbeState; 2];

    fn index(&self, id: AnnounceId) -> &[ProbeState; 2] {
        &self.0[id.0 as usize]
    }
}

impl IndexMut<AnnounceId> for ProbeStates {
    fn index_mut(&mut self, id: AnnounceId) -> &mut [ProbeState; 2] {
        &mut self.0[id.0 as usize]
    }
}

impl Index<(AnnounceId, Family)> for ProbeStates {
    type Output = ProbeState;

    fn index(&self, (id, family): (AnnounceId, Family)) -> &ProbeState {
        &self[id][family.index()]
    }
}

impl IndexMut<(AnnounceId, Family)> for ProbeStates {
    fn index_mut(&mut self, (id, family): (AnnounceId, Family)) -> &mut ProbeState {
        &mut self[id][family.index()]
    }
}
