//! The table of the latest events.

use super::Rows;
use super::value::{Ago, Name};
use crate::web::events::resolve;
use seedwatch_core::snapshot::{Snapshot, Unix};

/// Events that are shown.
const SHOWN: usize = 10;

/// What `events.html` shows.
pub(super) struct Events<'a> {
    pub(super) rows: Rows,
    pub(super) shown: Vec<ShownEvent<'a>>,
}

impl<'a> Events<'a> {
    /// Returns the latest events of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let mut latest = snapshot.events.latest(snapshot.taken).copied();
        let events: Vec<_> = latest.by_ref().take(SHOWN).collect();
        let shown = resolve(snapshot, &events).into_iter();
        let shown: Vec<_> = shown
            .map(|event| ShownEvent {
                torrent: event.torrent.map(Name),
                infohash: event.infohash,
                from: event.from.replace('_', " "),
                to: event.to.replace('_', " "),
                at: Ago(snapshot.taken, event.at.map(Unix)),
            })
            .collect();
        Self {
            rows: Rows {
                shown: shown.len(),
                more: latest.count(),
                all: "./api/v1/events?limit=1000",
            },
            shown,
        }
    }
}

/// The row of an event.
pub(super) struct ShownEvent<'a> {
    /// `None` if the torrent is not configured any more.
    pub(super) torrent: Option<Name<'a>>,
    pub(super) infohash: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) at: Ago,
}
