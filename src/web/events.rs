//! `/api/v1/events`: the latest events, as JSON.

use std::collections::HashMap;

use serde::Serialize;

use super::parameters::{Parameters, QueryError};
use seedwatch_core::events::StateEvent;
use seedwatch_core::snapshot::{Snapshot, Unix};
use seedwatch_torrent::{Hashes, InfoHash};

/// Events that are returned if the query does not say how many.
const DEFAULT_LIMIT: usize = 100;

/// Most events that are returned at once.
pub(super) const MAX_LIMIT: usize = 1000;

/// The keys of a query.
const KEYS: &[&str] = &["torrent", "since", "until", "page", "limit"];

/// The largest number of a page.
const MAX_PAGE: u64 = 1_000_000;

/// What `since` and `until` must be.
const TIME: &str = "a number of seconds since 1970";

/// The largest value of `since` and `until`: the end of the year 9999. Larger numbers are milliseconds.
const LATEST: u64 = 253_402_300_799;

/// Why a query is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EventError {
    /// The query cannot be read.
    Query(QueryError),
    /// It names a torrent that is neither configured nor an info-hash.
    NoSuchTorrent,
}

impl From<QueryError> for EventError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// The parameters of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EventParameters {
    /// A name, or an info-hash.
    torrent: Option<String>,
    /// Seconds since 1970.
    since: Option<u64>,
    /// Seconds since 1970.
    until: Option<u64>,
    /// Counted from 1.
    page: usize,
    limit: usize,
}

impl EventParameters {
    fn parse(text: &str) -> Result<Self, QueryError> {
        let parameters = Parameters::parse(text, KEYS)?;
        let limit = parameters.number("limit", 1..=MAX_LIMIT as u64)?;
        let page = parameters.number("page", 1..=MAX_PAGE)?;
        let time = |key| {
            let number = parameters.number(key, 0..=LATEST);
            number.map_err(|_| QueryError::invalid(key, TIME))
        };
        Ok(Self {
            torrent: parameters.get("torrent").map(str::to_owned),
            since: time("since")?,
            until: time("until")?,
            page: page.map_or(1, |page| page as usize),
            limit: limit.map_or(DEFAULT_LIMIT, |limit| limit as usize),
        })
    }
}

/// Which events to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventQuery {
    /// The identity of the only torrent.
    torrent: Option<InfoHash>,
    since: Option<Unix>,
    until: Option<Unix>,
    page: usize,
    limit: usize,
}

impl EventQuery {
    /// Reads a query string, and finds the torrent that it names.
    pub(super) fn read(snapshot: &Snapshot, text: &str) -> Result<Self, EventError> {
        let parameters = EventParameters::parse(text)?;
        let torrent = parameters.torrent.map(|text| find(snapshot, &text));
        let torrent = torrent
            .map(|found| found.ok_or(EventError::NoSuchTorrent))
            .transpose()?;
        Ok(Self {
            torrent,
            since: parameters.since.map(Unix),
            until: parameters.until.map(Unix),
            page: parameters.page,
            limit: parameters.limit,
        })
    }

    fn selects(&self, event: &StateEvent) -> bool {
        let is_late = self.since.is_none_or(|since| event.at.get() >= Some(since));
        let is_early = |until| event.at.get().is_some_and(|at| at <= until);
        is_late
            && self.until.is_none_or(is_early)
            && self.torrent.is_none_or(|torrent| torrent == event.torrent)
    }
}

/// The latest events that a query asks for, the latest first.
#[derive(Debug, Serialize)]
pub(super) struct Events<'a> {
    taken: u64,
    pub(super) events: Vec<EventView<'a>>,
    /// Whether there are more after these.
    more: bool,
}

/// An event as JSON, with the name of its torrent.
#[derive(Debug, Serialize)]
pub(super) struct EventView<'a> {
    /// The name; `null` if the torrent is not configured any more.
    pub(super) torrent: Option<&'a str>,
    /// The info-hash that identifies the torrent.
    pub(super) infohash: String,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// The code of the reason.
    pub(super) reason: &'static str,
    /// Seconds since 1970; `null` if the clock was not set.
    pub(super) at: Option<u64>,
}

