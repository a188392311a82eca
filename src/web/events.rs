//! `/api/v1/events`: the latest events, as JSON.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::lookup;
use super::parameters::{Parameters, QueryError};
use seedwatch_core::events::StateEvent;
use seedwatch_core::snapshot::{Snapshot, Torrent, Unix};
use seedwatch_torrent::InfoHash;

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
    /// The torrent, if it is configured.
    #[serde(skip)]
    pub(super) configured: Option<&'a Torrent>,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// The code of the reason.
    pub(super) reason: &'static str,
    /// The reason as a sentence, for people.
    #[serde(skip)]
    pub(super) sentence: &'static str,
    /// Seconds since 1970; `null` if the clock was not set.
    pub(super) at: Option<u64>,
}

impl<'a> Events<'a> {
    /// Returns the events that a query asks for.
    pub(super) fn of(snapshot: &'a Snapshot, query: EventQuery) -> Self {
        let readable = Readable::of(snapshot);
        let latest = snapshot.events.latest(snapshot.taken);
        let wanted = latest.filter(|event| query.selects(event) && readable.has(event));
        let mut wanted = wanted.skip((query.page - 1).saturating_mul(query.limit));
        let shown: Vec<_> = wanted.by_ref().take(query.limit).copied().collect();
        Self {
            taken: snapshot.taken.0,
            more: wanted.next().is_some(),
            events: resolve(snapshot, &shown),
        }
    }
}

/// Of which torrents readers may see events.
pub(super) enum Readable {
    All,
    /// Only of these.
    Of(HashSet<InfoHash>),
}

impl Readable {
    /// Returns it. Strangers see those of configured torrents that are shown to them: one that is
    /// gone may have been private. Passes over the torrents once.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        if !snapshot.config.is_public {
            return Self::All;
        }
        let events = snapshot.events.latest(snapshot.taken);
        let with_events: HashSet<_> = events.map(|event| event.torrent).collect();
        let shown = snapshot.torrents.iter().filter(|it| snapshot.shows(it));
        let shown = shown.filter_map(|torrent| torrent.hashes.wire().next());
        Self::Of(shown.filter(|hash| with_events.contains(hash)).collect())
    }

    /// Returns whether readers may see an event.
    pub(super) fn has(&self, event: &StateEvent) -> bool {
        match self {
            Self::All => true,
            Self::Of(shown) => shown.contains(&event.torrent),
        }
    }
}

/// Returns the identity of a torrent: of a configured one by an info-hash or its name, or the
/// info-hash itself. Strangers cannot ask whether a hash was watched.
pub(super) fn find(snapshot: &Snapshot, text: &str) -> Option<InfoHash> {
    let torrents = &snapshot.torrents;
    let configured = lookup::find(snapshot, text).and_then(|index| torrents.get(index));
    match configured {
        Some(torrent) => torrent.hashes.wire().next(),
        None => lookup::wire_hash(text).filter(|_| !snapshot.config.is_public),
    }
}

/// Returns events with the names of their torrents. Passes over the torrents once.
pub(super) fn resolve<'a>(snapshot: &'a Snapshot, events: &[StateEvent]) -> Vec<EventView<'a>> {
    let mut found: HashMap<InfoHash, Option<&Torrent>> =
        events.iter().map(|event| (event.torrent, None)).collect();
    if !found.is_empty() {
        for torrent in snapshot.torrents.iter() {
            let hash = torrent.hashes.wire().next();
            if let Some(found) = hash.and_then(|hash| found.get_mut(&hash)) {
                *found = Some(torrent);
            }
        }
    }
    let view = |event: &StateEvent| {
        let configured = found.get(&event.torrent).copied().flatten();
        EventView {
            torrent: configured.map(|torrent| &*torrent.name),
            infohash: event.torrent.to_string(),
            configured,
            from: event.from.as_label(),
            to: event.to.as_label(),
            reason: event.reason.as_label(),
            sentence: event.reason.sentence(),
            at: event.at.get().map(|at| at.0),
        }
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
