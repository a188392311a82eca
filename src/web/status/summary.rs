//! The summary at the top of the page.

use super::trackers::TrackerCounts;
use super::urgency::ByUrgency;
use super::value::{Ago, OrUnknown};
use seedwatch_core::snapshot::{ConfigRow, Count, Family, Snapshot, StateRow, Unix, Window};
use seedwatch_core::verdict::State;

/// Age in seconds at which the last save needs attention, if saving fails.
const LATE_SAVE: u64 = 3600;

/// What `summary.html` shows.
pub(super) struct Summary {
    pub(super) torrents: TorrentCounts,
    pub(super) trackers: TrackerCounts,
    /// The distinct peers of all torrents, by window.
    pub(super) unique: [OrUnknown<u32>; Window::ALL.len()],
    pub(super) network: ByFamily,
    /// `None` if the DHT is not asked.
    pub(super) dht: Option<ByFamily>,
    pub(super) config: LoadedConfig,
    /// `None` if no state is kept.
    pub(super) state: Option<SavedState>,
}

impl Summary {
    /// Returns the summary of a snapshot.
    pub(super) fn of(snapshot: &Snapshot, torrents: &ByUrgency) -> Self {
        let now = snapshot.taken;
        Self {
            torrents: TorrentCounts::of(torrents),
            trackers: TrackerCounts::of(snapshot),
            unique: snapshot.totals.unique.map(Count::get).map(OrUnknown),
            network: ByFamily(snapshot.network_up),
            dht: snapshot.dht.as_ref().map(|dht| {
                let up = |family: Family| dht.families[family.index()].and_then(|it| it.up);
                ByFamily(Family::ALL.map(up))
            }),
            config: LoadedConfig::of(snapshot.config, now),
            state: snapshot.state.map(|state| SavedState::of(state, now)),
        }
    }
}

/// How many torrents are in each state.
pub(super) struct TorrentCounts {
    pub(super) dead: usize,
    pub(super) at_risk: usize,
    pub(super) unobserved: usize,
    pub(super) pending: usize,
    pub(super) alive: usize,
    pub(super) private: usize,
}

impl TorrentCounts {
    fn of(torrents: &ByUrgency) -> Self {
        Self {
            dead: torrents.count(State::Dead),
            at_risk: torrents.count(State::AtRisk),
            unobserved: torrents.count(State::Unobserved),
            pending: torrents.count(State::Pending),
            alive: torrents.count(State::Alive),
            private: torrents.count(State::Private),
        }
    }
}

/// Whether something works over each family, by [`Family::index`].
pub(super) struct ByFamily([Option<bool>; 2]);

impl ByFamily {
    /// Returns whether it fails over one family and works over none.
    pub(super) fn is_bad(&self) -> bool {
        self.0.contains(&Some(false)) && !self.0.contains(&Some(true))
    }

    /// Returns how it works over IPv4, in a word.
    pub(super) const fn ipv4(&self) -> &'static str {
        Self::word(self.0[0])
    }

    /// Returns how it works over IPv6, in a word.
    pub(super) const fn ipv6(&self) -> &'static str {
        Self::word(self.0[1])
    }

    const fn word(up: Option<bool>) -> &'static str {
        match up {
            Some(true) => "up",
            Some(false) => "down",
            None => "unknown",
        }
    }
}

/// The configuration in force.
pub(super) struct LoadedConfig {
    pub(super) last_reload_successful: bool,
    pub(super) loaded: Ago,
}

impl LoadedConfig {
    fn of(config: ConfigRow, now: Unix) -> Self {
        Self {
            last_reload_successful: config.last_reload_successful,
            loaded: Ago(now, Some(config.last_reload_success)),
        }
    }
}

/// The saved state.
pub(super) struct SavedState {
    /// Whether saving fails and the last save is old.
    pub(super) is_bad: bool,
    /// Whether this process has saved it.
    pub(super) has_saved: bool,
    pub(super) saved: Ago,
    pub(super) failures: u64,
}

impl SavedState {
    fn of(state: StateRow, now: Unix) -> Self {
        let is_late = state
            .last_save
            .is_none_or(|saved| saved.0 + LATE_SAVE < now.0);
        Self {
            is_bad: is_late && state.failures > 0,
            has_saved: state.last_save.is_some(),
            saved: Ago(now, state.last_save),
            failures: state.failures,
        }
    }
}
