//! Which torrents match a query.

use std::fmt;

use super::search::Search;
use crate::web::parameters::{Parameters, QueryError, listed};
use seedwatch_core::snapshot::{Snapshot, TorrentView, TrackerId};
use seedwatch_core::verdict::{Condition, State};

/// What a torrent must have to match. A missing part matches every torrent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The state that it is in.
    pub state: Option<State>,
    /// A condition that holds.
    pub condition: Option<Condition>,
    /// The collection that it belongs to.
    pub collection: Option<String>,
    /// The label (`scheme://host:port`) of a tracker that is asked about it.
    pub tracker: Option<String>,
    /// A label that it has.
    pub label: Option<LabelFilter>,
    /// A part of its name, or its info-hash.
    pub q: Option<Search>,
}

/// A label of a torrent: `NAME` with any value, or `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFilter {
    /// The name of the label.
    pub name: String,
    /// Its value; `None` for any.
    pub value: Option<String>,
}

impl Filter {
    /// Reads the filter of a query string.
    pub(super) fn read(parameters: &Parameters<'_>) -> Result<Self, QueryError> {
        let text = |key| parameters.filled(key).map(str::to_owned);
        Ok(Self {
            state: parameters.filled("state").map(state).transpose()?,
            condition: parameters.filled("condition").map(condition).transpose()?,
            collection: text("collection"),
            tracker: text("tracker"),
            label: parameters.filled("label").map(LabelFilter::of),
            q: match parameters.filled("q") {
                Some(text) => Search::parse(text)?,
                None => None,
            },
        })
    }

    /// Returns whether every torrent matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Prepares the filter for the torrents of a snapshot.
    pub(super) fn matcher<'a>(&'a self, snapshot: &'a Snapshot) -> Matcher<'a> {
        let tracker = self.tracker.as_deref().map(|label| {
            let mut rows = snapshot.trackers.iter();
            let index = rows.position(|row| row.as_ref().is_some_and(|row| *row.label == *label));
            index.map(|index| TrackerId(index as u32))
        });
        Matcher {
            filter: self,
            snapshot,
            tracker,
        }
    }
}

impl LabelFilter {
    /// Reads `NAME` or `NAME=VALUE`. The name of a label has no `=`.
    fn of(text: &str) -> Self {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        Self {
            name: name.to_owned(),
            value,
        }
    }
}

impl fmt::Display for LabelFilter {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(to, "{}={value}", self.name),
            None => to.write_str(&self.name),
        }
    }
}

fn state(text: &str) -> Result<State, QueryError> {
    State::from_label(text).ok_or_else(|| {
        let labels = State::ALL.map(State::as_label);
        QueryError::invalid("state", listed(&labels, "or"))
    })
}

fn condition(text: &str) -> Result<Condition, QueryError> {
    let mut all = Condition::ALL.into_iter();
    let found = all.find(|condition| condition.as_label() == text);
    found.ok_or_else(|| {
        let labels = Condition::ALL.map(Condition::as_label);
        QueryError::invalid("condition", listed(&labels, "or"))
    })
}

/// A filter with what the snapshot says about its values.
#[derive(Debug)]
pub(super) struct Matcher<'a> {
    filter: &'a Filter,
    snapshot: &'a Snapshot,
    /// The tracker of the filter, or `None` within if no tracker has that label.
    tracker: Option<Option<TrackerId>>,
}

impl Matcher<'_> {
    /// Returns whether a torrent matches. Allocates nothing.
    pub(super) fn matches(&self, view: TorrentView<'_>) -> bool {
        let Filter {
            state,
            condition,
            collection,
            tracker: _,
            label,
            q,
        } = self.filter;
        let verdict = view.verdict;
        let torrent = view.torrent;
        self.snapshot.shows(torrent)
            && state.is_none_or(|state| verdict.state == state)
            && condition.is_none_or(|condition| verdict.conditions.has(condition))
            && collection
                .as_deref()
                .is_none_or(|name| torrent.collection().is_some_and(|own| **own == *name))
            && self.tracker.is_none_or(|id| has_tracker(view, id))
            && label.as_ref().is_none_or(|label| has_label(view, label))
            && q.as_ref().is_none_or(|search| search.finds(torrent))
    }
}

fn has_tracker(view: TorrentView<'_>, id: Option<TrackerId>) -> bool {
    let mut trackers = view.announces.iter().map(|announce| announce.tracker);
    id.is_some_and(|id| trackers.any(|tracker| tracker == id))
}

fn has_label(view: TorrentView<'_>, label: &LabelFilter) -> bool {
    let found = view.torrent.labels().get(&label.name);
    found.is_some_and(|found| label.value.as_ref().is_none_or(|value| value == found))
}