impl<'a> Events<'a> {
    /// Returns the events that a query asks for.
    pub(super) fn of(snapshot: &'a Snapshot, query: EventQuery) -> Self {
        let latest = snapshot.events.latest(snapshot.taken);
        let wanted = latest.filter(|event| query.selects(event));
        let mut wanted = wanted.skip((query.page - 1).saturating_mul(query.limit));
        let shown: Vec<_> = wanted.by_ref().take(query.limit).copied().collect();
        Self {
            taken: snapshot.taken.0,
            more: wanted.next().is_some(),
            events: resolve(snapshot, &shown),
        }
    }
}

/// Returns the identity of a torrent: of a configured one by its name or an info-hash, or the
/// info-hash itself.
pub(super) fn find(snapshot: &Snapshot, text: &str) -> Option<InfoHash> {
    let torrents = &snapshot.torrents;
    if let Ok(index) = torrents.binary_search_by(|torrent| (*torrent.name).cmp(text)) {
        return torrents[index].hashes.wire().next();
    }
    let hash = Hashes::parse(text).ok()?.wire().next()?;
    let configured = torrents
        .iter()
        .find(|torrent| torrent.hashes.wire().any(|other| other == hash));
    configured.map_or(Some(hash), |torrent| torrent.hashes.wire().next())
}

/// Returns events with the names of their torrents. Passes over the torrents once.
pub(super) fn resolve<'a>(snapshot: &'a Snapshot, events: &[StateEvent]) -> Vec<EventView<'a>> {
    let mut names: HashMap<InfoHash, Option<&str>> =
        events.iter().map(|event| (event.torrent, None)).collect();
    if !names.is_empty() {
        for torrent in snapshot.torrents.iter() {
            let hash = torrent.hashes.wire().next();
            if let Some(name) = hash.and_then(|hash| names.get_mut(&hash)) {
                *name = Some(&torrent.name);
            }
        }
    }
    let view = |event: &StateEvent| EventView {
        torrent: names.get(&event.torrent).copied().flatten(),
        infohash: event.torrent.to_string(),
        from: event.from.as_label(),
        to: event.to.as_label(),
        reason: event.reason.as_label(),
        at: event.at.get().map(|at| at.0),
    };
    events.iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        let all = EventParameters::parse("").unwrap();
        assert_eq!((all.torrent, all.since, all.limit), (None, None, 100));
        let some = EventParameters::parse("torrent=a+%2B%20b&since=17&limit=1000").unwrap();
        assert_eq!(some.torrent.as_deref(), Some("a + b"));
        assert_eq!((some.since, some.limit), (Some(17), 1000));
        let unknown = "; known are torrent, since, until, page and limit";
        let state = format!("unknown parameter \"state\"{unknown}");
        let case = format!("unknown parameter \"Torrent\"{unknown}");
        let limit = "limit must be a number from 1 to 1000";
        let page = "page must be a number from 1 to 1000000";
        let until = "until must be a number of seconds since 1970";
        let since = "since must be a number of seconds since 1970";
        for (query, error) in [
            ("state=dead", &*state),
            ("Torrent=a", &case),
            ("limit=1&limit=2", "the parameter limit is given twice"),
            (
                "torrent=a&torrent=a",
                "the parameter torrent is given twice",
            ),
            ("limit=0", limit),
            ("limit=1001", limit),
            ("limit=-1", limit),
            ("limit", limit),
            ("since=yesterday", since),
            ("since=1.5", since),
            ("until=tomorrow", until),
            ("page=0", page),
            ("since=1790000000000", since),
            ("since=99999999999999999999", since),
            ("torrent=%ff", "torrent must be UTF-8"),
        ] {
            let found = EventParameters::parse(query).unwrap_err().to_string();
            assert_eq!(found, error, "{query}");
        }
    }
}
