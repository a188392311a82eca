//! `/api/v1/events`: the latest events, as JSON.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde::Serialize;

use seedwatch_core::events::StateEvent;
use seedwatch_core::snapshot::{Snapshot, Unix};
use seedwatch_torrent::{Hashes, InfoHash};

/// Events that are returned if the query does not say how many.
const DEFAULT_LIMIT: usize = 100;

/// Most events that are returned at once.
pub(super) const MAX_LIMIT: usize = 1000;

/// Why a query is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueryError {
    /// The query is not valid.
    Invalid(&'static str),
    /// It names a torrent that is neither configured nor an info-hash.
    NoSuchTorrent,
}

/// What to return.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Query<'a> {
    /// A name, or an info-hash.
    torrent: Option<Cow<'a, str>>,
    /// Seconds since 1970.
    since: Option<u64>,
    limit: usize,
}

impl<'a> Query<'a> {
    fn parse(text: &'a str) -> Result<Self, QueryError> {
        let (mut torrent, mut since, mut limit) = (None, None, None);
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let number = || value.parse::<u64>();
            let is_repeated = match key {
                "torrent" => torrent.replace(decode(value)?).is_some(),
                "since" => {
                    let seconds = number().map_err(|_| INVALID_SINCE)?;
                    since.replace(seconds).is_some()
                }
                "limit" => {
                    let number = number().ok().filter(|n| (1..=MAX_LIMIT as u64).contains(n));
                    limit.replace(number.ok_or(INVALID_LIMIT)?).is_some()
                }
                _ => return Err(UNKNOWN),
            };
            if is_repeated {
                return Err(REPEATED);
            }
        }
        Ok(Self {
            torrent,
            since,
            limit: limit.map_or(DEFAULT_LIMIT, |limit| limit as usize),
        })
    }
}

const UNKNOWN: QueryError =
    QueryError::Invalid("unknown parameter; known are torrent, since and limit");
const REPEATED: QueryError = QueryError::Invalid("a parameter is given twice");
const INVALID_SINCE: QueryError =
    QueryError::Invalid("since is not a number of seconds since 1970");
const INVALID_LIMIT: QueryError = QueryError::Invalid("limit is not a number from 1 to 1000");
const INVALID_NAME: QueryError = QueryError::Invalid("torrent is not UTF-8");

/// Decodes a value as a form encodes it: `+` is a space.
fn decode(value: &str) -> Result<Cow<'_, str>, QueryError> {
    let value = value.replace('+', " ");
    let decoded = percent_decode_str(&value).decode_utf8();
    let decoded = decoded.map_err(|_| INVALID_NAME)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

/// The latest events that a query asks for, the latest first.
#[derive(Debug, Serialize)]
pub(super) struct Events<'a> {
    taken: u64,
    events: Vec<EventView<'a>>,
    /// Whether there are more than the limit.
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
    pub(super) fn of(snapshot: &'a Snapshot, query: &str) -> Result<Self, QueryError> {
        let query = Query::parse(query)?;
        let torrent = query.torrent.map(|text| find(snapshot, &text));
        let torrent = torrent
            .map(|found| found.ok_or(QueryError::NoSuchTorrent))
            .transpose()?;
        let is_wanted = |event: &&StateEvent| {
            let is_late = query
                .since
                .is_none_or(|since| event.at.get() >= Some(Unix(since)));
            is_late && torrent.is_none_or(|torrent| torrent == event.torrent)
        };
        let mut wanted = snapshot.events.latest(snapshot.taken).filter(is_wanted);
        let shown: Vec<_> = wanted.by_ref().take(query.limit).copied().collect();
        Ok(Self {
            taken: snapshot.taken.0,
            more: wanted.next().is_some(),
            events: resolve(snapshot, &shown),
        })
    }
}

/// Returns the identity of a torrent: of a configured one by its name or an info-hash, or the
/// info-hash itself.
fn find(snapshot: &Snapshot, text: &str) -> Option<InfoHash> {
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
        let all = Query::parse("").unwrap();
        assert_eq!((all.torrent, all.since, all.limit), (None, None, 100));
        let some = Query::parse("torrent=a+%2B%20b&since=17&limit=1000").unwrap();
        assert_eq!(some.torrent.as_deref(), Some("a + b"));
        assert_eq!((some.since, some.limit), (Some(17), 1000));
        for (query, error) in [
            ("state=dead", UNKNOWN),
            ("Torrent=a", UNKNOWN),
            ("limit=1&limit=2", REPEATED),
            ("torrent=a&torrent=a", REPEATED),
            ("limit=0", INVALID_LIMIT),
            ("limit=1001", INVALID_LIMIT),
            ("limit=-1", INVALID_LIMIT),
            ("limit", INVALID_LIMIT),
            ("since=yesterday", INVALID_SINCE),
            ("since=1.5", INVALID_SINCE),
            ("since=99999999999999999999", INVALID_SINCE),
            ("torrent=%ff", INVALID_NAME),
        ] {
            assert_eq!(Query::parse(query), Err(error), "{query}");
        }
    }
}
