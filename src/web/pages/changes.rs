//! What has changed since yesterday.

use super::chart::class;
use super::value::{DAY, Name, Number};
use crate::web::lookup::segment;
use crate::web::parameters::{QueryError, listed};
use seedwatch_core::snapshot::{ChangeKind, Snapshot, TorrentChange, Unix};
use seedwatch_core::verdict::State;

/// Torrents that are named per kind of change.
const NAMED: usize = 3;

/// Torrents that changed in the same way.
pub(super) struct Change<'a> {
    /// The class in the style sheet.
    pub(super) class: &'static str,
    pub(super) count: Number,
    /// The parameter that selects their events.
    pub(super) label: &'static str,
    /// What happened to them.
    pub(super) verb: &'static str,
    /// Some of them.
    pub(super) named: Vec<Named<'a>>,
    /// How many more there are.
    pub(super) more: usize,
}

/// A torrent that is named.
pub(super) struct Named<'a> {
    pub(super) name: Name<'a>,
    /// The last segment of the link to its page.
    pub(super) link: String,
}

/// Returns the changes of the last 24 hours, the most urgent first.
pub(super) fn since_yesterday(snapshot: &Snapshot) -> Vec<Change<'_>> {
    let since = Unix(snapshot.taken.0.saturating_sub(DAY));
    let changes = snapshot.changes_since(since);
    let change = |kind| {
        let Words { label, verb, state } = words(kind)?;
        let all: Vec<_> = changes.of(kind).collect();
        let name = |change: &&TorrentChange| {
            let torrent = snapshot.torrents.get(change.torrent)?;
            snapshot.shows(torrent).then_some(())?;
            Some(Named {
                name: Name(&torrent.name),
                link: segment(torrent),
            })
        };
        let named: Vec<_> = all.iter().filter_map(name).take(NAMED).collect();
        (!all.is_empty()).then(|| Change {
            class: class(state),
            count: all.len().into(),
            label,
            verb,
            more: all.len() - named.len(),
            named,
        })
    };
    ChangeKind::ALL.into_iter().filter_map(change).collect()
}

/// A kind of change for people.
pub(super) struct Words {
    /// The value of the parameter `change` of `/events`.
    pub(super) label: &'static str,
    /// What happened to the torrents.
    pub(super) verb: &'static str,
    /// The state whose colour it has.
    state: State,
}

/// Returns a kind of change in words; `None` if it is of no interest.
pub(super) const fn words(kind: ChangeKind) -> Option<Words> {
    let (label, verb, state) = match kind {
        ChangeKind::Died => ("died", "died", State::Dead),
        ChangeKind::BecameAtRisk => ("became_at_risk", "came to be at risk", State::AtRisk),
        ChangeKind::BecameUnobserved => (
            "became_unobserved",
            "cannot be observed any more",
            State::Unobserved,
        ),
        ChangeKind::Recovered => ("recovered", "recovered", State::Alive),
        ChangeKind::ObservedAgain => ("observed_again", "can be observed again", State::Alive),
        ChangeKind::Other => return None,
    };
    Some(Words { label, verb, state })
}

/// Returns the kind of change with a label.
pub(super) fn kind_of(label: &str) -> Result<ChangeKind, QueryError> {
    let label_of = |kind| words(kind).map(|words| words.label);
    let mut all = ChangeKind::ALL.into_iter();
    all.find(|kind| label_of(*kind) == Some(label))
        .ok_or_else(|| {
            let labels: Vec<_> = ChangeKind::ALL.into_iter().filter_map(label_of).collect();
            QueryError::invalid("change", listed(&labels, "or"))
        })
}
