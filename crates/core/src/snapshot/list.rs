//! Rows about torrent lists.

use super::Unix;

/// The state of one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListRow {
    /// The `list` label.
    pub name: Box<str>,
    /// Whether the latest fetch gave the list, or confirmed it; `None` before the first fetch.
    pub is_up: Option<bool>,
    /// Why the latest fetch did not, as a label.
    pub reason: Option<&'static str>,
    /// What the latest fetch failed at, as a sentence without secrets; `None` if it did not fail.
    pub detail: Option<Box<str>>,
    /// The entries in use: those of the last good copy; `None` without one.
    pub entries: Option<u64>,
    /// When the list was last fetched or confirmed.
    pub last_success: Option<Unix>,
    /// When the next fetch is due; `None` while one is under way.
    pub next_fetch: Option<Unix>,
    /// Failed fetches of this process by reason, sorted by its label.
    pub failures: Vec<(&'static str, u64)>,
}
