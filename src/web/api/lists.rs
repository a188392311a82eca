//! `/api/v1/lists`: torrent lists, whether they are usable, and when they are fetched.

use std::collections::BTreeMap;

use serde::Serialize;

use seedwatch_core::snapshot::{ListRow, Snapshot};

/// All torrent lists, sorted by name.
#[derive(Serialize)]
pub(super) struct Lists<'a> {
    taken: u64,
    lists: Vec<ListView<'a>>,
}

/// One torrent list.
#[derive(Serialize)]
struct ListView<'a> {
    /// The `list` label.
    name: &'a str,
    /// Whether the latest fetch gave the list, or confirmed it.
    up: Option<bool>,
    /// Why it did not, as a label.
    reason: Option<&'static str>,
    /// The same as a sentence.
    detail: Option<&'a str>,
    /// The entries in use.
    entries: Option<u64>,
    /// When the list was last fetched or confirmed.
    last_success: Option<u64>,
    /// When the next fetch is due.
    next_fetch: Option<u64>,
    /// Failed fetches by reason; reasons that did not occur are left out.
    failures: BTreeMap<&'static str, u64>,
}

impl<'a> Lists<'a> {
    /// Returns the lists of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            taken: snapshot.taken.0,
            lists: snapshot.lists.iter().map(view).collect(),
        }
    }
}

fn view(row: &ListRow) -> ListView<'_> {
    ListView {
        name: &row.name,
        up: row.is_up,
        reason: row.reason,
        detail: row.detail.as_deref(),
        entries: row.entries,
        last_success: row.last_success.map(|at| at.0),
        next_fetch: row.next_fetch.map(|at| at.0),
        failures: row.failures.iter().copied().collect(),
    }
}
