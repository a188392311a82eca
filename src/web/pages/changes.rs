//! What has changed since yesterday.

use super::chart::class;
use super::value::{DAY, Name, Number};
use crate::web::lookup::segment;
use seedwatch_core::snapshot::{ChangeKind, Snapshot, TorrentChange, Unix};
use seedwatch_core::verdict::State;

/// Torrents that are named per kind of change.
const NAMED: usize = 3;

/// Torrents that changed in the same way.
pub(super) struct Change<'a> {
    /// The class in the style sheet.
    pub(super) class: &'static str,
    pub(super) count: Number,
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
        let (verb, state) = words(kind)?;
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
            verb,
            more: all.len() - named.len(),
            named,
        })
    };
    ChangeKind::ALL.into_iter().filter_map(change).collect()
}

/// Returns what happened, and the state whose colour it has; `None` if it is of no interest.
const fn words(kind: ChangeKind) -> Option<(&'static str, State)> {
    match kind {
        ChangeKind::Died => Some(("died", State::Dead)),
        ChangeKind::BecameAtRisk => Some(("came to be at risk", State::AtRisk)),
        ChangeKind::BecameUnobserved => Some(("cannot be observed any more", State::Unobserved)),
        ChangeKind::Recovered => Some(("recovered", State::Alive)),
        ChangeKind::ObservedAgain => Some(("can be observed again", State::Alive)),
        ChangeKind::Other => None,
    }
}
