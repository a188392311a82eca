//! `/about`: the daemon itself.

use std::fmt;

use askama::Template;

use super::layout::{Address, Layout, Section, Site};
use super::trackers::TrackerCounts;
use super::urgency::ByUrgency;
use super::value::{Name, Number, OrUnknown, When};
use crate::metrics::VERSION;
use seedwatch_core::snapshot::{
    ConfigRow, DhtRow, Family, ListRow, Snapshot, StateRow, Unix, Window,
};
use seedwatch_core::verdict::State;

/// Age in seconds at which the last save needs attention, if saving fails.
const LATE_SAVE: u64 = 3600;

/// What `about.html` shows.
#[derive(Template)]
#[template(path = "about.html")]
struct About<'a> {
    layout: Layout<'a>,
    version: &'static str,
    torrents: Vec<(&'static str, Number)>,
    trackers: TrackerCounts,
    /// The distinct peers of all torrents, by window.
    unique: [OrUnknown<Number>; Window::ALL.len()],
    network: ByFamily,
    /// Whether no name can be resolved.
    names_fail: bool,
    /// `None` if the DHT is not asked.
    dht: Option<Dht>,
    overdue: Number,
    config: LoadedConfig,
    /// `None` if no state is kept.
    state: Option<SavedState>,
    lists: Vec<ShownList<'a>>,
    /// When the databases of countries and of autonomous systems were built.
    databases: [When; 2],
}

/// Writes the page.
pub(super) fn write(snapshot: &Snapshot, site: &Site, to: &mut impl fmt::Write) -> fmt::Result {
    let now = snapshot.taken;
    let counts = ByUrgency::of(snapshot, snapshot.rows().enumerate(), 0);
    let count = |state| (super::chart::word(state), Number::from(counts.count(state)));
    let page = About {
        layout: Layout::of(snapshot, site, Address::of(Section::About), "about"),
        version: VERSION,
        torrents: State::ALL.map(count).to_vec(),
        trackers: TrackerCounts::of(snapshot),
        unique: snapshot.totals.unique.map(Number::known),
        network: ByFamily(snapshot.network_up),
        names_fail: snapshot.names_fail,
        dht: snapshot.dht.as_ref().map(Dht::of),
        overdue: Number(snapshot.schedule.overdue),
        config: LoadedConfig::of(snapshot.config, now),
        state: snapshot.state.map(|state| SavedState::of(state, now)),
        lists: snapshot
            .lists
            .iter()
            .map(|row| ShownList::of(row, now))
            .collect(),
        databases: snapshot.geo.built.map(|built| When(now, built)),
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

/// The state of a list of torrents.
struct ShownList<'a> {
    name: Name<'a>,
    /// Whether the latest fetch gave it in words, and the class in the style sheet.
    outcome: (&'static str, &'static str),
    /// Why it did not; empty if it did.
    reason: String,
    entries: OrUnknown<Number>,
    last_success: When,
}

impl<'a> ShownList<'a> {
    fn of(row: &'a ListRow, now: Unix) -> Self {
        Self {
            name: Name(&row.name),
            outcome: match row.is_up {
                Some(true) => ("up", "good"),
                Some(false) => ("down", "bad"),
                None => ("not fetched yet", "other"),
            },
            reason: row.reason.unwrap_or_default().replace('_', " "),
            entries: OrUnknown(row.entries.map(Number)),
            last_success: When(now, row.last_success),
        }
    }
}

/// The DHT nodes.
struct Dht {
    up: ByFamily,
    /// Nodes in the tables of both families.
    nodes: Number,
    /// The estimated size of the network over each family.
    estimated: [OrUnknown<Number>; 2],
}

impl Dht {
    fn of(row: &DhtRow) -> Self {
        let family = |family: Family| row.families[family.index()];
        let up = |it: Family| family(it).and_then(|status| status.up);
        let estimated = |it: Family| {
            let nodes = family(it).and_then(|status| status.estimated_nodes);
            OrUnknown(nodes.map(Number))
        };
        let nodes = row
            .families
            .iter()
            .flatten()
            .map(|status| u64::from(status.nodes));
        Self {
            up: ByFamily(Family::ALL.map(up)),
            nodes: Number(nodes.sum()),
            estimated: Family::ALL.map(estimated),
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
            None => "?",
        }
    }
}

/// The configuration in force.
pub(super) struct LoadedConfig {
    pub(super) last_reload_successful: bool,
    pub(super) loaded: When,
}

impl LoadedConfig {
    fn of(config: ConfigRow, now: Unix) -> Self {
        Self {
            last_reload_successful: config.last_reload_successful,
            loaded: When(now, Some(config.last_reload_success)),
        }
    }
}

/// The saved state.
pub(super) struct SavedState {
    /// Whether saving fails and the last save is old.
    pub(super) is_bad: bool,
    /// Whether this process has saved it.
    pub(super) has_saved: bool,
    pub(super) saved: When,
    pub(super) failures: Number,
}

impl SavedState {
    fn of(state: StateRow, now: Unix) -> Self {
        let is_late = state
            .last_save
            .is_none_or(|saved| saved.0 + LATE_SAVE < now.0);
        Self {
            is_bad: is_late && state.failures > 0,
            has_saved: state.last_save.is_some(),
            saved: When(now, state.last_save),
            failures: Number(state.failures),
        }
    }
}
